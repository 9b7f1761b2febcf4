"""The funnel through the API: the same figures as everywhere, for whoever asks no more than they may see."""

import csv
import io

import pytest

from journey.services.replay import replay
from segmentation.models import SalesTeam
from segmentation.selectors.access import OWN_TEAMS
from tests.journey import worlds
from tests.journey.worlds import account, activity, deal
from tests.segmentation.api.support import Api, check_problem, make_user

pytestmark = pytest.mark.django_db(transaction=True)

RANGE = "start=2025-01-01&end=2026-01-01&as_of=2026-01-01"
ADDRESS = f"journeys/standard/funnel/?{RANGE}"


@pytest.fixture
def world():
    worlds.install()
    north, south = (SalesTeam.objects.create(key=key, name=key) for key in ("north", "south"))
    for team in (north, south):
        acme = account(created=0, region=team.key, team=team)
        activity(acme, "webinar", 10)
        deal(acme, ("Discovery", 20), ("Won", 50), team=team)
    deal(None, ("Discovery", 30))
    replay()
    return north


def chart(part, more=""):
    return f"journeys/standard/funnel/{part}/?{RANGE}{more}"


def test_figures_groups_and_charts_come_as_json_and_csv(api, world):
    found = api.get(ADDRESS + "&by=region&where=region=north;region=south&to=customer").json()
    aware = next(row for row in found["stages"] if row["key"] == "aware")
    assert (aware["volume"], aware["conversion"]["rate"], aware["velocity"]["median_days"]) == (2, 1.0, 40)
    assert [group["values"] for group in found["groups"]] == [{"region": "north"}, {"region": "south"}]
    answer = api.get(ADDRESS + "&by=region&format=csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="standard-funnel.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["volume"] for row in rows if row["stage"] == "aware"] == ["2", "1", "1"]
    for part, more, expected in (
        ("trend", "&granularity=month", {"period": "2025-01-01", "stage": "aware", "volume": 2}),
        ("flows", "", {"source": "aware", "target": "opportunity", "moves": 2, "direction": "skipped"}),
        ("cohorts", "&stage=aware&months=2", {"cohort": "2025-01-01", "months": 1, "rate": 1.0}),
        ("survival", "&stage=opportunity", {"days": 30.0, "waiting": 0.0, "exact": 1.0}),
        ("conversions", "", {"source": "aware", "target": "customer", "rate": 1.0, "mean_days": 40.0}),
        ("heat-map", "&by=region,tier&stage=aware&measure=volume", {"down": "north", "across": "(none)", "value": 1}),
        ("stuck", "&stage=customer", {"stage": "customer", "days": 315.0, "longer_than": 0.0}),
    ):
        rows = api.get(chart(part, more)).json()["rows"]
        assert [row for row in rows if expected.items() <= row.items()], (part, rows)
        assert api.get(chart(part, more + "&format=csv")).content.decode("utf-8-sig").count("\r\n") == len(rows) + 1


def test_figures_and_charts_are_compared_with_another_range_list_or_version(api, world):
    march = f"{ADDRESS.partition('?')[0]}?start=2025-03-01&end=2025-04-01&as_of=2025-04-01"
    found = api.get(march + "&compare=custom&compare_start=2025-02-01&compare_end=2025-03-01").json()
    assert (found["compared"]["start"][:10], found["compared"]["as_of"][:10]) == ("2025-02-01", "2025-03-01")
    won = [next(s for s in report["stages"] if s["key"] == "customer") for report in (found, found["compared"])]
    assert [stage["volume"] for stage in won] == [0, 2]
    rows = api.get(chart("flows", "&compare=version&compare_version=1")).json()["rows"]
    asked = [{**row, "question": "compared"} for row in rows if row["question"] == "asked"]
    assert asked == [row for row in rows if row["question"] == "compared"] != []
    text = api.get(ADDRESS + "&compare=year&format=csv").content.decode("utf-8-sig")
    assert {row["question"] for row in csv.DictReader(io.StringIO(text))} == {"asked", "compared"}
    for more, field in (
        ("&compare=luck", "compare"), ("&compare=list", "compare_list"), ("&compare=custom", "compare_start"),
        ("&compare=version&compare_version=99", "compare_version"), ("&compare=list&compare_list=no", "compare_list"),
        ("&compare=custom&compare_start=2025-01-01&compare_end=2199-01-01", "compare_end"),
    ):  # fmt: skip
        assert api.get(ADDRESS + more).json()["errors"][0]["field"] == field


