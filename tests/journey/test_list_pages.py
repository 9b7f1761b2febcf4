"""The list pages need as many queries as `list_page_queries.json` says, for few rows and for a full page, at most 15.

After a change on purpose: `UPDATE_QUERY_COUNTS=1 pytest tests/journey/test_list_pages.py`, and commit the file.
"""

import json
import os
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.list_pages import MORE_QUERIES, MOST_QUERIES, address, clients, number_of_queries
from journey.models import Suggestion, SuggestionSource
from journey.services.assessments import assess
from journey.services.markets import store_market
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from segmentation.models import (
    Account,
    DisqualificationRequest,
    IcpProfile,
    IcpVersion,
    ListMembership,
    MembershipReason,
    SalesTeam,
    TargetList,
)
from segmentation.services.segments import create_segment
from segmentation.services.target_lists import (
    add_accounts,
    propose_accounts,
    propose_disqualification,
    review_proposals,
    set_quota,
)
from tests.journey import worlds

pytestmark = pytest.mark.django_db

BASELINE = Path(__file__).with_name("list_page_queries.json")


def grow(number):
    """So many more of everything the pages show."""
    had, own = TargetList.objects.count(), SalesTeam.objects.get_or_create(key="team-0", name="Team 0")[0]
    for n in range(had, had + number):
        team, _made = SalesTeam.objects.get_or_create(key=f"team-{n}", name=f"Team {n}")
        team.members.add(get_user_model().objects.create_user(f"rep-{n}"))
        set_quota(team=team, places=99)
        tal = TargetList.objects.create(key=f"list-{n}", name=f"List {n}")
        member, proposed = worlds.account(team=team, owner=f"o{n}"), worlds.account(team=team)
        reason = MembershipReason.objects.create(key=f"reason-{n}", name=f"Reason {n}")
        add_accounts(target_list=tal, accounts=[member], reason=reason)
        if n:
            add_accounts(target_list=TargetList.objects.get(key="list-0"), accounts=[member], reason=reason)
        rules = {"base": {"criteria": [{"kind": "list", "params": {"list": tal.key}}]}}
        create_segment(key=f"segment-{n}", name=f"Segment {n}", rules=rules, parent=f"segment-{n - 1}" if n else "")
        level = {"key": f"market-{n}", "name": f"Market {n}", "position": 1000 + n, "test": "list", "grades": ""}
        store_market(values={**level, "target_list": tal})
        propose_accounts(target_list=tal, accounts=[proposed], team=team, note="x")
        propose_disqualification(target_list=tal, accounts=[member], team=team, note="x")
        mine = [worlds.account(team=own), worlds.account(team=own)]
        rows = propose_accounts(target_list=tal, accounts=mine, team=own, note="x")
        review_proposals(memberships=rows[:1], accept=True)
        propose_disqualification(target_list=tal, accounts=mine[:1], team=own, note="x")
        source = SuggestionSource.objects.get_or_create(key="alike", defaults={"name": "Alike", "kind": "lookalike"})[0]
        Suggestion.objects.create(
            source=source, account=worlds.account(team=team), place=n + 1, score=2, found_at=worlds.DAY0,
            evidence={"attributes": {"industry": "x"}, "effects": [["industry", "x", 2.0]], "chance": 0.5},
        )  # fmt: skip
        worlds.activity(proposed, "webinar", (timezone.now() - worlds.DAY0).days - 5, by=worlds.contact(proposed))
    replay()
    assess()
    update_memberships()


def measured():
    """The queries of each page, once what is kept between requests is there."""
    first, account = TargetList.objects.order_by("pk")[0], Account.objects.order_by("pk")[0]
    chosen = {
        "list": first.pk,
        "list_key": first.key,
        "account": account.pk,
        "profile": IcpProfile.objects.get().pk,
        "version": IcpVersion.objects.get().pk,
        "words": "a",
    }
    found = {}
    for client, pages in clients():
        for name, where in pages.items():
            url = address(where, **chosen)
            client.get(url)
            with CaptureQueriesContext(connection) as captured:
                assert client.get(url).status_code == 200
            found[name] = number_of_queries(captured)
    return found


def test_the_pages_need_the_queries_of_the_baseline_whatever_they_show():
    worlds.install()
    grow(2)
    few = measured()
    grow(24)
    assert ListMembership.objects.count() > 50
    assert DisqualificationRequest.objects.count() > 25
    assert measured() == few
    assert {name: number for name, number in few.items() if number > MOST_QUERIES} == MORE_QUERIES
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        BASELINE.write_text(json.dumps(few, indent=2) + "\n")
    assert few == json.loads(BASELINE.read_text())
