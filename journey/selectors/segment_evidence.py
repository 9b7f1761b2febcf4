"""Which criteria of a segment's rule hold for accounts at a moment, and what each of them found, for many at once."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from journey.facts.loading import all_facts, load_facts
from journey.selectors.explanations import TermResult, instant_of, term_result
from journey.selectors.segments import closure, part_name, prepared, segments_needs
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import membership_steps
from segmentation.engine.params import one_look
from segmentation.engine.resolve import values_at
from segmentation.engine.rules import Term
from segmentation.engine.steps import UNKNOWN, YES, Int64s
from segmentation.models import Segment
from segmentation.selectors.segments import segment_rules, version_in_force, versions_in_force
from segmentation.services.snapshots import one_snapshot


@dataclass(frozen=True)
class RuleTerm:
    """A criterion of a segment. key: the same for the same criterion, whatever else the rule asks for."""

    key: str
    part: str
    term: Term


def segment_terms(segment: Segment) -> list[RuleTerm]:
    """The criteria of the rule in force, part by part. Raises RuleError."""
    version = version_in_force(segment)
    rules = segment_rules(version)
    found = []
    for part, rule in rules.parts.items():
        for stored, term in zip(version.rules[part]["criteria"], rule.terms, strict=True):
            text = json.dumps([stored["kind"], stored.get("params"), bool(stored.get("negate"))], sort_keys=True)
            found.append(RuleTerm(hashlib.sha256(text.encode()).hexdigest()[:10], part, term))
    return found


def criteria_held(segment: Segment, ids: Int64s, at: dt.datetime) -> dict[int, list[str]]:
    """Keys of the criteria that hold for each account at a moment, by its primary key."""
    instant, terms = instant_of(at), segment_terms(segment)
    found: dict[int, list[str]] = {}
    for facts in _batches(segment, ids, many=True):
        holds = []
        for one in terms:
            value = values_at(one.term.criterion.steps(facts), instant)
            holds.append((value != UNKNOWN) & ((value == YES) != one.term.negate))
        for place, pk in enumerate(facts.ids.tolist()):
            found[pk] = [one.key for one, held in zip(terms, holds, strict=True) if held[place]]
    return found


def criteria_measured(segment: Segment, ids: Sequence[int], at: dt.datetime) -> dict[int, list[dict[str, Any]]]:
    """Every criterion with its figure for a few accounts at a moment, in words, by primary key."""
    instant, terms = instant_of(at), segment_terms(segment)
    found: dict[int, list[dict[str, Any]]] = {}
    if not ids:
        return found
    with one_look():
        for facts in _batches(segment, np.array(sorted(ids), dtype=np.int64), many=False):
            steps = {one.term.criterion: one.term.criterion.steps(facts) for one in terms}
            for place, pk in enumerate(facts.ids.tolist()):
                results = [(one, term_result(one.term, facts, steps, instant, False, place)) for one in terms]
                found[pk] = [_shown(one, result) for one, result in results]
    return found


def _shown(one: RuleTerm, result: TermResult) -> dict[str, Any]:
    return {
        "key": one.key,
        "part": one.part,
        "part_name": part_name(one.part),
        "criterion": result.sentence,
        "held": result.held,
        "found": result.found,
    }


def _batches(segment: Segment, ids: Int64s, many: bool) -> Iterator[Facts]:
    """The facts of accounts with the memberships that the segment's rule may read. many: by way of the fact cache."""
    wanted = closure(versions_in_force(), [segment.key])
    needs = segments_needs(wanted).with_start()
    with one_snapshot() as connection:
        batches = (
            all_facts(connection, "account", needs, ids)
            if many
            else iter([load_facts(connection, "account", ids, needs)])
        )
        for facts in batches:
            facts = prepared(facts)
            membership_steps(wanted, facts)
            yield facts


__all__ = ["RuleTerm", "criteria_held", "criteria_measured", "segment_terms"]
