"""The hidden course of events: when an account takes interest, how far that goes, and what becomes of it.

Each account lives through episodes of interest one after the other. An episode is some browsing, an evaluation by
several people, one with a meeting, or one that leads to a deal. All that is seen later, activities, meetings, deals,
is drawn from the episodes, so the parts of an account's story fit together. Times are seconds after the start.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from journey.demo.companies import Companies
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.seasons import to_quarter_end, to_working_hours

BROWSE, EVALUATE, MEET, DEAL = range(4)
EPISODE_SHARES = (0.22, 0.42, 0.13, 0.23)
MAX_EPISODES = 12
PACE = 2.0  # episodes a year of the average account that takes interest at all

# Stages of the CRM, by their number in `STAGES`.
DISCOVERY, SOLUTION_FIT, PROPOSAL, NEGOTIATION, WON, LOST = range(6)
STAGE_DAYS = (15.0, 22.0, 19.0, 14.0)  # medians
LOST_IN_STAGE = (0.22, 0.30, 0.22, 0.26)

NEW, UPSELL, CROSS_SELL, RENEWAL = range(4)
NEVER = np.iinfo(np.int64).max

Table = TypeVar("Table")  # any dataclass of arrays


@dataclass
class Episodes:
    """One entry per episode, by account and time."""

    account: np.ndarray
    kind: np.ndarray
    onset: np.ndarray
    peak: np.ndarray  # from here on several people are at it
    meeting: np.ndarray  # NEVER without one
    end: np.ndarray
    hot: np.ndarray  # when somebody asked for a demo, a trial, a price; NEVER when nobody did
    deal: np.ndarray  # the deal it led to, -1 for none
    is_return: np.ndarray  # came back after a loss


@dataclass
class Deals:
    """One entry per deal. `entered[:, s]` is when the deal came into open stage s; the last column is its closing."""

    account: np.ndarray
    kind: np.ndarray
    entered: np.ndarray
    outcome: np.ndarray  # WON or LOST, should it close in time
    last_stage: np.ndarray  # the open stage it closes from
    stuck_from: np.ndarray  # nothing moves between these two; NEVER for most
    stuck_until: np.ndarray

    @property
    def opened(self) -> np.ndarray:
        """When the deals were opened."""
        return self.entered[:, 0]

    @property
    def closes(self) -> np.ndarray:
        """When the deals close, perhaps after the end of the history."""
        return self.entered[:, 4]


@dataclass
class Customers:
    """One entry per period as a customer; `until` is NEVER while it lasts."""

    account: np.ndarray
    since: np.ndarray
    until: np.ndarray
    deal: np.ndarray


@dataclass
class Disqualifications:
    """One entry per time an account was disqualified; `until` is NEVER while it lasts."""

    account: np.ndarray
    since: np.ndarray
    until: np.ndarray
    reason: np.ndarray


def join(parts: list[Table]) -> Table:
    """Return dataclasses of arrays as one."""
    columns = {name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    return type(parts[0])(**columns)


def take(table: Table, chosen: np.ndarray) -> Table:
    """Return the chosen rows of a dataclass of arrays."""
    return type(table)(**{name: column[chosen] for name, column in vars(table).items()})


def make_episodes(parameters: DemoParameters, companies: Companies) -> tuple[Episodes, Deals]:
    """Return the episodes and the deals for new business that came of them."""
    rng = parameters.stream("episodes")
    n = len(companies)
    end = parameters.seconds
    # Most accounts hardly ever take interest, some do all the time, those that fit more often.
    drive = rng.gamma(0.75, 1 / 0.75, n) * np.exp(0.45 * companies.fit - 0.1)
    drive *= np.array([0.8, 2.0, 1.4, 0.9])[companies.tier]
    drive[rng.random(n) < 0.22] = 0.0
    free = np.maximum(companies.created, 0) + DAY
    came_inbound = (companies.created > 0) & (companies.source == 0)
    returns = np.zeros(n, dtype=bool)
    episodes, deals, number = [], [], 0
    for turn in range(MAX_EPISODES):
        wait = np.minimum(rng.exponential(1.0, n) * 365 * DAY / np.maximum(drive * PACE, 1e-9), 1e12)
        onset = _later(free, wait, end)
        if turn == 0:
            # Who came in by asking is interested from the first days.
            soon = free + rng.exponential(4 * DAY, n).astype(np.int64)
            onset = np.where(came_inbound & (drive > 0), soon, onset)
        onset = np.where(returns, free, onset)
        active = np.flatnonzero((onset < end) & (drive > 0))
        if not len(active):
            break
        made, led_to = _episodes(rng, parameters, companies, active, onset[active], returns[active], number)
        number += len(led_to.account)
        episodes.append(made)
        deals.append(led_to)

        free[:] = 2 * end
        free[active] = made.end + (20 * DAY * rng.random(len(active))).astype(np.int64)
        returns[:] = False
        won = led_to.outcome == WON
        free[led_to.account[won]] = 2 * end
        late_loss = ~won & (led_to.last_stage == NEGOTIATION)
        back = led_to.account[late_loss & (rng.random(len(won)) < 0.33)]
        returns[back] = True
        free[back] += rng.integers(25 * DAY, 150 * DAY, len(back))
        tired = np.setdiff1d(led_to.account[~won], back)
        free[tired] += rng.integers(60 * DAY, 240 * DAY, len(tired))
    if not episodes:
        return _no_episodes(), _no_deals()
    return join(episodes), join(deals)


def _later(since: np.ndarray, wait: np.ndarray, end: int) -> np.ndarray:
    """Return the times reached after waiting, in a business that grows: waits are half as long at the end."""
    # The business done until t is t (1 + t / 2 end) / 1.5 with a pace of 1 on average; solved for t.
    since = np.minimum(since, 2 * end)
    done = (since + since * (since / (2.0 * end))) / 1.5 + wait
    times: np.ndarray = (end * (np.sqrt(1.0 + 3.0 * done / end) - 1.0)).astype(np.int64)
    return times


def _lognormal(rng: np.random.Generator, median_days: float | np.ndarray, sigma: float, size: int) -> np.ndarray:
    return (median_days * DAY * np.exp(sigma * rng.standard_normal(size))).astype(np.int64)


def _episodes(
    rng: np.random.Generator,
    parameters: DemoParameters,
    companies: Companies,
    account: np.ndarray,
    onset: np.ndarray,
    is_return: np.ndarray,
    first_deal: int,
) -> tuple[Episodes, Deals]:
    size = len(account)
    tier = companies.tier[account]
    shares = np.cumsum(EPISODE_SHARES)
    # Accounts of the first tier are worked on, and go further; returning ones know what they want.
    chance = rng.random(size) ** np.where(tier == 1, 0.6, np.where(tier == 2, 0.85, 1.0))
    kind = np.where(is_return, DEAL, np.searchsorted(shares, np.minimum(chance, 0.999999), side="right"))
    ramp = _lognormal(rng, np.where(is_return, 4.0, np.where(kind == DEAL, 34.0, 26.0)), 0.5, size)
    peak = onset + (ramp * 0.6).astype(np.int64)
    browsing = _lognormal(rng, 28.0, 0.6, size)
    evaluating = _lognormal(rng, 66.0, 0.5, size)
    to_meeting = _lognormal(rng, 17.0, 0.6, size)
    meeting = np.where((kind == MEET) | ((kind == DEAL) & (rng.random(size) < 0.9)), onset + ramp + to_meeting, NEVER)
    end = np.select(
        [kind == BROWSE, kind == EVALUATE],
        [onset + browsing, onset + ramp + evaluating],
        onset + ramp + to_meeting + (12 * DAY * rng.random(size)).astype(np.int64),
    )
    asked = rng.random(size) < np.select([kind == DEAL, kind == MEET, kind == EVALUATE], [0.6, 0.35, 0.14], 0.02)
    hot = np.where(asked, onset + ramp + (to_meeting * rng.random(size) * 0.8).astype(np.int64), NEVER)
    hot = np.where(is_return, onset, hot)

    leads = np.flatnonzero(kind == DEAL)
    opened = onset[leads] + ramp[leads] + to_meeting[leads] + rng.exponential(6 * DAY, len(leads)).astype(np.int64)
    deals = make_deals(rng, parameters, companies, account[leads], np.full(len(leads), NEW), opened)
    deal = np.full(size, -1, dtype=np.int64)
    deal[leads] = first_deal + np.arange(len(leads))
    end[leads] = deals.closes
    return Episodes(account, kind, onset, peak, meeting, end, hot, deal, is_return), deals


def make_deals(
    rng: np.random.Generator,
    parameters: DemoParameters,
    companies: Companies,
    account: np.ndarray,
    kind: np.ndarray,
    opened: np.ndarray,
) -> Deals:
    """Return the courses of deals opened at these times, working hours and quarter ends included."""
    size = len(account)
    clock = companies.clock[account]
    fit, tier = companies.fit[account], companies.tier[account]
    base = np.array([0.35, 0.55, 0.45, 0.86])[kind]
    won = rng.random(size) < np.clip(base + 0.07 * fit + 0.04 * (tier == 1), 0.05, 0.97)
    last = np.where(won, NEGOTIATION, np.searchsorted(np.cumsum(LOST_IN_STAGE), rng.random(size) * 0.999, side="right"))
    # A renewal is a matter of the last two stages.
    first = np.where(kind == RENEWAL, PROPOSAL, DISCOVERY)
    last = np.where(kind == RENEWAL, np.maximum(last, PROPOSAL), last)
    pace = np.where(tier == 1, 1.35, 1.0) * np.array([1.0, 0.6, 0.7, 0.8])[kind]
    stays = np.stack([_lognormal(rng, days * pace, 0.55, size) for days in STAGE_DAYS], axis=1)
    stages = np.arange(4)
    stays[(stages < first[:, None]) | (stages > last[:, None])] = 0

    # Some get stuck in a stage; most of those are lost in it in the end.
    stuck = (rng.random(size) < 0.2) & (kind != RENEWAL)
    won &= ~(stuck & (rng.random(size) < 0.7))
    where = np.minimum((rng.random(size) * (last + 1)).astype(np.int64), last)
    lost_there = stuck & ~won
    last = np.where(lost_there, where, last)
    stays[lost_there[:, None] & (stages > last[:, None])] = 0
    delay = np.where(stuck, rng.integers(50 * DAY, 190 * DAY, size), 0)
    before_stuck = stays[np.arange(size), where]
    stays[np.arange(size), where] += delay

    entered = np.empty((size, 5), dtype=np.int64)
    entered[:, 0] = to_working_hours(parameters, clock, opened, rng.random(size))
    for stage in range(4):
        later = entered[:, stage] + stays[:, stage]
        if stage == NEGOTIATION:
            hurried = (rng.random(size) < 0.4) & ~stuck & won
            later = np.where(hurried, to_quarter_end(parameters, later, rng.random(size)), later)
        moved = to_working_hours(parameters, clock, later, rng.random(size))
        moves = stays[:, stage] > 0
        entered[:, stage + 1] = np.where(moves, np.maximum(moved, entered[:, stage] + 7_200), entered[:, stage])
    stuck_from = np.where(stuck, entered[np.arange(size), where] + before_stuck // 2, NEVER)
    return Deals(
        account=account,
        kind=kind,
        entered=entered,
        outcome=np.where(won, WON, LOST),
        last_stage=last,
        stuck_from=stuck_from,
        stuck_until=np.where(stuck, stuck_from + delay, NEVER),
    )


def first_stage(deals: Deals) -> np.ndarray:
    """Return the stage the deals were opened in."""
    return np.where(deals.kind == RENEWAL, PROPOSAL, DISCOVERY)


def make_customers(parameters: DemoParameters, companies: Companies, deals: Deals) -> tuple[Customers, Deals]:
    """Return the customers that came of the deals, and all deals: renewals, upsell and cross-sell are added.

    A renewal lost ends the period on its day; a customer period without one runs on.
    """
    rng = parameters.stream("customers")
    end = parameters.seconds
    won = np.flatnonzero((deals.outcome == WON) & (deals.closes < end))
    account, since = deals.account[won], deals.closes[won]
    until = np.full(len(won), NEVER)
    year = 365 * DAY
    all_deals = [deals]
    for turn in range(1, parameters.days // 365 + 1):
        due = since + turn * year
        open_for_it = np.flatnonzero((until == NEVER) & (due - 70 * DAY < end))
        opened = due[open_for_it] - rng.integers(45 * DAY, 70 * DAY, len(open_for_it))
        renewals = make_deals(
            rng, parameters, companies, account[open_for_it], np.full(len(open_for_it), RENEWAL), opened
        )
        lost = (renewals.outcome == LOST) & (renewals.closes < end)
        ends = np.maximum(due[open_for_it], renewals.closes + DAY)
        until[open_for_it[lost]] = np.where(ends < end, ends, NEVER)[lost]
        all_deals.append(take(renewals, np.flatnonzero(renewals.opened < end)))

    expected = 0.42 * np.maximum(np.minimum(until, end) - since, 0) / year
    more = np.repeat(np.arange(len(won)), rng.poisson(expected))
    stays = np.minimum(until, end)[more] - since[more]
    opened = since[more] + 30 * DAY + (np.maximum(stays - 60 * DAY, 1) * rng.random(len(more))).astype(np.int64)
    kind = np.where(rng.random(len(more)) < 0.6, UPSELL, CROSS_SELL)
    extra = make_deals(rng, parameters, companies, account[more], kind, opened)
    # Nothing more is sold to a customer who left.
    kept = np.flatnonzero((extra.opened < end) & (extra.closes < until[more]))
    extra, owner = take(extra, kept), more[kept]
    crossed = np.flatnonzero((extra.kind == CROSS_SELL) & (extra.outcome == WON) & (extra.closes < end))
    first_extra = sum(len(part.account) for part in all_deals)
    all_deals.append(extra)
    periods = Customers(
        account=np.concatenate([account, extra.account[crossed]]),
        since=np.concatenate([since, extra.closes[crossed]]),
        until=np.concatenate([until, until[owner[crossed]]]),
        deal=np.concatenate([won, first_extra + crossed]),
    )
    return periods, join(all_deals)


def make_disqualifications(parameters: DemoParameters, companies: Companies, deals: Deals) -> Disqualifications:
    """Return who was disqualified when: accounts without a won deal, and most competitors; a few are taken back."""
    rng = parameters.stream("disqualified")
    n, end = len(companies), parameters.seconds
    chance = np.where(companies.relationship == "competitor", 0.7, np.where(companies.tier == 1, 0.008, 0.026))
    chosen = rng.random(n) < chance
    chosen[deals.account] = False
    begin = np.maximum(companies.created, 0)
    since = begin + ((end - begin) * rng.random(n)).astype(np.int64)
    since = to_working_hours(parameters, companies.clock, since, rng.random(n))
    account = np.flatnonzero(chosen & (since > companies.created + DAY) & (since < end - DAY))
    since = since[account]
    until = since + rng.integers(20 * DAY, 200 * DAY, len(account))
    until = np.where((rng.random(len(account)) < 0.18) & (until < end), until, NEVER)
    reason = rng.integers(1, 8, len(account))
    reason = np.where(companies.is_chinese[account] & (reason < 3), 7, reason)
    reason = np.where(~companies.is_chinese[account] & (reason >= 6), 1, reason)
    reason[companies.relationship[account] == "competitor"] = 0
    return Disqualifications(account, since, until, reason)


def _no_deals() -> Deals:
    none = np.empty(0, dtype=np.int64)
    return Deals(none, none, np.empty((0, 5), dtype=np.int64), none, none, none, none)


def _no_episodes() -> Episodes:
    none = np.empty(0, dtype=np.int64)
    return Episodes(none, none, none, none, none, none, none, none, np.empty(0, dtype=bool))
