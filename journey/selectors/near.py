"""Near misses: what is missing for the next stage, for every account, the nearest first.

Everything comes from the explanation of a single account (`Explainer`), so the list says what the account's page says.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.errors import JourneyError
from journey.facts.loading import Needs, all_facts, weighted
from journey.facts.stays import funnel_order
from journey.models import JourneyVersion, Opportunity, Stage
from journey.selectors.explanations import TermResult, instant_of, missing_for
from journey.selectors.funnel_query import find_stage
from journey.selectors.versions import version_rules
from segmentation.engine.facts import Facts
from segmentation.engine.params import one_look
from segmentation.engine.resolve import Program, compile_journey, evaluate
from segmentation.engine.rules import JourneyRules, Rule, StageRules
from segmentation.engine.steps import UNKNOWN, YES, Steps
from segmentation.models import Account, Contact
from segmentation.services.snapshots import one_snapshot

MOST_MEASURED = 3_000  # of all candidates those with most criteria held; each takes about a millisecond
_MODELS: dict[str, Any] = {"account": Account, "contact": Contact, "opportunity": Opportunity}


@dataclass(frozen=True)
class NearMiss:
    """What one entity lacks for the next stage.

    gap: 0 to 1, the mean gap of the criteria that are still needed. missing: the criteria that do not hold, the nearest
    first, of which `needed` have to. text: the same in words.
    """

    id: int
    name: str
    external_id: str
    stage: str
    next: str
    rule: str
    gap: float
    needed: int
    missing: tuple[TermResult, ...]
    text: str


@dataclass(frozen=True)
class NearMisses:
    """The nearest first. candidates: how many could move on; measured: how many of them were looked at, those with most
    criteria held; out_of_scope: for how many no rule of the next stage is meant, who are in neither."""

    at: dt.datetime
    candidates: int
    measured: int
    out_of_scope: int
    entities: list[NearMiss]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Flat rows, for a table and CSV."""
        for entity in self.entities:
            yield {name: value for name, value in vars(entity).items() if name != "missing"}

    def as_dict(self) -> dict[str, Any]:
        """The form of `manage.py near --json` and of the API."""
        return {
            "at": self.at.isoformat(),
            "candidates": self.candidates,
            "measured": self.measured,
            "out_of_scope": self.out_of_scope,
            "accounts": [
                {**vars(entity), "missing": [term.as_dict() | {"gap": round(term.gap, 4)} for term in entity.missing]}
                for entity in self.entities
            ],
        }


@dataclass
class _Candidate:
    share: float
    facts: Facts
    steps: dict[Any, Steps]
    place: int
    stage: StageRules
    following: StageRules


def near_misses(
    version: JourneyVersion,
    at: dt.datetime,
    stage: str | None = None,
    accounts: QuerySet[Account] | None = None,
    most: int = 100,
) -> NearMisses:
    """What is missing for the next stage of the funnel, for everybody who is in one and has one.

    stage: only those whose next stage is this one. accounts: only these. Raises JourneyError for an unknown stage, or
    one nobody can be near to.
    """
    journey = version_rules(version)
    goal = None if stage is None else _goal(version, journey, stage)
    program = compile_journey(journey)
    instant = instant_of(at)
    only = None
    if accounts is not None:
        keys = list(accounts.values_list("pk", flat=True))
        rows = _MODELS[journey.unit].objects
        if journey.unit != "account":
            keys = list(rows.filter(account__in=keys).values_list("pk", flat=True))
        only = np.array(keys, dtype=np.int64)
    found: list[_Candidate] = []
    out_of_scope = 0
    with one_snapshot() as connection:
        for batch in all_facts(connection, journey.unit, Needs.of(journey), only):
            candidates, without = _candidates(journey, program, weighted(batch, journey), instant, goal)
            found += candidates
            out_of_scope += without
    found.sort(key=lambda candidate: -candidate.share)
    with one_look():
        measured = [_measured(one, instant) for one in found[:MOST_MEASURED]]
    measured.sort(key=lambda row: (row[0], row[1]))
    named = _MODELS[journey.unit].objects.in_bulk([pk for _gap, pk, *_rest in measured[:most]])
    return NearMisses(
        at=at,
        candidates=len(found),
        measured=len(measured),
        out_of_scope=out_of_scope,
        entities=[_miss(row, named.get(row[1])) for row in measured[:most]],
    )


