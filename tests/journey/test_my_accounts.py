"""My accounts: what a rep sees, asks for and takes back."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segmentation.models import (
    Account,
    DisqualificationRequest,
    ListMembership,
    MembershipReason,
    SalesTeam,
    TargetList,
)
from segmentation.selectors.own_accounts import matches
from segmentation.services.roles import REP
from segmentation.services.target_lists import (
    add_accounts,
    propose_accounts,
    propose_disqualification,
    review_proposals,
    set_quota,
)

pytestmark = pytest.mark.django_db

MINE = reverse("admin:segmentation_listmembership_mine")
PROPOSE = reverse("admin:segmentation_listmembership_propose")


@pytest.fixture
def team():
    return SalesTeam.objects.create(key="north", name="North")


@pytest.fixture
def key_list():
    return TargetList.objects.create(key="key", name="Key list")


@pytest.fixture
def ray(team):
    user = get_user_model().objects.create_user("ray", password="pass", is_staff=True)
    user.groups.add(Group.objects.get(name=REP))
    user.sales_teams.add(team)
    return user


@pytest.fixture
def page(ray):
    client = Client()
    client.force_login(ray)
    return client


def text_of(answer):
    return " ".join(answer.content.decode().split())


def propose(page, *accounts, **more):
    body = {"_form_submitted": "1", "account": [account.pk for account in accounts], "note": "They asked", **more}
    return page.post(PROPOSE, body)


def states():
    rows = ListMembership.objects.filter(end_at=None).order_by("account__name")
    return [(row.account.name, row.state) for row in rows.select_related("account")]


class TestWhatToDoFirst:
    def test_without_a_team(self, page, ray):
        ray.sales_teams.clear()
        assert "You are in no sales team yet" in text_of(page.get(MINE))

    def test_without_a_quota(self, page):
        text = text_of(page.get(MINE))
        assert "has no quota yet" in text
        assert "Propose accounts" not in text

    def test_without_accounts_and_requests(self, page, team):
        set_quota(team=team, places=15)
        text = text_of(page.get(MINE))
        assert "Your teams have no accounts yet" in text
        assert "Nothing yet." in text

    def test_without_a_list(self, page, team):
        set_quota(team=team, places=15)
        assert "There is no target account list yet" in text_of(page.get(PROPOSE))

    def test_the_sidebar_leads_there_and_to_nothing_a_rep_may_not_use(self, page):
        links = {
            item["title"] for group in page.get(MINE).context["sidebar_navigation"] for item in group.get("items", [])
        }
        assert links == {
            "Overview", "My accounts", "Accounts", "Contacts", "Sales teams", "Account flags", "List memberships",
            "Requests to disqualify", "Sales quotas", "Fit of accounts", "Answers", "Activities", "Opportunities",
            "Customer periods", "Funnel", "Segments", "Health", "Surging accounts", "Intent signals",
            "Topics and keywords", "Markets", "Performance", "Suggestions",
            "Audiences", "Next actions", "Plays",
            "Goals", "Priority",
        }  # fmt: skip


class TestPlaces:
    def test_the_fewer_of_team_and_rep_count(self, page, team, ray, key_list):
        set_quota(team=team, places=15)
        accounts = [Account.objects.create(name=f"A{n}", team=team) for n in range(6)]
        propose_accounts(target_list=key_list, accounts=accounts, team=team, note="x")
        text = text_of(page.get(MINE))
        assert "<strong>9</strong> of 15 places left" in text
        assert "Key list: 6" in text
        set_quota(team=team, rep=ray, places=2)
        assert "<strong>2</strong>" in text_of(page.get(MINE))

    def test_when_all_are_taken_it_says_what_to_do(self, page, team, key_list):
        set_quota(team=team, places=1)
        one, two = (Account.objects.create(name=name, team=team) for name in "ab")
        propose(page, one, target_list=key_list.pk, team=team.pk)
        assert "All places are taken" in text_of(page.get(MINE))
        answer = propose(page, two, target_list=key_list.pk, team=team.pk)
        assert "1 places are asked for and 0 of 1 are left" in text_of(answer)
        assert states() == [("a", "proposed")]


class TestProposing:
    def test_pasted_names_find_own_accounts_and_those_of_no_team_and_nothing_else(self, page, team):
        other = SalesTeam.objects.create(key="south", name="South")
        Account.objects.create(name="Mine AG", domain="mine.example", team=team)
        Account.objects.create(name="Free AG", external_id="F-1")
        Account.objects.create(name="Theirs AG", domain="theirs.example", team=other)
        found = matches("mine.example\n F-1 \nTheirs AG\n AG\nmine.example", [team])
        assert [(one.words, one.exact, [account.name for account in one.accounts]) for one in found] == [
            ("mine.example", True, ["Mine AG"]),
            ("F-1", True, ["Free AG"]),
            ("Theirs AG", False, []),
            ("AG", False, ["Free AG", "Mine AG"]),
        ]
        TargetList.objects.create(key="key", name="Key list")
        text = text_of(page.get(PROPOSE, {"words": "Theirs AG"})).replace("Theirs AG", "")
        assert "nothing found" in text
        assert "theirs.example" not in text

    def test_what_is_proposed_waits_for_review_and_a_free_account_is_own_from_then_on(self, page, team, key_list, ray):
        set_quota(team=team, places=3)
        free = Account.objects.create(name="Free AG")
        assert "Free AG" not in text_of(page.get(MINE))
        answer = propose(page, free, target_list=key_list.pk, team=team.pk)
        assert answer.status_code == 302
        row = ListMembership.objects.get()
        assert (row.state, row.team, row.rep, row.set_by, row.note) == ("proposed", team, ray, ray, "They asked")
        assert text_of(page.get(MINE)).count("Free AG") == 2  # among the accounts, and among what was asked for
        assert page.get(reverse("admin:segmentation_account_change", args=[free.pk])).status_code == 200

    def test_foreign_accounts_lists_and_teams_are_refused_as_unknown(self, page, team, key_list):
        set_quota(team=team, places=3)
        other = SalesTeam.objects.create(key="south", name="South")
        set_quota(team=other, places=3)
        theirs, mine = Account.objects.create(name="T", team=other), Account.objects.create(name="M", team=team)
        refused = [
            propose(page, theirs, target_list=key_list.pk, team=team.pk),
            propose(page, Account(pk=999_999), target_list=key_list.pk, team=team.pk),
        ]
        assert all("of your team or of no team" in text_of(answer) for answer in refused)
        assert propose(page, mine, target_list=key_list.pk, team=other.pk).context["form"].errors["team"]
        assert states() == []


class TestTakingBack:
    @pytest.fixture
    def row(self, team, key_list, ray):
        set_quota(team=team, places=3)
        account = Account.objects.create(name="Mine AG", team=team)
        (row,) = propose_accounts(
            target_list=key_list, accounts=[account], team=team, rep=ray, user=ray, note="They asked"
        )
        return row

    def test_an_own_proposal_is_withdrawn_and_its_place_is_free(self, page, row):
        address = reverse("admin:segmentation_listmembership_withdraw", args=[row.pk])
        assert "Mine AG" in text_of(page.get(address))
        assert states() == [("Mine AG", "proposed")]
        assert page.post(address, {"_form_submitted": "1", "note": ""}).status_code == 302
        assert states() == [("Mine AG", "removed")]
        assert "<strong>3</strong> of 3 places left" in text_of(page.get(MINE))

    def test_one_of_a_colleague_or_that_was_decided_is_not(self, page, row, ray):
        address = reverse("admin:segmentation_listmembership_withdraw", args=[row.pk])
        colleague = get_user_model().objects.create_user("kim")
        ListMembership.objects.update(rep=colleague, set_by=colleague)
        page.post(address, {"_form_submitted": "1"})
        assert states() == [("Mine AG", "proposed")]
        ListMembership.objects.update(rep=ray)
        (active,) = review_proposals(memberships=[row], accept=True)
        for pk in (row.pk, active.pk):
            page.post(reverse("admin:segmentation_listmembership_withdraw", args=[pk]), {"_form_submitted": "1"})
        assert states() == [("Mine AG", "active")]

    def test_marketing_is_asked_to_disqualify_with_a_reason(self, page, row, team, ray):
        address = reverse("admin:segmentation_listmembership_ask_disqualification", args=[row.pk])
        page.post(address, {"_form_submitted": "1"})
        assert not DisqualificationRequest.objects.exists()  # the reason is missing
        reason = MembershipReason.objects.create(key="gone", name="Out of business", use="disqualify")
        page.post(address, {"_form_submitted": "1", "reason": reason.pk})
        asked = DisqualificationRequest.objects.get()
        assert (asked.team, asked.asked_by, asked.reason, asked.decision) == (team, ray, reason, "open")
        assert states() == [("Mine AG", "proposed")]
        text = text_of(page.get(MINE))
        assert "disqualification asked for" in text
        assert "Waiting for review" in text

    def test_an_own_request_to_disqualify_is_withdrawn_and_the_account_stays(self, page, row, team, ray, key_list):
        ask = {"target_list": key_list, "accounts": [row.account], "team": team, "note": "gone"}
        (asked,) = propose_disqualification(**ask, user=ray)
        address = reverse("admin:segmentation_listmembership_withdraw_request", args=[asked.pk])
        assert address in text_of(page.get(MINE))
        assert "Mine AG" in text_of(page.get(address))
        DisqualificationRequest.objects.update(asked_by=get_user_model().objects.create_user("kim"))
        page.post(address, {"_form_submitted": "1"})
        asked.refresh_from_db()
        assert asked.decision == "open"  # that of a colleague is not
        DisqualificationRequest.objects.update(asked_by=ray)
        page.post(address, {"_form_submitted": "1", "note": "they pay again"})
        asked.refresh_from_db()
        assert (asked.decision, asked.decided_by, asked.decision_note) == ("withdrawn", ray, "they pay again")
        assert states() == [("Mine AG", "proposed")]
        text = text_of(page.get(MINE))
        assert "Withdrawn" in text
        assert "disqualification asked for" not in text
        propose_disqualification(**ask)  # may be asked for again

    def test_a_request_of_another_team_does_not_exist(self, page, row, key_list):
        other = SalesTeam.objects.create(key="south", name="South")
        theirs = Account.objects.create(name="Theirs AG", team=other)
        add_accounts(target_list=key_list, accounts=[theirs], note="x")
        (asked,) = propose_disqualification(target_list=key_list, accounts=[theirs], team=other, note="x")
        for pk in (asked.pk, 987_654_321):
            address = reverse("admin:segmentation_listmembership_withdraw_request", args=[pk])
            assert page.get(address).status_code == 404
            assert page.post(address, {"_form_submitted": "1"}).status_code == 404
