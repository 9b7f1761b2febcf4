"""Stretches of time in which an account is active in one way: what most activities are drawn from."""

from dataclasses import dataclass

import numpy as np

from journey.demo.companies import Companies
from journey.demo.interest import BROWSE, DEAL, MEET, NEVER, Customers, Deals, Disqualifications, Episodes, join, take
from journey.demo.parameters import DAY, HOUR, DemoParameters

# What a span of time is filled with.
QUIET, LOOKING, STUDYING, BUYING, OUTREACH, SELLING, USING = range(7)
# Activities a day of the average account in such a span; only their proportions matter.
RATES = {LOOKING: 0.16, STUDYING: 1.05, BUYING: 0.42, OUTREACH: 0.025, SELLING: 0.2, USING: 0.45}


@dataclass
class Spans:
    """Stretches of time in which an account is active in one way, with activities per day."""

    account: np.ndarray
    kind: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    rate: np.ndarray


def make_spans(
    parameters: DemoParameters,
    companies: Companies,
    episodes: Episodes,
    deals: Deals,
    customers: Customers,
    disqualified: Disqualifications,
) -> Spans:
    """Return all spans, cut to the history."""
    rng = parameters.stream("spans")
    n, end = len(companies), parameters.seconds
    everybody = np.arange(n)
    born = np.maximum(companies.created, 0) + HOUR
    # Between the episodes: nothing at all for many, a newsletter now and then for most, steady reading for few.
    quiet = 0.012 * np.exp(1.25 * rng.standard_normal(n))
    quiet[rng.random(n) < 0.49] = 0.0
    parts = [Spans(everybody, np.full(n, QUIET), born, np.full(n, end), quiet)]

    def add(kind, account, begin, until, rate):
        parts.append(Spans(account, np.full(len(account), kind), begin, np.minimum(until, end), rate))

    size = len(episodes.account)
    vigour = (
        np.exp(0.55 * rng.standard_normal(size)) * np.array([1.0, 1.5, 1.15, 1.0])[companies.tier[episodes.account]]
    )
    deep = episodes.kind != BROWSE
    bought = episodes.kind == DEAL
    closes = np.where(bought, episodes.end, NEVER)
    opened = np.where(bought, deals.opened[np.maximum(episodes.deal, 0)] if len(deals.account) else 0, NEVER)
    add(LOOKING, episodes.account, episodes.onset, np.where(deep, episodes.peak, episodes.end), RATES[LOOKING] * vigour)
    studied = np.flatnonzero(deep)
    add(
        STUDYING,
        episodes.account[studied],
        episodes.peak[studied],
        np.minimum(opened, episodes.end)[studied],
        RATES[STUDYING] * vigour[studied],
    )
    chosen = np.flatnonzero(bought)
    add(BUYING, episodes.account[chosen], opened[chosen], closes[chosen], RATES[BUYING] * vigour[chosen])
    # Interest fades out.
    fading = np.flatnonzero(deep)
    add(
        LOOKING,
        episodes.account[fading],
        episodes.end[fading],
        episodes.end[fading] + 35 * DAY,
        0.5 * RATES[LOOKING] * vigour[fading],
    )

    cold = np.flatnonzero((companies.source == 1) & (companies.rep >= 0) & (rng.random(n) < 0.6))
    add(OUTREACH, cold, born[cold], np.full(len(cold), end), RATES[OUTREACH] * rng.gamma(0.8, 1.25, len(cold)))
    met = np.flatnonzero(episodes.kind == MEET)
    add(
        SELLING,
        episodes.account[met],
        episodes.meeting[met] - 10 * DAY,
        episodes.meeting[met] + 15 * DAY,
        np.full(len(met), RATES[SELLING]),
    )
    # Sales rests while a deal is stuck.
    pace = RATES[SELLING] * np.exp(0.3 * rng.standard_normal(len(deals.account)))
    add(SELLING, deals.account, deals.opened - 12 * DAY, np.minimum(deals.stuck_from, deals.closes), pace)
    revived = np.flatnonzero(deals.stuck_until < deals.closes)
    add(SELLING, deals.account[revived], deals.stuck_until[revived], deals.closes[revived], pace[revived])

    use = RATES[USING] * np.exp(0.9 * rng.standard_normal(len(customers.account)))
    leaving = customers.until != NEVER
    last = np.where(leaving, customers.until - 80 * DAY, end)
    add(USING, customers.account, customers.since + 5 * DAY, last, use)
    add(USING, customers.account[leaving], last[leaving], customers.until[leaving], 0.25 * use[leaving])

    spans = join(parts)
    # A disqualified account is left alone, and no account has activities before it existed.
    out = np.full(n, NEVER)
    lasting = disqualified.until == NEVER
    out[disqualified.account[lasting]] = disqualified.since[lasting] + 20 * DAY
    spans.begin = np.maximum(spans.begin, born[spans.account])
    spans.end = np.minimum(spans.end, out[spans.account])
    return take(spans, np.flatnonzero((spans.begin < spans.end) & (spans.rate > 0)))
