"""The nested markets: sizes at the ends of months, who stands beside them, what was known, and what is refused."""

import csv
import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from journey.models import MarketLevel
from journey.selectors.markets import market_accounts, market_query, market_report
from journey.services.markets import store_market
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from segmentation.errors import ProblemError
from segmentation.models import Account, IcpAssessment, IcpProfile, ListMembership, SalesTeam, Segment, TargetList
from segmentation.services.roles import REP, sync_roles
from segmentation.services.segments import delete_segment
from tests.journey import worlds
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, activity, contact, day, deal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _world():
    worlds.install()


def fits(of, grade, at):
    version = IcpProfile.objects.get(key="default").versions.get()
    IcpAssessment.objects.filter(account=of, ended_at=None).update(ended_at=day(at))
    IcpAssessment.objects.create(
        version=version, account=of, score=70, grade=grade, coverage=90, fingerprint=1, made_at=day(at)
    )


def listed(of, since, until=None):
    tal, _made = TargetList.objects.get_or_create(key="named", defaults={"name": "Named"})
    end = None if until is None else day(until)
    return ListMembership.objects.create(account=of, target_list=tal, state="active", start_at=day(since), end_at=end)


@pytest.fixture
def world():
    """Five accounts from the first of January 2025 on, and what happened in the months after."""
    whole, chosen, wild, misfit, late = (
        account(name, team=None) for name in ("whole", "chosen", "wild", "misfit", "late")
    )
    for one, grade in ((whole, "A"), (chosen, "B"), (misfit, "D")):
        fits(one, grade, 5)
    fits(late, "A", 65)  # in March
    listed(whole, 10)
    listed(chosen, 40)  # from the tenth of February on
    listed(misfit, 10, until=50)
    activity(whole, "webinar", 20, by=contact(whole))
    activity(wild, "webinar", 20, by=contact(wild))  # engaged, but nobody chose it, and nobody knows whether it fits
    deal(whole, ("Discovery", 33), ("Proposal", 45), ("Lost", 62))
    replay()
    return {one.name: one for one in (whole, chosen, wild, misfit, late)}


def sizes(**asked):
    """By key of the market what is counted at the end of January, February, March, and on the tenth of April."""
    asked = {"as_of": day(99), "months": 3, **asked}
    report = market_report(market_query(**asked))
    return {m.level.key: (m.size, m.beside, m.unknown, m.assumed) for m in report.markets}


