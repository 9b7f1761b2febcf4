"""Opportunities and their changes, as the CRM would show them: what is known at the end of the history."""

from dataclasses import dataclass

import numpy as np

from journey.demo.companies import Companies, pick
from journey.demo.interest import (
    CROSS_SELL,
    LOST,
    NEVER,
    NEW,
    PROPOSAL,
    RENEWAL,
    SOLUTION_FIT,
    UPSELL,
    Deals,
    first_stage,
)
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.words import COUNTRIES, LOSS_SHARES, PRODUCT_DOLLARS, PRODUCT_SHARES, PRODUCTS, UNITS_PER_DOLLAR

NONE = -1
KINDS = {NEW: "new", UPSELL: "upsell", CROSS_SELL: "cross_sell", RENEWAL: "renewal"}
NO_DECISION = 5  # in LOSS_REASONS


@dataclass
class Opportunities:
    """One entry per opportunity opened within the history, with the state its last changes left it in."""

    deal: np.ndarray
    account: np.ndarray
    kind: np.ndarray
    product: np.ndarray
    stage: np.ndarray
    amount: np.ndarray
    first_year_value: np.ndarray
    opened: np.ndarray
    closed: np.ndarray  # -1 while open
    expected_close: np.ndarray  # days after the start
    loss_reason: np.ndarray
    recorded: np.ndarray
    updated: np.ndarray
    contact: np.ndarray  # filled in when the people are known

    def __len__(self) -> int:
        return len(self.deal)


@dataclass
class Changes:
    """One entry per change, by opportunity and time. -1 is "unchanged"."""

    opportunity: np.ndarray
    occurred: np.ndarray
    recorded: np.ndarray
    sequence: np.ndarray
    stage: np.ndarray
    amount: np.ndarray
    expected_close: np.ndarray

    def __len__(self) -> int:
        return len(self.opportunity)


def choose_products(parameters: DemoParameters, deals: Deals) -> np.ndarray:
    """Return the product of each deal: an account extends and renews what it bought, cross-sell is another product."""
    rng = parameters.stream("products")
    product = pick(rng, PRODUCT_SHARES, len(deals.account))
    bought = {}
    for deal in np.flatnonzero((deals.kind == NEW) & (deals.outcome != LOST)):
        bought[int(deals.account[deal])] = int(product[deal])
    for deal in np.flatnonzero(deals.kind != NEW):
        first = bought[int(deals.account[deal])]
        same = deals.kind[deal] != CROSS_SELL
        product[deal] = first if same else (first + 1 + int(product[deal]) % (len(PRODUCTS) - 1)) % len(PRODUCTS)
    return product


def make_opportunities(
    parameters: DemoParameters, companies: Companies, deals: Deals, product: np.ndarray
) -> tuple[Opportunities, Changes]:
    """Return the opportunities opened before the end, and every change made to them before the end."""
    rng = parameters.stream("opportunities")
    end = parameters.seconds
    deal = np.flatnonzero(deals.opened < end)
    size = len(deal)
    account, kind = deals.account[deal], deals.kind[deal]
    dollars = np.array(PRODUCT_DOLLARS)[product[deal]] * np.exp(0.55 * rng.standard_normal(size))
    staff = np.maximum(companies.employees[account], 40)
    dollars *= np.clip(staff / 300, 0.15, 60) ** 0.45 * np.array([1.0, 0.45, 0.5, 1.0])[kind]
    rate = np.array([UNITS_PER_DOLLAR[place.currency] for place in COUNTRIES])[companies.country[account]]
    guessed = _hundreds(dollars * rate)
    offered = np.where(rng.random(size) < 0.55, _hundreds(guessed * np.exp(0.3 * rng.standard_normal(size))), guessed)
    agreed = np.where(rng.random(size) < 0.5, _hundreds(offered * (0.8 + 0.18 * rng.random(size))), offered)

    changes = _changes(rng, parameters, deals, deal, guessed, offered, agreed)
    last_stage = _last_known(changes, changes.stage, size)
    amount = _last_known(changes, changes.amount, size)
    closed = np.where(deals.closes[deal] < end, deals.closes[deal], NONE)
    is_lost = (closed != NONE) & (deals.outcome[deal] == LOST)
    stuck = deals.stuck_from[deal] != NEVER
    reason = np.where(stuck, NO_DECISION, pick(rng, LOSS_SHARES, size))
    years = np.where(rng.random(size) < 0.25, 2, 1)
    first_change = np.searchsorted(changes.opportunity, np.arange(size))
    updated = np.zeros(size, dtype=np.int64)
    np.maximum.at(updated, changes.opportunity, changes.recorded)
    return (
        Opportunities(
            deal=deal,
            account=account,
            kind=kind,
            product=product[deal],
            stage=last_stage,
            amount=amount,
            first_year_value=np.where(amount == NONE, NONE, np.round(amount / years, 2)),
            opened=deals.opened[deal],
            closed=closed,
            expected_close=_last_known(changes, changes.expected_close, size),
            loss_reason=np.where(is_lost, reason, NONE),
            recorded=changes.recorded[first_change] if size else np.empty(0, dtype=np.int64),
            updated=updated,
            contact=np.full(size, NONE, dtype=np.int64),
        ),
        changes,
    )


