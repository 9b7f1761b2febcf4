"""Amounts of several currencies in the one reports are in."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from journey.engine.metrics.survival import Floats
from journey.facts.deal_values import NO_AMOUNT, DealValues
from journey.models import Cost, ExchangeRate, Opportunity
from segmentation.engine.steps import Int64s


def reporting_currency(deals: DealValues) -> str:
    """The setting REPORTING_CURRENCY, else the currency most deals with an amount are in; empty when none names one."""
    counts = np.bincount(deals.currency, minlength=len(deals.currencies)).tolist()
    return _reported_in(Counter({name: n for name, n in zip(deals.currencies, counts, strict=True) if n}))


def present_reporting_currency() -> str:
    """The same, of the deals there are now, where they are not at hand."""
    counts = Opportunity.objects.exclude(currency="").order_by().values_list("currency").annotate(n=Count("pk"))
    return _reported_in(Counter(dict(counts)))


def _reported_in(counts: Counter[str]) -> str:
    if settings.REPORTING_CURRENCY:
        return str(settings.REPORTING_CURRENCY)
    counts.pop("", None)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else ""


@dataclass
class Rates:
    """Exchange rates into one currency. Amounts that name no currency are in it."""

    into: str
    known: dict[str, tuple[Int64s, Floats]] = field(default_factory=dict)

    @classmethod
    def stored(cls, into: str) -> "Rates":
        """Those of the database; where only the way back is known, its inverse."""
        found: dict[str, dict[int, float]] = {}
        for row in ExchangeRate.objects.filter(currency=into):
            found.setdefault(row.into, {})[_ordinal(row.day)] = float(1 / row.rate)
        for row in ExchangeRate.objects.filter(into=into):
            found.setdefault(row.currency, {})[_ordinal(row.day)] = float(row.rate)
        return cls(
            into,
            {
                currency: (np.array(sorted(days), dtype=np.int64), np.array([days[day] for day in sorted(days)]))
                for currency, days in found.items()
            },
        )

    def at(self, currency: str, instants: Int64s) -> Floats:
        """float64: what a unit is worth at each instant (microseconds UTC), NaN where no rate holds by then."""
        if currency in ("", self.into) or not self.into:
            return np.ones(len(instants))
        if currency not in self.known:
            return np.full(len(instants), np.nan)
        days, rates = self.known[currency]
        place = np.searchsorted(days, instants, side="right") - 1
        return np.where(place >= 0, rates[np.maximum(place, 0)], np.nan)


def _ordinal(day: dt.date) -> int:
    """A day as the instant it begins in the site's time zone, in microseconds UTC."""
    moment = timezone.make_aware(dt.datetime.combine(day, dt.time()))
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def converted(deals: DealValues, cents: Int64s, instants: Int64s, rates: Rates) -> Floats:
    """float64 per deal: the amount in the reporting currency at each deal's instant; NaN where it is not known, in
    which case `missing_rates` tells whether the rate or the amount is missing."""
    worth = np.full(len(cents), np.nan)
    for number, currency in enumerate(deals.currencies):
        mine = np.flatnonzero((deals.currency == number) & (cents != NO_AMOUNT))
        worth[mine] = cents[mine] / 100 * rates.at(currency, instants[mine])
    return worth


def missing_rates(deals: DealValues, chosen: Int64s, cents: Int64s, worth: Floats) -> dict[str, dict[str, Any]]:
    """Per currency without a rate: how many of the deals at the chosen places are left out of a sum, and their amount
    in it."""
    lost = chosen[(cents[chosen] != NO_AMOUNT) & np.isnan(worth[chosen])]
    of = {currency: lost[deals.currency[lost] == number] for number, currency in enumerate(deals.currencies)}
    return {
        currency: {"deals": len(mine), "amount": float(cents[mine].sum() / 100)}
        for currency, mine in of.items()
        if len(mine)
    }


@dataclass(frozen=True)
class Spent:
    """Costs of a range. total: in the reporting currency, None when there are none or none can be converted. by_kind:
    the parts. missing: amounts by currency without rate, which are in neither."""

    total: Decimal | None
    by_kind: dict[str, Decimal]
    missing: dict[str, Decimal]


def costs_between(start: int, end: int, rates: Rates) -> Spent:
    """What was spent in `[start, end)` (microseconds UTC).

    A cost that lies partly inside counts by its share of days, at the rate of its first day.
    """
    by_kind: dict[str, Decimal] = {}
    missing: dict[str, Decimal] = {}
    for cost in Cost.objects.order_by("id"):
        low, high = _ordinal(cost.first_day), _ordinal(cost.last_day + dt.timedelta(days=1))
        inside = min(high, end) - max(low, start)
        if inside <= 0:
            continue
        amount = cost.amount * inside / (high - low)
        rate = float(rates.at(cost.currency, np.array([low], dtype=np.int64))[0])
        if np.isnan(rate):
            missing[cost.currency] = missing.get(cost.currency, Decimal(0)) + amount
        else:
            by_kind[cost.kind] = by_kind.get(cost.kind, Decimal(0)) + amount * Decimal(repr(rate))
    return Spent(sum(by_kind.values(), Decimal(0)) if by_kind else None, by_kind, missing)
