"""All facts a journey needs, in batches of entities."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from journey.engine.deals import CUSTOMER_PERIODS, DEALS, DealTable
from journey.engine.kinds.stage import STAGES, InStage
from journey.facts.deals import read_customer_periods, read_deals, read_stages
from scoring.engine.activities import ACTIVITIES, ActivityTable, with_weights
from scoring.engine.intent import INTENT, IntentTable
from scoring.facts.activities import Owner, read_activities
from scoring.facts.intent import first_signals, read_intent
from scoring.facts.store import SHARDS, FactStore
from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import DatedField, Facts, Periods, Rows
from segmentation.engine.kinds.field import FIELDS
from segmentation.engine.kinds.flag import FLAGS
from segmentation.engine.kinds.icp_fit import ASSESSMENTS, IcpFit
from segmentation.engine.kinds.segment import InSegment
from segmentation.engine.kinds.target_list import TARGET_LISTS
from segmentation.engine.memberships import SEGMENTS, MembershipTable
from segmentation.engine.rules import JourneyRules, Rule
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.facts.accounts import read_fields, read_flags
from segmentation.facts.arrays import Positions, pick
from segmentation.facts.copying import read_rows
from segmentation.facts.segments import read_assessments, read_membership_rows
from segmentation.facts.target_lists import read_memberships


@dataclass(frozen=True)
class Entities:
    """What moves through a journey: primary key, account (-1 none), and when the source made or we recorded it."""

    ids: Int64s
    accounts: Int64s
    created: Int64s
    created_known: np.ndarray[Any, np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, rows: Any) -> "Entities":
        return Entities(self.ids[rows], self.accounts[rows], self.created[rows], self.created_known[rows])


_TABLES = {"account": "segmentation_account", "contact": "segmentation_contact", "opportunity": "journey_opportunity"}
_CREATED = {"id": "i8", "account": "i8", "created": "time", "known": "b1"}


def read_entities(connection: Any, unit: str, ids: Int64s | None = None) -> Entities:
    """All entities of a unit, or those with the given primary keys, by shard of their owner, then primary key."""
    account = "id" if unit == "account" else "coalesce(account_id, -1)"
    where, params = (" WHERE id = ANY (%s)", [ids.tolist()]) if ids is not None else ("", [])
    rows = read_rows(
        connection,
        f"SELECT id, {account}, coalesce(created_in_source_at, recorded_at), created_in_source_at IS NOT NULL"
        f" FROM {_TABLES[unit]}{where}",
        _CREATED,
        params,
    )
    rows = rows[np.lexsort([rows["id"], _shard(rows["id"], rows["account"], unit)])]
    if unit == "account":  # a signal is a fact: a history begins with it
        first = first_signals(connection, rows["id"], some=ids is not None)
        rows["known"] |= first < rows["created"]
        rows["created"] = np.minimum(first, rows["created"])
    return Entities(*(np.ascontiguousarray(rows[name]) for name in _CREATED))


def _shard(ids: Int64s, accounts: Int64s, unit: str) -> Int64s:
    owner = ids if unit == "contact" else np.where(accounts >= 0, accounts, ids)
    return owner % SHARDS


@dataclass(frozen=True)
class Needs:
    """Which facts the rules of a journey read. present_only: of fields only today's values, not their history."""

    tables: frozenset[str]
    fields: frozenset[str]
    stages: tuple[str, ...]
    segments: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    present_only: bool = False

    @classmethod
    def of(cls, *journeys: JourneyRules) -> "Needs":
        return cls.of_criteria([criterion for journey in journeys for criterion in journey.criteria()]).with_start()

    def with_start(self) -> "Needs":
        """The same, and what says when a history begins: activities and deals."""
        return replace(self, tables=self.tables | {ACTIVITIES, DEALS})

    @classmethod
    def of_rules(cls, rules: Iterable[Rule]) -> "Needs":
        """What rules that stand alone read, and nothing else."""
        return cls.of_criteria([term.criterion for rule in rules for term in (*rule.scope, *rule.terms)])

    @classmethod
    def of_criteria(cls, criteria: Iterable[Criterion]) -> "Needs":
        """What criteria read, and nothing else."""
        criteria = list(criteria)

        def named(kind: type[Criterion], parameter: str) -> tuple[str, ...]:
            return tuple(sorted({c.values[parameter] for c in criteria if isinstance(c, kind)}))

        return cls(
            tables=frozenset[str]().union(*(criterion.tables for criterion in criteria)),
            fields=frozenset(field for criterion in criteria for field in criterion.fields()),
            stages=tuple(sorted({criterion.stage_key for criterion in criteria if isinstance(criterion, InStage)})),
            segments=named(InSegment, "segment"),
            profiles=named(IcpFit, "profile"),
        )


