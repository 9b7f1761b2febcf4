"""The upkeep of a list: cadence, stale accounts, capacity, months as the list was, is, or of a cohort."""

import datetime as dt
import json
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from journey.errors import JourneyError
from journey.selectors.upkeep import Capacity, Cycle, upkeep_by_month, upkeep_document, upkeep_now, upkeep_of
from journey.services.deal_states import derive_deals
from journey.services.replay import replay
from segmentation.errors import InvalidValueError
from segmentation.models import ListReview, MembershipReason, SalesTeam, TargetList
from segmentation.selectors.target_lists import lists_due
from segmentation.services.roles import REP
from segmentation.services.target_lists import (
    add_accounts,
    disqualify_members,
    propose_accounts,
    record_list_review,
    recycle_members,
    remove_members,
    review_proposals,
    set_quota,
)
from tests.journey import worlds

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


NOW = at("2026-03-15")


def did(account, day, seconds=600):
    worlds.activity(account, "webinar", (at(day) - worlds.DAY0) / DAY, seconds=seconds)


@pytest.fixture
def tal():
    worlds.install()
    return TargetList.objects.create(key="named", name="Named accounts", tier=2, stale_after_days=30)


@pytest.fixture
def story(tal):
    """Acme stays since December, Globex leaves in February, Initech comes in February and leaves in March."""
    acme, globex, initech, other = (worlds.account(name) for name in ("Acme", "Globex", "Initech", "Other"))
    add_accounts(target_list=tal, accounts=[acme], note="x", tier=1, at=at("2025-12-10"))
    left = add_accounts(target_list=tal, accounts=[globex], note="x", at=at("2026-01-05"))
    gone = add_accounts(target_list=tal, accounts=[initech], note="x", tier=3, at=at("2026-02-10"))
    remove_members(memberships=left, reason=MembershipReason.objects.get(key="no_progress"), at=at("2026-02-20"))
    disqualify_members(memberships=gone, note="too small", at=at("2026-03-01"))
    did(acme, "2026-01-10", 600)
    did(globex, "2026-01-02", 300)  # before it came
    did(globex, "2026-01-20", 300)
    did(other, "2026-01-15", 1200)
    replay()
    return tal


def months(found):
    return {f"{month.start:%Y-%m}": month for month in found.months}


class TestMonths:
    def test_size_by_tier_and_who_came_and_left(self, story):
        found = months(upkeep_by_month(story, now=NOW))
        assert len(found) == 13
        rows = {name: (month.by_tier, month.added, month.left) for name, month in found.items() if month.members}
        assert rows == {
            "2025-12": ({1: 1}, 1, 0),
            "2026-01": ({1: 1, 2: 1}, 1, 0),
            "2026-02": ({1: 1, 3: 1}, 1, 1),
            "2026-03": ({1: 1}, 0, 1),
        }

    def test_engaged_share_and_focus(self, story):
        found = months(upkeep_by_month(story, now=NOW))
        assert (found["2026-01"].engaged_share, found["2026-01"].focus) == (1.0, 900 / 2400)
        assert (found["2026-02"].engaged_share, found["2026-02"].focus) == (0.5, None)
        assert (found["2025-11"].engaged_share, found["2025-11"].members) == (None, 0)

    def test_as_the_list_is_now(self, story):
        found = months(upkeep_by_month(story, now=NOW, mode="is"))
        assert {month.members for month in found.values()} == {1}
        assert (found["2026-01"].engaged, found["2026-01"].focus) == (1, 600 / 2400)
        assert found["2026-02"].left == 1  # what happened, happened

    def test_as_a_cohort(self, story):
        found = months(upkeep_by_month(story, now=NOW, mode="cohort", cohort_at=at("2026-01-15")))
        assert {month.members for month in found.values()} == {2}
        assert (found["2026-01"].engaged, found["2026-01"].focus) == (2, 1200 / 2400)
        assert found["2026-02"].engaged_share == 1.0

    def test_a_cohort_and_its_day_go_together(self, story):
        with pytest.raises(JourneyError, match="go together"):
            upkeep_by_month(story, mode="cohort")

    def test_reasons_are_counted_by_month(self, story):
        found = upkeep_by_month(story, now=NOW)
        assert [(row.reason and row.reason.key, row.state, row.months[-2:]) for row in found.reasons] == [
            (None, "disqualified", [0, 1]),
            ("no_progress", "removed", [1, 0]),
        ]

    def test_a_refusal_is_no_departure(self, tal):
        team = SalesTeam.objects.create(key="north", name="North")
        set_quota(team=team, places=5)
        rows = propose_accounts(target_list=tal, accounts=[worlds.account()], team=team, note="x")
        review_proposals(memberships=rows, accept=False, reason=MembershipReason.objects.get(key="outside_profile"))
        found = upkeep_by_month(tal)
        last = found.months[-1]
        assert (last.added, last.left, last.refused) == (0, 0, 1)
        assert [(row.state, row.total) for row in found.reasons] == [("rejected", 1)]


