"""From criteria over time to the stage over time: combine, resolve, merge.

The only code that decides a rule. Every asker (history, preview, explanation, segment) comes through here.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts
from segmentation.engine.params import DAY
from segmentation.engine.rules import JourneyRules, Rule
from segmentation.engine.steps import FAR_FUTURE, FAR_PAST, NO, UNKNOWN, YES, Int64s, Steps, constant

jit: Callable[..., Any] = nb.njit(nogil=True, cache=True)

Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Stays:
    """Stays of all entities of a batch, ordered by entity and time, seamless from the start of each history.

    entity, stage, rule: int32[m]; stage is an index into `JourneyRules.stages`, rule into `JourneyRules.rules()` or -1.
    start, end: int64[m], microseconds UTC, half-open; the last stay of an entity ends at FAR_FUTURE.
    """

    entity: Int32
    stage: Int32
    rule: Int32
    start: Int64s
    end: Int64s

    def __len__(self) -> int:
        return len(self.entity)


@dataclass(frozen=True)
class Program:
    """A journey's rules as arrays for the kernel; criteria are numbered as in `criteria`."""

    criteria: tuple[Criterion, ...]
    terms: Int32  # criterion * 2 + negate, of all rules: scope first, then the terms
    rules: NDArray[np.int32]  # per rule: first scope term, first term, end, needed
    stages: NDArray[np.int64]  # per stage: first enter rule, first stay rule, end, minimum stay in microseconds


def compile_journey(journey: JourneyRules) -> Program:
    """Flatten a journey; rules keep the order of `JourneyRules.rules()`, stages that of `JourneyRules.stages`."""
    criteria = journey.criteria()
    number = {criterion: i for i, criterion in enumerate(criteria)}
    terms: list[int] = []
    rules: list[tuple[int, int, int, int]] = []
    stages: list[tuple[int, int, int, int]] = []

    def add(rule: Rule) -> None:
        first = len(terms)
        terms.extend(number[t.criterion] * 2 + t.negate for t in rule.scope)
        middle = len(terms)
        terms.extend(number[t.criterion] * 2 + t.negate for t in rule.terms)
        rules.append((first, middle, len(terms), rule.needed))

    for stage in journey.stages:
        first = len(rules)
        for rule in stage.enter:
            add(rule)
        middle = len(rules)
        for rule in stage.stay:
            add(rule)
        stages.append((first, middle, len(rules), stage.min_stay_days * DAY))
    return Program(
        criteria=tuple(criteria),
        terms=np.array(terms, dtype=np.int32),
        rules=np.array(rules, dtype=np.int32).reshape(-1, 4),
        stages=np.array(stages, dtype=np.int64).reshape(-1, 4),
    )


def compile_rules(rules: Sequence[Rule]) -> Program:
    """Flatten rules that stand alone (the items of a checklist), for `snapshot`; there are no stages."""
    criteria = tuple(dict.fromkeys(term.criterion for rule in rules for term in (*rule.scope, *rule.terms)))
    number = {criterion: i for i, criterion in enumerate(criteria)}
    terms: list[int] = []
    rows: list[tuple[int, int, int, int]] = []
    for rule in rules:
        first = len(terms)
        terms.extend(number[t.criterion] * 2 + t.negate for t in (*rule.scope, *rule.terms))
        rows.append((first, first + len(rule.scope), len(terms), rule.needed))
    return Program(
        criteria=criteria,
        terms=np.array(terms, dtype=np.int32),
        rules=np.array(rows, dtype=np.int32).reshape(-1, 4),
        stages=np.empty((0, 4), dtype=np.int64),
    )


def evaluate(program: Program, facts: Facts, known: Mapping[Criterion, Steps] | None = None) -> Stays:
    """The stays of every entity of the batch.

    known: steps already computed for these facts (previews and sweeps change few criteria); others are computed.
    """
    known = known or {}
    steps = [known.get(criterion) or criterion.steps(facts) for criterion in program.criteria]
    return resolve(program, steps, facts.start)


