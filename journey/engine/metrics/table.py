"""Stays of one history as compact arrays, and which stages they are stays in."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.steps import Int8s, Int32s, Int64s

DAY = 86_400_000_000  # microseconds

Int16s = NDArray[np.int16]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Funnel:
    """Stages in the order figures use: those of the funnel by position, then parking stages by precedence.

    keys: of all stages; a stage's number is its place. funnel: how many of them have a position.
    """

    keys: tuple[str, ...]
    funnel: int

    def __len__(self) -> int:
        return len(self.keys)

    def number(self, key: str) -> int:
        """The number of a stage. Raises ValueError for an unknown key."""
        return self.keys.index(key)

    def following(self, stage: int) -> int:
        """The next stage of the funnel; -1 at its end and for parking stages."""
        return stage + 1 if stage + 1 < self.funnel else -1


@dataclass(frozen=True)
class StayTable:
    """Stays ordered by entity and time, `[start, end)`, seamless for each entity.

    entities, accounts: int64[n], primary keys of the unit and of its account (-1: none). offsets: int64[n + 1], the
    rows of each entity. Per row: entity int32 (place in `entities`), stage int16 (number in the `Funnel`), start and
    end int64 (microseconds UTC, FAR_FUTURE while open), grade int8 (1 exact, 2 derived, 3 assumed), first bool.
    """

    entities: Int64s
    accounts: Int64s
    offsets: Int64s
    entity: Int32s
    stage: Int16s
    start: Int64s
    end: Int64s
    grade: Int8s
    first: Bools

    def __len__(self) -> int:
        return len(self.entity)

    @cached_property
    def owners(self) -> Int64s:
        """The distinct accounts, in order."""
        return np.unique(self.accounts[self.accounts >= 0])

    def at(self, instant: int) -> Int64s:
        """The rows in force at an instant: at most one for each entity."""
        return np.flatnonzero((self.start <= instant) & (self.end > instant))

    def began(self, start: int, end: int, as_of: int) -> Int64s:
        """The rows that began in `[start, end)`, none after `as_of`."""
        return np.flatnonzero((self.start >= start) & (self.start < end) & (self.start <= as_of))


def make_table(
    entity_id: Int64s, account: Int64s, stage: Int16s, start: Int64s, end: Int64s, grade: Int8s, first: Bools
) -> StayTable:
    """A table from columns in any order.

    entity_id and account: primary keys per row. first: whether the history of the entity begins with the row.
    """
    if len(entity_id) and (np.any(np.diff(entity_id) < 0) or np.any((np.diff(entity_id) == 0) & (np.diff(start) <= 0))):
        order = np.lexsort([start, entity_id])
        entity_id, account, stage = entity_id[order], account[order], stage[order]
        start, end, grade, first = start[order], end[order], grade[order], first[order]
    begins = np.flatnonzero(np.diff(entity_id, prepend=np.int64(-1)))
    entity = np.zeros(len(entity_id), dtype=np.int32)
    entity[begins[1:]] = 1
    return StayTable(
        entities=np.ascontiguousarray(entity_id[begins]),
        accounts=np.ascontiguousarray(account[begins]),
        offsets=np.append(begins, len(entity_id)).astype(np.int64),
        entity=np.cumsum(entity, dtype=np.int32),
        stage=np.ascontiguousarray(stage, dtype=np.int16),
        start=np.ascontiguousarray(start, dtype=np.int64),
        end=np.ascontiguousarray(end, dtype=np.int64),
        grade=np.ascontiguousarray(grade, dtype=np.int8),
        first=np.ascontiguousarray(first, dtype=np.bool_),
    )
