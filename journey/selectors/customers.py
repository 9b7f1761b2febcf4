"""Who is a customer, by the engine."""

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from journey.facts.loading import Needs, rule_facts
from journey.selectors.explanations import instant_of
from segmentation.engine.resolve import compile_rules, snapshot
from segmentation.engine.rules import parse_rule
from segmentation.engine.steps import YES, Int64s
from segmentation.services.snapshots import one_snapshot

# Something was won, and no customer period has ended since.
CUSTOMER = {"criteria": [{"kind": "opportunity_won"}, {"kind": "former_customer", "negate": True}]}


def customers_at(accounts: Int64s, at: dt.datetime) -> NDArray[np.bool_]:
    """bool[len(accounts)]: which accounts are customers at an instant."""
    rule = parse_rule(CUSTOMER)
    found = np.empty(0, dtype=np.int64)
    with one_snapshot() as read:
        for facts in rule_facts(read, Needs.of_rules([rule])):
            verdict = snapshot(compile_rules([rule]), facts, instant_of(at)).rules[0]
            found = np.concatenate([found, facts.ids[verdict == YES]])
    return np.isin(accounts, found)
