"""What a merge does to the tables of this app, where moving their rows is not all."""

from segmentation.models import (
    AccountFlag,
    AccountMerge,
    DisqualificationRequest,
    DuplicateCandidate,
    IcpAnswer,
    IcpAssessment,
    ListMembership,
    PlaySuggestion,
    SegmentMembership,
)
from segmentation.services.merging.lines import join_flags, join_memberships, join_requests
from segmentation.services.merging.relations import Divide, Leave, Move, Rewrite, SetAside, on_merge
from segmentation.services.plays import join_suggestions


def declare() -> None:
    """Called once at start-up. The order matters: a flag may end memberships, which answers requests."""
    on_merge(AccountFlag, Rewrite(join_flags))
    on_merge(ListMembership, Rewrite(join_memberships))
    on_merge(DisqualificationRequest, Rewrite(join_requests))
    on_merge(IcpAnswer, Move(ignoring=("segmentation.IcpAnswer:icpanswer_is_kept",)))
    on_merge(IcpAssessment, SetAside())  # of answers and facts that were not all there; the survivor is assessed anew
    on_merge(PlaySuggestion, Divide(join_suggestions, "t.state IN ('accepted', 'done', 'dismissed')"))
    on_merge(SegmentMembership, Leave())  # worked out of the facts
    on_merge(DuplicateCandidate, SetAside(), by="first")
    on_merge(DuplicateCandidate, SetAside(), by="second")
    on_merge(AccountMerge, Move(are_facts=False))


__all__ = ["declare"]