def test_a_rep_gets_figures_of_own_accounts_only(world):
    rights = [OWN_TEAMS, "journey.view_journey", "segmentation.view_account", "journey.view_opportunity"]
    user = make_user("rep", *rights)
    user.sales_teams.add(world)
    rep = Api(user)
    found = rep.get(ADDRESS + "&by=region").json()
    assert {row["key"]: row["volume"] for row in found["stages"] if row["volume"]} == {
        "aware": 1,
        "opportunity": 1,
        "customer": 1,
    }
    assert [group["values"] for group in found["groups"]] == [{"region": "north"}]
    assert found["overall"]["opportunities"] == 1
    assert [row["n"] for row in rep.get(chart("conversions")).json()["rows"] if row["source"] == "aware"] == [1, 1, 1]
    assert len(rep.get(chart("stuck", "&stage=customer")).json()["rows"]) == 1
    assert "south" not in rep.get(ADDRESS + "&where=region=nowhere").content.decode()


def test_what_cannot_be_answered_is_a_problem_with_its_parameter(api, nobody, world):
    assert check_problem(nobody.get(ADDRESS))["status"] == 403
    for address, field in (
        ("journeys/standard/funnel/?end=2026-01-01", "start"),
        ("journeys/standard/funnel/?start=2026-01-01&end=2025-01-01", "end"),
        (ADDRESS.replace("as_of=2026", "as_of=2099"), "as_of"),
        (ADDRESS + "&by=regoin", "by"),
        (ADDRESS + "&to=custmer", "to"),
        (ADDRESS + "&horizon=soon", "horizon"),
        (ADDRESS + "&horizon=inf", "horizon"),
        (ADDRESS + "&horizon=30,60", "horizon"),
        ("journeys/standard/funnel/?start=2025-01-01&end=2199-01-01", "end"),
        (ADDRESS + "&days=30,x", "days"),
        (ADDRESS + "&groups=0", "groups"),
        (ADDRESS + "&where=region", "where"),
        (ADDRESS + "&list=nolist", "list"),
        (ADDRESS + "&list_mode=is", "list"),
        (ADDRESS + "&format=xml", "format"),
        (chart("cohorts"), "stage"),
        (chart("survival", "&stage=mqaa"), "stage"),
        (chart("trend", "&granularity=year"), "granularity"),
        (chart("heat-map", "&by=region&stage=mqa"), "by"),
        (chart("heat-map", "&by=region,tier&stage=mqa&measure=luck"), "measure"),
    ):
        problem = check_problem(api.get(address))
        assert problem["status"] in (400, 404), address
        assert [error["field"] for error in problem["errors"]] == [field], address
    empty = check_problem(api.get(f"journeys/extended/funnel/?{RANGE}&version=7"))
    assert empty["code"] == "unknown_version"


def test_near_misses_come_with_what_is_missing_and_for_a_rep_of_own_accounts(api, world):
    found = api.get("journeys/standard/near/?at=2025-01-15&stage=mqa").json()
    assert [(row["stage"], row["next"]) for row in found["accounts"]] == [("aware", "mqa")] * 2
    assert found["accounts"][0]["missing"][0]["missing"] in found["accounts"][0]["text"]
    assert api.get("journeys/standard/near/?at=2025-01-15&format=csv").content.decode().count("\r\n") == 3
    assert check_problem(api.get("journeys/standard/near/?stage=mqaa"))["errors"][0]["field"] == "stage"
    assert check_problem(api.get("journeys/standard/near/?at=2099-01-01"))["errors"][0]["field"] == "at"
    user = make_user("rep", OWN_TEAMS, "journey.view_journey", "segmentation.view_account")
    user.sales_teams.add(world)
    assert len(Api(user).get("journeys/standard/near/?at=2025-01-15").json()["accounts"]) == 1
