"""How much the beginning of each stay can be trusted."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from journey.engine.deals import CUSTOMER_PERIODS, DEALS
from scoring.engine.activities import ACTIVITIES
from scoring.engine.intent import INTENT
from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts, Periods, Rows
from segmentation.engine.kinds.field import FIELDS
from segmentation.engine.kinds.flag import FLAGS
from segmentation.engine.kinds.icp_fit import ASSESSMENTS
from segmentation.engine.kinds.target_list import TARGET_LISTS
from segmentation.engine.memberships import SEGMENTS, Spans
from segmentation.engine.resolve import Stays, jit
from segmentation.engine.rules import JourneyRules
from segmentation.engine.steps import Int64s

EXACT, DERIVED, ASSUMED = 1, 2, 3


@jit
def _mark(entity, start, begin, end, time, value, out):  # type: ignore[no-untyped-def]
    """Set `out` to `value[k]` where a row k of the entity lies exactly at the start of the stay."""
    for i in range(len(entity)):
        low, high = begin[entity[i]], end[entity[i]]
        k = low + np.searchsorted(time[low:high], start[i], side="left")
        while k < high and time[k] == start[i]:
            out[i] = max(out[i], value[k])
            k += 1


def _boundaries(span: Periods) -> tuple[Rows, Int64s]:
    """Starts and ends of periods as one ordered list of instants for each entity."""
    counts = span.rows.end - span.rows.begin
    entity = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(entity)) + np.repeat(span.rows.begin - (np.cumsum(counts) - counts), counts)
    time = np.concatenate([span.start[row], span.end[row]])
    order = np.lexsort([time, np.concatenate([entity, entity])])
    ends = np.cumsum(2 * counts)
    return Rows(ends - 2 * counts, ends), time[order]


Evidence = list[tuple[Rows, Int64s, Any]]


def evidence(facts: Facts) -> Evidence:
    """Where facts lie: rows by entity, their instants, and for each 2 where it is dated, 1 where it is not."""
    found: Evidence = []

    def add(rows: Rows, time: Int64s, value: Any = None) -> None:
        found.append((rows, time, np.full(len(time), 2, dtype=np.int8) if value is None else value))

    if ACTIVITIES in facts.tables:
        add(facts.tables[ACTIVITIES].rows, facts.tables[ACTIVITIES].time)
    if INTENT in facts.tables:
        add(facts.tables[INTENT].rows, facts.tables[INTENT].time)
    if DEALS in facts.tables:
        deals = facts.tables[DEALS]
        add(deals.rows, deals.time, np.where(deals.dated, 2, 1).astype(np.int8))
    spans = [facts.tables[name][0] for name in (FLAGS, TARGET_LISTS) if name in facts.tables]
    spans += [facts.tables[CUSTOMER_PERIODS]] if CUSTOMER_PERIODS in facts.tables else []
    for span in spans:
        add(*_boundaries(span))
    for dated in [*facts.tables.get(FIELDS, {}).values(), *facts.tables.get(ASSESSMENTS, {}).values()]:
        add(dated.rows, dated.time)
    memberships = facts.tables.get(SEGMENTS)
    if memberships is not None and memberships.assumed is not None:
        periods = memberships.periods
        add(periods.rows, periods.start, memberships.assumed.astype(np.int8))
    return found


def trust(found: Evidence, entity: Any, start: Int64s) -> NDArray[np.int16]:
    """int16[m], how far instants of entities can be trusted by the facts that lie there."""
    best = np.zeros(len(start), dtype=np.int8)
    for rows, time, value in found:
        _mark(entity, start, rows.begin, rows.end, time, value, best)
    return np.where(best == 2, EXACT, np.where(best == 1, ASSUMED, DERIVED)).astype(np.int16)


def assumed(criteria: Iterable[Criterion], facts: Facts, entity: Any, start: Int64s) -> NDArray[np.bool_]:
    """bool[m], whether any of the criteria read a present value in place of a past one, for entities at instants."""
    found = np.zeros(len(start), dtype=np.bool_)
    for criterion in dict.fromkeys(criteria):
        found |= criterion.assumed(facts, entity, start)
    return found


def _criteria_read(journey: JourneyRules) -> list[list[Criterion]]:
    """For each rule what its verdict rests on: its own criteria, and the scopes of rules that come before it."""
    read = []
    for stage in journey.stages:
        for group in (stage.enter, stage.stay):
            scopes: list[Criterion] = []
            for rule in group:
                scopes += [term.criterion for term in rule.scope]
                read.append(scopes + [term.criterion for term in rule.terms])
    return read


def grades(journey: JourneyRules, facts: Facts, stays: Stays) -> NDArray[np.int16]:
    """int16[m]: exact where a dated fact lies at the start, derived where only time passed, assumed where the rule read
    a field, or the rank of a person, before its recorded history, or the fact is dated only by when it was learnt."""
    grade = trust(evidence(facts), stays.entity, stays.start)
    for number, read in enumerate(_criteria_read(journey)):
        rows = np.flatnonzero(stays.rule == number)
        grade[rows[assumed(read, facts, stays.entity[rows], stays.start[rows])]] = ASSUMED
    first = np.flatnonzero(np.diff(stays.entity, prepend=-1))
    grade[first] = np.where(facts.start_assumed[stays.entity[first]], ASSUMED, EXACT)
    return grade


def span_grades(spans: Spans, facts: Facts, found: Evidence, criteria: Iterable[Criterion]) -> NDArray[np.int16]:
    """int16[m]: the same for periods of membership. found: `evidence(facts)`. criteria: all the segment reads."""
    grade = trust(found, spans.entity, spans.start)
    guessed = assumed(criteria, facts, spans.entity, spans.start)
    grade[guessed] = ASSUMED
    # Unlike a stage, a membership at the beginning of a history rests on its criteria.
    first = spans.is_first
    grade[first] = np.where(facts.start_assumed[spans.entity[first]] | guessed[first], ASSUMED, EXACT)
    return grade
