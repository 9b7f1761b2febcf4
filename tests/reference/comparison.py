"""Compares the engine with the reference on given histories, and makes a failing case small."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pprint import pformat
from typing import Any

import numpy as np

from scoring.engine.activities import with_weights
from segmentation.engine.criteria import Criterion as EngineCriterion
from segmentation.engine.criteria import make_criterion
from segmentation.engine.facts import Facts
from segmentation.engine.resolve import Stays, compile_journey, evaluate
from segmentation.engine.rules import JourneyRules, parse_journey
from segmentation.engine.steps import FAR_FUTURE, UNKNOWN, YES, Steps
from tests.reference.evaluator import Answer, Criterion, Reference, TooCloseError
from tests.reference.histories import DAY, History, facts_of


class Difference(AssertionError):  # noqa: N818 - it is a finding, raised to be reported
    """Engine and reference disagree."""


Rows = list[tuple[int, int, int, int]]  # stage, rule, start, end


def rows_of(stays: Stays, entity: int) -> Rows:
    """The stays of one entity."""
    chosen = np.flatnonzero(stays.entity == entity)
    return [(int(stays.stage[k]), int(stays.rule[k]), int(stays.start[k]), int(stays.end[k])) for k in chosen]


def engine_stays(histories: Sequence[History], document: Mapping[str, Any]) -> list[Rows]:
    """The stays of each history as the engine has them."""
    journey = parse_journey(document)
    stays = evaluate(compile_journey(journey), with_weights(facts_of(histories), journey.seniority_weights or {}))
    return [rows_of(stays, e) for e in range(len(histories))]


def stage_rows(history: History, document: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """The stays of one history as (stage key, day it began, counted from the start of the history).

    Compared with the reference on the way.
    """
    check([history], document)
    journey = parse_journey(document)
    return [
        (journey.stages[s].key, (start - history.start) / DAY)
        for s, _r, start, _e in engine_stays([history], document)[0]
    ]


def answer_of(value: int) -> Answer:
    return None if value == UNKNOWN else value == YES


def around(instants: Iterable[int]) -> set[int]:
    """The instants and a microsecond on either side."""
    return {t + d for t in instants for d in (-1, 0, 1)}


def check(histories: Sequence[History], document: Mapping[str, Any], measures: bool = True) -> int:
    """Raise Difference where the engine does not equal the reference. Returns how many were too close to call."""
    journey = parse_journey(document)
    facts = with_weights(facts_of(histories), journey.seniority_weights or {})
    program = compile_journey(journey)
    steps = {criterion: criterion.steps(facts) for criterion in program.criteria}
    stays = evaluate(program, facts, steps)
    documents = _criteria_of(document)
    too_close = 0
    for e, history in enumerate(histories):
        reference = Reference(history, document)
        try:
            for criterion, step in steps.items():
                check_steps(criterion, reference.criterion(documents[criterion.key]), step, facts, e, measures)
            check_stays(journey, reference, steps.values(), rows_of(stays, e), e)
        except TooCloseError:
            too_close += 1
    return too_close


def check_steps(
    criterion: EngineCriterion, reference: Criterion, steps: Steps, facts: Facts, entity: int, measures: bool
) -> None:
    """One criterion of one history: steps, and the measure where `measures`."""
    _initial, times, values = steps.of(entity)
    if not np.all(np.diff(times) > 0):
        raise Difference(f"{criterion.key}: the times of the steps do not increase: {times}")
    if np.any(np.diff(np.concatenate([[_initial], values])) == 0):
        raise Difference(f"{criterion.key}: a step changes nothing: {times} {values}")
    instants = sorted(around({*map(int, times), *reference.candidates(), reference.history.start}))
    for t in instants:
        expected, found = reference.at(t), answer_of(steps.at(entity, t))
        if expected is not found:
            raise Difference(f"{criterion.key} at {t}: the engine says {found}, the reference {expected}")
    if measures:
        for t in instants[:: max(1, len(instants) // 6)]:
            check_measure(criterion, reference, facts, entity, t)


def check_measure(criterion: EngineCriterion, reference: Criterion, facts: Facts, entity: int, instant: int) -> None:
    """The figures behind a verdict agree with it, and with the reference where it has them."""
    measure = criterion.measure(facts, entity, instant)
    holds = reference.at(instant) is True
    where = f"{criterion.key} measured at {instant}: {measure}"
    if (measure.gap == 0) is not holds or (measure.missing == "") is not holds:
        raise Difference(f"{where}, but the reference says {reference.at(instant)}")
    if not 0 <= measure.gap <= 1:
        raise Difference(f"{where}: the gap is no share")
    figure: float | None = None
    match criterion.kind:
        case "engaged_minutes":
            figure = reference.engaged_seconds(instant) / 60
        case "engaged_people":
            figure = reference.people(instant)
        case "activity_count" | "meeting_held":
            figure = reference.times(instant)
        case "engagement_score":
            figure = reference.score(instant)
        case "intent_surge":
            figure = reference.surge_figures(instant)[0]
    if figure is not None and (measure.value is None or abs(measure.value - figure) > 1e-9 * max(1, figure)):
        raise Difference(f"{where}: the reference has the figure {figure}")


def check_stays(journey: JourneyRules, reference: Reference, steps: Iterable[Steps], rows: Rows, entity: int) -> None:
    """The stays of one history: seamless, and equal to the reference at every instant that matters."""
    start = reference.history.start
    if not rows or rows[0][2] != start or rows[-1][3] != FAR_FUTURE:
        raise Difference(f"the stays do not reach from the start of the history to the end of time: {rows}")
    for one, other in itertools.pairwise(rows):
        if one[3] != other[2] or one[0] == other[0] or one[2] >= one[3]:
            raise Difference(f"the stays are not seamless or neighbours are equal: {rows}")
    points = {row[2] for row in rows} | {int(t) for step in steps for t in step.of(entity)[1]}
    walked = reference.walk(t for t in around({*points, *reference.candidates()}) if t >= start)
    at = 0
    for instant, stage, rule in walked:
        while rows[at][3] <= instant:
            at += 1
        if rows[at][:2] != (stage, rule):
            keys = [s.key for s in journey.stages]
            raise Difference(
                f"at {instant} the engine is in {keys[rows[at][0]]} by rule {rows[at][1]}, "
                f"the reference in {keys[stage]} by rule {rule}; engine: {rows}"
            )


def _criteria_of(document: Mapping[str, Any]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """The document of each criterion by the engine's key for it."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    rules = [r for s in document["stages"] for r in (*s.get("enter", ()), *s.get("stay", ()))]
    for rule, parsed in zip(rules, _parsed_rules(document), strict=True):
        for term, made in zip((*rule.get("scope", ()), *rule["criteria"]), (*parsed.scope, *parsed.terms), strict=True):
            found.setdefault(made.criterion.key, term)
    return found


