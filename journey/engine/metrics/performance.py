"""How deals and customers of some accounts fare: sizes, win rate, cycle, velocity, retention, and how sure that is."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from journey.engine.metrics.rates import Interval, wilson
from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import DAY, Bools
from segmentation.engine.steps import Int64s

FEW = 10  # figures of fewer deals or customers are marked


@dataclass(frozen=True)
class DealFacts:
    """Deals of a range. won, lost: bool, closed so in the range; is_open: bool, at its end. opened, closed: int64,
    microseconds UTC. worth: float64, in one currency, NaN unknown."""

    won: Bools
    lost: Bools
    is_open: Bools
    opened: Int64s
    closed: Int64s
    worth: Floats


@dataclass(frozen=True)
class Spread:
    """Mean and median of n values; low, high: interval of 95 % of the median. None where there is no value."""

    n: int
    mean: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Performance:
    """Figures of some deals and customers.

    win_rate: won / (won + lost). size: amounts of the won deals. revenue: their sum. cycle: days from opening to
    winning. open, pipeline: deals open at the end of the range, and their amounts. velocity: see `velocity`. retention:
    customers at the start that still were at the end.
    """

    won: int
    lost: int
    win_rate: Interval | None
    size: Spread
    revenue: float | None
    cycle: Spread
    open: int
    pipeline: float | None
    velocity: float | None
    customers: int
    kept: int
    retention: Interval | None

    @property
    def few(self) -> tuple[str, ...]:
        """Names of the figures that rest on less than `FEW` cases."""
        cases = {
            "win_rate": self.won + self.lost,
            "size": self.size.n,
            "cycle": self.cycle.n,
            "velocity": min(self.won + self.lost, self.size.n, self.cycle.n),
            "retention": self.customers,
        }
        return tuple(name for name, n in cases.items() if 0 < n < FEW)


def performance(deals: DealFacts, mine: Bools, customers: Bools, kept: Bools) -> Performance:
    """Figures of the deals `mine` (bool each) and of `customers` at the start, of which those `kept` (bool each)."""
    won = mine & deals.won
    lost = mine & deals.lost
    is_open = mine & deals.is_open
    known = won & ~np.isnan(deals.worth)
    priced = is_open & ~np.isnan(deals.worth)
    size = spread(deals.worth[known])
    cycle = spread((deals.closed[won] - deals.opened[won]) / DAY)
    rate = wilson(int(won.sum()), int(won.sum() + lost.sum()))
    n, still = int(customers.sum()), int((customers & kept).sum())
    return Performance(
        won=int(won.sum()),
        lost=int(lost.sum()),
        win_rate=rate,
        size=size,
        revenue=float(deals.worth[known].sum()) if known.any() else None,
        cycle=cycle,
        open=int(is_open.sum()),
        pipeline=float(deals.worth[priced].sum()) if priced.any() else None,
        velocity=velocity(int(is_open.sum()), rate.rate if rate else None, size.mean, cycle.mean),
        customers=n,
        kept=still,
        retention=wilson(still, n),
    )


def velocity(opportunities: int, win_rate: float | None, size: float | None, cycle_days: float | None) -> float | None:
    """Sales velocity, revenue for each day: opportunities x win rate x deal size / cycle length.

    What is open now, closing at the usual pace (Little's law: open deals / days each takes = deals closed a day).
    None where a part is missing or the cycle takes no time.
    """
    if win_rate is None or size is None or not cycle_days:
        return None
    return opportunities * win_rate * size / cycle_days


def spread(values: Floats) -> Spread:
    """Mean, median and the interval of the median by its order statistics, which asks nothing of the distribution.

    The limits are the j-th smallest and the j-th largest value with the largest j for which the binomial tail
    P(B < j), B of n and 1/2, is at most 2.5 %; with less than 6 values there is none.
    Source: any text on nonparametric statistics, such as Conover, Practical Nonparametric Statistics, on quantiles.
    """
    n = len(values)
    if n == 0:
        return Spread(0)
    ordered = np.sort(values)
    j = _rank(n)
    low, high = (float(ordered[j - 1]), float(ordered[n - j])) if j else (None, None)
    return Spread(n, float(ordered.mean()), float(np.median(ordered)), low, high)


@cache
def _rank(n: int) -> int:
    """The largest j with P(B < j) <= 2.5 % for B binomial of n and 1/2; 0 when there is none."""
    if n > 1000:  # normal approximation with continuity correction; the exact sum takes huge numbers
        return math.floor(n / 2 - 1.959963984540054 * math.sqrt(n) / 2 + 0.5)
    tail, j, limit = 0, 0, 2**n
    while j <= n // 2 and 40 * (tail + math.comb(n, j)) <= limit:
        tail += math.comb(n, j)
        j += 1
    return j


def apart(one: Interval | Spread | None, other: Interval | Spread | None) -> int | None:
    """Whether two figures differ clearly: 1 one is higher, -1 lower, 0 their intervals overlap; None without both.

    Stricter than a test of the difference: intervals of 95 % that do not touch.
    """
    if one is None or other is None or None in (one.low, one.high, other.low, other.high):
        return None
    if one.low > other.high:  # type: ignore[operator]
        return 1
    return -1 if one.high < other.low else 0  # type: ignore[operator]
