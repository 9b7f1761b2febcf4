"""What the stages of a funnel are worth: open pipeline, revenue won, money spent for each opportunity."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from journey.engine.metrics.figures import Question
from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import Bools, StayTable
from journey.facts.deal_values import NO_AMOUNT, DealValues
from journey.models import Journey
from journey.selectors.funnel_data import HistoryData
from journey.selectors.funnel_groups import Breakdown, Filters
from journey.selectors.money import Rates, Spent, converted, costs_between, missing_rates, reporting_currency
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.facts.arrays import Positions


@dataclass(frozen=True)
class Sums:
    """Amounts in the reporting currency, NaN where there is nothing to add up; how many deals each is of, and how many
    more have no known amount. Arrays [groups, stages] or [groups]."""

    amount: Floats
    deals: Int64s
    without_amount: Int64s


@dataclass(frozen=True)
class Values:
    """Pipeline and revenue by group and stage, and by group over all stages; deals opened in the range by group.

    spent: the costs of the range; None where figures are of some accounts only, as costs are of all. missing:
    currencies without rate, with the deals and amounts left out.
    """

    currency: str
    pipeline: Sums
    revenue: Sums
    pipeline_total: Sums
    revenue_total: Sums
    opened: Int64s
    spent: Spent | None
    missing: dict[str, dict[str, Any]] = field(default_factory=dict)


@jit
def _rows_at(offsets, start, end, entity, instant):  # type: ignore[no-untyped-def]
    out = np.full(len(entity), np.int64(-1))
    for k in range(len(entity)):
        if entity[k] < 0:
            continue
        low, high = offsets[entity[k]], offsets[entity[k] + 1]
        i = low + np.searchsorted(start[low:high], instant[k], side="right") - 1
        if i >= low and instant[k] < end[i]:
            out[k] = i
    return out


def rows_at(table: StayTable, entity: Int64s, instant: Int64s) -> Int64s:
    """int64: the row in force for each pair of entity and instant, -1 where there is none."""
    found: Int64s = _rows_at(table.offsets, table.start, table.end, entity, instant)
    return found


def entity_of(data: HistoryData, deals: DealValues) -> Int64s:
    """int64: the place of each deal's account (contact; or the deal itself) in the history, -1 where it has none."""
    unit = data.version.journey.unit
    keys = {
        Journey.Unit.ACCOUNT: deals.accounts,
        Journey.Unit.CONTACT: deals.contacts,
        Journey.Unit.OPPORTUNITY: deals.ids,
    }[Journey.Unit(unit)]
    return Positions(data.table.entities).of(keys)


def values(data: HistoryData, question: Question, filters: Filters, breakdown: Breakdown | None) -> Values:
    """What accounts are worth in each stage.

    Pipeline: amounts of the deals open as of the question, by the stage their account is in then. Revenue: amounts of
    the deals won in the range and still won as of the question, by the stage their account was in when they were won.
    Deals of nobody in the history (without account) count in totals, where nothing is filtered or broken down.
    """
    deals = data.deals()
    rates = Rates.stored(reporting_currency(deals))
    now = deals.at(question.as_of)
    entity = entity_of(data, deals)
    won = (now.won >= question.start) & (now.won < question.end) & (now.won != FAR_FUTURE)
    opened = (now.opened >= question.start) & (now.opened < question.end)
    as_of = np.full(len(deals.ids), question.as_of)
    groups = len(breakdown.groups) if breakdown else 1
    stages = len(data.funnel)
    missing: dict[str, dict[str, Any]] = {}

    def chosen(which: Bools, instant: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Deals that count, with their group and stage (-1: of nobody in the history)."""
        picked = np.flatnonzero(which)
        rows = rows_at(data.table, entity[picked], instant[picked])
        known = rows >= 0
        kept = known.copy()
        kept[known] = filters.keep(entity[picked[known]].astype(np.int32), instant[picked[known]])
        stage = (
            np.where(known, data.table.stage[np.maximum(rows, 0)], -1) if len(data.table) else np.full(len(rows), -1)
        )
        if breakdown is None:
            kept |= ~known & filters.is_open
            return picked[kept], np.zeros(int(kept.sum()), dtype=np.int64), stage[kept]
        picked, stage = picked[kept], stage[kept]
        placed = breakdown.place(entity[picked].astype(np.int32), instant[picked])
        return picked[placed.place], placed.group, stage[placed.place]

    def summed(which: Bools, instant: Int64s) -> tuple[Sums, Sums]:
        worth = converted(deals, now.cents, instant, rates)
        deal, group, stage = chosen(which, instant)
        part = np.zeros(len(deals.ids), dtype=np.bool_)
        part[deal] = True
        for currency, lost in missing_rates(deals, part, now.cents, worth).items():
            before = missing.setdefault(currency, {"deals": 0, "amount": 0.0})
            missing[currency] = {name: before[name] + lost[name] for name in lost}
        in_stage = stage >= 0
        bucket = group[in_stage] * stages + stage[in_stage]
        by_stage = _sums(worth, now.cents, deal[in_stage], bucket, groups * stages)
        total = _sums(worth, now.cents, deal, group, groups)
        return (
            Sums(
                by_stage.amount.reshape(groups, stages),
                by_stage.deals.reshape(groups, stages),
                by_stage.without_amount.reshape(groups, stages),
            ),
            total,
        )

    pipeline, pipeline_total = summed(now.is_open, as_of)
    revenue, revenue_total = summed(won, now.won)
    _deals, group, _stage = chosen(opened, now.opened)
    spent = None
    if filters.is_open:
        spent = costs_between(question.start, min(question.end, question.as_of), rates)
    return Values(
        currency=rates.into,
        pipeline=pipeline,
        revenue=revenue,
        pipeline_total=pipeline_total,
        revenue_total=revenue_total,
        opened=np.bincount(group, minlength=groups).astype(np.int64),
        spent=spent,
        missing=missing,
    )


def _sums(worth: Floats, cents: Int64s, deal: Int64s, bucket: Int64s, size: int) -> Sums:
    known = ~np.isnan(worth[deal])
    deals = np.bincount(bucket[known], minlength=size)
    amount = np.bincount(bucket[known], weights=worth[deal[known]], minlength=size)
    return Sums(
        amount=np.where(deals > 0, amount, np.nan),
        deals=deals.astype(np.int64),
        without_amount=np.bincount(bucket[cents[deal] == NO_AMOUNT], minlength=size).astype(np.int64),
    )
