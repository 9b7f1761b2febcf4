"""When the signals of an entity surge above its own earlier ones.

The recent window holds x signals, the baseline before it y. If signals came at one steady rate (a Poisson process),
then of all N = x + y each would lie in the recent window with probability p = recent / (recent + baseline), so x would
be binomial (N, p): the conditional test of two Poisson rates (Przyborowski and Wilenski, Biometrika 31, 1940). It is a
surge when P(X >= x) is at most the chance that is allowed, and x is large enough by number and by rate.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from segmentation.engine.params import DAY
from segmentation.engine.resolve import jit
from segmentation.engine.steps import NO, YES, Int64s, Steps

MOST_EXACT = 20_000  # with more signals in both windows the normal approximation decides


@dataclass(frozen=True)
class Surge:
    """What makes a surge.

    recent, baseline: days. least: signals in the recent window. ratio: of the recent rate to the baseline's.
    chance: the probability by which a steady rate may look like a surge, 0 to 1.
    """

    recent: int
    baseline: int
    least: int
    ratio: Fraction
    chance: Fraction

    @property
    def share(self) -> Fraction:
        """The share of all signals to be expected in the recent window."""
        return Fraction(self.recent, self.recent + self.baseline)

    def expected(self, earlier: int) -> float:
        """Signals to be expected in the recent window at the rate of the baseline."""
        return earlier * self.recent / self.baseline

    def needed(self, recent: int, earlier: int) -> int:
        """How many signals the recent window must hold for a surge, beside so many earlier ones; at least `recent`."""
        x = max(recent, self.least, math.ceil(self.ratio * earlier * self.recent / self.baseline))
        while not self._is_rare(x, x + earlier):
            x += 1
        return x

    def holds(self, recent: int, earlier: int) -> bool:
        """Whether these numbers are a surge."""
        return self.needed(recent, earlier) == recent

    def _is_rare(self, x: int, total: int) -> bool:
        if total <= MOST_EXACT:
            return x >= int(self.critical(total)[total])
        return x >= float(self.share) * total + self.deviations * self.spread * math.sqrt(total)

    @property
    def deviations(self) -> float:
        """Standard deviations that are as rare as the chance allows."""
        return NormalDist().inv_cdf(1 - float(self.chance))

    @property
    def spread(self) -> float:
        """Standard deviation of one signal being recent."""
        return math.sqrt(float(self.share) * (1 - float(self.share)))

    def critical(self, most: int) -> Int64s:
        """int64: by the number of all signals, 0 to at least `most`, how many must be recent to be rare enough."""
        length = 64
        while length <= most:
            length *= 2
        return _critical(self.share, self.chance, min(length, MOST_EXACT + 1))

    def probability(self, recent: int, earlier: int) -> float:
        """P(X >= x): how often a steady rate would put so many of the signals into the recent window."""
        n, p = recent + earlier, float(self.share)
        terms = (
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
            for k in range(recent, n + 1)
        )
        return min(math.fsum(math.exp(term) for term in terms), 1.0)


@lru_cache(maxsize=32)
def _critical(share: Fraction, chance: Fraction, length: int) -> Int64s:
    """Worked out in whole numbers: with one signal more the limit stays or grows by one.

    `tail` is P(X >= x) and `term` P(X = x - 1), both times (w + b) ** n.
    """
    w, s = share.numerator, share.denominator
    b = s - w
    found = np.empty(length, dtype=np.int64)
    x, tail, term, power = 1, 0, 1, 1
    found[0] = 1
    for n in range(1, length):
        tail = s * tail + w * term
        term = term * n * b // (n - x + 1)
        power *= s
        if tail * chance.denominator > chance.numerator * power:
            term = term * (n - x + 1) * w // (x * b)
            tail -= term
            x += 1
        found[n] = x
    return found


def surge_steps(surge: Surge, begin: Int64s, end: Int64s, time: Int64s, amount: Int64s) -> Steps:
    """When entities are in surge. Rows `begin[e]:end[e]` are in order of time; an amount of 0 does not count."""
    most = int(_most_together(begin, end, amount))
    offsets, out_time, out_value = _walk(
        begin,
        end,
        time,
        amount,
        surge.recent * DAY,
        surge.baseline * DAY,
        surge.least,
        # ratio: x * baseline * denominator >= numerator * y * recent
        surge.baseline * surge.ratio.denominator,
        surge.recent * surge.ratio.numerator,
        surge.critical(min(most, MOST_EXACT)),
        float(surge.share),
        surge.deviations * surge.spread,
    )
    return Steps(np.zeros(len(begin), dtype=np.int8), offsets, out_time, out_value)


@jit
def _most_together(begin, end, amount):  # type: ignore[no-untyped-def]
    most = np.int64(0)
    for e in range(len(begin)):
        together = np.int64(0)
        for k in range(begin[e], end[e]):
            together += amount[k]
        most = max(most, together)
    return most


@jit
def _walk(  # type: ignore[no-untyped-def]
    begin, end, time, amount, recent, baseline, least, x_factor, y_factor, critical, share, spread
):
    """A signal at t is recent in [t, t + recent), of the baseline in the `baseline` after that."""
    n = len(begin)
    total = 0
    longest = 0
    for e in range(n):
        total += end[e] - begin[e]
        longest = max(longest, end[e] - begin[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(3 * total, dtype=np.int64)
    out_value = np.empty(3 * total, dtype=np.int8)
    at = np.empty(longest, dtype=np.int64)
    number = np.empty(longest, dtype=np.int64)
    m = 0
    for e in range(n):
        stop = 0
        for r in range(begin[e], end[e]):
            if amount[r] > 0:
                at[stop] = time[r]
                number[stop] = amount[r]
                stop += 1
        i = 0
        j = 0
        k = 0
        x = np.int64(0)
        y = np.int64(0)
        above = False
        while k < stop:
            t = at[k] + recent + baseline
            if i < stop:
                t = min(t, at[i])
            if j < stop:
                t = min(t, at[j] + recent)
            while i < stop and at[i] == t:
                x += number[i]
                i += 1
            while j < i and at[j] + recent == t:
                x -= number[j]
                y += number[j]
                j += 1
            while k < j and at[k] + recent + baseline == t:
                y -= number[k]
                k += 1
            now = x >= least and x * x_factor >= y * y_factor
            if now:
                if x + y < len(critical):
                    now = x >= critical[x + y]
                else:
                    now = x >= share * (x + y) + spread * np.sqrt(np.float64(x + y))
            if now != above:
                above = now
                out_time[m] = t
                out_value[m] = YES if now else NO
                m += 1
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()
