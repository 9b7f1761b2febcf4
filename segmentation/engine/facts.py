"""Facts of a batch of entities, in arrays; what criteria are evaluated on.

An entity is what moves through a journey: an account, a contact or an opportunity. Facts of all kinds lie in arrays
ordered by entity and time; `begin[e]:end[e]` are the rows of entity `e`. Two entities may share rows (the
opportunities of an account share its activities).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segmentation.engine.steps import Int32s, Int64s

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Rows:
    """Which rows of a table belong to which entity: int64[n] each, half-open."""

    begin: Int64s
    end: Int64s


@dataclass(frozen=True)
class DatedField:
    """A field's value over time. `code` numbers the distinct `values`; -1 is unknown.

    `initial` int32[n] holds before the first change (today's value where no history reaches back); `known_from`
    int64[n] is when the recorded history begins, before it the value is assumed. Changes: `time` and `code` by `rows`.
    """

    values: Sequence[Any]
    initial: Int32s
    known_from: Int64s
    rows: Rows
    time: Int64s
    code: Int32s


@dataclass(frozen=True)
class Periods:
    """Marked periods of entities, `[start, end)`; `kind` numbers what they are. An open end is NEVER."""

    rows: Rows
    start: Int64s
    end: Int64s
    kind: Int32s


@dataclass
class Facts:
    """The facts of `n` entities.

    ids: int64[n], primary keys of the unit. accounts: int64[n], primary key of the account or -1.
    start: int64[n], when each history begins. start_assumed: bool[n], true where that is only when it was recorded.
    tables: by the name of the fact source, whatever its kinds expect.
    """

    ids: Int64s
    accounts: Int64s
    start: Int64s
    start_assumed: np.ndarray[Any, np.dtype[np.bool_]]
    tables: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def table(self, name: str) -> Any:
        """Facts of one source. A KeyError means the loader was not told that they are needed."""
        return self.tables[name]
