"""The goals of the demo's segments: those of the handbook in the demo's sizes, and how people judge some segments."""

import calendar
import datetime as dt
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from journey.demo.curation import MARKETERS
from journey.facts.deal_values import read_deal_values
from journey.selectors.goal_kinds import find_kind
from journey.selectors.goal_kinds.base import MONEY
from journey.selectors.goals import goal_reports, recorded_baseline
from journey.selectors.money import reporting_currency
from journey.selectors.priorities import CONSIDERATIONS
from journey.services.goals import create_goal, review_goal
from segmentation.errors import ProblemError
from segmentation.models import PriorityAnswer, Segment, SegmentGoal
from segmentation.services.priorities import answer_consideration

# Segment, kind, months, how many periods back; targets as shares of the baseline, those of levels in per cent.
GOALS = (
    ("enterprise-customers", "revenue", 3, 0, 0.45),
    ("enterprise-prospects", "engagement", 6, 0, 15),
    ("enterprise-prospects", "visits", 6, 0, 15),
    ("enterprise-prospects", "new_accounts", 3, 0, 0.75),
    ("mid-market-customers", "upsell", 6, 0, 0.7),
    ("mid-market-customers", "upsell_pipeline", 3, 0, 0.6),
    ("solution-visitors", "pipeline", 3, 0, 1.0),
    ("solution-visitors", "engagement", 3, 1, 10),
    ("enterprise-prospects", "pipeline", 3, -1, 1.1),
)
ANSWERS = (
    ("mid-market-customers", "resources", 4, "The customer success team covers them already."),
    ("enterprise-customers", "history", 4, "Support tickets went down, and two of them are references."),
    ("enterprise-prospects", "resources", 2, "Long tenders, and procurement wants a bank guarantee."),
)


def set_demo_goals(at: dt.datetime) -> list[SegmentGoal]:
    """Set the goals and judgements of the demo where its segments have none. One history says too little for is left
    out: the world may be small."""
    made: list[SegmentGoal] = []
    if SegmentGoal.objects.exists():
        return made
    segments = {segment.key: segment for segment in Segment.objects.all()}
    people = list(User.objects.filter(last_name__in=[name.rpartition(" ")[2] for name in MARKETERS]).order_by("pk"))
    person = people[0] if people else None
    for key, kind, months, back, wanted in GOALS:
        if key in segments:
            first, last = period(timezone.localtime(at).date(), months, back)
            try:
                target = _target(segments[key], kind, first, last, wanted, at)
                made.append(
                    create_goal(
                        segment=segments[key], kind=kind, first_day=first, last_day=last, target=target, user=person,
                        now=at,
                    )
                )  # fmt: skip
            except ProblemError:
                continue
    reached = [report.goal for report in goal_reports(made, at) if report.progress and report.counted]
    for goal in reached[:1]:
        review_goal(goal=goal, note="As planned so far; we keep the pace.", user=person, now=at)
    for key, consideration, score, reason in ANSWERS:
        if key in segments and not PriorityAnswer.objects.filter(segment__key=key).exists():
            answer_consideration(
                segment=segments[key], consideration=consideration, score=score, reason=reason, user=person,
                known=CONSIDERATIONS,
            )  # fmt: skip
    return made


def _target(segment: Segment, kind: str, first: dt.date, last: dt.date, wanted: float, at: dt.datetime) -> Decimal:
    if find_kind(kind).is_level:
        return Decimal(str(wanted))
    plan = SegmentGoal(segment=segment, kind=kind, first_day=first, last_day=last)
    if find_kind(kind).unit == MONEY:
        plan.currency = reporting_currency(read_deal_values(connection))
    usual = recorded_baseline(plan, at).value * wanted
    digits = -(len(str(int(usual))) - 2) if usual >= 100 else 0
    return max(Decimal(int(round(usual, digits))), Decimal(1))


def period(today: dt.date, months: int, back: int) -> tuple[dt.date, dt.date]:
    """The quarter (3 months) or half-year (6) of a day; back: so many periods before it, negative after it."""
    number = today.year * 12 + (today.month - 1) // months * months - back * months
    last = number + months - 1
    ends = calendar.monthrange(last // 12, last % 12 + 1)[1]
    return dt.date(number // 12, number % 12 + 1, 1), dt.date(last // 12, last % 12 + 1, ends)