def _goal(version: JourneyVersion, journey: JourneyRules, key: str) -> str:
    stages = funnel_order(list(Stage.objects.filter(version=version)))
    find_stage(stages, key, "stage")
    if key not in [stage.key for stage in journey.funnel()[1:]]:
        raise JourneyError(
            _("Nobody can be near the stage “%(value)s”: it is not the next stage of any other."),
            code="no_next_stage",
            field="stage",
            value=key,
            remedy=_("Use one of %(known)s."),
            params={"known": ", ".join(stage.key for stage in journey.funnel()[1:])},
        )
    return key


def _candidates(
    journey: JourneyRules, program: Program, facts: Facts, instant: int, goal: str | None
) -> tuple[list[_Candidate], int]:
    """Who of a batch has a next stage, with the share of its criteria that hold; and how many no rule is meant for."""
    steps = {criterion: criterion.steps(facts) for criterion in program.criteria}
    stays = evaluate(program, facts, steps)
    here = np.flatnonzero((stays.start <= instant) & (instant < stays.end))
    following = {
        number: next((s for s in journey.funnel() if (s.position or 0) > (stage.position or 0)), None)
        if stage.position is not None
        else None
        for number, stage in enumerate(journey.stages)
    }
    found, without = [], 0
    for row in here.tolist():
        number, place = int(stays.stage[row]), int(stays.entity[row])
        upcoming = following[number]
        if upcoming is None or (goal is not None and upcoming.key != goal):
            continue
        share = _share(upcoming, steps, place, instant)
        if share is None:
            without += 1
        else:
            found.append(_Candidate(share, facts, steps, place, journey.stages[number], upcoming))
    return found, without


def _share(stage: StageRules, steps: dict[Any, Steps], place: int, instant: int) -> float | None:
    """Of the criteria the rule meant for an entity needs, the share that hold; None where no rule is meant for it."""

    def holds(term: Any) -> bool:
        value = steps[term.criterion].at(place, instant)
        return value != UNKNOWN and (value == YES) != term.negate

    rule: Rule | None = next((rule for rule in stage.enter if all(holds(term) for term in rule.scope)), None)
    return None if rule is None else min(sum(holds(term) for term in rule.terms) / rule.needed, 1.0)


def _measured(one: _Candidate, instant: int) -> tuple[float, int, _Candidate, Rule | None, list[TermResult]]:
    rule, unmet, gap = missing_for(one.following, one.facts, one.steps, instant, evidence=False, place=one.place)
    return gap, int(one.facts.ids[one.place]), one, rule, unmet


def _miss(row: tuple[float, int, _Candidate, Rule | None, list[TermResult]], entity: Any) -> NearMiss:
    gap, pk, one, rule, unmet = row
    needed = max(rule.needed - (len(rule.terms) - len(unmet)), 0) if rule else 0
    return NearMiss(
        id=pk,
        name=str(entity or f"#{pk}"),
        external_id=(entity.external_id if entity else None) or "",
        stage=one.stage.key,
        next=one.following.key,
        rule=rule.name if rule else "",
        gap=round(gap, 4),
        needed=needed,
        missing=tuple(unmet),
        text=_words([term.missing or term.sentence for term in unmet], needed),
    )


def _words(parts: list[str], needed: int) -> str:
    if not parts:
        return _("Nothing: it moves on as soon as its minimum stay is over.")
    text = _(" and ").join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    if needed < len(parts):
        text = ngettext("%(n)s of these: ", "%(n)s of these: ", needed) % {"n": needed} + text
    return text
