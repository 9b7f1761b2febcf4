"""The answer to a question about a funnel: its figures per stage, over all, and by group."""

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import Any

from journey.engine.metrics.rates import wilson
from journey.selectors.funnel_query import FunnelQuery, describe

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


def _overall_dict(overall: Overall) -> dict[str, Any]:
    found = _plain(overall)
    return {"now": found.pop("now"), "from": found.pop("start"), "to": found.pop("target"), **found}


def _plain(record: Any) -> dict[str, Any]:
    return {
        name: _plain(value) if hasattr(value, "__dataclass_fields__") else value for name, value in vars(record).items()
    }
