"""Near misses: what is missing for the next stage, for every account, the nearest first.

How far each one is, the criteria say for many at once (`Criterion.gaps`); in words it is the explanation of a single
account, so that the list says what the account's page says.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from numpy.typing import NDArray

from journey.errors import JourneyError
from journey.facts.loading import Needs, all_facts, weighted
from journey.facts.stays import funnel_order
from journey.models import Journey, JourneyVersion, Opportunity, Stage
from journey.selectors.explanations import TermResult, instant_of, missing_for
from journey.selectors.funnel_data import known_facts, no_history
from journey.selectors.funnel_query import FunnelQuery, find_stage, funnel_query
from journey.selectors.funnel_selection import select
from journey.selectors.versions import published_version, shown_version, version_rules
from segmentation.engine.facts import Facts
from segmentation.engine.params import one_look
from segmentation.engine.resolve import Program, compile_journey, evaluate, values_at
from segmentation.engine.rules import JourneyRules, Rule, StageRules, Term
from segmentation.engine.steps import UNKNOWN, YES, Int64s, Steps
from segmentation.models import Account, Contact
from segmentation.services.snapshots import one_snapshot

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
    """The nearest first. candidates: how many could move on; out_of_scope: for how many no rule of the next stage is
    meant, who are not among them."""

    at: dt.datetime
    candidates: int
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
            "out_of_scope": self.out_of_scope,
            "accounts": [
                {**vars(entity), "missing": [term.as_dict() | {"gap": round(term.gap, 4)} for term in entity.missing]}
                for entity in self.entities
            ],
        }


@dataclass(frozen=True)
class _Candidate:
    gap: float
    pk: int
    facts: Facts
    steps: Mapping[Any, Steps]
    place: int
    stage: StageRules
    following: StageRules


def near_query(
    *, journey: Journey, at: dt.datetime, version: JourneyVersion | None = None, **given: Any
) -> FunnelQuery:
    """Whom `near_misses` is asked about: a question without range, see `funnel_query` for what may be given.

    The day of a cohort is the moment itself unless given. Raises JourneyError as `funnel_query` does.
    """
    version = version or shown_version(journey) or published_version(journey)
    if version is None:
        raise no_history(None, journey.key)
    if given.get("list_mode") == "cohort" and given.get("cohort_at") is None:
        given["cohort_at"] = at
    return funnel_query(journey=journey, version=version, start=at - dt.timedelta(days=1), end=at, as_of=at, **given)


def near_misses(query: FunnelQuery, stage: str | None = None, most: int = 100) -> NearMisses:
    """What is missing for the next stage of the funnel, for everybody who is in one and has one, as of the question.

    Only those the question is about (list, filters, accounts) as of that moment; known_at: by the facts known then.
    stage: only those whose next stage is this one. most: so many are told in words. Raises JourneyError for an unknown
    stage, or one nobody can be near to.
    """
    version = query.version
    journey = version_rules(version)
    goal = None if stage is None else _goal(version, journey, stage)
    program = compile_journey(journey)
    instant = instant_of(query.as_of)
    only = _asked_about(query)
    found: list[_Candidate] = []
    candidates = out_of_scope = 0
    with _facts(query, journey, only) as batches:
        for batch in batches:
            near, count, without = _nearest(journey, program, weighted(batch, journey), instant, goal, most)
            found = sorted([*found, *near], key=lambda one: (one.gap, one.pk))[:most]
            candidates += count
            out_of_scope += without
    named = _MODELS[journey.unit].objects.in_bulk([one.pk for one in found])
    with one_look():
        entities = [_miss(one, instant, named.get(one.pk)) for one in found]
    return NearMisses(at=query.as_of, candidates=candidates, out_of_scope=out_of_scope, entities=entities)


def _asked_about(query: FunnelQuery) -> Int64s | None:
    """Primary keys of those the question is about, None for all."""
    if query.target_list is not None or query.where:
        chosen = select(query)
        table = chosen.data.table
        return table.entities[table.entity[chosen.here]]
    if query.accounts is None:
        return None
    unit = query.version.journey.unit
    keys = query.accounts.values_list("pk", flat=True)
    if unit != "account":
        keys = _MODELS[unit].objects.filter(account__in=list(keys)).values_list("pk", flat=True)
    return np.array(list(keys), dtype=np.int64)


@contextmanager
def _facts(query: FunnelQuery, journey: JourneyRules, only: Int64s | None) -> Iterator[Iterator[Facts]]:
    needs = Needs.of(journey)
    if query.known_at is None:
        with one_snapshot() as connection:
            yield all_facts(connection, journey.unit, needs, only)
        return
    with known_facts(needs, query.known_at, journey.unit, only) as (_connection, batches):
        yield batches


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


def _nearest(
    journey: JourneyRules, program: Program, facts: Facts, instant: int, goal: str | None, most: int
) -> tuple[list[_Candidate], int, int]:
    """Of a batch the nearest `most`, how many have a next stage, and how many more no rule of it is meant for."""
    steps = {criterion: criterion.steps(facts) for criterion in program.criteria}
    stays = evaluate(program, facts, steps)
    here = np.flatnonzero((stays.start <= instant) & (instant < stays.end))
    known: dict[Any, Any] = {}

    def verdict(term: Term) -> NDArray[np.int8]:
        if term.criterion not in known:
            known[term.criterion] = values_at(steps[term.criterion], instant)
        found: NDArray[np.int8] = known[term.criterion]
        return found

    def holds(term: Term, places: Int64s) -> NDArray[np.bool_]:
        value = verdict(term)[places]
        held: NDArray[np.bool_] = (value != UNKNOWN) & ((value == YES) != term.negate)
        return held

    near, count, without = [], 0, 0
    for number, stage in enumerate(journey.stages):
        following = _following(journey, stage)
        if following is None or (goal is not None and following.key != goal):
            continue
        places = np.asarray(stays.entity[here][stays.stage[here] == number], dtype=np.int64)
        for rule in following.enter:
            meant = np.ones(len(places), dtype=np.bool_)
            for term in rule.scope:
                meant &= holds(term, places)
            mine, places = places[meant], places[~meant]
            gap = _gaps(rule, [holds(term, mine) for term in rule.terms], facts, mine, instant)
            first = np.lexsort([facts.ids[mine], gap])[:most]
            near += [
                _Candidate(float(gap[k]), int(facts.ids[mine[k]]), facts, steps, int(mine[k]), stage, following)
                for k in first.tolist()
            ]
            count += len(mine)
        without += len(places)
    return near, count, without


def _following(journey: JourneyRules, stage: StageRules) -> StageRules | None:
    if stage.position is None:
        return None
    return next((s for s in journey.funnel() if (s.position or 0) > (stage.position or 0)), None)


def _gaps(
    rule: Rule, held: Sequence[NDArray[np.bool_]], facts: Facts, places: Int64s, instant: int
) -> NDArray[np.float64]:
    """float64[k], how far entities are from a rule: the mean gap of the criteria still needed, the nearest ones."""
    gaps = np.full((len(rule.terms), len(places)), np.inf)
    for row, term, holds in zip(gaps, rule.terms, held, strict=True):
        row[~holds] = 1.0 if term.negate else term.criterion.gaps(facts, places[~holds], instant)
    gaps.sort(axis=0)
    needed = np.maximum(rule.needed - np.sum(held, axis=0), 0)
    total = np.concatenate([np.zeros((1, len(places))), np.cumsum(gaps, axis=0)])
    return np.where(needed > 0, total[needed, np.arange(len(places))] / np.maximum(needed, 1), 0.0)


def _miss(one: _Candidate, instant: int, entity: Any) -> NearMiss:
    rule, unmet, gap = missing_for(one.following, one.facts, one.steps, instant, evidence=False, place=one.place)
    needed = max(rule.needed - (len(rule.terms) - len(unmet)), 0) if rule else 0
    return NearMiss(
        id=one.pk,
        name=str(entity or f"#{one.pk}"),
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
