"""Drafting and publishing ideal customer profiles, and answering their items: the only code that writes them."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.engine.documents import rule_problems
from segmentation.engine.fit import SCALE
from segmentation.errors import ConflictError, InvalidValueError, NotFoundError, ProblemError
from segmentation.models import Account, IcpAnswer, IcpItem, IcpProfile, IcpVersion
from segmentation.ready_made import ITEMS
from segmentation.selectors.profiles import items_of, profile_document
from segmentation.services.columns import checked_note
from segmentation.services.keys import refuse_new_key
from segmentation.services.users import Actor, author
from segmentation.services.versions import locked_version


@transaction.atomic
def create_profile(*, key: str, name: str, description: str = "", user: Actor = None) -> IcpVersion:
    """A new profile with an empty draft. Raises InvalidValueError or ConflictError for a key that cannot be used."""
    refuse_new_key(IcpProfile, key)
    profile = IcpProfile.objects.create(key=key, name=name or key, description=description)
    return IcpVersion.objects.create(profile=profile, number=1, created_by=author(user))


@transaction.atomic
def create_profile_draft(
    *, profile: IcpProfile, user: Actor = None, based_on: IcpVersion | None = None, is_empty: bool = False
) -> IcpVersion:
    """A draft that begins as a copy of `based_on` (default: the newest published version).

    Items keep their keys, so answers stay with them. The first version of a profile begins with the ready-made
    checklist. is_empty: begin without items. Raises ConflictError if there is a draft already.
    """
    IcpProfile.objects.select_for_update().get(pk=profile.pk)
    draft = profile.versions.filter(state=IcpVersion.State.DRAFT).first()
    if draft:
        raise ConflictError(
            _("The profile “%(value)s” has a draft already: version %(number)s."),
            code="draft_exists",
            field="profile",
            value=profile.key,
            remedy=_("Go on with it, or delete it first."),
            params={"number": draft.number},
        )
    source = based_on or profile.versions.filter(state=IcpVersion.State.PUBLISHED).order_by("-number").first()
    number = (profile.versions.aggregate(most=Max("number"))["most"] or 0) + 1
    version = IcpVersion.objects.create(profile=profile, number=number, created_by=author(user))
    if not is_empty:
        document = profile_document(source) if source else {"items": ITEMS}
        IcpItem.objects.bulk_create(items_of(version, document))
    return version


def refuse_published(version: IcpVersion) -> None:
    """Raise ConflictError for a version that is no draft."""
    if not version.is_draft:
        raise ConflictError(
            _("%(value)s is published and never changes."),
            code="published",
            field="version",
            value=str(version),
            remedy=_("Make a draft of it and change that."),
        )


def item_problems(kind: str, rule: Any) -> list[ProblemError]:
    """What keeps an item from being answered: a rule item without a usable rule, a rule where a person answers."""
    if kind != IcpItem.Kind.RULE:
        if rule in (None, {}, ""):
            return []
        return [
            InvalidValueError(
                _("A person answers this item, and it has a rule."),
                code="needless_rule",
                field="rule",
                remedy=_("Remove the rule, or let it be answered by a rule."),
            )
        ]
    if not rule:
        return [
            InvalidValueError(
                _("The item is answered by a rule, and there is none."),
                code="rule_missing",
                field="rule",
                remedy=_("Add a criterion, or let a person answer it."),
            )
        ]
    return [*rule_problems(rule)]


@transaction.atomic
def publish_profile_version(*, version: IcpVersion, user: Actor = None) -> IcpVersion:
    """Publish a draft: it never changes again. Who asks assesses the accounts by it.

    Raises:
        ConflictError: it is published already, or was discarded meanwhile.
        InvalidValueError: it has no items, or none that counts.
        RuleError: an item's rule cannot be used; the field names the item.
    """
    version = locked_version(version, "profile")
    refuse_published(version)
    items = list(version.items.all())
    if not any(item.weight for item in items):
        raise InvalidValueError(
            _("%(value)s has no item that counts, so it could say nothing of any account."),
            code="no_items",
            field="items",
            value=str(version),
            remedy=_("Add items, or give those that are there a weight."),
        )
    for item in items:
        for problem in item_problems(item.kind, item.rule):
            problem.field = f"items.{item.key}.{problem.field}"
            raise problem
    version.state = IcpVersion.State.PUBLISHED
    version.published_at = timezone.now()
    version.published_by = author(user)
    version.save(update_fields=["state", "published_at", "published_by"])
    return version


def _checked_value(item: IcpItem, value: Any) -> int | None:
    """The value to store. Raises InvalidValueError for a text in a number and a number out of range."""
    low, high = (0, 1) if item.kind == IcpItem.Kind.YES_NO else SCALE
    if value is None:
        return None
    if item.kind == IcpItem.Kind.YES_NO and isinstance(value, bool):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidValueError(
            _("“%(value)s” is no answer to “%(item)s”."),
            code="bad_answer",
            field="value",
            value=value,
            remedy=_("Answer with a whole number from %(low)s to %(high)s, or with nothing for not known."),
            params={"item": item, "low": low, "high": high},
        )
    return value


@transaction.atomic
def record_answers(
    *,
    version: IcpVersion,
    item_key: str,
    accounts: Iterable[Account],
    value: Any,
    note: str = "",
    user: Actor = None,
) -> list[IcpAnswer]:
    """Answer one item for a batch of accounts. Earlier answers, whoever gave them, are kept; this one counts.

    Args:
        version: the checklist in which the item is asked; the answer holds for every version that has the key.
        item_key: which item.
        accounts: a batch; one account is a batch of one.
        value: yes True or 1, no False or 0; on a scale 1 to 5; None when it is not known (any more).
        note: a description, in a person's words.
        user: who answered.

    Raises:
        NotFoundError: the version has no such item.
        InvalidValueError: the item is answered by a rule, or the value or the note cannot be used. Nothing is stored.
    """
    item = IcpItem.objects.filter(version=version, key=item_key).first()
    if item is None:
        raise NotFoundError(
            _("%(version)s has no item “%(value)s”."),
            code="unknown_item",
            field="item",
            value=item_key,
            remedy=_("It has: %(known)s."),
            params={
                "version": version,
                "known": ", ".join(version.items.values_list("key", flat=True)) or "–",
            },
        )
    if item.kind == IcpItem.Kind.RULE:
        raise InvalidValueError(
            _("“%(value)s” is answered by a rule."),
            code="answered_by_rule",
            field="item",
            value=str(item),
            remedy=_("Correct the facts of the account, or change the item in a draft."),
        )
    checked, note = _checked_value(item, value), checked_note(IcpAnswer, note)
    return IcpAnswer.objects.bulk_create(
        IcpAnswer(
            profile_id=version.profile_id,
            item_key=item.key,
            account=account,
            kind=item.kind,
            value=checked,
            note=note,
            answered_by=author(user),
        )
        for account in accounts
    )
