"""Histories: what happened when, seen through the stored stays."""

import contextlib
import datetime as dt
import random

import pytest
from django.db import IntegrityError, connection, transaction

from journey.errors import JourneyError
from journey.models import Grade, History, Journey, JourneyVersion, StageInterval
from journey.selectors.explanations import explain
from journey.selectors.histories import current_history
from journey.selectors.stages import stage_counts
from journey.selectors.versions import published_version, shown_version, version_document
from journey.services.replay import replay, replay_version
from journey.services.versions import create_draft, create_journey, publish_version, save_draft
from scoring.models import Activity, ActivityType
from segmentation.models import Account, AccountFlag, Contact, FlagType
from tests.journey import worlds
from tests.journey.worlds import account, activity, change, contact, day, deal, path, stays

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def extended() -> JourneyVersion:
    worlds.install()
    version = published_version("extended")
    assert version is not None
    return version


def test_an_account_goes_from_no_engagement_to_customer(extended):
    acme = account(created=0, tier=2)
    person = contact(acme, seniority="vp", buying_role="decision_maker")
    user = contact(acme, seniority="other", buying_role="user")
    evaluator = contact(acme, seniority="manager", buying_role="evaluator")
    activity(acme, "page_view", 10, user)
    activity(acme, "page_view", 20, evaluator)
    activity(acme, "webinar", 30, person, seconds=3599)
    activity(acme, "page_view", 31, person, seconds=1)
    activity(acme, "meeting", 40, person, outcome="no_show")
    activity(acme, "meeting", 45, person, outcome="held")
    deal(acme, ("Discovery", 50), ("Proposal", 60), ("Negotiation", 75), ("Won", 80))
    replay()
    assert path(extended, acme) == [
        ("none", 0),
        ("aware", 10),
        ("mqa", 31),
        ("meeting", 45),
        ("qualified", 50),
        ("opportunity", 60),
        ("customer", 80),
    ]


def test_a_deal_lost_from_intent_recycles_for_90_days_and_a_hot_activity_ends_it_at_once(extended):
    quiet, hot = account(), account()
    for acme in (quiet, hot):
        deal(acme, ("Discovery", 10), ("Negotiation", 20), ("Lost", 30))
    activity(hot, "demo_request", 50)
    replay()
    assert path(extended, quiet) == [
        ("none", 0),
        ("qualified", 10),
        ("opportunity", 20),
        ("recycle", 30),
        ("none", 120),
    ]
    # The loss of day 30 is still recent on day 50, when the demo request wakes the account.
    assert path(extended, hot)[3:] == [("recycle", 30), ("lost", 50), ("aware", 120), ("none", 140)]


def test_time_passing_alone_moves_accounts_on_the_day_and_needs_no_replay(extended):
    acme = account()
    activity(acme, "webinar", 10)
    replay()
    assert path(extended, acme) == [("none", 0), ("aware", 10), ("none", 100)]
    now = {row["key"]: row["accounts"] for row in stage_counts(extended, day(99.999999))}
    later = {row["key"]: row["accounts"] for row in stage_counts(extended, day(100))}
    assert (now["aware"], now["none"]) == (1, 0)
    assert (later["aware"], later["none"]) == (0, 1)


def test_shares_are_of_accounts_whose_history_has_begun(extended):
    account(created=0)
    account(created=50)
    replay()
    assert stage_counts(extended, day(10))[0] | {"stage_id": 0} == {
        "key": "none",
        "name": "No engagement",
        "color": "#94a3b8",
        "position": 0,
        "stage_id": 0,
        "accounts": 1,
        "share": 1.0,
    }
    assert stage_counts(extended, day(60))[0]["accounts"] == 2
    assert stage_counts(extended, day(-1))[0]["share"] is None


def test_a_history_begins_at_a_fact_before_the_creation(extended):
    acme = account(created=10)
    activity(acme, "webinar", 4)
    replay()
    assert path(extended, acme) == [("aware", 4), ("none", 94)]


