"""Segments against the rest: which deals count where, amounts in one currency, retention, and what is refused."""

import csv
import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from journey.models import CustomerPeriod, ExchangeRate, OpportunityChange
from journey.selectors.segment_performance import TARGETS, performance_query, segment_performance
from journey.services.memberships import update_memberships
from segmentation.errors import ProblemError
from segmentation.models import Account, AccountFlag, FlagType, ListMembership, SalesTeam, TargetList
from segmentation.services.roles import REP, sync_roles
from tests.journey import worlds
from tests.journey.test_segments import field, segment, term
from tests.journey.worlds import account, day, deal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _world():
    worlds.install()


def flagged(of, since, until=None):
    kind, _made = FlagType.objects.get_or_create(key="vip", defaults={"name": "VIP"})
    end = None if until is None else day(until)
    AccountFlag.objects.create(account=of, flag_type=kind, start_at=day(since), end_at=end)


def sold(of, opened, closed, amount, stage="Won", currency="EUR"):
    return deal(of, ("Discovery", opened), (stage, closed), amount=amount, currency=currency)


def asked(**more):
    """The figures of the year 2025."""
    return segment_performance(performance_query(**{"start": day(0), "end": day(365), **more}))


@pytest.fixture
def world():
    """Two accounts in the segment of flagged ones, one of them for a time only, and one outside."""
    FlagType.objects.create(key="vip", name="VIP")
    segment("vips", term("flag", flag="vip"))
    always, once, never = (account(name) for name in ("always", "once", "never"))
    flagged(always, 0)
    flagged(once, 0, until=50)
    sold(always, 10, 20, 100)
    sold(always, 12, 52, 300)
    sold(once, 20, 60, 500)  # in it when it was opened, not any more when it was won
    sold(once, 70, 80, 7000)
    sold(never, 10, 30, 40, stage="Lost")
    sold(never, 10, 400, 1, stage="Lost")  # open all through the range
    update_memberships()
    return always, once, never


def row(report, key="vips"):
    return next(one for one in report.rows if one.group.key == key)


def test_a_deal_counts_for_the_segments_of_the_day_it_was_opened_or_before_it_closed(world):
    found = row(asked())
    mine, rest = found.segment.figures, found.rest.figures
    assert (mine.won, mine.lost, mine.revenue, mine.size.median, mine.cycle.mean) == (3, 0, 900, 300, 30)
    assert (rest.won, rest.lost, rest.revenue, rest.open) == (1, 1, 7000, 1)
    assert found.segment.share == pytest.approx(900 / 7900)
    assert (found.accounts, found.unknown, found.assumed) == (1, 0, 0)
    closed = row(asked(moment="closed"))
    assert (closed.segment.figures.revenue, closed.rest.figures.revenue) == (400, 7500)


def test_the_win_itself_does_not_move_a_deal_that_counts_by_its_closing():
    segment("customers", term("opportunity_won"))
    acme = account("Acme")
    sold(acme, 10, 20, 100)
    sold(acme, 30, 40, 200)
    update_memberships()
    found = row(asked(moment="closed"), "customers")
    assert (found.segment.figures.revenue, found.rest.figures.revenue) == (200, 100)


def test_what_happened_outside_the_range_or_was_taken_back_does_not_count(world):
    always, _once, _never = world
    taken_back = sold(always, 100, 110, 900)
    worlds.change(taken_back, "Lost", 120, 5)
    found = row(asked(end=day(60)))  # what is won exactly then is not in it
    assert (found.segment.figures.won, found.segment.figures.lost, found.segment.figures.open) == (2, 0, 1)
    assert (row(asked()).segment.figures.won, row(asked()).segment.figures.lost) == (3, 1)


def test_an_account_of_which_it_is_not_known_is_on_neither_side():
    segment("big", field("employees", 10, "at_least"))
    for employees, amount in ((20, 100), (5, 10), (None, 1)):
        sold(account(employees=employees), 10, 20, amount)
    sold(None, 10, 20, 1000)
    update_memberships()
    report = asked()
    found = row(report, "big")
    assert (found.segment.figures.revenue, found.rest.figures.revenue, found.unknown) == (100, 10, 1)
    assert report.everything.figures.revenue == 1111
    # Employees are known since today only, so the membership of then is assumed, which is said.
    assert found.assumed == 1
    assert {note.code for note in report.notes} == {"no_account", "unknown", "assumed", "few"}


def test_amounts_are_in_the_currency_that_is_asked_for_and_what_has_no_rate_is_named(world):
    always, _once, never = world
    ExchangeRate.objects.create(currency="USD", into="EUR", day=day(0).date(), rate="0.5")
    ExchangeRate.objects.create(currency="USD", into="EUR", day=day(200).date(), rate="0.8")
    sold(always, 100, 150, 1000, currency="USD")
    sold(never, 100, 150, 77, currency="JPY")
    report = asked()
    assert (report.currency, row(report).segment.figures.revenue) == ("EUR", 900 + 500)
    [lost] = [note for note in report.notes if note.code == "no_rate"]
    assert "1 deals (77 JPY)" in lost.text
    assert row(asked(currency="USD")).segment.figures.revenue == pytest.approx(900 * 2 + 1000)
    assert report.currencies == ("EUR", "JPY", "USD")


