"""The facts of all accounts for rules that stand alone: as they are known today, or as they were known at a moment."""

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection

from journey.engine.kinds.stage import STAGES
from journey.facts.known import known_at as facts_known_at
from journey.facts.loading import Needs, all_facts
from journey.models import Journey
from journey.selectors.funnel_data import history_data
from journey.selectors.memory import present_facts
from journey.selectors.segments import closure
from journey.selectors.versions import shown_version
from scoring.facts.store import FactStore
from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts, Periods
from segmentation.engine.memberships import SEGMENTS, SegmentRules, membership_steps, nobody
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions, grouped
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
    stays = _stays_known(needs.stages, known_at)
    needs = replace(needs, tables=needs.tables - {STAGES, SEGMENTS}, segments=(), stages=()).with_start()
    with facts_known_at(known_at) as reading, tempfile.TemporaryDirectory(prefix="known-") as folder:
        batches = all_facts(reading, "account", needs, only, FactStore(Path(folder), "account"))
        yield reading, (_with_histories(facts, segments, stays) for facts in batches)


Stays = tuple[Int64s, Int64s, Int64s, Int64s]  # account, start, end, number of the stage


def _stays_known(wanted: tuple[str, ...], known_at: dt.datetime) -> Mapping[str, Any]:
    """Stays in the stages `journey/stage` by what was known at a moment: their numbers and the rows."""
    rows: list[Stays] = []
    for key in sorted({name.partition("/")[0] for name in wanted}):
        journey = Journey.objects.get(key=key)
        version = shown_version(journey)
        if version is None:
            continue
        data = history_data(version, known_at)
        for number, name in enumerate(wanted):
            stage = name.partition("/")[2]
            if name.startswith(f"{key}/") and stage in data.funnel.keys:
                mine = np.flatnonzero(data.table.stage == data.funnel.number(stage))
                owner = data.table.accounts[data.table.entity[mine]]
                kind = np.full(len(mine), number, dtype=np.int64)
                rows.append((owner, data.table.start[mine], data.table.end[mine], kind))
    none = np.empty(0, dtype=np.int64)
    columns = tuple(np.concatenate(column) for column in zip(*rows, strict=True)) if rows else (none,) * 4
    return {"wanted": wanted, "columns": columns}


def _with_histories(facts: Facts, segments: list[SegmentRules], stays: Mapping[str, Any]) -> Facts:
    """The facts with the stages and the memberships that follow from them."""
    account, start, end, kind = stays["columns"]
    order, rows = grouped(Positions(facts.ids).of(account), len(facts), start)
    periods = Periods(rows, start[order], end[order], kind[order].astype(np.int32))
    tables = {**facts.tables, STAGES: (periods, stays["wanted"]), SEGMENTS: nobody(len(facts))}
    facts = replace(facts, tables=tables)
    membership_steps(segments, facts)
    return facts
