"""Target account lists: which accounts are worked since when and why, and how many places a sales team has on them."""

import pghistory
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account, SalesTeam
from segmentation.models.changes import touch_triggers
from segmentation.models.choices import HOLDING_STATES, MembershipState, QuotaKind, Tier
from segmentation.models.people import person


@pghistory.track()
class TargetList(models.Model):
    """A named list of accounts worth the effort. Who is on it, and since when, are its memberships."""

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=300, blank=True)
    tier = models.PositiveSmallIntegerField(
        _("tier in focus"),
        choices=Tier,
        null=True,
        blank=True,
        help_text=_("How closely the accounts of the list are worked. A membership may have a tier of its own."),
    )
    active = models.BooleanField(
        _("active"), default=True, help_text=_("An inactive list takes no more accounts; its history stays readable.")
    )
    review_every_days = models.PositiveIntegerField(
        _("review every (days)"),
        null=True,
        blank=True,
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("So long after its last review the start page says that the list is due. Empty: never."),
    )
    stale_after_days = models.PositiveIntegerField(
        _("stale after (days)"),
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_(
            "An active account is stale when it had no activity of either side for so long and no fact moved it to"
            " another stage. Stale accounts are shown in the upkeep of the list."
        ),
    )
    accounts_per_rep = models.PositiveIntegerField(
        _("accounts a rep can work at a time"),
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text=_("Says how many accounts the sales reps can work, which the size of the list is held against."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("target account list")
        verbose_name_plural = _("target account lists")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(tier__isnull=True) | Q(tier__range=(1, 3)), name="targetlist_tier_1_to_3"
            ),
            models.CheckConstraint(
                condition=Q(review_every_days__isnull=True) | Q(review_every_days__range=(1, 3650)),
                name="targetlist_review_cadence_in_days",
            ),
            models.CheckConstraint(condition=Q(stale_after_days__range=(1, 3650)), name="targetlist_stale_in_days"),
            models.CheckConstraint(
                condition=Q(accounts_per_rep__range=(1, 10_000)), name="targetlist_accounts_per_rep_positive"
            ),
        ]

    def __str__(self):
        return self.name


class ListReview(models.Model):
    """Somebody went through a list and found it in order. The next review is due a cadence later."""

    target_list = models.ForeignKey(
        TargetList, models.CASCADE, verbose_name=_("target account list"), related_name="reviews"
    )
    reviewed_at = models.DateTimeField(_("reviewed"))
    reviewed_by = person(_("reviewed by"))
    note = models.CharField(_("note"), max_length=300, blank=True, help_text=_("What was found, what was changed."))

    class Meta:
        verbose_name = _("review of a list")
        verbose_name_plural = _("reviews of lists")
        ordering = ["-reviewed_at", "-id"]
        indexes = [models.Index(fields=["target_list", "-reviewed_at"], name="listreview_last")]

    def __str__(self):
        return f"{self.target_list} {self.reviewed_at:%Y-%m-%d}"


class MembershipReason(models.Model):
    """A reason people choose from, so that decisions can be counted; a note of one's own may stand beside it."""

    class Use(models.TextChoices):
        ADD = "add", _("Add or propose")
        REFUSE = "refuse", _("Refuse a proposal")
        DISQUALIFY = "disqualify", _("Disqualify")
        REMOVE = "remove", _("Remove")
        RECYCLE = "recycle", _("Pause")

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    use = models.CharField(
        _("used to"), max_length=10, choices=Use, blank=True, help_text=_("Empty: it fits every decision.")
    )
    active = models.BooleanField(_("active"), default=True, help_text=_("Inactive reasons are not offered any more."))

    class Meta:
        verbose_name = _("reason for list decisions")
        verbose_name_plural = _("reasons for list decisions")
        ordering = ["use", "name"]

    def __str__(self):
        return self.name


