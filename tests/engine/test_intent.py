"""Intent signals within a window, and surges above an account's own earlier ones."""

from fractions import Fraction

import numpy as np
import pytest

from scoring.engine.kinds.intent import IntentSignals, IntentSurge
from scoring.engine.surge import Surge
from tests.reference.comparison import check_steps
from tests.reference.evaluator import Criterion
from tests.reference.histories import DAY, History, Signal, day, facts_of


def changes(criterion, *signals):
    """Days at which the criterion changes, each with its new value; compared with the reference on the way."""
    history = History(signals=tuple(signals))
    facts = facts_of([history])
    steps = criterion.steps(facts)
    check_steps(criterion, Criterion(history, criterion.kind, criterion.values), steps, facts, 0, measures=True)
    _first, times, values = steps.of(0)
    return [((int(t) - day(0)) / DAY, int(value)) for t, value in zip(times, values, strict=True)]


def on(number, **more):
    return Signal(time=day(number), **more)


def test_counts_from_the_signal_until_exactly_the_end_of_the_window() -> None:
    assert changes(IntentSignals(times=2, window_days=10), on(1), on(3)) == [(3, 1), (11, 0)]


def test_a_row_counts_as_many_signals_as_it_stands_for() -> None:
    assert changes(IntentSignals(times=5, window_days=10), on(1, amount=4)) == []
    assert changes(IntentSignals(times=5, window_days=10), on(1, amount=5)) == [(1, 1), (11, 0)]


@pytest.mark.parametrize(
    ("limits", "counts"),
    [
        ({"topics": ["erp"]}, [(1, 1)]),
        ({"topic_kinds": ["competitor"]}, [(2, 1)]),
        ({"keywords": ["cloud erp"]}, [(3, 1)]),
        ({"origin": "own"}, [(4, 1)]),
        ({"min_strength": 60}, [(5, 1)]),
    ],
)
def test_every_limit_keeps_out_what_it_says(limits, counts) -> None:
    made = [on(1), on(2, topic="rival"), on(3, keyword="cloud erp"), on(4, own=True), on(5, strength=60)]
    if limits != {"topics": ["erp"]}:
        made[0] = on(1, strength=59)
    assert changes(IntentSignals(times=1, window_days=None, **limits), *made) == counts


def test_a_surge_begins_with_the_signal_that_makes_it_and_ends_when_it_has_left_the_recent_days() -> None:
    # Three signals where none were before: by chance in (7/63)^3 = 0.14 % of cases.
    assert changes(IntentSurge(), on(100), on(101), on(102)) == [(102, 1), (107, 0)]


def test_two_signals_are_too_few_whatever_was_before() -> None:
    assert changes(IntentSurge(), on(100), on(101)) == []


def test_what_an_account_always_does_is_no_surge_and_later_becomes_one_when_it_had_stopped() -> None:
    weekly = [on(7 * week, amount=3) for week in range(9)]
    # From the first week on: nothing was before. The second week ends it: three where three were to be expected.
    found = changes(IntentSurge(), *weekly)
    assert found == [(0, 1), (7, 0)]
    after_a_pause = [*weekly, on(200, amount=3)]
    assert changes(IntentSurge(), *after_a_pause) == [(0, 1), (7, 0), (200, 1), (207, 0)]


def test_the_rate_must_be_so_many_times_that_of_the_baseline() -> None:
    before = [on(week * 7, amount=40) for week in range(8)]
    # 40 a week before; 80 in the last week are twice as many.
    assert changes(IntentSurge(least=3, ratio=2), *before, on(56, amount=79))[-1][0] < 56
    assert (56, 1) in changes(IntentSurge(least=3, ratio=2), *before, on(56, amount=80))


def test_critical_numbers_are_those_of_the_binomial_distribution() -> None:
    """By the tail probabilities themselves, in exact fractions."""
    from math import comb

    for recent, baseline, chance in ((7, 56, Fraction(1, 100)), (1, 30, Fraction(1, 5)), (30, 7, Fraction(1, 1000))):
        surge = Surge(recent, baseline, 1, Fraction(1), chance)
        p = surge.share
        for n in (0, 1, 2, 5, 17, 60):
            tails = [sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(x, n + 1)) for x in range(n + 2)]
            assert surge.critical(n)[n] == next(x for x, tail in enumerate(tails) if tail <= chance)


def test_the_probability_is_the_one_of_the_textbook() -> None:
    """Binomial (10, 1/9): P(X >= 5) = 0.0026 (252 x 8^5 + 210 x 8^4 + 120 x 8^3 + 45 x 8^2 + 10 x 8 + 1 over 9^10)."""
    exact = (252 * 8**5 + 210 * 8**4 + 120 * 8**3 + 45 * 8**2 + 10 * 8 + 1) / 9**10
    assert Surge(7, 56, 3, Fraction(2), Fraction(1, 100)).probability(5, 5) == pytest.approx(exact, rel=1e-9)


def test_beyond_the_exact_table_the_normal_approximation_goes_on_where_it_ends() -> None:
    surge = Surge(7, 56, 3, Fraction(1), Fraction(1, 100))
    table = surge.critical(20_000)
    normal = float(surge.share) * 20_000 + surge.deviations * surge.spread * np.sqrt(20_000)
    assert abs(int(table[20_000]) - normal) < 2
    facts = facts_of([History(signals=(on(0, amount=20_000), on(60, amount=2_600), on(61, amount=30)))])
    criterion = IntentSurge(ratio=1)
    for number in (60, 61):
        assert criterion.steps(facts).at(0, day(number)) == (criterion.measure(facts, 0, day(number)).gap == 0)


def test_the_figures_are_said_in_words() -> None:
    facts = facts_of([History(signals=(on(60, amount=8), on(101, amount=12)))])
    assert IntentSurge().measure(facts, 0, day(102)).found == (
        "12 intent signals within 7 days where 1.0 were to be expected (8 in the 56 days before): 12.0 times, by chance"
        " in < 0.001 % of cases"
    )
