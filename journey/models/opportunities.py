"""Deals and their append-only history, and what the stages of the CRM mean."""

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models import Account, Contact, SalesTeam
from segmentation.models.accounts import SourcedModel
from segmentation.models.changes import touch_everything_triggers, touch_triggers


class StageMeaning(models.TextChoices):
    """What a CRM stage says about a deal. The three open groups are ordered: identified, active, intent."""

    IDENTIFIED = "identified", _("Open: identified")
    ACTIVE = "active", _("Open: active")
    INTENT = "intent", _("Open: intent")
    WON = "won", _("Won")
    LOST = "lost", _("Lost")


@pghistory.track()
class CrmStage(models.Model):
    """A stage of the CRM's own deal process and the group it belongs to.

    Without meaning it gives no verdict and is listed.
    """

    name = models.CharField(_("stage in the CRM"), max_length=120, unique=True)
    meaning = models.CharField(
        _("meaning"),
        max_length=10,
        choices=StageMeaning,
        blank=True,
        default="",
        help_text=_(
            "First open stage: identified; the middle ones: active; the last before closing: intent."
            " Empty: not mapped yet."
        ),
    )
    position = models.PositiveSmallIntegerField(
        _("position"), default=0, help_text=_("Order within the CRM's process.")
    )

    class Meta:
        verbose_name = _("CRM stage")
        verbose_name_plural = _("CRM stages")
        ordering = ["position", "name"]
        triggers = touch_everything_triggers("crmstage")

    def __str__(self):
        return self.name


class Opportunity(SourcedModel):
    """A deal. Stage, amount and closing are those of its latest change and are written with it."""

    class Kind(models.TextChoices):
        NEW = "new", _("New business")
        UPSELL = "upsell", _("Upsell")
        CROSS_SELL = "cross_sell", _("Cross-sell")
        RENEWAL = "renewal", _("Renewal")

    account = models.ForeignKey(
        Account, models.SET_NULL, null=True, blank=True, verbose_name=_("account"), related_name="opportunities"
    )
    account_reference = models.CharField(
        _("account as named in the source"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("Kept when no account was found, so that the opportunity can be matched later."),
    )
    contact = models.ForeignKey(
        Contact, models.SET_NULL, null=True, blank=True, verbose_name=_("main contact"), related_name="opportunities"
    )
    name = models.CharField(_("name"), max_length=300, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.NEW, db_default=Kind.NEW)
    product = models.CharField(_("product"), max_length=120, blank=True, default="")
    crm_stage = models.ForeignKey(
        CrmStage,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("stage in the CRM"),
        related_name="opportunities",
    )
    amount = models.DecimalField(
        _("amount"), max_digits=18, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    first_year_value = models.DecimalField(
        _("first-year value"), max_digits=18, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    expected_close = models.DateField(_("expected close"), null=True, blank=True)
    loss_reason = models.CharField(_("reason of loss"), max_length=200, blank=True, default="")
    owner = models.CharField(_("owner"), max_length=200, blank=True, default="")
    team = models.ForeignKey(
        SalesTeam, models.SET_NULL, null=True, blank=True, verbose_name=_("sales team"), related_name="opportunities"
    )
    custom = models.JSONField(_("custom fields"), default=dict, blank=True, db_default={})

    class Meta:
        verbose_name = _("opportunity")
        verbose_name_plural = _("opportunities")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source_system", "external_id"], name="opportunity_external_id_once")
        ]
        triggers = touch_triggers(
            "opportunity",
            account="r.account_id",
            contact="r.contact_id",
            opportunity="CASE WHEN r.account_id IS NULL THEN r.id END",
        )

    def __str__(self):
        return self.name or self.external_id or f"#{self.pk}"


class OpportunityChange(models.Model):
    """One change of a deal's stage, amount or expected close. Only ever added; the deal's state is the sum of them.

    Without `occurred_at` a change is known from `recorded_at` on, unless a change of a higher `sequence` is dated: then
    it lies somewhere before that one and takes no time of its own.
    """

    opportunity = models.ForeignKey(
        Opportunity, models.CASCADE, verbose_name=_("opportunity"), related_name="changes", db_index=False
    )
    occurred_at = models.DateTimeField(
        _("occurred"), null=True, blank=True, help_text=_("Empty: not known; it counts from when it was learnt.")
    )
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    sequence = models.IntegerField(
        _("sequence"), default=0, db_default=0, help_text=_("Order among changes of the same moment.")
    )
    crm_stage = models.ForeignKey(
        CrmStage, models.PROTECT, null=True, blank=True, verbose_name=_("stage in the CRM"), related_name="changes"
    )
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2, null=True, blank=True)
    expected_close = models.DateField(_("expected close"), null=True, blank=True)
    source_key = models.CharField(_("source key"), max_length=240)

    class Meta:
        verbose_name = _("opportunity change")
        verbose_name_plural = _("opportunity changes")
        ordering = ["opportunity", F("occurred_at").asc(nulls_first=True), "sequence", "id"]
        constraints = [models.UniqueConstraint(fields=["source_key"], name="oppchange_source_key_once")]
        indexes = [models.Index(fields=["opportunity", "occurred_at"], name="oppchange_opportunity_time")]
        triggers = touch_triggers(
            "oppchange",
            account="o.account_id",
            contact="o.contact_id",
            opportunity="r.opportunity_id",
            join="JOIN journey_opportunity o ON o.id = r.opportunity_id",
        )

    def __str__(self):
        said = [self.crm_stage, self.amount, self.expected_close]
        return f"{self.opportunity}: {next((str(what) for what in said if what is not None), '–')}"


class CustomerPeriod(models.Model):
    """From when until when an account was a customer of a product, where the CRM says so.

    An ended one makes a former customer.
    """

    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="customer_periods")
    product = models.CharField(_("product"), max_length=120, blank=True, default="")
    started_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer period")
        verbose_name_plural = _("customer periods")
        ordering = ["account", "started_at"]
        constraints = [
            models.UniqueConstraint(fields=["account", "product", "started_at"], name="customerperiod_once"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gt=F("started_at")),
                name="customerperiod_ends_after_start",
            ),
        ]
        triggers = touch_triggers("customerperiod", account="r.account_id")

    def __str__(self):
        return f"{self.account} {self.started_at:%Y-%m-%d}"


__all__ = ["CrmStage", "CustomerPeriod", "Opportunity", "OpportunityChange", "StageMeaning"]
