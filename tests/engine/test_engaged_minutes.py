"""Engaged minutes in a rolling window."""

import pytest

from scoring.engine.activities import with_weights
from segmentation.engine.criteria import make_criterion
from tests.reference.comparison import changes, stage_rows
from tests.reference.histories import Activity, History, day, facts_of


def minutes(at: float, number: float, **more: object) -> Activity:
    return Activity(time=day(at), seconds=round(number * 60), **more)  # type: ignore[arg-type]


def test_window_begins_with_the_activity_and_ends_exactly_at_its_length() -> None:
    history = History(activities=(minutes(1, 61),))
    assert changes(history, "engaged_minutes", minutes=60, window_days=90) == [False, (day(1), True), (day(91), False)]


def test_more_than_sixty_minutes_at_the_limit() -> None:
    assert changes(History(activities=(minutes(1, 60),)), "engaged_minutes", minutes=60) == [False]


def test_more_than_sixty_minutes_one_second_above() -> None:
    history = History(activities=(Activity(time=day(1), seconds=3601),))
    assert changes(history, "engaged_minutes", minutes=60) == [False, (day(1), True), (day(91), False)]


def test_at_least_sixty_minutes_at_the_limit() -> None:
    history = History(activities=(minutes(1, 60),))
    rows = [False, (day(1), True), (day(91), False)]
    assert changes(history, "engaged_minutes", minutes=60, comparator=">=") == rows


def test_at_least_sixty_minutes_one_second_below() -> None:
    history = History(activities=(Activity(time=day(1), seconds=3599),))
    assert changes(history, "engaged_minutes", minutes=60, comparator=">=") == [False]


@pytest.mark.parametrize(("number", "seconds"), [(4.1, 246), (0.35, 21), (1.15, 69), (2.3, 138), (66.1, 3966)])
def test_decimal_minutes_are_the_seconds_a_person_means(number: float, seconds: int) -> None:
    history = History(activities=(Activity(time=day(1), seconds=seconds),))
    assert changes(history, "engaged_minutes", minutes=number) == [False]
    at_least = changes(history, "engaged_minutes", minutes=number, comparator=">=")
    assert at_least == [False, (day(1), True), (day(91), False)]


def test_what_leaves_at_the_instant_something_enters_leaves_no_gap() -> None:
    history = History(activities=(minutes(0, 10), minutes(5, 10)))
    rows = [False, (day(0), True), (day(10), False)]
    assert changes(history, "engaged_minutes", minutes=5, window_days=5) == rows


def test_window_that_ends_a_microsecond_before_the_next_activity_leaves_a_gap() -> None:
    history = History(activities=(minutes(0, 10), Activity(time=day(5, micro=1), seconds=600)))
    assert changes(history, "engaged_minutes", minutes=5, window_days=5) == [
        False,
        (day(0), True),
        (day(5), False),
        (day(5, micro=1), True),
        (day(10, micro=1), False),
    ]


def test_activities_of_one_instant_count_together() -> None:
    history = History(activities=tuple(minutes(1, 20) for _ in range(4)))
    assert changes(history, "engaged_minutes", minutes=60) == [False, (day(1), True), (day(91), False)]


def test_without_window_minutes_count_for_ever() -> None:
    history = History(activities=(minutes(1, 40), minutes(400, 40)))
    assert changes(history, "engaged_minutes", minutes=60, window_days=None) == [False, (day(400), True)]


def test_at_least_nothing_holds_always() -> None:
    assert changes(History(), "engaged_minutes", minutes=0, comparator=">=") == [True]


def test_more_than_nothing_needs_a_second() -> None:
    history = History(activities=(Activity(time=day(1), seconds=0), Activity(time=day(2), seconds=1)))
    assert changes(history, "engaged_minutes", minutes=0) == [False, (day(2), True), (day(92), False)]


def test_activities_without_contact_count() -> None:
    history = History(activities=(minutes(1, 61, contact=None),))
    assert changes(history, "engaged_minutes", minutes=60)[1] == (day(1), True)


def test_all_restrictions_apply_to_the_same_activity() -> None:
    limits = {"sides": ["marketing"], "min_seniority": "manager"}
    apart = History(activities=(minutes(1, 61, seniority="manager", type="mail"), minutes(2, 61, seniority="other")))
    together = History(activities=(minutes(1, 61, seniority="manager", contact=1),))
    assert changes(apart, "engaged_minutes", minutes=60, **limits) == [False]
    assert changes(together, "engaged_minutes", minutes=60, **limits)[1:] == [(day(1), True), (day(91), False)]


def test_unknown_seniority_does_not_count_where_seniority_is_asked_for() -> None:
    history = History(activities=(minutes(1, 61, contact=1, seniority=""),))
    assert changes(history, "engaged_minutes", minutes=60, min_seniority="other") == [False]
    assert changes(history, "engaged_minutes", minutes=60)[1] == (day(1), True)


@pytest.mark.parametrize(("seniority", "counts"), [("director", False), ("vp", True), ("c_level", True)])
def test_minimum_seniority_lets_its_own_rank_and_higher_ones_through(seniority: str, counts: bool) -> None:
    history = History(activities=(minutes(1, 61, contact=1, seniority=seniority),))
    assert (len(changes(history, "engaged_minutes", minutes=60, min_seniority="vp")) > 1) is counts


def test_weights_round_half_up_for_each_activity() -> None:
    # 1 s at 50 % is 0.5 s and counts 1 s: two of them count 2 s, not 1 s.
    history = History(
        activities=tuple(Activity(time=day(1), seconds=1, contact=1, seniority="other") for _ in range(2))
    )
    journey = {
        "seniority_weights": {"other": 50},
        "stages": [
            {"key": "none", "precedence": 0},
            {
                "key": "aware",
                "precedence": 1,
                "enter": [
                    {"criteria": [{"kind": "engaged_minutes", "params": {"minutes": 2 / 60, "comparator": ">="}}]}
                ],
            },
        ],
    }
    assert stage_rows(history, journey) == [("none", 0), ("aware", 1), ("none", 91)]


def test_a_weight_of_nothing_takes_the_time_out_but_not_the_activity() -> None:
    history = History(activities=(minutes(1, 61, contact=1, seniority="other"),))
    facts = with_weights(facts_of([history]), {"other": 0})
    assert len(make_criterion("engaged_minutes", {"minutes": 0}).steps(facts).time) == 0
    assert len(make_criterion("activity_count").steps(facts).time) == 2


def test_measure_says_how_many_minutes_are_missing() -> None:
    criterion, facts = (
        make_criterion("engaged_minutes", {"minutes": 60}),
        facts_of([History(activities=(minutes(1, 45),))]),
    )
    measure = criterion.measure(facts, 0, day(2))
    assert (measure.value, measure.needed, measure.rows) == (45, 60, (0,))
    assert measure.missing == "15 min 1 s more"
    assert measure.gap == pytest.approx(901 / 3601)
