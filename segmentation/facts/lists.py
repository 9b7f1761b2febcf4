"""Values that are lists of items, as arrays: which segments an account is in, which products it uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from segmentation.engine.facts import Rows
from segmentation.engine.resolve import jit
from segmentation.engine.steps import Int8s, Int32s, Int64s

BITS = 63  # of a word of a set; the sign is left alone


@dataclass(frozen=True, eq=False)
class Lists(Sequence[tuple[Any, ...]]):
    """Distinct lists of items. items: every one there is, in order; the list number k has those at the places
    `item[begin[k]:begin[k + 1]]` (int32; begin int64[lists + 1]), each once and in order."""

    items: tuple[Any, ...]
    begin: Int64s
    item: Int32s

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Lists":
        """From tuples; anything else is a list of one."""
        lists = [value if isinstance(value, tuple) else (value,) for value in values]
        items = tuple(sorted({item for part in lists for item in part}, key=str))
        number = {item: place for place, item in enumerate(items)}
        places = [sorted({number[item] for item in part}) for part in lists]
        begin = np.cumsum([0, *(len(part) for part in places)])
        return cls(items, begin.astype(np.int64), np.array([at for part in places for at in part], dtype=np.int32))

    def __len__(self) -> int:
        return len(self.begin) - 1

    @overload
    def __getitem__(self, number: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, number: slice) -> "list[tuple[Any, ...]]": ...
    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self[k] for k in range(len(self))[number]]
        k = range(len(self))[number]
        return tuple(self.items[at] for at in self.item[self.begin[k] : self.begin[k + 1]].tolist())

    def only(self, items: Iterable[Any]) -> "Lists":
        """The same lists, of these items only; a list may be left with none."""
        wanted = set(items)
        kept = np.array([item in wanted for item in self.items], dtype=np.bool_)
        place = (np.cumsum(kept) - 1).astype(np.int32)
        stays = kept[self.item]
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(stays)])
        named = tuple(item for item in self.items if item in wanted)
        return Lists(named, before[self.begin], place[self.item[stays]])

    def spread(self, code: Int32s) -> tuple[Int64s, Int32s]:
        """Items of the lists with these numbers: which place in `code` each belongs to, and the item. One row of item
        -1 for a list without items, and for the number -1."""
        found: tuple[Int64s, Int32s] = _spread(code, self.begin, self.item)
        return found


@jit
def _spread(code, begin, item):  # type: ignore[no-untyped-def]
    size = 0
    for k in code:
        size += max(begin[k + 1] - begin[k], 1) if k >= 0 else 1
    place = np.empty(size, dtype=np.int64)
    found = np.full(size, np.int32(-1))
    at = 0
    for row in range(len(code)):
        first, last = (begin[code[row]], begin[code[row] + 1]) if code[row] >= 0 else (0, 0)
        for i in range(first, last):
            place[at] = row
            found[at] = item[i]
            at += 1
        if first == last:
            place[at] = row
            at += 1
    return place, found


def running_sets(
    items: Sequence[Any], changes: Rows, time: Int64s, item: Int64s, sign: Int8s
) -> tuple[Lists, Rows, Int64s, Int32s]:
    """The set of items after every instant at which one came or went.

    Parameters
    ----------
    items: all there are, in order.
    changes: which of them are those of each entity, by time.
    time, item, sign: for each change its instant, its place in `items`, and 1 for coming or -1 for going.

    Returns the distinct sets; which instants are those of each entity; and for each its time and set (-1: empty).
    """
    words = max(-(-len(items) // BITS), 1)
    sets, first, last, instant, code = _running(changes.begin, changes.end, time, item, sign, words)
    sizes, members = _members(sets)
    used = np.unique(members)
    lists = Lists(
        tuple(items[k] for k in used.tolist()),
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)]),
        np.searchsorted(used, members).astype(np.int32),
    )
    return lists, Rows(first, last), instant, code


@jit
def _running(begin, end, time, item, sign, words):  # type: ignore[no-untyped-def]
    """Sets as bits, numbered in the order they are found."""
    most = len(time)
    table = np.full(1024, np.int32(-1))  # of numbers of sets, twice as large as there are sets at least
    sets = np.empty((most, words), dtype=np.int64)
    found = 0
    first, last = np.zeros(len(begin), dtype=np.int64), np.zeros(len(begin), dtype=np.int64)
    instant, code = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int32)
    rows = 0
    now = np.zeros(words, dtype=np.int64)
    for e in range(len(begin)):
        now[:] = 0
        first[e] = rows
        for k in range(begin[e], end[e]):
            bit = np.int64(1) << (item[k] % BITS)
            if sign[k] > 0:
                now[item[k] // BITS] |= bit
            else:
                now[item[k] // BITS] &= ~bit
            if k + 1 < end[e] and time[k + 1] == time[k]:
                continue  # nothing lies between changes of one instant
            instant[rows] = time[k]
            code[rows] = -1
            if now.any():
                at = _place_in(table, sets, now)
                if table[at] < 0:
                    table[at] = found
                    sets[found] = now
                    found += 1
                    if 2 * found > len(table):
                        table = np.full(4 * len(table), np.int32(-1))
                        for number in range(found):
                            table[_place_in(table, sets, sets[number])] = number
                        at = _place_in(table, sets, now)
                code[rows] = table[at]
            rows += 1
        last[e] = rows
    return sets[:found].copy(), first, last, instant[:rows].copy(), code[:rows].copy()


@jit
def _place_in(table, sets, wanted):  # type: ignore[no-untyped-def]
    """Where a set stands in a table of numbers of sets, or the free place where it belongs."""
    mixed = np.uint64(0)
    for word in wanted:
        mixed ^= np.uint64(word)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    at = np.int64(mixed & np.uint64(len(table) - 1))
    while table[at] >= 0:
        same = True
        for w in range(len(wanted)):
            if sets[table[at], w] != wanted[w]:
                same = False
                break
        if same:
            break
        at = (at + 1) & (len(table) - 1)
    return at


@jit
def _members(sets):  # type: ignore[no-untyped-def]
    sizes = np.zeros(len(sets), dtype=np.int64)
    for k in range(len(sets)):
        for word in sets[k]:
            for b in range(BITS):
                sizes[k] += (word >> b) & 1
    item = np.empty(sizes.sum(), dtype=np.int32)
    at = 0
    for k in range(len(sets)):
        for w in range(sets.shape[1]):
            for b in range(BITS):
                if (sets[k, w] >> b) & 1:
                    item[at] = w * BITS + b
                    at += 1
    return sizes, item
