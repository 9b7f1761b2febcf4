"""What sales take back themselves; what they ask for is in `segmentation.services.target_lists`."""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from segmentation.models import ListMembership, MembershipState
from segmentation.services.target_lists.given import Use, checked_why
from segmentation.services.target_lists.rows import move_rows
from segmentation.services.users import Actor


@transaction.atomic
def withdraw_proposals(
    *, memberships: Iterable[ListMembership], note: str = "", user: Actor = None
) -> list[ListMembership]:
    """Take proposals back before they are decided: they leave the list and their places are free again.

    Args:
        memberships: the proposals.
        note: why, in a person's words; it says that they were withdrawn when left out.
        user: who takes them back.

    Returns:
        The rows that began, removed.

    Raises:
        MembershipConflictError: one was decided meanwhile; nothing was changed.
        InvalidValueError: the note is too long.
    """
    why = checked_why(None, note or _("Withdrawn by sales."), user, use=Use.REMOVE)
    return move_rows(memberships, [MembershipState.PROPOSED], MembershipState.REMOVED, why, None)
