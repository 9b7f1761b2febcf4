"""Segments: who is a member from when until when, by rules of the one engine.

A segment's rule has up to three parts: base (who they are), fit (how well they suit us), trigger (what they do now).
A member of a segment meets every part it has, and is a member of the segment above it.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import NEVER, Facts, Periods, Rows
from segmentation.engine.resolve import all_of, jit, rule_steps
from segmentation.engine.rules import Rule, Term
from segmentation.engine.steps import FAR_PAST, NO, UNKNOWN, YES, Int8s, Int32s, Int64s, Steps, constant

SEGMENTS = "segments"
PARTS = ("base", "fit", "trigger")
MEMBER, UNSURE = YES, UNKNOWN  # what a stored period says


@dataclass(frozen=True)
class SegmentRules:
    """The rules of one segment by part, and the key of the segment above it."""

    key: str
    parts: Mapping[str, Rule]
    parent: str | None = None

    def terms(self) -> Iterable[tuple[str, Term]]:
        """Every criterion with its part."""
        for part, rule in self.parts.items():
            for term in rule.terms:
                yield part, term

    def criteria(self) -> list[Criterion]:
        """Every criterion once."""
        return list(dict.fromkeys(term.criterion for _part, term in self.terms()))

    def depends_on(self) -> list[str]:
        """Names of the rules it reads: the segment above it, other segments, journeys, profiles."""
        names = {name for criterion in self.criteria() for name in criterion.depends_on()}
        return sorted(names | ({segment_name(self.parent)} if self.parent else set()))


def segment_name(key: str) -> str:
    """What a segment is called among the rules that read each other."""
    return f"segment:{key}"


@dataclass
class MembershipTable:
    """Facts about membership of segments.

    periods: those of kind 2i say that entities are members of `keys[i]`, those of kind 2i + 1 that it is not known.
    assumed: bool[rows], where the beginning of a period rests on an assumption. computed: steps of segments that are
    being evaluated from the same facts, which go before anything stored.
    """

    periods: Periods
    keys: tuple[str, ...] = ()
    assumed: NDArray[np.bool_] | None = None
    computed: dict[str, Steps] = field(default_factory=dict)

    def steps(self, key: str) -> Steps:
        """When the entities are members of a segment. One that was never built is unknown."""
        if key in self.computed:
            return self.computed[key]
        n = len(self.periods.rows.begin)
        if key not in self.keys:
            return constant(np.full(n, UNKNOWN, dtype=np.int8))
        p = self.periods
        most = 2 * int((p.rows.end - p.rows.begin).sum())
        return Steps(
            np.zeros(n, dtype=np.int8),
            *_period_steps(p.rows.begin, p.rows.end, p.start, p.end, p.kind, 2 * self.keys.index(key), most),
        )


def nobody(n: int) -> MembershipTable:
    """A table without stored memberships, for segments evaluated together."""
    zeros, none = np.zeros(n, dtype=np.int64), np.empty(0, dtype=np.int64)
    return MembershipTable(Periods(Rows(zeros, zeros), none, none, np.empty(0, dtype=np.int32)))


@jit
def _period_steps(begin, end, start, stop, kind, wanted, most):  # type: ignore[no-untyped-def]
    # Rows of an entity are ordered by start and do not overlap within one segment.
    n = len(begin)
    offsets = np.zeros(n + 1, dtype=np.int64)
    time = np.empty(most, dtype=np.int64)
    value = np.empty(most, dtype=np.int8)
    m = 0
    for e in range(n):
        first = m
        for k in range(begin[e], end[e]):
            if kind[k] != wanted and kind[k] != wanted + 1:
                continue
            if m > first and time[m - 1] == start[k]:
                m -= 1  # begins where the one before ends
            time[m] = start[k]
            value[m] = YES if kind[k] == wanted else UNKNOWN
            time[m + 1] = stop[k]
            value[m + 1] = NO
            m += 2
        if m > first and time[m - 1] == NEVER:
            m -= 1
        offsets[e + 1] = m
    return offsets, time[:m].copy(), value[:m].copy()


def in_order(segments: Iterable[SegmentRules]) -> list[SegmentRules]:
    """The segments, each after those it reads. They must not need each other (`find_loop`)."""
    by_name = {segment_name(segment.key): segment for segment in segments}
    done: dict[str, SegmentRules] = {}

    def visit(name: str) -> None:
        if name in by_name and name not in done:
            for other in by_name[name].depends_on():
                visit(other)
            done[name] = by_name[name]

    for name in by_name:
        visit(name)
    return list(done.values())


def membership_steps(segments: Sequence[SegmentRules], facts: Facts) -> dict[str, Steps]:
    """When the entities are members of each segment, by key. segments: in the order of `in_order`.

    The facts have a table `SEGMENTS`; its computed memberships are what segments read of each other here.
    """
    table: MembershipTable = facts.table(SEGMENTS)
    known: MutableMapping[Criterion, Steps] = {}
    for segment in segments:
        parts = [rule_steps(rule, facts, known) for rule in segment.parts.values()]
        above = [table.steps(segment.parent)] if segment.parent else []
        table.computed[segment.key] = all_of([*above, *parts])
    return {segment.key: table.computed[segment.key] for segment in segments}


@dataclass(frozen=True)
class Spans:
    """Periods of membership (or of not knowing) of the entities of a batch, ordered by entity and time.

    entity: int32[m]. state: int8[m], MEMBER or UNSURE. start, end: int64[m], half-open, NEVER where open.
    is_first: bool[m], where the history of the entity begins within the period: no entry.
    """

    entity: Int32s
    state: Int8s
    start: Int64s
    end: Int64s
    is_first: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.entity)


def spans(steps: Steps, start: Int64s) -> Spans:
    """Steps as periods from the beginning of each history on. start: int64[n]."""
    return Spans(*_spans(steps.initial, steps.offsets, steps.time, steps.value, start, len(start) + len(steps.time)))


@jit
def _spans(initial, offsets, time, value, start, most):  # type: ignore[no-untyped-def]
    entity = np.empty(most, dtype=np.int32)
    state = np.empty(most, dtype=np.int8)
    begin = np.empty(most, dtype=np.int64)
    end = np.empty(most, dtype=np.int64)
    first = np.empty(most, dtype=np.bool_)
    m = 0
    for e in range(len(start)):
        current = initial[e]
        since = FAR_PAST
        for k in range(offsets[e], offsets[e + 1] + 1):
            until = time[k] if k < offsets[e + 1] else NEVER
            if current != NO and until > start[e]:
                entity[m] = e
                state[m] = current
                begin[m] = max(since, start[e])
                end[m] = until
                first[m] = since <= start[e]
                m += 1
            if k < offsets[e + 1]:
                current = value[k]
                since = until
    return entity[:m].copy(), state[:m].copy(), begin[:m].copy(), end[:m].copy(), first[:m].copy()


def criteria_read(segment: SegmentRules, others: Mapping[str, SegmentRules]) -> set[Criterion]:
    """The criteria a membership rests on, those of the segments it reads included."""
    found = set(segment.criteria())
    for name in segment.depends_on():
        other = others.get(name.removeprefix("segment:")) if name.startswith("segment:") else None
        if other:
            found |= criteria_read(other, others)
    return found
