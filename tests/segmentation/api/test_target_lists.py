"""Target account lists over the API: each decision, who made it, and what is refused with nothing changed."""

import datetime as dt

import pytest
from django.utils import timezone

from segmentation.models import (
    Account,
    AccountFlag,
    DisqualificationRequest,
    FlagType,
    ListMembership,
    ListReview,
    MembershipReason,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.selectors.access import OWN_TEAMS
from segmentation.services.target_lists import add_accounts, set_quota
from tests.segmentation.api.support import Api, check_problem, make_user

pytestmark = pytest.mark.django_db

LISTS, MEMBERS = "target-lists/", "list-memberships/"
ASKS = tuple(
    f"segmentation.{right}"
    for right in (
        "view_account", "view_targetlist", "view_disqualificationrequest", "add_disqualificationrequest",
    )
)  # fmt: skip


@pytest.fixture
def tal(db):
    return TargetList.objects.create(key="named", name="Named accounts", tier=2)


@pytest.fixture
def north(db):
    team = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=team, places=2)
    return team


@pytest.fixture
def acme(db):
    return Account.objects.create(name="Acme", domain="acme.example", external_id="A-1")


def rows(**filters):
    found = ListMembership.objects.filter(**filters).order_by("account__name", "start_at")
    return [(row.account.name, row.state, row.end_at is None) for row in found.select_related("account")]


def refused(answer, status, code, field=None):
    """Check a refusal; the value it names."""
    problem = check_problem(answer)
    assert (answer.status_code, problem["code"]) == (status, code), answer.content
    assert len(problem["detail"]) > 20
    if field is not None:
        assert [error["field"] for error in problem["errors"]] == [field]
    return problem["errors"][0]["value"] if problem["errors"] else ""


def propose(api, *accounts, **more):
    body = {"target_list": "named", "team": "north", "accounts": list(accounts), "note": "big", **more}
    return api.post(f"{MEMBERS}propose/", body)


# --- Lists, reasons, quotas ----------------------------------------------------------------------------------------


def test_a_list_is_made_changed_and_counted(api, acme):
    made = api.post(LISTS, {"key": "named", "name": "Named accounts", "tier": 1})
    assert made.status_code == 201
    assert made["Location"].endswith("/api/v1/target-lists/named/")
    changed = api.patch(f"{LISTS}named/", {"name": "Our accounts", "tier": None}, If_Match=made["ETag"])
    assert (changed.json()["name"], changed.json()["tier"], changed.json()["members"]) == ("Our accounts", None, 0)
    refused(api.patch(f"{LISTS}named/", {"name": "Mine"}, If_Match=made["ETag"]), 412, "precondition_failed")
    add_accounts(target_list=TargetList.objects.get(), accounts=[acme], note="fits")
    assert api.get(LISTS).json()["results"][0]["members"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"key": "Not a key", "name": "x"}, "key"),
        ({"key": "named", "name": "again"}, "key"),
        ({"key": "other", "name": "x", "tier": "1"}, "tier"),
        ({"key": "other", "name": "x", "tier": 4}, "tier"),
        ({"key": "other", "name": 7}, "name"),
        ({"key": "other", "name": "x", "active": "yes"}, "active"),
        ({"key": "other", "name": "x", "teir": 1}, "teir"),
        ({"key": "other"}, "name"),
    ],
)
def test_a_list_that_cannot_be_is_refused(api, tal, body, field):
    answer = api.post(LISTS, body)
    assert answer.status_code == 400
    assert check_problem(answer)["errors"][0]["field"] == field
    assert TargetList.objects.count() == 1


def test_the_key_of_a_list_does_not_change(api, tal):
    refused(api.patch(f"{LISTS}named/", {"key": "other"}), 400, "read_only", "key")


