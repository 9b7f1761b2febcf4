"""Two accounts made one: as if the facts had always been of one account, and back again as if nothing had happened."""

import datetime as dt
import random

import pytest
from django.apps import apps
from django.db import connection

from journey.models import CustomerPeriod, OpportunityChange, StageInterval
from journey.selectors.journeys import find_entity
from journey.selectors.versions import published_version
from journey.services.replay import replay
from scoring.models import Activity
from segmentation.models import (
    Account,
    AccountFlag,
    AccountMerge,
    Contact,
    DisqualificationRequest,
    DuplicateCandidate,
    FactTouch,
    FlagType,
    IcpAnswer,
    IcpAssessment,
    IcpProfile,
    IcpRun,
    Job,
    ListMembership,
    MergedRows,
    SalesTeam,
    TargetList,
)
from segmentation.services.merging import MergeConflictError, merge_accounts, undo_merge
from segmentation.services.records import upsert_records
from segmentation.services.target_lists import add_accounts, propose_accounts, set_quota
from tests.journey import worlds
from tests.journey.worlds import account, activity, contact, day, deal, stays

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ("page_view", "webinar", "demo_request", "sales_call", "meeting")


@pytest.fixture
def extended():
    worlds.install()
    return published_version("extended")


def split_history(rng, parts):
    """Random facts: all of them for the first account, and each for one of the other two."""
    whole, *halves = parts
    people = {one.pk: [contact(one, seniority="vp", buying_role="user") for _ in range(2)] for one in parts}
    for _ in range(25):
        half, kind, at, who = rng.choice(halves), rng.choice(KINDS), round(rng.uniform(0, 300), 3), rng.randrange(3)
        seconds, outcome = rng.choice([None, 60, 3600]), rng.choice(["", "held", "no_show"])
        # Each half has people of its own, so the whole has both halves' people.
        by_whole = people[whole.pk][who] if who < 2 and half is halves[1] else None
        by_half = people[half.pk][who] if by_whole else None
        for one, by in ((whole, by_whole), (half, by_half)):
            activity(one, kind, at, by, seconds=seconds, outcome=outcome)
    for _ in range(3):
        half, begin = rng.choice(halves), rng.uniform(0, 200)
        steps = [("Discovery", begin), (rng.choice(["Proposal", "Negotiation"]), begin + rng.uniform(1, 60))]
        steps.append((rng.choice(["Won", "Lost", "Negotiation"]), steps[-1][1] + rng.uniform(1, 60)))
        for one in (whole, half):
            deal(one, *steps)
    disqualified = FlagType.objects.get(key="disqualified")
    for one in halves:
        begin = rng.uniform(50, 250)
        AccountFlag.objects.create(
            account=one, flag_type=disqualified, start_at=day(begin), end_at=day(begin + 30), reason="x"
        )
    first, second = AccountFlag.objects.order_by("start_at")
    together = second.start_at < first.end_at
    ends = [max(first.end_at, second.end_at)] if together else [first.end_at, second.end_at]
    for begin, end in zip([first.start_at, second.start_at], ends, strict=False):
        AccountFlag.objects.create(account=whole, flag_type=disqualified, start_at=begin, end_at=end, reason="x")
    for one in (whole, rng.choice(halves)):
        CustomerPeriod.objects.create(account=one, started_at=day(20), ended_at=day(150))


def line(version, one):
    return [row[1:4] + row[5:] for row in stays(version, one.pk)]


@pytest.mark.parametrize("seed", range(4))
def test_a_merged_history_is_that_of_one_account_and_the_undo_brings_both_back(extended, seed):
    rng = random.Random(seed)
    created = [rng.uniform(0, 40) for _ in range(2)]
    whole = account(created=min(created), tier=2)
    halves = [account(created=at, tier=2) for at in created]
    split_history(rng, (whole, *halves))
    replay()
    before = {one.pk: line(extended, one) for one in halves}
    survivor, absorbed = halves if seed % 2 else halves[::-1]
    merge = merge_accounts(survivor=survivor, absorbed=absorbed)
    replay()
    assert line(extended, survivor) == line(extended, whole)
    assert not StageInterval.objects.filter(entity_id=absorbed.pk).exists()
    refreshed = stays(extended)
    replay(full=True)
    assert stays(extended) == refreshed
    undo_merge(merge=merge)
    replay()
    assert {one.pk: line(extended, one) for one in halves} == before


WORKED_OUT = (AccountMerge, MergedRows, FactTouch, IcpAssessment, IcpRun, Job)


