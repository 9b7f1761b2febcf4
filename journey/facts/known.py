"""Facts as they were known on a day, for the same readers and the same evaluator.

Views of the transaction stand before the tables of facts and hold back what was recorded later. So whatever reads a
table reads what was known, and there is no second way to a history.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from journey.engine.grading import grades
from journey.engine.kinds.stage import STAGES
from journey.engine.metrics.table import StayTable, make_table
from journey.facts.loading import picked, weighted
from journey.models import CustomerPeriod, Opportunity, OpportunityChange, Stage
from scoring.models import Activity, IntentSignal
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import SEGMENTS
from segmentation.engine.resolve import compile_journey, evaluate
from segmentation.engine.rules import JourneyRules
from segmentation.engine.steps import Int64s
from segmentation.facts.accounts import periods
from segmentation.facts.arrays import Positions
from segmentation.facts.segments import MembershipRows
from segmentation.models import Account, AccountFlag, Contact, IcpAssessment, ListMembership
from segmentation.services.snapshots import one_snapshot

_RECORDED: tuple[Any, ...] = (Activity, IntentSignal, Opportunity, OpportunityChange)
_PERIODS: tuple[Any, ...] = (AccountFlag, ListMembership)
_TRACKED: tuple[Any, ...] = (Account, Contact)


Stays = tuple[Int64s, Int64s, Int64s, Int64s]  # account, start, end, number of the stage


@contextmanager
def known_at(moment: dt.datetime) -> Iterator[Any]:
    """A transaction in which the tables of facts hold what was recorded by `moment`. Yields the connection.

    Fields of accounts and contacts are as their history has them; where it does not reach back, as they are today. An
    end of a flag, a membership or a customer period counts as learnt when it happened, an assessment when it was made.
    Rules, mappings and settings are today's; what was deleted since is gone. Stays and memberships of segments are no
    facts and remain those of today: who reads them puts others in their place (`with_histories`).
    """
    with one_snapshot() as connection, connection.cursor() as cursor:
        names = []
        for name, sql in _views(f"'{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00'::timestamptz"):
            cursor.execute(f"CREATE TEMP VIEW {name} AS {sql}")
            names.append(name)
        yield connection
        cursor.execute("DROP VIEW " + ", ".join(f"pg_temp.{name}" for name in names))


def _views(moment: str) -> Iterator[tuple[str, str]]:
    for model in _RECORDED:
        table = model._meta.db_table
        yield table, f"SELECT * FROM public.{table} WHERE recorded_at <= {moment}"
    for model in _PERIODS:
        table = model._meta.db_table
        yield table, _select(model, table, {"end_at": _open_end("end_at", moment)}) + f" WHERE recorded_at <= {moment}"
    table = CustomerPeriod._meta.db_table
    ends = {"ended_at": _open_end("ended_at", moment)}
    yield table, _select(CustomerPeriod, table, ends) + f" WHERE started_at <= {moment}"
    table = IcpAssessment._meta.db_table
    ends = {"ended_at": _open_end("ended_at", moment)}
    yield table, _select(IcpAssessment, table, ends) + f" WHERE made_at <= {moment}"
    for model in _TRACKED:
        table = model._meta.db_table
        events = f"{table}event"
        fields = (
            f"SELECT {_columns(model, 'e')} FROM (SELECT DISTINCT ON (pgh_obj_id) * FROM public.{events}"
            f" WHERE pgh_created_at <= {moment} ORDER BY pgh_obj_id, pgh_created_at DESC, pgh_id DESC) e"
            f" JOIN public.{table} r ON r.id = e.pgh_obj_id AND r.recorded_at <= {moment}"
            f" UNION ALL SELECT {_columns(model, 'r')} FROM public.{table} r WHERE r.recorded_at <= {moment}"
            f" AND NOT EXISTS (SELECT FROM public.{events} e"
            f" WHERE e.pgh_obj_id = r.id AND e.pgh_created_at <= {moment})"
        )
        yield table, fields
        yield events, f"SELECT * FROM public.{events} WHERE pgh_created_at <= {moment}"


def _columns(model: Any, row: str) -> str:
    return ", ".join(f'{row}."{field.column}"' for field in model._meta.concrete_fields)


def _select(model: Any, table: str, instead: dict[str, str]) -> str:
    columns = [instead.get(field.column, f'"{field.column}"') for field in model._meta.concrete_fields]
    return f"SELECT {', '.join(columns)} FROM public.{table}"


def _open_end(column: str, moment: str) -> str:
    return f'CASE WHEN "{column}" <= {moment} THEN "{column}" END AS "{column}"'


def with_histories(facts: Facts, stages: tuple[str, ...], stays: Stays, members: MembershipRows) -> Facts:
    """The facts with stays in the stages `stages` and memberships of segments other than those that are stored."""
    accounts = np.unique(facts.accounts[facts.accounts >= 0])
    index = Positions(accounts).of(facts.accounts)
    account, start, end, number = stays
    tables = {
        STAGES: (picked(periods(account, accounts, start, end, number), index), stages),
        SEGMENTS: picked(members.table(accounts), index),
    }
    return replace(facts, tables={**facts.tables, **tables})


def known_stays(batches: Iterable[Facts], rules: JourneyRules, stages: Sequence[Stage]) -> StayTable:
    """What the rules make of facts. Nothing is stored.

    stages: of the version the rules are of, in the order of figures.
    """
    number = {stage.key: place for place, stage in enumerate(stages)}
    place = np.array([number[stage.key] for stage in rules.stages], dtype=np.int16)
    program = compile_journey(rules)
    parts = []
    for batch in batches:
        facts = weighted(batch, rules)
        stays = evaluate(program, facts)
        parts.append(
            (
                facts.ids[stays.entity],
                facts.accounts[stays.entity],
                place[stays.stage],
                stays.start,
                stays.end,
                grades(rules, facts, stays).astype(np.int8),
                np.diff(stays.entity, prepend=-1) != 0,
            )
        )
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return make_table(none, none, none.astype(np.int16), none, none, none.astype(np.int8), none.astype(np.bool_))
    return make_table(*(np.concatenate(column) for column in zip(*parts, strict=True)))