def test_reasons_are_made_and_switched_off(api, tal, acme):
    assert api.post("membership-reasons/", {"key": "fair", "name": "Met at a fair", "use": "add"}).status_code == 201
    body = {"target_list": "named", "accounts": [acme.pk], "reason": "fair"}
    api.patch("membership-reasons/fair/", {"active": False})
    refused(api.post(f"{MEMBERS}add/", body), 400, "reason_not_fitting", "reason")
    api.patch("membership-reasons/fair/", {"active": True})
    assert api.post(f"{MEMBERS}add/", body).json()["changed"][0]["reason"] == "fair"


@pytest.mark.parametrize("places", [0, -1, "many", "15", 2.5, True, 10**12])
def test_a_quota_that_is_no_number_from_one_on_is_refused(api, north, places):
    for answer in (
        api.post("sales-quotas/", {"team": "north", "rep": "boss", "places": places}),
        api.patch(f"sales-quotas/{SalesQuota.objects.get().pk}/", {"places": places}),
    ):
        problem = check_problem(answer)
        assert answer.status_code == 400
        assert problem["errors"][0]["field"] == "places"
        assert problem["errors"][0]["value"] == str(places)
    assert list(SalesQuota.objects.values_list("places", flat=True)) == [2]


def test_a_quota_says_what_is_held_and_left(api, tal, north, acme):
    made = api.post("sales-quotas/", {"team": "north", "rep": "boss", "places": 1}).json()
    assert (made["places"], made["held"], made["remaining"], made["rep"]) == (1, 0, 1, "boss")
    assert propose(api, acme.pk, rep="boss").status_code == 200
    found = {row["rep"]: (row["held"], row["remaining"]) for row in api.get("sales-quotas/").json()["results"]}
    assert found == {None: (1, 1), "boss": (1, 0)}
    refused(api.post("sales-quotas/", {"team": "north", "places": 9}), 400, "quota_exists", "team")
    assert api.patch(f"sales-quotas/{made['id']}/", {"places": 5}).json()["remaining"] == 4
    refused(api.patch(f"sales-quotas/{made['id']}/", {"rep": None}), 400, "read_only", "rep")


# --- Onto the list -------------------------------------------------------------------------------------------------


def test_a_proposal_is_reviewed_and_the_history_says_who_when_and_why(api, tal, north, acme):
    began = propose(api, "acme.example", rep="boss", tier=1)
    assert began.status_code == 200, began.content
    [row] = began.json()["changed"]
    assert (row["state"], row["team"], row["rep"], row["set_by"], row["note"], row["tier"], row["effective_tier"]) == (
        "proposed", "north", "boss", "boss", "big", 1, 1,
    )  # fmt: skip
    queue = api.get(f"{MEMBERS}?state=proposed&end_at__isempty=true&target_list=named&team=north").json()["results"]
    assert [found["id"] for found in queue] == [row["id"]]
    [active] = api.post(f"{MEMBERS}review/", {"memberships": [row["id"]], "accept": True}).json()["changed"]
    assert (active["state"], active["decided_by"], active["account"]["external_id"]) == ("active", "boss", "A-1")
    history = api.get(f"{MEMBERS}{active['id']}/").json()["history"]
    assert [(item["state"], item["ended_by"], item["end_at"] is None) for item in history] == [
        ("active", None, True),
        ("proposed", "boss", False),
    ]


def test_a_refused_proposal_gives_its_place_back(api, tal, north):
    accounts = [Account.objects.create(name=name) for name in ("A", "B", "C")]
    ids = [row["id"] for row in propose(api, *(account.pk for account in accounts[:2])).json()["changed"]]
    refused(propose(api, accounts[2].pk), 409, "quota_exceeded", "team")
    refused(api.post(f"{MEMBERS}review/", {"memberships": ids[:1], "accept": False}), 400, "reason_missing", "reason")
    assert api.post(f"{MEMBERS}review/", {"memberships": ids[:1], "accept": False, "note": "small"}).status_code == 200
    assert propose(api, accounts[2].pk).status_code == 200
    assert rows(end_at=None) == [("A", "rejected", True), ("B", "proposed", True), ("C", "proposed", True)]


