"""Whom figures are of: filters by list, by value and by right to see, and the groups they are broken down into."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from journey.engine.metrics.table import Bools
from journey.facts.dimensions import Coded, Dimension, value_text
from journey.selectors.funnel_data import HistoryData
from segmentation.engine.resolve import jit
from segmentation.engine.steps import Int8s, Int32s, Int64s
from segmentation.facts.arrays import Positions
from segmentation.facts.lists import Lists
from segmentation.models import TargetList

NOBODY = np.empty(0, dtype=np.int64)
ASSUMED = 3
MOST_CELLS = 5_000_000  # combinations of values that are numbered by a table instead of by sorting


@dataclass(frozen=True)
class Filters:
    """Which entities count at which instants.

    target_list with list_at: on the list at that instant (microseconds), or at each counted one where that is None.
    values: per dimension the codes that count. accounts: primary keys, None for all.
    """

    data: HistoryData
    target_list: TargetList | None = None
    list_at: int | None = None
    values: Sequence[tuple[Coded, Int64s]] = ()
    accounts: Int64s | None = None

    @property
    def is_open(self) -> bool:
        """Whether everything counts."""
        return self.target_list is None and not self.values and self.accounts is None

    def keep(self, entity: Int32s, instant: Int64s) -> Bools:
        """Which of the pairs of entity and instant count."""
        kept = np.ones(len(entity), dtype=np.bool_)
        if self.accounts is not None:
            kept &= np.isin(self.data.table.accounts, self.accounts)[entity]
        if self.target_list is not None:
            periods, _numbers, index = self.data.memberships()
            wanted = np.zeros(max(len(_numbers), 1), dtype=np.bool_)
            wanted[self.data.member_kinds(self.target_list.key)] = True
            at = instant if self.list_at is None else np.full(len(instant), self.list_at)
            kept &= _in_period(
                index[entity],
                at,
                periods.rows.begin,
                periods.rows.end,
                periods.start,
                periods.end,
                periods.kind,
                wanted,
            )
        for coded, codes in self.values:
            found, _assumed = coded.at(entity, instant)
            hit = Breaker(coded).has(found, codes[codes >= 0])
            if (codes < 0).any():  # in none of the groups of a breakdown
                hit |= group_breaker(coded).has(found, codes[codes < 0])
            kept &= hit
        return kept


@jit
def _in_period(index, instant, begin, end, start, stop, kind, wanted):  # type: ignore[no-untyped-def]
    out = np.zeros(len(index), dtype=np.bool_)
    for k in range(len(index)):
        i = index[k]
        if i < 0:
            continue
        for j in range(begin[i], end[i]):
            if start[j] > instant[k]:
                break
            if instant[k] < stop[j] and wanted[kind[j]]:
                out[k] = True
                break
    return out


class Breaker:
    """Turns the codes of a dimension into its items: a list counts as each of its items, everything else as itself.

    only: the items of lists that count; a list without any of them has no value. None: all.
    """

    def __init__(self, coded: Coded, only: Collection[Any] | None = None) -> None:
        self.coded = coded
        self.lists: Lists | None = None
        if isinstance(coded.values, Lists):
            self.lists = coded.values if only is None else coded.values.only(only)
        self.items: Sequence[Any] = coded.values if self.lists is None else self.lists.items

    def spread(self, code: Int32s) -> tuple[Int64s | None, Int32s]:
        """Items of the codes: which place each belongs to (None: one each, in order), and the items."""
        return (None, code) if self.lists is None else self.lists.spread(code)

    def has(self, code: Int32s, items: Int64s) -> Bools:
        """Which codes are, or contain, one of the items."""
        place, item = self.spread(code)
        hit = np.isin(item, items)
        if place is None:
            return hit
        out = np.zeros(len(code), dtype=np.bool_)
        out[place[hit]] = True
        return out

    def numbers_of(self, words: Sequence[str]) -> tuple[Int64s, list[str]]:
        """The items people named, and words that fit none.

        A word is a value, its label or the name pages show for it, letter by letter or else whatever the case, which
        several may fit; “(none)” is not known.
        """
        dimension = self.coded.dimension
        named = {} if dimension.named is None else dimension.named()
        exact: dict[str, set[int]] = {"(none)": {-1}}
        loose: dict[str, set[int]] = {}
        for number, item in enumerate(self.items):
            for name in {value_text(dimension, item), str(item), named.get(item, str(item))}:
                exact.setdefault(name, set()).add(number)
                loose.setdefault(name.casefold(), set()).add(number)
        found = [exact.get(word) or loose.get(word.casefold()) or set() for word in words]
        unknown = [word for word, fitting in zip(words, found, strict=True) if not fitting]
        return np.array(sorted(set().union(*found)), dtype=np.int64), unknown


def group_breaker(coded: Coded) -> Breaker:
    """Into the items figures are broken down by."""
    only = coded.dimension.grouped
    return Breaker(coded, None if only is None else set(only()))


@dataclass(frozen=True)
class Groups:
    """The groups of a breakdown. values: per group its value in each dimension (None: not known); others: number of the
    group that takes in all those left out, None without it."""

    dimensions: tuple[Dimension, ...]
    values: tuple[tuple[Any, ...], ...]
    others: int | None = None
    overlapping: bool = False

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Placed:
    """Counted things in their groups: `place` in what was asked about (a thing may stand in several), its group, and
    whether today's value stood in for a past one."""

    place: Int64s
    group: Int64s
    assumed: Bools


