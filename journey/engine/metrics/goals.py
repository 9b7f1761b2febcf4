"""Goals: how far a target is, where it should be by now, and where it is heading."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import DAY
from segmentation.engine.steps import Int64s

LEAST_DAYS = 14  # of a period, before anything is said about its end
LEAST_EVENTS = 3
LEAST_WEEKS = 4  # before a range is given
TEN_TO_NINETY = 1.2815515655446004  # standard deviations on either side of the middle 80 %

PLANNED, ON_TRACK, BEHIND, REACHED, MISSED = "planned", "on_track", "behind", "reached", "missed"
STATUSES = (ON_TRACK, BEHIND, REACHED, MISSED, PLANNED)


@dataclass(frozen=True)
class Events:
    """What counts towards a goal. time: int64[n], microseconds UTC, ascending; running: float64[n + 1], sums so far."""

    time: Int64s
    running: Floats

    @classmethod
    def of(cls, time: Int64s, amount: Floats) -> "Events":
        """From events in any order. Amounts are finite."""
        order = np.argsort(time, kind="stable")
        return cls(time[order], np.concatenate([np.zeros(1), np.cumsum(amount[order], dtype=np.float64)]))

    def number(self, start: int, end: int) -> int:
        """Events in `[start, end)`."""
        low, high = np.searchsorted(self.time, [start, end])
        return int(max(high - low, 0))

    def total(self, start: int, end: int) -> float:
        """Sum of the events in `[start, end)`."""
        low, high = np.searchsorted(self.time, [start, end])
        return float(self.running[high] - self.running[low]) if high > low else 0.0


@dataclass(frozen=True)
class Aim:
    """What is aimed at. start, end: `[start, end)` in microseconds UTC. baseline: what a period as long brings without
    the goal; target: what this one is to bring. is_level: measured from the baseline on, not from nothing."""

    start: int
    end: int
    baseline: float
    target: float
    is_level: bool

    def share(self, instant: int) -> float:
        """How much of the period has passed, 0 to 1."""
        return min(max((instant - self.start) / (self.end - self.start), 0.0), 1.0)

    @property
    def origin(self) -> float:
        """Where the way to the target begins."""
        return self.baseline if self.is_level else 0.0

    def expected(self, instant: int) -> float:
        """On the straight line from the origin at the start to the target at the end."""
        return self.origin + (self.target - self.origin) * self.share(instant)

    def value(self, counted: float, instant: int) -> float:
        """What was counted so far; of a level, what the period comes to if its rest goes as the baseline."""
        return counted + (self.baseline * (1.0 - self.share(instant)) if self.is_level else 0.0)


@dataclass(frozen=True)
class Forecast:
    """What the period comes to at its end; low to high is the range it is in with a probability of 80 %, None while
    there are too few weeks to tell."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Progress:
    """A goal at an instant.

    counted: since the start. value and expected are comparable; progress is the share of the way from the origin to the
    target (may exceed 1 or be below 0). forecast: None where there is too little to tell. reached_at: the instant of
    the event that reached the target. All but the status and the expectation are None before the start.
    """

    status: str
    counted: float | None
    value: float | None
    expected: float
    progress: float | None
    forecast: Forecast | None
    reached_at: int | None


def progress(aim: Aim, events: Events, as_of: int) -> Progress:
    """How a goal stands. An event exactly at `as_of` is known, later ones are not."""
    if as_of < aim.start:
        return Progress(PLANNED, None, None, aim.origin, None, None, None)
    until = min(as_of + 1, aim.end)
    counted = events.total(aim.start, until)
    value, expected = aim.value(counted, as_of), aim.expected(as_of)
    reached_at = _reached(aim, events, until)
    if reached_at is not None:
        status = REACHED
    elif as_of >= aim.end:
        status = MISSED
    else:
        status = ON_TRACK if value >= expected else BEHIND
    way = aim.target - aim.origin
    return Progress(
        status=status,
        counted=counted,
        value=value,
        expected=expected,
        progress=(value - aim.origin) / way if way else None,
        forecast=forecast(aim, events, as_of),
        reached_at=reached_at,
    )


def _reached(aim: Aim, events: Events, until: int) -> int | None:
    low, high = np.searchsorted(events.time, [aim.start, until])
    place = int(np.searchsorted(events.running[low + 1 : high + 1] - events.running[low], aim.target - 1e-9))
    return int(events.time[low + place]) if low + place < high else None


def forecast(aim: Aim, events: Events, as_of: int) -> Forecast | None:
    """What the period comes to: counted so far, and the rest of it at the mean pace since the start.

    None before `LEAST_DAYS` days or `LEAST_EVENTS` events have been counted. The range takes the totals of the n whole
    weeks since the start as a sample: with r weeks to go it is the forecast ± 1.28 s √(r + r²/n), s being their
    standard deviation (the weeks to come vary, and the mean pace is itself uncertain); it never falls below what was
    counted.
    None with fewer than `LEAST_WEEKS` whole weeks. At the end it is what was counted.
    """
    now = min(as_of + 1, aim.end)
    counted = events.total(aim.start, now)
    if as_of >= aim.end:
        return Forecast(counted, counted, counted)
    elapsed = now - aim.start
    if elapsed < LEAST_DAYS * DAY or events.number(aim.start, now) < LEAST_EVENTS:
        return None
    value = counted + counted / elapsed * (aim.end - now)
    n = elapsed // (7 * DAY)
    if n < LEAST_WEEKS:
        return Forecast(value, None, None)
    begins = aim.start + 7 * DAY * np.arange(n + 1)
    weeks = np.diff(events.running[np.searchsorted(events.time, begins)])
    rest = (aim.end - now) / (7 * DAY)
    half = float(TEN_TO_NINETY * np.std(weeks, ddof=1) * np.sqrt(rest + rest * rest / n))
    return Forecast(value, max(counted, value - half), value + half)


def course(aim: Aim, events: Events, as_of: int, most: int = 60) -> list[dict[str, Any]]:
    """Value and expectation at up to `most` instants from the start to `as_of` (or the end), evenly spread by days."""
    last = min(as_of, aim.end)
    if last < aim.start:
        return []
    days = max(int(-(-(last - aim.start) // (most * DAY))), 1)
    instants = [*range(aim.start, last, days * DAY), last]
    return [
        {
            "at": instant,
            "value": aim.value(events.total(aim.start, min(instant + 1, aim.end)), instant),
            "expected": aim.expected(instant),
        }
        for instant in instants
    ]