class ListMembership(models.Model):
    """The state of an account on a list from `start_at` until `end_at` (open when empty).

    Append-only: a change of state ends the row and begins another, so the membership of any past day can be read. The
    team and the rep that added the account stand on every row from the proposal on: their place is held while the row
    in force is proposed, active or recycling.
    """

    target_list = models.ForeignKey(
        TargetList, models.PROTECT, verbose_name=_("target account list"), related_name="memberships"
    )
    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="list_memberships")
    state = models.CharField(_("state"), max_length=12, choices=MembershipState)
    tier = models.PositiveSmallIntegerField(
        _("tier on the list"), choices=Tier, null=True, blank=True, help_text=_("Empty: the tier of the list.")
    )
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: still in force."))
    reason = models.ForeignKey(
        MembershipReason, models.PROTECT, null=True, blank=True, verbose_name=_("reason"), related_name="memberships"
    )
    note = models.CharField(_("note"), max_length=300, blank=True, help_text=_("Why, in a person's own words."))
    team = models.ForeignKey(
        SalesTeam,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("added by the team"),
        related_name="list_memberships",
        help_text=_("The sales team whose place the account takes. Empty: marketing added it, no place is taken."),
    )
    rep = person(_("added by the rep"))
    set_by = person(_("set by"))
    decided_by = person(_("decided by"), _("Who accepted or refused the proposal."))
    ended_by = person(_("ended by"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("list membership")
        verbose_name_plural = _("list memberships")
        ordering = ["-start_at", "-id"]
        permissions = [("propose_listmembership", "Can propose accounts of own sales teams and withdraw proposals")]
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__isnull=True) | Q(end_at__gt=F("start_at")), name="listmembership_ends_after_start"
            ),
            models.CheckConstraint(condition=Q(state__in=MembershipState.values), name="listmembership_known_state"),
            models.CheckConstraint(
                condition=Q(tier__isnull=True) | Q(tier__range=(1, 3)), name="listmembership_tier_1_to_3"
            ),
            # One-value ranges stand in for equality, so that no database extension is needed.
            ExclusionConstraint(
                name="listmembership_once_at_a_time",
                expressions=[
                    (
                        Func(F("target_list_id"), F("target_list_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(F("account_id"), F("account_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (Func(F("start_at"), F("end_at"), function="tstzrange"), RangeOperators.OVERLAPS),
                ],
            ),
        ]
        indexes = [
            # The places a team holds, counted under the lock of its quota; reps are counted within it. Rows of accounts
            # that were refused or left stay open for ever: they are none of them.
            models.Index(
                fields=["team", "account"],
                name="listmembership_places",
                condition=Q(end_at__isnull=True, state__in=HOLDING_STATES),
            ),
            models.Index(
                fields=["target_list", "state"], name="listmembership_now", condition=Q(end_at__isnull=True)
            ),  # the list as it is, the review queue
            models.Index(fields=["-start_at", "-id"], name="listmembership_list_order"),  # the admin's list
        ]
        triggers = touch_triggers("listmembership", account="r.account_id")

    def __str__(self):
        return f"{self.account}: {self.target_list}, {self.get_state_display()}"


class DisqualificationRequest(models.Model):
    """Sales ask to disqualify an account of a list; marketing decides. Until then the membership stays as it is."""

    class Decision(models.TextChoices):
        OPEN = "open", _("Waiting for review")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    target_list = models.ForeignKey(
        TargetList, models.PROTECT, verbose_name=_("target account list"), related_name="disqualification_requests"
    )
    account = models.ForeignKey(
        Account, models.CASCADE, verbose_name=_("account"), related_name="disqualification_requests"
    )
    team = models.ForeignKey(
        SalesTeam,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("asked by the team"),
        related_name="disqualification_requests",
    )
    reason = models.ForeignKey(
        MembershipReason, models.PROTECT, null=True, blank=True, verbose_name=_("reason"), related_name="+"
    )
    note = models.CharField(_("note"), max_length=300, blank=True)
    asked_by = person(_("asked by"))
    asked_at = models.DateTimeField(_("asked"))
    decision = models.CharField(_("decision"), max_length=9, choices=Decision, default=Decision.OPEN)
    decided_by = person(_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decision_note = models.CharField(_("note of the decision"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("request to disqualify")
        verbose_name_plural = _("requests to disqualify")
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["target_list", "account"], condition=Q(decision="open"), name="disqualification_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decision="open", decided_at__isnull=True)
                | Q(decision__in=["accepted", "refused", "withdrawn"], decided_at__isnull=False),
                name="disqualification_decided_with_time",
            ),
        ]

    def __str__(self):
        return f"{self.account}: {self.target_list}"


@pghistory.track()
class SalesQuota(models.Model):
    """How many accounts of its own a sales team, or one of its reps, may have on target account lists.

    A place is held while an account the team added is proposed, active or recycling on any list; an account on two
    lists takes one place. The row is what requests for places take turns on.
    """

    team = models.ForeignKey(SalesTeam, models.CASCADE, verbose_name=_("sales team"), related_name="quotas")
    rep = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("sales rep"),
        related_name="sales_quotas",
        help_text=_("Empty: the quota of the whole team. With a rep: a limit for this person within the team's quota."),
    )
    kind = models.CharField(
        _("kind of team"),
        max_length=12,
        choices=QuotaKind,
        default=QuotaKind.MID_MARKET,
        help_text=_("Says how many places are usual: 15 for key accounts, 30 for mid market."),
    )
    places = models.PositiveIntegerField(
        _("places"),
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: 15 for key accounts, 30 for mid market."),
    )

    class Meta:
        verbose_name = _("sales quota")
        verbose_name_plural = _("sales quotas")
        ordering = ["team__name", "rep__username"]
        constraints = [
            models.UniqueConstraint(
                fields=["team"],
                condition=Q(rep__isnull=True),
                name="salesquota_team_once",
                violation_error_message=_("This team has a quota already."),
            ),
            models.UniqueConstraint(
                fields=["team", "rep"],
                name="salesquota_rep_once",
                violation_error_message=_("This rep has a quota in this team already."),
            ),
            models.CheckConstraint(condition=Q(places__gte=1), name="salesquota_at_least_one_place"),
        ]

    def __str__(self):
        return f"{self.team} / {self.rep}: {self.places}" if self.rep_id else f"{self.team}: {self.places}"


__all__ = ["DisqualificationRequest", "ListMembership", "ListReview", "MembershipReason", "SalesQuota", "TargetList"]