class Breakdown:
    """Places pairs of entity and instant into groups by up to two dimensions."""

    def __init__(self, dimensions: Sequence[Coded], most: int) -> None:
        self.breakers = [group_breaker(coded) for coded in dimensions]
        self.most = most
        self._size = int(np.prod([len(breaker.items) + 1 for breaker in self.breakers]))
        self.groups = Groups(tuple(coded.dimension for coded in dimensions), ())

    def _combined(self, entity: Int32s, instant: Int64s) -> tuple[Int64s, Int64s, Bools]:
        place: Int64s | None = None  # each in order, as long as nothing has several items
        key: Any = 0
        assumed = np.zeros(len(entity), dtype=np.bool_)
        for breaker in self.breakers:
            who, when = (entity, instant) if place is None else (entity[place], instant[place])
            code, guessed = breaker.coded.at(who, when)
            among, item = breaker.spread(code)
            if among is not None:
                key = key[among] if isinstance(key, np.ndarray) else key
                place = among if place is None else place[among]
                assumed, guessed = assumed[among], guessed[among]
            key = key * (len(breaker.items) + 1) + (item.astype(np.int64) + 1)
            assumed = assumed | guessed
        return (np.arange(len(entity), dtype=np.int64) if place is None else place), key, assumed

    def settle(self, *asked: tuple[Int32s, Int64s]) -> list[Placed]:
        """Decide on the groups by what there is, the largest ones if there are too many, and place everything."""
        found = [self._combined(entity, instant) for entity, instant in asked]
        keys = np.concatenate([key for _place, key, _assumed in found]) if found else NOBODY
        if self._size <= MOST_CELLS:
            counts = np.bincount(keys, minlength=self._size)
            present = np.flatnonzero(counts)
            counts = counts[present]
        else:
            present, counts = np.unique(keys, return_counts=True)
        chosen = present[np.argsort(-counts, kind="stable")][: self.most]
        chosen = np.array(sorted(chosen.tolist(), key=self._order), dtype=np.int64)
        others = len(chosen) if len(present) > len(chosen) else None
        self._chosen = chosen
        values = [self._values(key) for key in chosen.tolist()]
        if others is not None:
            values.append(tuple(None for _breaker in self.breakers))
        self.groups = Groups(
            self.groups.dimensions,
            tuple(values),
            others,
            overlapping=any(breaker.lists is not None for breaker in self.breakers),
        )
        return [Placed(place, self._group(key), assumed) for place, key, assumed in found]

    def _group(self, key: Int64s) -> Int64s:
        others = -1 if self.groups.others is None else self.groups.others
        if self._size <= MOST_CELLS:
            number = np.full(self._size, others, dtype=np.int64)
            number[self._chosen] = np.arange(len(self._chosen))
            return number[key]
        place = Positions(self._chosen).of(key)
        return np.where(place < 0, others, place)

    def _split(self, key: int) -> list[int]:
        codes = []
        for breaker in reversed(self.breakers):
            key, code = divmod(key, len(breaker.items) + 1)
            codes.append(code - 1)
        return codes[::-1]

    def _order(self, key: int) -> Any:
        return [d.rank(value) for d, value in zip(self.groups.dimensions, self._values(key), strict=True)]

    def _values(self, key: int) -> tuple[Any, ...]:
        pairs = zip(self.breakers, self._split(key), strict=True)
        return tuple(None if code < 0 else breaker.items[code] for breaker, code in pairs)


def graded(grade: Int8s, assumed: Bools) -> Int8s:
    """The trust of a figure in a group: assumed where either the stay or the value is."""
    return np.where(assumed, ASSUMED, grade).astype(np.int8)
