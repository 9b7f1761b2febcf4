"""Engaged minutes of the whole account in a rolling window."""

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ACTIVITIES, ActivityTable, Restriction
from scoring.engine.instants import sums_at
from scoring.engine.kernels import window_sum
from scoring.engine.people import ReadsActivities
from scoring.engine.restrictions import RESTRICTIONS, duration, restriction_of, restriction_words, window_words
from segmentation.engine.criteria import Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.params import COMPARATORS, DAY, Number, Param, comparator, window_days
from segmentation.engine.steps import Int64s, Steps
from segmentation.engine.text import _, gettext_noop


def rows_in_window(table: ActivityTable, entity: int, instant: int, days: int | None) -> slice:
    """Rows of an entity that count at an instant: t <= instant < t + window."""
    low, high = int(table.rows.begin[entity]), int(table.rows.end[entity])
    time = table.time[low:high]
    last = low + int(np.searchsorted(time, instant, side="right"))
    first = low + int(np.searchsorted(time, instant - days * DAY, side="right")) if days else low
    return slice(first, last)


def exactly(number: float, unit: int) -> Fraction:
    """So many units, for the decimal number a person wrote: 4.1 minutes are 246 seconds, not 245.99999999999997."""
    return Fraction(str(number)) * unit


def threshold_of(values: dict[str, Any], unit: int, name: str) -> int:
    """The integer a sum must exceed: “at least x” becomes “more than x - 1”, exact for whole units."""
    limit = exactly(values[name], unit)
    whole = int(limit)
    if values["comparator"] == ">":
        return whole
    return whole - 1 if whole == limit else whole


@register
class EngagedMinutes(ReadsActivities):
    """Total engaged time of the entity within the window, compared in whole seconds."""

    kind = "engaged_minutes"
    label = gettext_noop("Engaged minutes")
    help = gettext_noop("Adds up the engaged time of all activities in the window that the limits below let through.")
    params: ClassVar[tuple[Param, ...]] = (
        comparator(),
        Number(name="minutes", label=gettext_noop("minutes"), whole=False, maximum=1e7, required=True),
        window_days(),
        *RESTRICTIONS,
    )

    def steps(self, facts: Facts) -> Steps:
        table: ActivityTable = facts.table(ACTIVITIES)
        threshold = threshold_of(self.values, 60, "minutes")
        offsets, time, value = window_sum(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.seconds,
            table.number,
            table.classes.weights(self.restriction()),
            False,
            (self.values["window_days"] or 0) * DAY,
            threshold,
        )
        if threshold < 0:  # “at least 0 minutes” holds always
            return always(len(facts))
        return Steps(np.zeros(len(facts), dtype=np.int8), offsets, time, value)

    def restriction(self) -> Restriction:
        return restriction_of(self.values)

    def gaps(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        table: ActivityTable = facts.table(ACTIVITIES)
        weights = table.classes.weights(self.restriction())
        window = (self.values["window_days"] or 0) * DAY
        total = sums_at(*table.walked, weights, False, window, entities, instant)
        needed = threshold_of(self.values, 60, "minutes") + 1
        found: NDArray[np.float64] = (needed - total) / needed
        return found

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: ActivityTable = facts.table(ACTIVITIES)
        weights = table.classes.weights(self.restriction())
        rows = rows_in_window(table, entity, instant, self.values["window_days"])
        seconds = table.effective_seconds(rows, weights)
        total, needed = int(seconds.sum()), threshold_of(self.values, 60, "minutes") + 1
        found = _("%(time)s engaged%(window)s") % {
            "time": duration(total),
            "window": window_words(self.values["window_days"]),
        }
        counted = tuple(int(k) for k in rows.start + np.flatnonzero(seconds > 0))
        if total >= needed:
            return Measure(found=found, value=total / 60, needed=self.values["minutes"], rows=counted)
        missing = _("%(time)s more") % {"time": duration(needed - total)}
        return Measure(found, missing, total / 60, self.values["minutes"], gap=(needed - total) / needed, rows=counted)

    def sentence(self) -> str:
        return _("%(compare)s %(minutes)s engaged minutes%(window)s%(limits)s") % {
            "compare": _(COMPARATORS[self.values["comparator"]]),
            "minutes": f"{self.values['minutes']:g}",
            "window": window_words(self.values["window_days"]),
            "limits": restriction_words(self.values),
        }


def always(n: int) -> Steps:
    """Yes at all times."""
    return Steps(
        np.ones(n, dtype=np.int8),
        np.zeros(n + 1, dtype=np.int64),
        np.empty(0, dtype=np.int64),
        np.empty(0, dtype=np.int8),
    )
