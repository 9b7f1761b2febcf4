"""Compiling the engine, which a new installation does once."""

import numpy as np

from journey.engine.grading import grades
from journey.facts.loading import Needs, load_facts, weighted
from journey.selectors.versions import published_versions, version_rules
from scoring.facts.kernels import split
from segmentation.engine.memberships import MembershipTable, spans
from segmentation.engine.memberships import nobody as no_memberships
from segmentation.engine.resolve import all_of, compile_journey, evaluate, snapshot, values_at
from segmentation.services.snapshots import one_snapshot


def prepare_engine() -> None:
    """Run every published journey on no facts at all, so that the kernels it needs are compiled and kept on disk.

    Takes about half a minute the first time after installing or changing the engine, and no time afterwards.
    """
    nobody = np.empty(0, dtype=np.int64)
    with one_snapshot() as connection:
        for version in published_versions():
            rules = version_rules(version)
            facts = weighted(load_facts(connection, rules.unit, nobody, Needs.of(rules)), rules)
            program = compile_journey(rules)
            grades(rules, facts, evaluate(program, facts))
            snapshot(program, facts, 0)
    split(np.empty(0, dtype=np.int32), nobody, 1)
    table = MembershipTable(no_memberships(0).periods, ("a",))
    both = all_of([table.steps("a"), table.steps("b")])
    spans(both, nobody)
    values_at(both, 0)
