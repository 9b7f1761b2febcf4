"""Engaged minutes that fade by half-lives."""

import math

import pytest

from segmentation.engine.criteria import make_criterion
from tests.reference.comparison import changes
from tests.reference.evaluator import Criterion
from tests.reference.histories import SECOND, Activity, History, day, facts_of


def minutes(at: float, number: float, micro: int = 0) -> Activity:
    return Activity(time=day(at, micro), seconds=round(number * 60))


def test_after_one_half_life_half_is_left_and_after_two_a_quarter() -> None:
    facts = facts_of([History(activities=(minutes(0, 8),))])
    criterion = make_criterion("engagement_score", {"score": 1, "half_life_days": 7})
    assert [criterion.measure(facts, 0, day(d)).value for d in (0, 7, 14, 21)] == [8, 4, 2, 1]


def test_at_least_holds_through_the_second_of_the_exact_half_and_no_longer() -> None:
    history = History(activities=(minutes(0, 2),))
    rows = [False, (day(0), True), (day(1) + SECOND, False)]
    assert changes(history, "engagement_score", score=1, half_life_days=1) == rows


def test_more_than_ends_at_the_second_of_the_exact_half() -> None:
    history = History(activities=(minutes(0, 2),))
    rows = [False, (day(0), True), (day(1), False)]
    assert changes(history, "engagement_score", score=1, half_life_days=1, comparator=">") == rows


def test_exactly_the_score_is_not_more_and_something_is_missing() -> None:
    history = History(activities=(minutes(0, 4.1),))
    assert changes(history, "engagement_score", score=4.1, comparator=">") == [False]
    assert changes(history, "engagement_score", score=4.1)[1] == (day(0), True)
    measure = make_criterion("engagement_score", {"score": 4.1, "comparator": ">"}).measure(
        facts_of([history]), 0, day(0)
    )
    assert measure.gap > 0
    assert measure.missing


def test_two_that_fade_add_up_and_cross_at_the_first_whole_second_below() -> None:
    history = History(activities=(minutes(0, 3), minutes(1, 2)))
    rows = changes(history, "engagement_score", score=3, half_life_days=3)
    assert rows[:3] == [False, (day(0), True), (day(0) + SECOND, False)]
    assert rows[3] == (day(1), True)
    fallen = rows[4][0]
    # 3 x 2^(-t/3) + 2 x 2^(-(t - 1)/3) = 3, solved for t in days
    crossing = 3 * math.log2((3 + 2 * 2 ** (1 / 3)) / 3)
    assert fallen % SECOND == 0
    assert fallen == day(0) + math.ceil(crossing * 86_400) * SECOND


@pytest.mark.parametrize("half_life", [0.01, 0.3, 1, 21.74, 30, 3650])
def test_crossing_is_the_first_second_below_by_the_reference(half_life: float) -> None:
    history = History(activities=(minutes(0, 10), minutes(0.25, 7), minutes(2, 1)))
    params = {"score": 0.7, "half_life_days": half_life}
    reference = Criterion(history, "engagement_score", params)
    for instant, answer in changes(history, "engagement_score", **params)[1:]:
        if not answer:
            assert instant % SECOND == 0
            assert reference.score(instant) < 0.7 <= reference.score(instant - SECOND)


def test_ages_count_in_whole_seconds() -> None:
    # At half past a second: counts from then on, and falls at whole seconds of the clock.
    history = History(activities=(minutes(0, 2, micro=500_000),))
    rows = changes(history, "engagement_score", score=1, half_life_days=1)
    assert rows == [False, (day(0, 500_000), True), (day(1) + SECOND, False)]


def test_a_whole_half_life_later_the_same_again_keeps_one_and_a_half() -> None:
    history = History(activities=(minutes(0, 2), minutes(1, 2)))
    facts = facts_of([history])
    criterion = make_criterion("engagement_score", {"score": 3, "half_life_days": 1})
    assert criterion.measure(facts, 0, day(1)).value == 3
    assert changes(history, "engagement_score", score=3, half_life_days=1) == [
        False,
        (day(1), True),
        (day(1) + SECOND, False),
    ]
