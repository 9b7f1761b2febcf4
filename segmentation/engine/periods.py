"""Steps of marked periods (flags, customer periods): held while any period of the wanted kinds is in force."""

import numpy as np

from segmentation.engine.facts import NEVER, Periods
from segmentation.engine.resolve import jit
from segmentation.engine.steps import NO, YES, Steps


def period_steps(periods: Periods, wanted: int) -> Steps:
    """Yes while a period of kind `wanted` is in force, for every entity; overlapping ones count as one."""
    most = 2 * int((periods.rows.end - periods.rows.begin).sum())
    offsets, time, value = _union(
        periods.rows.begin, periods.rows.end, periods.start, periods.end, periods.kind, wanted, most
    )
    return Steps(np.zeros(len(periods.rows.begin), dtype=np.int8), offsets, time, value)


@jit
def _union(begin, end, start, stop, kind, wanted, most):  # type: ignore[no-untyped-def]
    # Rows of an entity are ordered by start.
    n = len(begin)
    offsets = np.zeros(n + 1, dtype=np.int64)
    time = np.empty(most, dtype=np.int64)
    value = np.empty(most, dtype=np.int8)
    m = 0
    for e in range(n):
        first = m
        for k in range(begin[e], end[e]):
            if kind[k] != wanted:
                continue
            if m > first and start[k] <= time[m - 1]:  # touches the period before: one longer period
                time[m - 1] = max(time[m - 1], stop[k])
                continue
            time[m] = start[k]
            value[m] = YES
            time[m + 1] = stop[k]
            value[m + 1] = NO
            m += 2
        if m > first and time[m - 1] == NEVER:
            m -= 1
        offsets[e + 1] = m
    return offsets, time[:m].copy(), value[:m].copy()
