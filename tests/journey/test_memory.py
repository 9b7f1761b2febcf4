"""Facts in the memory of a process: the same as those read from the database, and read again when they were touched."""

import random

import numpy as np
import pytest
from django.db import transaction

from journey.facts.known import known_at
from journey.facts.loading import Needs, all_facts, fact_store, part_of
from journey.selectors import memory
from journey.selectors.customers import CUSTOMER
from journey.selectors.memory import Memory, present_deals, present_facts
from journey.services.memberships import update_memberships
from journey.services.replay import replay
from scoring.models import Activity, ActivityType
from scoring.selectors.engagement import interest, recent_engagement
from segmentation.engine.memberships import SEGMENTS, MembershipTable
from segmentation.engine.resolve import rule_steps, values_at
from segmentation.engine.rules import parse_rule
from segmentation.models import Account, ListMembership, TargetList
from segmentation.services.snapshots import one_snapshot
from tests.journey import worlds
from tests.journey.test_markets import fits, listed
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, activity, contact, day, deal

pytestmark = pytest.mark.django_db(transaction=True)

RULES = [
    {"criteria": [{"kind": "list", "params": {"list": "named"}}]},
    {"criteria": [{"kind": "segment", "params": {"segment": "software"}}]},
    {"criteria": [{"kind": "stage", "params": {"journey": "standard", "stage": "aware"}}]},
    {"criteria": [{"kind": "icp_fit", "params": {"profile": "default", "grades": ["A", "B"]}}]},
    {"criteria": [{"kind": "opportunity_open", "params": {}}]},
    {"criteria": [{"kind": "field", "params": {"field": "industry", "operator": "is", "value": "Software"}}]},
    CUSTOMER,
]


@pytest.fixture
def world():
    """Accounts with every kind of fact in some disorder."""
    worlds.install()
    rng = random.Random(4)
    segment("software", field("industry", "Software"))
    TargetList.objects.create(key="named", name="Named")
    found = []
    for number in range(40):
        one = account(created=rng.randrange(100), industry=rng.choice(["Software", "Steel", ""]))
        by = contact(one, seniority="vp")
        if number % 3 == 0:
            fits(one, rng.choice("ABD"), rng.randrange(100))
        if number % 4 == 0:
            listed(one, rng.randrange(100), until=150 if number % 8 else None)
        for _ in range(rng.randrange(6)):
            activity(one, rng.choice(list(worlds.TYPES)), rng.randrange(-20, 200), by=by)
        if number % 5 == 0:
            at = rng.randrange(10, 120)
            deal(one, ("Discovery", at), (rng.choice(["Won", "Lost", "Proposal"]), at + 20))
        found.append(one)
    update_memberships()
    replay()
    return found


def answers(rules, facts, day_numbers):
    """Who exists and what each rule says of whom, at some days, by primary key."""
    instants = [int(day(number).timestamp()) * 1_000_000 for number in day_numbers]
    steps = [rule_steps(rule, facts) for rule in rules]
    return {
        pk: [(bool(facts.start[e] <= at), *(int(values_at(one, at)[e]) for one in steps)) for at in instants]
        for e, pk in enumerate(facts.ids.tolist())
    }


def test_rules_hold_by_what_is_in_memory_as_by_what_is_read(world):
    rules = [parse_rule(rule) for rule in RULES]
    needs, days = Needs.of_rules(rules), range(-30, 220, 10)
    expected = {}
    with one_snapshot() as reading:
        for facts in all_facts(reading, "account", needs.with_start()):
            expected |= answers(rules, facts, days)
    found = answers(rules, present_facts(needs), days)
    assert found == expected
    for place in range(len(rules)):  # each is answered in both ways
        assert len({row[1 + place] for rows in found.values() for row in rows}) > 1
    some = np.array(sorted(found)[::3])
    assert answers(rules, present_facts(needs, some), days) == {pk: expected[pk] for pk in some.tolist()}
    facts = present_facts(needs)
    assert len(part_of(facts, np.zeros(len(facts), dtype=np.bool_))) == 0


