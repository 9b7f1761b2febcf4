"""The funnel of a journey: per stage the number now, volume, conversion, velocity and value, in whole or by group.

One question (`funnel_query`), one answer (`funnel`), whoever asks: the command, the API and the page.
"""

import datetime as dt
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.engine.metrics.figures import Figures, Followed, Question, counted, figures, follow
from journey.engine.metrics.rates import wilson
from journey.engine.metrics.table import DAY
from journey.errors import JourneyError
from journey.facts.dimensions import value_text
from journey.models import Stage
from journey.selectors.explanations import instant_of
from journey.selectors.funnel_data import HistoryData, history_data
from journey.selectors.funnel_groups import Breakdown, Breaker, Filters, graded
from journey.selectors.funnel_query import FunnelQuery, describe, funnel_query
from journey.selectors.funnel_values import Sums, Values, values
from journey.selectors.overview import freshness
from segmentation.engine.steps import Int8s, Int64s

__all__ = ["FunnelQuery", "FunnelReport", "funnel", "funnel_query"]

NOT_KNOWN = "(none)"
OTHERS = "(others)"


@dataclass(frozen=True)
class Conversion:
    """Share of the beginnings after which the stage asked for, or a later one, was entered.

    rate: None without beginnings; low, high: its Wilson interval of 95 %; direct: exactly that stage was entered. n:
    beginnings (first stays too); converted: of them; immature: of them, those whose horizon has not passed; None
    without horizon.
    """

    rate: float | None
    direct: float | None
    low: float | None
    high: float | None
    n: int
    converted: int
    immature: int | None


@dataclass(frozen=True)
class Velocity:
    """Days. mean_days, median_days: until conversion, of the `n` that converted. stay_km_median_days: Kaplan-Meier
    median of the stay. reached: by days, the cumulative incidence of exactly the stage asked for; reached_or_later: of
    that or a later one. None: no data, or a median that is never reached."""

    mean_days: float | None
    median_days: float | None
    n: int
    stay_km_median_days: float | None
    reached: dict[str, float | None]
    reached_or_later: dict[str, float | None]


@dataclass(frozen=True)
class Value:
    """In the reporting currency; None where there is nothing to add up. pipeline: deals open as of the question;
    revenue: deals won in the range. deals, won: how many each is of; without_amount: open or won deals more, whose
    amount is not known. investment_per_opportunity: costs of the range / opportunities opened in it, the same for every
    stage, as costs carry none; cost_per_entry: costs of the range / volume."""

    pipeline: float | None
    revenue: float | None
    currency: str | None
    investment_per_opportunity: float | None
    cost_per_entry: float | None
    deals: int
    won: int
    without_amount: int


@dataclass(frozen=True)
class StageFigures:
    """One stage. now, share: entities in it as of the question, and of all of them. volume: entries in the range, re-
    entries too; accounts: distinct ones among them; began: histories that begin here (no entries). trust: beginnings by
    grade."""

    key: str
    name: str
    color: str
    position: int | None
    now: int
    share: float | None
    volume: int
    accounts: int
    began: int
    conversion: Conversion
    velocity: Velocity
    value: Value
    trust: dict[str, int]


@dataclass(frozen=True)
class Overall:
    """The whole funnel: from the stage `start` to the stage `target`, and totals over all stages. opportunities: opened
    in the range; costs: of the range, by kind."""

    now: int
    start: str | None
    target: str | None
    conversion: Conversion
    velocity: Velocity
    value: Value
    opportunities: int
    investment: float | None
    costs: dict[str, float]
    trust: dict[str, int]


@dataclass(frozen=True)
class Group:
    """Figures of one group. values: its value in each dimension (None: not known); labels: the same as people read
    them."""

    values: tuple[Any, ...]
    labels: tuple[str, ...]
    stages: list[StageFigures]
    overall: Overall
    is_rest: bool = False


@dataclass(frozen=True)
class Note:
    """Something that must be said beside the figures."""

    code: str
    text: str