def test_a_proposal_is_withdrawn_and_what_is_decided_is_not(api, tal, north, acme):
    [row] = propose(api, acme.pk).json()["changed"]
    body = {"memberships": [row["id"]], "note": "mistake"}
    assert api.post(f"{MEMBERS}withdraw/", body).json()["changed"][0]["state"] == "removed"
    refused(api.post(f"{MEMBERS}withdraw/", body), 409, "state_changed", "membership")
    [row] = propose(api, acme.pk).json()["changed"]
    [row] = api.post(f"{MEMBERS}review/", {"memberships": [row["id"]], "accept": True}).json()["changed"]
    refused(api.post(f"{MEMBERS}withdraw/", {**body, "memberships": [row["id"]]}), 409, "state_changed", "membership")


def test_a_member_pauses_goes_on_changes_tier_and_leaves(api, tal, acme):
    [row] = api.post(f"{MEMBERS}add/", {"target_list": "named", "accounts": ["A-1"], "note": "fits"}).json()["changed"]
    assert (row["tier"], row["effective_tier"], row["team"]) == (None, 2, None)
    for verb, more, state, tier in (
        ("pause", {}, "recycling", 2),
        ("change-tier", {"tier": 1}, "recycling", 1),
        ("resume", {}, "active", 1),
        ("remove", {}, "removed", 1),
    ):
        body = {"memberships": [row["id"]], "note": f"to {verb}", **more}
        [row] = api.post(f"{MEMBERS}{verb}/", body).json()["changed"]
        assert (row["state"], row["effective_tier"], row["note"], row["set_by"]) == (state, tier, f"to {verb}", "boss")
    refused(
        api.post(f"{MEMBERS}change-tier/", {"memberships": [row["id"]], "tier": 3, "note": "x"}),
        409, "state_changed", "membership",
    )  # fmt: skip


def test_the_list_of_a_past_day_is_as_it_was(api, tal, acme):
    day = timezone.now() - dt.timedelta(days=10)
    body = {"target_list": "named", "accounts": [acme.pk], "note": "fits", "at": day.isoformat()}
    [row] = api.post(f"{MEMBERS}add/", body).json()["changed"]
    api.post(f"{MEMBERS}disqualify/", {"memberships": [row["id"]], "note": "insolvent"})

    def states(moment):
        return [
            found["state"]
            for found in api.get(f"{MEMBERS}?target_list=named&as_of={moment:%Y-%m-%dT%H:%M:%SZ}").json()["results"]
        ]

    assert states(day - dt.timedelta(days=1)) == []
    assert states(day + dt.timedelta(days=1)) == ["active"]
    assert states(timezone.now() + dt.timedelta(minutes=1)) == ["disqualified"]


def test_a_request_to_disqualify_waits_until_it_is_decided(api, tal, north, acme):
    add_accounts(target_list=tal, accounts=[acme], note="fits")
    ask = {"target_list": "named", "accounts": [acme.pk], "team": "north", "note": "no budget"}
    made = api.post("disqualification-requests/", ask)
    assert made.status_code == 201
    assert rows() == [("Acme", "active", True)]
    refused(api.post("disqualification-requests/", ask), 409, "already_asked", "account")
    [request] = api.get("disqualification-requests/?decision=open&team=north").json()["results"]
    review = {"requests": [request["id"]], "accept": True}
    decided = api.post("disqualification-requests/review/", review).json()["changed"][0]
    assert (decided["decision"], decided["decided_by"], decided["asked_by"]) == ("accepted", "boss", "boss")
    assert rows(end_at=None) == [("Acme", "disqualified", True)]
    refused(api.post("disqualification-requests/review/", review), 409, "decided_already", "request")


# --- What is refused, with nothing changed -------------------------------------------------------------------------


