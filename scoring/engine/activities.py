"""Activities of a batch of entities in arrays, and the restrictions criteria put on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts, Rows
from segmentation.engine.steps import Bools, Int32s, Int64s, Steps

ACTIVITIES = "activities"
T = TypeVar("T")


@dataclass(frozen=True)
class TypeFacts:
    """What rules need to know of an activity type."""

    key: str
    name: str
    side: str
    category: str
    is_hot: bool
    is_meeting: bool


@dataclass(frozen=True)
class Classes:
    """Numbers every combination of type, outcome, seniority, department and buying role an activity can have.

    `seniorities` are ordered from the lowest. Number 0 of outcome, seniority, department and role stands for none or
    unknown. `percent` is the weight of engaged time by seniority.
    """

    types: tuple[TypeFacts, ...]
    outcomes: tuple[str, ...]
    seniorities: tuple[str, ...]
    departments: tuple[str, ...]
    roles: tuple[str, ...]
    percent: Mapping[str, int] = field(default_factory=dict)
    # What was asked before: every batch of a replay asks the same, on several threads.
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        return (
            len(self.types),
            len(self.outcomes) + 1,
            len(self.seniorities) + 1,
            len(self.departments) + 1,
            len(self.roles) + 1,
        )

    @property
    def profile_shape(self) -> tuple[int, int, int]:
        return self.shape[2:]  # type: ignore[return-value]

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        known: T = self._known[key]
        return known

    def axis(self, number: int, keep: Sequence[bool]) -> NDArray[np.bool_]:
        """A mask over one axis, shaped for combining with the others."""
        shape = [1] * 5
        shape[number] = len(keep)
        return np.array(keep, dtype=np.bool_).reshape(shape)

    def mask(self, restriction: "Restriction") -> NDArray[np.bool_]:
        """bool[all classes]: which activities a restriction lets through. Unknown never meets a restriction."""
        return self._once(("mask", restriction), lambda: self._mask(restriction))

    def _mask(self, r: "Restriction") -> NDArray[np.bool_]:
        keep = np.ones(self.shape, dtype=np.bool_)
        types = [
            (not r.sides or t.side in r.sides)
            and (not r.types or t.key in r.types)
            and (not r.categories or t.category in r.categories)
            and (not r.hot_only or t.is_hot)
            and (not r.meetings_only or t.is_meeting)
            for t in self.types
        ]
        keep &= self.axis(0, types)
        if r.outcomes:
            keep &= self.axis(1, [False, *(o in r.outcomes for o in self.outcomes)])
        if r.min_seniority:
            lowest = self.seniorities.index(r.min_seniority)
            keep &= self.axis(2, [False, *(i >= lowest for i in range(len(self.seniorities)))])
        if r.departments:
            keep &= self.axis(3, [False, *(d in r.departments for d in self.departments)])
        if r.buying_roles:
            keep &= self.axis(4, [False, *(b in r.buying_roles for b in self.roles)])
        return keep.ravel()

    def weights(self, restriction: "Restriction") -> Int32s:
        """int32[all classes]: per cent of an activity's time that counts; 0 where the restriction keeps it out."""
        return self._once(("weights", restriction), lambda: self._weights(restriction))

    def _weights(self, restriction: "Restriction") -> Int32s:
        percent = [100, *(self.percent.get(s, 100) for s in self.seniorities)]
        shape = [1] * 5
        shape[2] = len(percent)
        by_seniority = np.broadcast_to(np.array(percent, dtype=np.int32).reshape(shape), self.shape).ravel()
        return np.where(self.mask(restriction), by_seniority, 0).astype(np.int32)

    def role_of(self) -> Int32s:
        """int32[all classes]: number of the buying role, 0 for none."""
        roles = np.arange(self.shape[4], dtype=np.int32)
        return self._once("role", lambda: np.broadcast_to(roles, self.shape).ravel().copy())

    def parts(self, number: int) -> tuple[TypeFacts, str, str, str, str]:
        """Type, outcome, seniority, department and buying role of a class number (empty text for unknown)."""
        t, o, s, d, b = (int(i) for i in np.unravel_index(number, self.shape))
        return (
            self.types[t],
            ("", *self.outcomes)[o],
            ("", *self.seniorities)[s],
            ("", *self.departments)[d],
            ("", *self.roles)[b],
        )


@dataclass(frozen=True)
class Restriction:
    """Which activities a criterion counts. All parts apply to the same activity; an empty part does not restrict."""

    sides: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    min_seniority: str | None = None
    departments: tuple[str, ...] = ()
    buying_roles: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    hot_only: bool = False
    meetings_only: bool = False


@dataclass(frozen=True)
class ActivityTable:
    """Activities ordered by entity, then time.

    rows: which belong to which entity. time: int64, microseconds UTC. seconds: int32, engaged seconds (recorded ones,
    else the type's default). contact: int32, number of the person within this table or -1. contacts: how many persons.
    classes, number: what each activity is (int32 into `Classes`). ids: primary keys where they were asked for. guessed:
    whether it lies before the person was recorded, so that today's rank, department and role stand in; None: nowhere.
    """

    rows: Rows
    time: Int64s
    seconds: Int32s
    contact: Int32s
    number: Int32s
    contacts: int
    classes: Classes
    ids: Int64s | None = None
    contact_ids: Int64s | None = None
    guessed: NDArray[np.bool_] | None = None

    @property
    def walked(self) -> tuple[Any, ...]:
        """The columns every walk over activities begins with."""
        return self.rows.begin, self.rows.end, self.time, self.seconds, self.number

    def effective_seconds(self, rows: Any, weights: Int32s) -> Int64s:
        """Weighted seconds of some rows, rounded half up to a second for each activity."""
        effective: Int64s = (self.seconds[rows].astype(np.int64) * weights[self.number[rows]] + 50) // 100
        return effective


class ActivityWalk(Criterion):
    """Base of the kinds that walk over all activities of every entity."""

    tables = frozenset({ACTIVITIES})
    is_costly = True

    def steps_of(self, facts: Facts, wanted: Bools) -> Steps:
        table: ActivityTable = facts.table(ACTIVITIES)
        rows = Rows(np.where(wanted, table.rows.begin, 0), np.where(wanted, table.rows.end, 0))
        return self.steps(replace(facts, tables={**facts.tables, ACTIVITIES: replace(table, rows=rows)}))


def with_weights(facts: Facts, percent: Mapping[str, int]) -> Facts:
    """The same facts with engagement weighted by seniority."""
    if not percent or ACTIVITIES not in facts.tables:
        return facts
    table: ActivityTable = facts.tables[ACTIVITIES]
    weighted = replace(table, classes=replace(table.classes, percent=dict(percent)))
    return replace(facts, tables={**facts.tables, ACTIVITIES: weighted})
