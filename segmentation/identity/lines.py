"""Two histories of states made one: at every instant one of the states that held counts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Stretch:
    """A state from `start` until `end` (None: open). The higher rank counts; of equal ones the first given."""

    start: dt.datetime
    end: dt.datetime | None
    rank: int


def one_line(stretches: Sequence[Stretch]) -> list[tuple[int, dt.datetime, dt.datetime | None]]:
    """Return what of each is left, in order of time: position, start, end. Nothing overlaps, no instant is lost."""
    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    ends = [found.end or far for found in stretches]
    instants = sorted({found.start for found in stretches} | set(ends))
    line: list[tuple[int, dt.datetime, dt.datetime]] = []
    for begin, until in pairwise(instants):
        holding = [i for i, found in enumerate(stretches) if found.start <= begin and ends[i] >= until]
        if not holding:
            continue
        best = max(holding, key=lambda i: (stretches[i].rank, -i))
        if line and line[-1][0] == best and line[-1][2] == begin:
            line[-1] = (best, line[-1][1], until)
        else:
            line.append((best, begin, until))
    return [(i, begin, None if until == far else until) for i, begin, until in line]


__all__ = ["Stretch", "one_line"]
