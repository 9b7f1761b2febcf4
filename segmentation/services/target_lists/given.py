"""What is given with a change of a target account list, checked before anything is locked or written."""

import datetime as dt
from typing import NamedTuple

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError
from segmentation.models import ListMembership, MembershipReason, TargetList
from segmentation.services.columns import checked_note
from segmentation.services.times import checked_past
from segmentation.services.users import Actor, author

Use = MembershipReason.Use


class Why(NamedTuple):
    """Who decided something, for which reason and in which words; in the form the rows store."""

    reason: MembershipReason | None
    note: str
    who: User | None


def checked_why(
    reason: MembershipReason | None, note: str, user: Actor, *, use: MembershipReason.Use, required: bool = True
) -> Why:
    """Return why something is decided. The reason must fit what it is used for.

    Raises:
        InvalidValueError: neither reason nor note is given though one is required, the note is too long, or the reason
            is inactive or meant for another decision.
    """
    note = checked_note(ListMembership, note)
    if required and reason is None and not note:
        raise InvalidValueError(
            _("The reason is missing."),
            code="reason_missing",
            field="reason",
            remedy=_("Choose a reason or write a note: it is shown wherever somebody asks why."),
        )
    if reason is not None and (not reason.active or reason.use not in ("", use)):
        raise InvalidValueError(
            _("The reason “%(value)s” does not fit this decision."),
            code="reason_not_fitting",
            field="reason",
            value=reason.name,
            remedy=_("Choose an active one that is meant to: %(use)s."),
            params={"use": use.label},
        )
    return Why(reason, note, author(user))


def checked_time(at: dt.datetime | None) -> dt.datetime:
    """Return when the change takes effect. Called after the locks: what others did before us lies before now."""
    return checked_past(at, _("%(value)s is no time a membership can begin or end at."))


def checked_tier(tier: int | None) -> int | None:
    """Return the tier. Raises InvalidValueError for anything but 1, 2, 3 and none."""
    if tier is not None and (isinstance(tier, bool) or tier not in (1, 2, 3)):
        raise InvalidValueError(
            _("%(value)s is no tier."), code="unknown_tier", field="tier", value=tier, remedy=_("Use 1, 2 or 3.")
        )
    return tier


def refuse_inactive(target_list: TargetList) -> None:
    """Raise ConflictError when the list takes no more accounts."""
    if not target_list.active:
        raise ConflictError(
            _("The list “%(value)s” is not active."),
            code="list_not_active",
            field="list",
            value=target_list.key,
            remedy=_("Make it active again or choose another list."),
        )
