"""Putting rows in the order of entities."""

from typing import Any

import numpy as np

from segmentation.engine.facts import Rows
from segmentation.engine.resolve import jit
from segmentation.engine.steps import Int64s

FEW = 24  # rows that are quicker put in order one by one
THIN = 8  # numbers there may be for each one that is used, to look them up in a table


class Positions:
    """Where each primary key stands in an ordered list of entities."""

    def __init__(self, ids: Int64s) -> None:
        self.ids = ids
        self._low = int(ids.min()) if len(ids) else 0
        self._table: Int64s | None = None
        if _is_dense(ids):
            self._table = np.full(int(ids.max()) - self._low + 1 if len(ids) else 0, -1, dtype=np.int64)
            self._table[ids[::-1] - self._low] = np.arange(len(ids) - 1, -1, -1)  # of several alike the first
            return
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def of(self, keys: Int64s) -> Int64s:
        """int64[len(keys)]: positions, -1 for keys that are not in the list."""
        if self._table is not None:
            place: Int64s = _looked_up(keys, self._low, self._table)
            return place
        k = np.searchsorted(self._sorted, keys)
        k[k == len(self._sorted)] = 0
        return np.where(self._sorted[k] == keys, self._order[k], -1)


@jit
def _looked_up(keys, low, table):  # type: ignore[no-untyped-def]
    out = np.full(len(keys), np.int64(-1))
    for row in range(len(keys)):
        place = keys[row] - low
        if 0 <= place < len(table):
            out[row] = table[place]
    return out


def grouped(position: Int64s, n: int, *then_by: Any) -> tuple[Int64s, Rows]:
    """Order rows by entity and further keys (whole numbers, most significant first); rows at position -1 are left out.

    Rows alike in everything keep their order. Returns the order as row numbers, and which of the ordered rows belong to
    which entity.
    """
    keys = np.empty((len(then_by), len(position)), dtype=np.int64)
    for line, key in zip(keys, then_by, strict=True):
        line[:] = key
    order, begin = _grouped(np.ascontiguousarray(position), n, keys)
    return order, Rows(begin=begin[:-1], end=begin[1:])


def in_order(ids: Int64s, *then_by: Any) -> Int64s:
    """Row numbers by primary key and further keys (whole numbers, most significant first)."""
    if len(ids) and _is_dense(ids):
        low = int(ids.min())
        return grouped(ids - low, int(ids.max()) - low + 1, *then_by)[0]
    return np.lexsort([*reversed(then_by), ids])


def _is_dense(ids: Int64s) -> bool:
    return not len(ids) or int(ids.max()) - int(ids.min()) < THIN * len(ids) + 1024


@jit
def _grouped(position, n, keys):  # type: ignore[no-untyped-def]
    """Count how many rows each entity has, lay them out, and order the few of each among themselves."""
    begin = np.zeros(n + 1, dtype=np.int64)
    for place in position:
        if place >= 0:
            begin[place + 1] += 1
    for e in range(n):
        begin[e + 1] += begin[e]
    at = begin[:-1].copy()
    order = np.empty(begin[n], dtype=np.int64)
    for row in range(len(position)):
        if position[row] >= 0:
            order[at[position[row]]] = row
            at[position[row]] += 1
    for e in range(n):
        first, last = begin[e], begin[e + 1]
        if last - first > FEW:
            mine = order[first:last].copy()
            for line in range(len(keys) - 1, -1, -1):  # each sort keeps the order the one before it made
                mine = mine[np.argsort(keys[line][mine], kind="mergesort")]
            order[first:last] = mine
            continue
        for i in range(first + 1, last):
            row = order[i]
            j = i
            while j > first and _comes_before(keys, row, order[j - 1]):
                order[j] = order[j - 1]
                j -= 1
            order[j] = row
    return order, begin


@jit
def _comes_before(keys, one, other):  # type: ignore[no-untyped-def]
    for line in range(len(keys)):
        if keys[line, one] != keys[line, other]:
            return keys[line, one] < keys[line, other]
    return False


def pick(rows: Rows, index: Int64s) -> Rows:
    """The rows of other entities: entity `e` gets those of `index[e]`, none where that is -1."""
    if not len(rows.begin):
        return Rows(np.zeros(len(index), dtype=np.int64), np.zeros(len(index), dtype=np.int64))
    missing = index < 0
    return Rows(begin=np.where(missing, 0, rows.begin[index]), end=np.where(missing, 0, rows.end[index]))
