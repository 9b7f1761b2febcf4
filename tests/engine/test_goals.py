"""Goals: progress, expectation, forecast and status, from events counted by hand."""

import numpy as np
import pytest

from journey.engine.metrics.goals import (
    BEHIND,
    MISSED,
    ON_TRACK,
    PLANNED,
    REACHED,
    Aim,
    Events,
    course,
    forecast,
    progress,
)
from journey.engine.metrics.table import DAY


def events(*pairs):
    """Events at days, with amounts."""
    return Events.of(
        np.array([round(day * DAY) for day, _amount in pairs], dtype=np.int64),
        np.array([amount for _day, amount in pairs], dtype=np.float64),
    )


def amount(start=100, end=200, target=1000.0, baseline=800.0):
    return Aim(start * DAY, end * DAY, baseline, target, is_level=False)


def level(start=100, end=200, target=1250.0, baseline=1000.0):
    return Aim(start * DAY, end * DAY, baseline, target, is_level=True)


def test_an_amount_is_counted_from_nothing_and_expected_on_a_straight_line():
    found = progress(amount(), events((99, 500), (100, 100), (130, 200), (151, 900)), 150 * DAY)
    assert (found.counted, found.value, found.expected, found.progress) == (300, 300, 500, 0.3)
    assert found.status == BEHIND


def test_a_level_is_what_the_period_comes_to_if_its_rest_goes_as_the_baseline():
    found = progress(level(), events((110, 400), (140, 150)), 150 * DAY)
    # 550 counted, and half of the baseline of 1000 for the half to come.
    assert (found.counted, found.value, found.expected) == (550, 1050, 1125)
    assert (found.progress, found.status) == (0.2, BEHIND)
    more = progress(level(), events((110, 400), (140, 225)), 150 * DAY)
    assert (more.value, more.status) == (1125, ON_TRACK)  # exactly as expected


def test_an_event_at_the_moment_is_known_one_at_the_end_is_not_counted():
    assert progress(amount(), events((150, 7)), 150 * DAY).counted == 7
    assert progress(amount(), events((150, 7)), 150 * DAY - 1).counted == 0
    assert progress(amount(), events((200, 7)), 300 * DAY).counted == 0


def test_reached_with_the_event_that_did_it_and_missed_only_when_it_is_over():
    found = progress(amount(), events((110, 600), (120, 400), (130, 5)), 150 * DAY)
    assert (found.status, found.reached_at) == (REACHED, 120 * DAY)
    short = events((110, 999.99))
    assert progress(amount(), short, 200 * DAY - 1).status == BEHIND
    assert progress(amount(), short, 200 * DAY).status == MISSED
    assert progress(amount(), events((110, 1000)), 500 * DAY).status == REACHED


def test_before_the_start_only_the_way_is_known():
    found = progress(level(), events((50, 10)), 100 * DAY - 1)
    assert (found.status, found.counted, found.value, found.forecast, found.expected) == (
        PLANNED, None, None, None, 1000,
    )  # fmt: skip


def test_the_forecast_goes_on_at_the_mean_pace():
    # 10 a day for 50 of 100 days, the same every week: no spread.
    daily = events(*((100 + n, 10) for n in range(50)))
    found = forecast(amount(), daily, 150 * DAY - 1)
    assert found.value == pytest.approx(1000)
    assert (found.low, found.high) == pytest.approx((1000, 1000))


def test_the_range_of_the_forecast_grows_with_the_spread_of_the_weeks():
    # Four whole weeks with 0, 20, 0, 20: mean 10, standard deviation 11.547; 28 of 56 days are left, r = n = 4.
    found = forecast(amount(0, 56), events((7, 10), (8, 10), (21, 10), (22, 10)), 28 * DAY - 1)
    assert found.value == pytest.approx(80)
    assert found.high - found.value == pytest.approx(1.2815515655 * 11.5470053838 * 8**0.5)
    assert found.low == pytest.approx(max(40, 80 - 1.2815515655 * 11.5470053838 * 8**0.5))


@pytest.mark.parametrize(
    ("found", "as_of"),
    [
        (events(*((100 + n, 10) for n in range(13))), 113),  # thirteen days
        (events((101, 5), (110, 5)), 150),  # two events
    ],
)
def test_too_little_to_tell_gives_no_forecast(found, as_of):
    assert forecast(amount(), found, as_of * DAY) is None


def test_between_two_and_four_weeks_there_is_no_range():
    found = forecast(amount(), events(*((100 + n, 10) for n in range(20))), 120 * DAY - 1)
    assert (found.low, found.high) == (None, None)


def test_at_the_end_the_forecast_is_what_was_counted():
    assert forecast(amount(), events((110, 7)), 200 * DAY).value == 7


def test_the_course_begins_at_the_origin_and_ends_at_the_moment():
    points = course(level(), events((110, 400), (140, 150)), 150 * DAY, most=10)
    assert len(points) == 11
    assert points[0] == {"at": 100 * DAY, "value": 1000.0, "expected": 1000.0}
    assert points[-1] == {"at": 150 * DAY, "value": 1050.0, "expected": 1125.0}
    assert course(level(), events(), 99 * DAY) == []
    assert course(level(), events(), 900 * DAY)[-1]["at"] == 200 * DAY