def test_retention_is_of_the_customers_that_were_in_it_at_the_start(world):
    always, once, never = world
    left = account("left")
    flagged(left, 0)
    for one in (left, never):
        sold(one, 1, 5, 10)
    CustomerPeriod.objects.create(account=left, started_at=day(5), ended_at=day(200))
    update_memberships()
    found = row(asked(start=day(90), end=day(300)))
    # “always” stayed and “left” did not; “once” is a customer too, but was not in it any more.
    assert (found.segment.figures.customers, found.segment.figures.kept) == (2, 1)
    assert (found.rest.figures.customers, found.rest.figures.kept) == (2, 2)
    assert found.segment.figures.retention.rate == 0.5
    assert Account.objects.filter(pk__in=[always.pk, once.pk]).count() == 2


def test_target_accounts_are_compared_with_the_rest_too(world):
    always, _once, _never = world
    tal = TargetList.objects.create(key="named", name="Named")
    ListMembership.objects.create(account=always, target_list=tal, state="active", start_at=day(11))
    found = row(asked(), TARGETS)
    assert (found.segment.figures.won, found.rest.figures.won, found.accounts) == (1, 3, 1)


def test_what_was_recorded_later_was_not_known(world):
    always, _once, _never = world
    before = timezone.now()
    sold(always, 10, 40, 5000)
    update_memberships()
    assert row(asked()).segment.figures.revenue == 5900
    assert row(asked(known_at=before)).segment.figures.revenue == 900
    assert OpportunityChange.objects.count() == 14


def test_without_deals_there_are_no_figures_and_no_division():
    segment("vips", term("opportunity_won"))
    update_memberships()
    text = json.dumps(asked().as_dict(), allow_nan=False)
    found = json.loads(text)["segments"][0]["segment"]
    assert (found["win_rate"], found["revenue"], found["velocity_per_day"], found["share_of_revenue"]) == (None,) * 4


@pytest.mark.parametrize(
    ("wrong", "field_name", "code"),
    [
        ({"end": day(0)}, "end", "empty_range"),
        ({"start": timezone.now().replace(year=2998), "end": timezone.now().replace(year=2999)}, "start", "future"),
        ({"moment": "won"}, "moment", "unknown_moment"),
        ({"segments": ["vip"]}, "segment", "unknown_segment"),
        ({"currency": "GBP"}, "currency", "unknown_currency"),
        ({"known_at": timezone.now().replace(year=2999)}, "known_at", "future"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused_with_the_remedy(world, wrong, field_name, code):
    with pytest.raises(ProblemError) as caught:
        asked(**wrong)
    assert (caught.value.field, caught.value.code) == (field_name, code)
    assert caught.value.remedy


def test_the_page_shows_both_sides_and_says_what_is_wrong(world, admin_client):
    address = reverse("admin:segmentation_segment_performance")
    assert address in admin_client.get(reverse("admin:index")).content.decode()
    answer = admin_client.get(f"{address}?start=2025-01-01&end=2026-01-01")
    [cells] = [one["cells"] for one in answer.context["rows"] if one["name"] == "Vips"]
    revenue = next(cell for cell in cells if cell["label"] == "revenue")
    assert (revenue["value"], revenue["rest"], revenue["about"]) == ("900 EUR", "7,000 EUR", "11.4 % of all")
    for query, text in (
        ("range=custom", "needs its first day"), ("range=ever", "There is no range"),
        ("start=2025-01-01&end=2025-02-01&currency=XXX", "No amount and no exchange rate"),
    ):  # fmt: skip
        assert text in admin_client.get(f"{address}?{query}").content.decode(), query
    content = admin_client.get(f"{address}?start=2025-01-01&end=2026-01-01&format=csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [(one["of"], one["revenue"]) for one in rows] == [
        ("segment", "900.0"),
        ("rest", "7000.0"),
        ("all", "7900.0"),
    ]


def test_without_deals_or_segments_the_page_helps(admin_client):
    address = reverse("admin:segmentation_segment_performance")
    assert "No deal was closed or open" in admin_client.get(address).content.decode()
    sold(account(), 10, (timezone.now() - day(0)).days - 3, 5)
    assert "No segments yet" in admin_client.get(address).content.decode()


def test_a_rep_compares_own_accounts_only(world, client):
    sync_roles()
    team = SalesTeam.objects.create(key="own", name="Own")
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    team.members.add(rep)
    Account.objects.filter(name="once").update(team=team)
    report = asked(user=rep)
    assert report.everything.figures.revenue == 7500
    assert (row(report).segment.figures.revenue, row(report).rest.figures.revenue) == (500, 7000)
    client.force_login(rep)
    assert client.get(reverse("admin:segmentation_segment_performance")).status_code == 200


def test_the_api_and_the_command_say_the_same(world, api, capsys):
    query = "start=2025-01-01&end=2026-01-01"
    found = api.get(f"segments/performance/?{query}").json()
    call_command("performance", start="2025-01-01", end="2026-01-01", json=True)
    assert json.loads(capsys.readouterr().out) == found
    assert found["segments"][0]["segment"]["deal_size"] == {
        "n": 3, "mean": 300, "median": 300, "low": None, "high": None,
    }  # fmt: skip
    assert found["segments"][0]["segment"]["few"] == ["win_rate", "size", "cycle", "velocity"]
    call_command("performance", "vips", start="2025-01-01", end="2026-01-01")
    assert "900 EUR" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no segment"):
        call_command("performance", "vip", start="2025-01-01", end="2026-01-01")
    assert "text/csv" in api.get(f"segments/performance/?{query}&format=csv")["Content-Type"]
    for bad in ("end=2026-01-01", f"{query}&currency=GBP", f"{query}&moment=x", f"{query}&segment=no", "start=x&end=y"):
        assert api.get(f"segments/performance/?{bad}").status_code in (400, 404, 422), bad
