"""People, or personas, each engaged for long enough in a rolling window."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import Activity, History, day, facts_of


def minutes(at: float, number: float, contact: int | None, **more: object) -> Activity:
    return Activity(time=day(at), seconds=round(number * 60), contact=contact, **more)  # type: ignore[arg-type]


def test_two_people_with_more_than_ten_minutes_each() -> None:
    history = History(activities=(minutes(1, 11, 1), minutes(3, 11, 2)))
    rows = [False, (day(3), True), (day(91), False)]
    assert changes(history, "engaged_people", people=2, minutes=10) == rows


def test_a_person_with_exactly_ten_minutes_is_not_more_than_ten() -> None:
    history = History(activities=(minutes(1, 11, 1), minutes(3, 10, 2)))
    assert changes(history, "engaged_people", people=2, minutes=10) == [False]
    at_least = changes(history, "engaged_people", people=2, minutes=10, comparator=">=")
    assert at_least == [False, (day(3), True), (day(91), False)]


def test_minutes_of_one_person_add_up_within_the_window_only() -> None:
    history = History(activities=(minutes(0, 6, 1), minutes(3, 6, 1), minutes(8, 6, 1)))
    rows = [False, (day(3), True), (day(5), False)]
    assert changes(history, "engaged_people", people=1, minutes=10, window_days=5) == rows


def test_one_person_with_all_the_minutes_is_one_person() -> None:
    assert changes(History(activities=(minutes(1, 500, 1),)), "engaged_people", people=2, minutes=10) == [False]


def test_activities_without_contact_never_count_for_people() -> None:
    history = History(activities=(minutes(1, 11, 1), minutes(1, 11, None), minutes(2, 11, None)))
    assert changes(history, "engaged_people", people=2, minutes=10) == [False]


def test_zero_seconds_engage_nobody() -> None:
    assert changes(History(activities=(minutes(1, 0, 1),)), "engaged_people", people=1) == [False]


def test_restrictions_hold_for_the_minutes_of_each_person() -> None:
    # The second person has 20 minutes, but only 5 of marketing.
    history = History(activities=(minutes(1, 11, 1), minutes(1, 5, 2), minutes(1, 15, 2, type="mail")))
    assert changes(history, "engaged_people", people=2, minutes=10, sides=["marketing"]) == [False]
    assert changes(history, "engaged_people", people=2, minutes=10)[1] == (day(1), True)


def test_personas_are_distinct_buying_roles() -> None:
    history = History(
        activities=(
            minutes(1, 11, 1, role="user"),
            minutes(2, 11, 2, role="user"),
            minutes(3, 11, 3, role="influencer"),
        )
    )
    rows = [False, (day(3), True), (day(92), False)]  # the user role lasts as long as the second user counts
    assert changes(history, "engaged_people", people=2, count="persona", minutes=10) == rows


def test_a_person_without_role_is_no_persona() -> None:
    history = History(activities=(minutes(1, 11, 1), minutes(1, 11, 2, role="user")))
    assert changes(history, "engaged_people", people=2, count="persona", minutes=10) == [False]
    assert changes(history, "engaged_people", people=2, minutes=10)[1] == (day(1), True)


def test_minutes_of_two_people_do_not_add_up_to_one_persona() -> None:
    history = History(activities=(minutes(1, 6, 1, role="user"), minutes(1, 6, 2, role="user")))
    assert changes(history, "engaged_people", people=1, count="persona", minutes=10) == [False]


def test_one_leaves_as_another_enters() -> None:
    history = History(activities=(minutes(0, 11, 1), minutes(0, 11, 2), minutes(5, 11, 3)))
    rows = [False, (day(0), True), (day(5), False)]
    assert changes(history, "engaged_people", people=2, minutes=10, window_days=5) == rows
    assert changes(history, "engaged_people", people=1, minutes=10, window_days=5)[-1] == (day(10), False)


def test_a_contact_of_two_accounts_counts_in_each_for_itself() -> None:
    one, other = History(activities=(minutes(1, 6, 1),)), History(activities=(minutes(1, 6, 1),))
    steps = make_criterion("engaged_people", {"people": 1, "minutes": 10}).steps(facts_of([one, other]))
    assert len(steps.time) == 0


def test_at_least_nothing_each_is_refused() -> None:
    with pytest.raises(RuleError) as caught:
        make_criterion("engaged_people", {"people": 1, "comparator": ">=", "minutes": 0})
    assert (caught.value.code, caught.value.field) == ("bad_threshold", "minutes")


def test_measure_names_how_many_are_missing_and_the_nearest() -> None:
    facts = facts_of([History(activities=(minutes(1, 11, 1), minutes(1, 4, 2)))])
    measure = make_criterion("engaged_people", {"people": 3, "minutes": 10}).measure(facts, 0, day(1))
    assert (measure.value, measure.needed) == (1, 3)
    assert measure.missing == "2 more people, the nearest needs 6 min 1 s more"
