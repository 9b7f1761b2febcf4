import datetime as dt

import pytest
from django.utils import timezone

from journey.models import Journey
from journey.services.replay import replay
from tests.journey import worlds
from tests.segmentation.api.support import Api, check_problem, make_user, store


@pytest.mark.django_db
def test_journeys_are_listed_with_their_versions(api):
    found = {row["key"]: row for row in api.get("journeys/").json()["results"]}
    assert {"standard", "extended"} <= set(found)
    assert [(v["number"], v["state"], v["has_history"]) for v in found["extended"]["versions"]] == [
        (1, "published", False)
    ]
    assert api.get("journeys/extended/").json() == found["extended"]
    assert api.get("journeys/?unit=contact").json()["results"] == []


@pytest.mark.django_db
def test_a_version_shows_its_stages_and_rules(api):
    document = api.get("journeys/standard/versions/1/").json()
    assert (document["journey"], document["number"], document["state"]) == ("standard", 1, "published")
    assert [stage["key"] for stage in document["stages"]] == ["none", "aware", "mqa", "opportunity", "customer"]
    assert check_problem(api.get("journeys/standard/versions/2/"))["code"] == "unknown_version"


@pytest.mark.django_db
def test_who_may_not_see_accounts_gets_no_numbers_of_them():
    reader = Api(make_user("reader", "journey.view_journey"))
    for path in ("stages/", "explain/?account=A-1", "funnel/?start=2025-01-01&end=2025-02-01", "near/"):
        problem = check_problem(reader.get(f"journeys/standard/{path}"))
        assert (problem["status"], "segmentation.view_account" in problem["detail"]) == (403, True), path


@pytest.mark.django_db
def test_a_wrong_key_names_the_one_that_was_meant(api):
    for path in ("journeys/extnded/", "journeys/extnded/stages/", "journeys/extnded/explain/?account=A-1"):
        problem = check_problem(api.get(path))
        assert problem["status"] == 404
        assert "“extended”" in problem["detail"]


@pytest.mark.django_db
def test_without_a_history_it_says_what_to_do(api):
    problem = check_problem(api.get("journeys/extended/stages/"))
    assert (problem["status"], problem["code"]) == (409, "no_history")
    Journey.objects.create(key="mine", name="Mine")
    problem = check_problem(api.get("journeys/mine/explain/?account=A-1"))
    assert (problem["status"], problem["code"]) == (409, "not_published")


@pytest.mark.django_db(transaction=True)
def test_stages_are_counted_at_a_moment_and_explained(api):
    worlds.install()
    seen, unseen = timezone.now() - dt.timedelta(days=10), timezone.now() - dt.timedelta(days=100)
    store(
        "accounts",
        {"external_id": "A-1", "name": "One", "domain": "one.example", "created_in_source_at": unseen.isoformat()},
        {"external_id": "A-2", "name": "Two", "created_in_source_at": unseen.isoformat()},
    )
    store(
        "activities",
        {"external_id": "E-1", "account": "A-1", "type": "page_view", "occurred_at": seen.isoformat(), "minutes": 5},
    )
    replay()

    counts = api.get("journeys/extended/stages/").json()
    assert (counts["journey"], counts["version"], counts["unit"]) == ("extended", 1, "account")
    assert {row["key"]: row["accounts"] for row in counts["stages"] if row["accounts"]} == {"none": 1, "aware": 1}
    before = api.get(f"journeys/extended/stages/?as_of={(seen - dt.timedelta(seconds=1)).isoformat()}").json()
    assert {row["key"]: row["share"] for row in before["stages"] if row["accounts"]} == {"none": 1.0}
    long_ago = api.get("journeys/extended/stages/?as_of=1995-01-01").json()
    assert {row["share"] for row in long_ago["stages"]} == {None}

    by_id, by_domain = (
        api.get("journeys/extended/explain/?account=A-1").json(),
        api.get("journeys/extended/explain/?account=one.example").json(),
    )
    assert (by_id["stage"]["key"], by_id["entity"]["external_id"], by_id["next"]["key"]) == ("aware", "A-1", "mqa")
    assert by_domain["text"].splitlines()[1:] == by_id["text"].splitlines()[1:]
    earlier = api.get(
        f"journeys/extended/explain/?account=A-1&version=1&at={(seen - dt.timedelta(days=1)).isoformat()}"
    ).json()
    assert earlier["stage"]["key"] == "none"
    assert check_problem(api.get("journeys/extended/explain/?account=A-1&at=1995-01-01"))["code"] == "before_history"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("stages/?as_of=yesterday", 400, "as_of"),
        ("stages/?as_of=1989-01-01", 400, "as_of"),
        ("stages/?as_of=2150-01-01", 400, "as_of"),
        ("stages/?at=2026-01-01", 400, "at"),
        ("stages/?version=9", 404, "version"),
        ("stages/?version=x", 404, "version"),
        ("stages/?version=٣", 404, "version"),
        ("explain/", 400, "account"),
        ("explain/?account=", 400, "account"),
        ("explain/?contact=C-1", 400, "account"),
        ("explain/?account=A-1&contact=C-1", 400, "account"),
        ("explain/?account=nobody", 404, "account"),
        ("explain/?account=%00", 400, "account"),
        ("explain/?account=99999999999999999999999", 404, "account"),
        ("explain/?account=A-1&at=x", 404, "account"),
    ],
)
def test_a_wrong_question_is_refused(api, query, status, field):
    problem = check_problem(api.get(f"journeys/extended/{query}"))
    assert (problem["status"], problem["errors"][0]["field"]) == (status, field)


@pytest.mark.django_db
def test_a_name_that_fits_several_is_a_conflict(api):
    store("accounts", {"external_id": "A-1", "name": "Twin"}, {"external_id": "A-2", "name": "Twin"})
    problem = check_problem(api.get("journeys/extended/explain/?account=Twin"))
    assert (problem["status"], problem["code"]) == (409, "ambiguous")
