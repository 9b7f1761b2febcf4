"""The engine equals the reference on random histories and random journeys, at every change and a microsecond around it.

By default a sample; FUZZ_CASES=n asks for n cases, FUZZ_SEED=s for others; `pytest -m trust` runs the full number.
"""

import os
import random
from dataclasses import replace

import pytest

from segmentation.engine.resolve import compile_journey, evaluate, rule_steps
from segmentation.engine.rules import parse_journey
from scoring.engine.activities import with_weights
from tests.reference.comparison import (
    Difference,
    answer_of,
    around,
    check,
    check_steps,
    engine_stays,
    report,
    rows_of,
    smallest,
)
from tests.reference.evaluator import Criterion, Reference, TooCloseError
from tests.reference.generators import KINDS, Dice
from tests.reference.histories import History, facts_of

SEED = int(os.environ.get("FUZZ_SEED", "1"))
CASES = int(os.environ.get("FUZZ_CASES", "1500"))
FULL = 10_000
BATCH = 10  # histories for each journey


def _fuzz(cases: int, seed: int) -> None:
    too_close = 0
    for number in range(-(-cases // BATCH)):
        dice = Dice(f"{seed}/{number}")
        document, histories = dice.journey(), dice.histories(BATCH)
        try:
            too_close += check(histories, document)
        except Exception as error:
            pytest.fail(_explained(histories, document, f"seed {seed}/{number}: {error!r}"))
    assert too_close <= cases / 50, "too many cases are decided by rounding; the generator should avoid them"


def _fails(history: History, document: object) -> bool:
    try:
        check([history], document)  # type: ignore[arg-type]
    except Difference:
        return True
    return False


def _explained(histories: list[History], document: dict, what: str) -> str:  # type: ignore[type-arg]
    for history in histories:
        if _fails(history, document):
            small = smallest(history, document, _fails)
            try:
                check([small[0]], small[1])
            except Exception as error:
                return f"{what}\n{error}\n{report(*small)}"
    return f"{what}\nonly in a batch of {len(histories)} histories\n{report(histories[0], document)}"


def test_engine_equals_reference() -> None:
    _fuzz(CASES, SEED)


@pytest.mark.trust
def test_engine_equals_reference_in_full() -> None:
    _fuzz(max(CASES, FULL), SEED + 1)
