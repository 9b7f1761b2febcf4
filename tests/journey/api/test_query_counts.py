"""Each endpoint needs as many queries as `query_counts.json` says, however many rows a page or a batch has.

After a change on purpose: `UPDATE_QUERY_COUNTS=1 pytest tests/journey/api/test_query_counts.py`, and commit the file.
"""

import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from knox.models import AuthToken
from rest_framework.test import APIClient

from journey.models import LookalikeModel, Opportunity, OpportunityChange, Suggestion, SuggestionSource
from journey.services.assessments import assess
from journey.services.markets import store_market
from scoring.models import Activity
from segmentation.models import (
    Account,
    Contact,
    IcpVersion,
    ListMembership,
    MembershipReason,
    SalesTeam,
    TargetList,
)
from segmentation.services.duplicates import find_duplicates
from segmentation.services.merging import merge_accounts
from segmentation.services.profiles import create_profile, record_answers
from segmentation.services.segments import create_segment
from segmentation.services.target_lists import (
    propose_accounts,
    propose_disqualification,
    review_proposals,
    set_quota,
)
from tests.journey.worlds import DAY0
from tests.segmentation.api.support import store

pytestmark = pytest.mark.django_db

BASELINE = Path(__file__).with_name("query_counts.json")
FEW, MANY = 5, 60


def batch(target, number, offset=0):
    """Return records that refer to others in every way they can."""
    made = {
        "accounts": lambda n: {
            "external_id": f"A-{n}",
            "name": f"Company {n}",
            "team": f"Team {n % 3}",
            "parent": "A-0" if n else None,
        },
        "contacts": lambda n: {"external_id": f"C-{n}", "account": f"A-{n}", "name": f"Person {n}", "job_title": "CTO"},
        "activities": lambda n: {
            "external_id": f"E-{n}",
            "contact": f"C-{n}",
            "type": ["webinar", "page_view"][n % 2],
            "occurred_at": f"2026-01-{n % 28 + 1:02d}",
        },
        "opportunities": lambda n: {
            "external_id": f"O-{n}",
            "account": f"A-{n}",
            "contact": f"C-{n}",
            "team": f"Team {n % 3}",
            "crm_stage": f"Stage {n % 3}",
            "amount": n,
        },
        "opportunity-changes": lambda n: {
            "external_id": f"H-{n}",
            "opportunity": f"O-{n}",
            "crm_stage": f"Stage {n % 3}",
            "occurred_at": "2026-01-01",
        },
    }[target]
    return [made(n) for n in range(offset, offset + number)]


@pytest.fixture
def client(api):
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(user=api.user)[1]}")
    for target in ("accounts", "contacts", "activities", "opportunities", "opportunity-changes"):
        store(target, *batch(target, MANY))
    return client


def counted(client, method, path, body=None):
    """Return how many queries a request needs once what it keeps between requests is there."""
    send = getattr(client, method)
    with CaptureQueriesContext(connection) as captured:
        answer = send(f"/api/v1/{path}", body, format="json")
    assert answer.status_code < 300, answer.content
    return len(captured), answer


def check(measured):
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
        BASELINE.write_text(json.dumps(dict(sorted((known | measured).items())), indent=2) + "\n")
    expected = json.loads(BASELINE.read_text())
    assert measured == {name: expected.get(name) for name in measured}


LISTS = [
    "accounts",
    "contacts",
    "activities",
    "opportunities",
    "opportunity-changes",
    "activity-types",
    "crm-stages",
    "journeys",
]


@pytest.mark.parametrize("target", LISTS)
def test_a_list_needs_as_many_queries_for_few_rows_as_for_many(client, target):
    few, _answer = counted(client, "get", f"{target}/?page_size={FEW}")
    many, answer = counted(client, "get", f"{target}/?page_size=500")
    assert few == many
    assert len(answer.json()["results"]) >= min(MANY, 2)
    check({f"GET {target}/": many})


@pytest.fixture
def decided(client, api):
    """Lists, quotas and profiles with everything that is decided and answered about the accounts."""
    accounts = list(Account.objects.order_by("pk"))
    teams = list(SalesTeam.objects.order_by("pk"))
    for team in teams:
        set_quota(team=team, places=MANY)
        set_quota(team=team, rep=api.user, places=MANY)
    tal = TargetList.objects.create(key="named", name="Named", tier=1)
    TargetList.objects.create(key="other", name="Other")
    for team in teams:
        mine = [account for account in accounts if account.team_id == team.pk]
        rows = propose_accounts(
            target_list=tal, accounts=mine, team=team, rep=api.user, user=api.user, note="x",
            reason=MembershipReason.objects.filter(use="add").first(),
        )  # fmt: skip
        review_proposals(memberships=rows[1:], accept=True, user=api.user)
        propose_disqualification(target_list=tal, accounts=mine[1:], team=team, user=api.user, note="x")
    version = IcpVersion.objects.get(profile__key="default", state="published")
    item = version.items.exclude(kind="rule").first()
    record_answers(version=version, item_key=item.key, accounts=accounts, value=None, user=api.user)
    record_answers(version=version, item_key=item.key, accounts=accounts, value=1, user=api.user)
    assess(version=version)
    create_profile(key="more", name="More")
    for n in range(4):
        rules = {"base": {"criteria": [{"kind": "list", "params": {"list": "named"}}]}}
        made = create_segment(key=f"s{n}", name=f"S{n}", rules=rules, parent=f"s{n - 1}" if n else "", user=api.user)
        market = {"key": f"m{n}", "name": f"M{n}", "position": 99 + n, "test": "segment", "grades": ""}
        store_market(values={**market, "segment": made.segment})
    Account.objects.bulk_create(Account(name=f"Double {n // 2}", domain=f"d{n // 2}.com") for n in range(12))
    find_duplicates()
    doubles = list(Account.objects.filter(name__startswith="Double").order_by("pk"))
    for survivor, absorbed in zip(doubles[:6:2], doubles[1:6:2], strict=True):
        merge_accounts(survivor=survivor, absorbed=absorbed, user=api.user)
    suggestions(accounts, api.user)
    client.get("/api/v1/target-lists/")
    return client


