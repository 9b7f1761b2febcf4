"""What the stages of a funnel are worth: open pipeline, revenue won, money spent for each opportunity."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from journey.engine.metrics.figures import Question
from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import Bools, StayTable
from journey.facts.deal_values import NO_AMOUNT, DealValues
from journey.models import Journey
from journey.selectors.funnel_data import HistoryData
from journey.selectors.funnel_groups import Filters, Placed
from journey.selectors.money import Rates, Spent, converted, costs_between, missing_rates, reporting_currency
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, Int32s, Int64s
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


def rows_at(table: StayTable, entity: Int32s | Int64s, instant: Int64s) -> Int64s:
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


@dataclass(frozen=True)
class Chosen:
    """Deals that count: the place of each, of its account in the history (int32, -1: none) and of the stage that is in
    (-1: none), at an instant; and the amount of every deal at its instant, in the reporting currency."""

    deal: Int64s
    entity: Int32s
    stage: Int64s
    instant: Int64s
    worth: Floats


@dataclass(frozen=True)
class Dealings:
    """The deals a question counts: open as of it, won in its range, opened in it.

    currency: what amounts are in. cents: of every deal as of the question, as stored. spent, missing: as in `Values`.
    """

    currency: str
    cents: Int64s
    pipeline: Chosen
    revenue: Chosen
    opened: Chosen
    spent: Spent | None
    missing: dict[str, dict[str, Any]]

    @property
    def parts(self) -> tuple[Chosen, Chosen, Chosen]:
        return self.pipeline, self.revenue, self.opened

    def asked(self) -> list[tuple[Int32s, Int64s]]:
        """Entity and instant of the deals of each part that are somebody's in the history, for a breakdown."""
        return [(part.entity[part.entity >= 0], part.instant[part.entity >= 0]) for part in self.parts]


def dealings(data: HistoryData, question: Question, filters: Filters) -> Dealings:
    """The deals a question counts.

    Pipeline: the deals open as of the question, by the stage their account is in then. Revenue: the deals won in the
    range and still won as of the question, by the stage their account was in when they were won. Deals of nobody in the
    history (without account) count in totals, where nothing is filtered or broken down.
    """
    deals = data.deals()
    rates = Rates.stored(reporting_currency(deals))
    now = deals.at(question.as_of)
    entity = entity_of(data, deals)

    def chosen(which: Bools, instant: Int64s) -> Chosen:
        worth = converted(deals, now.cents, instant, rates)
        picked = np.flatnonzero(which)
        owner, moment = entity[picked].astype(np.int32), instant[picked]
        rows = rows_at(data.table, owner, moment)
        known = rows >= 0
        kept = ~known & filters.is_open
        kept[known] = filters.keep(owner[known], moment[known])
        stage = np.full(len(picked), -1)
        stage[known] = data.table.stage[rows[known]]
        return Chosen(picked[kept], np.where(known, owner, -1)[kept], stage[kept], moment[kept], worth)

    still = (now.won >= question.start) & (now.won < question.end) & (now.won != FAR_FUTURE)
    began = (now.opened >= question.start) & (now.opened < question.end)
    pipeline = chosen(now.is_open, np.full(len(deals.ids), question.as_of))
    revenue = chosen(still, now.won)
    opened = chosen(began, now.opened)
    missing: dict[str, dict[str, Any]] = {}
    for part in (pipeline, revenue):
        for currency, lost in missing_rates(deals, part.deal, now.cents, part.worth).items():
            before = missing.setdefault(currency, {"deals": 0, "amount": 0.0})
            missing[currency] = {name: before[name] + lost[name] for name in lost}
    spent = None
    if filters.is_open:
        spent = costs_between(question.start, min(question.end, question.as_of), rates)
    return Dealings(rates.into, now.cents, pipeline, revenue, opened, spent, missing)


def values(counted: Dealings, stages: int, groups: int = 1, placed: Sequence[Placed] | None = None) -> Values:
    """What accounts are worth in each stage.

    stages, groups: how many there are. placed: where a breakdown put what the dealings asked it about, in that order;
    None: everything is in one group.
    """
    size = (groups, stages)
    pipeline, revenue, opened = (
        _grouped(part, None if placed is None else placed[number]) for number, part in enumerate(counted.parts)
    )
    in_stages, total = _summed(counted.pipeline, counted.cents, *pipeline, size)
    won_in_stages, won = _summed(counted.revenue, counted.cents, *revenue, size)
    begun = np.bincount(opened[1], minlength=groups).astype(np.int64)
    return Values(counted.currency, in_stages, won_in_stages, total, won, begun, counted.spent, counted.missing)


def _grouped(part: Chosen, placed: Placed | None) -> tuple[Int64s, Int64s]:
    """Deals by place in a part, and their group; one may be in several, and those of nobody are in none."""
    if placed is None:
        return np.arange(len(part.deal)), np.zeros(len(part.deal), dtype=np.int64)
    return np.flatnonzero(part.entity >= 0)[placed.place], placed.group


def _summed(part: Chosen, cents: Int64s, place: Int64s, group: Int64s, size: tuple[int, int]) -> tuple[Sums, Sums]:
    """By group and stage, and by group over all stages."""
    deal, stage = part.deal[place], part.stage[place]
    in_stage = stage >= 0
    bucket = group[in_stage] * size[1] + stage[in_stage]
    by_stage = _sums(part.worth, cents, deal[in_stage], bucket, size[0] * size[1])
    return (
        Sums(by_stage.amount.reshape(size), by_stage.deals.reshape(size), by_stage.without_amount.reshape(size)),
        _sums(part.worth, cents, deal, group, size[0]),
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
