"""Sums beyond 32 bits, long windows and long fading: nothing overflows and nothing drifts."""

import pytest

from scoring.engine.activities import with_weights
from segmentation.engine.criteria import make_criterion
from segmentation.engine.params import MAX_DAYS
from tests.reference.comparison import changes, check_steps
from tests.reference.evaluator import Criterion
from tests.reference.histories import DAY, Activity, History, day, facts_of


def test_weighted_seconds_beyond_32_bits_keep_counting() -> None:
    # 30,000,000 s at 1000 % are 300,000,000 s: the product with the per cents needs more than 32 bits.
    history = History(
        activities=tuple(Activity(time=day(n), seconds=30_000_000, contact=1, seniority="vp") for n in range(10))
    )
    params = {"minutes": 9_999_999.0, "window_days": None}
    criterion, facts = make_criterion("engaged_minutes", params), with_weights(facts_of([history]), {"vp": 1000})
    steps = criterion.steps(facts)
    check_steps(criterion, Criterion(history, "engaged_minutes", params, {"vp": 1000}), steps, facts, 0, measures=True)
    assert list(steps.time) == [day(1)]


def test_sum_of_seconds_beyond_32_bits() -> None:
    history = History(activities=tuple(Activity(time=day(n), seconds=2_000_000_000, contact=1) for n in range(4)))
    assert changes(history, "engaged_minutes", minutes=1e7, window_days=2) == [False, (day(0), True), (day(5), False)]
    people = changes(history, "engaged_people", people=1, minutes=1e7, window_days=2)
    assert people == [False, (day(0), True), (day(5), False)]


def test_the_longest_window_reaches_past_the_century() -> None:
    history = History(activities=(Activity(time=day(0)),), deals=())
    rows = [False, (day(0), True), (day(0) + MAX_DAYS * DAY, False)]
    assert changes(history, "activity_count", window_days=MAX_DAYS) == rows


def test_a_hundred_activities_in_one_second_and_thousands_in_a_year() -> None:
    crowd = tuple(Activity(time=day(0), seconds=1, contact=n) for n in range(100))
    assert changes(History(activities=crowd), "engaged_people", people=100) == [False, (day(0), True), (day(90), False)]
    assert changes(History(activities=crowd), "engaged_people", people=101) == [False]


@pytest.mark.parametrize("half_life", [0.01, 0.37, 30, 3650])
@pytest.mark.parametrize(("seconds", "score"), [(1, 0.01), (2_000_000_000, 0.01), (2_000_000_000, 1e7), (90, 1.49)])
def test_fading_of_tiny_and_huge_scores_ends_at_the_same_second(half_life: float, seconds: int, score: float) -> None:
    history = History(activities=(Activity(time=day(0), seconds=seconds), Activity(time=day(0.4), seconds=seconds)))
    rows = changes(history, "engagement_score", score=score, half_life_days=half_life)
    assert rows[1] == (day(0), True)
    assert rows[-1][1] is False
