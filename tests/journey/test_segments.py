"""Segments through the database: memberships back in time, what reads them, and what is refused."""

import random

import numpy as np
import pytest
from django.db import connection

from journey.selectors.explanations import instant_of
from journey.selectors.funnel import funnel, funnel_query
from journey.selectors.journeys import find_journey
from journey.selectors.versions import published_version
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from journey.services.versions import create_journey, publish_version
from segmentation.engine.kinds.field import value_code_at
from segmentation.errors import ProblemError
from segmentation.facts.segments import read_membership_rows, segment_sets
from segmentation.models import (
    Account,
    AccountFlag,
    FlagType,
    IcpAssessment,
    IcpProfile,
    Segment,
    SegmentMembership,
    SegmentVersion,
)
from segmentation.selectors.segments import find_segment, segment_tree
from segmentation.services.segments import create_segment, delete_segment, review_segment, save_rules
from tests.journey import worlds
from tests.journey.worlds import account, activity, contact, day, deal, path

pytestmark = pytest.mark.django_db(transaction=True)


def term(kind, negate=False, **params):
    return {"kind": kind, "params": params, "negate": negate}


def field(name, value, operator="is"):
    return term("field", field=name, operator=operator, value=value)


def rule(*terms, at_least=None):
    return {"criteria": list(terms), "at_least": at_least}


def segment(key, *base, parent="", **parts):
    rules = {name: rule(*terms) for name, terms in {"base": base, **parts}.items() if terms}
    return create_segment(key=key, name=key.title(), rules=rules, parent=parent, build=False).segment


def periods(key):
    """Every period of a segment: account, state, from, until, trust, first."""
    return list(
        SegmentMembership.objects.filter(history__segment__key=key, history__state="current")
        .order_by("account_id", "start_at")
        .values_list("account_id", "state", "start_at", "end_at", "grade", "is_first")
    )


@pytest.fixture(autouse=True)
def _world():
    worlds.install()


def test_members_are_known_back_in_time_and_into_the_future():
    segment("visitors", term("activity_count", times=2, window_days=30, types=["page_view"]))
    acme = account(created=0)
    activity(acme, "page_view", 10)
    activity(acme, "page_view", 20)
    result = update_memberships()
    assert (result.rebuilt, result.broken, result.periods) == (["visitors"], {}, 1)
    assert periods("visitors") == [(acme.pk, 1, day(20), day(40), 1, False)]


def test_a_membership_by_a_field_from_before_its_history_is_assumed_and_no_entry():
    segment("north", field("region", "north"))
    acme, unknown = account(created=0, region="North"), account(created=0)
    update_memberships()
    assert periods("north") == [(acme.pk, 1, day(0), None, 3, True), (unknown.pk, 2, day(0), None, 3, True)]


def test_the_assessed_fit_is_a_criterion_and_a_new_assessment_changes_the_membership():
    segment("good", term("icp_fit", profile="default", grades=["A", "B"]))
    version = IcpProfile.objects.get(key="default").versions.get()
    acme = account(created=0)

    def assessed(grade, score, at):
        IcpAssessment.objects.filter(account=acme, ended_at=None).update(ended_at=day(at))
        IcpAssessment.objects.create(
            version=version, account=acme, score=score, grade=grade, coverage=90, fingerprint=1, made_at=day(at)
        )

    assessed("B", 70, 10)
    update_memberships()
    assert periods("good") == [(acme.pk, 1, day(0), None, 3, True)]
    assessed("C", 50, 20)
    assert update_memberships().refreshed == ["good"]
    assert periods("good") == [(acme.pk, 1, day(0), day(20), 3, True)]


def test_incremental_equals_rebuild_whatever_arrives_late_twice_or_is_taken_back():
    dice = random.Random(11)
    segment(
        "busy",
        term("activity_count", times=2, window_days=30),
        trigger=[term("flag", flag="disqualified", negate=True)],
    )
    segment("north", field("region", "north"))
    segment("busy-north", term("engaged_minutes", minutes=10), parent="busy")
    segment("rest", term("segment", segment="north"), term("segment", negate=True, segment="busy"))
    segment("won", term("opportunity_won"), trigger=[term("stage", journey="extended", stage="customer")])
    accounts = [account(created=dice.randint(0, 50), region=dice.choice(["north", "south", ""])) for _ in range(25)]
    people = [contact(a, seniority="vp") for a in accounts]
    replay()
    flag = FlagType.objects.get(key="disqualified")
    for _round in range(4):
        for _ in range(12):
            i, at = dice.randrange(25), dice.randint(0, 300)
            match dice.randrange(6):
                case 0 | 1:
                    activity(accounts[i], dice.choice(["page_view", "webinar"]), at, people[i])
                case 2:
                    deal(accounts[i], ("Discovery", at), (dice.choice(["Won", "Lost"]), at + 20))
                case 3:
                    AccountFlag.objects.filter(account=accounts[i]).delete()
                    AccountFlag.objects.create(account=accounts[i], flag_type=flag, start_at=day(at), reason="x")
                case 4:
                    Account.objects.filter(pk=accounts[i].pk).update(region=dice.choice(["north", "west"]))
                case 5:
                    accounts[i].activities.all().delete()
        replay()
        keys = ("busy", "north", "busy-north", "rest", "won")
        stored = {key: periods(key) for key in keys}
        assert sorted(update_memberships().refreshed) == sorted(keys)
        assert {key: periods(key) for key in keys} == stored
        assert sorted(update_memberships(full=True).rebuilt) == sorted(keys)
        assert {key: periods(key) for key in keys} == stored
    assert all(stored.values())


