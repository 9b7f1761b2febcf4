from segmentation.models.accounts import Account, Contact, CustomField, SalesTeam, TitleRule
from segmentation.models.changes import FactTouch, FeedState
from segmentation.models.choices import (
    BuyingRole,
    Consent,
    Department,
    MembershipState,
    QuotaKind,
    Relationship,
    Seniority,
    Tier,
)
from segmentation.models.flags import AccountFlag, FlagType
from segmentation.models.goals import GoalReview, PriorityAnswer, PriorityWeight, SegmentGoal
from segmentation.models.icp import IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpRun, IcpVersion
from segmentation.models.idempotency import IdempotencyKey
from segmentation.models.identity import AccountMerge, DuplicateCandidate, MergedRows
from segmentation.models.imports import ImportMapping, ImportRun, ImportTarget
from segmentation.models.jobs import Job
from segmentation.models.plays import Play, PlaySuggestion
from segmentation.models.segments import Segment, SegmentHistory, SegmentMembership, SegmentReview, SegmentVersion
from segmentation.models.target_lists import (
    DisqualificationRequest,
    ListMembership,
    ListReview,
    MembershipReason,
    SalesQuota,
    TargetList,
)

__all__ = [
    "Account",
    "AccountFlag",
    "AccountMerge",
    "BuyingRole",
    "Consent",
    "Contact",
    "CustomField",
    "Department",
    "DisqualificationRequest",
    "DuplicateCandidate",
    "FactTouch",
    "FeedState",
    "FlagType",
    "GoalReview",
    "IcpAnswer",
    "IcpAssessment",
    "IcpItem",
    "IcpProfile",
    "IcpRun",
    "IcpVersion",
    "IdempotencyKey",
    "ImportMapping",
    "ImportRun",
    "ImportTarget",
    "Job",
    "ListMembership",
    "ListReview",
    "MembershipReason",
    "MembershipState",
    "MergedRows",
    "Play",
    "PlaySuggestion",
    "PriorityAnswer",
    "PriorityWeight",
    "QuotaKind",
    "Relationship",
    "SalesQuota",
    "SalesTeam",
    "Segment",
    "SegmentGoal",
    "SegmentHistory",
    "SegmentMembership",
    "SegmentReview",
    "SegmentVersion",
    "Seniority",
    "TargetList",
    "Tier",
    "TitleRule",
]
