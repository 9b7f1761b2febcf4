"""The dated fields of accounts: what the CRM said of them before it said what it says now."""

from dataclasses import dataclass

import numpy as np

from journey.demo.companies import Companies
from journey.demo.interest import NEVER, Customers
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.words import PRODUCTS

PROSPECT, CUSTOMER = "prospect", "customer"


@dataclass
class FieldHistory:
    """One entry per state of an account's fields, by account and time; the last of an account is today's.

    The first state is dated when the account was recorded. Products are a set of bits.
    """

    account: np.ndarray
    at: np.ndarray
    tier: np.ndarray
    relationship: np.ndarray
    products: np.ndarray

    def last_of(self, size: int) -> np.ndarray:
        """Return the position of the last entry of each account."""
        return np.searchsorted(self.account, np.arange(size), side="right") - 1


def make_field_history(
    parameters: DemoParameters, companies: Companies, customers: Customers, products: np.ndarray
) -> FieldHistory:
    """Return the states. One account in eight changed its tier; winning and losing a customer shows in its fields."""
    rng = parameters.stream("field history")
    n, end = len(companies), parameters.seconds
    begin = np.maximum(companies.recorded, 0)
    moved_at = begin + 30 * DAY + ((end - begin - 31 * DAY) * rng.random(n)).astype(np.int64)
    direction = np.where(rng.random(n) < 0.6, 1, -1)
    earlier = np.clip(companies.tier + direction, 1, 3)
    moved = (rng.random(n) < 0.13) & (companies.tier > 0) & (earlier != companies.tier) & (moved_at < end - DAY)
    moved &= moved_at > begin

    # One row of (account, time, what): the state, a tier moved, a product bought or given up.
    lost = np.flatnonzero(customers.until != NEVER)
    movers = np.flatnonzero(moved)
    account = np.concatenate([np.arange(n), movers, customers.account, customers.account[lost]])
    at = np.concatenate([companies.recorded, moved_at[movers], customers.since, customers.until[lost]])
    one = np.eye(len(PRODUCTS), dtype=np.int64)[products]
    bought = np.concatenate([np.zeros((n + len(movers), len(PRODUCTS)), dtype=np.int64), one, -one[lost]])
    is_tier = np.zeros(len(account), dtype=bool)
    is_tier[n : n + len(movers)] = True
    # A change shortly after an account was made is part of its making.
    at = np.maximum(at, companies.recorded[account])
    order = np.lexsort((np.arange(len(account)), at, account))
    account, at, bought, is_tier = account[order], at[order], bought[order], is_tier[order]

    # Running sums within each account; every account begins with its own first row.
    first = np.searchsorted(account, np.arange(n))
    # An account may be a customer of one product twice at a time; it owns it until both periods have ended.
    periods = np.cumsum(bought, axis=0)
    periods -= (periods - bought)[first][account]
    owned = (periods > 0) @ np.left_shift(1, np.arange(len(PRODUCTS)))
    steps = np.cumsum(is_tier)
    steps -= (steps - is_tier)[first][account]
    tier = np.where(moved[account] & (steps == 0), earlier[account], companies.tier[account])
    relationship = np.where(owned > 0, CUSTOMER, companies.relationship[account])
    return FieldHistory(account=account, at=at, tier=tier, relationship=relationship, products=owned)
