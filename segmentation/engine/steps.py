"""Step functions of time, one for each entity: the shape every criterion and every rule has.

Held in compressed rows: entity `e` begins with `initial[e]` and takes `value[k]` at `time[k]`, for k from `offsets[e]`
to `offsets[e + 1]`. Times are microseconds UTC, strictly increasing within an entity; each value differs from the one
before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO, YES, UNKNOWN = 0, 1, 2
FAR_FUTURE = np.iinfo(np.int64).max
FAR_PAST = np.iinfo(np.int64).min

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int8s = NDArray[np.int8]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Steps:
    """Yes, no or unknown over time for `n` entities.

    initial: int8[n]; offsets: int64[n + 1]; time: int64[m], microseconds UTC; value: int8[m].
    """

    initial: Int8s
    offsets: Int64s
    time: Int64s
    value: Int8s

    def __len__(self) -> int:
        return len(self.initial)

    def at(self, entity: int, instant: int) -> int:
        """The value for one entity at an instant (a step at that instant counts)."""
        low, high = self.offsets[entity], self.offsets[entity + 1]
        k = low + np.searchsorted(self.time[low:high], instant, side="right")
        return int(self.initial[entity] if k == low else self.value[k - 1])

    def of(self, entity: int) -> tuple[int, Int64s, Int8s]:
        """Initial value, times and values of one entity."""
        rows = slice(self.offsets[entity], self.offsets[entity + 1])
        return int(self.initial[entity]), self.time[rows], self.value[rows]


def constant(value: Int8s) -> Steps:
    """The same value at all times, given for each entity."""
    return Steps(
        initial=np.ascontiguousarray(value, dtype=np.int8),
        offsets=np.zeros(len(value) + 1, dtype=np.int64),
        time=np.empty(0, dtype=np.int64),
        value=np.empty(0, dtype=np.int8),
    )
