"""Priority: weighted means of what is known; what is unknown is never counted as nothing."""

import pytest

from segmentation.engine.priority import priority, ranks

WEIGHTS = {"a": 20, "b": 10, "c": 10}


def test_contributions_sum_to_the_points():
    found = priority({"a": 80.0, "b": 40.0, "c": 0.0}, WEIGHTS)
    assert found.points == 50
    assert found.contributions == {"a": 40.0, "b": 10.0, "c": 0.0}
    assert (found.coverage, found.low, found.high) == (1.0, 50, 50)


def test_what_is_unknown_lowers_nothing_and_widens_the_range():
    found = priority({"a": 80.0, "b": 40.0, "c": None}, WEIGHTS)
    assert found.points == pytest.approx(2000 / 30)
    assert found.contributions["c"] is None
    assert sum(part for part in found.contributions.values() if part is not None) == pytest.approx(found.points)
    assert (found.coverage, found.low, found.high) == (0.75, 50, 75)


def test_a_place_needs_half_of_the_weight_known():
    half, less, none = (
        priority({"a": 10.0}, WEIGHTS),
        priority({"b": 100.0}, WEIGHTS),
        priority({}, WEIGHTS),
    )
    assert (half.is_ranked, less.is_ranked, none.is_ranked, none.points) == (True, False, False, None)
    assert ranks({"half": half, "less": less, "none": none}) == {"half": 1, "less": None, "none": None}


def test_equal_points_share_a_place_and_weight_nothing_counts_nothing():
    one, two, low = (priority({"a": score, "b": 0.0}, {"a": 1, "b": 0}) for score in (60.0, 60.0, 30.0))
    assert ranks({"one": one, "two": two, "low": low}) == {"one": 1, "two": 1, "low": 3}
    assert one.points == 60