class TestStale:
    def names(self, tal):
        return {row.account.name for row in upkeep_now(tal, now=NOW).stale.first}

    def member(self, tal, name, since="2025-06-01"):
        account = worlds.account(name)
        return account, add_accounts(target_list=tal, accounts=[account], note="x", at=at(since))

    def test_an_activity_counts_from_the_very_limit_on(self, tal):
        self.member(tal, "silent")
        limit = NOW - 30 * DAY
        for name, moment in (("at the limit", limit), ("before", limit - dt.timedelta(microseconds=1))):
            account, _rows = self.member(tal, name)
            worlds.activity(account, "webinar", (moment - worlds.DAY0) / DAY)
        assert self.names(tal) == {"silent", "before"}

    def test_who_came_lately_or_is_paused_is_not_stale(self, tal):
        self.member(tal, "new", "2026-03-01")
        _account, rows = self.member(tal, "paused")
        recycle_members(memberships=rows, note="x", at=at("2025-07-01"))
        assert self.names(tal) == set()

    def test_a_fact_that_moves_it_counts_and_time_that_passes_does_not(self, tal):
        fallen, _rows = self.member(tal, "fallen back")
        did(fallen, "2025-12-01")  # aware until 2026-03-01, two weeks ago
        moved, _rows = self.member(tal, "deal")
        worlds.deal(moved, ("Discovery", (at("2026-03-01") - worlds.DAY0) / DAY))
        replay()
        assert self.names(tal) == {"fallen back"}
        [row] = upkeep_now(tal, now=NOW).stale.first
        assert (row.last_activity, row.last_movement) == (at("2025-12-01"), at("2025-12-01"))

    def test_all_are_counted_and_the_most_neglected_named_first(self, tal):
        for number in range(4):
            account, _rows = self.member(tal, f"n{number}")
            did(account, f"2025-0{9 - number}-01")
        found = upkeep_now(tal, now=NOW, most=2).stale
        assert (found.number, [row.account.name for row in found.first]) == (4, ["n3", "n2"])


