from segmentation.models.accounts import Account, Contact, CustomField, SalesTeam, TitleRule
from segmentation.models.changes import FactTouch, FeedState
from segmentation.models.choices import BuyingRole, Consent, Department, Relationship, Seniority, Tier
from segmentation.models.flags import AccountFlag, FlagType
from segmentation.models.icp import IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpVersion
from segmentation.models.idempotency import IdempotencyKey
from segmentation.models.imports import ImportMapping, ImportRun, ImportTarget
from segmentation.models.jobs import Job

__all__ = [
    "Account",
    "AccountFlag",
    "BuyingRole",
    "Consent",
    "Contact",
    "CustomField",
    "Department",
    "FactTouch",
    "FeedState",
    "FlagType",
    "IcpAnswer",
    "IcpAssessment",
    "IcpItem",
    "IcpProfile",
    "IcpVersion",
    "IdempotencyKey",
    "ImportMapping",
    "ImportRun",
    "ImportTarget",
    "Job",
    "Relationship",
    "SalesTeam",
    "Seniority",
    "Tier",
    "TitleRule",
]
