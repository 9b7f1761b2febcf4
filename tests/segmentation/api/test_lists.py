"""Pages and filters of lists."""

import base64
import json

import pytest

from segmentation.models import Account
from tests.segmentation.api.support import check_problem, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def companies(db):
    rows = [
        {
            "external_id": "A-1",
            "name": "Alpha",
            "domain": "alpha.example",
            "region": "EMEA",
            "employees": 10,
            "tier": 1,
            "team": "North",
            "products": ["X"],
        },
        {
            "external_id": "A-2",
            "name": "Beta",
            "region": "APAC",
            "employees": 200,
            "tier": 2,
            "other_names": ["Bêta 贝塔"],
        },
        {
            "external_id": "A-3",
            "name": "Gamma",
            "region": "EMEA",
            "tier": 3,
            "parent": "A-1",
            "products": ["X", "Y"],
            "revenue": 5.5,
        },
        {
            "external_id": "A-4",
            "name": "Delta",
            "region": "",
            "employees": 3000,
            "created_in_source_at": "2024-06-30T12:00:00Z",
        },
        {"external_id": "A-5", "name": "Epsilon", "region": "EMEA", "employees": 50},
    ]
    store("accounts", *rows)


def names(answer):
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


# Pages --------------------------------------------------------------------------------------------------------------


def test_pages_lead_through_the_whole_list_and_back(api, companies):
    page = api.get("accounts/?page_size=2")
    seen = [names(page)]
    while page.json()["next"]:
        page = api.get(page.json()["next"])
        seen.append(names(page))
    assert seen == [["Alpha", "Beta"], ["Gamma", "Delta"], ["Epsilon"]]
    back = []
    while page.json()["previous"]:
        page = api.get(page.json()["previous"])
        back.append(names(page))
    assert back == [["Gamma", "Delta"], ["Alpha", "Beta"]]


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(api, companies):
    page = api.get("accounts/?page_size=2")
    Account.objects.filter(name__in=["Alpha", "Beta"]).delete()
    store("accounts", {"external_id": "A-6", "name": "Zeta"})
    rest = names(api.get(page.json()["next"].replace("page_size=2", "page_size=10")))
    assert rest == ["Gamma", "Delta", "Epsilon", "Zeta"]


def test_many_rows_of_one_moment_are_paged_without_loss(api):
    records = [{"external_id": f"E-{n}", "type": "webinar", "occurred_at": "2026-01-01"} for n in range(25)]
    store("activities", *records)
    page, seen = api.get("activities/?page_size=4").json(), []
    while True:
        seen += [row["external_id"] for row in page["results"]]
        if not page["next"]:
            break
        page = api.get(page["next"]).json()
    assert seen == [f"E-{n}" for n in reversed(range(25))]


def test_an_empty_list_has_one_page(api):
    assert api.get("accounts/").json() == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("size", ["0", "-1", "501", "x", "1.5", "", "9" * 30, "٣"])
def test_a_page_size_out_of_bounds_is_refused(api, size):
    problem = check_problem(api.get(f"accounts/?page_size={size}"))
    assert (problem["status"], problem["errors"][0]["field"]) == (400, "page_size")


def made_up(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%00",
        "AAAA",
        made_up(),
        made_up("x", 0),
        made_up("x", 2, 5),
        made_up("x", 0, "y"),
        made_up("x", 0, None),
        made_up("x", 0, 10**30),
        made_up("x", 0, [1]),
    ],
)
def test_a_cursor_that_is_none_is_refused(api, companies, cursor):
    problem = check_problem(api.get(f"accounts/?cursor={cursor}"))
    assert (problem["status"], problem["errors"][0]["field"]) == (400, "cursor")


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01", "0001-01-01T00:00:00+14:00", 5, None])
def test_a_cursor_with_a_wrong_moment_is_refused(api, moment):
    assert api.get(f"activities/?cursor={made_up('x', 0, moment, 1)}").status_code == 400


def test_a_cursor_of_another_list_is_refused(api, companies):
    cursor = api.get("accounts/?page_size=1").json()["next"].split("cursor=")[1].split("&")[0]
    problem = check_problem(api.get(f"accounts/?region=EMEA&cursor={cursor}"))
    assert (problem["status"], problem["code"]) == (400, "other_cursor")


