"""Segments: who is a member from when until when, by rules of the one engine.

A segment's rule has up to three parts: base (who they are), fit (how well they suit us), trigger (what they do now).
A member of a segment meets every part it has, and is a member of the segment above it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import NEVER, Facts, Periods, Rows
from segmentation.engine.resolve import all_of, jit, rule_steps
from segmentation.engine.rules import Rule, Term
from segmentation.engine.steps import FAR_PAST, NO, UNKNOWN, YES, Bools, Int8s, Int32s, Int64s, Steps, constant

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

    def segments_read(self) -> list[str]:
        """Keys of the segments it reads."""
        return [name.removeprefix("segment:") for name in self.depends_on() if name.startswith("segment:")]


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

    def assumed_at(self, key: str, entity: Int64s, instant: Int64s) -> Bools:
        """Which pairs of an entity and an instant lie in a stored membership whose beginning rests on an assumption."""
        if key not in self.keys or self.assumed is None:
            return np.zeros(len(entity), dtype=np.bool_)
        p, wanted = self.periods, 2 * self.keys.index(key)
        found: Bools = _assumed_at(
            p.rows.begin, p.rows.end, p.start, p.end, p.kind, self.assumed, wanted, entity, instant
        )
        return found


def nobody(n: int) -> MembershipTable:
    """A table without stored memberships, for segments evaluated together."""
    zeros, none = np.zeros(n, dtype=np.int64), np.empty(0, dtype=np.int64)
    return MembershipTable(Periods(Rows(zeros, zeros), none, none, np.empty(0, dtype=np.int32)))


@jit
def _assumed_at(begin, end, start, stop, kind, assumed, wanted, entity, instant):  # type: ignore[no-untyped-def]
    out = np.zeros(len(entity), dtype=np.bool_)
    for i in range(len(entity)):
        for k in range(begin[entity[i]], end[entity[i]]):
            if kind[k] == wanted and assumed[k] and start[k] <= instant[i] and instant[i] < stop[k]:
                out[i] = True
                break
    return out


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


def closure(rules: Mapping[str, SegmentRules], keys: Iterable[str]) -> list[SegmentRules]:
    """Those of the segments and all they read, in order. Keys without rules are left out."""
    wanted: dict[str, SegmentRules] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in rules and key not in wanted:
            wanted[key] = rules[key]
            waiting += rules[key].segments_read()
    return in_order(wanted.values())


def membership_steps(segments: Sequence[SegmentRules], facts: Facts) -> dict[str, Steps]:
    """When the entities are members of each segment, by key. segments: in the order of `in_order`.

    The facts have a table `SEGMENTS`; its computed memberships are what segments read of each other here. Criteria that
    cost much are asked of the entities only that the rest of a segment does not rule out for all time.
    """
    table: MembershipTable = facts.table(SEGMENTS)
    known: dict[Criterion, Steps] = {}
    told: dict[Rule, Steps] = {}
    for criterion, wanted in _wanted(segments, facts, known, told).items():
        known[criterion] = criterion.steps_of(facts, wanted)
    for segment in segments:
        parts = [told.get(rule) or rule_steps(rule, facts, known) for rule in segment.parts.values()]
        above = [table.steps(segment.parent)] if segment.parent else []
        table.computed[segment.key] = all_of([*above, *parts])
    return {segment.key: table.computed[segment.key] for segment in segments}


def _wanted(
    segments: Sequence[SegmentRules], facts: Facts, known: dict[Criterion, Steps], told: dict[Rule, Steps]
) -> dict[Criterion, Bools]:
    """Of which entities (bool[n]) each criterion that costs much must be known: those for which some segment that asks
    it is open otherwise.

    Membership in segments that are evaluated here is not known yet and rules nobody out, but for the segment above.
    Steps of criteria and of rules found on the way are added to `known` and `told`.
    """
    if not any(criterion.is_costly for segment in segments for criterion in segment.criteria()):
        return {}
    table: MembershipTable = facts.table(SEGMENTS)
    here = {segment_name(segment.key) for segment in segments}
    found: dict[Criterion, Bools] = {}
    open_to: dict[str, Bools] = {}
    for segment in segments:
        costly = [criterion for criterion in segment.criteria() if criterion.is_costly]
        stored = segment.parent is not None and segment_name(segment.parent) not in here
        rest = [table.steps(segment.parent)] if segment.parent and stored else []
        for rule in segment.parts.values():
            easy = _easy_part(rule, here)
            if easy is not None:
                if easy not in told:
                    told[easy] = rule_steps(easy, facts, known)
                rest.append(told[easy])
        mask = _ever(all_of(rest)) if rest else np.ones(len(facts), dtype=np.bool_)
        if segment.parent in open_to:
            mask = mask & open_to[segment.parent]
        open_to[segment.key] = mask
        for criterion in costly:
            found[criterion] = found[criterion] | mask if criterion in found else mask
    return found


def _easy_part(rule: Rule, here: set[str]) -> Rule | None:
    """What can be told at once of a rule and without which it cannot hold; None where there is no such thing."""
    terms = tuple(
        term for term in rule.terms if not term.criterion.is_costly and here.isdisjoint(term.criterion.depends_on())
    )
    if len(terms) == len(rule.terms):
        return rule
    return replace(rule, terms=terms, at_least=None) if terms and rule.needed == len(rule.terms) else None


def _ever(steps: Steps) -> Bools:
    """bool[n]: whether it is anything but no at any time."""
    found: Bools = steps.initial != NO
    some = np.flatnonzero(np.diff(steps.offsets))
    if len(some):
        found[some] |= np.maximum.reduceat(steps.value != NO, steps.offsets[some])
    return found


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
