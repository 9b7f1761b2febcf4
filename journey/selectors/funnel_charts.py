"""What the charts of the funnel show, each as rows that are its table and its CSV as well."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.figures import Question, figures, follow
from journey.engine.metrics.flows import cohorts, direction, entries_over_time, moves
from journey.engine.metrics.flows import stuck as unusually_long
from journey.engine.metrics.rates import wilson
from journey.engine.metrics.survival import curve, packed
from journey.engine.metrics.table import DAY
from journey.errors import JourneyError
from journey.models import Opportunity
from journey.selectors.explanations import instant_of
from journey.selectors.funnel_query import FunnelQuery, find_stage
from journey.selectors.funnel_report import FunnelReport, number
from journey.selectors.funnel_selection import select
from segmentation.models import Account, Contact

GRANULARITIES = ("auto", "day", "week", "month")
MONTH = 30 * DAY  # as everywhere: a month of a figure is 30 days
MOST_POINTS = 500  # of a curve; a screen shows no more
HEAT_MAP_CELLS = 400  # each is a group
MEASURES = ("volume", "now", "conversion", "median_days", "pipeline", "revenue")
_MODELS: dict[str, Any] = {"account": Account, "contact": Contact, "opportunity": Opportunity}


# --- Entries over time -----------------------------------------------------------------------------------------------


def granularity_of(start: dt.datetime, end: dt.datetime, wanted: str = "auto") -> str:
    """Day, week or month; `auto` takes days up to a month and a half, weeks up to nine months. Raises JourneyError."""
    if wanted not in GRANULARITIES:
        raise JourneyError(
            _("There is no granularity “%(value)s”."),
            code="unknown_granularity",
            field="granularity",
            value=wanted,
            remedy=_("Use auto, day, week or month."),
        )
    if wanted != "auto":
        return wanted
    days = (end - start).days
    return "day" if days <= 45 else "week" if days <= 275 else "month"


def period_edges(start: dt.datetime, end: dt.datetime, granularity: str) -> list[dt.datetime]:
    """Where periods begin, in the site's time zone, from the one `start` lies in, and the end of the last one."""
    day = timezone.localtime(start).date()
    if granularity == "week":
        day -= dt.timedelta(days=day.weekday())
    elif granularity == "month":
        day = day.replace(day=1)
    edges = [_midnight(day)]
    while edges[-1] < end:
        if granularity == "month":
            day = (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        else:
            day += dt.timedelta(days=7 if granularity == "week" else 1)
        edges.append(_midnight(day))
    return edges


def fiscal_year(day: dt.date) -> int:
    """The fiscal year a day lies in, by the calendar year it begins in."""
    return day.year if day.month >= settings.FISCAL_YEAR_START_MONTH else day.year - 1


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


@dataclass(frozen=True)
class TrendPoint:
    """Entries into a stage within a period. is_partial: the range or what is known covers only a part of the period."""

    period: dt.date
    stage: str
    volume: int
    accounts: int
    is_partial: bool


@dataclass(frozen=True)
class Trend:
    """Entries over time, ordered by period, then stage."""

    granularity: str
    points: list[TrendPoint]

    def rows(self) -> Iterator[dict[str, Any]]:
        for point in self.points:
            yield {**vars(point), "period": point.period.isoformat(), "fiscal_year": fiscal_year(point.period)}


def trend(query: FunnelQuery, granularity: str = "auto") -> Trend:
    """Entries into each stage by day, week (from Monday) or month."""
    chosen = select(query)
    granularity = granularity_of(query.start, query.end, granularity)
    edges = period_edges(query.start, query.end, granularity)
    instants = np.array([instant_of(edge) for edge in edges], dtype=np.int64)
    entries, entities = entries_over_time(chosen.data.table, chosen.data.funnel, chosen.rows, instants)
    last = min(query.end, query.as_of)
    points = [
        TrendPoint(
            timezone.localtime(begin).date(),
            stage.key,
            int(entries[p, s]),
            int(entities[p, s]),
            begin < query.start or edges[p + 1] > last,
        )
        for p, begin in enumerate(edges[:-1])
        for s, stage in enumerate(chosen.data.stages)
    ]
    return Trend(granularity, points)


# --- Moves -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flow:
    """Moves from one stage into another within the range. direction: forward, skipped, back, parked, returned."""

    source: str
    target: str
    moves: int
    direction: str


@dataclass(frozen=True)
class Flows:
    """All moves of the range, the most frequent first. totals: by direction."""

    flows: list[Flow]
    totals: dict[str, int]

    def rows(self) -> Iterator[dict[str, Any]]:
        for flow in self.flows:
            yield vars(flow)


def flows(query: FunnelQuery) -> Flows:
    """Moves between stages: forward, over stages that were skipped, back, into parking stages and out of them."""
    chosen = select(query)
    funnel, stages = chosen.data.funnel, chosen.data.stages
    counts = moves(chosen.data.table, funnel, chosen.rows)
    found = [
        Flow(stages[i].key, stages[j].key, int(counts[i, j]), direction(funnel, int(i), int(j)))
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    found.sort(key=lambda flow: (-flow.moves, flow.source, flow.target))
    totals = dict.fromkeys(("forward", "skipped", "back", "parked", "returned"), 0)
    for flow in found:
        totals[flow.direction] += flow.moves
    return Flows(found, totals)


# --- Cohorts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CohortCell:
    """Of a cohort the share that has moved on after so many months of 30 days. rate: None until that long has passed
    for the whole cohort; so_far: the share up to now all the same."""

    cohort: dt.date
    n: int
    months: int
    converted: int
    rate: float | None
    so_far: float | None


@dataclass(frozen=True)
class Triangle:
    """Beginnings in a stage by month, and how many had moved on k months later."""

    stage: str
    cells: list[CohortCell]

    def rows(self) -> Iterator[dict[str, Any]]:
        for cell in self.cells:
            yield {"stage": self.stage, **vars(cell), "cohort": cell.cohort.isoformat()}


def cohort_triangle(query: FunnelQuery, stage: str, months: int = 12) -> Triangle:
    """Who began in a stage in each month, and how many moved on (or reached the stage asked for) within 0 to `months`
    months of 30 days. Raises JourneyError for an unknown stage."""
    number_of = _stage_number(query, stage)
    chosen = select(query)
    table = chosen.data.table
    edges = period_edges(query.start, query.end, "month")
    # The last cohort is complete with the range, not with its month.
    instants = np.minimum(np.array([instant_of(edge) for edge in edges], dtype=np.int64), chosen.question.end)
    ages = np.arange(1, months + 1, dtype=np.int64) * MONTH
    rows = chosen.rows[table.stage[chosen.rows] == number_of]
    found = cohorts(table, chosen.followed, rows, instants, ages, chosen.question.as_of)
    cells = []
    for p, begin in enumerate(edges[:-1]):
        n = int(found.n[p])
        for k in range(months):
            share = int(found.converted[p, k]) / n if n else None
            cells.append(
                CohortCell(
                    cohort=timezone.localtime(begin).date(),
                    n=n,
                    months=k + 1,
                    converted=int(found.converted[p, k]),
                    rate=share if found.mature[p, k] else None,
                    so_far=share,
                )
            )
    return Triangle(stage, cells)


# --- Survival --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurvePoint:
    """After `days` the share that still waits with its 95 % interval, the shares that ended so far in exactly the stage
    asked for, in a later one and elsewhere, and how many had waited that long."""

    days: float
    waiting: float
    low: float
    high: float
    exact: float
    later: float
    elsewhere: float
    at_risk: int


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier and Aalen-Johansen over time for the beginnings in one stage. n: how many there are."""

    stage: str
    n: int
    median_days: float | None
    points: list[CurvePoint]

    def rows(self) -> Iterator[dict[str, Any]]:
        for point in self.points:
            yield {"stage": self.stage, **vars(point)}


def survival_curve(query: FunnelQuery, stage: str) -> Curve:
    """How long those who began in a stage wait, and where they go. Raises JourneyError for an unknown stage."""
    number_of = _stage_number(query, stage)
    chosen = select(query)
    rows = chosen.rows[chosen.data.table.stage[chosen.rows] == number_of]
    if query.to is not None:
        rows = rows[chosen.followed.passages.asked[rows]]
    values = np.sort(packed(chosen.followed.waits.duration[rows], chosen.followed.waits.cause[rows]))
    if not len(values):
        return Curve(stage, 0, None, [])
    course = curve(values)
    every = np.unique(np.linspace(0, len(course.time) - 1, min(len(course.time), MOST_POINTS)).round().astype(int))
    points = [
        CurvePoint(
            days=float(course.time[k] / DAY),
            waiting=float(course.survival[k]),
            low=float(course.low[k]),
            high=float(course.high[k]),
            exact=float(course.incidence[k, 0]),
            later=float(course.incidence[k, 1]),
            elsewhere=float(course.incidence[k, 2]),
            at_risk=int(course.at_risk[k]),
        )
        for k in every
    ]
    return Curve(stage, len(values), None if course.median < 0 else course.median / DAY, points)


# --- Who is stuck ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StuckEntity:
    """Somebody who has been in a stage for `days`. longer_than: the estimated share of stays in that stage that end
    sooner."""

    id: int
    name: str
    external_id: str
    stage: str
    since: dt.datetime
    days: float
    longer_than: float


@dataclass(frozen=True)
class StuckEntities:
    """The most unusual waits first. n: how many there are in all."""

    n: int
    entities: list[StuckEntity]

    def rows(self) -> Iterator[dict[str, Any]]:
        for entity in self.entities:
            yield {**vars(entity), "since": entity.since.isoformat()}


def stuck_entities(query: FunnelQuery, stage: str | None = None, most: int = 100) -> StuckEntities:
    """Who has been in a stage for unusually long, measured against all stays in that stage up to the moment.

    stage: only this one; None: all of the funnel but its floor and its end, where nobody is expected to leave.
    Raises JourneyError for an unknown stage.
    """
    only = None if stage is None else _stage_number(query, stage)
    chosen = select(query)
    data = chosen.data
    floor = min(range(len(data.stages)), key=lambda s: data.stages[s].precedence)
    wanted = [s for s in range(data.funnel.funnel - 1) if s != floor] if only is None else [only]
    found = unusually_long(data.table, data.funnel, chosen.followed.exits, chosen.here, chosen.question.as_of, wanted)
    rows = found.rows[:most]
    ids = data.table.entities[data.table.entity[rows]]
    known = _MODELS[data.unit].objects.in_bulk(ids.tolist())
    listed = []
    for row, pk, waited, longer in zip(rows, ids.tolist(), found.waited, found.longer, strict=False):
        entity = known.get(pk)
        listed.append(
            StuckEntity(
                id=pk,
                name=str(entity or f"#{pk}"),
                external_id=(entity.external_id if entity else None) or "",
                stage=data.stages[data.table.stage[row]].key,
                since=dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(data.table.start[row])),
                days=float(waited / DAY),
                longer_than=float(longer),
            )
        )
    return StuckEntities(len(found.rows), listed)


# --- Any stage to any other ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Of the beginnings in one stage, those after which another (or a later one) was entered."""

    source: str
    target: str
    n: int
    converted: int
    rate: float | None
    low: float | None
    high: float | None
    mean_days: float | None
    median_days: float | None


@dataclass(frozen=True)
class Matrix:
    """Conversion and velocity from every stage to every stage of the funnel behind it."""

    pairs: list[Pair]

    def rows(self) -> Iterator[dict[str, Any]]:
        for pair in self.pairs:
            yield vars(pair)


def conversion_matrix(query: FunnelQuery) -> Matrix:
    """Conversion from every stage to every later one, parking stages included as a beginning."""
    chosen = select(query)
    data, base = chosen.data, chosen.question
    group = np.zeros(len(chosen.rows), dtype=np.int64)
    pairs = []
    for target in range(1, data.funnel.funnel):
        question = Question(base.start, base.end, base.as_of, base.horizon, target, base.reached)
        found = figures(
            data.table,
            data.funnel,
            question,
            follow(data.table, data.funnel, question, chosen.followed.exits),
            chosen.rows,
            group,
            1,
        )
        for source, stage in enumerate(data.stages):
            if target <= source < data.funnel.funnel:
                continue
            n, converted = int(found.n[0, source]), int(found.converted[0, source])
            interval = wilson(converted, n)
            pairs.append(
                Pair(
                    source=stage.key,
                    target=data.stages[target].key,
                    n=n,
                    converted=converted,
                    rate=interval.rate if interval else None,
                    low=interval.low if interval else None,
                    high=interval.high if interval else None,
                    mean_days=number(found.mean[0, source]),
                    median_days=number(found.median[0, source]),
                )
            )
    return Matrix(pairs)


# --- Heat map --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeatMap:
    """A measure of one stage by two fields. cells: row by row, None where there is no data; n: what each rests on."""

    stage: str
    measure: str
    across: list[str]
    down: list[str]
    cells: list[list[float | None]]
    n: list[list[int]]

    def rows(self) -> Iterator[dict[str, Any]]:
        for i, down in enumerate(self.down):
            for j, across in enumerate(self.across):
                yield {
                    "down": down,
                    "across": across,
                    "stage": self.stage,
                    "measure": self.measure,
                    "value": self.cells[i][j],
                    "n": self.n[i][j],
                }


def heat_map(report: FunnelReport, stage: str, measure: str = "conversion") -> HeatMap:
    """A heat map from a report that is broken down by two fields: the first goes down, the second across.

    measure: volume, now, conversion, median_days, pipeline or revenue. Raises JourneyError for another one, an unknown
    stage, or a report by another number of fields.
    """
    if len(report.query.by) != 2:
        raise JourneyError(
            _("A heat map needs two fields, and there are %(value)s."),
            code="two_fields_needed",
            field="by",
            value=len(report.query.by),
            remedy=_("Break the figures down by two fields."),
        )
    if measure not in MEASURES:
        raise JourneyError(
            _("There is no measure “%(value)s”."),
            code="unknown_measure",
            field="measure",
            value=measure,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(MEASURES)},
        )
    find_stage(report.query.stages, stage, "stage")
    groups = [group for group in report.groups if not group.is_rest]
    down = list(dict.fromkeys(group.labels[0] for group in groups))
    second = report.query.by[1]
    across = list(dict.fromkeys(group.labels[1] for group in sorted(groups, key=lambda g: second.rank(g.values[1]))))
    cells: list[list[float | None]] = [[None for _column in across] for _row in down]
    n = [[0 for _column in across] for _row in down]
    for group in groups:
        figure = next(row for row in group.stages if row.key == stage)
        value, count = {
            "volume": (figure.volume, figure.volume),
            "now": (figure.now, figure.now),
            "conversion": (figure.conversion.rate, figure.conversion.n),
            "median_days": (figure.velocity.median_days, figure.velocity.n),
            "pipeline": (figure.value.pipeline, figure.value.deals),
            "revenue": (figure.value.revenue, figure.value.won),
        }[measure]
        cells[down.index(group.labels[0])][across.index(group.labels[1])] = value
        n[down.index(group.labels[0])][across.index(group.labels[1])] = count
    return HeatMap(stage, measure, across, down, cells, n)


def _stage_number(query: FunnelQuery, key: str) -> int:
    stages = list(query.stages)
    return stages.index(find_stage(stages, key, "stage"))