def fact_store(unit: str) -> FactStore:
    """The fact cache that serves a unit."""
    owner: Owner = "contact" if unit == "contact" else "account"
    return FactStore(Path(settings.FACTS_DIR), owner)


def load_facts(connection: Any, unit: str, ids: Int64s, needs: Needs, with_ids: bool = False) -> Facts:
    """The facts of a few entities, straight from the database. with_ids: with primary keys of activities."""
    entities = read_entities(connection, unit, ids)
    tables = _small_tables(connection, unit, entities, needs, some=True)
    owners = entities.ids if unit == "contact" else np.unique(entities.accounts[entities.accounts >= 0])
    table = read_activities(connection, owners, "contact" if unit == "contact" else "account", with_ids)
    tables[ACTIVITIES] = _activities_of(entities, unit, owners, table)
    return _facts(unit, entities, tables)


def all_facts(
    connection: Any, unit: str, needs: Needs, only: Int64s | None = None, store: FactStore | None = None
) -> Iterator[Facts]:
    """The facts of all entities in batches, activities from the fact cache, which is brought up to date first.

    The database is read before this returns; the batches come from the cache's files.

    only: restrict to entities with these primary keys (still through the cache; for previews of a part).
    store: another cache than the usual one, for facts other than those of today.
    Call within one transaction of isolation level REPEATABLE READ.
    """
    store = store or fact_store(unit)
    dimensions = store.refresh(connection)
    entities = read_entities(connection, unit)
    if only is not None:
        entities = entities.part(np.isin(entities.ids, only))
    tables = _small_tables(connection, unit, entities, needs, some=False)
    positions = Positions(entities.ids)
    return _batches(store, dimensions.classes, unit, entities, tables, positions)


FEW = 2_000  # accounts whose activities are read straight from the database


def rule_facts(connection: Any, needs: Needs, only: Int64s | None = None) -> Iterator[Facts]:
    """What rules that stand alone read of all accounts, or of those with the given primary keys, in batches.

    Tables that no rule names are not read. Without activities or deals a history may begin too late here, which no
    criterion asks for. Call within one transaction of isolation level REPEATABLE READ.
    """
    if ACTIVITIES in needs.tables:
        if only is not None and len(only) <= FEW:
            yield load_facts(connection, "account", only, needs)
        else:
            yield from all_facts(connection, "account", needs, only)
        return
    entities = read_entities(connection, "account", only)
    tables = _small_tables(connection, "account", entities, needs, some=only is not None)
    yield Facts(
        ids=entities.ids,
        accounts=entities.accounts,
        start=entities.created,
        start_assumed=~entities.created_known,
        tables=tables,
    )


def standing_facts(connection: Any, needs: Needs, store: FactStore | None = None) -> Facts:
    """All that is known of all accounts but their activities, which only say when each history begins.

    Call within one transaction of isolation level REPEATABLE READ.
    """
    store = store or fact_store("account")
    classes = store.refresh(connection).classes
    entities = read_entities(connection, "account")
    tables = _small_tables(connection, "account", entities, needs.with_start(), some=False)
    first = np.full(len(entities), FAR_FUTURE)
    positions = Positions(entities.ids)
    for batch in store.batches(classes, np.sort(entities.ids)):
        first[positions.of(batch.owners)] = _first(batch.table.rows, batch.table.time)
    return _facts("account", entities, tables, first)


def part_of(facts: Facts, chosen: Any) -> Facts:
    """The facts of some of the entities, for facts without activities."""
    rows = np.flatnonzero(chosen)
    return Facts(
        ids=facts.ids[rows],
        accounts=facts.accounts[rows],
        start=facts.start[rows],
        start_assumed=facts.start_assumed[rows],
        tables={name: picked(table, rows) for name, table in facts.tables.items()},
    )


def _batches(
    store: FactStore, classes: Any, unit: str, entities: Entities, tables: dict[str, Any], positions: Positions
) -> Iterator[Facts]:
    owners = entities.ids if unit == "contact" else np.unique(entities.accounts[entities.accounts >= 0])
    order = np.argsort(entities.accounts, kind="stable")
    by_account = entities.accounts[order]
    for batch in store.batches(classes, owners):
        if unit == "opportunity":
            low, high = (
                np.searchsorted(by_account, batch.owners, "left"),
                np.searchsorted(by_account, batch.owners, "right"),
            )
            rows = (
                np.concatenate([order[a:b] for a, b in zip(low, high, strict=True)])
                if len(low)
                else np.empty(0, dtype=np.int64)
            )
        else:
            rows = positions.of(batch.owners)
        part = entities.part(rows)
        mine = {name: picked(table, rows) for name, table in tables.items()}
        mine[ACTIVITIES] = _activities_of(part, unit, batch.owners, batch.table)
        yield _facts(unit, part, mine)
    unowned = np.flatnonzero(entities.accounts < 0) if unit == "opportunity" else np.empty(0, dtype=np.int64)
    if len(unowned):
        part = entities.part(unowned)
        mine = {name: picked(table, unowned) for name, table in tables.items()}
        nobody = np.empty(0, dtype=np.int64)
        mine[ACTIVITIES] = _activities_of(part, unit, nobody, _no_activities(classes))
        yield _facts(unit, part, mine)