def test_a_request_to_disqualify_is_withdrawn_by_who_asked(tal, north, acme):
    rep, colleague = (make_user(name, OWN_TEAMS, *ASKS) for name in ("rep", "colleague"))
    north.members.set([rep, colleague])
    Account.objects.update(team=north)
    add_accounts(target_list=tal, accounts=[acme], note="fits")
    ask = {"target_list": "named", "accounts": ["A-1"], "note": "gone"}
    [asked] = Api(rep).post("disqualification-requests/", ask).json()["changed"]
    body = {"requests": [asked["id"]], "note": "mistake"}
    refused(Api(colleague).post("disqualification-requests/withdraw/", body), 404, "not_found", "requests.0")
    [taken] = Api(rep).post("disqualification-requests/withdraw/", body).json()["changed"]
    assert (taken["decision"], taken["decided_by"], taken["decision_note"]) == ("withdrawn", "rep", "mistake")
    refused(Api(rep).post("disqualification-requests/withdraw/", body), 409, "decided_already", "request")
    assert rows(end_at=None) == [("Acme", "active", True)]
    assert Api(rep).post("disqualification-requests/", ask).status_code == 201
    stranger = Api(make_user("stranger", OWN_TEAMS, *ASKS))
    refused(stranger.post("disqualification-requests/", ask), 400, "no_team", "team")


def test_a_review_of_a_list_is_recorded_and_starts_the_next_round(api, tal):
    made = api.post("list-reviews/", {"target_list": "named", "note": "two removed"})
    assert made.status_code == 201, made.content
    assert (made.json()["target_list"], made.json()["reviewed_by"], made.json()["note"]) == (
        "named", "boss", "two removed",
    )  # fmt: skip
    assert api.get(made["Location"]).json() == made.json()
    assert api.get("list-reviews/?target_list=named&reviewed_at__lte=2020-01-01").json()["results"] == []
    assert [row["id"] for row in api.get("list-reviews/?target_list=named").json()["results"]] == [made.json()["id"]]
    review = api.get("target-lists/named/upkeep/").json()["review"]
    assert (review["last_at"][:19], review["is_due"]) == (made.json()["reviewed_at"][:19], False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"note": "x"}, "target_list"),
        ({"target_list": "nmaed"}, "target_list"),
        ({"target_list": "named", "note": "x" * 301}, "note"),
        ({"target_list": "named", "note": 7}, "note"),
        ({"target_list": "named", "reviewed_at": "2020-01-01"}, "reviewed_at"),
    ],
)
def test_a_review_that_cannot_be_is_refused(api, tal, body, field):
    answer = api.post("list-reviews/", body)
    assert answer.status_code == 400
    assert check_problem(answer)["errors"][0]["field"] == field
    assert not ListReview.objects.exists()


def test_a_member_twice_is_refused(api, tal, north, acme):
    add_accounts(target_list=tal, accounts=[acme], note="fits")
    assert refused(propose(api, acme.pk), 409, "already_member", "account") == "Acme"
    assert rows() == [("Acme", "active", True)]


def test_overlapping_dates_are_refused(api, tal, acme):
    [row] = add_accounts(target_list=tal, accounts=[acme], note="fits", at=timezone.now() - dt.timedelta(days=5))
    early = (timezone.now() - dt.timedelta(days=6)).isoformat()
    answer = api.post(f"{MEMBERS}remove/", {"memberships": [row.pk], "note": "gone", "at": early})
    refused(answer, 409, "membership_overlaps", "at")
    late = (timezone.now() + dt.timedelta(days=1)).isoformat()
    answer = api.post(f"{MEMBERS}remove/", {"memberships": [row.pk], "note": "gone", "at": late})
    refused(answer, 400, "time_not_usable", "at")
    assert rows() == [("Acme", "active", True)]


def test_a_disqualified_account_is_not_proposed(api, tal, north, acme):
    flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
    AccountFlag.objects.create(account=acme, flag_type=flag, start_at=timezone.now(), reason="insolvent")
    other = Account.objects.create(name="Other")
    answer = propose(api, other.pk, acme.pk)
    assert refused(answer, 409, "account_disqualified", "account") == "Acme"
    assert "insolvent" in answer.json()["detail"]
    assert rows() == []


