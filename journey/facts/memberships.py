"""Memberships of segments evaluated together: what they read, and the periods that follow from facts."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from journey.engine.grading import ASSUMED, evidence, span_grades
from journey.facts.loading import Needs
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import (
    SEGMENTS,
    SegmentRules,
    Spans,
    criteria_read,
    membership_steps,
    nobody,
    spans,
)
from segmentation.facts.segments import MembershipRows


def segment_needs(segments: list[SegmentRules]) -> Needs:
    """What segments evaluated together read; memberships of each other are computed, not read."""
    needs = Needs.of_criteria(criterion for segment in segments for criterion in segment.criteria())
    return replace(needs, tables=needs.tables - {SEGMENTS}, segments=())


def computed_together(facts: Facts) -> Facts:
    """The facts with an empty table of memberships, which segments fill for each other."""
    return replace(facts, tables={**facts.tables, SEGMENTS: nobody(len(facts))})


def evaluated_segments(segments: list[SegmentRules], written: set[str], facts: Facts) -> list[tuple[str, Spans, Any]]:
    """Key, periods and trust grades of each of the `written` segments."""
    facts = computed_together(facts)
    steps = membership_steps(segments, facts)
    found, by_key = evidence(facts), {segment.key: segment for segment in segments}
    result = []
    for segment in segments:
        if segment.key in written:
            periods = spans(steps[segment.key], facts.start)
            criteria = criteria_read(segment, by_key)
            result.append((segment.key, periods, span_grades(periods, facts, found, criteria)))
    return result


def membership_rows(segments: list[SegmentRules], keys: set[str], batches: Iterable[Facts]) -> MembershipRows:
    """The periods of accounts in the segments `keys` that follow from facts. segments: with all they read, in order."""
    names = tuple(sorted(keys & {segment.key for segment in segments}))
    none = np.empty(0, dtype=np.int64)
    parts: list[tuple[Any, ...]] = [(none, none, none.astype(np.int8), none, none, none.astype(np.bool_))]
    for facts in batches:
        for key, found, grades in evaluated_segments(segments, set(names), facts):
            number = np.full(len(found), names.index(key), dtype=np.int64)
            owner = facts.accounts[found.entity]
            parts.append((owner, number, found.state, found.start, found.end, grades == ASSUMED))
    return MembershipRows(names, *(np.concatenate(column) for column in zip(*parts, strict=True)))
