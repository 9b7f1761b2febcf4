"""Target account lists in the admin: adding, the review queue, quotas, and who may."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from segmentation.models import (
    Account,
    AccountFlag,
    DisqualificationRequest,
    FlagType,
    ListMembership,
    MembershipReason,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.services.target_lists import add_accounts, propose_accounts, propose_disqualification, set_quota

pytestmark = pytest.mark.django_db

ACCOUNTS = reverse("admin:segmentation_account_changelist")
MEMBERSHIPS = reverse("admin:segmentation_listmembership_changelist")
REQUESTS = reverse("admin:segmentation_disqualificationrequest_changelist")
ANSWERED = {"_form_submitted": "True"}


@pytest.fixture
def tal():
    return TargetList.objects.create(key="named", name="Named accounts")


@pytest.fixture
def north():
    team = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=team, places=2)
    return team


@pytest.fixture
def companies():
    return [Account.objects.create(name=name) for name in ("Acme", "Globex", "Initech")]


@pytest.fixture
def looker(client):
    """Staff who may see everything here and change nothing."""
    user = get_user_model().objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def states():
    rows = ListMembership.objects.filter(end_at=None).order_by("account__name").select_related("account")
    return {row.account.name: row.state for row in rows}


def chosen(action, rows, **answers):
    return {"action": action, "_selected_action": [row.pk for row in rows], **answers}


class TestAddingFromTheListOfAccounts:
    def test_it_asks_first_and_then_adds(self, admin_client, admin_user, tal, companies):
        response = admin_client.post(ACCOUNTS, chosen("add_to_list_selected", companies[:2]))
        assert b"Globex" in response.content
        assert states() == {}
        admin_client.post(
            ACCOUNTS, chosen("add_to_list_selected", companies[:2], target_list=tal.pk, tier="2", note="x", **ANSWERED)
        )
        assert states() == {"Acme": "active", "Globex": "active"}
        assert {(row.tier, row.set_by) for row in ListMembership.objects.all()} == {(2, admin_user)}

    def test_for_a_team_it_proposes_within_the_quota(self, admin_client, tal, north, companies):
        sent = {"target_list": tal.pk, "team": north.pk, "note": "x", **ANSWERED}
        response = admin_client.post(ACCOUNTS, chosen("add_to_list_selected", companies, **sent), follow=True)
        assert "3 places are asked for" in response.content.decode()
        assert states() == {}
        admin_client.post(ACCOUNTS, chosen("add_to_list_selected", companies[:2], **sent))
        assert states() == {"Acme": "proposed", "Globex": "proposed"}

    def test_without_any_reason_it_says_so(self, admin_client, tal, companies):
        sent = chosen("add_to_list_selected", companies, target_list=tal.pk, note=" ", **ANSWERED)
        assert "The reason is missing" in admin_client.post(ACCOUNTS, sent, follow=True).content.decode()
        assert states() == {}

    def test_who_may_only_look_adds_nothing(self, looker, tal, companies):
        looker.post(ACCOUNTS, chosen("add_to_list_selected", companies, target_list=tal.pk, note="x", **ANSWERED))
        assert states() == {}


class TestReviewQueue:
    @pytest.fixture
    def proposals(self, tal, north, companies):
        return propose_accounts(target_list=tal, accounts=companies[:2], team=north, note="big")

    def test_it_shows_what_is_proposed_now(self, admin_client, tal, proposals, companies):
        add_accounts(target_list=tal, accounts=companies[2:], note="x")
        text = admin_client.get(MEMBERSHIPS, {"now": "proposed"}).content.decode()
        assert "Acme" in text
        assert "Initech" not in text
        assert "Initech" in admin_client.get(MEMBERSHIPS, {"now": "members"}).content.decode()

    def test_accepting_and_refusing_ask_first_and_remember_who(self, admin_client, admin_user, proposals):
        assert admin_client.post(MEMBERSHIPS, chosen("accept_selected", proposals[:1])).status_code == 200
        assert states() == {"Acme": "proposed", "Globex": "proposed"}
        admin_client.post(MEMBERSHIPS, chosen("accept_selected", proposals[:1], **ANSWERED))
        reason = MembershipReason.objects.get(key="outside_profile")
        admin_client.post(MEMBERSHIPS, chosen("refuse_selected", proposals[1:], reason=reason.pk, **ANSWERED))
        assert states() == {"Acme": "active", "Globex": "rejected"}
        assert {row.decided_by for row in ListMembership.objects.filter(end_at=None)} == {admin_user}

    def test_a_refusal_without_reason_is_no_refusal(self, admin_client, proposals):
        response = admin_client.post(MEMBERSHIPS, chosen("refuse_selected", proposals, **ANSWERED), follow=True)
        assert "The reason is missing" in response.content.decode()
        assert states() == {"Acme": "proposed", "Globex": "proposed"}

    def test_members_are_paused_resumed_removed_and_disqualified(self, admin_client, tal, companies):
        add_accounts(target_list=tal, accounts=companies, note="x")
        for action, state in (
            ("recycle_selected", "recycling"),
            ("resume_selected", "active"),
            ("remove_selected", "removed"),
        ):
            row = ListMembership.objects.get(account=companies[0], end_at=None)
            admin_client.post(MEMBERSHIPS, chosen(action, [row], note="x", **ANSWERED))
            assert states()["Acme"] == state
        row = ListMembership.objects.get(account=companies[1], end_at=None)
        admin_client.post(MEMBERSHIPS, chosen("disqualify_selected", [row], note="x", **ANSWERED))
        assert states() == {"Acme": "removed", "Globex": "disqualified", "Initech": "active"}

    def test_who_may_only_look_decides_nothing(self, looker, proposals):
        for action in ("accept_selected", "refuse_selected", "remove_selected", "disqualify_selected"):
            looker.post(MEMBERSHIPS, chosen(action, proposals, note="x", **ANSWERED))
        assert states() == {"Acme": "proposed", "Globex": "proposed"}

    def test_rows_cannot_be_written_over_or_deleted(self, admin_client, proposals):
        for name in ("change", "delete"):
            url = reverse(f"admin:segmentation_listmembership_{name}", args=[proposals[0].pk])
            assert admin_client.post(url, {"state": "active", "post": "yes"}).status_code == 403
        assert states() == {"Acme": "proposed", "Globex": "proposed"}


class TestRequestsToDisqualify:
    def test_they_are_accepted_or_refused(self, admin_client, tal, north, companies):
        add_accounts(target_list=tal, accounts=companies[:2], note="x")
        asked = propose_disqualification(target_list=tal, accounts=companies[:2], team=north, note="no need")
        admin_client.post(REQUESTS, chosen("accept_selected", asked[:1], **ANSWERED))
        admin_client.post(REQUESTS, chosen("refuse_selected", asked[1:], note="there is", **ANSWERED))
        assert states() == {"Acme": "disqualified", "Globex": "active"}
        assert set(DisqualificationRequest.objects.values_list("decision", flat=True)) == {"accepted", "refused"}

    def test_who_may_only_look_decides_nothing(self, looker, tal, companies):
        add_accounts(target_list=tal, accounts=companies, note="x")
        asked = propose_disqualification(target_list=tal, accounts=companies, note="no need")
        looker.post(REQUESTS, chosen("accept_selected", asked, **ANSWERED))
        assert set(states().values()) == {"active"}


class TestQuotaForm:
    def send(self, client, team, **values):
        return client.post(
            reverse("admin:segmentation_salesquota_add"), {"team": team.pk, "rep": "", "kind": "mid_market", **values}
        )

    @pytest.mark.parametrize(("kind", "places"), [("key_accounts", 15), ("mid_market", 30)])
    def test_places_left_empty_are_the_usual_ones(self, admin_client, kind, places):
        team = SalesTeam.objects.create(key="south", name="South")
        assert self.send(admin_client, team, kind=kind, places="").status_code == 302
        assert SalesQuota.objects.get().places == places

    @pytest.mark.parametrize("places", ["0", "-1", "many", "1.5"])
    def test_zero_less_and_text_are_refused(self, admin_client, places):
        team = SalesTeam.objects.create(key="south", name="South")
        assert self.send(admin_client, team, places=places).context["errors"]
        assert not SalesQuota.objects.exists()

    def test_a_team_has_one_quota(self, admin_client, north):
        assert "This team has a quota already." in self.send(admin_client, north, places="5").content.decode()
        assert SalesQuota.objects.get().places == 2

    def test_the_list_shows_what_is_held(self, admin_client, tal, north, companies):
        propose_accounts(target_list=tal, accounts=companies[:1], team=north, note="x")
        text = admin_client.get(reverse("admin:segmentation_salesquota_changelist")).content.decode()
        assert "1 / 2" in text


class TestPages:
    def test_the_page_of_an_account_shows_its_lists(self, admin_client, tal, companies):
        add_accounts(target_list=tal, accounts=companies[:1], note="fits well")
        url = reverse("admin:segmentation_account_change", args=[companies[0].pk])
        text = admin_client.get(url).content.decode()
        assert "Named accounts" in text
        assert "fits well" in text

    def test_a_list_with_history_cannot_be_deleted(self, admin_client, tal, companies):
        add_accounts(target_list=tal, accounts=companies[:1], note="x")
        admin_client.post(reverse("admin:segmentation_targetlist_delete", args=[tal.pk]), {"post": "yes"})
        assert TargetList.objects.filter(pk=tal.pk).exists()

    def test_a_disqualification_set_on_the_form_ends_memberships_too(self, admin_client, tal, companies):
        add_accounts(target_list=tal, accounts=companies[:1], note="x")
        flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
        sent = {
            "account": companies[0].pk,
            "flag_type": flag.pk,
            "start_at_0": "2020-01-01",
            "start_at_1": "00:00",
            "reason": "bankrupt",
        }
        admin_client.post(reverse("admin:segmentation_accountflag_add"), sent)
        assert AccountFlag.objects.exists()
        assert states() == {"Acme": "disqualified"}