@pytest.mark.parametrize(
    ("more", "status", "code", "field"),
    [
        ({"accounts": ["nobody.example"]}, 404, "unknown_account", "accounts.0"),
        ({"accounts": ["Acme", "Twin"]}, 409, "ambiguous", "accounts.1"),
        ({"accounts": [10**15]}, 404, "unknown_account", "accounts.0"),
        ({"accounts": [True]}, 400, "bad_reference", "accounts.0"),
        ({"accounts": [None]}, 400, "null", "accounts.0"),
        ({"accounts": []}, 400, "empty", "accounts"),
        ({"accounts": "Acme"}, 400, "not_a_list", "accounts"),
        ({"target_list": "nmaed"}, 400, "unknown_list", "target_list"),
        ({"team": "nroth"}, 400, "unknown_team", "team"),
        ({"team": "south"}, 409, "quota_missing", "team"),
        ({"rep": "whoever"}, 400, "unknown_user", "rep"),
        ({"tier": "1"}, 400, "invalid_choice", "tier"),
        ({"tier": 4}, 400, "invalid_choice", "tier"),
        ({"reason": "because"}, 400, "unknown_reason", "reason"),
        ({"note": ""}, 400, "reason_missing", "reason"),
        ({"note": 5}, 400, "invalid", "note"),
        ({"note": "x" * 301}, 400, "max_length", "note"),
        ({"acounts": [1]}, 400, "unknown_field", "acounts"),
    ],
)
def test_a_proposal_that_cannot_be_is_refused_and_nothing_changes(api, tal, north, acme, more, status, code, field):
    SalesTeam.objects.create(key="south", name="South")
    Account.objects.bulk_create([Account(name="Twin"), Account(name="twin")])
    body = {"target_list": "named", "team": "north", "accounts": [acme.pk], "note": "big"} | more
    refused(api.post(f"{MEMBERS}propose/", body), status, code, field)
    assert rows() == []


def test_one_account_of_a_batch_that_is_refused_refuses_all(api, tal, north, acme):
    add_accounts(target_list=tal, accounts=[acme], note="fits")
    refused(propose(api, Account.objects.create(name="Other").pk, acme.pk), 409, "already_member")
    assert rows() == [("Acme", "active", True)]


def test_a_repeated_request_with_its_key_takes_one_place(api, tal, north, acme):
    body = {"target_list": "named", "team": "north", "accounts": [acme.pk], "note": "big"}
    one, two = (api.post(f"{MEMBERS}propose/", body, Idempotency_Key="k-1") for _ in range(2))
    assert (one.status_code, two.status_code) == (200, 200)
    assert two["Idempotency-Replayed"] == "true"
    assert json_of(one) == json_of(two)
    assert rows() == [("Acme", "proposed", True)]


def json_of(answer):
    import json

    return json.loads(answer.content)


def test_each_decision_needs_its_right(tal, north, acme):
    body = {"target_list": "named", "team": "north", "accounts": [acme.pk], "note": "big"}
    [row] = add_accounts(target_list=tal, accounts=[Account.objects.create(name="In")], note="fits")
    reader = Api(make_user("reader", "segmentation.view_listmembership"))
    assert reader.get(MEMBERS).status_code == 200
    for verb in ("add", "propose", "withdraw"):
        assert reader.post(f"{MEMBERS}{verb}/", body).status_code == 403
    for verb in ("review", "pause", "resume", "remove", "disqualify", "change-tier"):
        assert reader.post(f"{MEMBERS}{verb}/", {"memberships": [row.pk], "note": "x"}).status_code == 403
    assert reader.post("sales-quotas/", {"team": "north"}).status_code == 403
    assert reader.post(LISTS, {"key": "x", "name": "x"}).status_code == 403
    assert DisqualificationRequest.objects.count() == 0
    assert rows() == [("In", "active", True)]
    assert MembershipReason.objects.filter(key="x").count() == 0
