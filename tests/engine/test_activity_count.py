"""Number of activities, and meetings as sales counts them."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import Activity, History, day


def test_count_at_the_limit_and_one_below() -> None:
    history = History(activities=(Activity(time=day(1)), Activity(time=day(2)), Activity(time=day(3))))
    assert changes(history, "activity_count", times=3, window_days=5) == [False, (day(3), True), (day(6), False)]
    assert changes(history, "activity_count", times=4, window_days=5) == [False]


def test_activities_count_however_long_they_took() -> None:
    history = History(activities=(Activity(time=day(1), seconds=0),))
    assert changes(history, "activity_count") == [False, (day(1), True), (day(91), False)]


def test_two_of_one_instant_are_two() -> None:
    history = History(activities=(Activity(time=day(1)), Activity(time=day(1))))
    assert changes(history, "activity_count", times=2) == [False, (day(1), True), (day(91), False)]


def test_meeting_counts_only_with_a_wanted_outcome() -> None:
    history = History(
        activities=(
            Activity(time=day(1), type="meeting", outcome="no_show"),
            Activity(time=day(2), type="meeting"),
            Activity(time=day(3), type="meeting", outcome="held"),
        )
    )
    assert changes(history, "meeting_held") == [False, (day(3), True), (day(93), False)]
    assert changes(history, "meeting_held", outcomes=["no_show"]) == [False, (day(1), True), (day(91), False)]


def test_other_types_with_the_outcome_are_no_meetings_unless_named() -> None:
    history = History(activities=(Activity(time=day(1), type="call", outcome="held"),))
    assert changes(history, "meeting_held") == [False]
    assert changes(history, "meeting_held", types=["call"]) == [False, (day(1), True), (day(91), False)]


def test_meeting_is_held_by_default_and_never_without_any_outcome() -> None:
    assert make_criterion("meeting_held").values["outcomes"] == ("held",)
    assert make_criterion("meeting_held", {"outcomes": None}).values["outcomes"] == ("held",)
    with pytest.raises(RuleError) as caught:
        make_criterion("meeting_held", {"outcomes": []})
    assert (caught.value.code, caught.value.field) == ("empty", "outcomes")
