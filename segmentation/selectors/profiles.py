"""Ideal customer profiles: finding them and what people answered."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from segmentation.errors import NotFoundError, closest
from segmentation.models import IcpAnswer, IcpItem, IcpProfile, IcpVersion

# What a document says of an item, each with what it is where the document does not say.
ITEM_DEFAULTS: dict[str, Any] = {
    "key": "",
    "section": IcpItem.Section.CUSTOM.value,
    "text": "",
    "help": "",
    "kind": IcpItem.Kind.YES_NO.value,
    "rule": None,
    "weight": 1,
    "knock_out": False,
    "unknown": IcpItem.Unknown.LEAVE_OUT.value,
}


def find_profile(key: str) -> IcpProfile:
    """A profile by key. Raises NotFoundError with the nearest key."""
    profiles = {profile.key: profile for profile in IcpProfile.objects.all()}
    if key not in profiles:
        close = closest(key, profiles)
        raise NotFoundError(
            _("There is no profile “%(value)s”."),
            code="unknown_profile",
            field="profile",
            value=key,
            remedy=_("Did you mean “%(close)s”?") if close else _("There are: %(known)s."),
            params={"close": close, "known": ", ".join(profiles) or "–"},
        )
    return profiles[key]


def published_profile_versions(profile: IcpProfile | None = None) -> list[IcpVersion]:
    """The newest published version of each profile (or of one), by the profiles' names."""
    rows = IcpVersion.objects.filter(state=IcpVersion.State.PUBLISHED)
    if profile is not None:
        rows = rows.filter(profile=profile)
    newest = rows.order_by("profile_id", "-number").distinct("profile_id").values("pk")
    return list(
        IcpVersion.objects.filter(pk__in=newest).select_related("profile").order_by("profile__name", "profile_id")
    )


def published_profile_version(profile: IcpProfile) -> IcpVersion:
    """The newest published version. Raises NotFoundError when there is none."""
    found = published_profile_versions(profile)
    if not found:
        raise NotFoundError(
            _("No version of the profile “%(value)s” is published."),
            code="not_published",
            field="profile",
            value=profile.key,
            remedy=_("Publish its draft in the admin."),
        )
    return found[0]


# By profile, key and kind of the item, the newest first.
Answers = dict[tuple[int, str, str], list[IcpAnswer]]


def all_answers(account_id: int) -> Answers:
    """Everything that was answered for an account, the newest first."""
    found: Answers = {}
    rows = IcpAnswer.objects.filter(account=account_id).select_related("answered_by").order_by("-answered_at", "-id")
    for answer in rows:
        found.setdefault((answer.profile_id, answer.item_key, answer.kind), []).append(answer)
    return found


def profile_document(version: IcpVersion) -> dict[str, Any]:
    """The items of a version in their order, as they are edited, saved and sent."""
    rows = version.items.order_by("order", "id")
    return {"items": [{name: _in_document(name, getattr(item, name)) for name in ITEM_DEFAULTS} for item in rows]}


def _in_document(name: str, value: Any) -> Any:
    if name != "rule" or value is None:
        return value

    def terms(part: str) -> list[dict[str, Any]]:
        return [{"params": {}, "negate": False, **term} for term in value.get(part) or ()]

    return {"name": "", "at_least": None, **value, "scope": terms("scope"), "criteria": terms("criteria")}


def items_of(version: IcpVersion, document: Mapping[str, Any]) -> list[IcpItem]:
    """The items of a document that has no problems, not stored."""

    def item(order: int, row: Mapping[str, Any]) -> IcpItem:
        fields = {**ITEM_DEFAULTS, **row}
        if fields["kind"] != IcpItem.Kind.RULE:
            fields["rule"] = None
        return IcpItem(version=version, order=order, **fields)

    return [item(order, row) for order, row in enumerate(document["items"], start=1)]
