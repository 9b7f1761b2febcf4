"""Segments: rules that say which accounts belong together, and who was a member from when until when."""

import pghistory
import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from segmentation.models.accounts import Account
from segmentation.models.people import person


@pghistory.track()
class Segment(models.Model):
    """A part of the accounts that is addressed in one way. Its rule, and the segment above it, are in its versions."""

    class Purpose(models.TextChoices):
        SEGMENT = "segment", _("Segment")
        TRIGGER = "trigger", _("Trigger of a play")
        AUDIENCE = "audience", _("Audience")

    key = models.SlugField(
        _("key"), max_length=60, unique=True, help_text=_("Short name used by rules, commands and the API.")
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(
        _("description"), max_length=500, blank=True, default="", help_text=_("Who they are and what they need.")
    )
    color = models.CharField(_("colour"), max_length=7, default="#7c3aed", help_text=_("In charts, like #7c3aed."))
    purpose = models.CharField(
        _("made for"),
        max_length=8,
        choices=Purpose,
        default=Purpose.SEGMENT,
        help_text=_("Triggers stand with the plays, audiences on their own page; the health checks count segments."),
    )
    order = models.PositiveSmallIntegerField(_("order"), default=100, help_text=_("Among segments of one parent."))
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Campaigns address it now: it counts in the health checks. Membership is kept either way."),
    )
    review_days = models.PositiveSmallIntegerField(
        _("review every so many days"),
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("When it was not reviewed for so long, it is shown as due."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    created_by = person(_("created by"))

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["order", "name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(review_days__range=(1, 3650)), name="segment_review_days_1_to_3650")
        ]

    def __str__(self):
        return gettext(self.name) if self.name else self.key


class SegmentVersion(models.Model):
    """What a segment asks for, from the day it was saved until the next one. Never changed; the newest is in force.

    `rules` holds the parts base, fit and trigger, each a rule in the form of the engine; parts without criteria are
    left out. Members meet every part, and are members of `parent`.
    """

    segment = models.ForeignKey(Segment, models.CASCADE, verbose_name=_("segment"), related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    parent = models.SlugField(
        _("part of"),
        max_length=60,
        blank=True,
        default="",
        help_text=_("Key of another segment, of which members must be members too. Empty: it stands by itself."),
    )
    rules = models.JSONField(_("rules"))
    note = models.CharField(_("note"), max_length=300, blank=True, default="", help_text=_("What changed and why."))
    made_at = models.DateTimeField(_("saved"), db_default=Now(), editable=False)
    made_by = person(_("saved by"))

    class Meta:
        verbose_name = _("version of a segment")
        verbose_name_plural = _("versions of segments")
        ordering = ["segment", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "number"], name="segmentversion_number_once"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="segmentversion_is_final",
                operation=pgtrigger.UpdateOf("segment_id", "number", "parent", "rules", "made_at"),
            )
        ]

    def __str__(self):
        return f"{self.segment} v{self.number}"


class SegmentHistory(models.Model):
    """The membership one version makes of the facts. Derived; readers use the current one of a segment."""

    class State(models.TextChoices):
        BUILDING = "building", _("Building")
        CURRENT = "current", _("Current")
        OLD = "old", _("Replaced")

    version = models.ForeignKey(SegmentVersion, models.CASCADE, verbose_name=_("version"), related_name="histories")
    segment = models.ForeignKey(Segment, models.CASCADE, verbose_name=_("segment"), related_name="histories")
    build = models.BigIntegerField(_("build"), help_text=_("Segments built together lie in one table."))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.BUILDING)
    snapshot = models.TextField(_("database snapshot"), blank=True, default="")
    reads = models.JSONField(_("reads"), default=dict, help_text=_("Versions and histories its rules read, by name."))
    built_at = models.DateTimeField(_("built"), null=True, blank=True)
    refreshed_at = models.DateTimeField(_("brought up to date"), null=True, blank=True)

    class Meta:
        verbose_name = _("history of a segment")
        verbose_name_plural = _("histories of segments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["segment"], condition=Q(state="current"), name="segmenthistory_one_current"
            ),
        ]

    def __str__(self):
        return f"{self.version} #{self.pk}"


class SegmentMembership(models.Model):
    """A period of an account in a segment, `[start_at, end_at)`; or one in which membership is not known.

    Facts known today also fix what happens if nothing else does: periods may begin in the future. Read with an instant.
    The table is partitioned by build; the migration makes it and the check that refuses overlaps.
    """

    class State(models.IntegerChoices):
        MEMBER = 1, _("member")
        UNSURE = 2, _("not known")

    build_id = models.BigIntegerField(_("build"))
    history = models.ForeignKey(
        SegmentHistory, models.DO_NOTHING, verbose_name=_("history"), related_name="memberships", db_constraint=False
    )
    account = models.ForeignKey(
        Account,
        models.DO_NOTHING,
        verbose_name=_("account"),
        related_name="segment_memberships",
        db_constraint=False,
    )
    state = models.PositiveSmallIntegerField(_("state"), choices=State, default=State.MEMBER)
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"), null=True)
    grade = models.PositiveSmallIntegerField(_("trust"), default=1)
    is_first = models.BooleanField(
        _("first"), default=False, help_text=_("The history of the account begins here; not counted as an entry.")
    )

    class Meta:
        managed = False
        db_table = "segmentation_segmentmembership"
        verbose_name = _("membership of a segment")
        verbose_name_plural = _("memberships of segments")

    def __str__(self):
        return f"{self.account_id}: {self.history_id} {self.start_at:%Y-%m-%d}"


class SegmentReview(models.Model):
    """Somebody looked at a segment and answered the questions of the health checklist. Kept; the last one counts."""

    segment = models.ForeignKey(Segment, models.CASCADE, verbose_name=_("segment"), related_name="reviews")
    answers = models.JSONField(_("answers"), default=dict, help_text=_("Yes or no by key of the question."))
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    reviewed_at = models.DateTimeField(_("reviewed"), db_default=Now(), editable=False)
    reviewed_by = person(_("reviewed by"))

    class Meta:
        verbose_name = _("review of a segment")
        verbose_name_plural = _("reviews of segments")
        ordering = ["-reviewed_at", "-id"]
        indexes = [models.Index(fields=["segment", "-reviewed_at"], name="segmentreview_last")]
        triggers = [
            pgtrigger.Protect(
                name="segmentreview_is_kept",
                operation=pgtrigger.UpdateOf("segment_id", "answers", "note", "reviewed_at"),
            )
        ]

    def __str__(self):
        return f"{self.segment} {self.reviewed_at:%Y-%m-%d}"
