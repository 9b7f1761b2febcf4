"""Kaplan-Meier and Aalen-Johansen estimates from waits, many groups at a time.

Sources: E. L. Kaplan and P. Meier, Nonparametric estimation from incomplete observations (1958); O. Aalen and
S. Johansen, An empirical transition matrix for non-homogeneous Markov chains based on censored observations (1978);
M. Greenwood, The natural duration of cancer (1926).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.resolve import jit
from segmentation.engine.steps import Int8s, Int64s

CAUSES = 3
HALF = 0.5 + 1e-9  # a product of shares that is exactly a half may come out a little above it
Floats = NDArray[np.float64]


def packed(duration: Int64s, cause: Int8s) -> Int64s:
    """Durations and causes as one number each, which sort by duration."""
    return duration * 4 + cause


def bucketed(values: Int64s, bucket: Int64s, buckets: int) -> tuple[Int64s, Int64s]:
    """Values by bucket, sorted within each, and where each bucket begins (int64[buckets + 1])."""
    out, begin = _spread(values, bucket, buckets)
    for b in np.flatnonzero(np.diff(begin) > 1):
        out[begin[b] : begin[b + 1]].sort()
    return out, begin


@jit
def _spread(values, bucket, buckets):  # type: ignore[no-untyped-def]
    begin = np.zeros(buckets + 1, dtype=np.int64)
    for b in bucket:
        begin[b + 1] += 1
    for b in range(buckets):
        begin[b + 1] += begin[b]
    at = begin[:-1].copy()
    out = np.empty(len(values), dtype=np.int64)
    for i in range(len(values)):
        b = bucket[i]
        out[at[b]] = values[i]
        at[b] += 1
    return out, begin


@dataclass(frozen=True)
class Estimates:
    """Per bucket: incidence float64[buckets, times, causes] at the times asked for, median int64[buckets] of the wait
    whatever ended it (-1: less than half have ended)."""

    incidence: Floats
    median: Int64s


def estimates(values: Int64s, begin: Int64s, times: Sequence[int]) -> Estimates:
    """Cumulative incidence of each cause and the median wait, from `bucketed` packed waits.

    At each time t with d ends among n at risk (all whose wait lasts at least t, those censored at t included), first
    F_c += S * d_c / n for each cause c, then S *= 1 - d / n. The median is the first t with S <= 1/2.
    """
    return Estimates(*_estimates(values, begin, np.array(times, dtype=np.int64)))


@jit
def _estimates(values, begin, times):  # type: ignore[no-untyped-def]
    buckets = len(begin) - 1
    incidence = np.zeros((buckets, len(times), CAUSES))
    median = np.full(buckets, -1, dtype=np.int64)
    ended = np.zeros(CAUSES + 1, dtype=np.int64)
    reached = np.zeros(CAUSES)
    for b in range(buckets):
        survival = 1.0
        reached[:] = 0.0
        i, last = begin[b], begin[b + 1]
        at_risk = last - i
        k = 0
        while i < last:
            t = values[i] >> 2
            while k < len(times) and times[k] < t:
                incidence[b, k] = reached
                k += 1
            ended[:] = 0
            while i < last and values[i] >> 2 == t:
                ended[values[i] & 3] += 1
                i += 1
            ends = ended[1] + ended[2] + ended[3]
            if ends:
                for c in range(CAUSES):
                    reached[c] += survival * ended[c + 1] / at_risk
                survival *= 1.0 - ends / at_risk
                if median[b] < 0 and survival <= HALF:
                    median[b] = t
            at_risk -= ends + ended[0]
        while k < len(times):
            incidence[b, k] = reached
            k += 1
    return incidence, median


@dataclass(frozen=True)
class Curve:
    """One bucket over time: at each `time` (int64, microseconds) survival with its 95 % interval, the incidence of each
    cause float64[points, causes], and how many were still at risk just before."""

    time: Int64s
    survival: Floats
    low: Floats
    high: Floats
    incidence: Floats
    at_risk: Int64s

    @property
    def median(self) -> int:
        """The first time at which half have ended, -1 where that is not known."""
        half = np.flatnonzero(self.survival <= HALF)
        return int(self.time[half[0]]) if len(half) else -1


def curve(values: Int64s) -> Curve:
    """The whole course of sorted packed waits of one bucket; it begins at time 0 with survival 1.

    The interval is Greenwood's on the log(-log) scale, which stays within 0 and 1.
    """
    n = len(values)
    time, first = np.unique(values >> 2, return_index=True)
    cause = (values & 3).astype(np.int64)
    index = np.repeat(np.arange(len(time)), np.diff(np.append(first, n)))
    ended = np.zeros((len(time), CAUSES + 1), dtype=np.int64)
    np.add.at(ended, (index, cause), 1)
    ends = ended[:, 1:].sum(axis=1)
    at_risk = n - first
    keep = ends > 0
    after = np.cumprod(1.0 - ends / np.maximum(at_risk, 1))
    before = np.concatenate([[1.0], after[:-1]]) if len(after) else after
    incidence = np.cumsum(before[:, None] * ended[:, 1:] / np.maximum(at_risk, 1)[:, None], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(ends / (at_risk * np.maximum(at_risk - ends, 0).astype(float)))
        spread = 1.959963984540054 * np.sqrt(variance) / np.log(after)
        low, high = after ** np.exp(-spread), after ** np.exp(spread)
    usable = (after > 0) & (after < 1)
    low, high = np.where(usable, low, after), np.where(usable, high, after)

    def with_start(column: Any, start: Any) -> Any:
        return np.concatenate([start, column[keep]])

    one = np.ones(1)
    return Curve(
        time=with_start(time, np.zeros(1, dtype=np.int64)),
        survival=with_start(after, one),
        low=with_start(low, one),
        high=with_start(high, one),
        incidence=with_start(incidence, np.zeros((1, CAUSES))),
        at_risk=with_start(at_risk, np.array([n], dtype=np.int64)),
    )


def surviving(values: Int64s, waited: Int64s) -> Floats:
    """float64[k]: the estimated share of waits that last longer than each of `waited`, from sorted packed waits."""
    course = curve(values)
    place = np.searchsorted(course.time, waited, side="right") - 1
    return course.survival[np.maximum(place, 0)]
