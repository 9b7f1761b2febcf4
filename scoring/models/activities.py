"""What people of an account did: the facts engagement is made of."""

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models import Account, Contact
from segmentation.models.changes import touch_everything_triggers, touch_triggers


class Side(models.TextChoices):
    MARKETING = "marketing", _("Marketing")
    SALES = "sales", _("Sales")
    PRODUCT = "product", _("Product")


class Outcome(models.TextChoices):
    """How an arranged activity ended. Others may be imported; rules name the ones that count."""

    HELD = "held", _("Held")
    NO_SHOW = "no_show", _("Not attended")
    CANCELLED = "cancelled", _("Cancelled")
    POSTPONED = "postponed", _("Postponed")


@pghistory.track()
class ActivityType(models.Model):
    """A kind of activity: who caused it, how many minutes it counts when none were recorded, whether it is hot."""

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    side = models.CharField(_("side"), max_length=10, choices=Side, help_text=_("Rules may count one side only."))
    category = models.CharField(
        _("category"),
        max_length=60,
        blank=True,
        default="",
        help_text=_("Groups types in reports: web, mail, event ..."),
    )
    default_minutes = models.DecimalField(
        _("default minutes"),
        max_digits=6,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("Engaged minutes of an activity for which none were recorded."),
    )
    is_hot = models.BooleanField(
        _("hot"),
        default=False,
        help_text=_(
            "A strong sign of interest, such as a demo request: it ends recycling at once and counts as movement"
            " of a stalled deal."
        ),
    )
    is_meeting = models.BooleanField(
        _("meeting"),
        default=False,
        help_text=_("Counts as a meeting when its outcome is one of those the rule names (held by default)."),
    )
    active = models.BooleanField(
        _("active"), default=True, help_text=_("Inactive types are not offered any more; their activities stay.")
    )

    class Meta:
        verbose_name = _("activity type")
        verbose_name_plural = _("activity types")
        ordering = ["side", "category", "name"]
        triggers = touch_everything_triggers("activitytype")

    def __str__(self):
        return self.name


class Activity(models.Model):
    """Something a person of an account did, or was done with. A fact: corrected rarely, never edited in bulk.

    `occurred_at` is when it happened, `recorded_at` when it was learnt. Without contact it counts for minutes and
    touches but never for people; without account and contact it is kept and counts nowhere.
    """

    account = models.ForeignKey(
        Account,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("account"),
        related_name="activities",
        db_index=False,
    )
    contact = models.ForeignKey(
        Contact,
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("contact"),
        related_name="activities",
        db_index=False,
    )
    type = models.ForeignKey(
        ActivityType, models.PROTECT, verbose_name=_("type"), related_name="activities", db_index=False
    )
    occurred_at = models.DateTimeField(_("occurred"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    seconds = models.PositiveIntegerField(
        _("engaged seconds"), null=True, blank=True, help_text=_("Empty: the default minutes of the type.")
    )
    outcome = models.CharField(
        _("outcome"), max_length=20, blank=True, default="", help_text=_("For meetings: held, cancelled, no_show ...")
    )
    campaign = models.CharField(_("campaign"), max_length=120, blank=True, default="")
    content = models.CharField(
        _("content"), max_length=300, blank=True, default="", help_text=_("Title of the page, document or event.")
    )
    url = models.CharField(_("address of the page"), max_length=500, blank=True, default="")
    source_key = models.CharField(
        _("source key"),
        max_length=240,
        help_text=_("Identifies the activity in its source, so that the same one arriving twice is stored once."),
    )

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ["-occurred_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(seconds__isnull=True) | Q(seconds__lte=31_536_000), name="activity_at_most_a_year"
            ),
            # Not unique=True: that would add a second index, for LIKE, to the largest table there is.
            models.UniqueConstraint(fields=["source_key"], name="activity_source_key_once"),
        ]
        indexes = [
            # One account's facts, all that rules read of them: they lie all over the table, but side by side in here.
            models.Index(
                fields=["account", "occurred_at"],
                include=["contact", "type", "seconds", "outcome"],
                name="activity_account_facts",
            ),
            models.Index(fields=["contact", "occurred_at"], name="activity_contact_time"),  # one person's facts
            models.Index(fields=["-occurred_at", "-id"], name="activity_newest"),  # lists and cursor pages
            models.Index(
                fields=["outcome"], condition=~Q(outcome=""), name="activity_outcome"
            ),  # which outcomes there are
        ]
        triggers = touch_triggers(
            "activity", account="r.account_id", contact="CASE WHEN r.account_id IS NULL THEN r.contact_id END"
        )

    def __str__(self):
        return f"{self.type} {self.occurred_at:%Y-%m-%d %H:%M}"
