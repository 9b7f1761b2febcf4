"""Triggers of plays and audiences are segments to rules, and none where segments are judged, compared or counted."""

import pytest
from django.urls import reverse

from journey.selectors.funnel import funnel, funnel_query
from journey.selectors.journeys import find_journey
from journey.selectors.priorities import segment_ranking
from journey.selectors.segment_health import segment_health
from journey.selectors.segment_performance import performance_query, segment_performance
from journey.services.goals import goal_problems
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from segmentation.models import Segment
from tests.journey import worlds
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, activity, day

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world():
    """North: a segment, an audience and a trigger, all active. West: only an audience. East: nothing."""
    worlds.install()
    segment("north", field("region", "north"))
    for key, purpose, region in (
        ("ads", "audience", "west"),
        ("fire", "trigger", "north"),
        ("mail", "audience", "north"),
    ):
        segment(key, field("region", region))
        Segment.objects.filter(key=key).update(purpose=purpose, active=True)
    for region in ("north", "west", "east"):
        activity(account(region.title(), region=region), "webinar", 10)
    replay()
    update_memberships()


def ask(**more):
    journey = find_journey("standard")
    return funnel(funnel_query(journey=journey, start=day(0), end=day(30), as_of=day(30), **more))


def test_only_segments_are_ranked_measured_and_have_gaps(world):
    assert [row.segment.key for row in segment_ranking(day(30)).rows] == ["north"]
    health = segment_health(day(30))
    assert ([row["key"] for row in health["segments"]], health["keys"], health["pairs"]) == (["north"], ["north"], [])
    assert health["uncovered"]["accounts"] == 2
    report = segment_performance(performance_query(start=day(0), end=day(30)))
    assert {row["segment"] for row in report.flat()} <= {"north", "target-accounts", "(rest)", ""}
    [problem] = [p for p in goal_problems({"segment": Segment.objects.get(key="fire")}) if p.field == "segment"]
    assert (problem.code, problem.value) == ("trigger", "fire")
    assert not [p for p in goal_problems({"segment": Segment.objects.get(key="mail")}) if p.field == "segment"]


def test_figures_are_broken_down_by_segments_and_may_be_filtered_by_any(world):
    report = ask(by=["segment"])
    assert {group.labels: group.overall.now for group in report.groups} == {("north",): 1, ("(none)",): 2}
    for words, number in ((["north"], 1), (["ads"], 1), (["ads", "fire"], 2), (["(none)"], 2), (["ads", "(none)"], 2)):
        assert ask(where={"segment": words}).overall.now == number, words
    pairs = ask(by=["segment", "region"]).groups
    assert {group.labels for group in pairs} == {("north", "north"), ("(none)", "west"), ("(none)", "east")}


def test_whoever_is_in_no_segment_is_not_called_unknown(world, admin_client):
    page = reverse("admin:journey_journey_funnel_part")
    asked = "?journey=standard&start=2025-01-01&end=2025-01-31&as_of=2025-01-31"
    by_segment = admin_client.get(f"{page}{asked}&tab=groups&by=segment").content.decode()
    assert ("(in no segment)" in by_segment, "(not known)" in by_segment) == (True, False)
    heat = admin_client.get(f"{page}{asked}&tab=heat&by=segment&by2=team").content.decode()
    assert ("(in no segment)" in heat, "(not known)" in heat) == (True, True)


def test_pages_name_segments_with_those_above_them_and_figures_keep_their_keys(world, admin_client):
    segment("others", field("region", "north"), parent="north")
    update_memberships()
    page = reverse("admin:journey_journey_funnel_part")
    asked = "?journey=standard&start=2025-01-01&end=2025-01-31&as_of=2025-01-31"
    for address in (f"{page}{asked}&tab=groups&by=segment", f"{page}{asked}&tab=heat&by=segment&by2=team"):
        assert "North · Others" in admin_client.get(address).content.decode()
    assert ("others",) in {group.labels for group in ask(by=["segment"]).groups}
