"""Flags on the account."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import History, Period, day


def flags(*periods: tuple[str, float, float | None]) -> History:
    return History(
        flags=tuple(Period(key=k, start=day(a), end=None if b is None else day(b)) for k, a, b in periods),
    )


def test_a_flag_holds_from_its_start_until_its_end() -> None:
    history = flags(("disqualified", 2, 5))
    assert changes(history, "flag", flag="disqualified") == [False, (day(2), True), (day(5), False)]


def test_a_flag_without_end_holds_on() -> None:
    assert changes(flags(("disqualified", 2, None)), "flag", flag="disqualified") == [False, (day(2), True)]


def test_other_flags_do_not_count() -> None:
    assert changes(flags(("watched", 2, 5)), "flag", flag="disqualified") == [False]


def test_periods_that_touch_or_overlap_are_one() -> None:
    history = flags(("disqualified", 2, 5), ("disqualified", 5, 7), ("watched", 5, 20), ("disqualified", 6, 9))
    assert changes(history, "flag", flag="disqualified") == [False, (day(2), True), (day(9), False)]


def test_a_long_period_is_not_cut_by_a_short_one_inside() -> None:
    history = flags(("disqualified", 2, 9), ("disqualified", 3, 4))
    assert changes(history, "flag", flag="disqualified") == [False, (day(2), True), (day(9), False)]


def test_an_open_period_swallows_those_after() -> None:
    history = flags(("disqualified", 2, None), ("disqualified", 5, 7))
    assert changes(history, "flag", flag="disqualified") == [False, (day(2), True)]


def test_set_again_after_an_end_is_a_second_period() -> None:
    history = flags(("disqualified", 2, 3), ("disqualified", 6, 7))
    assert changes(history, "flag", flag="disqualified") == [
        False,
        (day(2), True),
        (day(3), False),
        (day(6), True),
        (day(7), False),
    ]


def test_unknown_flag_is_refused_with_a_suggestion() -> None:
    with pytest.raises(RuleError, match="disqualified") as caught:
        make_criterion("flag", {"flag": "disqualifed"})
    assert caught.value.code == "unknown_choice"
