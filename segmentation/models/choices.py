"""Closed lists of words the whole project shares. The values are stored; the labels are for people."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Seniority(models.TextChoices):
    """Rank of a job title. `SENIORITY_ORDER` says which is above which."""

    C_LEVEL = "c_level", _("C level")
    VP = "vp", _("Vice president")
    DIRECTOR = "director", _("Director")
    MANAGER = "manager", _("Manager")
    OTHER = "other", _("Other")


class Department(models.TextChoices):
    EXECUTIVE = "executive", _("General management")
    MARKETING = "marketing", _("Marketing")
    SALES = "sales", _("Sales")
    IT = "it", _("Information technology")
    ENGINEERING = "engineering", _("Engineering and research")
    PRODUCT = "product", _("Product management")
    FINANCE = "finance", _("Finance")
    OPERATIONS = "operations", _("Operations")
    PROCUREMENT = "procurement", _("Procurement")
    HR = "hr", _("Human resources")
    LEGAL = "legal", _("Legal")
    SERVICE = "service", _("Customer service")
    OTHER = "other", _("Other")


class BuyingRole(models.TextChoices):
    """What a person does in a purchase (the buying committee)."""

    USER = "user", _("User")
    EVALUATOR = "evaluator", _("Evaluator")
    INFLUENCER = "influencer", _("Influencer")
    DECISION_MAKER = "decision_maker", _("Decision maker")


class Relationship(models.TextChoices):
    PROSPECT = "prospect", _("Prospect")
    CUSTOMER = "customer", _("Customer")
    PARTNER = "partner", _("Partner")
    COMPETITOR = "competitor", _("Competitor")
    OTHER = "other", _("Other")


class Tier(models.IntegerChoices):
    ONE_TO_ONE = 1, _("1: one-to-one")
    ONE_TO_FEW = 2, _("2: one-to-few")
    ONE_TO_MANY = 3, _("3: one-to-many")


class Consent(models.TextChoices):
    GIVEN = "given", _("Given")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class MembershipState(models.TextChoices):
    """What an account is to a target account list. The first three hold the place of the team that added it."""

    PROPOSED = "proposed", _("Proposed")
    ACTIVE = "active", _("Active")
    RECYCLING = "recycling", _("Recycling")
    REJECTED = "rejected", _("Rejected")
    DISQUALIFIED = "disqualified", _("Disqualified")
    REMOVED = "removed", _("Removed")


# States that take a place of the quota, and those in which an account counts as a target account.
HOLDING_STATES = (MembershipState.PROPOSED, MembershipState.ACTIVE, MembershipState.RECYCLING)
MEMBER_STATES = (MembershipState.ACTIVE, MembershipState.RECYCLING)


class QuotaKind(models.TextChoices):
    """What a sales team works; says how many places are usual."""

    KEY_ACCOUNTS = "key_accounts", _("Key accounts")
    MID_MARKET = "mid_market", _("Mid market")


USUAL_PLACES = {QuotaKind.KEY_ACCOUNTS: 15, QuotaKind.MID_MARKET: 30}