def test_each_market_is_a_part_of_the_one_before_at_the_end_of_every_month(world):
    found = sizes()
    assert found["total"] == ([5] * 4, [0] * 4, [0] * 4, [0] * 4)
    # Before its first assessment in March that one stands in for the fit of “late”; nothing says how “wild” fits.
    assert found["target-market"] == ([3] * 4, [0] * 4, [1] * 4, [1, 1, 0, 0])
    assert found["target-accounts"] == ([1, 2, 2, 2], [1, 0, 0, 0], [0] * 4, [0] * 4)
    # After the loss in March it is in no stage of the funnel.
    assert found["engaged"] == ([1, 1, 0, 0], [1] * 4, [0] * 4, [0] * 4)
    assert found["opportunity"] == ([0, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4)


def test_the_months_end_at_the_first_of_the_next_and_the_last_is_the_moment_asked_for():
    query = market_query(as_of=day(99), months=3)
    assert [f"{timezone.localtime(at):%m-%d}" for at in query.instants] == ["02-01", "03-01", "04-01", "04-10"]


def test_the_accounts_behind_a_number_are_those_it_counts(world):
    def names(market, which, at):
        return [a.name for a in market_accounts(market, which, day(at))]

    assert names("target-accounts", "in", 59) == ["chosen", "whole"]
    assert names("target-accounts", "beside", 31) == ["misfit"]
    assert names("target-market", "unknown", 31) == ["wild"]
    assert names("engaged", "beside", 59) == ["wild"]


def test_what_was_recorded_later_was_not_known(world):
    before = timezone.now()
    listed(world["late"], 12)
    activity(world["late"], "webinar", 20)
    replay()
    now, then = sizes(), sizes(known_at=before)
    assert now["engaged"][0] == [2, 2, 1, 1]
    assert then["engaged"][0] == [1, 1, 0, 0]
    assert then["target-accounts"][0] == [1, 2, 2, 2]
    assert then["total"] == now["total"]


def test_a_segment_of_any_rule_can_be_a_market_and_is_known_as_of_a_day_too(world):
    busy = segment("busy", {"kind": "activity_count", "params": {"times": 1, "window_days": 30}})
    store_market(values={"test": "segment", "segment": busy}, market=MarketLevel.objects.get(key="engaged"))
    update_memberships()
    expected = [1, 0, 0, 0]  # the window has run empty by the end of February
    assert sizes()["engaged"][:2] == (expected, [1, 0, 0, 0])
    known = timezone.now()
    activity(world["chosen"], "webinar", 50)
    update_memberships()
    assert sizes()["engaged"][0] == [1, 1, 0, 0]
    assert sizes(known_at=known)["engaged"][0] == expected


def test_a_market_that_cannot_be_told_says_why_and_does_not_stop_the_ones_after_it(world):
    ListMembership.objects.all().delete()
    TargetList.objects.all().delete()
    report = market_report(market_query(as_of=day(60), months=1))
    listed_market = report.markets[2]
    assert (listed_market.size, listed_market.problem) == ([None, None], "There is no target account list yet.")
    assert report.markets[3].size == [1, 1]
    assert report.before(3) is report.markets[1]


def test_a_rep_counts_own_accounts_only_and_sees_no_rules(world, client):
    sync_roles()
    team = SalesTeam.objects.create(key="own", name="Own")
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    team.members.add(rep)
    Account.objects.filter(name="whole").update(team=team)
    client.force_login(rep)
    assert market_report(market_query(user=rep)).markets[0].size[-1] == 1
    text = client.get(reverse("admin:journey_marketlevel_chart")).content.decode()
    assert "grade A, B" not in text
    address = reverse("admin:journey_marketlevel_accounts")
    text = client.get(f"{address}?market=total").content.decode()
    assert ("whole" in text, "chosen" in text) == (True, False)


class TestRefused:
    @pytest.mark.parametrize(
        ("asked", "field_name", "code"),
        [
            ({"months": 0}, "months", "bad_months"),
            ({"months": 61}, "months", "bad_months"),
            ({"as_of": timezone.now().replace(year=2999)}, "as_of", "future"),
            ({"known_at": timezone.now().replace(year=2999)}, "known_at", "future"),
        ],
    )
    def test_questions_that_cannot_be_answered(self, asked, field_name, code):
        with pytest.raises(ProblemError) as caught:
            market_query(**asked)
        assert (caught.value.field, caught.value.code) == (field_name, code)
        assert caught.value.remedy

    @pytest.mark.parametrize(
        ("values", "field_name"),
        [
            ({"test": "stage"}, "stage"),
            ({"test": "stage", "stage": "awre"}, "stage"),
            ({"test": "segment"}, "segment"),
            ({"test": "fit", "grades": ""}, "grades"),
            ({"test": "fit", "grades": "BA"}, "grades"),
            ({"test": "opportunity", "stage": "aware"}, "stage"),
            ({"color": "red"}, "color"),
            ({"position": 10}, ""),
            ({"test": "everything"}, "test"),
        ],
    )
    def test_levels_that_make_no_market(self, values, field_name):
        with pytest.raises(ProblemError) as caught:
            store_market(values={"key": "x", "name": "X", "position": 99, "test": "everybody", "grades": "", **values})
        assert caught.value.field == field_name
        assert MarketLevel.objects.count() == 5

    def test_what_a_market_reads_is_not_deleted(self, admin_client):
        used = segment("used", field("region", "north"))
        store_market(values={"test": "segment", "segment": used}, market=MarketLevel.objects.get(key="engaged"))
        with pytest.raises(ProblemError, match="Engaged accounts"):
            delete_segment(key="used")
        assert Segment.objects.filter(key="used").exists()

    def test_another_test_clears_what_only_the_one_before_read(self):
        level = store_market(values={"test": "opportunity"}, market=MarketLevel.objects.get(key="engaged"))
        assert level.stage == ""


def test_the_page_shows_sizes_links_and_a_file(world, admin_client):
    chart = reverse("admin:journey_marketlevel_chart")
    assert chart in admin_client.get(reverse("admin:index")).content.decode()
    answer = admin_client.get(f"{chart}?as_of=2025-04-10&months=3")
    text = answer.content.decode()
    assert "Target accounts" in text
    assert [row["size"]["number"] for row in answer.context["rows"]] == [5, 3, 2, 0, 0]
    accounts = admin_client.get(answer.context["rows"][2]["size"]["url"].replace("&amp;", "&")).content.decode()
    assert ("chosen" in accounts, "misfit" in accounts) == (True, False)
    rows = list(
        csv.DictReader(
            io.StringIO(admin_client.get(f"{chart}?as_of=2025-04-10&months=3&format=csv").content.decode("utf-8-sig"))
        )
    )
    assert [(row["accounts"], row["beside"]) for row in rows if row["market"] == "target-accounts"] == [
        ("1", "1"), ("2", "0"), ("2", "0"), ("2", "0"),
    ]  # fmt: skip
    assert "Give a number from 1 to 60" in admin_client.get(f"{chart}?months=x").content.decode()
    assert (
        "There is no market"
        in admin_client.get(reverse("admin:journey_marketlevel_accounts") + "?market=no").content.decode()
    )


def test_without_accounts_or_markets_the_page_helps(admin_client):
    chart = reverse("admin:journey_marketlevel_chart")
    assert "There are no accounts yet" in admin_client.get(chart).content.decode()
    MarketLevel.objects.all().delete()
    assert "There are no markets" in admin_client.get(chart).content.decode()


def test_a_market_is_changed_on_its_page_and_a_bad_one_is_refused_there(admin_client):
    level = MarketLevel.objects.get(key="engaged")
    address = reverse("admin:journey_marketlevel_change", args=[level.pk])
    given = {"name": "Engaged", "position": 40, "color": "#f59e0b", "test": "stage", "grades": "", "stage": "mqa"}
    assert admin_client.post(address, {**given, "stage": "nope"}).status_code == 200
    assert admin_client.post(address, given).status_code == 302
    assert MarketLevel.objects.get(key="engaged").stage == "mqa"


def test_the_api_and_the_command_say_the_same(world, api, capsys):
    found = api.get("markets/sizes/?as_of=2025-04-10&months=3").json()
    assert {m["key"]: m["accounts"] for m in found["markets"]}["target-accounts"] == [1, 2, 2, 2]
    call_command("markets", as_of="2025-04-10", months=3, json=True)
    assert json.loads(capsys.readouterr().out) == found
    call_command("markets", as_of="2025-04-10", months=3)
    assert "(+ 1)" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Give a number from 1 to 60"):
        call_command("markets", months=99)
    assert "text/csv" in api.get("markets/sizes/?format=csv")["Content-Type"]
    behind = api.get("markets/target-accounts/accounts/?which=beside&at=2025-02-01").json()
    assert (behind["size"], [row["name"] for row in behind["accounts"]]) == (1, ["misfit"])


def test_markets_are_made_changed_and_removed_over_the_api(api):
    assert [row["key"] for row in api.get("markets/").json()["results"]][:2] == ["total", "target-market"]
    made = api.post(
        "markets/", {"key": "won", "name": "Won", "position": 60, "test": "stage", "stage": "customer", "grades": ""}
    )
    assert made.status_code == 201, made.content
    assert api.patch("markets/won/", {"stage": "opportunity"}).json()["stage"] == "opportunity"
    for body, code in (
        ({"stage": "x"}, "invalid"),
        ({"key": "other"}, "read_only"),
        ({"segment": "none"}, "unknown_segment"),
    ):
        answer = api.patch("markets/won/", body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code), answer.json()
    assert api.delete("markets/won/").status_code == 204
    for query in ("months=0", "months=1.5", "as_of=2999-01-01", "known_at=x", "format=xml", "mnths=3"):
        assert api.get(f"markets/sizes/?{query}").status_code in (400, 422), query
    assert api.get("markets/total/accounts/?which=all").status_code in (400, 422)
