"""Priority of segments: what each consideration measures, answers of people, weights, and what is refused."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from journey.selectors.priorities import CONSIDERATIONS, segment_ranking, weights
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from scoring.models import ActivityType
from segmentation.errors import ProblemError
from segmentation.models import Account, IcpAssessment, IcpProfile, PriorityAnswer, PriorityWeight, SalesTeam
from segmentation.services.priorities import answer_consideration, set_weights, withdraw_answer
from segmentation.services.roles import REP, sync_roles
from tests.journey import worlds
from tests.journey.test_intent import signal, topic
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, activity, day, deal

pytestmark = pytest.mark.django_db

NOW = 100


@pytest.fixture
def world():
    """Two accounts in the north, two in the west: the north has bought, asks, and was visited by sales."""
    worlds.install()
    ActivityType.objects.filter(key="webinar").update(default_minutes=30)
    north, west = segment("north", field("region", "north")), segment("west", field("region", "west"))
    segment("nobody", field("region", "east"))
    one, two = account("One", region="north"), account("Two", region="north")
    three, four = account("Three", region="west"), account("Four", region="west")
    deal(one, ("Discovery", 40), ("Won", 60), amount=300, currency="EUR")
    deal(one, ("Discovery", 40), amount=100, currency="EUR")
    for _ in range(2):
        deal(two, ("Discovery", 40), ("Won", 60), amount=0, currency="EUR")
    deal(three, ("Discovery", 2), ("Lost", 5), amount=900, currency="EUR")
    for _ in range(4):
        deal(four, ("Discovery", 2), ("Lost", 5), amount=1, currency="EUR")
    activity(one, "webinar", 90), activity(three, "webinar", 90), activity(three, "webinar", 91)
    activity(two, "demo_request", 95, seconds=0)
    activity(one, "sales_call", 5, seconds=3600)  # too long ago for engagement
    version = IcpProfile.objects.get(key="default").versions.get()
    for of, score in ((one, 90), (two, 70), (three, 50)):
        IcpAssessment.objects.create(
            version=version, account=of, score=score, grade="A", coverage=90, fingerprint=1, made_at=day(1)
        )
    replay()
    update_memberships()
    return north, west


def judged(key, user=None):
    [row] = [row for row in segment_ranking(day(NOW), user).rows if row.segment.key == key]
    return row


def test_each_consideration_is_measured_beside_all_accounts(world):
    north, west = judged("north"), judged("west")

    def score(row, key):
        return row.judged[key].score

    # 300 won and 100 open of two accounts: 200 each, against 100 of all four.
    assert (score(north, "revenue"), score(west, "revenue")) == (pytest.approx(200 / 3), 0)
    # One hour for three deals won; the west has won none.
    assert (score(north, "resources"), score(west, "resources")) == (pytest.approx(50), None)
    assert "Fewer than 3" in west.judged["resources"].measured.text
    assert (score(north, "fit"), score(west, "fit")) == (80, 50)
    # 30 minutes of two accounts against 90 of four; sixty against them.
    assert (score(north, "engagement"), score(west, "engagement")) == (
        pytest.approx(100 * 15 / 37.5), pytest.approx(100 * 30 / 52.5),
    )  # fmt: skip
    assert (score(north, "intent"), score(west, "intent")) == (pytest.approx(200 / 3), 0)
    # Three of four closed were won there (too few to tell), none of five in the west.
    assert (score(north, "history"), score(west, "history")) == (None, 0)


def test_surges_are_intent_too(world):
    topic("security")
    for _ in range(12):
        signal(Account.objects.get(name="Three"), 97)
    north, west = judged("north").judged["intent"], judged("west").judged["intent"]
    assert (north.measured.figure, west.measured.figure, west.measured.overall) == (50, 50, 50)
    assert (north.score, west.score) == (50, 50)


def test_customers_have_no_way_left_and_others_are_on_it(world):
    # In the north both are customers, at the end of the funnel; the west is aware, by the webinar, and not engaged.
    assert judged("north").judged["stage"].score is None
    west = judged("west").judged["stage"]
    assert west.measured.figure == pytest.approx(west.score)
    assert 0 < west.score < 50


def test_the_ranking_says_why_and_leaves_out_what_is_not_known(world):
    ranking = segment_ranking(day(NOW))
    assert [(row.segment.key, row.rank) for row in ranking.rows] == [("north", 1), ("west", 2), ("nobody", None)]
    first, _second, last = ranking.rows
    known = {key: one.points for key, one in first.judged.items() if one.points is not None}
    assert sum(known.values()) == pytest.approx(first.priority.points)
    assert first.priority.coverage == pytest.approx(0.8)  # stage (15) and history (5) of 100
    assert first.why[0].startswith("Lifted by: Revenue potential")
    assert "Journey stage, Sales and support history" in first.why[-1]
    assert (last.priority.points, last.priority.low, last.priority.high) == (None, 0, 100)
    assert "No account is in it now" in last.why[0]


def test_an_answer_counts_instead_of_what_is_measured_until_it_is_taken_back(world):
    north, _west = world
    before = judged("north").priority.points
    kept = {"segment": north, "reason": "Long tenders", "known": CONSIDERATIONS}
    answer = answer_consideration(consideration="resources", score=1, **kept)
    found = judged("north").judged["resources"]
    assert (found.source, found.score, found.measured.score) == ("answered", 0, pytest.approx(50))
    answer_consideration(consideration="resources", score=5, **kept)
    assert judged("north").judged["resources"].score == 100
    answer_consideration(consideration="stage", score=3, **kept)  # what is not measured becomes known
    assert judged("north").priority.coverage == pytest.approx(0.95)
    withdraw_answer(answer=PriorityAnswer.objects.get(consideration="stage"))
    withdraw_answer(answer=answer)
    assert judged("north").priority.points == before


def test_weights_change_the_order_and_nothing_is_changed_by_bad_ones(world):
    assert sum(weights().values()) == 100
    set_weights(weights={key: 100 * (key == "engagement") for key in CONSIDERATIONS}, present=weights())
    assert [row.segment.key for row in segment_ranking(day(NOW)).rows][:2] == ["west", "north"]
    before = weights()
    for bad, code, at in (
        ({"engagement": 0}, "no_weight", "weights"),
        ({"fit": 5, "intent": 101}, "bad_weight", "intent"),
        ({"fit": 5, "intent": -1}, "bad_weight", "intent"),
        ({"fit": 5, "intent": 1.5}, "bad_weight", "intent"),
        ({"fit": 5, "intent": True}, "bad_weight", "intent"),
        ({"fit": 5, "itnent": 5}, "unknown_consideration", "consideration"),
    ):
        with pytest.raises(ProblemError) as caught:
            set_weights(weights=bad, present=weights())
        assert (caught.value.code, caught.value.field) == (code, at)
        assert caught.value.remedy
    assert weights() == before
    assert PriorityWeight.objects.count() == 7


def test_bad_answers_are_refused(world):
    north, _west = world
    good = {"consideration": "fit", "score": 3, "reason": "x"}
    for change, code, at in (
        ({"consideration": "fti"}, "unknown_consideration", "consideration"),
        ({"score": 0}, "bad_score", "score"),
        ({"score": 6}, "bad_score", "score"),
        ({"score": True}, "bad_score", "score"),
        ({"score": "much"}, "bad_score", "score"),
        ({"reason": "  "}, "bad_reason", "reason"),
        ({"reason": "x" * 301}, "bad_reason", "reason"),
        ({"reason": "a\x00"}, "bad_reason", "reason"),
    ):
        with pytest.raises(ProblemError) as caught:
            answer_consideration(segment=north, known=CONSIDERATIONS, **{**good, **change})
        assert (caught.value.code, caught.value.field) == (code, at)
    assert not PriorityAnswer.objects.exists()


def test_of_a_limited_user_only_own_accounts_count(world):
    sync_roles()
    team = SalesTeam.objects.create(key="own", name="Own")
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    team.members.add(rep)
    Account.objects.filter(name__in=["Two", "Four"]).update(team=team)
    row = judged("north", rep)
    assert (row.size, row.judged["revenue"].score) == (1, None)  # neither of the two has an amount
    assert row.judged["intent"].measured.overall == 50


def test_the_command_ranks(world, capsys):
    call_command("priority", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["weights"]["revenue"] == 20
    assert {row["segment"] for row in found["segments"]} == {"north", "west", "nobody"}
    call_command("priority")
    assert "North" in capsys.readouterr().out