def test_new_rules_replace_the_membership_of_the_segment_and_of_those_that_read_it():
    north = segment("north", field("region", "north"))
    segment("keen", term("engaged_minutes", minutes=0), parent="north")
    segment("other", field("region", "west"))
    acme = account(created=0, region="west")
    activity(acme, "webinar", 5)
    update_memberships()
    assert periods("keen") == []
    save_rules(segment=north, rules={"base": rule(field("region", ["north", "west"], "in"))}, build=False)
    result = update_memberships()
    assert (result.rebuilt, result.refreshed) == (["north", "keen"], ["other"])
    assert [row[2:4] for row in periods("keen")] == [(day(5), day(95))]
    # What was replaced is gone from the tables, too.
    assert SegmentMembership.objects.exclude(history__state="current").count() == 0
    # The same again is no new version.
    save_rules(segment=north, rules={"base": rule(field("region", ["north", "west"], "in"))})
    assert list(north.versions.values_list("number", flat=True)) == [2, 1]


def test_a_journey_reads_a_segment_and_follows_it():
    north = segment("north", field("region", "north"))
    document = {
        "stages": [
            {"key": "none", "precedence": 0},
            {"key": "in", "precedence": 1, "enter": [rule(term("segment", segment="north"))]},
        ]
    }
    publish_version(version=create_journey(key="by-segment", name="By segment", document=document))
    version = published_version("by-segment")
    one, other = account(created=0, region="north"), account(created=0, region="west")
    replay()
    assert (path(version, one), path(version, other)) == ([("in", 0)], [("none", 0)])
    save_rules(segment=north, rules={"base": rule(field("region", "west"))}, build=False)
    replay()
    assert (path(version, one), path(version, other)) == ([("none", 0)], [("in", 0)])
    with pytest.raises(ProblemError) as caught:
        delete_segment(key="north")
    assert (caught.value.code, "journey:by-segment" in str(caught.value)) == ("in_use", True)
    assert Segment.objects.filter(key="north").exists()


def test_a_deleted_segment_takes_its_memberships_along():
    segment("north", field("region", "north"))
    segment("west", field("region", "west"))
    account(created=0, region="north"), account(created=0, region="west")
    update_memberships()
    delete_segment(key="north")
    assert set(SegmentMembership.objects.values_list("history__segment__key", flat=True)) == {"west"}


def test_a_segment_by_stage_is_right_although_the_journey_learnt_of_a_fact_later():
    """A fact that arrives between the replay of the journey and that of the segment is not lost."""
    segment("aware", term("stage", journey="extended", stage="aware"))
    acme = account(created=0)
    replay()
    activity(acme, "webinar", 10)
    update_memberships()  # the journey has not seen the webinar yet
    assert periods("aware") == []
    replay()
    assert [row[2:4] for row in periods("aware")] == [(day(10), day(100))]


def test_rules_that_cannot_be_used_any_more_keep_what_they_had_and_are_named():
    flag = FlagType.objects.create(key="watched", name="Watched")
    segment("watched", term("flag", flag="watched"))
    segment("keen", term("engaged_minutes", minutes=0), parent="watched")
    segment("north", field("region", "north"))
    acme = account(created=0, region="north")
    AccountFlag.objects.create(account=acme, flag_type=flag, start_at=day(3), reason="x")
    update_memberships()
    AccountFlag.objects.all().delete()
    flag.delete()
    result = update_memberships()
    assert sorted(result.broken) == ["keen", "watched"]
    assert result.refreshed == ["north"]
    assert [row[2] for row in periods("watched")] == [day(3)]


def test_the_sets_of_segments_over_time_are_what_figures_are_broken_down_by():
    segment("busy", term("activity_count", times=1, window_days=30))
    segment("held", term("flag", flag="disqualified"))
    one, other = account(created=0), account(created=0)
    activity(one, "page_view", 10)
    AccountFlag.objects.create(
        account=one, flag_type=FlagType.objects.get(key="disqualified"), start_at=day(20), end_at=day(40), reason="x"
    )
    update_memberships()
    found = segment_sets(read_membership_rows(connection), np.array([other.pk, one.pk]))

    def at(entity, moment):
        code = value_code_at(found, entity, instant_of(day(moment)))
        return found.values[code] if code >= 0 else None

    moments = (9, 10, 19, 20, 39, 40)
    assert [at(1, moment) for moment in moments] == [
        None,
        ("busy",),
        ("busy",),
        ("busy", "held"),
        ("busy", "held"),
        None,
    ]
    assert at(0, 20) is None


