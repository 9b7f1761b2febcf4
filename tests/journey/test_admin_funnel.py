"""The funnel page: every number leads to those it counts, and what cannot be answered is said."""

import csv
import datetime as dt
import html
import io
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from journey.admin.funnel.address import Address, preset
from journey.admin.funnel.tabs import TABS
from journey.admin.funnel.words import difference, share
from journey.models import History, Journey, JourneyVersion
from journey.services.replay import replay
from segmentation.models import ListMembership, SalesTeam, TargetList
from segmentation.services.roles import ANALYST, REP
from tests.journey import worlds
from tests.journey.worlds import account, activity, day, deal

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = '<script>alert("x")</script>'
YEAR = {"range": "custom", "start": "2025-01-01", "end": "2026-01-01", "as_of": "2026-01-01", "journey": "standard"}


@pytest.fixture
def world():
    """Two companies each in the north and the south; one of each is won, and in the north one has an open deal."""
    worlds.install()
    north, south = (SalesTeam.objects.create(key=key, name=key) for key in ("north", "south"))
    listed = TargetList.objects.create(key="key", name="Key accounts")
    for team, industry in ((north, EVIL), (south, "Energy")):
        won = account(created=0, region=team.key, team=team, industry=industry)
        activity(won, "webinar", 10)
        deal(won, ("Discovery", 20), ("Won", 50), team=team, amount=1000, currency="EUR")
        other = account(name=f"{EVIL} {team.key}", created=0, region=team.key, team=team, industry=industry)
        activity(other, "webinar", 40)
        ListMembership.objects.create(target_list=listed, account=won, state="active", start_at=day(0))
        if team == north:
            deal(other, ("Discovery", 60), team=team, amount=500, currency="USD")
    replay()
    return north


def url(name="", **more):
    address = QueryDict(mutable=True)
    for key, value in {**YEAR, **more}.items():
        address.setlist(key, value if isinstance(value, list) else [value])
    return reverse(f"admin:journey_journey_funnel{name}") + "?" + address.urlencode()


def part(client, tab, **more):
    answer = client.get(url("_part", tab=tab, **more))
    assert answer.status_code == 200
    assert "problem" not in (answer.context or {}), str(answer.context["problem"])
    return answer.context["part"]


def cells(found):
    for card in found.cards:
        for bar in card.bars:
            yield from (bar.now, bar.entries)
        yield from card.tiles
        for row in card.table.rows if card.table else ():
            yield from row


def test_every_number_leads_to_exactly_those_it_counts(admin_client, world):
    followed = set()
    looks = [({}, tab) for tab in ("overview", "trend", "moves", "groups", "heat")]
    looks += [({"to": "customer", "horizon": "35"}, "overview"), ({"list": "key"}, "overview")]
    looks += [({"where": ["region=north"]}, "groups")]
    for more, tab in looks:
        for cell in cells(part(admin_client, tab, **more)):
            if (cell.url, cell.text) in followed or "/members/" not in cell.url:
                continue
            followed.add((cell.url, cell.text))
            answer = admin_client.get(cell.url)
            assert answer.status_code == 200
            count, distinct = answer.context["count"], answer.context["distinct"]
            if whole := re.fullmatch(r"(?:\d+ of )?(\d+)", str(cell.text)):
                assert int(whole[1]) in (count, distinct), (tab, more, cell)
            elif "what=converted" in cell.url and "%" in str(cell.text):
                asked = admin_client.get(cell.url.replace("what=converted", "what=asked")).context["count"]
                assert share(count / asked) == cell.text, (tab, more, cell)
    assert len(followed) > 80


