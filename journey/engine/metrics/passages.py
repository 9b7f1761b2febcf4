"""When a stay was followed by what: its own exit, and the first later entry into the stages asked for."""

from dataclasses import dataclass

import numpy as np

from journey.engine.metrics.table import Bools, Funnel, StayTable
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, Int8s, Int64s

# How a wait ended: not yet, in exactly the stage asked for, in a later one of the funnel, elsewhere.
WAITING, EXACT, LATER, ELSEWHERE = 0, 1, 2, 3


@dataclass(frozen=True)
class Exits:
    """How each stay ended by an instant: duration int64 (microseconds, up to the instant while waiting), cause int8."""

    duration: Int64s
    cause: Int8s


@dataclass(frozen=True)
class Passages:
    """When each stay was followed by the stage asked for or a later one.

    asked: bool, whether the question makes sense for the stage of the stay. reached: int64, the instant, FAR_FUTURE if
    not by then; exact: the same for exactly the stage asked for; left: the first later entry into a parking stage.
    """

    asked: Bools
    reached: Int64s
    exact: Int64s
    left: Int64s


def exits(table: StayTable, funnel: Funnel, as_of: int) -> Exits:
    """How the stays ended; the stage asked for is the next one of the funnel."""
    return Exits(*_exits(table.offsets, table.stage, table.start, table.end, as_of, funnel.funnel))


@jit
def _exits(offsets, stage, start, end, as_of, funnel):  # type: ignore[no-untyped-def]
    duration = np.empty(len(stage), dtype=np.int64)
    cause = np.zeros(len(stage), dtype=np.int8)
    for e in range(len(offsets) - 1):
        for i in range(offsets[e], offsets[e + 1]):
            if end[i] > as_of or i + 1 == offsets[e + 1]:
                duration[i] = as_of - start[i]
                continue
            duration[i] = end[i] - start[i]
            here, then = stage[i], stage[i + 1]
            if here + 1 < funnel and then == here + 1:
                cause[i] = EXACT
            elif here < then < funnel:
                cause[i] = LATER
            else:
                cause[i] = ELSEWHERE
    return duration, cause


def passages(table: StayTable, funnel: Funnel, as_of: int, target: int | None = None) -> Passages:
    """What followed the stays by an instant.

    target: number of the stage asked for; None is the next one of the funnel. A stage of the funnel is also reached by
    entering a later one; a parking stage only by itself.
    """
    return Passages(
        *_passages(
            table.offsets,
            table.stage,
            table.start,
            as_of,
            len(funnel),
            funnel.funnel,
            -1 if target is None else target,
        )
    )


@jit
def _passages(offsets, stage, start, as_of, stages, funnel, target):  # type: ignore[no-untyped-def]
    m = len(stage)
    asked = np.zeros(m, dtype=np.bool_)
    reached = np.full(m, FAR_FUTURE)
    exact = np.full(m, FAR_FUTURE)
    left = np.full(m, FAR_FUTURE)
    upcoming = np.empty(stages, dtype=np.int64)  # the next entry into each stage, seen from the row at hand
    for e in range(len(offsets) - 1):
        upcoming[:] = FAR_FUTURE
        for i in range(offsets[e + 1] - 1, offsets[e] - 1, -1):
            if start[i] > as_of:
                continue
            here = stage[i]
            first = target if target >= 0 else here + 1
            if target < 0:
                asked[i] = here + 1 < funnel
            elif target < funnel:
                asked[i] = here < target or here >= funnel
            else:
                asked[i] = here != target
            if asked[i]:
                exact[i] = upcoming[first]
                reached[i] = upcoming[first]
                if first < funnel:
                    for s in range(first + 1, funnel):
                        reached[i] = min(reached[i], upcoming[s])
                for s in range(funnel, stages):
                    if s != target:
                        left[i] = min(left[i], upcoming[s])
            upcoming[here] = start[i]
    return asked, reached, exact, left


def waits(table: StayTable, found: Passages, as_of: int) -> Exits:
    """First passages as waits: until the stage asked for (or a later one), or until the funnel was left before that."""
    met = np.minimum(found.reached, found.left)
    cause = np.where(
        met == FAR_FUTURE,
        WAITING,
        np.where(
            found.left < found.reached,
            ELSEWHERE,
            np.where(found.exact == found.reached, EXACT, LATER),
        ),
    )
    duration = np.where(met == FAR_FUTURE, as_of, met) - table.start
    return Exits(duration, cause.astype(np.int8))
