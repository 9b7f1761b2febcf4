"""A rep sees and touches only what belongs to the own team, by any address, filter, name or primary key."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from journey.services.assessments import assess
from segmentation.models import Account, IcpVersion, ListMembership, SalesTeam, TargetList
from segmentation.services.profiles import record_answers
from segmentation.services.roles import MARKETER, REP
from segmentation.services.target_lists import add_accounts, propose_accounts, propose_disqualification, set_quota
from tests.segmentation.api.support import Api, check_problem

pytestmark = pytest.mark.django_db

MEMBERS = "list-memberships/"


def person(name, role, *teams):
    user = get_user_model().objects.create_user(name, password="pass")
    user.groups.add(Group.objects.get(name=role))
    for team in teams:
        team.members.add(user)
    return Api(user)


@pytest.fixture
def teams(db):
    found = [SalesTeam.objects.create(key=key, name=key.title()) for key in ("north", "south")]
    for team in found:
        set_quota(team=team, places=5)
    return found


@pytest.fixture
def rep(teams):
    return person("rita", REP, teams[0])


@pytest.fixture
def world(teams):
    """An account of each team on the list, asked to be disqualified, answered and assessed, and one of no team."""
    north, south = teams
    tal = TargetList.objects.create(key="named", name="Named")
    mine, theirs = (
        Account.objects.create(name=f"Of {team}", domain=f"{team.key}.example", team=team) for team in teams
    )
    Account.objects.create(name="Free", domain="free.example")
    add_accounts(target_list=tal, accounts=[mine, theirs], note="x")
    for account, team in ((mine, north), (theirs, south)):
        propose_disqualification(target_list=tal, accounts=[account], team=team, note="x")
    version = IcpVersion.objects.get(profile__key="default", state="published")
    item = version.items.exclude(kind="rule").first()
    record_answers(version=version, item_key=item.key, accounts=[mine, theirs], value=1)
    assess(version=version)
    return mine, theirs


LISTS = [MEMBERS, "disqualification-requests/", "profile-answers/", "assessments/", "sales-quotas/"]


@pytest.mark.parametrize("path", LISTS)
def test_lists_show_the_own_team_only_and_single_rows_of_others_are_404(rep, api, world, path):
    own, every = rep.get(path).json()["results"], api.get(path).json()["results"]
    assert 0 < len(own) < len(every)
    assert b"outh" not in rep.get(path).content
    for row in every:
        expected = 200 if row["id"] in {found["id"] for found in own} else 404
        assert rep.get(f"{path}{row['id']}/").status_code == expected


@pytest.mark.parametrize("query", ["team=south", "account__external_id=A-9", "search=South", "as_of=2090-01-01"])
def test_no_filter_finds_what_is_hidden(rep, world, query):
    answer = rep.get(f"{MEMBERS}?{query}")
    assert b"Of South" not in answer.content
    assert b"south.example" not in answer.content


def test_counts_of_lists_are_those_of_the_own_team(rep, api, world):
    assert rep.get("target-lists/named/").json()["members"] == 1
    assert api.get("target-lists/named/").json()["members"] == 2


def test_hidden_accounts_and_rows_cannot_be_named_in_a_body(rep, world):
    _mine, theirs = world
    hidden = ListMembership.objects.get(account=theirs)
    before = list(ListMembership.objects.values_list("pk", "state", "end_at"))
    for given in (theirs.pk, "south.example", "Of South", f"#{theirs.pk}"):
        nobody = {"target_list": "named", "accounts": [given], "note": "x"}
        for path in (f"{MEMBERS}propose/", "disqualification-requests/"):
            problem = check_problem(rep.post(path, nobody))
            assert (problem["status"], problem["code"]) == (404, "unknown_account")
            assert "Of South" not in problem["detail"] or given == "Of South"
    assert rep.post(f"{MEMBERS}withdraw/", {"memberships": [hidden.pk], "note": "x"}).status_code == 404
    body = {"target_list": "named", "team": "south", "accounts": ["free.example"], "note": "x"}
    assert check_problem(rep.post(f"{MEMBERS}propose/", body))["code"] == "unknown_team"
    assert list(ListMembership.objects.values_list("pk", "state", "end_at")) == before


def test_a_rep_proposes_for_itself_and_sees_the_places_that_are_left(rep, teams, world):
    set_quota(team=teams[0], rep=rep.user, places=1)
    [before] = rep.get("sales-quotas/mine/").json()
    assert (before["team"], before["remaining"], before["team_quota"]["remaining"], before["own_quota"]["places"]) == (
        "north", 1, 5, 1,
    )  # fmt: skip
    body = {"target_list": "named", "accounts": ["free.example"], "note": "they called"}
    other = check_problem(rep.post(f"{MEMBERS}propose/", {**body, "rep": "boss"}))
    assert other["errors"][0]["field"] == "rep"
    [row] = rep.post(f"{MEMBERS}propose/", body).json()["changed"]
    assert (row["team"], row["rep"], row["state"]) == ("north", "rita", "proposed")
    [after] = rep.get("sales-quotas/mine/").json()
    assert (after["remaining"], after["own_quota"]["held"], after["team_quota"]["held"]) == (0, 1, 1)
    assert rep.post(f"{MEMBERS}withdraw/", {"memberships": [row["id"]], "note": "mistake"}).status_code == 200
    assert rep.get("sales-quotas/mine/").json() == [before]


def test_a_rep_decides_nothing_and_a_marketer_publishes_nothing(rep, teams, world):
    mine = ListMembership.objects.get(account=world[0]).pk
    for verb in ("review", "pause", "resume", "remove", "disqualify", "change-tier"):
        assert rep.post(f"{MEMBERS}{verb}/", {"memberships": [mine], "note": "x"}).status_code == 403, verb
    assert rep.post(f"{MEMBERS}add/", {"target_list": "named", "accounts": ["free.example"]}).status_code == 403
    for path in ("profiles/", "profile-versions/"):
        assert rep.get(path).status_code == 403
    marketer = person("mark", MARKETER)
    draft = marketer.post("profile-versions/", {"profile": "default"}).json()
    assert marketer.get(f"profile-versions/{draft['id']}/compare/").status_code == 200
    assert marketer.post(f"profile-versions/{draft['id']}/publish/").status_code == 403
    assert marketer.post("sales-quotas/", {"team": "north", "rep": "rita", "places": 3}).status_code == 403


def test_of_several_teams_a_rep_says_for_which(teams, world):
    both = person("bo", REP, *teams)
    body = {"target_list": "named", "accounts": ["free.example"], "note": "x"}
    assert check_problem(both.post(f"{MEMBERS}propose/", body))["errors"][0]["field"] == "team"
    assert both.post(f"{MEMBERS}propose/", {**body, "team": "south"}).status_code == 200
    lonely = person("lee", REP)
    assert lonely.get("sales-quotas/mine/").json() == []
    assert check_problem(lonely.post(f"{MEMBERS}propose/", body))["errors"][0]["field"] == "team"


def test_what_is_proposed_for_a_team_is_seen_by_its_reps(rep, teams, world):
    free = Account.objects.get(name="Free")
    propose_accounts(target_list=TargetList.objects.get(), accounts=[free], team=teams[0], note="x")
    assert b"Free" in rep.get(f"{MEMBERS}?state=proposed").content