class TestCapacity:
    @pytest.mark.parametrize(
        ("accounts", "reps", "cycle", "verdict", "at_a_time", "per_year", "days"),
        [
            (20, 2, 73.0, "at_once", 20, 100.0, 73.0),
            (21, 2, 73.0, "in_turns", 20, 100.0, 21 / 20 * 73),
            (100, 2, 73.0, "in_turns", 20, 100.0, 365.0),
            (101, 2, 73.0, "too_large", 20, 100.0, 101 / 20 * 73),
            (20, 0, 73.0, "unknown", None, None, None),
            (21, 2, None, "unknown", 20, None, None),
            (0, 2, 73.0, "empty", 20, 100.0, 73.0),
        ],
    )
    def test_the_statement(self, accounts, reps, cycle, verdict, at_a_time, per_year, days):
        found = Capacity(accounts, {}, reps, "teams", 10, 1, 0, 0, Cycle(cycle, 5, True, NOW))
        assert (found.verdict, found.at_a_time, found.per_year) == (verdict, at_a_time, per_year)
        assert found.days_for_all == (None if days is None else pytest.approx(days))

    def test_reps_are_the_members_of_the_teams_else_the_owners(self, tal):
        team = SalesTeam.objects.create(key="north", name="North")
        set_quota(team=team, places=7)
        mine = [worlds.account(owner="ann", team=team), worlds.account(owner="ann"), worlds.account(owner="bob")]
        add_accounts(target_list=tal, accounts=mine, note="x")
        found = upkeep_now(tal).capacity
        assert (found.reps, found.reps_from, found.accounts_per_rep, found.places) == (2, "owners", 1.5, 7)
        for name in ("cid", "dan", "eve"):
            team.members.add(get_user_model().objects.create_user(name))
        found = upkeep_now(tal).capacity
        assert (found.reps, found.reps_from, found.accounts_per_rep) == (3, "teams", 1.0)

    def test_the_won_cycle_is_the_lists_own_once_five_of_its_deals_are_won(self, tal):
        def won(account, opened, days):
            begin = (at(opened) - worlds.DAY0) / DAY
            worlds.deal(account, ("Discovery", begin), ("Won", begin + days))

        listed, other = worlds.account(), worlds.account()
        add_accounts(target_list=tal, accounts=[listed], note="x", at=at("2025-06-01"))
        for days in (10, 20, 30, 60):
            won(listed, "2025-07-01", days)
        won(other, "2025-07-01", 100)
        won(listed, "2026-03-01", 30)  # won after the moment looked at
        derive_deals()
        cycle = upkeep_now(tal, now=NOW).capacity.cycle
        assert (cycle.median_days, cycle.deals, cycle.of_list) == (30.0, 5, False)
        won(listed, "2025-08-01", 70)
        derive_deals()
        cycle = upkeep_now(tal, now=NOW).capacity.cycle
        assert (cycle.median_days, cycle.deals, cycle.of_list) == (30.0, 5, True)


class TestReviews:
    def test_a_list_is_due_a_cadence_after_its_last_review(self, tal):
        TargetList.objects.filter(pk=tal.pk).update(created_at=at("2025-12-15"), review_every_days=90)
        TargetList.objects.create(key="never", name="Never", review_every_days=None)
        assert lists_due(NOW - dt.timedelta(microseconds=1)) == []
        assert lists_due(NOW) == [tal]
        record_list_review(target_list=tal, note=" all  fine ")
        assert ListReview.objects.get().note == "all fine"
        assert lists_due(timezone.now()) == []
        assert lists_due(timezone.now() + 90 * DAY) == [tal]

    def test_a_note_that_is_too_long_is_refused(self, tal):
        with pytest.raises(InvalidValueError, match="301 characters"):
            record_list_review(target_list=tal, note="x" * 301)
        assert not ListReview.objects.exists()


