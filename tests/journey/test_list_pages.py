"""The list pages need as many queries as `list_page_queries.json` says, for few rows and for a full page, at most 15.

After a change on purpose: `UPDATE_QUERY_COUNTS=1 pytest tests/journey/test_list_pages.py`, and commit the file.
"""

import json
import os
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from journey.services.assessments import assess
from journey.services.markets import store_market
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from segmentation.models import DisqualificationRequest, ListMembership, MembershipReason, SalesTeam, TargetList
from segmentation.services.roles import MARKETER
from segmentation.services.segments import create_segment
from segmentation.services.target_lists import add_accounts, propose_accounts, propose_disqualification, set_quota
from tests.journey import worlds

pytestmark = pytest.mark.django_db

BASELINE = Path(__file__).with_name("list_page_queries.json")
MOST = 15
PAGES = {
    "lists": "segmentation_targetlist_changelist",
    "memberships": "segmentation_listmembership_changelist",
    "review queue": "segmentation_listmembership_review",
    "requests to disqualify": "segmentation_disqualificationrequest_changelist",
    "quotas": "segmentation_salesquota_changelist",
    "reasons": "segmentation_membershipreason_changelist",
    "profiles": "segmentation_icpprofile_changelist",
    "assessments": "segmentation_icpassessment_changelist",
    "accounts": "segmentation_account_changelist",
    "segments": "segmentation_segment_changelist",
    "markets": "journey_marketlevel_changelist",
    "accounts of a list": "segmentation_account_changelist?on_list=list-0",
}


def grow(number):
    """So many more of everything the pages show."""
    had = TargetList.objects.count()
    for n in range(had, had + number):
        team = SalesTeam.objects.create(key=f"team-{n}", name=f"Team {n}")
        team.members.add(get_user_model().objects.create_user(f"rep-{n}"))
        set_quota(team=team, places=9)
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
        worlds.activity(proposed, "webinar", (timezone.now() - worlds.DAY0).days - 5, by=worlds.contact(proposed))
    replay()
    assess()
    update_memberships()


def measured(client):
    """The queries of each page, once what is kept between requests is there."""
    found = {}
    for name, where in PAGES.items():
        page, _mark, query = where.partition("?")
        url = reverse(f"admin:{page}") + (f"?{query}" if query else "")
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        found[name] = len(captured)
    return found


def test_the_pages_need_the_queries_of_the_baseline_whatever_they_show(client):
    worlds.install()
    user = get_user_model().objects.create_user("marketer", is_staff=True)
    user.groups.set(Group.objects.filter(name=MARKETER))
    client.force_login(user)
    grow(2)
    few = measured(client)
    grow(24)
    assert ListMembership.objects.count() > 50
    assert DisqualificationRequest.objects.count() > 25
    assert measured(client) == few
    assert {name: number for name, number in few.items() if number > MOST} == {}
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        BASELINE.write_text(json.dumps(few, indent=2) + "\n")
    assert few == json.loads(BASELINE.read_text())
