"""The figures of a funnel: for each group of accounts and each stage volume, conversion, velocity, survival."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from journey.engine.metrics.passages import EXACT, LATER, Exits, Passages, exits, passages, waits
from journey.engine.metrics.survival import Floats, bucketed, estimates, packed
from journey.engine.metrics.table import DAY, Funnel, StayTable
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, Int64s


@dataclass(frozen=True)
class Question:
    """What is asked of a history. All instants are microseconds UTC.

    start, end: the range entries lie in, half-open. as_of: nothing after it is known. horizon: microseconds within
    which a conversion counts, None without limit. target: number of the stage conversions lead to, None for the next.
    reached: times (microseconds) for the cumulative incidence.
    """

    start: int
    end: int
    as_of: int
    horizon: int | None = None
    target: int | None = None
    reached: tuple[int, ...] = (30 * DAY, 90 * DAY, 180 * DAY)


@dataclass(frozen=True)
class Followed:
    """What followed each stay of a table for a question: independent of groups and filters, so computed once."""

    passages: Passages
    exits: Exits
    waits: Exits


def follow(table: StayTable, funnel: Funnel, question: Question, own: Exits | None = None) -> Followed:
    """What followed each stay. The waits are the stays' own exits when the next stage is asked for.

    own: these exits, where they are known from another question of the same moment.
    """
    own = own or exits(table, funnel, question.as_of)
    found = passages(table, funnel, question.as_of, question.target)
    return Followed(found, own, own if question.target is None else waits(table, found, question.as_of))


@dataclass(frozen=True)
class Figures:
    """Arrays [groups, stages]; with a further axis for `grades` (exact, derived, assumed) and `reached` (times).

    volume: entries; began: histories that begin in the stage (no entries); entities: distinct ones among the entries;
    n: beginnings whose conversion can be asked for, of them converted, direct, and immature (their horizon has not
    passed). mean, median: days until converted, NaN where nobody was. km_median: days, NaN where never reached.
    stays: all beginnings, which the median rests on. reached: cumulative incidence of exactly the stage asked for;
    reached_or_later: of that or a later one; NaN where nobody can be asked.
    """

    volume: Int64s
    began: Int64s
    entities: Int64s
    grades: Int64s
    n: Int64s
    converted: Int64s
    direct: Int64s
    immature: Int64s
    mean: Floats
    median: Floats
    stays: Int64s
    km_median: Floats
    reached: Floats
    reached_or_later: Floats


def figures(
    table: StayTable,
    funnel: Funnel,
    question: Question,
    followed: Followed,
    rows: Int64s,
    group: Int64s,
    groups: int,
    grade: Any = None,
) -> Figures:
    """Figures of the beginnings in `rows` (ordered as in the table), each counted in its `group`.

    A row may come more than once, in different groups. grade: int8 per row in place of the table's, where the group
    itself rests on less than the stay does.
    """
    stages = len(funnel)
    bucket = group.astype(np.int64) * stages + table.stage[rows]
    size = groups * stages
    horizon = FAR_FUTURE if question.horizon is None else question.horizon
    found = followed.passages
    counts, grades, taken = _count(
        rows,
        bucket,
        size,
        table.entity,
        table.start,
        table.first,
        table.grade[rows] if grade is None else grade,
        found.asked,
        found.reached,
        found.exact,
        question.as_of,
        horizon,
    )
    moved = taken >= 0
    days, days_begin = bucketed(taken[moved], bucket[moved], size)
    mean, median = _mean_median(days, days_begin)
    stays, stays_begin = bucketed(packed(followed.exits.duration[rows], followed.exits.cause[rows]), bucket, size)
    own = estimates(stays, stays_begin, question.reached)
    if followed.waits is followed.exits:
        asked, asked_begin, incidence = stays, stays_begin, own.incidence
    else:
        use = found.asked[rows]
        asked, asked_begin = bucketed(
            packed(followed.waits.duration[rows[use]], followed.waits.cause[rows[use]]), bucket[use], size
        )
        incidence = estimates(asked, asked_begin, question.reached).incidence
    # Without anybody, or where there is no next stage, there is no incidence: not 0.
    empty = (np.diff(asked_begin) == 0) | (counts[:, 3] == 0)
    exactly = np.where(empty[:, None], np.nan, incidence[:, :, EXACT - 1])
    at_all = np.where(empty[:, None], np.nan, incidence[:, :, EXACT - 1] + incidence[:, :, LATER - 1])
    shape = (groups, stages)

    def shaped(column: Any) -> Any:
        return column.reshape(*shape, *column.shape[1:])

    return Figures(
        volume=shaped(counts[:, 0]),
        began=shaped(counts[:, 1]),
        entities=shaped(counts[:, 2]),
        grades=shaped(grades),
        n=shaped(counts[:, 3]),
        converted=shaped(counts[:, 4]),
        direct=shaped(counts[:, 5]),
        immature=shaped(counts[:, 6]),
        mean=shaped(mean),
        median=shaped(median),
        stays=shaped(np.diff(stays_begin)),
        km_median=shaped(np.where(own.median < 0, np.nan, own.median / DAY)),
        reached=shaped(exactly),
        reached_or_later=shaped(at_all),
    )


@jit
def _count(rows, bucket, size, entity, start, first, grade, asked, reached, exact, as_of, horizon):  # type: ignore[no-untyped-def]
    counts = np.zeros((size, 7), dtype=np.int64)
    grades = np.zeros((size, 3), dtype=np.int64)
    last = np.full(size, -1, dtype=np.int64)
    taken = np.full(len(rows), -1, dtype=np.int64)
    for k in range(len(rows)):
        i, b = rows[k], bucket[k]
        grades[b, grade[k] - 1] += 1
        if first[i]:
            counts[b, 1] += 1
        else:
            counts[b, 0] += 1
            if last[b] != entity[i]:
                counts[b, 2] += 1
                last[b] = entity[i]
        if asked[i]:
            counts[b, 3] += 1
            if reached[i] <= as_of and reached[i] - start[i] <= horizon:
                counts[b, 4] += 1
                taken[k] = reached[i] - start[i]
            if exact[i] <= as_of and exact[i] - start[i] <= horizon:
                counts[b, 5] += 1
            if horizon != FAR_FUTURE and start[i] + horizon > as_of:
                counts[b, 6] += 1
    return counts, grades, taken


@jit
def _mean_median(values, begin):  # type: ignore[no-untyped-def]
    mean = np.full(len(begin) - 1, np.nan)
    median = np.full(len(begin) - 1, np.nan)
    for b in range(len(begin) - 1):
        low, high = begin[b], begin[b + 1]
        n = high - low
        if n:
            total = 0.0
            for i in range(low, high):
                total += values[i]
            mean[b] = total / n / DAY
            median[b] = (values[low + (n - 1) // 2] + values[low + n // 2]) / 2 / DAY
    return mean, median


def counted(table: StayTable, funnel: Funnel, rows: Int64s, group: Int64s, groups: int) -> Int64s:
    """int64[groups, stages]: how many of the rows are of each group and stage."""
    stages = len(funnel)
    bucket = group.astype(np.int64) * stages + table.stage[rows]
    return np.bincount(bucket, minlength=groups * stages).reshape(groups, stages).astype(np.int64)