class TestPage:
    @pytest.fixture
    def url(self, tal):
        return reverse("admin:segmentation_targetlist_upkeep", args=[tal.pk])

    @pytest.fixture
    def part(self, tal):
        return reverse("admin:segmentation_targetlist_upkeep_months", args=[tal.pk])

    def test_it_shows_all_of_it_and_takes_the_mode(self, admin_client, story, url, part):
        page, months = (admin_client.get(address).content.decode() for address in (url, part))
        assert f'hx-get="{part}?"' in page
        for words in ("Acme", "neither a team with members nor an owner", "never reviewed"):
            assert words in page, words
        for words in ("No progress", "(a note only)", "2026-01"):
            assert words in months, words
        cohort = {"list_mode": "cohort", "cohort_at": "2026-01-15"}
        assert (
            f'hx-get="{part}?list_mode=cohort&amp;cohort_at=2026-01-15"'
            in admin_client.get(url, cohort).content.decode()
        )
        assert {row["members"] for row in admin_client.get(part, cohort).context["months"]} == {2}

    @pytest.mark.parametrize(("day", "words"), [("", "go together"), ("?", "is no date"), ("2999-01-01", "future")])
    def test_a_cohort_without_a_day_is_refused_and_the_list_shown_as_it_was(
        self, admin_client, story, url, part, day, words
    ):
        asked = {"list_mode": "cohort", "cohort_at": day}
        page = admin_client.get(url, asked).content.decode()
        assert words in page
        assert f'hx-get="{part}?"' in page
        refused = admin_client.get(part, asked)
        assert (refused.status_code, words in refused.content.decode()) == (400, True)

    def test_an_empty_list_says_what_to_do_first(self, admin_client, url):
        assert "No account has been on this list yet" in admin_client.get(url).content.decode()

    def test_a_review_is_asked_about_and_recorded(self, admin_client, admin_user, tal, story):
        url = reverse("admin:segmentation_targetlist_reviewed", args=[tal.pk])
        admin_client.post(url)
        assert not ListReview.objects.exists()
        answer = admin_client.post(url, {"note": "two left", "_form_submitted": "True"}, follow=True)
        assert "two left" in answer.content.decode()
        assert ListReview.objects.get().reviewed_by == admin_user

    def test_the_start_page_and_the_lists_remind_of_it(self, admin_client, tal, story):
        start, lists = reverse("admin:index"), reverse("admin:segmentation_targetlist_changelist")
        assert "review of 1 target account list is due" not in admin_client.get(start).content.decode()
        TargetList.objects.filter(pk=tal.pk).update(created_at=at("2025-01-01"))
        assert "review of 1 target account list is due" in admin_client.get(start).content.decode()
        assert "due since" in admin_client.get(lists).content.decode()

    def test_who_may_only_look_records_nothing(self, client, tal, url, part):
        user = get_user_model().objects.create_user("looker", is_staff=True)
        client.force_login(user)
        assert client.get(url).status_code == client.get(part).status_code == 403
        user.user_permissions.set(Permission.objects.filter(codename="view_targetlist"))
        assert client.get(url).status_code == client.get(part).status_code == 200
        reviewed = reverse("admin:segmentation_targetlist_reviewed", args=[tal.pk])
        assert client.post(reviewed, {"_form_submitted": "True"}).status_code == 403
        assert not ListReview.objects.exists()


class TestApi:
    def test_it_says_what_the_command_says(self, admin_client, story):
        asked = {"list_mode": "cohort", "cohort_at": "2026-01-15"}
        found = admin_client.get("/api/v1/target-lists/named/upkeep/", asked).json()
        expected = upkeep_document(upkeep_of(story, mode="cohort", cohort_at=at("2026-01-15")))
        assert found["reasons"] == expected["reasons"]
        assert [month["accounts"] for month in found["months"]] == [2] * 13

    @pytest.mark.parametrize(
        ("path", "status"),
        [("nmed/upkeep/", 404), ("named/upkeep/?list_mode=cohort", 400), ("named/upkeep/?mode=is", 400)],
    )
    def test_a_wrong_question_is_refused(self, admin_client, tal, path, status):
        assert admin_client.get(f"/api/v1/target-lists/{path}").status_code == status

    def test_who_sees_only_own_teams_sees_none_of_it(self, client, tal):
        user = get_user_model().objects.create_user("rep", is_staff=True)
        user.groups.set(Group.objects.filter(name=REP))
        client.force_login(user)
        assert client.get("/api/v1/target-lists/named/upkeep/").status_code == 403
        assert client.get(reverse("admin:segmentation_targetlist_upkeep", args=[tal.pk])).status_code in (403, 404)


class TestCommand:
    def run(self, *args):
        out = StringIO()
        call_command("tal", "upkeep", *args, stdout=out)
        return out.getvalue()

    def test_it_says_what_the_page_says(self, story):
        found = json.loads(self.run("named", "--json"))
        expected = json.loads(json.dumps(upkeep_document(upkeep_of(story))))
        for part in ("list", "review", "capacity", "reasons"):
            assert found[part] == expected[part]
        assert [m["by_tier"] for m in found["months"]] == [m["by_tier"] for m in expected["months"]]
        text = self.run("named")
        assert "Stale: 1 accounts" in text
        assert "2026-02" in text

    def test_it_takes_a_cohort(self, story):
        found = json.loads(self.run("named", "--list-mode", "cohort", "--cohort-at", "2026-01-15", "--json"))
        assert {month["accounts"] for month in found["months"]} == {2}
        with pytest.raises(CommandError, match="--cohort-at"):
            self.run("named", "--list-mode", "cohort")
