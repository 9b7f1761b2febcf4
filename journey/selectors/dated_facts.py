"""The facts of all accounts for rules that stand alone: as they are known today, or as they were known at a moment."""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import connection

from journey.facts.loading import Needs
from journey.facts.memberships import computed_together
from journey.selectors.funnel_data import known_facts
from journey.selectors.memory import present_facts
from journey.selectors.segments import closure
from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import SEGMENTS, SegmentRules, membership_steps
from segmentation.engine.steps import Int64s
from segmentation.selectors.segments import versions_in_force


@contextmanager
def dated_facts(
    criteria: Iterable[Criterion], known_at: dt.datetime | None = None, only: Int64s | None = None
) -> Iterator[tuple[Any, Iterator[Facts]]]:
    """A connection, and batches of the facts criteria that read no activities ask for, each history from its beginning.

    known_at: what was recorded later is left out, and the stages and segments the criteria read are worked out anew
    from what was known; None: the histories in force. only: accounts with these primary keys. Facts of
    today are one batch, from the memory of the process as long as nothing changes.
    """
    criteria = list(criteria)
    if known_at is None:
        yield connection, iter([present_facts(Needs.of_criteria(criteria), only)])
        return
    segments = closure(versions_in_force(), Needs.of_criteria(criteria).segments)
    needs = Needs.of_criteria([*criteria, *(one for segment in segments for one in segment.criteria())])
    needs = replace(needs, tables=needs.tables - {SEGMENTS}, segments=())
    with known_facts(needs, known_at, only=only) as (reading, batches):
        yield reading, (_with_memberships(facts, segments) for facts in batches)


def _with_memberships(facts: Facts, segments: list[SegmentRules]) -> Facts:
    """The facts with the memberships that follow from them."""
    facts = computed_together(facts)
    membership_steps(segments, facts)
    return facts