def resolve(program: Program, steps: Sequence[Steps], start: Int64s) -> Stays:
    """The stays given each criterion's steps. start: int64[n], when each entity's history begins."""
    n = len(start)
    initial, offsets, time, value = _stacked(steps, n)
    most = int(2 * len(time) + n)
    entity, stage, rule, begin, end = _resolve(
        program.terms, program.rules, program.stages, initial, offsets, time, value, start, most
    )
    return Stays(entity, stage, rule, begin, end)


def rule_steps(rule: Rule, facts: Facts, known: MutableMapping[Criterion, Steps] | None = None) -> Steps:
    """When one rule holds, for rules that stand alone (a segment, a checklist item). No matching scope: unknown.

    known: steps already computed for these facts; what is computed here is added, so that rules share it.
    """
    known = {} if known is None else known
    criteria = list(dict.fromkeys(term.criterion for term in (*rule.scope, *rule.terms)))
    for criterion in criteria:
        if criterion not in known:
            known[criterion] = criterion.steps(facts)
    number = {criterion: i for i, criterion in enumerate(criteria)}
    terms = np.array([number[t.criterion] * 2 + t.negate for t in (*rule.scope, *rule.terms)], dtype=np.int32)
    row = np.array([[0, len(rule.scope), len(terms), rule.needed]], dtype=np.int32)
    stacked = _stacked([known[criterion] for criterion in criteria], len(facts))
    return Steps(*_rule_steps(terms, row, *stacked))


def all_of(steps: Sequence[Steps]) -> Steps:
    """When all hold: no as soon as one says no, else unknown as soon as one is unknown."""
    if len(steps) == 1:
        return steps[0]
    terms = np.arange(0, 2 * len(steps), 2, dtype=np.int32)
    row = np.array([[0, 0, len(steps), len(steps)]], dtype=np.int32)
    return Steps(*_rule_steps(terms, row, *_stacked(steps, len(steps[0]))))


def _stacked(steps: Sequence[Steps], n: int) -> tuple[Any, Any, Any, Any]:
    """Steps of all criteria in one set of arrays, with the types the kernels are compiled for."""
    if not steps:
        steps = [constant(np.zeros(n, dtype=np.int8))]
    initial = np.empty((len(steps), n), dtype=np.int8)
    offsets = np.empty((len(steps), n + 1), dtype=np.int64)
    base = 0
    for c, step in enumerate(steps):
        initial[c] = step.initial
        offsets[c] = step.offsets + base
        base += len(step.time)
    time = np.concatenate([step.time for step in steps]).astype(np.int64, copy=False)
    value = np.concatenate([step.value for step in steps]).astype(np.int8, copy=False)
    return initial, offsets, time, value


@jit
def _rule_value(terms, rules, current, r):  # type: ignore[no-untyped-def]
    """Yes, no or unknown of one rule's terms, whatever its scope."""
    held = 0
    unknown = 0
    for k in range(rules[r, 1], rules[r, 2]):
        value = current[terms[k] >> 1]
        if value == UNKNOWN:
            unknown += 1
        elif (value == YES) != (terms[k] & 1 == 1):
            held += 1
    needed = rules[r, 3]
    if held >= needed:
        return YES
    if held + unknown < needed:
        return NO
    return UNKNOWN


@jit
def _in_scope(terms, rules, current, r):  # type: ignore[no-untyped-def]
    """Whether every term of a rule's scope holds; unknown does not match."""
    for k in range(rules[r, 0], rules[r, 1]):
        value = current[terms[k] >> 1]
        if value == UNKNOWN or (value == YES) == (terms[k] & 1 == 1):
            return False
    return True


@jit
def _verdict(terms, rules, current, first, end):  # type: ignore[no-untyped-def]
    """The rule that holds: of rules first..end the first in scope, if its value is yes; else -1."""
    for r in range(first, end):
        if _in_scope(terms, rules, current, r):
            return r if _rule_value(terms, rules, current, r) == YES else -1
    return -1