def _parsed_rules(document: Mapping[str, Any]) -> list[Any]:
    by_key = {stage.key: stage for stage in parse_journey(document).stages}
    return [rule for s in document["stages"] for rule in (*by_key[s["key"]].enter, *by_key[s["key"]].stay)]


# --- Making a failing case small -----------------------------------------------------------------------------------

Case = tuple[History, Mapping[str, Any]]


def smallest(
    history: History, document: Mapping[str, Any], fails: Callable[[History, Mapping[str, Any]], bool]
) -> Case:
    """Leave out facts and rules one after the other as long as the case still fails."""
    case: Case = (history, document)
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(*case):
            if fails(*candidate):
                case, smaller = candidate, True
                break
    return case


def _smaller(history: History, document: Mapping[str, Any]) -> Iterator[Case]:
    for name in ("activities", "deals", "flags", "lists", "customer", "stages", "segments", "signals"):
        facts = getattr(history, name)
        for i in range(len(facts)):
            yield replace(history, **{name: facts[:i] + facts[i + 1 :]}), document
    for key, known in history.fields.items():
        yield replace(history, fields={k: v for k, v in history.fields.items() if k != key}), document
        for i in range(len(known.changes)):
            less = replace(known, changes=known.changes[:i] + known.changes[i + 1 :])
            yield replace(history, fields={**history.fields, key: less}), document
    for smaller in _smaller_documents(document):
        yield history, smaller


def _smaller_documents(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    stages = document["stages"]
    if document.get("seniority_weights"):
        yield {**document, "seniority_weights": {}}
    floor = min(stages, key=lambda s: s["precedence"])
    for i, stage in enumerate(stages):
        if len(stages) > 2 and stage is not floor:
            yield {**document, "stages": stages[:i] + stages[i + 1 :]}
        less: list[dict[str, Any]] = []
        if stage.get("min_stay_days"):
            less.append({**stage, "min_stay_days": 0})
        for purpose in ("enter", "stay"):
            rules = stage.get(purpose) or []
            for r, rule in enumerate(rules):
                if len(rules) > 1 or purpose == "stay":
                    less.append({**stage, purpose: rules[:r] + rules[r + 1 :]})
                less += [{**stage, purpose: [*rules[:r], small, *rules[r + 1 :]]} for small in _smaller_rules(rule)]
        for small in less:
            yield {**document, "stages": [*stages[:i], small, *stages[i + 1 :]]}


def _smaller_rules(rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if rule.get("scope"):
        yield {**rule, "scope": rule["scope"][1:]}
    terms = rule["criteria"]
    if len(terms) > 1:
        for i in range(len(terms)):
            most = len(terms) - 1
            at_least = rule.get("at_least")
            yield {
                **rule,
                "criteria": terms[:i] + terms[i + 1 :],
                **({"at_least": min(at_least, most)} if at_least else {}),
            }


def report(history: History, document: Mapping[str, Any]) -> str:
    """A case as text that can be pasted into a test."""
    return f"history = {pformat(history, width=110)}\njourney = {pformat(document, width=110, sort_dicts=False)}"


# --- One criterion, for tests that say who did what when -----------------------------------------------------------


def changes(history: History, kind: str, **params: Any) -> list[Any]:
    """The first answer, then (instant, answer) of every change. Compared with the reference on the way."""
    criterion, facts = make_criterion(kind, params), facts_of([history])
    steps = criterion.steps(facts)
    check_steps(criterion, Criterion(history, kind, params), steps, facts, 0, measures=True)
    initial, times, values = steps.of(0)
    return [answer_of(initial), *((int(t), answer_of(int(v))) for t, v in zip(times, values, strict=True))]
