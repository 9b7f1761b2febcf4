"""Target account lists, the review of what sales propose, quotas and reasons."""

from segmentation.admin.target_lists.joining import AddToListMixin
from segmentation.admin.target_lists.lists import MembershipReasonAdmin, TargetListAdmin
from segmentation.admin.target_lists.memberships import ListMembershipAdmin, ListMembershipInline
from segmentation.admin.target_lists.quotas import SalesQuotaAdmin
from segmentation.admin.target_lists.requests import DisqualificationRequestAdmin

__all__ = [
    "AddToListMixin",
    "DisqualificationRequestAdmin",
    "ListMembershipAdmin",
    "ListMembershipInline",
    "MembershipReasonAdmin",
    "SalesQuotaAdmin",
    "TargetListAdmin",
]