@jit
def _resolve(terms, rules, stages, initial, offsets, time, value, start, most):  # type: ignore[no-untyped-def]
    n_criteria, n = initial.shape
    n_stages = stages.shape[0]
    out_entity = np.empty(most, dtype=np.int32)
    out_stage = np.empty(most, dtype=np.int32)
    out_rule = np.empty(most, dtype=np.int32)
    out_start = np.empty(most, dtype=np.int64)
    out_end = np.empty(most, dtype=np.int64)
    m = 0
    at = np.empty(n_criteria, dtype=np.int64)
    current = np.empty(n_criteria, dtype=np.int8)
    latched = np.empty(n_stages, dtype=np.int32)  # the rule by which a stage with rules to stay was entered, or -1
    for e in range(n):
        now = start[e]
        for c in range(n_criteria):
            at[c] = offsets[c, e]
            current[c] = initial[c, e]
        for s in range(n_stages):
            latched[s] = -1
        stage = -1
        entered = now
        wake = FAR_FUTURE
        upcoming = FAR_PAST  # first round: everything up to the start of the history
        while True:
            if upcoming > now:
                now = upcoming
            # Apply every change of this instant, then evaluate once.
            upcoming = FAR_FUTURE
            for c in range(n_criteria):
                k = at[c]
                end = offsets[c, e + 1]
                while k < end and time[k] <= now:
                    current[c] = value[k]
                    k += 1
                at[c] = k
                if k < end and time[k] < upcoming:
                    upcoming = time[k]
            found = 0
            found_rule = -1
            for s in range(n_stages - 1, 0, -1):
                if found and stages[s, 1] == stages[s, 2]:
                    continue  # a higher stage applies and this one has no memory
                r = _verdict(terms, rules, current, stages[s, 0], stages[s, 1])
                if stages[s, 1] < stages[s, 2]:
                    if r < 0 and latched[s] >= 0 and _verdict(terms, rules, current, stages[s, 1], stages[s, 2]) >= 0:
                        r = latched[s]
                    latched[s] = r
                if r >= 0 and found == 0:
                    found = s
                    found_rule = r
            if found != stage:
                if stage > found and now - entered < stages[stage, 3]:
                    wake = entered + stages[stage, 3]  # falling back waits for the minimum stay
                else:
                    if m and out_entity[m - 1] == e:
                        out_end[m - 1] = now
                    out_entity[m] = e
                    out_stage[m] = found
                    out_rule[m] = found_rule
                    out_start[m] = now
                    out_end[m] = FAR_FUTURE
                    m += 1
                    stage = found
                    entered = now
                    wake = FAR_FUTURE
            else:
                wake = FAR_FUTURE
            if wake < upcoming:
                upcoming = wake
            if upcoming == FAR_FUTURE:
                break
    return out_entity[:m].copy(), out_stage[:m].copy(), out_rule[:m].copy(), out_start[:m].copy(), out_end[:m].copy()


@jit
def _rule_steps(terms, rules, initial, offsets, time, value):  # type: ignore[no-untyped-def]
    n_criteria, n = initial.shape
    first = np.empty(n, dtype=np.int8)
    out_offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(len(time), dtype=np.int64)
    out_value = np.empty(len(time), dtype=np.int8)
    m = 0
    at = np.empty(n_criteria, dtype=np.int64)
    current = np.empty(n_criteria, dtype=np.int8)
    for e in range(n):
        for c in range(n_criteria):
            at[c] = offsets[c, e]
            current[c] = initial[c, e]
        now = FAR_PAST
        last = -1
        while True:
            upcoming = FAR_FUTURE
            for c in range(n_criteria):
                k = at[c]
                end = offsets[c, e + 1]
                while k < end and time[k] <= now:
                    current[c] = value[k]
                    k += 1
                at[c] = k
                if k < end and time[k] < upcoming:
                    upcoming = time[k]
            held = _rule_value(terms, rules, current, 0) if _in_scope(terms, rules, current, 0) else UNKNOWN
            if last == -1:
                first[e] = held
                last = held
            elif held != last:
                out_time[m] = now
                out_value[m] = held
                m += 1
                last = held
            if upcoming == FAR_FUTURE:
                break
            now = upcoming
        out_offsets[e + 1] = m
    return first, out_offsets, out_time[:m].copy(), out_value[:m].copy()