def test_disqualification_is_kept_in_history_when_it_is_ended(extended):
    acme = account()
    flag = FlagType.objects.get(key="disqualified")
    AccountFlag.objects.create(account=acme, flag_type=flag, start_at=day(5), end_at=day(25), reason="bankrupt")
    replay()
    assert path(extended, acme) == [("none", 0), ("disqualified", 5), ("none", 25)]


def test_an_opportunity_without_date_counts_from_its_import_and_is_assumed(extended):
    acme = account()
    undated = deal(acme, ("Discovery", None))
    replay()
    learnt = undated.changes.get().recorded_at
    rows = stays(extended, acme.pk)
    assert [(row[1], row[2], row[5]) for row in rows[:2]] == [("none", day(0), 1), ("qualified", learnt, 3)]


def test_an_undated_change_before_a_dated_one_takes_no_time(extended):
    acme = account()
    deal(acme, ("Discovery", None), ("Proposal", 20), ("Lost", 30))
    replay()
    assert path(extended, acme) == [("none", 0), ("opportunity", 20), ("lost", 30), ("none", 120)]


def test_a_win_taken_back_ends_being_a_customer_from_then_on_and_not_before(extended):
    acme = account()
    deal(acme, ("Proposal", 10), ("Won", 20), ("Proposal", 40), ("Won", 50))
    replay()
    assert path(extended, acme) == [
        ("none", 0),
        ("opportunity", 10),
        ("customer", 20),
        ("opportunity", 40),
        ("customer", 50),
    ]


def test_a_deal_in_an_unmapped_stage_gives_no_verdict(extended):
    acme = account()
    deal(acme, ("Parked", 10), ("Proposal", 20))
    replay()
    assert path(extended, acme)[:2] == [("none", 0), ("opportunity", 20)]


def test_a_contact_who_moves_leaves_activities_with_the_old_account(extended):
    old, new = account(), account()
    person = contact(old)
    activity(old, "webinar", 10, person)
    person.account = new
    person.save()
    replay()
    assert path(extended, old) == [("none", 0), ("aware", 10), ("none", 100)]
    assert path(extended, new) == [("none", 0)]


def test_a_corrected_activity_moves_and_both_accounts_are_replayed(extended):
    wrong, right = account(), account()
    row = activity(wrong, "webinar", 10)
    replay()
    Activity.objects.filter(pk=row.pk).update(account=right)
    [result, _standard] = replay()
    assert result.mode == "refresh"
    assert path(extended, wrong) == [("none", 0)]
    assert path(extended, right) == [("none", 0), ("aware", 10), ("none", 100)]


def test_the_tier_at_the_moment_decides_which_rule_counts(extended):
    acme = account(tier=1)
    one, two, three = (contact(acme, seniority="vp", buying_role=role) for role in ("user", "evaluator", "influencer"))
    # Enough for tier 2 (three personas, a vice president with an hour), too little marketing time for tier 1.
    activity(acme, "meeting", 10, one, seconds=3600)
    activity(acme, "page_view", 11, two)
    activity(acme, "page_view", 12, three)
    replay()
    assert [key for key, _at in path(extended, acme)] == ["none", "aware", "none"]
    Account.objects.filter(pk=acme.pk).update(tier=2)
    replay()
    # Before the recorded history of the account today's tier stands in, so the past is read as tier 2, and says so.
    assert ("mqa", 12) in path(extended, acme)
    assert {row[1]: row[5] for row in stays(extended, acme.pk)}["mqa"] == 3