def test_the_funnel_is_broken_down_by_segment_and_filtered_by_one():
    segment("north", field("region", "north"))
    segment("all", term("field", field="region", operator="known"))
    one, other = account(created=0, region="north"), account(created=0, region="west")
    activity(one, "webinar", 10), activity(other, "webinar", 11)
    replay()

    def volumes(**more):
        report = funnel(funnel_query(journey=find_journey("extended"), start=day(0), end=day(60), **more))
        return {
            " · ".join(group.labels): next(stage.volume for stage in group.stages if stage.key == "aware")
            for group in report.groups
        }

    assert volumes(by=["segment"]) == {"north": 1, "all": 2}
    # An account of the segment asked for is told under all its segments; others are left out.
    assert volumes(by=["segment"], where={"segment": ["north"]}) == {"north": 1, "all": 1}
    # Pages show names, so a name is understood as well as a key.
    assert find_segment("all").name == "All"
    Segment.objects.filter(key="all").update(name="Everybody")
    assert volumes(by=["segment"], where={"segment": ["everybody"]}) == {"north": 1, "all": 2}


class TestRefused:
    """Said with a reason, and nothing is changed."""

    @pytest.fixture
    def tree(self):
        segment("top", field("region", "north"))
        segment("middle", term("engaged_minutes", minutes=0), parent="top")
        return segment("bottom", term("segment", segment="top"), parent="middle")

    @pytest.mark.parametrize(
        ("key", "parent", "base", "place"),
        [
            ("top", "top", None, "parent"),
            ("top", "bottom", None, "parent"),
            ("top", "", "top", "base.criteria.0"),
            ("top", "", "bottom", "base.criteria.0"),
            ("middle", "bottom", None, "parent"),
        ],
    )
    def test_a_segment_that_contains_itself(self, tree, key, parent, base, place):
        before = list(SegmentVersion.objects.values_list("pk", "parent", "rules"))
        rules = {"base": rule(term("segment", segment=base) if base else field("region", "x"))}
        with pytest.raises(ProblemError) as caught:
            save_rules(segment=find_segment(key), rules=rules, parent=parent)
        assert (caught.value.code, caught.value.field) == ("rule_loop", place)
        assert f"segment:{key} → " in str(caught.value)
        assert list(SegmentVersion.objects.values_list("pk", "parent", "rules")) == before

    def test_a_loop_by_way_of_a_journey(self, tree):
        document = {
            "stages": [
                {"key": "none", "precedence": 0},
                {"key": "in", "precedence": 1, "enter": [rule(term("segment", segment="bottom"))]},
            ]
        }
        publish_version(version=create_journey(key="loop", name="Loop", document=document))
        with pytest.raises(ProblemError, match="segment:top → journey:loop → segment:bottom → segment:middle"):
            save_rules(segment=find_segment("top"), rules={"base": rule(term("stage", journey="loop", stage="in"))})

    @pytest.mark.parametrize("key", ["top", "middle"])
    def test_one_that_is_used_and_deleted(self, tree, key):
        with pytest.raises(ProblemError) as caught:
            delete_segment(key=key)
        assert caught.value.code == "in_use"
        assert ("Middle" if key == "top" else "Bottom") in str(caught.value)
        assert [node.segment.key for node in segment_tree()] == ["top", "middle", "bottom"]

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"key": "Big One"}, "bad_key"),
            ({"key": "top"}, "key_taken"),
            ({"rules": {}}, "empty_rule"),
            ({"rules": {"base": {"criteria": []}}}, "empty_rule"),
            ({"rules": ["x"]}, "wrong_type"),
            ({"rules": {"basis": rule(field("region", "x"))}}, "unknown_part"),
            ({"rules": {"base": rule(field("regoin", "x"))}}, "unknown_choice"),
            ({"rules": {"base": {**rule(field("region", "x")), "scope": [field("tier", 1)]}}}, "no_scope"),
            ({"rules": {"base": rule(field("region", "x"), at_least=2)}}, "bad_at_least"),
            ({"parent": "tpo"}, "unknown_segment"),
        ],
    )
    def test_what_cannot_be_a_segment(self, tree, change, code):
        given = {"key": "new", "name": "New", "rules": {"base": rule(field("region", "x"))}, **change}
        with pytest.raises(ProblemError) as caught:
            create_segment(**given)
        assert caught.value.code == code
        assert Segment.objects.count() == 3

    def test_saving_over_what_somebody_else_saved(self, tree):
        save_rules(segment=tree, rules={"base": rule(field("region", "x"))}, parent="top", expected=1, build=False)
        with pytest.raises(ProblemError) as caught:
            save_rules(segment=tree, rules={"base": rule(field("region", "y"))}, parent="top", expected=1)
        assert caught.value.code == "changed_meanwhile"

    @pytest.mark.parametrize("answers", [{"profitable": "yes"}, {"profitabel": True}])
    def test_an_answer_that_is_none(self, tree, answers):
        with pytest.raises(ProblemError):
            review_segment(segment=tree, answers=answers)
        assert not tree.reviews.exists()
