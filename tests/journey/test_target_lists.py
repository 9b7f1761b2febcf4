"""Target account lists in journeys, in `stages --list` and at the command line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from journey.selectors.versions import published_version
from journey.services.replay import replay
from journey.services.versions import create_draft, create_journey, publish_version
from segmentation.models import ListMembership, MembershipReason, SalesTeam, TargetList
from segmentation.services.target_lists import add_accounts, remove_members, set_quota
from tests.journey import worlds
from tests.journey.worlds import account, activity, day, path, stays

pytestmark = pytest.mark.django_db


@pytest.fixture
def tal():
    worlds.install()
    return TargetList.objects.create(key="named", name="Named accounts")


def run(*args):
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


LISTED = {
    "stages": [
        {"key": "none", "name": "None", "precedence": 0, "position": 0, "enter": []},
        {
            "key": "listed",
            "name": "Listed",
            "precedence": 1,
            "position": 1,
            "enter": [{"name": "on the list", "criteria": [{"kind": "list", "params": {"list": "named"}}]}],
        },
    ]
}


@pytest.mark.django_db(transaction=True)  # only what was committed is replayed incrementally
def test_a_stage_follows_the_list_exactly_and_incrementally(tal):
    version = publish_version(version=create_journey(key="lists", name="Lists", document=LISTED))
    acme = account()
    rows = add_accounts(target_list=tal, accounts=[acme], note="x", at=day(5))
    replay()
    assert path(version, acme) == [("none", 0), ("listed", 5)]
    remove_members(memberships=rows, note="x", at=day(25))
    replay()
    assert path(version, acme) == [("none", 0), ("listed", 5), ("none", 25)]
    assert [row[5] for row in stays(version, acme.pk)] == [1, 1, 1]  # exact: a dated fact lies at each beginning


class TestStagesOfAList:
    @pytest.fixture
    def numbers(self, tal):
        """Two accounts are aware on day 10; one was on the list until day 20, the other is since day 30."""
        acme, globex = account(), account()
        for of in (acme, globex):
            activity(of, "webinar", 4)
        early = add_accounts(target_list=tal, accounts=[acme], note="x", at=day(1))
        remove_members(memberships=early, note="x", at=day(20))
        add_accounts(target_list=tal, accounts=[globex], note="x", at=day(30))
        replay()
        assert published_version("extended")

        def count(*args):
            found = json.loads(run("stages", "--journey", "extended", "--json", *args))
            return {row["key"]: row["accounts"] for row in found["stages"] if row["accounts"]}

        return count

    def test_the_list_is_read_as_it_was_at_the_moment(self, numbers):
        assert numbers("--as-of", "2025-01-11") == {"aware": 2}
        assert numbers("--as-of", "2025-01-11", "--list", "named") == {"aware": 1}
        assert numbers("--as-of", "2025-01-25", "--list", "named") == {}

    def test_or_as_it_is_or_as_a_fixed_cohort(self, numbers):
        given = ("--as-of", "2025-01-25", "--list", "named")
        assert numbers(*given, "--list-mode", "is") == {"aware": 1}
        assert numbers(*given, "--list-mode", "cohort", "--cohort-at", "2025-01-05") == {"aware": 1}

    def test_a_cohort_needs_its_day(self, numbers):
        with pytest.raises(CommandError, match="--cohort-at"):
            numbers("--list", "named", "--list-mode", "cohort")

    def test_a_way_to_read_a_list_needs_the_list(self, numbers):
        with pytest.raises(CommandError, match="no list"):
            numbers("--list-mode", "is")

    @pytest.mark.parametrize(
        ("day", "mode", "cohort", "aware"),
        [
            ("2025-01-11", "was", "", 1),
            ("2025-01-25", "was", "", 0),
            ("2025-01-25", "is", "", 1),
            ("2025-01-25", "cohort", "2025-01-05", 1),
            ("2025-01-25", "cohort", "2024-12-31", 0),
        ],
    )
    def test_the_start_page_and_the_api_count_the_same(self, numbers, admin_client, day, mode, cohort, aware):
        asked = {"as_of": day, "list": "named", "list_mode": mode} | ({"cohort_at": cohort} if cohort else {})
        assert admin_client.get(reverse("admin:index"), asked).context["total"] == aware
        found = admin_client.get("/api/v1/journeys/extended/stages/", asked).json()
        assert sum(row["accounts"] for row in found["stages"]) == aware

    def test_each_moment_of_a_comparison_has_the_list_of_its_own(self, numbers, admin_client):
        asked = {"as_of": "2025-02-05", "against": "2025-01-25", "list": "named"}
        bars = admin_client.get(reverse("admin:index"), asked).context["funnel"]
        assert {bar["stage"].key: (bar["number"], bar["change"]) for bar in bars}["aware"] == (1, 1)

    def test_two_versions_are_compared_on_the_accounts_of_a_list(self, numbers, admin_client):
        version = published_version("extended")
        draft = create_draft(journey=version.journey)
        url = reverse("admin:journey_journeyversion_compare", args=[draft.pk])
        everybody = admin_client.get(url).context["counts"]
        assert sum(row["one"] for row in everybody) == sum(row["two"] for row in everybody) == 2
        listed = admin_client.get(url, {"list": "named"}).context["counts"]
        assert sum(row["one"] for row in listed) == 1
        assert {row["two"] for row in listed} == {None}

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"list": "nmed"}, "Did you mean “named”"),
            ({"list": "named", "list_mode": "cohort"}, "go together"),
            ({"list": "named", "list_mode": "will"}, "“will” is no way to read a list"),
        ],
    )
    def test_what_cannot_be_used_is_told_on_the_page_and_by_the_api(self, numbers, admin_client, asked, words):
        assert words in admin_client.get(reverse("admin:index"), asked).content.decode()
        answer = admin_client.get("/api/v1/journeys/extended/stages/", asked)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["detail"]

    def test_a_stage_of_the_start_page_leads_to_the_accounts_of_the_list(self, numbers, admin_client):
        bars = admin_client.get(reverse("admin:index"), {"list": "named"}).context["funnel"]
        url = next(bar["url"] for bar in bars if bar["number"])
        assert [row.pk for row in admin_client.get(url).context["cl"].result_list] == [
            ListMembership.objects.get(end_at=None, state="active").account_id
        ]

    def test_an_unknown_list_is_refused_with_the_nearest(self, numbers):
        with pytest.raises(CommandError, match=r"There is no target account list “nmed”\. Did you mean “named”"):
            numbers("--list", "nmed")


class TestTal:
    @pytest.fixture
    def world(self, tal):
        team = SalesTeam.objects.create(key="north", name="North")
        set_quota(team=team, places=2)
        return [account("Acme"), account("Globex"), account("Initech")]

    def states(self):
        rows = ListMembership.objects.filter(end_at=None).order_by("account__name")
        return {row.account.name: row.state for row in rows}

    def test_it_proposes_reviews_and_lists(self, world):
        run("tal", "propose", "named", "Acme", "Globex", "--team", "north", "--reason", "fits_profile")
        assert self.states() == {"Acme": "proposed", "Globex": "proposed"}
        run("tal", "review", "named", "Acme", "--accept")
        run("tal", "review", "named", "Globex", "--refuse", "--note", "too small")
        assert self.states() == {"Acme": "active", "Globex": "rejected"}
        found = json.loads(run("tal", "list", "--json"))
        assert [(row["key"], row["active"], row["proposed"]) for row in found["lists"]] == [("named", 1, 0)]
        found = json.loads(run("tal", "list", "named", "--json"))
        assert [(row["account"], row["state"], row["team"]) for row in found["members"]] == [
            ("Acme", "active", "north"),
        ]
        assert "Acme" in run("tal", "list", "named")
        assert "Named accounts" in run("tal", "list")

    def test_it_reads_the_list_of_a_past_day(self, world, tal):
        rows = add_accounts(target_list=tal, accounts=world[:1], note="x", at=day(5))
        remove_members(memberships=rows, note="x", at=day(25))
        assert json.loads(run("tal", "list", "named", "--json"))["members"] == []
        found = json.loads(run("tal", "list", "named", "--as-of", "2025-01-10", "--json"))
        assert [row["account"] for row in found["members"]] == ["Acme"]

    def test_it_disqualifies_or_asks_for_it_on_behalf_of_a_team(self, world, tal):
        add_accounts(target_list=tal, accounts=world, note="x")
        run("tal", "disqualify", "named", "Acme", "--reason", "no_need")
        run("tal", "disqualify", "named", "Globex", "Initech", "--team", "north", "--note", "no need")
        assert self.states() == {"Acme": "disqualified", "Globex": "active", "Initech": "active"}
        run("tal", "review", "named", "Globex", "--accept")
        run("tal", "review", "named", "Initech", "--refuse", "--note", "not at all")
        assert self.states() == {"Acme": "disqualified", "Globex": "disqualified", "Initech": "active"}

    def test_what_is_refused_is_a_sentence_and_changes_nothing(self, world):
        names = [item.name for item in world]
        with pytest.raises(CommandError, match="2 of 2 are left"):
            run("tal", "propose", "named", *names, "--team", "north", "--note", "x")
        with pytest.raises(CommandError, match="Did you mean “north”"):
            run("tal", "propose", "named", "Acme", "--team", "nort", "--note", "x")
        with pytest.raises(CommandError, match="Did you mean “no_need”"):
            run("tal", "disqualify", "named", "Acme", "--reason", "noneed")
        with pytest.raises(CommandError, match="nothing waits for review"):
            run("tal", "review", "named", "Acme", "--accept")
        with pytest.raises(CommandError, match="There is no account “Nobody”"):
            run("tal", "propose", "named", "Nobody", "--team", "north", "--note", "x")
        assert self.states() == {}
        assert MembershipReason.objects.filter(key="no_need").exists()