def _no_activities(classes: Any) -> ActivityTable:
    none64, none32 = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    return ActivityTable(Rows(none64, none64), none64, none32, none32, none32, 0, classes)


def _small_tables(connection: Any, unit: str, entities: Entities, needs: Needs, some: bool) -> dict[str, Any]:
    """Deals by entity; fields, flags, lists, customer periods and stages elsewhere by the entity's account."""
    tables: dict[str, Any] = {DEALS: read_deals(connection, entities.ids, unit, some)} if DEALS in needs.tables else {}
    accounts = np.unique(entities.accounts[entities.accounts >= 0])
    index = Positions(accounts).of(entities.accounts)
    if FIELDS in needs.tables:
        fields = read_fields(connection, accounts, needs.fields, some, not needs.present_only)
        tables[FIELDS] = {key: picked(field, index) for key, field in fields.items()}
    if FLAGS in needs.tables:
        periods, keys = read_flags(connection, accounts, some)
        tables[FLAGS] = (picked(periods, index), keys)
    if TARGET_LISTS in needs.tables:
        periods, pairs = read_memberships(connection, accounts, some)
        tables[TARGET_LISTS] = (picked(periods, index), pairs)
    if CUSTOMER_PERIODS in needs.tables:
        tables[CUSTOMER_PERIODS] = picked(read_customer_periods(connection, accounts, some), index)
    if INTENT in needs.tables:
        tables[INTENT] = picked(read_intent(connection, accounts, some), index)
    if STAGES in needs.tables:
        periods, keys = read_stages(connection, accounts, needs.stages, some)
        tables[STAGES] = (picked(periods, index), keys)
    if SEGMENTS in needs.tables:
        members = read_membership_rows(connection, needs.segments, accounts if some else None)
        tables[SEGMENTS] = picked(members.table(accounts), index)
    if ASSESSMENTS in needs.tables:
        tables[ASSESSMENTS] = picked(read_assessments(connection, accounts, needs.profiles, some), index)
    return tables


def picked(table: Any, index: Int64s) -> Any:
    """A table for other entities: entity `e` gets what entity `index[e]` had, nothing where that is -1."""
    if isinstance(table, dict):
        return {key: picked(value, index) for key, value in table.items()}
    if isinstance(table, tuple):
        return (picked(table[0], index), *table[1:])
    if isinstance(table, DatedField):
        missing = index < 0
        has = len(table.initial) > 0
        return replace(
            table,
            initial=np.where(missing, -1, table.initial[index] if has else -1).astype(np.int32),
            known_from=np.where(missing, FAR_FUTURE, table.known_from[index] if has else FAR_FUTURE),
            rows=pick(table.rows, index),
        )
    if isinstance(table, MembershipTable):
        return replace(table, periods=picked(table.periods, index), computed={})
    if isinstance(table, Periods | DealTable | IntentTable):
        return replace(table, rows=pick(table.rows, index))
    raise TypeError(type(table))


def _activities_of(entities: Entities, unit: str, owners: Int64s, table: ActivityTable) -> ActivityTable:
    index = Positions(owners).of(entities.ids if unit == "contact" else entities.accounts)
    return replace(table, rows=pick(table.rows, index))


def _facts(unit: str, entities: Entities, tables: dict[str, Any], active: Int64s | None = None) -> Facts:
    """A history begins at the earlier of the entity's creation and its first fact (of a deal: its first change).

    active: when the first activity of each was, where `tables` does not hold activities.
    """
    first = np.full(len(entities), FAR_FUTURE)
    if DEALS in tables:
        first = _first(tables[DEALS].rows, tables[DEALS].time)
    if active is not None:
        first = np.minimum(first, active)
    elif unit != "opportunity":
        first = np.minimum(first, _first(tables[ACTIVITIES].rows, tables[ACTIVITIES].time))
    return Facts(
        ids=entities.ids,
        accounts=entities.accounts,
        start=np.minimum(entities.created, first),
        start_assumed=~entities.created_known & (first >= entities.created),
        tables=tables,
    )


def _first(rows: Rows, time: Int64s) -> Int64s:
    if not len(time):
        return np.full(len(rows.begin), FAR_FUTURE)
    return np.where(rows.begin < rows.end, time[np.minimum(rows.begin, len(time) - 1)], FAR_FUTURE)


def weighted(facts: Facts, journey: JourneyRules) -> Facts:
    """The facts as a version of a journey weighs them."""
    return with_weights(facts, journey.seniority_weights or {})