def test_a_stay_that_rests_on_the_rank_of_somebody_recorded_later_is_assumed(extended):
    acme = account(created=0, tier=1)
    people = [contact(acme, seniority="director") for _number in range(2)]
    late = contact(acme, seniority="other")
    activity(acme, "page_view", 5)
    for person in people:
        activity(acme, "webinar", 10, person, seconds=2400)

    def grade_of(key):
        return {row[1]: row[5] for row in stays(extended, acme.pk)}[key]

    def recorded(table, pk, number):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET pgh_created_at = %s WHERE pgh_obj_id = %s", [day(number), pk])

        Account.objects.filter(pk=acme.pk).update(city=f"{number}")  # what is read again is what was touched
        Contact.objects.filter(pk=pk).update(phone=f"{number}")

    recorded("segmentation_accountevent", acme.pk, 0)
    replay()
    assert (grade_of("aware"), grade_of("mqa")) == (Grade.EXACT, Grade.ASSUMED)  # aware asks for no rank
    assert explain(acme, extended, day(11))["trust"] == "assumed"
    recorded("segmentation_contactevent", people[0].pk, 10)
    replay()
    assert grade_of("mqa") == Grade.ASSUMED
    recorded("segmentation_contactevent", people[1].pk, 10)
    replay()
    assert grade_of("mqa") == Grade.EXACT  # known at that very instant
    activity(acme, "page_view", 9, late)  # kept out by a rank of today: that is a guess, too
    assert replay()[0].mode == "refresh"
    assert grade_of("mqa") == Grade.ASSUMED


def test_a_deal_closed_before_it_was_opened_counts_as_one_that_was_open_for_no_time(extended):
    acme = account(created=0)
    deal(acme, ("Discovery", 20), ("Won", 10))
    replay()
    found = [(row[1], row[2], row[3]) for row in stays(extended, acme.pk)]
    opened, won = day(20), day(20) + dt.timedelta(microseconds=1)
    assert ("qualified", opened, won) in found
    assert found[-1][:2] == ("customer", won)


def test_a_second_replay_without_new_facts_changes_nothing(extended):
    activity(account(), "webinar", 10)
    replay()
    before = stays(extended)
    history = current_history(extended)
    replay()
    assert stays(extended) == before
    assert current_history(extended) == history


def test_a_changed_setting_rebuilds_everything(extended):
    acme = account()
    activity(acme, "page_view", 10)
    replay()
    ActivityType.objects.filter(key="page_view").update(default_minutes=0)
    [result, _standard] = replay()
    assert result.mode == "full"
    assert path(extended, acme) == [("none", 0)]


def test_every_published_version_keeps_its_own_history(extended):
    acme = account()
    activity(acme, "page_view", 10)
    replay()
    before = stays(extended)
    draft = create_draft(journey=extended.journey)
    document = version_document(draft)
    document["stages"][1]["enter"][0]["criteria"][0]["params"]["minutes"] = 5
    save_draft(version=draft, document=document)
    publish_version(version=draft)
    # Until the new version has a history, readers see the old one.
    assert shown_version("extended") == extended
    replay()
    assert shown_version("extended") == draft
    assert stays(extended) == before
    assert path(draft, acme) == [("none", 0)]


