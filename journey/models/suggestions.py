"""Suggestions for the target account list: where they come from, the models behind them, and what people decided."""

from decimal import Decimal

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.models.journeys import Journey
from segmentation.engine.lookalike import LEAST_CUSTOMERS
from segmentation.models import Account, MembershipReason, Segment, TargetList
from segmentation.models.people import person


@pghistory.track(exclude=["run_at", "problem"])
class SuggestionSource(models.Model):
    """A way to find accounts for a target account list: those that look like customers, or those that behave so."""

    class Kind(models.TextChoices):
        LOOKALIKE = "lookalike", _("Look like customers")
        BEHAVIOUR = "behaviour", _("Show interest")

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Short name used by commands and the API.")
    )
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=Kind,
        help_text=_(
            "Look like customers: a model learns from the attributes of your customers. Show interest: the members of a"
            " segment, whose rule you write."
        ),
    )
    active = models.BooleanField(
        _("active"), default=True, help_text=_("An inactive source finds nothing new; what waits from it goes away.")
    )
    target_list = models.ForeignKey(
        TargetList,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("target account list"),
        related_name="suggestion_sources",
        help_text=_(
            "Suggests accounts that are not on this list, and accepted ones go onto it. Empty: accounts on no list, and"
            " the list is chosen when they are accepted."
        ),
    )
    journey = models.ForeignKey(
        Journey,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("journey"),
        related_name="suggestion_sources",
        help_text=_("Whose history says who is a customer. Empty: the first journey of accounts."),
    )
    stage = models.SlugField(
        _("stage of customers"),
        max_length=60,
        default="customer",
        help_text=_(
            "Accounts that have reached this stage are customers: a model learns from them, and who is in it now is not"
            " suggested."
        ),
    )
    segment = models.ForeignKey(
        Segment,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("segment"),
        related_name="suggestion_sources",
        help_text=_("To show interest: its members are suggested. Its rule is edited with the segment."),
    )
    attributes = ArrayField(
        models.CharField(max_length=80),
        verbose_name=_("attributes"),
        default=list,
        blank=True,
        help_text=_("To look alike: what the model may compare. Empty: everything that is known before a sale."),
    )
    least_customers = models.PositiveIntegerField(
        _("customers needed"),
        default=LEAST_CUSTOMERS,
        validators=[MinValueValidator(LEAST_CUSTOMERS), MaxValueValidator(1_000_000)],
        help_text=_("To look alike: with fewer customers no model is made, since it would describe these few."),
    )
    least_lift = models.DecimalField(
        _("how much more likely"),
        max_digits=5,
        decimal_places=2,
        default=Decimal("1.2"),
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("To look alike: only accounts at least so many times as likely to be customers as the average."),
    )
    most = models.PositiveIntegerField(
        _("suggestions at a time"),
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(5000)],
        help_text=_("Only the best so many wait for a decision; the next ones come up as they are decided."),
    )
    run_at = models.DateTimeField(
        _("last run"), null=True, blank=True, editable=False, help_text=_("When it looked for accounts last.")
    )
    problem = models.JSONField(
        _("why it found nothing"), default=dict, blank=True, editable=False, help_text=_("Code and figures.")
    )

    class Meta:
        verbose_name = _("source of suggestions")
        verbose_name_plural = _("sources of suggestions")
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="lookalike") | Q(segment__isnull=False),
                name="suggestionsource_interest_by_segment",
                violation_error_message=_("Choose the segment whose members show interest."),
            ),
            models.CheckConstraint(
                condition=Q(least_customers__gte=LEAST_CUSTOMERS), name="suggestionsource_enough_customers"
            ),
            models.CheckConstraint(condition=Q(most__range=(1, 5000)), name="suggestionsource_most_1_to_5000"),
            models.CheckConstraint(condition=Q(least_lift__gte=1), name="suggestionsource_lift_from_1"),
        ]

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class LookalikeModel(models.Model):
    """A model of which accounts became customers, with what it was made of and how it did on held-back customers.

    Derived, kept to compare. Made again of the same facts it is the same; then only `checked_at` moves.
    """

    source = models.ForeignKey(
        SuggestionSource, models.CASCADE, verbose_name=_("source of suggestions"), related_name="lookalike_models"
    )
    number = models.PositiveIntegerField(_("version"))
    made_at = models.DateTimeField(_("made"))
    checked_at = models.DateTimeField(
        _("last made again"),
        help_text=_("So late it was made again of the facts of that moment, and came out the same."),
    )
    accounts = models.PositiveIntegerField(_("accounts"), help_text=_("It was made of so many."))
    customers = models.PositiveIntegerField(_("customers"), help_text=_("So many of them are customers."))
    parameters = models.JSONField(
        _("parameters"), help_text=_("Journey, its version, stage, attributes, prior, seed, folds, library.")
    )
    evaluation = models.JSONField(_("evaluation"), help_text=_("Of accounts the model had not seen."))
    levels = models.JSONField(_("what it learnt"), help_text=_("Every value of every attribute with its factor."))
    digest = models.CharField(
        _("digest"), max_length=64, editable=False, help_text=_("Models that are the same have the same.")
    )

    class Meta:
        verbose_name = _("look-alike model")
        verbose_name_plural = _("look-alike models")
        ordering = ["-made_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="lookalikemodel_number_once")]

    def __str__(self):
        return f"{self.source} v{self.number}"


class Suggestion(models.Model):
    """An account a source suggests, and what was decided. Open ones are derived; decisions stay."""

    class State(models.TextChoices):
        OPEN = "open", _("Waits for a decision")
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")

    source = models.ForeignKey(
        SuggestionSource, models.CASCADE, verbose_name=_("source of suggestions"), related_name="suggestions"
    )
    account = models.ForeignKey(Account, models.CASCADE, verbose_name=_("account"), related_name="suggestions")
    place = models.PositiveIntegerField(_("place"), help_text=_("Among those of its source; 1 is the best."))
    score = models.DecimalField(
        _("score"),
        max_digits=10,
        decimal_places=3,
        help_text=_(
            "Look like customers: how many times as likely as the average account. Show interest: criteria that hold,"
            " and engaged time to tell equal ones apart."
        ),
    )
    evidence = models.JSONField(_("evidence"), default=dict, help_text=_("What the suggestion rests on."))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    found_at = models.DateTimeField(_("found"), help_text=_("When it was suggested first, or came back."))
    target_list = models.ForeignKey(
        TargetList,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("accepted onto"),
        related_name="suggestions",
    )
    reason = models.ForeignKey(
        MembershipReason, models.PROTECT, null=True, blank=True, verbose_name=_("reason"), related_name="+"
    )
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    decided_by = person(_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("suggestion")
        verbose_name_plural = _("suggestions")
        ordering = ["place", "account_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "account"], name="suggestion_once"),
            models.CheckConstraint(condition=Q(place__gte=1), name="suggestion_place_from_1"),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True)
                | Q(state__in=["accepted", "declined"], decided_at__isnull=False),
                name="suggestion_decided_with_time",
            ),
        ]
        indexes = [models.Index(fields=["state", "place"], name="suggestion_queue")]  # the page

    def __str__(self):
        return f"{self.account}: {self.source}"


__all__ = ["LookalikeModel", "Suggestion", "SuggestionSource"]
