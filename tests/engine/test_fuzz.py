"""The engine equals the reference on random histories and random journeys, at every change and a microsecond around it.

By default a sample; FUZZ_CASES=n asks for n cases and FUZZ_SEED=s for others, `pytest -m trust` runs the full number. A
case is one history under one journey.
"""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from journey.ready_made import JOURNEYS
from scoring.engine.activities import with_weights
from segmentation.engine.resolve import compile_journey, evaluate, rule_steps, values_at
from segmentation.engine.rules import parse_journey, parse_rule
from segmentation.engine.steps import NO
from tests.reference.comparison import (
    Difference,
    Rows,
    answer_of,
    around,
    check,
    check_steps,
    engine_stays,
    report,
    rows_of,
    smallest,
)
from tests.reference.evaluator import Criterion, Reference, TooCloseError, stage_at
from tests.reference.generators import KINDS, Dice
from tests.reference.histories import History, facts_of

SEED = int(os.environ.get("FUZZ_SEED", "1"))
CASES = int(os.environ.get("FUZZ_CASES", "1500"))
FULL = 10_000
BATCH = 10  # histories for each journey

Document = dict[str, Any]


def _fuzz(cases: int, seed: int) -> None:
    too_close = 0
    for number in range(-(-cases // BATCH)):
        dice = Dice(f"{seed}/{number}")
        document, histories = dice.journey(), dice.histories(BATCH)
        try:
            too_close += check(histories, document)
        except Difference as error:
            pytest.fail(_explained(histories, document, f"seed {seed}/{number}: {error}"))
    assert too_close <= cases / 50, "too many cases are decided by rounding; the generator should avoid them"


def _fails(history: History, document: Document) -> bool:
    try:
        check([history], document)
    except Difference:
        return True
    return False


def _explained(histories: Sequence[History], document: Document, what: str) -> str:
    """The smallest case that still differs, as text that can be pasted into a test."""
    for history in histories:
        if _fails(history, document):
            small = smallest(history, document, _fails)
            try:
                check([small[0]], small[1])
            except Difference as error:
                return f"{what}\n\nThe smallest such case: {error}\n{report(*small)}"
    return f"{what}\n\nOnly in a batch of {len(histories)} histories."


def test_engine_equals_reference() -> None:
    _fuzz(CASES, SEED)


@pytest.mark.trust
def test_engine_equals_reference_in_full() -> None:
    _fuzz(max(CASES, FULL), SEED + 1)


@pytest.mark.parametrize("key", sorted(JOURNEYS))
def test_ready_made_journeys_equal_the_reference(key: str) -> None:
    document = JOURNEYS[key][3]
    for number in range(8):
        histories = Dice(f"{SEED}/{key}/{number}").histories(BATCH)
        try:
            check(histories, document)
        except Difference as error:
            pytest.fail(_explained(histories, document, str(error)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_equals_the_reference_alone(kind: str) -> None:
    """One criterion of each kind, weighted or not; and random histories do make it hold and not hold."""
    seen = set()
    for number in range(40):
        dice = Dice(f"{SEED}/{kind}/{number}")
        term, histories = dice.criterion(kind), dice.histories(4)
        weights = {"vp": 150, "other": 50} if dice.chance(0.3) else {}
        criterion = parse_rule({"criteria": [term]}).terms[0].criterion
        facts = with_weights(facts_of(histories), weights)
        steps = criterion.steps(facts)
        for e, history in enumerate(histories):
            reference = Criterion(history, kind, term["params"], weights)
            try:
                check_steps(criterion, reference, steps, facts, e, measures=True)
            except TooCloseError:
                continue
            seen |= {answer_of(steps.at(e, t)) for t in around(reference.candidates())}
    assert {True, False} <= seen


@pytest.mark.parametrize("kind", KINDS)
def test_the_gaps_of_many_are_those_of_each(kind: str) -> None:
    """`gaps` says of those a criterion does not hold for what `measure` says of each; some are between 0 and 1 where
    the kind can be nearly met."""
    seen = set()
    for number in range(25):
        dice = Dice(f"{SEED}/gaps/{kind}/{number}")
        term, histories = dice.criterion(kind), dice.histories(4)
        criterion = parse_rule({"criteria": [term]}).terms[0].criterion
        facts = with_weights(facts_of(histories), {"vp": 150, "other": 50} if dice.chance(0.3) else {})
        steps = criterion.steps(facts)
        for instant in around(int(t) for t in steps.time[:20]) | {int(t) for t in facts.start}:
            unmet = np.flatnonzero(values_at(steps, instant) == NO)
            gaps = criterion.gaps(facts, unmet, instant)
            assert gaps.tolist() == [criterion.measure(facts, e, instant).gap for e in unmet.tolist()]
            seen |= set(gaps.tolist())
    assert criterion.is_gradual == any(0 < gap < 1 for gap in seen)


def _worlds(name: str, number: int) -> Iterator[tuple[Dice, Document, list[History]]]:
    for i in range(number):
        dice = Dice(f"{SEED}/{name}/{i}")
        yield dice, dice.journey(), dice.histories(BATCH)


def _arranged_stays(histories: Sequence[History], document: Document, rng: random.Random) -> list[Rows]:
    journey = parse_journey(document)
    facts = with_weights(facts_of(histories, rng), journey.seniority_weights or {})
    stays = evaluate(compile_journey(journey), facts)
    return [rows_of(stays, e) for e in range(len(histories))]


def test_the_order_in_which_facts_arrive_changes_nothing() -> None:
    for dice, document, histories in _worlds("order", 40):
        assert _arranged_stays(histories, document, dice.rng) == engine_stays(histories, document)


def test_many_at_once_equal_one_by_one() -> None:
    for _dice, document, histories in _worlds("batch", 15):
        together = engine_stays(histories, document)
        assert together == [engine_stays([history], document)[0] for history in histories]
        assert together[::-1] == engine_stays(histories[::-1], document)


def test_what_happens_later_never_changes_the_stage_before() -> None:
    for dice, document, histories in _worlds("later", 40):
        for history in histories[:4]:
            now = dice.time()
            if now > history.start:
                known = _until(history, now)
                assert _before(engine_stays([known], document)[0], now) == _before(
                    engine_stays([history], document)[0], now
                )


def _until(history: History, now: int) -> History:
    """The history as it was before an instant: later facts do not exist, periods in force have no end yet."""

    def begun(periods: Any) -> Any:
        earlier = (p for p in periods if p.start < now)
        return tuple(replace(p, end=None) if p.end is not None and p.end >= now else p for p in earlier)

    return replace(
        history,
        activities=tuple(a for a in history.activities if a.time < now),
        deals=tuple(c for c in history.deals if c.time < now),
        fields={
            name: replace(known, changes=tuple((t, v) for t, v in known.changes if t < now))
            for name, known in history.fields.items()
        },
        flags=begun(history.flags),
        customer=begun(history.customer),
        stages=begun(history.stages),
    )


def _before(rows: Rows, now: int) -> Rows:
    return [(stage, rule, start, min(end, now)) for stage, rule, start, end in rows if start < now]


def test_a_fact_told_twice_as_a_field_or_flag_changes_nothing() -> None:
    for _dice, document, histories in _worlds("twice", 20):
        twice = [
            replace(
                history,
                flags=history.flags * 2,
                customer=history.customer * 2,
                fields={
                    name: replace(known, changes=tuple(c for change in known.changes for c in (change, change)))
                    for name, known in history.fields.items()
                },
            )
            for history in histories
        ]
        assert engine_stays(twice, document) == engine_stays(histories, document)


def test_a_rule_that_stands_alone_equals_the_reference() -> None:
    for dice, _document, histories in _worlds("alone", 60):
        rule = dice.rule([dice.criterion() for _ in range(4)])
        document = {"stages": [{"key": "a", "precedence": 0}, {"key": "b", "precedence": 1, "enter": [rule]}]}
        steps = rule_steps(parse_rule(rule), facts_of(histories))
        for e, history in enumerate(histories):
            reference = Reference(history, document)
            try:
                for t in around(reference.candidates()):
                    expected = reference.rule_at(rule, t) if reference.in_scope(rule, t) else None
                    assert answer_of(steps.at(e, t)) is expected
            except TooCloseError:
                continue
            _initial, times, _values = steps.of(e)
            assert np.all(np.diff(times) > 0)


def test_steps_already_known_give_the_same_stays() -> None:
    for _dice, document, histories in _worlds("known", 10):
        journey = parse_journey(document)
        program = compile_journey(journey)
        facts = with_weights(facts_of(histories), journey.seniority_weights or {})
        known = {c: c.steps(facts) for c in program.criteria[::2]}
        one, other = evaluate(program, facts), evaluate(program, facts, known)
        for field in fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name))


def test_reference_looks_at_one_instant_from_scratch() -> None:
    """The walk over all instants gives at each what it gives when asked for that instant alone."""
    for _dice, document, histories in _worlds("instant", 6):
        journey = parse_journey(document)
        for history, rows in zip(histories[:2], engine_stays(histories[:2], document), strict=True):
            for stage, _rule, start, end in rows:
                try:
                    assert stage_at(history, document, start) == journey.stages[stage].key
                    assert stage_at(history, document, min(end, start + 10**15) - 1) == journey.stages[stage].key
                except TooCloseError:
                    continue
