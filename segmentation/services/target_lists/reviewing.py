"""Everything that waits for marketing, decided in one go."""

from collections.abc import Iterable

from django.db import transaction

from segmentation.models import DisqualificationRequest, ListMembership, MembershipReason
from segmentation.services.target_lists.disqualifying import review_disqualifications
from segmentation.services.target_lists.joining import review_proposals
from segmentation.services.users import Actor


@transaction.atomic
def review_waiting(
    *,
    proposals: Iterable[ListMembership],
    requests: Iterable[DisqualificationRequest],
    accept: bool,
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
) -> list[ListMembership | DisqualificationRequest]:
    """Decide proposals and requests to disqualify together: all of them or none.

    Of an account that is proposed and asked to be disqualified on the same list only the proposal is decided: its
    request is answered by a refusal and stays open after an acceptance. A request has no reason of its own when it is
    decided: the reason's name stands before the note.

    Raises:
        InvalidValueError, ConflictError: as `review_proposals` and `review_disqualifications`.
    """
    proposals = list(proposals)
    first = {(row.target_list_id, row.account_id) for row in proposals}
    requests = [row for row in requests if (row.target_list_id, row.account_id) not in first]
    decided: list[ListMembership | DisqualificationRequest] = []
    if proposals:
        decided += review_proposals(memberships=proposals, accept=accept, reason=reason, note=note, user=user)
    if requests:
        words = " · ".join(part for part in (reason.name if reason else "", note) if part)
        decided += review_disqualifications(requests=requests, accept=accept, note=words, user=user)
    return decided
