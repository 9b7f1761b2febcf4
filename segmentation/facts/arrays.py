"""Putting rows in the order of entities."""

from typing import Any

import numpy as np

from segmentation.engine.facts import Rows
from segmentation.engine.steps import Int64s


class Positions:
    """Where each primary key stands in an ordered list of entities."""

    def __init__(self, ids: Int64s) -> None:
        self.ids = ids
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def of(self, keys: Int64s) -> Int64s:
        """int64[len(keys)]: positions, -1 for keys that are not in the list."""
        if not len(self._sorted):
            return np.full(len(keys), -1, dtype=np.int64)
        k = np.searchsorted(self._sorted, keys)
        k[k == len(self._sorted)] = 0
        return np.where(self._sorted[k] == keys, self._order[k], -1)


def grouped(position: Int64s, n: int, *then_by: Any) -> tuple[np.ndarray[Any, np.dtype[np.intp]], Rows]:
    """Order rows by entity and further keys (most significant first); rows at position -1 are left out.

    Returns the order as row numbers, and which of the ordered rows belong to which entity.
    """
    keep = np.flatnonzero(position >= 0)
    order = keep[np.lexsort([key[keep] for key in reversed(then_by)] + [position[keep]])]
    ends = np.cumsum(np.bincount(position[order], minlength=n)).astype(np.int64)
    return order, Rows(begin=np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]]) if n else ends, end=ends)


def pick(rows: Rows, index: Int64s) -> Rows:
    """The rows of other entities: entity `e` gets those of `index[e]`, none where that is -1."""
    if not len(rows.begin):
        return Rows(np.zeros(len(index), dtype=np.int64), np.zeros(len(index), dtype=np.int64))
    missing = index < 0
    return Rows(begin=np.where(missing, 0, rows.begin[index]), end=np.where(missing, 0, rows.end[index]))