def test_the_list_behind_a_number_says_who_when_and_what_followed(admin_client, world):
    behind = url("_members", what="entries", stage="aware")
    rows = admin_client.get(behind).context["table"].rows
    assert [[str(cell.text) for cell in row][1:7] for row in rows] == [
        ["Aware", "No engagement", "Feb. 10, 2025", "March 2, 2025", "20.0 d", "March 2, 2025"],
        ["Aware", "No engagement", "Feb. 10, 2025", "May 11, 2025", "90.0 d", "–"],
        *[["Aware", "No engagement", "Jan. 11, 2025", "Jan. 21, 2025", "10.0 d", "Jan. 21, 2025"]] * 2,
    ]
    found = admin_client.get(behind + "&format=csv")
    text = list(csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"))))
    assert [row["came_from"] for row in text] == ["none"] * 4
    assert len({row["id"] for row in text}) == 4
    deals = admin_client.get(url("_members", what="pipeline", stage="opportunity"))
    assert [str(cell.text) for cell in deals.context["table"].rows[0]][2:] == ["Open opportunity", "no data", "–"]


def test_every_tab_has_its_table_and_its_csv_and_escapes_what_people_typed(admin_client, world):
    for tab in TABS:
        answer = admin_client.get(url("_part", tab=tab, by="industry", by2="region", range="365d", start="", end=""))
        assert answer.status_code == 200, tab
        answer = admin_client.get(url("_part", tab=tab, by="industry", by2="region"))
        text = answer.content.decode()
        assert EVIL not in text
        found = answer.context["part"]
        for card in found.cards:
            assert card.empty or card.table or card.tiles or card.bars, (tab, card.key)
            assert card.definitions or card.key == "group_stages"
            if card.csv and not card.empty:
                rows = admin_client.get(card.csv)
                assert rows["Content-Type"].startswith("text/csv"), (tab, card.key)
                assert rows.content.decode("utf-8-sig").count("\r\n") > 1, (tab, card.key)
            if card.figure:
                assert EVIL not in str(card.figure)
    assert html.escape(EVIL) in text  # it was there to be escaped


REFUSED = [
    ({"end": "2024-01-01"}, "The range ends before it starts"),
    ({"end": ""}, "needs its first day and the day it ends before"),
    ({"end": "2999-01-01"}, "too far in the future"),
    ({"as_of": "2999-01-01"}, "lies in the future"),
    ({"known_at": "2999-01-01"}, "lies in the future"),
    ({"start": "soon"}, "“soon” is no date"),
    ({"range": "decade"}, "There is no range “decade”"),
    ({"horizon": "long"}, "“long” is no number of days"),
    ({"horizon": "nan"}, "cannot be used"),
    ({"horizon": "-1"}, "cannot be used"),
    ({"to": "custmer"}, "Did you mean “customer”?"),
    ({"list": "nolist"}, "There is no target account list “nolist”"),
    ({"list": "key", "list_mode": "will"}, "There is no list mode “will”"),
    ({"where": ["regoin=north"]}, "Did you mean “region”?"),
    ({"where": ["region"]}, "is no filter"),
    ({"version": "9"}, "no published version “9”"),
    ({"journey": "standrad"}, "Did you mean “standard”?"),
]  # fmt: skip


def test_what_cannot_be_answered_is_said_and_no_figure_shown(admin_client, world):
    for more, said in REFUSED:
        page = admin_client.get(url(**more))
        assert page.status_code == 200
        assert said in html.unescape(page.content.decode()), more
        assert 'id="ajf-part"' not in page.content.decode()
        found = admin_client.get(url("_part", tab="overview", **more))
        assert found.status_code == 200
        assert said in html.unescape(found.content.decode()), more
        assert "ajf-table" not in found.content.decode()
        assert admin_client.get(url("_part", csv="funnel", **more)).status_code == 400
        assert said in html.unescape(admin_client.get(url("_members", what="now", **more)).content.decode())


SAID = [
    ("trend", {"granularity": "year"}, "There is no granularity “year”"),
    ("trend", {"granularity": "day", "start": "1995-01-01"}, "more than a picture can show"),
    ("groups", {"by": "regoin"}, "Did you mean “region”?"),
    ("heat", {"by": "region", "by2": "region"}, "two different fields"),
    ("groups", {"measure": "luck"}, "There is no measure “luck”"),
    ("overview", {"compare": "version"}, "Choose the version to compare with"),
    ("overview", {"compare": "list", "clist": "nolist"}, "no target account list “nolist”"),
    ("overview", {"compare": "custom", "cstart": "2025-02-01", "cend": "2025-01-01"}, "ends before it starts"),
    ("overview", {"horizon": "9000"}, "longer than the data"),
    ("overview", {"as_of": "1999-01-01"}, "there are no figures"),
    ("overview", {}, "no exchange rate is known"),
    ("overview", {"where": ["region=nowhere"]}, "Nothing has “nowhere”"),
]  # fmt: skip


def test_a_tab_says_what_it_cannot_show_and_divides_by_nothing(admin_client, world):
    for tab, more, said in SAID:
        text = html.unescape(admin_client.get(url("_part", tab=tab, **more)).content.decode())
        assert said in text, (tab, more)
        assert not re.search(r"\b(nan|inf|NaN|Infinity|None)\b", re.sub(r'"[^"]*"', "", text)), (tab, more)


def test_comparisons_look_at_both_with_the_same_time_to_convert(admin_client, world):
    given = QueryDict("range=custom&start=2025-02-01&end=2025-03-01&as_of=2025-03-11&journey=standard", mutable=True)
    for how, start, as_of in (
        ("previous", dt.date(2025, 1, 4), dt.date(2025, 2, 11)),
        ("year", dt.date(2024, 2, 1), dt.date(2024, 3, 10)),
        ("custom", dt.date(2025, 1, 1), dt.date(2025, 2, 20)),
    ):
        given.update({"compare": how, "cstart": "2025-01-01", "cend": "2025-02-10"})
        address = Address(given)
        other = address.compared(address.query()).query
        assert (other.start.date(), other.as_of.date()) == (start, as_of), how
    found = part(admin_client, "overview", start="2025-02-01", end="2025-03-01", compare="previous")
    entries = {row[0].text: (row[3].text, row[3].sub) for row in found.cards[2].table.rows}
    assert entries["Aware"] == ("2", "±0")
    assert entries["Open opportunity"] == ("0", "−2")
    by_list = part(admin_client, "overview", compare="list", clist="key")
    assert {row[0].text: row[3].sub for row in by_list.cards[2].table.rows}["Aware"] == "+2"
    assert "Key accounts" in by_list.notes[0]
    assert difference(0.5, 0.25, as_share=True) == "+25.0 pp"


def test_every_tab_is_compared_in_its_table_and_its_csv(admin_client, world):
    """A list of nobody's own figures: whatever the tab counts differs from it, and its CSV holds both."""
    for tab, card, key in (
        ("overview", 2, "funnel"), ("trend", 0, "trend"), ("moves", 0, "flows"), ("moves", 1, "matrix"),
        ("time", 0, "survival"), ("time", 1, "cohorts"), ("groups", 0, "groups"), ("groups", 1, "groups"),
        ("heat", 0, "heat"),
    ):  # fmt: skip
        given = {"tab": tab, "compare": "list", "clist": "key", "stage": "aware", "range": "all"}
        shown = part(admin_client, **given)
        assert "Key accounts" in shown.notes[0], tab
        subs = [str(cell.sub) for row in shown.cards[card].table.rows for cell in row]
        assert any(sub[:1] in "+−±" for sub in subs if sub), (tab, card)
        rows = list(csv.DictReader(io.StringIO(
            admin_client.get(url("_part", csv=key, **given)).content.decode("utf-8-sig")
        )))  # fmt: skip
        assert {row["question"] for row in rows} == {"asked", "compared"}, tab
        plain = admin_client.get(url("_part", csv=key, **(given | {"compare": ""}))).content.decode("utf-8-sig")
        assert not plain.startswith("question")
    for tab in ("stuck", "near"):
        shown = part(admin_client, tab, compare="list", clist="key")
        assert "Key accounts" in shown.notes[0]


def test_the_address_holds_the_whole_question(admin_client, world):
    assert admin_client.get(url(tab="groups", by="tier")).context["kept"] == [("by", "tier")]
    added = admin_client.get(url(wf="region", wv="north"))
    assert added.status_code == 302
    assert "where=region%3Dnorth" in added["Location"].replace("region=north", "region%3Dnorth")
    page = admin_client.get(added["Location"])
    assert [entry["text"] for entry in page.context["filters"]] == ["Region: north"]
    fixed = page.context["fixed_url"]
    assert "range=custom" in fixed
    assert "version=1" in fixed
    first = part(admin_client, "overview", where=["region=north"]).cards[2].table
    again = admin_client.get(reverse("admin:journey_journey_funnel_part") + fixed).context["part"].cards[2].table
    assert [[cell.text for cell in row] for row in again.rows] == [[cell.text for cell in row] for row in first.rows]
    assert {"Aware": "2"}.items() <= {str(row[0].text): row[3].text for row in first.rows}.items()
    today = dt.date(2026, 5, 20)
    assert preset("30d", today) == (dt.date(2026, 4, 21), dt.date(2026, 5, 21))
    assert preset("last_quarter", today) == (dt.date(2026, 1, 1), dt.date(2026, 4, 1))
    assert preset("last_month", dt.date(2026, 1, 31)) == (dt.date(2025, 12, 1), dt.date(2026, 1, 1))


def test_fiscal_quarters_begin_with_the_fiscal_year(settings):
    settings.FISCAL_YEAR_START_MONTH = 2
    assert preset("quarter", dt.date(2026, 1, 20)) == (dt.date(2025, 11, 1), dt.date(2026, 1, 21))
    assert preset("last_year", dt.date(2026, 1, 20)) == (dt.date(2024, 2, 1), dt.date(2025, 2, 1))


def test_a_rep_sees_figures_names_and_values_of_own_accounts_only(world):
    rep = get_user_model().objects.create_user("ray", password="pass", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    rep.sales_teams.add(world)
    client = Client()
    client.force_login(rep)
    assert client.get(reverse("admin:index")).content.decode().count(reverse("admin:journey_journey_funnel")) == 2
    assert client.get(url()).status_code == 200
    for tab in TABS:
        text = client.get(url("_part", tab=tab, by="region", by2="industry")).content.decode()
        assert "south" not in text, tab
        assert "Energy" not in text, tab
    found = part(client, "overview")
    assert {row[0].text: row[3].text for row in found.cards[2].table.rows}["Aware"] == "2"
    assert found.cards[0].tiles[-2].text == "no data"  # costs are of all accounts
    for what in ("entries", "revenue", "pipeline"):
        answer = client.get(url("_members", what=what))
        assert answer.context["count"] > 0
        assert "south" not in answer.content.decode()
    values = client.get(url("_values", field="region")).json()["values"]
    assert values == ["north"]
    assert "south" not in client.get(url("_part", where=["region=nowhere"])).content.decode()


def test_who_may_not_see_accounts_sees_no_figures(client, world):
    user = get_user_model().objects.create_user("eve", password="pass", is_staff=True)
    client.force_login(user)
    for name in ("", "_part", "_members", "_values"):
        assert client.get(url(name)).status_code == 403
    user.groups.add(Group.objects.get(name=ANALYST))
    assert client.get(url()).status_code == 200
    assert client.get(url("_values", field="region")).json()["values"] == ["north", "south"]
    assert "Did you mean" in client.get(url("_values", field="regoin")).json()["problem"]


def test_without_history_or_journey_the_page_says_what_to_do(admin_client, world):
    History.objects.update(state="old")
    page = admin_client.get(url())
    assert "has no history yet" in page.content.decode()
    assert page.context["rebuild_url"] in page.content.decode()
    JourneyVersion.objects.create(journey=Journey.objects.create(key="new", name="New"), number=1)
    assert "publish them first" in admin_client.get(url(journey="new")).content.decode()


def test_few_queries_make_the_page_and_its_tabs(admin_client, world, django_assert_max_num_queries):
    admin_client.get(url())
    # Those of the menus and of the session are in them.
    with django_assert_max_num_queries(24):
        admin_client.get(url())
    # What is in memory is looked at again after a while, at two queries each: fields, lists, deals.
    for tab in TABS:
        admin_client.get(url("_part", tab=tab))
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(url("_part", tab=tab))
        assert len(queries) <= 30, (tab, [query["sql"][:90] for query in queries])
