"""As it was known on a day: what rules read of segments and of other journeys follows from the facts known then."""

import pytest

from journey.errors import JourneyError
from journey.selectors import funnel_data
from journey.selectors.funnel import funnel, funnel_query
from journey.selectors.journeys import find_journey
from journey.selectors.near import near_misses, near_query
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from journey.services.versions import create_journey, publish_version
from scoring.models import Activity
from segmentation.models import Account
from segmentation.selectors.segments import find_segment
from segmentation.services.segments import save_rules
from tests.journey import worlds
from tests.journey.test_segments import field, rule, segment, term
from tests.journey.worlds import account, activity, day, deal

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = 60


def _journey(key, unit, *criteria):
    """A journey of two stages: in, while the criteria hold, and out."""
    stages = [
        {"key": "out", "name": "Out", "precedence": 0, "position": 0},
        {"key": "in", "name": "In", "precedence": 1, "position": 1, "enter": [rule(*criteria)]},
    ]
    publish_version(version=create_journey(key=key, name=key, document={"unit": unit, "stages": stages}))


def _recorded(rows, at):
    rows.update(recorded_at=day(at))


@pytest.fixture
def world():
    """An account that visited on days 10 and 20; the second visit was learnt on day 50."""
    worlds.install()
    funnel_data.forget()
    segment("busy", term("activity_count", times=2, window_days=90))
    segment("busy-north", term("segment", segment="busy"), field("region", "north"))
    _journey("engaged", "account", term("segment", segment="busy"))
    _journey("placed", "account", term("segment", segment="busy-north"))
    _journey("follower", "account", term("stage", journey="engaged", stage="in"))
    _journey("deals", "opportunity", term("segment", segment="busy"))
    acme = account(created=0, region="north")
    _recorded(Account.objects, 0)
    for at, learnt in ((10, 10), (20, 50)):
        made = activity(acme, "page_view", at)
        _recorded(Activity.objects.filter(pk=made.pk), learnt)
    made = deal(acme, ("Discovery", 5), product="Orbit")
    for rows in (type(made).objects, made.changes):
        _recorded(rows, 5)
    replay()
    update_memberships()
    replay()
    return acme


def ask(journey, known, **more):
    return funnel(
        funnel_query(
            journey=find_journey(journey),
            start=day(0),
            end=day(TODAY),
            as_of=day(known or TODAY),
            known_at=day(known) if known else None,
            **more,
        )
    )


def stays_in(journey, known):
    return {stage.key: (stage.now, stage.volume) for stage in ask(journey, known).stages}["in"]


def test_rules_read_segments_and_other_journeys_as_they_were_known_then(world):
    for journey in ("engaged", "placed", "follower", "deals"):
        assert stays_in(journey, None) == (1, 1), journey
        assert stays_in(journey, 45) == (0, 0), journey  # one visit was known: no member, in no stage that asks it
        assert stays_in(journey, 50) == (1, 1), journey


def test_near_misses_read_the_segment_as_it_was_known_then(world):
    def near(known):
        query = near_query(journey=find_journey("engaged"), at=day(45), known_at=known)
        return [(row.name, row.next) for row in near_misses(query, "in", 10).entities]

    assert near(None) == []
    assert near(day(45)) == [(world.name, "in")]


def test_a_breakdown_and_a_filter_by_segment_are_of_what_was_known_then(world):
    def by_segment(known):
        return {tuple(group.values) for group in ask("engaged", known, by=["segment"]).groups}

    assert by_segment(None) == {("busy",), ("busy-north",), (None,)}
    assert by_segment(45) == {(None,)}
    with pytest.raises(JourneyError, match="Nothing has “busy” as its segment"):
        ask("engaged", 45, where={"segment": ["busy"]})
    members = ask("engaged", 50, where={"segment": ["busy"]})
    assert sum(stage.now for stage in members.stages) == 1


def test_rules_of_segments_are_those_in_force_also_for_a_history_in_memory(world):
    assert stays_in("engaged", 45) == (0, 0)
    busy = find_segment("busy")
    once = {"base": rule(term("activity_count", times=1, window_days=90))}
    save_rules(segment=busy, rules=once, build=False)
    assert stays_in("engaged", 45) == (1, 1)


def test_a_stay_that_rests_on_a_guessed_membership_is_assumed_then_too(world):
    """Before the account was first recorded here, its present region stands in."""
    segment("awake", field("region", "north"), term("activity_count", times=1, window_days=90))
    _journey("awake", "account", term("segment", segment="awake"))
    inside = ask("awake", 45).stages[1]
    assert (inside.now, inside.volume, inside.trust["assumed"]) == (1, 1, 1)
    assert ask("engaged", 50).stages[1].trust["assumed"] == 0
