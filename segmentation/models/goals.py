"""Goals of segments, how people judge segments, and what that weighs when segments are ranked."""

import pghistory
import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.people import person
from segmentation.models.segments import Segment


@pghistory.track()
class SegmentGoal(models.Model):
    """What is to be reached with a segment from the first to the last day, both included.

    What kinds there are, and how each is measured, is in `journey.selectors.goal_kinds`; figures are never stored, but
    for the baseline: it is what history said when the goal was made.
    """

    class Members(models.TextChoices):
        WAS = "was", _("Whoever is in the segment at the time")
        START = "start", _("Those in the segment on the first day")

    class Source(models.TextChoices):
        RECORDED = "recorded", _("From recorded history")
        GIVEN = "given", _("Given by a person")

    segment = models.ForeignKey(Segment, models.CASCADE, verbose_name=_("segment"), related_name="goals")
    kind = models.CharField(_("kind"), max_length=40, help_text=_("What is measured."))
    name = models.CharField(
        _("name"), max_length=120, blank=True, default="", help_text=_("Empty: the kind and the target say it.")
    )
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"), help_text=_("It counts, too."))
    target = models.DecimalField(
        _("target"),
        max_digits=18,
        decimal_places=2,
        help_text=_("An amount, a number, or for engagement and visits by how many per cent they are to rise."),
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        default="",
        help_text=_("Of an amount, three letters. Empty: the currency reports are in."),
    )
    product = models.CharField(
        _("product"),
        max_length=120,
        blank=True,
        default="",
        help_text=_("Only opportunities of this product count. Empty: all do."),
    )
    members = models.CharField(
        _("whose results count"),
        max_length=5,
        choices=Members,
        default=Members.WAS,
        help_text=_("An account that leaves in between stops counting, unless you choose those of the first day."),
    )
    baseline = models.DecimalField(
        _("baseline"),
        max_digits=20,
        decimal_places=4,
        help_text=_("What a period as long as this one brings without the goal."),
    )
    baseline_source = models.CharField(_("source of the baseline"), max_length=8, choices=Source)
    baseline_reason = models.CharField(
        _("reason of the baseline"), max_length=300, blank=True, default="", help_text=_("Where a given one is from.")
    )
    baseline_first_day = models.DateField(_("baseline from"), null=True, blank=True, editable=False)
    baseline_last_day = models.DateField(_("baseline until"), null=True, blank=True, editable=False)
    note = models.CharField(_("note"), max_length=500, blank=True, default="", help_text=_("Why, and how."))
    review_days = models.PositiveSmallIntegerField(
        _("review every so many days"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("When nobody looked at it for so long while it runs, or since it ended, it is shown as due."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    created_by = person(_("created by"))

    class Meta:
        verbose_name = _("goal of a segment")
        verbose_name_plural = _("goals of segments")
        ordering = ["last_day", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="segmentgoal_ends_after_start",
                violation_error_message=_("The last day lies before the first."),
            ),
            models.CheckConstraint(condition=Q(target__gt=0), name="segmentgoal_target_positive"),
            models.CheckConstraint(condition=Q(baseline__gte=0), name="segmentgoal_baseline_not_negative"),
            models.CheckConstraint(
                condition=Q(baseline_source="recorded") | ~Q(baseline_reason=""), name="segmentgoal_given_has_reason"
            ),
            models.CheckConstraint(condition=Q(review_days__range=(1, 3650)), name="segmentgoal_review_days_1_to_3650"),
            # One-value ranges stand in for equality, so that no database extension is needed.
            ExclusionConstraint(
                name="segmentgoal_one_of_a_kind_at_a_time",
                expressions=[
                    (
                        Func(F("segment_id"), F("segment_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(
                            Func(F("kind"), function="hashtext"),
                            Func(F("kind"), function="hashtext"),
                            Value("[]"),
                            function="int8range",
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    (Func(F("first_day"), F("last_day"), Value("[]"), function="daterange"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self):
        return self.name or f"{self.segment}: {self.kind} {self.first_day:%Y-%m-%d} – {self.last_day:%Y-%m-%d}"


class GoalReview(models.Model):
    """Somebody looked at a goal and said what follows. Kept, with the figures of that moment."""

    goal = models.ForeignKey(SegmentGoal, models.CASCADE, verbose_name=_("goal"), related_name="reviews")
    note = models.CharField(_("note"), max_length=500)
    figures = models.JSONField(_("figures"), default=dict, help_text=_("Status, value and expectation then."))
    reviewed_at = models.DateTimeField(_("reviewed"), db_default=Now(), editable=False)
    reviewed_by = person(_("reviewed by"))

    class Meta:
        verbose_name = _("review of a goal")
        verbose_name_plural = _("reviews of goals")
        ordering = ["-reviewed_at", "-id"]
        indexes = [models.Index(fields=["goal", "-reviewed_at"], name="goalreview_last")]
        triggers = [
            pgtrigger.Protect(
                name="goalreview_is_kept", operation=pgtrigger.UpdateOf("goal_id", "note", "figures", "reviewed_at")
            )
        ]

    def __str__(self):
        return f"{self.goal} {self.reviewed_at:%Y-%m-%d}"


@pghistory.track()
class PriorityWeight(models.Model):
    """How much a consideration weighs when segments are ranked. One without a row weighs what is usual."""

    consideration = models.SlugField(_("consideration"), max_length=40, unique=True)
    weight = models.PositiveSmallIntegerField(
        _("weight"),
        validators=[MaxValueValidator(100)],
        help_text=_("0 to 100, against the weights of the others. 0: it does not count."),
    )

    class Meta:
        verbose_name = _("weight of a consideration")
        verbose_name_plural = _("weights of considerations")
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(weight__lte=100), name="priorityweight_0_to_100")]

    def __str__(self):
        return f"{self.consideration}: {self.weight}"


@pghistory.track()
class PriorityAnswer(models.Model):
    """How a person judges a segment by a consideration. It counts instead of what was measured."""

    class Score(models.IntegerChoices):
        VERY_WEAK = 1, _("1: much speaks against it")
        WEAK = 2, _("2: something speaks against it")
        MIDDLE = 3, _("3: neither")
        STRONG = 4, _("4: something speaks for it")
        VERY_STRONG = 5, _("5: much speaks for it")

    segment = models.ForeignKey(Segment, models.CASCADE, verbose_name=_("segment"), related_name="priority_answers")
    consideration = models.SlugField(_("consideration"), max_length=40)
    score = models.PositiveSmallIntegerField(
        _("score"), choices=Score, help_text=_("1 to 5; 5 speaks most for working the segment first.")
    )
    reason = models.CharField(_("reason"), max_length=300, help_text=_("What the judgement rests on."))
    answered_at = models.DateTimeField(_("answered"), db_default=Now(), editable=False)
    answered_by = person(_("answered by"))

    class Meta:
        verbose_name = _("judgement of a segment")
        verbose_name_plural = _("judgements of segments")
        ordering = ["segment", "id"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "consideration"], name="priorityanswer_once"),
            models.CheckConstraint(condition=Q(score__range=(1, 5)), name="priorityanswer_score_1_to_5"),
            models.CheckConstraint(condition=~Q(reason=""), name="priorityanswer_has_reason"),
        ]

    def __str__(self):
        return f"{self.segment}: {self.consideration} {self.score}"