def suggestions(accounts, user):
    """Sources, models and decided suggestions of accounts."""
    common = {"made_at": DAY0, "checked_at": DAY0, "accounts": 9, "customers": 1}
    for key in ("one", "other"):
        source = SuggestionSource.objects.create(key=key, name=key, kind="lookalike")
        told = {"parameters": {}, "evaluation": {}, "levels": [], "digest": key}
        LookalikeModel.objects.create(source=source, number=1, **common, **told)
    evidence = {"attributes": {"industry": "x"}, "effects": [["industry", "x", 2.0]], "chance": 0.5, "lift": 2.0}
    Suggestion.objects.bulk_create(
        Suggestion(
            source=source, account=account, place=place, score=2, evidence=evidence, state="declined", note="x",
            found_at=DAY0, decided_at=DAY0, decided_by=user,
        )
        for place, account in enumerate(accounts, start=1)
    )  # fmt: skip


DECIDED = [
    "target-lists",
    "list-memberships",
    "disqualification-requests",
    "membership-reasons",
    "sales-quotas",
    "profiles",
    "profile-versions",
    "profile-answers",
    "assessments",
    "duplicates",
    "merges",
    "segments",
    "markets",
    "suggestions",
    "suggestion-sources",
    "lookalike-models",
]


def test_a_list_of_decisions_needs_as_many_queries_for_few_rows_as_for_many(decided):
    measured = {}
    for target in DECIDED:
        few, _answer = counted(decided, "get", f"{target}/?page_size=1")
        many, answer = counted(decided, "get", f"{target}/?page_size=500")
        assert few == many, target
        rows = answer.json()["results"]
        assert len(rows) >= 2, target
        one, _answer = counted(decided, "get", f"{target}/{rows[0]['key' if 'key' in rows[0] else 'id']}/")
        measured |= {f"GET {target}/": many, f"GET {target}/<id>/": one}
    check(measured)


def test_a_decision_needs_as_many_queries_for_few_accounts_as_for_many(decided, api):
    team, other = SalesTeam.objects.order_by("pk")[0], TargetList.objects.get(key="other")

    def fresh(number, verb):
        names = [f"{verb} {number} {n}" for n in range(number)]
        Account.objects.bulk_create(Account(name=name) for name in names)
        return list(Account.objects.filter(name__in=names))

    def body(number, verb):
        if verb in ("add", "propose"):
            keys = [account.pk for account in fresh(number, verb)]
            more = {"team": team.key, "rep": "boss"} if verb == "propose" else {}
            return {"target_list": "other", "accounts": keys, "note": "x", **more}
        rows = ListMembership.objects.filter(end_at=None, state="active", team=team, target_list__key="named")
        rows = rows.order_by("pk")[:number]
        if verb == "review":
            rows = propose_accounts(target_list=other, team=team, note="x", user=api.user, accounts=fresh(number, verb))
        more = {"review": {"accept": True}, "change-tier": {"tier": 3}}.get(verb, {})
        return {"memberships": [row.pk for row in rows], "note": "x", **more}

    measured = {}
    for verb in ("add", "propose", "review", "change-tier", "remove"):
        counts = []
        for number in (2, 8):
            found, answer = counted(decided, "post", f"list-memberships/{verb}/", body(number, verb))
            assert len(answer.json()["changed"]) == number
            counts.append(found)
        assert counts[0] == counts[1], verb
        measured[f"POST list-memberships/{verb}/"] = counts[0]
    check(measured)


@pytest.mark.parametrize("model", [Account, Contact, Activity, Opportunity, OpportunityChange])
def test_one_record(client, model):
    target = {Account: "accounts", Contact: "contacts", Activity: "activities", Opportunity: "opportunities"}.get(
        model, "opportunity-changes"
    )
    number, _answer = counted(client, "get", f"{target}/{model.objects.latest('pk').pk}/")
    check({f"GET {target}/<id>/": number})


@pytest.mark.parametrize("target", LISTS[:5])
def test_a_batch_needs_as_many_queries_for_few_records_as_for_many(client, target):
    few, _answer = counted(client, "post", f"{target}/upsert/", {"records": batch(target, FEW)})
    many, _answer = counted(client, "post", f"{target}/upsert/", {"records": batch(target, MANY)})
    assert few == many
    check({f"POST {target}/upsert/": many})


def test_filters_by_names_add_one_query_each(client):
    plain, _answer = counted(client, "get", "activities/")
    filtered, _answer = counted(client, "get", "activities/?type__in=webinar,page_view")
    assert filtered == plain + 1