def test_what_is_in_memory_is_read_again_only_when_something_was_touched(world, monkeypatch):
    reads = []
    read = memory.standing_facts
    monkeypatch.setattr(memory, "standing_facts", lambda *args: reads.append(1) or read(*args))
    rules = [parse_rule(rule) for rule in RULES]
    needs = Needs.of_rules(rules)

    def is_read_again() -> bool:
        before = len(reads)
        present_facts(needs)
        assert present_facts(needs) is present_facts(needs)
        return len(reads) > before

    assert is_read_again()
    assert not is_read_again()
    one = world[0]
    changes = [
        lambda: deal(one, ("Discovery", 30)),
        lambda: ListMembership.objects.filter(account=one).update(end_at=day(170)),
        lambda: activity(one, "webinar", -40),  # its history begins earlier
        lambda: fits(one, "C", 210),
        lambda: update_memberships(full=True),
        lambda: replay(full=True),
        one.delete,
    ]
    for number, change in enumerate(changes):
        change()
        assert is_read_again(), number
    assert one.pk not in present_facts(needs).ids
    assert not is_read_again()
    monkeypatch.setattr(memory, "MOST_OF_THE_TIME", 0)  # facts arrive all the time
    deal(world[1], ("Discovery", 30))
    assert not is_read_again()


def test_deals_in_memory_follow_new_ones(world):
    assert present_deals() is present_deals()
    made = deal(world[3], ("Discovery", 5))
    assert made.pk in present_deals().ids


def test_what_a_transaction_made_is_forgotten_when_it_is_undone(world):
    before = len(present_deals().ids)
    with transaction.atomic():
        deal(world[3], ("Discovery", 5))
        assert len(present_deals().ids) == before + 1
        transaction.set_rollback(True)
    assert len(present_deals().ids) == before


def test_interest_out_of_the_cache_of_facts_is_that_of_the_table(world):
    whole, at = world[5], day(200)
    for kind in worlds.TYPES:
        for before in (0, 1e-5, 89.99, 90, 90.01, 364.99, 365, 365.01, 400, -0.01):  # the edges of both windows
            activity(whole, kind, 200 - before, seconds=random.Random(before).choice([None, 77]))
    ids = np.array([one.pk for one in world[::-1]], dtype=np.int64)  # in any order
    with one_snapshot() as reading:
        found = interest(reading, fact_store("account"), ids, at)
    engaged = recent_engagement(ids.tolist(), at)
    types = {one.pk: one for one in ActivityType.objects.all()}
    for place, pk in enumerate(ids.tolist()):
        rows = [(row, types[row.type_id]) for row in Activity.objects.filter(account=pk, occurred_at__lte=at)]
        recent = [(row, kind) for row, kind in rows if row.occurred_at > day(110)]
        sales = [(row, kind) for row, kind in rows if row.occurred_at > day(-165) and kind.side == "sales"]
        expected = [
            engaged[pk].seconds if pk in engaged else 0,
            sum(kind.is_hot for _row, kind in recent),
            sum(kind.default_minutes * 60 if row.seconds is None else row.seconds for row, kind in sales),
        ]
        assert found[:, place].tolist() == expected
    assert found[:, len(ids) - 6].all()


def test_memberships_that_rest_on_assumptions_are_looked_up_at_any_moment(world):
    needs = Needs.of_rules([parse_rule(RULES[1])])
    table: MembershipTable = present_facts(needs).table(SEGMENTS)
    assert table.assumed is not None
    assert table.assumed.any()
    rng = np.random.default_rng(2)
    entity = rng.integers(0, len(table.periods.rows.begin), 500)
    instant = np.array([int(day(float(n)).timestamp()) * 1_000_000 for n in rng.integers(-50, 900, 500)])
    edges = rng.integers(0, len(table.periods.start), 100)
    instant[:50], instant[50:100] = table.periods.start[edges[:50]], table.periods.end[edges[50:]]
    p = table.periods
    expected = [
        any(
            table.assumed[k] and p.kind[k] == 0 and p.start[k] <= at < p.end[k]
            for k in range(p.rows.begin[e], p.rows.end[e])
        )
        for e, at in zip(entity.tolist(), instant.tolist(), strict=True)
    ]
    assert table.assumed_at("software", entity, instant).tolist() == expected
    assert 0 < sum(expected) < 500
    assert not table.assumed_at("another", entity, instant).any()


def test_what_was_known_at_a_moment_is_read_once(world):
    memory, reads = Memory(lambda: known_at(day(100)), is_fixed=True), []
    for _time in range(3):
        assert memory.read("accounts", lambda reading: reads.append(reading) or len(reads)) == 1
    with transaction.atomic():
        Account.objects.update(city="Somewhere")
        assert memory.read("other", lambda reading: reads.append(reading) or len(reads)) == 2
    assert memory.read("other", lambda reading: reads.append(reading) or len(reads)) == 3  # it may have been undone
