"""Intent: topics people look into before they buy, and signs that an account does."""

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scoring.engine.keywords import MOST_CHARACTERS
from segmentation.models import Account
from segmentation.models.changes import touch_everything_triggers, touch_triggers

MOST_SIGNALS = 10_000


@pghistory.track()
class IntentTopic(models.Model):
    """Something accounts look into before they buy: the own brand, a category of products, a competitor."""

    class Kind(models.TextChoices):
        BRAND = "brand", _("Own brand")
        CATEGORY = "category", _("Category")
        COMPETITOR = "competitor", _("Competitor")

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Short name used by rules, imports and the API.")
    )
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(
        _("kind"), max_length=10, choices=Kind, default=Kind.CATEGORY, help_text=_("Rules may count one kind only.")
    )
    description = models.CharField(
        _("description"), max_length=500, blank=True, default="", help_text=_("What an interest in it tells you.")
    )
    keywords = ArrayField(
        models.CharField(max_length=MOST_CHARACTERS),
        verbose_name=_("keywords"),
        default=list,
        blank=True,
        help_text=_(
            "One on each line, at least two letters. Signals that name a keyword only belong to its topic, and so do"
            " activities whose content, campaign or address holds one."
        ),
    )
    match_activities = models.BooleanField(
        _("find in activities"),
        default=True,
        help_text=_("Your own activities whose texts hold a keyword count as signals of this topic, also past ones."),
    )

    class Meta:
        verbose_name = _("intent topic")
        verbose_name_plural = _("intent topics")
        ordering = ["kind", "name", "id"]
        triggers = touch_everything_triggers("intenttopic")

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class IntentSignal(models.Model):
    """An account looked into a topic, as some source reports it. A fact, like an activity.

    Signals made of activities are not stored: they follow from the activities and the keywords. One without account
    counts nowhere until an account with that id, name or domain is there.
    """

    account = models.ForeignKey(
        Account,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("account"),
        related_name="intent_signals",
        db_index=False,
    )
    company = models.CharField(
        _("company in the source"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("How the source names the company: an id, a name or a domain. By it the account is found."),
    )
    topic = models.ForeignKey(
        IntentTopic, models.PROTECT, verbose_name=_("topic"), related_name="signals", db_index=False
    )
    keyword = models.CharField(_("keyword"), max_length=MOST_CHARACTERS, blank=True, default="")
    occurred_at = models.DateTimeField(_("occurred"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    number = models.PositiveIntegerField(
        _("how many"),
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SIGNALS)],
        help_text=_("A summary of several signals counts as so many."),
    )
    strength = models.PositiveSmallIntegerField(
        _("strength"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text=_("From 0 to 100, as the source says. Empty: not known."),
    )
    source = models.CharField(
        _("seen at"), max_length=120, blank=True, default="", help_text=_("The publisher, search engine or provider.")
    )
    url = models.CharField(_("address of the page"), max_length=500, blank=True, default="")
    source_key = models.CharField(
        _("source key"),
        max_length=240,
        help_text=_("Identifies the signal in its source, so that the same one arriving twice is stored once."),
    )

    class Meta:
        verbose_name = _("intent signal")
        verbose_name_plural = _("intent signals")
        ordering = ["-occurred_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["source_key"], name="intentsignal_source_key_once"),
            models.CheckConstraint(condition=Q(number__range=(1, MOST_SIGNALS)), name="intentsignal_number_1_to_10000"),
            models.CheckConstraint(
                condition=Q(strength__isnull=True) | Q(strength__lte=100), name="intentsignal_strength_0_to_100"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "occurred_at"], name="intentsignal_account_time"),  # one account's facts
            models.Index(fields=["-occurred_at", "-id"], name="intentsignal_newest"),  # lists and cursor pages
            models.Index(fields=["topic", "-occurred_at"], name="intentsignal_topic_time"),  # a topic's; its deletion
            models.Index(
                fields=["company"], condition=Q(account__isnull=True), name="intentsignal_unassigned"
            ),  # which companies are still unknown
        ]
        # One without account is a fact of nobody: three empty ids would mean everybody.
        triggers = touch_triggers("intentsignal", account="r.account_id", join="WHERE r.account_id IS NOT NULL")

    def __str__(self):
        return f"{self.topic} {self.occurred_at:%Y-%m-%d %H:%M}"