def test_a_rebuild_leaves_one_table_and_no_old_history(extended):
    account()
    replay()
    replay_version(extended, full=True)
    replay_version(extended, full=True)
    assert list(History.objects.filter(version=extended).values_list("state", flat=True)) == ["current"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'journey_stageinterval'::regclass")
        assert cursor.fetchone()[0] == History.objects.count()


def test_the_database_refuses_stays_that_overlap_or_leave_a_gap(extended):
    acme = account()
    activity(acme, "webinar", 10)
    replay()
    history = current_history(extended)
    middle = StageInterval.objects.filter(history_id=history.pk, entity_id=acme.pk).order_by("start_at")[1]
    for broken in ({"start_at": day(9)}, {"end_at": day(101)}, {"end_at": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            StageInterval.objects.filter(pk=middle.pk).update(**broken)
    with pytest.raises(IntegrityError), transaction.atomic():
        StageInterval.objects.filter(pk=middle.pk).delete()


def test_a_reader_never_sees_half_of_a_rebuild(extended):
    acme = account()
    activity(acme, "webinar", 10)
    replay()
    seen = []

    def look(_fraction: float, _step: str) -> None:
        with contextlib.closing(connection.copy()) as other, other.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM journey_stageinterval i JOIN journey_history h ON h.id = i.history_id"
                " AND h.state = 'current' WHERE h.version_id = %s",
                [extended.pk],
            )
            seen.append(cursor.fetchone()[0])

    replay_version(extended, full=True, progress=look)
    assert len(seen) >= 4
    assert set(seen) == {3}


def test_contacts_and_opportunities_have_journeys_of_their_own(extended):
    acme = account()
    person = contact(acme, created_in_source_at=day(1))
    activity(acme, "webinar", 10, person)
    activity(acme, "webinar", 12)
    one = deal(acme, ("Discovery", 20), ("Proposal", 25), ("Won", 30), created_in_source_at=day(20))
    orphan = deal(None, ("Discovery", 40), ("Lost", 41), created_in_source_at=day(39))
    leads = create_journey(
        key="leads",
        name="Leads",
        document={
            "unit": "contact",
            "stages": [
                {"key": "cold", "name": "Cold", "precedence": 0},
                {
                    "key": "warm",
                    "name": "Warm",
                    "precedence": 1,
                    "enter": [{"criteria": [{"kind": "engaged_minutes", "params": {"minutes": 0}}]}],
                },
            ],
        },
    )
    deals = create_journey(
        key="deals",
        name="Deals",
        document={
            "unit": "opportunity",
            "stages": [
                {"key": "new", "name": "New", "precedence": 0},
                {
                    "key": "open",
                    "name": "Open",
                    "precedence": 1,
                    "enter": [{"criteria": [{"kind": "opportunity_open"}]}],
                },
                {"key": "won", "name": "Won", "precedence": 2, "enter": [{"criteria": [{"kind": "opportunity_won"}]}]},
                {
                    "key": "lost",
                    "name": "Lost",
                    "precedence": 3,
                    "enter": [{"criteria": [{"kind": "opportunity_lost"}]}],
                },
            ],
        },
    )
    for version in (leads, deals):
        publish_version(version=version)
    replay()
    assert path(leads, person) == [("cold", 1), ("warm", 10), ("cold", 100)]
    assert path(deals, one) == [("open", 20), ("won", 30)]
    assert path(deals, orphan) == [("new", 39), ("open", 40), ("lost", 41)]
    activity(acme, "webinar", 60, person)
    change(one, "Lost", 70, 5)
    change(orphan, "Proposal", 80, 5)
    assert {result.mode for result in replay()} == {"refresh"}
    assert path(leads, person) == [("cold", 1), ("warm", 10), ("cold", 150)]
    assert path(deals, one) == [("open", 20), ("won", 30), ("lost", 70)]
    assert path(deals, orphan) == [("new", 39), ("open", 40), ("lost", 41), ("open", 80)]


def _reads(journey: str, stage: str) -> dict:
    return {
        "unit": "account",
        "stages": [
            {"key": "out", "name": "Out", "precedence": 0},
            {
                "key": "in",
                "name": "In",
                "precedence": 1,
                "enter": [{"criteria": [{"kind": "stage", "params": {"journey": journey, "stage": stage}}]}],
            },
        ],
    }


def test_a_journey_that_reads_another_follows_it(extended):
    acme = account()
    activity(acme, "webinar", 10)
    follower = publish_version(
        version=create_journey(key="a-follower", name="Follower", document=_reads("extended", "aware"))
    )
    replay()
    assert path(follower, acme) == [("out", 0), ("in", 10), ("out", 100)]
    activity(acme, "webinar", 50)
    replay()
    assert path(follower, acme) == [("out", 0), ("in", 10), ("out", 140)]


def test_a_journey_replayed_alone_brings_those_it_reads_up_to_date_first(extended):
    acme = account()
    follower = publish_version(
        version=create_journey(key="a-follower", name="Follower", document=_reads("extended", "aware"))
    )
    replay()
    activity(acme, "webinar", 50)
    results = replay(journey=follower.journey)
    assert [result.version for result in results] == [extended, follower]
    replay()
    assert path(follower, acme) == [("out", 0), ("in", 50), ("out", 140)]


def test_rules_that_need_each_other_are_refused_with_the_path(extended):
    publish_version(version=create_journey(key="second", name="Second", document=_reads("extended", "aware")))
    draft = create_draft(journey=extended.journey)
    document = version_document(draft)
    document["stages"][1]["enter"][0]["criteria"].append(
        {"kind": "stage", "params": {"journey": "second", "stage": "in"}}
    )
    with pytest.raises(JourneyError) as caught:
        save_draft(version=draft, document=document)
    assert caught.value.code == "rule_loop"
    assert "journey:extended → journey:second → journey:extended" in str(caught.value)
    assert len(version_document(draft)["stages"][1]["enter"][0]["criteria"]) == 1


def test_a_published_version_is_refused_every_change(extended):
    with pytest.raises(JourneyError, match="never changes"):
        save_draft(version=extended, document=version_document(extended))
    for statement in (
        "UPDATE journey_stage SET name = 'x'",
        "DELETE FROM journey_criterion",
        "UPDATE journey_entryrule SET at_least = 1",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.parametrize("seed", range(4))
def test_incremental_equals_rebuild_whatever_is_added_corrected_or_removed(extended, seed):
    version = publish_version(
        version=create_journey(
            key="deals",
            name="Deals",
            document={
                "unit": "opportunity",
                "stages": [
                    {"key": "new", "name": "New", "precedence": 0},
                    {
                        "key": "open",
                        "name": "Open",
                        "precedence": 1,
                        "enter": [{"criteria": [{"kind": "opportunity_open"}]}],
                    },
                    {
                        "key": "stalled",
                        "name": "Stalled",
                        "precedence": 2,
                        "enter": [{"criteria": [{"kind": "opportunity_stalled", "params": {"days": 10}}]}],
                    },
                ],
            },
        )
    )
    world = worlds.RandomWorld(seed)
    replay()
    modes = set()
    for _round in range(8):
        for _step in range(world.random.randrange(1, 12)):
            world.step()
        modes |= {result.mode for result in replay()}
        step_by_step = stays(extended), stays(version)
        for one in (extended, version):
            replay_version(one, full=True)
        assert step_by_step == (stays(extended), stays(version))
    assert modes == {"refresh"}


def test_the_order_in_which_facts_arrive_changes_nothing(extended):
    histories = []
    facts = [("webinar", n % 40, n % 5) for n in range(60)]
    for seed in (1, 2):
        Account.objects.all().delete()
        acme = account()
        people = [
            contact(acme, seniority="vp", buying_role=role)
            for role in ("user", "evaluator", "influencer", "decision_maker", "")
        ]
        shuffled = random.Random(seed).sample(facts, len(facts))
        for i, (kind, at, who) in enumerate(shuffled):
            activity(acme, kind, at, people[who])
            if i % 20 == 0:
                replay()
        replay()
        histories.append(path(extended, acme))
    assert histories[0] == histories[1]


def test_a_journey_without_published_version_is_refused(extended):
    journey = Journey.objects.create(key="empty", name="Empty")
    with pytest.raises(JourneyError, match="No version of the journey “empty” is published"):
        replay(journey=journey)
    with pytest.raises(JourneyError, match="no version 7"):
        replay(journey=extended.journey, number=7)


def test_a_close_dated_before_the_first_contact_takes_effect_at_once_after_it(extended):
    acme = account()
    deal(acme, ("Discovery", 30), ("Won", 28))
    replay()
    # The deal was one that could be won, for 0 days: it counts as such.
    moment = 30 + 1 / 86_400_000_000
    assert path(extended, acme) == [("none", 0), ("qualified", 30), ("customer", pytest.approx(moment, abs=1e-9))]


def test_a_reopened_deal_is_open_again_whatever_the_sequence_starts_from(extended):
    acme = account()
    row = deal(acme, ("Discovery", 10), ("Lost", 15))
    change(row, "Proposal", 20, sequence=0)
    replay()
    assert path(extended, acme) == [
        ("none", 0),
        ("qualified", 10),
        ("lost", 15),
        ("opportunity", 20),
        ("recycle", 50),
        ("opportunity", 140),
    ]