def _changes(
    rng: np.random.Generator,
    parameters: DemoParameters,
    deals: Deals,
    deal: np.ndarray,
    guessed: np.ndarray,
    offered: np.ndarray,
    agreed: np.ndarray,
) -> Changes:
    size, end = len(deal), parameters.seconds
    entered = deals.entered[deal]
    first, last = first_stage(deals)[deal], deals.last_stage[deal]
    number = np.arange(size)
    hope = entered[:, 0] // DAY + rng.integers(60, 150, size)
    rows: list[tuple[np.ndarray, ...]] = []  # opportunity, occurred, stage, amount, expected close

    def add(
        chosen: np.ndarray,
        occurred: np.ndarray,
        stage: int | np.ndarray,
        amount: int | np.ndarray,
        expected: int | np.ndarray,
    ) -> None:
        chosen = np.flatnonzero(chosen & (occurred < end))
        rows.append(
            tuple(np.broadcast_to(values, size)[chosen] for values in (number, occurred, stage, amount, expected))
        )

    estimate = np.where(rng.random(size) < 0.2, NONE, guessed)
    for step in range(4):
        opens = first == step
        moves = (step > first) & (step <= last)
        # The figure entered first is replaced by the offer, which is replaced by what was agreed on.
        known = np.where(opens, np.where(first == PROPOSAL, offered, estimate), NONE)
        known = np.where(moves & (step == SOLUTION_FIT), guessed, known)
        known = np.where(moves & (step == PROPOSAL), offered, known)
        expected = np.where(opens, hope, NONE)
        expected = np.where(moves & (step == PROPOSAL), entered[:, step] // DAY + rng.integers(20, 60, size), expected)
        add(opens | moves, entered[:, step], step, known, expected)
    # A discount, or a date put off, somewhere in the last open stage.
    middle = entered[:, 3] + ((entered[:, 4] - entered[:, 3]) * (0.2 + 0.6 * rng.random(size))).astype(np.int64)
    add((agreed != offered) & (last == 3), middle, NONE, agreed, NONE)
    where = entered[number, last]
    put_off = where + ((entered[:, 4] - where) * (0.3 + 0.5 * rng.random(size))).astype(np.int64)
    slips = (rng.random(size) < 0.3) & (deals.stuck_from[deal] == NEVER)
    add(slips, put_off, NONE, NONE, put_off // DAY + rng.integers(20, 75, size))
    add(np.ones(size, dtype=bool), entered[:, 4], deals.outcome[deal], NONE, entered[:, 4] // DAY)

    opportunity, occurred, stage, amount, expected = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((occurred, opportunity))
    opportunity, occurred = opportunity[order], occurred[order]
    starts = np.searchsorted(opportunity, number)
    late = np.select(
        [rng.random(len(order)) < 0.9, rng.random(len(order)) < 0.8],
        [rng.integers(0, 900, len(order)), rng.integers(3_600, 3 * DAY, len(order))],
        rng.integers(3 * DAY, 21 * DAY, len(order)),
    )
    return Changes(
        opportunity=opportunity,
        occurred=occurred,
        recorded=np.minimum(occurred + late, end - 1),
        sequence=np.arange(len(order)) - starts[opportunity] if size else np.empty(0, dtype=np.int64),
        stage=stage[order],
        amount=amount[order],
        expected_close=expected[order],
    )


def _last_known(changes: Changes, values: np.ndarray, size: int) -> np.ndarray:
    """Return the last value of each opportunity that is not "unchanged"."""
    result = np.full(size, NONE, dtype=values.dtype)
    known = np.flatnonzero(values != NONE)
    # Of several assignments to one place the last stands, and the changes are in order of time.
    result[changes.opportunity[known]] = values[known]
    return result


def _hundreds(values: np.ndarray) -> np.ndarray:
    return np.maximum(np.round(values / 100), 5) * 100
