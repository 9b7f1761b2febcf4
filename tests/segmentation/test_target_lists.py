"""Target account lists: proposing, reviewing, pausing, disqualifying; every row that stands afterwards."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from segmentation.errors import ConflictError, InvalidValueError, NotFoundError, ProblemError
from segmentation.models import (
    Account,
    DisqualificationRequest,
    FactTouch,
    ListMembership,
    MembershipReason,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.selectors.target_lists import find_list, members_at, places_held
from segmentation.services.flags import disqualify_accounts
from segmentation.services.merging import merge_accounts
from segmentation.services.target_lists import (
    MembershipConflictError,
    QuotaExceededError,
    add_accounts,
    disqualify_members,
    propose_accounts,
    propose_disqualification,
    recycle_members,
    remove_members,
    resume_members,
    review_disqualifications,
    review_proposals,
    rows,
    set_quota,
)

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def tal():
    return TargetList.objects.create(key="named", name="Named accounts", tier=1)


@pytest.fixture
def north():
    team = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=team, places=2)
    return team


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


def company(name, **fields):
    return Account.objects.create(name=name, **fields)


def states(tal):
    """All rows of a list: account, state, whether it is in force."""
    rows = ListMembership.objects.filter(target_list=tal).order_by("account__name", "start_at")
    return [(row.account.name, row.state, row.end_at is None) for row in rows.select_related("account")]


def code_of(call, **given):
    """Call a verb that must refuse; the code of its error."""
    with pytest.raises(ProblemError) as error:
        call(**given)
    assert error.value.message
    assert error.value.remedy
    return error.value.code


class TestProposals:
    def test_a_proposal_waits_with_team_rep_and_reason(self, tal, north, ann):
        acme, reason = company("Acme"), MembershipReason.objects.get(key="fits_profile")
        propose_accounts(target_list=tal, accounts=[acme], team=north, rep=ann, reason=reason, note=" big\n", user=ann)
        [row] = ListMembership.objects.all()
        assert (row.state, row.team, row.rep, row.set_by, row.reason, row.note) == (
            "proposed", north, ann, ann, reason, "big",
        )  # fmt: skip
        assert list(members_at(tal, timezone.now())) == []  # not accepted yet

    def test_an_accepted_proposal_is_active_and_says_who_decided(self, tal, north, ann, admin_user):
        rows = propose_accounts(
            target_list=tal, accounts=[company("Acme")], team=north, rep=ann, note="big", tier=2, user=ann
        )
        review_proposals(memberships=rows, accept=True, user=admin_user)
        assert states(tal) == [("Acme", "proposed", False), ("Acme", "active", True)]
        row = ListMembership.objects.get(end_at=None)
        assert (row.team, row.rep, row.set_by, row.decided_by, row.tier) == (north, ann, admin_user, admin_user, 2)
        assert places_held(north) == 1

    def test_a_refusal_needs_a_reason_and_returns_the_place(self, tal, north):
        rows = propose_accounts(target_list=tal, accounts=[company("Acme")], team=north, note="big")
        assert code_of(review_proposals, memberships=rows, accept=False) == "reason_missing"
        review_proposals(memberships=rows, accept=False, note="too small")
        assert states(tal) == [("Acme", "proposed", False), ("Acme", "rejected", True)]
        assert places_held(north) == 0

    def test_a_refused_account_may_be_proposed_again(self, tal, north):
        acme = company("Acme")
        review_proposals(
            memberships=propose_accounts(target_list=tal, accounts=[acme], team=north, note="big"),
            accept=False,
            note="no",
        )
        propose_accounts(target_list=tal, accounts=[acme], team=north, note="now it is bigger")
        assert states(tal) == [("Acme", "proposed", False), ("Acme", "rejected", False), ("Acme", "proposed", True)]

    def test_what_was_decided_cannot_be_decided_again(self, tal, north):
        rows = propose_accounts(target_list=tal, accounts=[company("Acme")], team=north, note="big")
        review_proposals(memberships=rows, accept=True)
        assert code_of(review_proposals, memberships=rows, accept=False, note="no") == "state_changed"
        assert states(tal) == [("Acme", "proposed", False), ("Acme", "active", True)]

    def test_a_member_is_not_taken_twice_and_the_whole_batch_is_refused(self, tal, north):
        acme = company("Acme")
        add_accounts(target_list=tal, accounts=[acme], note="ours")
        for verb, given in ((propose_accounts, {"team": north}), (add_accounts, {})):
            batch = [acme, company("Globex")]
            assert code_of(verb, target_list=tal, accounts=batch, note="x", **given) == "already_member"
        assert states(tal) == [("Acme", "active", True)]

    def test_a_disqualified_account_is_refused(self, tal, north):
        acme = company("Acme")
        disqualify_accounts(accounts=[acme], reason="bankrupt")
        given = {"target_list": tal, "accounts": [acme], "note": "x"}
        assert code_of(propose_accounts, team=north, **given) == "account_disqualified"
        assert code_of(add_accounts, **given) == "account_disqualified"
        assert states(tal) == []

    def test_what_was_disqualified_on_the_list_comes_back_by_marketing_only(self, tal, north):
        acme = company("Acme")
        disqualify_members(memberships=add_accounts(target_list=tal, accounts=[acme], note="x"), note="no need")
        given = {"target_list": tal, "accounts": [acme], "note": "x"}
        assert code_of(propose_accounts, team=north, **given) == "disqualified_on_list"
        add_accounts(**given)
        assert states(tal) == [("Acme", "active", False), ("Acme", "disqualified", False), ("Acme", "active", True)]

    def test_an_account_of_another_team_is_refused(self, tal, north):
        south = SalesTeam.objects.create(key="south", name="South")
        acme = company("Acme", team=south)
        assert code_of(propose_accounts, target_list=tal, accounts=[acme], team=north, note="x") == "other_team"
        assert code_of(propose_disqualification, target_list=tal, accounts=[acme], team=north, note="x") == "other_team"

    def test_an_inactive_list_takes_nobody(self, tal, north):
        TargetList.objects.update(active=False)
        tal.refresh_from_db()
        given = {"target_list": tal, "accounts": [company("Acme")], "note": "x"}
        assert code_of(propose_accounts, team=north, **given) == "list_not_active"
        assert code_of(add_accounts, **given) == "list_not_active"

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({}, "reason_missing"),
            ({"note": " \n"}, "reason_missing"),
            ({"note": "x" * 301}, "note_too_long"),
            ({"note": "x", "tier": 4}, "unknown_tier"),
            ({"note": "x", "at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}, "time_not_usable"),
            ({"note": "x", "at": dt.datetime(1989, 1, 1, tzinfo=dt.UTC)}, "time_not_usable"),
        ],
    )
    def test_bad_input_is_refused_and_nothing_changes(self, tal, given, code):
        with pytest.raises(InvalidValueError) as error:
            add_accounts(target_list=tal, accounts=[company("Acme")], **given)
        assert error.value.code == code
        assert states(tal) == []

    def test_a_reason_for_something_else_or_an_inactive_one_is_refused(self, tal):
        given = {"target_list": tal, "accounts": [company("Acme")]}
        other, old = (
            MembershipReason.objects.get(key="no_budget"),
            MembershipReason.objects.create(key="old", name="Old", active=False),
        )
        assert code_of(add_accounts, reason=other, **given) == "reason_not_fitting"
        assert code_of(add_accounts, reason=old, **given) == "reason_not_fitting"


class TestStates:
    def test_every_change_ends_a_row_and_begins_another(self, tal):
        now = timezone.now()
        rows = add_accounts(target_list=tal, accounts=[company("Acme")], note="x", at=now - 9 * DAY)
        rows = recycle_members(memberships=rows, note="later", at=now - 6 * DAY)
        rows = resume_members(memberships=rows, at=now - 5 * DAY)
        remove_members(memberships=rows, note="no progress", at=now - 2 * DAY)
        assert list(ListMembership.objects.order_by("start_at").values_list("state", "start_at", "end_at")) == [
            ("active", now - 9 * DAY, now - 6 * DAY),
            ("recycling", now - 6 * DAY, now - 5 * DAY),
            ("active", now - 5 * DAY, now - 2 * DAY),
            ("removed", now - 2 * DAY, None),
        ]
        counted = [members_at(tal, now - days * DAY).count() for days in (10, 9, 6, 3, 2)]
        assert counted == [0, 1, 1, 1, 0]

    def test_a_time_before_the_present_state_is_refused(self, tal):
        now = timezone.now()
        rows = add_accounts(target_list=tal, accounts=[company("Acme")], note="x", at=now - DAY)
        for days in (1, 2):
            assert code_of(remove_members, memberships=rows, note="x", at=now - days * DAY) == "membership_overlaps"
        assert states(tal) == [("Acme", "active", True)]

    def test_the_database_refuses_overlapping_rows(self, tal):
        [row] = add_accounts(target_list=tal, accounts=[company("Acme")], note="x")
        with pytest.raises(IntegrityError, match="listmembership_once_at_a_time"), transaction.atomic():
            ListMembership.objects.create(
                target_list=tal, account=row.account, state="active", start_at=row.start_at + DAY
            )

    def test_a_disqualified_account_leaves_every_list(self, tal, north):
        other = TargetList.objects.create(key="other", name="Other")
        acme = company("Acme")
        add_accounts(target_list=tal, accounts=[acme], note="x")
        propose_accounts(target_list=other, accounts=[acme], team=north, note="x")
        disqualify_accounts(accounts=[acme], reason="bankrupt")
        assert states(tal) == [("Acme", "active", False), ("Acme", "disqualified", True)]
        assert states(other) == [("Acme", "proposed", False), ("Acme", "disqualified", True)]
        assert set(ListMembership.objects.filter(end_at=None).values_list("note", flat=True)) == {"bankrupt"}
        assert places_held(north) == 0

    def test_a_disqualification_dated_back_ends_what_began_later_now(self, tal):
        now = timezone.now()
        acme = company("Acme")
        add_accounts(target_list=tal, accounts=[acme], note="x", at=now - DAY)
        disqualify_accounts(accounts=[acme], reason="bankrupt", at=now - 9 * DAY)
        first, last = ListMembership.objects.order_by("start_at")
        assert (first.state, first.start_at, last.state, last.end_at) == ("active", now - DAY, "disqualified", None)
        assert first.end_at == last.start_at >= now

    def test_a_change_is_noted_in_the_change_feed(self, tal):
        acme = company("Acme")
        FactTouch.objects.all().delete()
        rows = add_accounts(target_list=tal, accounts=[acme], note="x")
        assert set(FactTouch.objects.values_list("account_id", flat=True)) == {acme.pk}
        FactTouch.objects.all().delete()
        remove_members(memberships=rows, note="x")
        assert set(FactTouch.objects.values_list("account_id", flat=True)) == {acme.pk}


class TestDisqualifying:
    def test_sales_ask_and_the_membership_stays_until_marketing_decides(self, tal, north, ann, admin_user):
        acme = company("Acme")
        rows = propose_accounts(target_list=tal, accounts=[acme], team=north, note="x")
        review_proposals(memberships=rows, accept=True)
        asked = propose_disqualification(target_list=tal, accounts=[acme], team=north, note="no need", user=ann)
        assert states(tal)[-1] == ("Acme", "active", True)
        assert places_held(north) == 1
        review_disqualifications(requests=asked, accept=True, user=admin_user)
        assert states(tal)[-1] == ("Acme", "disqualified", True)
        assert places_held(north) == 0
        row = ListMembership.objects.get(end_at=None)
        assert (row.note, row.decided_by) == ("no need", admin_user)
        [request] = DisqualificationRequest.objects.all()
        assert (request.decision, request.asked_by, request.decided_by) == ("accepted", ann, admin_user)

    def test_a_refused_request_changes_nothing_and_may_be_asked_again(self, tal, north):
        acme = company("Acme")
        add_accounts(target_list=tal, accounts=[acme], note="x")
        given = {"target_list": tal, "accounts": [acme], "team": north, "note": "no need"}
        asked = propose_disqualification(**given)
        assert code_of(propose_disqualification, **given) == "already_asked"
        assert code_of(review_disqualifications, requests=asked, accept=False) == "reason_missing"
        review_disqualifications(requests=asked, accept=False, note="there is")
        assert code_of(review_disqualifications, requests=asked, accept=True) == "decided_already"
        assert states(tal) == [("Acme", "active", True)]
        propose_disqualification(**given)

    def test_only_an_account_of_the_list_can_be_disqualified_on_it(self, tal, north):
        assert (
            code_of(propose_disqualification, target_list=tal, accounts=[company("Acme")], team=north, note="x")
            == "not_member"
        )

    def test_a_request_is_settled_when_the_account_leaves_the_list(self, tal):
        acme = company("Acme")
        rows = add_accounts(target_list=tal, accounts=[acme], note="x")
        propose_disqualification(target_list=tal, accounts=[acme], note="x")
        disqualify_members(memberships=rows, note="yes")
        assert DisqualificationRequest.objects.get().decision == "accepted"


class TestQuota:
    def test_a_place_is_held_while_proposed_active_or_recycling(self, tal, north):
        rows = propose_accounts(target_list=tal, accounts=[company("Acme"), company("Globex")], team=north, note="x")
        third = company("Initech")
        given = {"target_list": tal, "accounts": [third], "team": north, "note": "x"}
        with pytest.raises(QuotaExceededError) as error:
            propose_accounts(**given)
        assert (error.value.code, error.value.field, error.value.value) == ("quota_exceeded", "team", 2)
        rows = recycle_members(memberships=review_proposals(memberships=rows, accept=True), note="later")
        assert code_of(propose_accounts, **given) == "quota_exceeded"
        remove_members(memberships=rows[:1], note="no progress")
        propose_accounts(**given)
        assert places_held(north) == SalesQuota.objects.get().places

    def test_a_batch_that_does_not_fit_is_refused_whole(self, tal, north):
        batch = [company(name) for name in ("Acme", "Globex", "Initech")]
        assert code_of(propose_accounts, target_list=tal, accounts=batch, team=north, note="x") == "quota_exceeded"
        assert states(tal) == []

    def test_what_marketing_adds_takes_no_place(self, tal, north):
        add_accounts(target_list=tal, accounts=[company(n, team=north) for n in ("A", "B", "C")], note="x")
        assert places_held(north) == 0

    def test_an_account_on_two_lists_takes_one_place(self, tal, north):
        set_quota(team=north, places=1)
        acme = company("Acme")
        other = TargetList.objects.create(key="other", name="Other")
        propose_accounts(target_list=tal, accounts=[acme], team=north, note="x")
        propose_accounts(target_list=other, accounts=[acme], team=north, note="x")
        assert places_held(north) == 1

    def test_a_rep_has_a_limit_within_the_team(self, tal, north, ann):
        set_quota(team=north, rep=ann, places=1)
        propose_accounts(target_list=tal, accounts=[company("Acme")], team=north, rep=ann, note="x")
        given = {"target_list": tal, "accounts": [company("Globex")], "team": north, "note": "x"}
        with pytest.raises(QuotaExceededError) as error:
            propose_accounts(rep=ann, **given)
        assert error.value.field == "rep"
        propose_accounts(**given)

    def test_a_team_without_quota_has_no_places(self, tal):
        south = SalesTeam.objects.create(key="south", name="South")
        given = {"target_list": tal, "accounts": [company("Acme")], "team": south, "note": "x"}
        assert code_of(propose_accounts, **given) == "quota_missing"

    @pytest.mark.parametrize("places", [0, -1, 2.5, True, "30"])
    def test_a_quota_of_zero_less_or_no_number_is_refused(self, north, places):
        assert code_of(set_quota, team=north, places=places) == "quota_not_positive"
        assert SalesQuota.objects.get().places == 2

    def test_the_database_refuses_a_quota_of_zero(self, north):
        with pytest.raises(IntegrityError, match="salesquota_at_least_one_place"), transaction.atomic():
            SalesQuota.objects.update(places=0)

    def test_key_accounts_have_15_places_and_mid_market_30_unless_said_otherwise(self, north):
        assert set_quota(team=north, kind="key_accounts").places == 15
        assert set_quota(team=north, kind="mid_market").places == 30


@pytest.fixture
def merged_meanwhile(monkeypatch):
    """Says which account becomes part of which other between the look for a row and the lock of its account."""

    def meanwhile(survivor, absorbed):
        lock = rows.locked_accounts

        def locked(ids):
            ids = set(ids)
            monkeypatch.setattr(rows, "locked_accounts", lock)
            merge_accounts(survivor=survivor, absorbed=absorbed)
            return lock(ids)

        monkeypatch.setattr(rows, "locked_accounts", locked)

    return meanwhile


def test_an_account_that_is_merged_while_it_is_decided_about_is_refused(tal, merged_meanwhile):
    one, other = company("One"), company("Other")
    [membership] = add_accounts(target_list=tal, accounts=[one], note="x")
    [request] = propose_disqualification(target_list=tal, accounts=[one], note="x")
    merged_meanwhile(other, one)
    with pytest.raises(MembershipConflictError, match=r"Other.*changed meanwhile") as found:
        remove_members(memberships=[membership], note="x")
    assert found.value.code == "state_changed"
    third = company("Third")
    merged_meanwhile(third, one)
    with pytest.raises(MembershipConflictError, match=r"Third.*changed meanwhile"):
        review_disqualifications(requests=[request], accept=True)
    assert ListMembership.objects.get().state == "active"


def test_an_unknown_list_is_refused_with_the_nearest_key(tal):
    with pytest.raises(NotFoundError, match="Did you mean “named”"):
        find_list("nmed")


def test_typed_errors_are_conflicts():
    assert issubclass(MembershipConflictError, ConflictError)
