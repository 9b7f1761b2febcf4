"""Ideal customer profiles: finding them and what people answered."""

from django.utils.translation import gettext_lazy as _

from segmentation.errors import NotFoundError, closest
from segmentation.models import IcpAnswer, IcpProfile, IcpVersion


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
