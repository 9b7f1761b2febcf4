"""The review queue: fit and engagement beside what waits, decisions on proposals and requests together."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from journey.selectors.reviews import waiting_page
from journey.services.assessments import assess
from journey.services.replay import replay
from scoring.models import Activity, ActivityType
from segmentation.models import (
    DisqualificationRequest,
    IcpItem,
    IcpVersion,
    ListMembership,
    SalesTeam,
    TargetList,
)
from segmentation.selectors.target_lists import open_proposals, open_requests, places_held
from segmentation.services.profiles import record_answers
from segmentation.services.target_lists import add_accounts, propose_accounts, propose_disqualification, set_quota
from tests.journey import worlds

pytestmark = pytest.mark.django_db

URL = reverse("admin:segmentation_listmembership_review")
ANSWERED = {"_form_submitted": "True"}


@pytest.fixture
def world():
    """Acme is proposed and engaged, Globex is asked to be disqualified and nothing is known of it."""
    worlds.install()
    north = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=north, places=9)
    tal = TargetList.objects.create(key="named", name="Named accounts")
    acme, globex = worlds.account("Acme"), worlds.account("Globex")
    add_accounts(target_list=tal, accounts=[globex], note="x")
    propose_accounts(target_list=tal, accounts=[acme], team=north, note="they called")
    propose_disqualification(target_list=tal, accounts=[globex], team=north, note="no need at all")
    return tal, north, acme, globex


def listen(account, days_ago, minutes, by=None):
    Activity.objects.create(
        account=account,
        contact=by,
        type=ActivityType.objects.get(key="webinar"),
        occurred_at=timezone.now() - dt.timedelta(days=days_ago),
        seconds=minutes * 60,
        source_key=f"{account.pk}-{days_ago}-{by and by.pk}",
    )


def states():
    rows = ListMembership.objects.filter(end_at=None).order_by("account__name").select_related("account")
    return {row.account.name: row.state for row in rows}


def entries():
    proposals, requests = (
        open_proposals(ListMembership.objects.all()),
        open_requests(DisqualificationRequest.objects.all()),
    )
    return waiting_page(proposals, requests, begin=0, end=25, at=timezone.now())


def test_each_entry_has_the_engagement_of_90_days_the_people_and_the_stage(world):
    _tal, _team, acme, _globex = world
    ann, bob = worlds.contact(acme), worlds.contact(acme)
    listen(acme, 1, 10, ann)
    listen(acme, 89, 20, bob)
    listen(acme, 88, 5)
    listen(acme, 91, 100, bob)
    replay()
    found = {str(entry.account): entry for entry in entries()}
    assert found["Acme"].engagement == (35 * 60, 2)
    assert found["Acme"].stay.stage.key == "aware"
    assert found["Globex"].engagement == (0, 0)


def test_each_entry_has_the_fit_with_its_weightiest_reasons_first(world, django_user_model):
    _tal, _team, acme, _globex = world
    version = IcpVersion.objects.get(state="published")
    asked = list(version.items.filter(kind=IcpItem.Kind.YES_NO).order_by("-weight", "order", "id"))
    for item, value in ((asked[0], 0), *((item, 1) for item in asked[1:6])):
        record_answers(version=version, item_key=item.key, accounts=[acme], value=value)
    assess()
    [fit] = next(entry for entry in entries() if entry.account == acme).fits
    assert fit.version == version
    assert fit.reasons["unmet"] == [str(asked[0])]
    assert fit.reasons["met"] == [str(item) for item in asked[1:4]]
    assert fit.more["met"] == 2
    assert fit.assessment.score == pytest.approx(
        100 * sum(i.weight for i in asked[1:6]) / sum(i.weight for i in asked[:6]), abs=0.01
    )


def test_the_page_shows_both_kinds_and_narrows_by_list_and_kind(admin_client, world):
    TargetList.objects.create(key="other", name="Other")
    text = admin_client.get(URL).content.decode()
    assert "they called" in text
    assert "no need at all" in text
    assert "they called" not in admin_client.get(URL, {"kind": "request"}).content.decode()
    assert "no need at all" not in admin_client.get(URL, {"kind": "proposal"}).content.decode()
    assert "Nothing waits for review" in admin_client.get(URL, {"list": "other"}).content.decode()


def test_both_kinds_are_refused_together_and_the_place_is_given_back(admin_client, admin_user, world):
    _tal, north, _acme, _globex = world
    chosen = {"action": "refuse", "_selected_action": [entry.pk for entry in entries()]}
    assert b"Refuse what is chosen" in admin_client.post(URL, chosen).content
    assert states() == {"Acme": "proposed", "Globex": "active"}
    assert places_held(north) == 1
    response = admin_client.post(URL, {**chosen, **ANSWERED}, follow=True)
    assert "The reason is missing" in response.content.decode()
    assert states() == {"Acme": "proposed", "Globex": "active"}
    admin_client.post(URL, {**chosen, "note": "too small", **ANSWERED})
    assert states() == {"Acme": "rejected", "Globex": "active"}
    assert places_held(north) == 0
    request = DisqualificationRequest.objects.get()
    assert (request.decision, request.decided_by, request.decision_note) == ("refused", admin_user, "too small")


def test_one_is_accepted_by_its_own_button(admin_client, world):
    proposal, request = entries()
    asking = admin_client.post(URL, {"accept_one": request.pk}).content.decode()
    assert "Globex" in asking
    assert "Acme" not in asking
    admin_client.post(URL, {"action": "accept", "_selected_action": [request.pk], **ANSWERED})
    assert states() == {"Acme": "proposed", "Globex": "disqualified"}
    admin_client.post(URL, {"action": "accept", "_selected_action": [proposal.pk], **ANSWERED})
    assert states() == {"Acme": "active", "Globex": "disqualified"}


def test_what_was_decided_meanwhile_is_told_and_nothing_else_is_decided(admin_client, world):
    chosen = {"action": "accept", "_selected_action": [entry.pk for entry in entries()]}
    admin_client.post(URL, {**chosen, "_selected_action": chosen["_selected_action"][:1], **ANSWERED})
    text = admin_client.post(URL, {**chosen, **ANSWERED}, follow=True).content.decode()
    assert "has changed meanwhile" in text
    assert DisqualificationRequest.objects.get().decision == "open"


def test_who_may_only_look_sees_the_queue_and_decides_nothing(client, world):
    user = get_user_model().objects.create_user("looker", is_staff=True)
    client.force_login(user)
    assert client.get(URL).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    text = client.get(URL).content.decode()
    assert "they called" in text
    assert "accept_one" not in text
    keys = [entry.pk for entry in entries()]
    assert client.post(URL, {"action": "accept", "_selected_action": keys, **ANSWERED}).status_code == 403
    assert states() == {"Acme": "proposed", "Globex": "active"}


def test_without_a_list_it_says_what_to_do_first(admin_client):
    assert "There is no target account list yet" in admin_client.get(URL).content.decode()


def test_it_needs_as_many_queries_for_25_entries_as_for_few(admin_client, world):
    tal, north, _acme, _globex = world

    def queries():
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(URL)
        return len(captured)

    assess()
    replay()
    queries()
    few = queries()
    set_quota(team=north, places=99)
    more = [worlds.account() for _number in range(30)]
    for account in more:
        listen(account, 1, 10, worlds.contact(account))
    propose_accounts(target_list=tal, accounts=more, team=north, note="x")
    assess()
    replay()
    assert queries() == few <= 15
