"""Goals of segments: their baselines from history, how they stand at any date, and what is to be looked at."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.goals import Aim, Events, Progress, course, progress
from journey.selectors.goal_facts import GoalFacts, first_instant
from journey.selectors.goal_kinds import GoalKind, find_kind
from segmentation.errors import InvalidValueError
from segmentation.models import GoalReview, SegmentGoal
from segmentation.selectors.access import is_limited

DAY = dt.timedelta(days=1)


def days_of(goal: SegmentGoal) -> int:
    """How many days a goal lasts."""
    return (goal.last_day - goal.first_day).days + 1


def start_of(goal: SegmentGoal) -> int:
    """The instant a goal begins, in microseconds UTC."""
    return first_instant(goal.first_day)


def end_of(goal: SegmentGoal) -> int:
    """The first instant after a goal, in microseconds UTC."""
    return first_instant(goal.last_day + DAY)


def target_of(goal: SegmentGoal, baseline: float) -> float:
    """What the period is to bring: the target itself, or the baseline raised by that many per cent."""
    is_level = find_kind(goal.kind).is_level
    return baseline * (1 + float(goal.target) / 100) if is_level else float(goal.target)


def aim_of(goal: SegmentGoal) -> Aim:
    """A goal as the engine measures it."""
    baseline = float(goal.baseline)
    return Aim(start_of(goal), end_of(goal), baseline, target_of(goal, baseline), find_kind(goal.kind).is_level)


def events_of(goal: SegmentGoal, facts: GoalFacts, cohort_at: int | None = None) -> Events:
    """What counts towards a goal, before its start too.

    Whoever is in the segment at the time, or whoever was at the start (or at `cohort_at`), as the goal says.
    """
    member = facts.memberships.get(goal.segment.key)
    found = find_kind(goal.kind).happened(facts, goal) if member else None
    if member is None or found is None:
        return Events.of(np.empty(0, dtype=np.int64), np.empty(0))
    found = found.only(found.time <= facts.as_of)
    at = found.time
    if goal.members == SegmentGoal.Members.START:
        at = np.full(len(at), start_of(goal) if cohort_at is None else cohort_at)
    found = found.only(member.holds(found.account, at))
    return Events.of(found.time, found.amount)


# --- Baselines -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Baseline:
    """What the days from the first to the last brought, both included."""

    value: float
    first_day: dt.date
    last_day: dt.date


def baseline_days(goal: SegmentGoal, now: dt.datetime) -> tuple[dt.date, dt.date]:
    """The period a recorded baseline is taken from: as many days as the goal has, up to the day before it starts; of a
    goal that lies in the future up to yesterday."""
    last = min(goal.first_day, timezone.localtime(now).date()) - DAY
    return last - (days_of(goal) - 1) * DAY, last


def recorded_baseline(goal: SegmentGoal, now: dt.datetime) -> Baseline:
    """The baseline history gives. Raises InvalidValueError where it gives none, saying why."""
    kind = find_kind(goal.kind)
    first, last = baseline_days(goal, now)
    start, end = first_instant(first), first_instant(last + DAY)
    facts = GoalFacts(now, [goal.segment.key], start)

    def refuse(message: Any, **params: Any) -> InvalidValueError:
        return InvalidValueError(
            message,
            code="no_baseline",
            field="baseline",
            remedy=_("Give a baseline and the reason for it, or choose another period."),
            params={"first": _shown(first), "last": _shown(last), **params},
        )

    if goal.segment.key not in facts.memberships:
        raise refuse(_("Who is in the segment was not worked out yet, so history gives no baseline."))
    since = facts.recorded_since(kind.source)
    if since is None:
        raise refuse(_("There is no recorded history this baseline could be taken from."))
    if since > start:
        began = timezone.localtime(dt.datetime.fromtimestamp(since / 1e6, dt.UTC)).date()
        raise refuse(
            _("The baseline would be that of %(first)s to %(last)s, but recorded history begins on %(began)s."),
            began=_shown(began),
        )
    value = events_of(goal, facts, min(start_of(goal), end)).total(start, end)
    if kind.is_level and value <= 0:
        raise refuse(_("Nothing was recorded from %(first)s to %(last)s, and per cents of nothing are nothing."))
    return Baseline(value, first, last)


def is_provisional(goal: SegmentGoal) -> bool:
    """Whether the baseline was taken before the goal had started, of days that do not reach up to its start."""
    return goal.baseline_last_day is not None and goal.baseline_last_day < goal.first_day - DAY


def _shown(day: dt.date) -> str:
    return date_format(day, "SHORT_DATE_FORMAT")


# --- How goals stand -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GoalReport:
    """A goal at a date.

    progress: None for limited users, who learn what their own accounts brought (`counted`) and nothing of others.
    notes: what must be said beside the figures, by code. due_at: when a review is due, None once it is done with.
    """

    goal: SegmentGoal
    kind: GoalKind
    aim: Aim
    as_of: dt.datetime
    counted: float | None
    progress: Progress | None
    points: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    review: GoalReview | None = None
    due_at: dt.datetime | None = None

    @property
    def is_due(self) -> bool:
        return self.due_at is not None and self.due_at <= self.as_of

    def as_dict(self) -> dict[str, Any]:
        """The form of the API and of `manage.py goals --json`. No number in it is NaN or infinite."""
        found, forecast = self.progress, self.progress.forecast if self.progress else None
        return {
            "goal": self.goal.pk,
            "segment": self.goal.segment.key,
            "kind": self.goal.kind,
            "unit": self.kind.unit,
            "currency": self.goal.currency or None,
            "as_of": self.as_of.isoformat(),
            "status": found.status if found else None,
            "baseline": self.aim.baseline if found else None,
            "target": self.aim.target if found or not self.kind.is_level else None,
            "counted": self.counted,
            "value": found.value if found else None,
            "expected": found.expected if found else None,
            "progress": found.progress if found else None,
            "forecast": forecast.value if forecast else None,
            "forecast_low": forecast.low if forecast else None,
            "forecast_high": forecast.high if forecast else None,
            "reached_at": _moment(found.reached_at).isoformat() if found and found.reached_at is not None else None,
            "provisional_baseline": is_provisional(self.goal),
            "review_due_at": self.due_at.isoformat() if self.due_at and found else None,
            "notes": [{"code": code, "text": text} for code, text in self.notes.items()] if found else [],
        }

    def dated_points(self) -> list[dict[str, Any]]:
        """The course with moments instead of microseconds."""
        return [point | {"at": _moment(point["at"])} for point in self.points]


def _moment(instant: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant)


def goal_reports(
    goals: Iterable[SegmentGoal], as_of: dt.datetime, user: Any = None, *, with_course: bool = False
) -> list[GoalReport]:
    """How goals stand at a date, in their order; facts are read once for all of them.

    as_of: nothing later is known. user: of a limited one only own accounts count. with_course: value and expectation
    from the start on, too.
    """
    goals = list(goals)
    if not goals:
        return []
    limited = is_limited(user)
    facts = GoalFacts(as_of, [goal.segment.key for goal in goals], min(start_of(goal) for goal in goals), user)
    reviews = last_reviews(goals)
    reports = []
    for goal in goals:
        aim, events, review = aim_of(goal), events_of(goal, facts), reviews.get(goal.pk)
        found = progress(aim, events, facts.as_of)
        reports.append(
            GoalReport(
                goal=goal,
                kind=find_kind(goal.kind),
                aim=aim,
                as_of=as_of,
                counted=found.counted,
                progress=None if limited else found,
                points=course(aim, events, facts.as_of) if with_course and not limited else [],
                notes={} if limited else _notes(goal, facts, aim),
                review=review,
                due_at=None if limited else review_due(goal, review),
            )
        )
    return reports


def _notes(goal: SegmentGoal, facts: GoalFacts, aim: Aim) -> dict[str, str]:
    notes = {}
    if goal.segment.key not in facts.memberships:
        notes["no_history"] = str(_("Who is in the segment was not worked out yet, so nothing counts so far."))
    if goal.baseline_last_day and is_provisional(goal):
        notes["provisional_baseline"] = str(
            _("The baseline is that of the days up to %(day)s; it is taken again when the goal starts.")
        ) % {"day": _shown(goal.baseline_last_day)}
    missing = find_kind(goal.kind).missing(facts, goal, aim.start, min(aim.end, facts.as_of + 1))
    for currency, left_out in missing.items():
        notes["no_rate"] = str(
            _("Opportunities in %(currency)s are left out (%(n)s): there is no exchange rate into %(into)s.")
        ) % {"currency": currency, "n": left_out["deals"], "into": goal.currency}
    return notes


def last_reviews(goals: Sequence[SegmentGoal]) -> dict[int, GoalReview]:
    """The last review of each goal, by primary key of the goal."""
    rows = GoalReview.objects.filter(goal__in=[goal.pk for goal in goals]).select_related("reviewed_by")
    return {review.goal_id: review for review in rows.order_by("goal_id", "-reviewed_at", "-id").distinct("goal_id")}


def review_due(goal: SegmentGoal, last: GoalReview | None) -> dt.datetime | None:
    """When somebody should look at a goal next: so many days after its start or the last review, at its end at the
    latest. None once it was reviewed after its end."""
    start, end = _moment(start_of(goal)), _moment(end_of(goal))
    if last is not None and last.reviewed_at >= end:
        return None
    since = start if last is None else max(last.reviewed_at, start)
    return min(since + goal.review_days * DAY, end)


def goals_due(now: dt.datetime) -> list[SegmentGoal]:
    """The goals of which a review is due, those that ended first."""
    goals = list(SegmentGoal.objects.filter(first_day__lte=timezone.localtime(now).date()).select_related("segment"))
    last = last_reviews(goals)
    return [goal for goal in goals if (due := review_due(goal, last.get(goal.pk))) is not None and due <= now]


def all_goals() -> QuerySet[SegmentGoal]:
    """Every goal with its segment, the one that ends first at the front."""
    return SegmentGoal.objects.select_related("segment", "created_by").order_by("last_day", "segment__name", "id")