def everything():
    """All rows of the product's tables as they are, but for what is worked out and what is history."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            mine = model._meta.app_label in ("segmentation", "scoring", "journey") and model._meta.managed
            if mine and model not in WORKED_OUT and not hasattr(model, "pgh_tracked_model"):
                cursor.execute(f"SELECT to_jsonb(t)::text FROM {model._meta.db_table} t ORDER BY 1")
                found[model.__name__] = cursor.fetchall()
    return found


@pytest.fixture
def rich(extended):
    """Two accounts with a bit of everything, and a third that refers to them."""
    team = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=team, places=2)
    lists = [TargetList.objects.create(key=key, name=key) for key in ("a", "b")]
    acme = account("Acme GmbH", domain="acme.de", products=["Core"], revenue="12.30", tier=1, custom={"x": 1.5})
    other = account(
        "ACME Inc", created=-5, domain="acme.com", other_names=["Acme US"], products=["Core", "Plus"],
        industry="Steel", revenue="99999999999999.99", team=team, custom={"y": "z"},
    )  # fmt: skip
    third = account("Child", parent=other)
    for one in (acme, other):
        person = contact(one, email=f"p{one.pk}@acme.com")
        activity(one, "webinar", 10, person)
        deal(one, ("Discovery", 12), ("Won", 30))
        CustomerPeriod.objects.create(account=one, product="Core", started_at=day(30), ended_at=day(60 + one.pk % 2))
        profile = IcpProfile.objects.get(key="default")
        IcpAnswer.objects.create(profile=profile, item_key="k", account=one, kind="yes_no", value=1)
        DisqualificationRequest.objects.create(target_list=lists[0], account=one, asked_at=day(70))
    add_accounts(target_list=lists[0], accounts=[acme], note="x", at=day(40))
    ListMembership.objects.filter(account=acme).update(state="removed")
    propose_accounts(target_list=lists[0], accounts=[other], team=team, note="x")
    ListMembership.objects.filter(account=other).update(start_at=day(45))
    add_accounts(target_list=lists[1], accounts=[other], note="x", at=day(45))
    flag = FlagType.objects.create(key="vip", name="VIP")
    AccountFlag.objects.create(account=acme, flag_type=flag, start_at=day(1), end_at=day(9), reason="mine")
    AccountFlag.objects.create(account=other, flag_type=flag, start_at=day(5), reason="theirs")
    low, high = sorted([acme.pk, other.pk])
    DuplicateCandidate.objects.create(
        first_id=low, second_id=high, score="0.9", reasons=[["same_name", "acme"]], fingerprint=1
    )
    DuplicateCandidate.objects.create(first=other, second=third, score="0.6", fingerprint=2)
    return acme, other, third


def test_a_merge_keeps_every_fact_and_the_undo_leaves_nothing_behind(rich):
    acme, other, third = rich
    before = everything()
    merge = merge_accounts(survivor=acme, absorbed=other, take=["industry"], note=" because  so ")
    acme.refresh_from_db()
    third.refresh_from_db()
    assert not Account.objects.filter(pk=other.pk).exists()
    assert (acme.name, acme.domain, acme.tier, acme.industry, acme.custom) == (
        "Acme GmbH", "acme.de", 1, "Steel", {"x": 1.5},
    )  # fmt: skip
    assert (acme.other_names, acme.other_domains, acme.products) == (
        ["ACME Inc", "Acme US"],
        ["acme.com"],
        ["Core", "Plus"],
    )
    assert acme.created_in_source_at == day(-5)
    assert third.parent_id == acme.pk
    for model, number in ((Contact, 2), (Activity, 2), (CustomerPeriod, 1), (IcpAnswer, 2)):
        assert model.objects.filter(account=acme).count() == number, model
    assert OpportunityChange.objects.filter(opportunity__account=acme).count() == 4
    assert CustomerPeriod.objects.get(account=acme).ended_at == day(61)
    assert list(
        AccountFlag.objects.filter(account=acme).order_by("start_at").values_list("start_at", "end_at", "reason")
    ) == [
        (day(1), day(9), "mine"),
        (day(9), None, "theirs"),
    ]
    on_lists = ListMembership.objects.filter(account=acme).order_by("target_list__key", "start_at")
    assert list(on_lists.values_list("target_list__key", "state", "start_at", "end_at")) == [
        ("a", "removed", day(40), day(45)),
        ("a", "proposed", day(45), None),
        ("b", "active", day(45), None),
    ]
    assert DisqualificationRequest.objects.get(decision="open").account_id == acme.pk
    assert not DuplicateCandidate.objects.exists()
    assert (merge.note, merge.reasons, merge.external_id) == ("because so", [["same_name", "acme"]], other.external_id)
    touched = set(FactTouch.objects.values_list("account_id", flat=True))
    assert {acme.pk, other.pk, third.pk} <= touched
    undo_merge(merge=merge)
    assert everything() == before


def test_an_undo_after_newer_changes_is_refused_with_what_they_are(rich):
    acme, other, _third = rich
    merge = merge_accounts(survivor=acme, absorbed=other)
    late = activity(acme, "webinar", 90)
    Account.objects.filter(pk=acme.pk).update(other_names=["ACME Inc", "Acme US", "Acme Asia"])
    before = everything()
    with pytest.raises(MergeConflictError) as refused:
        undo_merge(merge=merge)
    assert (refused.value.code, "1 new activities" in str(refused.value), "other names" in str(refused.value)) == (
        "newer_changes", True, True,
    )  # fmt: skip
    assert everything() == before
    undo_merge(merge=merge, keep_newer=True)
    late.refresh_from_db()
    acme.refresh_from_db()
    assert (late.account_id, acme.other_names, acme.other_domains) == (acme.pk, ["Acme Asia"], [])
    assert Account.objects.get(pk=other.pk).other_names == ["Acme US"]
    with pytest.raises(MergeConflictError, match="was undone on"):
        undo_merge(merge=merge)


def test_changed_list_memberships_must_be_taken_back_before_an_undo(rich):
    acme, other, _third = rich
    merge = merge_accounts(survivor=acme, absorbed=other)
    ListMembership.objects.filter(account=acme, target_list__key="b").update(end_at=dt.datetime.now(dt.UTC))
    with pytest.raises(MergeConflictError, match="changed list memberships"):
        undo_merge(merge=merge, keep_newer=True)


def test_an_undo_never_gives_a_team_more_places_than_its_quota(rich):
    acme, other, third = rich
    team, first = SalesTeam.objects.get(), TargetList.objects.get(key="a")
    ListMembership.objects.filter(account=acme).update(state="active")  # wins over the proposal, whose place is free
    merge = merge_accounts(survivor=acme, absorbed=other)
    propose_accounts(target_list=first, accounts=[third, account()], team=team, note="x")
    with pytest.raises(MergeConflictError) as refused:
        undo_merge(merge=merge)
    assert refused.value.code == "quota_exceeded"


def test_merges_are_undone_in_the_reverse_order(rich):
    acme, other, _third = rich
    last = account("Last")
    before = everything()
    one = merge_accounts(survivor=acme, absorbed=other)
    two = merge_accounts(survivor=last, absorbed=acme)
    assert find_entity("account", str(other.external_id)) == last
    with pytest.raises(MergeConflictError, match="Undo that one first"):
        undo_merge(merge=one)
    undo_merge(merge=two)
    assert find_entity("account", str(other.external_id)) == acme
    three = merge_accounts(survivor=acme, absorbed=last)
    with pytest.raises(MergeConflictError, match="Undo that one first"):
        undo_merge(merge=one)
    undo_merge(merge=three)
    undo_merge(merge=one)
    assert everything() == before


def test_what_cannot_be_merged_changes_nothing(rich):
    acme, other, third = rich
    before = everything()
    for survivor, absorbed, code in (
        (acme, acme, "merge_with_itself"),
        (third, other, "merge_with_parent"),
        (other, third, "merge_with_parent"),
    ):
        with pytest.raises(Exception) as refused:
            merge_accounts(survivor=survivor, absorbed=absorbed)
        assert refused.value.code == code
    with pytest.raises(Exception, match="Did you mean “industry”"):
        merge_accounts(survivor=acme, absorbed=other, take=["industri"])
    assert everything() == before


def test_a_disqualification_of_one_is_one_of_both_and_ends_their_memberships(rich):
    acme, other, _third = rich
    flag = FlagType.objects.get(key="disqualified")
    AccountFlag.objects.create(account=acme, flag_type=flag, start_at=day(50), reason="bankrupt")
    before = everything()
    merge = merge_accounts(survivor=acme, absorbed=other)
    states = ListMembership.objects.filter(account=acme, end_at__isnull=True).values_list("state", "start_at", "note")
    assert set(states) == {("disqualified", day(50), "bankrupt")}
    undo_merge(merge=merge)
    assert everything() == before


def test_later_imports_that_name_the_merged_account_reach_the_survivor(rich):
    acme, other, _third = rich
    merge_accounts(survivor=acme, absorbed=other)
    there = [Account.objects.count(), Account.objects.get(pk=acme.pk).__dict__["updated_at"]]
    report = upsert_records(
        "accounts",
        [
            {"external_id": other.external_id, "name": "ACME Incorporated", "tier": 3, "domain": "acme.com"},
            {"name": "ACME Inc", "tier": 3},
            {"domain": "acme.com", "name": "ACME Inc", "tier": 3},
        ],
        strict=True,
    )
    assert (report.unchanged, report.inserted, report.updated, report.flagged) == (3, 0, 0, {"merged_account": 3})
    assert there == [Account.objects.count(), Account.objects.get(pk=acme.pk).updated_at]
    for number, name in enumerate([other.external_id, "acme inc", "acme.com", "Acme US"]):
        report = upsert_records(
            "contacts", [{"external_id": f"N{number}", "account": name, "name": "New"}], strict=True
        )
        assert Contact.objects.get(external_id=f"N{number}").account_id == acme.pk


def test_products_of_the_past_are_those_of_both(rich):
    import numpy as np

    from segmentation.facts.accounts import read_fields

    acme, other, _third = rich
    Account.objects.filter(pk=other.pk).update(products=["Plus"])
    merge = merge_accounts(survivor=acme, absorbed=other)
    Account.objects.filter(pk=acme.pk).update(products=["New"])
    found = read_fields(connection, np.array([acme.pk]), ["products", "tier"], some=True)["products"]
    values = [found.values[code] for code in [found.initial[0], *found.code.tolist()]]
    assert values[-1] == ("New",)
    assert [set(value) for value in values[1:]][-3:-1] == [{"Core", "Plus"}, {"Core", "Plus"}]
    assert merge.after["products"] == ["Core", "Plus"]
