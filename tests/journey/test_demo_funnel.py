"""Where the accounts of the demo world stand at its end, estimated without the engine."""

from datetime import date

import numpy as np
import pytest

from journey.demo.catalogue import CODE
from journey.demo.interest import DISCOVERY, LOST, NEGOTIATION, NEVER, WON
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.people import SENIORITIES
from journey.demo.world import World, build_world
from scoring.ready_made import ACTIVITY_TYPES, MARKETING, SALES

DEFAULT_MINUTES = np.array([float(ready.minutes) for ready in ACTIVITY_TYPES])
SIDE = np.array([ready.side for ready in ACTIVITY_TYPES])
IS_HOT = np.array([ready.is_hot for ready in ACTIVITY_TYPES])
HELD = 1
MANAGER, VP = SENIORITIES.index("manager"), SENIORITIES.index("vp")
STAGES = ("disqualified", "customer", "recycle", "opportunity", "qualified", "lost", "meeting", "mqa", "aware")


def stage_shares(world: World) -> dict[str, float]:
    """Return the share of accounts in each stage of the extended journey at the end, roughly as its rules say."""
    n = world.parameters.accounts
    holds = {
        "disqualified": _accounts(n, world.disqualified.account[world.disqualified.until == NEVER]),
        "customer": _accounts(n, world.customers.account[world.customers.until == NEVER]),
        **_from_deals(world),
        **_from_activities(world),
    }
    left = np.ones(n, dtype=bool)
    shares = {}
    for stage in STAGES:
        shares[stage] = float((left & holds[stage]).mean())
        left &= ~holds[stage]
    return {**shares, "none": float(left.mean())}


def _accounts(n: int, account: np.ndarray) -> np.ndarray:
    held = np.zeros(n, dtype=bool)
    held[account] = True
    return held


def _latest(n: int, account: np.ndarray, time: np.ndarray) -> np.ndarray:
    latest = np.full(n, -(10**12))
    np.maximum.at(latest, account, time)
    return latest


def _from_deals(world: World) -> dict[str, np.ndarray]:
    n, end = world.parameters.accounts, world.parameters.seconds
    deals, changes, activities = world.opportunities, world.changes, world.activities
    is_open = deals.closed < 0
    hot = IS_HOT[activities.type]
    sales = SIDE[activities.type] == SALES
    last_hot = _latest(n, activities.account[hot], activities.occurred[hot])
    last_sales = _latest(n, activities.account[sales], activities.occurred[sales])
    last_opened = _latest(n, deals.account, deals.opened)
    moved = _latest(len(deals), changes.opportunity, changes.occurred)
    moved = np.maximum(moved, np.maximum(last_hot, last_sales)[deals.account])
    some_open = _accounts(n, deals.account[is_open])
    stalled = some_open & ~_accounts(n, deals.account[is_open & (moved > end - 30 * DAY)])

    lost = ~is_open & (deals.stage == LOST) & (deals.closed > end - 90 * DAY)
    before = np.where(changes.stage >= 0, changes.stage, 0)
    furthest = np.zeros(len(deals), dtype=np.int64)
    np.maximum.at(furthest, changes.opportunity, np.where(before < WON, before, 0))
    late_loss = lost & (furthest == NEGOTIATION)
    ended = np.maximum(last_hot, last_opened)
    held = _accounts(n, deals.account[late_loss & (ended[deals.account] <= deals.closed)])
    return {
        "recycle": stalled | held,
        "opportunity": _accounts(n, deals.account[is_open & (deals.stage > DISCOVERY)]),
        "qualified": _accounts(n, deals.account[is_open & (deals.stage == DISCOVERY)]),
        "lost": _accounts(n, deals.account[lost]) & ~some_open,
    }


def _from_activities(world: World) -> dict[str, np.ndarray]:
    n, end = world.parameters.accounts, world.parameters.seconds
    recent = np.flatnonzero(world.activities.occurred >= end - 90 * DAY)
    account, contact = world.activities.account[recent], world.activities.contact[recent]
    kind, seconds = world.activities.type[recent], world.activities.seconds[recent]
    minutes = np.where(seconds >= 0, seconds / 60, DEFAULT_MINUTES[kind])
    met = (kind == CODE["meeting"]) & (world.activities.outcome[recent] == HELD)

    named = contact >= 0
    rank, role = world.people.seniority, world.people.role
    of_rank = named & (rank[contact] >= 0) & (rank[contact] <= MANAGER) & (SIDE[kind] == MARKETING)
    in_all = np.bincount(account[of_rank], minutes[of_rank], minlength=n)
    each = np.bincount(contact[of_rank], minutes[of_rank], minlength=len(world.people))
    people = np.bincount(world.people.account[each > 10], minlength=n)
    first_tier = (in_all > 60) & (people >= 2)

    each = np.bincount(contact[named], minutes[named], minlength=len(world.people))
    active = np.flatnonzero(each > 0)
    seen = np.zeros((n, 4), dtype=bool)
    with_role = active[role[active] >= 0]
    seen[world.people.account[with_role], role[with_role]] = True
    leaders = np.flatnonzero((each >= 60) & (rank >= 0) & (rank <= VP))
    others = (seen.sum(axis=1) >= 3) & _accounts(n, world.people.account[leaders])
    return {
        "meeting": _accounts(n, account[met]),
        "mqa": np.where(world.companies.tier == 1, first_tier, others),
        "aware": np.bincount(account, minutes, minlength=n) > 0,
    }


# What a company of this kind may show; the bounds leave room for another seed and another day.
PLAUSIBLE = {
    "none": (0.35, 0.47),
    "aware": (0.25, 0.37),
    "mqa": (0.04, 0.12),
    "meeting": (0.015, 0.05),
    "customer": (0.05, 0.11),
    "recycle": (0.005, 0.04),
    "lost": (0.01, 0.04),
    "disqualified": (0.01, 0.04),
}


@pytest.mark.parametrize(
    ("accounts", "activities", "years", "end_date"),
    [
        (2_000, 150_000, 2, date(2026, 11, 21)),
        (2_000, 150_000, 2, date(2027, 3, 1)),
        (8_000, 800_000, 3, date(2026, 7, 1)),
    ],
)
def test_the_funnel_is_plausible(accounts: int, activities: int, years: int, end_date: date) -> None:
    world = build_world(
        DemoParameters(accounts=accounts, activities=activities, seed=7, years=years, end_date=end_date)
    )
    shares = stage_shares(world)
    assert sum(shares.values()) == pytest.approx(1.0)
    outside = {stage: shares[stage] for stage, (low, high) in PLAUSIBLE.items() if not low <= shares[stage] <= high}
    assert not outside
    assert 0.025 <= shares["opportunity"] + shares["qualified"] <= 0.06