@dataclass(frozen=True)
class FunnelReport:
    """The answer. groups: empty unless broken down; overlapping: whether one account may be in several of them."""

    query: FunnelQuery
    stages: list[StageFigures]
    overall: Overall
    groups: list[Group] = field(default_factory=list)
    overlapping: bool = False
    notes: list[Note] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The form of `manage.py funnel --json` and of the API. No number in it is NaN or infinite."""
        query = self.query

        def shown(moment: dt.datetime | None) -> str | None:
            return None if moment is None else moment.isoformat()

        result: dict[str, Any] = {
            "journey": query.version.journey.key,
            "version": query.version.number,
            "unit": query.version.journey.unit,
            "start": shown(query.start),
            "end": shown(query.end),
            "as_of": shown(query.as_of),
            "known_at": shown(query.known_at),
            "horizon_days": query.horizon_days,
            "to": query.to,
            "list": query.target_list.key if query.target_list else None,
            "list_mode": query.list_mode if query.target_list else None,
            "where": {dimension.key: list(words) for dimension, words in query.where},
            "by": describe(query.by),
            "stages": [_plain(stage) for stage in self.stages],
            "overall": _overall_dict(self.overall),
            "notes": [{"code": note.code, "text": note.text} for note in self.notes],
        }
        if query.by:
            result["overlapping"] = self.overlapping
            result["groups"] = [
                {
                    "values": dict(zip((d.key for d in query.by), group.values, strict=True)),
                    "labels": list(group.labels),
                    "is_rest": group.is_rest,
                    "stages": [_plain(stage) for stage in group.stages],
                    "overall": _overall_dict(group.overall),
                }
                for group in self.groups
            ]
        return result


@dataclass(frozen=True)
class Selection:
    """A question worked out so far that every figure can start from. rows: beginnings in the range that count; here:
    rows in force as of the question that count."""

    query: FunnelQuery
    data: HistoryData
    question: Question
    followed: Followed
    filters: Filters
    rows: Int64s
    here: Int64s
    notes: list[Note]

    def stage(self, key: str) -> int:
        """The number of a stage of this journey."""
        return self.data.funnel.number(key)


@dataclass(frozen=True)
class Through:
    """The way through the whole funnel: from which stage to which, by number (-1: there is none), and what followed the
    stays on it."""

    start: int
    target: int
    question: Question
    followed: Followed


def select(query: FunnelQuery) -> Selection:
    """Load what a question is about and apply its filters. Raises JourneyError for a value nothing has."""
    data = history_data(query.version, query.known_at)
    question = Question(
        start=instant_of(query.start),
        end=instant_of(query.end),
        as_of=instant_of(query.as_of),
        horizon=None if query.horizon_days is None else round(query.horizon_days * DAY),
        target=None if query.to is None else data.funnel.number(query.to),
        reached=tuple(round(days * DAY) for days in query.reached_days),
    )
    filters = _filters(query, data)
    table = data.table
    rows = table.began(question.start, question.end, question.as_of)
    here = table.at(question.as_of)
    if not filters.is_open:
        rows = rows[filters.keep(table.entity[rows], table.start[rows])]
        here = here[filters.keep(table.entity[here], np.full(len(here), question.as_of))]
    followed = follow(table, data.funnel, question)
    return Selection(query, data, question, followed, filters, rows, here, _notes(query, data, question, rows))


def _filters(query: FunnelQuery, data: HistoryData) -> Filters:
    wanted = []
    for dimension, words in query.where:
        coded = data.dimension(dimension)
        breaker = Breaker(coded)
        numbers, unknown = breaker.numbers_of(words)
        if unknown:
            # Who sees some accounts only does not learn from a mistake what the others have.
            items = [] if query.accounts is not None else sorted(value_text(dimension, i) for i in breaker.items)
            raise JourneyError(
                _("Nothing has “%(value)s” as its %(label)s."),
                code="unknown_value",
                field=dimension.key,
                value=unknown[0],
                remedy=_("There are: %(known)s."),
                params={
                    "label": str(dimension.label),
                    "known": ", ".join(items[:20]) + (" …" if len(items) > 20 else "") or "–",
                },
            )
        wanted.append((coded, numbers))
    list_at = None
    if query.list_mode == "is":
        list_at = instant_of(dt.datetime.now(dt.UTC))
    elif query.cohort_at is not None:
        list_at = instant_of(query.cohort_at)
    accounts = None
    if query.accounts is not None:
        accounts = np.array(list(query.accounts.values_list("pk", flat=True)), dtype=np.int64)
    return Filters(data, query.target_list, list_at, wanted, accounts)


def funnel(query: FunnelQuery) -> FunnelReport:
    """Answer a question. Raises JourneyError when it cannot be answered (no history, a filter by an unknown value)."""
    chosen = select(query)
    data, question, table = chosen.data, chosen.question, chosen.data.table
    through = whole_funnel(chosen)
    nothing = np.zeros(len(chosen.rows), dtype=np.int64)
    # The kernels release the interpreter's lock: the whole is counted while the groups are.
    with ThreadPoolExecutor(1) as pool:
        all_counted = pool.submit(_counted, chosen, through, chosen.rows, nothing, 1, table.grade[chosen.rows])
        breakdown, by_group = None, None
        if query.by:
            breakdown = Breakdown([data.dimension(dimension) for dimension in query.by], query.most_groups)
            rows, here = breakdown.settle(
                (table.entity[chosen.rows], table.start[chosen.rows]),
                (table.entity[chosen.here], np.full(len(chosen.here), question.as_of)),
            )
            groups = len(breakdown.groups)
            grade = graded(table.grade[chosen.rows[rows.place]], rows.assumed)
            by_group = _counted(chosen, through, chosen.rows[rows.place], rows.group, groups, grade)
            now = counted(table, data.funnel, chosen.here[here.place], here.group, groups)
            group_worth = values(data, question, chosen.filters, breakdown)
        worth = values(data, question, chosen.filters, None)
        found, whole = all_counted.result()
    all_now = counted(table, data.funnel, chosen.here, np.zeros(len(chosen.here), dtype=np.int64), 1)
    stages = _stages(chosen, found, all_now, worth, 0, is_whole=True)
    overall = _overall(chosen, through, whole, found, all_now, worth, 0, is_whole=True)
    notes = [*chosen.notes, *_value_notes(worth, chosen)]
    if breakdown is None or by_group is None:
        return FunnelReport(query, stages, overall, notes=notes)
    found, whole = by_group
    made = []
    for g in range(groups):
        is_rest = g == breakdown.groups.others
        made.append(
            Group(
                values=breakdown.groups.values[g],
                labels=_labels(query, breakdown.groups.values[g], is_rest),
                stages=_stages(chosen, found, now, group_worth, g, is_whole=False),
                overall=_overall(chosen, through, whole, found, now, group_worth, g, is_whole=False),
                is_rest=is_rest,
            )
        )
    if breakdown.groups.others is not None:
        notes.append(
            Note(
                "groups_merged",
                _("Only the %(n)s largest groups are told apart; the others are added up.") % {"n": query.most_groups},
            )
        )
    if breakdown.groups.overlapping:
        notes.append(Note("groups_overlap", _("An account may be in several groups, so they add up to more than all.")))
    return FunnelReport(query, stages, overall, made, breakdown.groups.overlapping, notes)


def _labels(query: FunnelQuery, group: tuple[Any, ...], is_rest: bool) -> tuple[str, ...]:
    if is_rest:
        return tuple(OTHERS for _dimension in query.by)
    return tuple(
        NOT_KNOWN if value is None else value_text(dimension, value)
        for dimension, value in zip(query.by, group, strict=True)
    )


def whole_funnel(chosen: Selection) -> Through:
    """From the first stage after the floor to the last one of the funnel, or to the stage asked for."""
    funnel, stages, asked = chosen.data.funnel, chosen.data.stages, chosen.question
    if not funnel.funnel:
        return Through(-1, -1, asked, chosen.followed)
    target = funnel.funnel - 1 if asked.target is None else asked.target
    floor = min(stages, key=lambda stage: stage.precedence)
    start = 1 if stages[0] is floor and min(target, funnel.funnel) > 1 else 0
    question = replace(asked, target=target)
    followed = chosen.followed
    if asked.target != target:
        followed = follow(chosen.data.table, funnel, question, chosen.followed.exits)
    return Through(start if start != target else -1, target, question, followed)


def _counted(
    chosen: Selection, through: Through, rows: Int64s, group: Int64s, groups: int, grade: Int8s
) -> tuple[Figures, Figures | None]:
    """Figures of the beginnings in `rows` by group, and of those that begin where the whole funnel begins."""
    data = chosen.data
    found = figures(data.table, data.funnel, chosen.question, chosen.followed, rows, group, groups, grade)
    if through.start < 0:
        return found, None
    mine = np.flatnonzero(data.table.stage[rows] == through.start)
    part = (rows[mine], group[mine], groups, grade[mine])
    return found, figures(data.table, data.funnel, through.question, through.followed, *part)


def number(value: Any) -> float | None:
    """A figure for people and JSON: None for what is not there."""
    value = float(value)
    return value if math.isfinite(value) else None


def conversion(converted: int, direct: int, n: int, immature: int | None) -> Conversion:
    """A conversion from its counts; nothing to divide by gives no rate."""
    found = wilson(converted, n)
    if found is None:
        return Conversion(None, None, None, None, n, converted, immature)
    return Conversion(found.rate, direct / n, found.low, found.high, n, converted, immature)


def _conversion(query: FunnelQuery, found: Figures | None, g: int, s: int) -> Conversion:
    if found is None:
        return conversion(0, 0, 0, None)
    immature = None if query.horizon_days is None else int(found.immature[g, s])
    return conversion(int(found.converted[g, s]), int(found.direct[g, s]), int(found.n[g, s]), immature)


def _velocity(query: FunnelQuery, found: Figures | None, g: int, s: int) -> Velocity:
    names = [f"{days:g}" for days in query.reached_days]
    if found is None:
        nothing: dict[str, float | None] = dict.fromkeys(names)
        return Velocity(None, None, 0, None, nothing, nothing)
    return Velocity(
        mean_days=number(found.mean[g, s]),
        median_days=number(found.median[g, s]),
        n=int(found.converted[g, s]),
        stay_km_median_days=number(found.km_median[g, s]),
        reached=dict(zip(names, map(number, found.reached[g, s]), strict=True)),
        reached_or_later=dict(zip(names, map(number, found.reached_or_later[g, s]), strict=True)),
    )


def _money(value: Any) -> float | None:
    found = number(value)
    return None if found is None else round(found, 2)


def _ratio(total: Decimal | None, n: int) -> float | None:
    return None if total is None or n <= 0 else round(float(total / n), 2)


def _value(
    worth: Values, pipeline: Sums, revenue: Sums, at: Any, volume: int | None, opened: int, whole: bool
) -> Value:
    total = worth.spent.total if whole and worth.spent else None
    return Value(
        pipeline=_money(pipeline.amount[at]),
        revenue=_money(revenue.amount[at]),
        currency=worth.currency or None,
        investment_per_opportunity=_ratio(total, opened),
        cost_per_entry=None if volume is None else _ratio(total, volume),
        deals=int(pipeline.deals[at]),
        won=int(revenue.deals[at]),
        without_amount=int(pipeline.without_amount[at] + revenue.without_amount[at]),
    )


def _trust(grades: Any) -> dict[str, int]:
    return dict(zip(("exact", "derived", "assumed"), map(int, grades), strict=True))


def _stages(
    chosen: Selection, found: Figures, now: Int64s, worth: Values, g: int, *, is_whole: bool
) -> list[StageFigures]:
    total = int(now[g].sum())
    opened = int(worth.opened[g])
    return [
        StageFigures(
            key=stage.key,
            name=str(stage),
            color=stage.color,
            position=stage.position,
            now=int(now[g, s]),
            share=int(now[g, s]) / total if total else None,
            volume=int(found.volume[g, s]),
            accounts=int(found.entities[g, s]),
            began=int(found.began[g, s]),
            conversion=_conversion(chosen.query, found, g, s),
            velocity=_velocity(chosen.query, found, g, s),
            value=_value(worth, worth.pipeline, worth.revenue, (g, s), int(found.volume[g, s]), opened, is_whole),
            trust=_trust(found.grades[g, s]),
        )
        for s, stage in enumerate(chosen.data.stages)
    ]


def _overall(
    chosen: Selection,
    through: Through,
    whole: Figures | None,
    found: Figures,
    now: Int64s,
    worth: Values,
    g: int,
    *,
    is_whole: bool,
) -> Overall:
    stages: Sequence[Stage] = chosen.data.stages
    start, target = through.start, through.target
    spent = worth.spent if is_whole else None
    opened = int(worth.opened[g])
    return Overall(
        now=int(now[g].sum()),
        start=stages[start].key if start >= 0 else None,
        target=stages[target].key if target >= 0 else None,
        conversion=_conversion(chosen.query, whole, g, start),
        velocity=_velocity(chosen.query, whole, g, start),
        value=_value(worth, worth.pipeline_total, worth.revenue_total, g, None, opened, is_whole),
        opportunities=opened,
        investment=_money(spent.total) if spent and spent.total is not None else None,
        costs={kind: round(float(amount), 2) for kind, amount in spent.by_kind.items()} if spent else {},
        trust=_trust(found.grades[g].sum(axis=0)),
    )


def _notes(query: FunnelQuery, data: HistoryData, question: Question, rows: Int64s) -> list[Note]:
    """What must be said beside the figures."""
    found = []
    table = data.table
    if not len(table) or int(table.start.min()) > question.as_of:
        found.append(Note("no_data", _("Nothing was known by this moment, so there are no figures.")))
        return found
    if not len(rows):
        found.append(Note("nothing_began", _("Nobody began a stay within the range: rates and times have no data.")))
    if question.horizon is not None:
        span = (question.as_of - int(table.start.min())) / DAY
        if question.horizon > question.as_of - int(table.start.min()):
            text = _(
                "The horizon of %(horizon)s days is longer than the data, which reach back %(days)s days:"
                " no conversion is final yet."
            )
            found.append(
                Note("horizon_longer_than_data", text % {"horizon": f"{query.horizon_days:g}", "days": int(span)})
            )
        else:
            immature = int(np.sum(table.start[rows] + question.horizon > question.as_of))
            if immature:
                text = ngettext(
                    "For %(n)s beginning the horizon has not passed yet: its conversion may still rise.",
                    "For %(n)s beginnings the horizon has not passed yet: their conversion may still rise.",
                    immature,
                )
                found.append(Note("immature", text % {"n": f"{immature:,}"}))
    if query.known_at is not None and query.as_of > query.known_at:
        found.append(
            Note(
                "as_of_after_known",
                _("The moment lies after what was known: nothing that happened between the two is in the figures."),
            )
        )
    if query.known_at is None and freshness(data.history).waiting:
        found.append(Note("behind", _("Facts changed since the history was made; a replay brings it up to date.")))
    return found


def _value_notes(worth: Values, chosen: Selection) -> list[Note]:
    found = []
    for currency, lost in sorted(worth.missing.items()):
        text = ngettext(
            "%(n)s deal of %(amount)s %(currency)s is left out of the values: no rate into %(into)s was known.",
            "%(n)s deals of %(amount)s %(currency)s are left out of the values: no rate into %(into)s was known.",
            lost["deals"],
        )
        fill = {"n": lost["deals"], "amount": f"{lost['amount']:,.2f}", "currency": currency, "into": worth.currency}
        found.append(Note("no_rate", text % fill))
    for currency, amount in sorted((worth.spent.missing if worth.spent else {}).items()):
        text = _("Costs of %(amount)s %(currency)s are left out: no rate into %(into)s was known.")
        fill = {"amount": f"{amount:,.2f}", "currency": currency, "into": worth.currency}
        found.append(Note("no_rate_for_costs", text % fill))
    if worth.spent is None:
        found.append(
            Note(
                "costs_not_split",
                _("Costs are of all accounts and cannot be split by a filter, so there is no investment here."),
            )
        )
    return found


def _overall_dict(overall: Overall) -> dict[str, Any]:
    found = _plain(overall)
    return {"now": found.pop("now"), "from": found.pop("start"), "to": found.pop("target"), **found}


def _plain(record: Any) -> dict[str, Any]:
    return {
        name: _plain(value) if hasattr(value, "__dataclass_fields__") else value for name, value in vars(record).items()
    }
