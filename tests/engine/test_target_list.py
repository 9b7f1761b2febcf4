"""Membership of a target account list."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import History, Period, day


def lists(*periods: tuple[str, str, float, float | None]) -> History:
    return History(
        lists=tuple(
            Period(key=(key, state), start=day(a), end=None if b is None else day(b)) for key, state, a, b in periods
        ),
    )


HISTORY = lists(
    ("named", "proposed", 1, 2), ("named", "active", 2, 5), ("named", "recycling", 5, 7), ("named", "removed", 7, None)
)


def test_active_and_recycling_are_one_membership_by_default() -> None:
    assert changes(HISTORY, "list", list="named") == [False, (day(2), True), (day(7), False)]


def test_chosen_states_alone_count() -> None:
    assert changes(HISTORY, "list", list="named", states=["active"]) == [False, (day(2), True), (day(5), False)]
    assert changes(HISTORY, "list", list="named", states=["proposed", "active"]) == [
        False,
        (day(1), True),
        (day(5), False),
    ]
    assert changes(HISTORY, "list", list="named", states=["removed"]) == [False, (day(7), True)]


def test_other_lists_do_not_count() -> None:
    assert changes(HISTORY, "list", list="newcomers") == [False]


def test_an_account_may_come_back() -> None:
    history = lists(("named", "active", 2, 3), ("named", "removed", 3, 6), ("named", "active", 6, None))
    assert changes(history, "list", list="named") == [False, (day(2), True), (day(3), False), (day(6), True)]


def test_an_account_without_memberships_is_on_no_list() -> None:
    assert changes(History(), "list", list="named") == [False]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "missing_parameter"),
        ({"list": "nmed"}, "unknown_choice"),
        ({"list": "named", "states": ["aktive"]}, "unknown_choice"),
        ({"list": "named", "states": []}, "empty"),
    ],
)
def test_bad_parameters_are_refused(params: dict[str, object], code: str) -> None:
    with pytest.raises(RuleError) as caught:
        make_criterion("list", params)
    assert caught.value.code == code


def test_the_sentence_names_states_only_if_they_are_not_the_usual_ones() -> None:
    assert make_criterion("list", {"list": "named"}).sentence() == "on the list “named”"
    assert (
        make_criterion("list", {"list": "named", "states": ["proposed"]}).sentence()
        == "on the list “named” as proposed"
    )