# Filters ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("external_id=A-2", ["Beta"]),
        ("external_id=A-2&source_system=crm", ["Beta"]),
        ("external_id=A-2&source_system=erp", []),
        ("external_id__in=A-2,A-4", ["Beta", "Delta"]),
        ("name=Alpha", ["Alpha"]),
        ("name__iexact=aLPHA", ["Alpha"]),
        ("search=alpha.ex", ["Alpha"]),
        ("search=贝塔", ["Beta"]),
        ("domain=alpha.example", ["Alpha"]),
        ("region=EMEA", ["Alpha", "Gamma", "Epsilon"]),
        ("region__in=APAC,LATAM", ["Beta"]),
        ("region__isempty=true", ["Delta"]),
        ("region__isempty=false&tier__isempty=true", ["Epsilon"]),
        ("employees__gte=50&employees__lt=3000", ["Beta", "Epsilon"]),
        ("employees__gt=200", ["Delta"]),
        ("employees=10", ["Alpha"]),
        ("employees=99999999999999", []),
        ("employees__isempty=true", ["Gamma"]),
        ("revenue__lte=5.50", ["Gamma"]),
        ("tier=1", ["Alpha"]),
        ("tier__in=1,3", ["Alpha", "Gamma"]),
        ("team=north", ["Alpha"]),
        ("team__isempty=false", ["Alpha"]),
        ("parent__external_id=A-1", ["Gamma"]),
        ("products=X", ["Alpha", "Gamma"]),
        ("products=X,Y", ["Gamma"]),
        ("products__isempty=false", ["Alpha", "Gamma"]),
        ("created_in_source_at__gte=2024-06-30&created_in_source_at__lt=2024-07-01", ["Delta"]),
        ("created_in_source_at__lte=2024-06-30T14:00:00%2B02:00", ["Delta"]),
        ("created_in_source_at__lte=2024-06-30T14:00:00+02:00", ["Delta"]),
        ("created_in_source_at__lt=2024-06-30T12:00:00Z", []),
        ("updated_at__lt=2020-01-01", []),
    ],
)
def test_a_filter_finds_these_and_no_others(api, companies, query, expected):
    assert names(api.get(f"accounts/?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("regoin=EMEA", "regoin", "“region”"),
        ("employees__gte=many", "employees__gte", "number"),
        ("employees__gte=NaN", "employees__gte", "number"),
        ("revenue__gte=Infinity", "revenue__gte", "number"),
        ("revenue__gte=1e400", "revenue__gte", ""),
        ("employees=" + "9" * 5000, "employees", ""),
        ("employees__in=1,,2", "employees__in", "empty"),
        ("tier=4", "tier", "1, 2, 3"),
        ("relationship=custmer", "relationship", "“customer”"),
        ("team=nrth", "team", "“north”"),
        ("region__isempty=perhaps", "region__isempty", "true or false"),
        ("updated_at__gte=yesterday", "updated_at__gte", "2024-01-31"),
        ("updated_at__gte=1989-12-31", "updated_at__gte", "1990"),
        ("updated_at__gte=0001-01-01T00:00:00%2B14:00", "updated_at__gte", "1990"),
        ("updated_at__gte=9999-12-31T23:59:59-14:00", "updated_at__gte", "2199"),
        ("updated_at__gte=2024-02-30", "updated_at__gte", "moment"),
        ("name=%00", "name", ""),
        ("search=x", "search", "2"),
        ("region=", "region", "isempty"),
        ("region=EMEA&region=APAC", "region", "region__in"),
        ("id__in=" + ",".join(map(str, range(501))), "id__in", "500"),
        ("format=xml", "format", ""),
        ("limit=5", "limit", ""),
    ],
)
def test_a_filter_that_means_nothing_is_refused_and_says_what_would(api, companies, query, field, told):
    problem = check_problem(api.get(f"accounts/?{query}"))
    assert problem["status"] == 400
    assert [error["field"] for error in problem["errors"]] == [field]
    assert told in problem["errors"][0]["detail"]


def test_every_wrong_parameter_is_named(api):
    problem = check_problem(api.get("accounts/?regoin=x&teir=1"))
    assert [error["field"] for error in problem["errors"]] == ["regoin", "teir"]


def test_a_parameter_where_none_is_taken_is_refused(api, companies):
    key = Account.objects.first().pk
    assert api.get(f"accounts/{key}/?expand=team").status_code == 400
    assert (
        api.post("accounts/upsert/?dry_run=true", {"records": [{"external_id": "A-9", "name": "Nine"}]}).status_code
        == 400
    )
    assert not Account.objects.filter(external_id="A-9").exists()


def test_a_list_that_takes_too_long_is_refused(api, companies, monkeypatch):
    monkeypatch.setattr("segmentation.api.records.LIST_SECONDS", 0.001)
    store("accounts", *({"external_id": f"B-{n}", "name": f"B {n}"} for n in range(5000)))
    problem = check_problem(api.get("accounts/?search=" + "%25_" * 100))
    assert problem["code"] == "too_slow"
