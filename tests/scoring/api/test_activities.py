import pytest

from scoring.models import Activity, ActivityType
from tests.segmentation.api.support import check_problem, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def facts(db):
    store("accounts", {"external_id": "A-1", "name": "One"}, {"external_id": "A-2", "name": "Two"})
    store("contacts", {"external_id": "C-1", "account": "A-1", "name": "Ada"})
    store(
        "activities",
        {
            "external_id": "E-1",
            "contact": "C-1",
            "type": "webinar",
            "occurred_at": "2026-01-01T10:00:00Z",
            "minutes": 30,
        },
        {"external_id": "E-2", "account": "A-1", "type": "page_view", "occurred_at": "2026-01-02T10:00:00Z"},
        {"external_id": "E-3", "account": "A-2", "type": "page_view", "occurred_at": "2026-01-03T10:00:00Z"},
        {"account": "A-2", "type": "meeting", "occurred_at": "2026-01-04T10:00:00Z", "outcome": "held"},
    )


def keys(answer):
    assert answer.status_code == 200, answer.content
    return [row["external_id"] for row in answer.json()["results"]]


def test_the_newest_come_first(api, facts):
    assert keys(api.get("activities/")) == [None, "E-3", "E-2", "E-1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("account__external_id=A-1", ["E-2", "E-1"]),
        ("contact__external_id=C-1", ["E-1"]),
        ("type=page_view", ["E-3", "E-2"]),
        ("type__in=page_view,webinar", ["E-3", "E-2", "E-1"]),
        ("occurred_at__gte=2026-01-02T10:00:00Z&occurred_at__lt=2026-01-03T10:00:00Z", ["E-2"]),
        ("external_id=E-3", ["E-3"]),
        ("external_id=E-3&source_system=erp", []),
        ("contact__isempty=true&type=page_view", ["E-3", "E-2"]),
        ("outcome=held", [None]),
    ],
)
def test_a_filter_finds_these_and_no_others(api, facts, query, expected):
    assert keys(api.get(f"activities/?{query}")) == expected


def test_filters_by_primary_key(api, facts):
    one = Activity.objects.get(source_key="crm:E-1")
    assert keys(api.get(f"activities/?account={one.account_id}")) == ["E-2", "E-1"]
    assert keys(api.get(f"activities/?contact={one.contact_id}")) == ["E-1"]


@pytest.mark.parametrize(
    "query",
    ["campaign=Spring", "seconds__gte=60", "url=x", "recorded_at__gte=2026-01-01", "source_system=crm"],
)
def test_what_would_look_through_all_activities_is_refused(api, facts, query):
    assert check_problem(api.get(f"activities/?{query}"))["status"] == 400


def test_a_correction_changes_what_it_names_and_keeps_the_rest(api, facts):
    one = Activity.objects.get(source_key="crm:E-1")
    shown = api.patch(f"activities/{one.pk}/", {"seconds": 60}).json()
    assert (shown["seconds"], shown["type"], shown["contact"]["external_id"]) == (60, "webinar", "C-1")
    assert shown["occurred_at"] == "2026-01-01T10:00:00Z"


def test_a_correction_of_the_moment_and_the_type(api, facts):
    one = Activity.objects.get(source_key="crm:E-1")
    shown = api.patch(f"activities/{one.pk}/", {"type": "page_view", "occurred_at": "2026-02-01T00:00:00+01:00"}).json()
    assert (shown["type"], shown["occurred_at"]) == ("page_view", "2026-01-31T23:00:00Z")


def test_an_activity_without_external_id_gets_one_with_its_first_correction(api, facts):
    nameless = Activity.objects.get(outcome="held")
    shown = api.patch(f"activities/{nameless.pk}/", {"outcome": "no_show", "external_id": "E-4"}).json()
    assert (shown["id"], shown["external_id"], shown["outcome"]) == (nameless.pk, "E-4", "no_show")


def test_a_wrong_activity_is_deleted(api, facts):
    one = Activity.objects.get(source_key="crm:E-1")
    assert api.delete(f"activities/{one.pk}/").status_code == 204
    assert not Activity.objects.filter(pk=one.pk).exists()


def test_an_unknown_type_names_the_one_that_was_meant(api):
    sent = {"external_id": "E-9", "type": "webinr", "occurred_at": "2026-01-01"}
    problem = check_problem(api.post("activities/", sent))
    assert "webinar" in problem["errors"][0]["detail"].lower()


def test_an_unknown_account_is_refused(api, facts):
    sent = {"external_id": "E-9", "type": "webinar", "account": "A-9", "occurred_at": "2026-01-01"}
    problem = check_problem(api.post("activities/", sent))
    assert (problem["errors"][0]["field"], problem["errors"][0]["code"]) == ("account", "unknown_account")


def test_types_are_listed_and_not_written(api):
    found = api.get("activity-types/?is_hot=true&page_size=500").json()["results"]
    assert {row["key"] for row in found} == set(ActivityType.objects.filter(is_hot=True).values_list("key", flat=True))
    assert api.get("activity-types/webinar/").json()["side"] == "marketing"
    assert api.post("activity-types/", {"key": "x"}).status_code == 405
