"""Suggestions over the API: read, accepted, declined, put back; sources; models; and what is refused."""

import pytest
from django.utils import timezone

from journey.models import Journey, LookalikeModel, Suggestion, SuggestionSource
from journey.services.suggestions import install_sources
from segmentation.models import Job, ListMembership, SalesTeam, TargetList
from segmentation.services.roles import REP
from tests.journey import worlds
from tests.journey.test_admin_suggestions import suggested
from tests.segmentation.api.support import Api, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    install_sources(build=False)
    TargetList.objects.create(key="tal", name="Key accounts")


def test_suggestions_are_read_with_why_and_decided(api):
    one, two = suggested("Acme"), suggested("Globex", 2, kind="behaviour")
    found = api.get("suggestions/?state=open").json()["results"]
    assert [row["account"]["name"] for row in found] == ["Acme", "Globex"]
    assert (found[0]["source"], found[0]["score"]) == ("like-customers", 3.0)
    assert found[0]["why"].startswith("3.0 times as likely as the average account; industry: Software (× 2.1)")
    criteria = api.get(f"suggestions/{two.pk}/").json()["criteria"]
    assert [row["held"] for row in criteria] == [False] * len(criteria)
    assert len(criteria) >= 3
    [began] = api.post("suggestions/accept/", {"suggestions": [one.pk], "target_list": "tal"}).json()["changed"]
    assert (began["state"], began["target_list"], began["account"]["name"]) == ("active", "tal", "Acme")
    [row] = api.post("suggestions/decline/", {"suggestions": [two.pk], "note": "no"}).json()["changed"]
    assert (row["state"], row["note"], row["decided_by"]) == ("declined", "no", "boss")
    [row] = api.post("suggestions/reopen/", {"suggestions": [two.pk]}).json()["changed"]
    assert row["state"] == "open"
    assert api.get("suggestions/?state=accepted&target_list=tal").json()["results"][0]["account"]["name"] == "Acme"
    assert api.get("suggestions/?source__kind=behaviour&search=glob").json()["results"][0]["id"] == two.pk
    assert api.post("suggestions/look/", {"source": "like-customers"}).status_code == 202
    assert Job.objects.get(kind="suggest").params == {"source": "like-customers"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("suggestions/accept/", {"suggestions": ["pk"]}, 400, "list_missing"),
        ("suggestions/accept/", {"suggestions": ["pk"], "target_list": "tall"}, 400, "unknown_list"),
        ("suggestions/accept/", {"suggestions": [987654]}, 404, "not_found"),
        ("suggestions/accept/", {"suggestions": ["pk"], "target_list": "tal", "tier": 7}, 400, "invalid_choice"),
        ("suggestions/decline/", {"suggestions": ["pk"]}, 400, "reason_missing"),
        ("suggestions/decline/", {"suggestions": []}, 400, "empty"),
        ("suggestions/reopen/", {"suggestions": ["pk"]}, 409, "state_changed"),
        ("suggestions/look/", {"source": "like-custmers"}, 400, "unknown_source"),
    ],
)
def test_what_cannot_be_decided_is_refused_and_nothing_changes(api, path, body, status, code):
    row = suggested("Acme")
    body = (
        {**body, "suggestions": [row.pk if one == "pk" else one for one in body["suggestions"]]}
        if "suggestions" in body
        else body
    )
    answer = api.post(path, body)
    problem = answer.json()
    assert (answer.status_code, {problem["code"], *(error["code"] for error in problem["errors"])} & {code}) == (
        status,
        {code},
    ), problem
    assert Suggestion.objects.get().state == "open"
    assert not ListMembership.objects.exists()


def test_sources_are_made_changed_and_refused_naming_field_value_and_remedy(api):
    body = {"key": "energy", "name": "Energy", "kind": "lookalike", "attributes": ["industry", "country"]}
    made = api.post("suggestion-sources/", body)
    assert made.status_code == 201, made.content
    assert made.json()["least_customers"] == 30
    changed = api.patch("suggestion-sources/energy/", {"target_list": "tal", "most": 7, "active": False}).json()
    assert (changed["target_list"], changed["most"], changed["active"]) == ("tal", 7, False)
    contacts = Journey.objects.create(key="leads", name="Leads", unit="contact")
    for given, field, said in (
        ({"least_customers": 5}, "least_customers", "30"),
        ({"attributes": ["relationship"]}, "attributes", "relationship"),
        ({"kind": "behaviour"}, "segment", "Choose the segment"),
        ({"journey": contacts.key}, "journey", "Choose a journey of accounts."),
    ):
        problem = api.patch("suggestion-sources/energy/", given).json()
        assert problem["errors"][0]["field"] == field, problem
        assert said in problem["detail"], problem
    assert api.delete("suggestion-sources/energy/").status_code == 405
    assert SuggestionSource.objects.get(key="energy").kind == "lookalike"


def test_models_show_how_they_did_and_limited_users_see_neither_them_nor_other_teams(api):
    from django.contrib.auth.models import Group

    source = SuggestionSource.objects.get(kind="lookalike")
    LookalikeModel.objects.create(
        source=source, number=1, made_at=timezone.now(), checked_at=timezone.now(), accounts=90, customers=40,
        parameters={"prior": 0.1}, evaluation={"auc": 0.7}, levels=[],
    )  # fmt: skip
    [model] = api.get("lookalike-models/?source=like-customers").json()["results"]
    assert (model["customers"], model["evaluation"], model["parameters"]) == (40, {"auc": 0.7}, {"prior": 0.1})
    north, south = (SalesTeam.objects.create(key=key, name=key) for key in ("north", "south"))
    mine, _other = suggested("Mine", team=north), suggested("Theirs", team=south)
    user = make_user("ray")
    user.groups.add(Group.objects.get(name=REP))
    user.sales_teams.add(north)
    rep = Api(type(user).objects.get(pk=user.pk))
    assert [row["account"]["name"] for row in rep.get("suggestions/").json()["results"]] == ["Mine"]
    assert rep.get("lookalike-models/").status_code == 403
    assert rep.post("suggestions/decline/", {"suggestions": [mine.pk], "note": "x"}).status_code == 403
