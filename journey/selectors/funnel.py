"""The funnel of a journey: per stage the number now, volume, conversion, velocity and value, in whole or by group.

One question (`funnel_query`), one answer (`funnel`), whoever asks: the command, the API and the page.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.engine.metrics.figures import Figures, counted, figures
from journey.facts.dimensions import value_text
from journey.models import Stage
from journey.selectors.funnel_groups import Breakdown, graded
from journey.selectors.funnel_query import FunnelQuery, funnel_query
from journey.selectors.funnel_report import (
    NOT_KNOWN,
    OTHERS,
    Conversion,
    FunnelReport,
    Group,
    Note,
    Overall,
    StageFigures,
    Value,
    Velocity,
    conversion,
    number,
)
from journey.selectors.funnel_selection import Selection, Through, select, whole_funnel
from journey.selectors.funnel_values import Sums, Values, dealings, values
from segmentation.engine.steps import Int8s, Int64s

__all__ = ["FunnelQuery", "FunnelReport", "funnel", "funnel_query"]


@dataclass(frozen=True)
class Part:
    """What was counted of all, or of each group: figures by group and stage, the same from where the whole funnel
    begins (None: nowhere), entities now by group and stage, and what they are worth."""

    found: Figures
    whole: Figures | None
    now: Int64s
    worth: Values


def funnel(query: FunnelQuery) -> FunnelReport:
    """Answer a question. Raises JourneyError when it cannot be answered (no history, a filter by an unknown value)."""
    chosen = select(query)
    data, table = chosen.data, chosen.data.table
    breakdown = None
    # The kernels release the interpreter's lock: while they count, values are read and added up.
    with ThreadPoolExecutor(2) as pool:
        following = pool.submit(whole_funnel, chosen)

        def count(rows: Int64s, group: Int64s, groups: int, grade: Int8s) -> None:
            part = (chosen, rows, group, groups, grade)
            found.append(pool.submit(_counted, *part))
            whole.append(pool.submit(_counted_through, following, *part))

        found: list[Future[Figures]] = []
        whole: list[Future[Figures | None]] = []
        count(chosen.rows, np.zeros(len(chosen.rows), dtype=np.int64), 1, table.grade[chosen.rows])
        now = [counted(table, data.funnel, chosen.here, np.zeros(len(chosen.here), dtype=np.int64), 1)]
        deals = dealings(data, chosen.question, chosen.filters)
        worth = [values(deals, len(data.funnel))]
        if query.by:
            breakdown = Breakdown([data.dimension(dimension) for dimension in query.by], query.most_groups)
            rows, here, *parts_of_deals = breakdown.settle(
                (table.entity[chosen.rows], table.start[chosen.rows]),
                (table.entity[chosen.here], np.full(len(chosen.here), chosen.question.as_of)),
                *deals.asked(),
            )
            groups, placed = len(breakdown.groups), chosen.rows[rows.place]
            count(placed, rows.group, groups, graded(table.grade[placed], rows.assumed))
            now.append(counted(table, data.funnel, chosen.here[here.place], here.group, groups))
            worth.append(values(deals, len(data.funnel), groups, parts_of_deals))
        through = following.result()
        parts = [
            Part(of_all.result(), of_some.result(), here_now, its_worth)
            for of_all, of_some, here_now, its_worth in zip(found, whole, now, worth, strict=True)
        ]
    stages = _stages(chosen, parts[0], 0, is_whole=True)
    overall = _overall(chosen, through, parts[0], 0, is_whole=True)
    notes = [*chosen.notes, *_value_notes(parts[0].worth, chosen)]
    if breakdown is None:
        return FunnelReport(query, stages, overall, notes=notes)
    made = [
        Group(
            values=value,
            labels=_labels(query, value, g == breakdown.groups.others),
            stages=_stages(chosen, parts[1], g, is_whole=False),
            overall=_overall(chosen, through, parts[1], g, is_whole=False),
            is_rest=g == breakdown.groups.others,
        )
        for g, value in enumerate(breakdown.groups.values)
    ]
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


def _counted(chosen: Selection, rows: Int64s, group: Int64s, groups: int, grade: Int8s) -> Figures:
    """Figures of the beginnings in `rows` by group."""
    data = chosen.data
    return figures(data.table, data.funnel, chosen.question, chosen.followed, rows, group, groups, grade)


def _counted_through(
    following: Future[Through], chosen: Selection, rows: Int64s, group: Int64s, groups: int, grade: Int8s
) -> Figures | None:
    """The same of those that begin where the whole funnel begins."""
    table, through = chosen.data.table, following.result()
    if through.start < 0:
        return None
    mine = np.flatnonzero(table.stage[rows] == through.start)
    part = (rows[mine], group[mine], groups, grade[mine])
    return figures(table, chosen.data.funnel, through.question, through.followed, *part)


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


def _stages(chosen: Selection, part: Part, g: int, *, is_whole: bool) -> list[StageFigures]:
    found, now, worth = part.found, part.now, part.worth
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


def _overall(chosen: Selection, through: Through, part: Part, g: int, *, is_whole: bool) -> Overall:
    whole, worth = part.whole, part.worth
    stages: Sequence[Stage] = chosen.data.stages
    start, target = through.start, through.target
    spent = worth.spent if is_whole else None
    opened = int(worth.opened[g])
    return Overall(
        now=int(part.now[g].sum()),
        start=stages[start].key if start >= 0 else None,
        target=stages[target].key if target >= 0 else None,
        conversion=_conversion(chosen.query, whole, g, start),
        velocity=_velocity(chosen.query, whole, g, start),
        value=_value(worth, worth.pipeline_total, worth.revenue_total, g, None, opened, is_whole),
        opportunities=opened,
        investment=_money(spent.total) if spent and spent.total is not None else None,
        costs={kind: round(float(amount), 2) for kind, amount in spent.by_kind.items()} if spent else {},
        trust=_trust(part.found.grades[g].sum(axis=0)),
    )


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
