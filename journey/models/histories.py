"""Stage histories: what a version of a journey makes of the facts. Derived; may be thrown away and rebuilt."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from journey.models.journeys import JourneyVersion, Stage
from segmentation.models import Account


class History(models.Model):
    """One built history of a version.

    Readers use the current one; a rebuild fills another and swaps in one statement.
    """

    class State(models.TextChoices):
        BUILDING = "building", _("Building")
        CURRENT = "current", _("Current")
        OLD = "old", _("Replaced")

    version = models.ForeignKey(JourneyVersion, models.CASCADE, verbose_name=_("version"), related_name="histories")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.BUILDING)
    snapshot = models.TextField(
        _("database snapshot"), blank=True, default="", help_text=_("The facts it was made from.")
    )
    started_at = models.DateTimeField(_("started"), db_default=Now())
    built_at = models.DateTimeField(_("built"), null=True, blank=True)
    refreshed_at = models.DateTimeField(_("brought up to date"), null=True, blank=True)
    entities = models.PositiveIntegerField(_("accounts"), default=0)
    intervals = models.PositiveIntegerField(_("stays"), default=0)
    reads = models.JSONField(
        _("reads"),
        default=dict,
        help_text=_("Histories of other journeys whose stages its rules read, by key of the journey."),
    )
    seconds = models.JSONField(_("seconds"), default=dict, help_text=_("Time of loading, computing and writing."))

    class Meta:
        verbose_name = _("stage history")
        verbose_name_plural = _("stage histories")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=models.Q(state="current"), name="history_one_current"
            ),
        ]

    def __str__(self):
        return f"{self.version} #{self.pk}"


class Grade(models.IntegerChoices):
    """How much a stay's beginning can be trusted."""

    EXACT = 1, _("exact: a dated fact")
    DERIVED = 2, _("derived: time passed")
    ASSUMED = 3, _("assumed: today's value stands in for the past")


class StageInterval(models.Model):
    """A stay of one account (contact, opportunity) in one stage, `[start_at, end_at)`.

    Those of one entity are seamless. Facts known today also fix what happens if nothing else does: stays may begin in
    the future. Read with an instant.
    The table is partitioned by history; the migration makes it and the check that refuses overlaps and gaps.
    """

    history = models.ForeignKey(
        History, models.DO_NOTHING, verbose_name=_("history"), related_name="stays", db_constraint=False
    )
    entity_id = models.BigIntegerField(_("entity"))
    account = models.ForeignKey(
        Account,
        models.DO_NOTHING,
        null=True,
        verbose_name=_("account"),
        related_name="stage_intervals",
        db_constraint=False,
    )
    stage = models.ForeignKey(
        Stage, models.DO_NOTHING, verbose_name=_("stage"), related_name="intervals", db_constraint=False
    )
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"), null=True)
    rule_id = models.BigIntegerField(
        _("rule"), null=True, help_text=_("The rule that held when the stay began; none for the floor.")
    )
    grade = models.PositiveSmallIntegerField(_("trust"), choices=Grade, default=Grade.EXACT)
    is_first = models.BooleanField(
        _("first"), default=False, help_text=_("The history begins here; not counted as an entry.")
    )

    class Meta:
        managed = False
        db_table = "journey_stageinterval"
        verbose_name = _("stay in a stage")
        verbose_name_plural = _("stays in stages")

    def __str__(self):
        return f"{self.entity_id}: {self.stage_id} {self.start_at:%Y-%m-%d}"
