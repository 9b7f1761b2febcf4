"""How much the beginning of each stay can be trusted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from journey.engine.deals import CUSTOMER_PERIODS, DEALS
from scoring.engine.activities import ACTIVITIES
from segmentation.engine.facts import Facts, Periods, Rows
from segmentation.engine.kinds.field import FIELDS
from segmentation.engine.kinds.flag import FLAGS
from segmentation.engine.kinds.target_list import TARGET_LISTS
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


def _fields_read(journey: JourneyRules) -> list[set[str]]:
    """For each rule the fields its verdict rests on: its own, and the scopes of rules that come before it."""
    read = []
    for stage in journey.stages:
        for group in (stage.enter, stage.stay):
            scopes: set[str] = set()
            for rule in group:
                scopes |= {key for term in rule.scope for key in term.criterion.fields()}
                read.append(scopes | {key for term in rule.terms for key in term.criterion.fields()})
    return read


def grades(journey: JourneyRules, facts: Facts, stays: Stays) -> NDArray[np.int16]:
    """int16[m]: exact where a dated fact lies at the start, derived where only time passed, assumed where the rule read
    a field before its recorded history, or the fact is dated only by when it was learnt."""
    best = np.zeros(len(stays), dtype=np.int8)  # 2: a dated fact, 1: an undated one

    def mark(rows: Rows, time: Int64s, value: Any = None) -> None:
        value = np.full(len(time), 2, dtype=np.int8) if value is None else value
        _mark(stays.entity, stays.start, rows.begin, rows.end, time, value, best)

    mark(facts.tables[ACTIVITIES].rows, facts.tables[ACTIVITIES].time)
    deals = facts.tables[DEALS]
    mark(deals.rows, deals.time, np.where(deals.dated, 2, 1).astype(np.int8))
    spans = [facts.tables[name][0] for name in (FLAGS, TARGET_LISTS) if name in facts.tables]
    spans += [facts.tables[CUSTOMER_PERIODS]] if CUSTOMER_PERIODS in facts.tables else []
    for span in spans:
        mark(*_boundaries(span))
    fields = facts.tables.get(FIELDS, {})
    for field in fields.values():
        mark(field.rows, field.time)
    grade = np.where(best == 2, EXACT, np.where(best == 1, ASSUMED, DERIVED)).astype(np.int16)
    for number, read in enumerate(_fields_read(journey)):
        if read:
            known_from = np.maximum.reduce([fields[key].known_from for key in sorted(read)])
            grade[(stays.rule == number) & (stays.start < known_from[stays.entity])] = ASSUMED
    first = np.flatnonzero(np.diff(stays.entity, prepend=-1))
    grade[first] = np.where(facts.start_assumed[stays.entity[first]], ASSUMED, EXACT)
    return grade
