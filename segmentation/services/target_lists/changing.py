"""What happens to memberships beside coming and going: another tier, a proposal taken back."""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from segmentation.models import ListMembership, MembershipReason, MembershipState
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.target_lists.errors import MembershipConflictError
from segmentation.services.target_lists.given import Use, checked_tier, checked_why
from segmentation.services.target_lists.rows import move_rows
from segmentation.services.users import Actor


@transaction.atomic
def change_tier(
    *,
    memberships: Iterable[ListMembership],
    tier: int | None,
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Give members and proposals another tier on their list. State and place stay; the earlier tier stays readable.

    Args:
        memberships: rows in force that are proposed, active or recycling.
        tier: 1, 2 or 3; None takes the list's from now on.
        reason: why, one that fits adding; it or the note must be given.
        note: why, in a person's words.
        user: who decides.
        at: from when; now when left out.

    Returns:
        The rows that began.

    Raises:
        InvalidValueError: tier, reason, note or time cannot be used.
        MembershipConflictError: one is not on the list any more, or has that tier already; nothing was changed.
    """
    why, tier = checked_why(reason, note, user, use=Use.ADD), checked_tier(tier)
    rows = list(memberships)
    same = next((row for row in rows if row.tier == tier), None)
    if same is not None:
        raise MembershipConflictError(
            _("%(value)s has this tier already."),
            code="same_tier",
            field="tier",
            value=str(same.account),
            remedy=_("Choose another tier, or leave this account out."),
        )
    began: list[ListMembership] = []
    for state in MembershipState:
        mine = [row for row in rows if row.state == state]
        if mine:
            began += move_rows(mine, {state} & set(HOLDING_STATES), state, why, at, tier=tier)
    return began


@transaction.atomic
def withdraw_proposals(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
) -> list[ListMembership]:
    """Take proposals back before they are decided; their places are free again.

    Returns:
        The rows that began, removed from the list.

    Raises:
        InvalidValueError: reason or note cannot be used.
        MembershipConflictError: one is no open proposal any more; nothing was changed.
    """
    why = checked_why(reason, note, user, use=Use.REMOVE)
    return move_rows(memberships, [MembershipState.PROPOSED], MembershipState.REMOVED, why, None)