@dataclass(frozen=True)
class Snapshot:
    """Every rule and stage of a journey at one instant, for each entity of a batch.

    rules: int8[rules, n], yes / no / unknown of each rule, 3 where its scope does not match. stage: int32[n], index of
    the stage by precedence alone (no minimum stay, no rules to stay).
    """

    rules: NDArray[np.int8]
    stage: Int32


OUT_OF_SCOPE = 3


def snapshot(program: Program, facts: Facts, instant: int, known: Mapping[Criterion, Steps] | None = None) -> Snapshot:
    """How many match right now: the same rules, evaluated at one instant (microseconds UTC)."""
    known = known or {}
    steps = [known.get(criterion) or criterion.steps(facts) for criterion in program.criteria]
    initial, offsets, time, value = _stacked(steps, len(facts))
    return Snapshot(*_snapshot(program.terms, program.rules, program.stages, initial, offsets, time, value, instant))


@jit
def _snapshot(terms, rules, stages, initial, offsets, time, value, instant):  # type: ignore[no-untyped-def]
    n_criteria, n = initial.shape
    out = np.empty((rules.shape[0], n), dtype=np.int8)
    stage = np.zeros(n, dtype=np.int32)
    current = np.empty(n_criteria, dtype=np.int8)
    for e in range(n):
        for c in range(n_criteria):
            low = offsets[c, e]
            k = low + np.searchsorted(time[low : offsets[c, e + 1]], instant, side="right")
            current[c] = initial[c, e] if k == low else value[k - 1]
        for r in range(rules.shape[0]):
            out[r, e] = _rule_value(terms, rules, current, r) if _in_scope(terms, rules, current, r) else OUT_OF_SCOPE
        for s in range(stages.shape[0] - 1, 0, -1):
            if _verdict(terms, rules, current, stages[s, 0], stages[s, 1]) >= 0:
                stage[e] = s
                break
    return out, stage


def values_at(steps: Steps, instant: int) -> NDArray[np.int8]:
    """int8[n]: yes, no or unknown of every entity at an instant (microseconds UTC)."""
    found: NDArray[np.int8] = _values_at(steps.initial, steps.offsets, steps.time, steps.value, instant)
    return found


@jit
def _values_at(initial, offsets, time, value, instant):  # type: ignore[no-untyped-def]
    out = np.empty(len(initial), dtype=np.int8)
    for e in range(len(initial)):
        low = offsets[e]
        k = low + np.searchsorted(time[low : offsets[e + 1]], instant, side="right")
        out[e] = initial[e] if k == low else value[k - 1]
    return out


def values_of(steps: Steps, entity: Int64s, instant: Int64s) -> NDArray[np.int8]:
    """int8[m]: yes, no or unknown of pairs of an entity and an instant (microseconds UTC)."""
    found: NDArray[np.int8] = _values_of(
        steps.initial, steps.offsets, steps.time, steps.value, entity.astype(np.int64), instant.astype(np.int64)
    )
    return found


@jit
def _values_of(initial, offsets, time, value, entity, instant):  # type: ignore[no-untyped-def]
    out = np.empty(len(entity), dtype=np.int8)
    for i in range(len(entity)):
        low = offsets[entity[i]]
        k = low + np.searchsorted(time[low : offsets[entity[i] + 1]], instant[i], side="right")
        out[i] = initial[entity[i]] if k == low else value[k - 1]
    return out
