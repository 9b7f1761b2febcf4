"""Journeys, their versions, and the rules that put an account into a stage."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from segmentation.models.versions import DraftedVersion, draft_only_triggers, published_is_final


class Journey(models.Model):
    """The way from stranger to customer as this company sees it. What it says at a time is in its versions."""

    class Unit(models.TextChoices):
        ACCOUNT = "account", _("Account")
        CONTACT = "contact", _("Contact")
        OPPORTUNITY = "opportunity", _("Opportunity")

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Short name used by commands and the API.")
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True, default="")
    unit = models.CharField(
        _("unit"),
        max_length=12,
        choices=Unit,
        default=Unit.ACCOUNT,
        help_text=_("What moves through the stages. Fixed once a version exists."),
    )
    order = models.PositiveSmallIntegerField(
        _("order"), default=100, help_text=_("The first published journey is shown on the start page.")
    )

    class Meta:
        verbose_name = _("journey")
        verbose_name_plural = _("journeys")
        ordering = ["order", "name"]

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class JourneyVersion(DraftedVersion):
    """One set of stages and rules, with a history of its own."""

    journey = models.ForeignKey(Journey, models.CASCADE, verbose_name=_("journey"), related_name="versions")
    seniority_weights = models.JSONField(
        _("engagement weights by seniority"),
        default=dict,
        blank=True,
        help_text=_("Per cent of the engaged time that counts. Empty: 100 for everybody."),
    )

    class Meta:
        verbose_name = _("journey version")
        verbose_name_plural = _("journey versions")
        ordering = ["journey", "-number"]
        permissions = [("publish_journeyversion", "Can publish journey versions")]
        constraints = [
            models.UniqueConstraint(fields=["journey", "number"], name="journeyversion_number_once"),
            models.UniqueConstraint(fields=["journey"], condition=Q(state="draft"), name="journeyversion_one_draft"),
        ]
        triggers = [published_is_final("published_is_final", "journey_id", "number", "state", "seniority_weights")]

    def __str__(self):
        return f"{self.journey} v{self.number}"


def _draft_only(name: str, version_of: str):
    return draft_only_triggers(
        name,
        "journey_journeyversion",
        f"({version_of})",
        "A published version of a journey cannot be changed; make a draft of it first.",
    )


class Stage(models.Model):
    """A place in the journey. The stage of an account is the one of highest precedence whose entry rule holds."""

    version = models.ForeignKey(JourneyVersion, models.CASCADE, verbose_name=_("version"), related_name="stages")
    key = models.SlugField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=300, blank=True, default="")
    precedence = models.PositiveSmallIntegerField(
        _("precedence"),
        help_text=_("When several stages apply, the highest number wins. The lowest is the floor and has no rule."),
    )
    position = models.PositiveSmallIntegerField(
        _("position in the funnel"),
        null=True,
        blank=True,
        help_text=_("Order on the way to becoming a customer. Empty for parking stages such as lost or recycle."),
    )
    color = models.CharField(_("colour"), max_length=7, default="#94a3b8")
    min_stay_days = models.PositiveIntegerField(
        _("minimum stay in days"),
        default=0,
        help_text=_("Keeps an account from falling back sooner. Advancing is never delayed."),
    )

    class Meta:
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        ordering = ["version", "precedence"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="stage_key_once"),
            models.UniqueConstraint(
                fields=["version", "precedence"], name="stage_precedence_once", deferrable=models.Deferrable.DEFERRED
            ),
            models.UniqueConstraint(
                fields=["version", "position"], name="stage_position_once", deferrable=models.Deferrable.DEFERRED
            ),
        ]
        triggers = _draft_only("stage", "{row}.version_id")

    def __str__(self):
        return gettext(self.name)


class EntryRule(models.Model):
    """At least k of n criteria. Of several rules of a stage the first whose scope matches the account is used."""

    class Purpose(models.TextChoices):
        ENTER = "enter", _("to enter")
        STAY = "stay", _("to stay")

    stage = models.ForeignKey(Stage, models.CASCADE, verbose_name=_("stage"), related_name="rules")
    purpose = models.CharField(
        _("purpose"),
        max_length=5,
        choices=Purpose,
        default=Purpose.ENTER,
        help_text=_("A rule to stay is easier than the one to enter: an account that came in stays while it holds."),
    )
    name = models.CharField(_("name"), max_length=120, blank=True, default="")
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    at_least = models.PositiveSmallIntegerField(
        _("at least"),
        null=True,
        blank=True,
        help_text=_("How many of the criteria must hold. Empty: all of them; 1: any."),
    )

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["stage", "purpose", "order", "id"]
        triggers = _draft_only("entryrule", "SELECT s.version_id FROM journey_stage s WHERE s.id = {row}.stage_id")

    def __str__(self):
        return self.name or f"{self.stage} {self.order + 1}"


class Criterion(models.Model):
    """One condition of a rule, or of its scope: a kind and its parameters, checked against the kind's schema."""

    class Part(models.TextChoices):
        SCOPE = "scope", _("for which accounts")
        TEST = "test", _("what must hold")

    rule = models.ForeignKey(EntryRule, models.CASCADE, verbose_name=_("rule"), related_name="criteria")
    part = models.CharField(_("part"), max_length=5, choices=Part, default=Part.TEST)
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    kind = models.CharField(_("kind"), max_length=40)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    negate = models.BooleanField(_("not"), default=False)

    class Meta:
        verbose_name = _("criterion")
        verbose_name_plural = _("criteria")
        ordering = ["rule", F("part").asc(), "order", "id"]
        triggers = _draft_only(
            "criterion",
            "SELECT s.version_id FROM journey_entryrule e JOIN journey_stage s ON s.id = e.stage_id"
            " WHERE e.id = {row}.rule_id",
        )

    def __str__(self):
        return self.kind
