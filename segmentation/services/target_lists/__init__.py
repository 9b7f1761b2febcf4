"""Who comes onto a target account list and who leaves it: the only code that writes memberships.

Every verb takes a batch, changes all of it or nothing, ends the row in force and begins another. Locks are taken in one
order, quotas before accounts, each by primary key, so that simultaneous requests take turns and never deadlock.
"""

from segmentation.services.target_lists.changing import change_tier, withdraw_proposals
from segmentation.services.target_lists.disqualifying import (
    propose_disqualification,
    review_disqualifications,
    withdraw_disqualifications,
)
from segmentation.services.target_lists.errors import MembershipConflictError, QuotaExceededError
from segmentation.services.target_lists.joining import add_accounts, propose_accounts, review_proposals
from segmentation.services.target_lists.moving import (
    disqualify_members,
    end_memberships,
    recycle_members,
    remove_members,
    resume_members,
)
from segmentation.services.target_lists.quotas import set_quota
from segmentation.services.target_lists.reviewing import review_waiting
from segmentation.services.target_lists.upkeep import record_list_review

__all__ = [
    "MembershipConflictError",
    "QuotaExceededError",
    "add_accounts",
    "change_tier",
    "disqualify_members",
    "end_memberships",
    "propose_accounts",
    "propose_disqualification",
    "record_list_review",
    "recycle_members",
    "remove_members",
    "resume_members",
    "review_disqualifications",
    "review_proposals",
    "review_waiting",
    "set_quota",
    "withdraw_disqualifications",
    "withdraw_proposals",
]
