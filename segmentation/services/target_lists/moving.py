"""On a list and off it: paused, resumed, removed, disqualified by a decision of marketing.

Every verb takes the rows in force, returns the rows that began and raises InvalidValueError when reason, note or time
cannot be used, MembershipConflictError when a row has changed meanwhile or its state does not allow the change; then
nothing was changed for any account.
"""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from segmentation.models import Account, ListMembership, MembershipReason, MembershipState
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.target_lists.given import Use, checked_why
from segmentation.services.target_lists.rows import locked_accounts, move_rows
from segmentation.services.users import Actor


@transaction.atomic
def recycle_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Pause active members. They keep their place."""
    why = checked_why(reason, note, user, use=Use.RECYCLE)
    return move_rows(memberships, [MembershipState.ACTIVE], MembershipState.RECYCLING, why, at)


@transaction.atomic
def resume_members(
    *, memberships: Iterable[ListMembership], note: str = "", user: Actor = None, at: dt.datetime | None = None
) -> list[ListMembership]:
    """Make paused members active again. It needs no reason."""
    why = checked_why(None, note, user, use=Use.ADD, required=False)
    return move_rows(memberships, [MembershipState.RECYCLING], MembershipState.ACTIVE, why, at)


@transaction.atomic
def remove_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Take accounts off a list; a place they held is free again. They may come back."""
    why = checked_why(reason, note, user, use=Use.REMOVE)
    return move_rows(memberships, HOLDING_STATES, MembershipState.REMOVED, why, at)


@transaction.atomic
def disqualify_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Disqualify accounts on their list; a place they held is free again, open requests to do it are accepted.

    The account itself is not disqualified: that is `segmentation.services.flags.disqualify_accounts`.
    """
    why = checked_why(reason, note, user, use=Use.DISQUALIFY)
    return move_rows(memberships, HOLDING_STATES, MembershipState.DISQUALIFIED, why, at)


@transaction.atomic
def end_memberships(
    *, accounts: Iterable[Account], note: str, user: Actor = None, at: dt.datetime | None = None
) -> list[ListMembership]:
    """End every membership of accounts that were disqualified as such, on all lists.

    From `at` on; a membership that began later than that, for the disqualification is dated back, ends now.
    """
    why = checked_why(None, note, user, use=Use.DISQUALIFY)
    locked = locked_accounts(account.pk for account in accounts)
    in_force = list(
        ListMembership.objects.filter(account__in=locked, end_at__isnull=True, state__in=HOLDING_STATES).order_by("pk")
    )
    before = [row for row in in_force if at is None or row.start_at < at]
    later = [row for row in in_force if at is not None and row.start_at >= at]
    return [
        row
        for chosen, when in ((before, at), (later, None))
        if chosen
        for row in move_rows(chosen, HOLDING_STATES, MembershipState.DISQUALIFIED, why, when)
    ]
