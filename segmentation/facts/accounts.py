"""Dated fields and flags of accounts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from django.db.models import Field
from django.utils.translation import gettext_lazy as _

from segmentation.engine.facts import NEVER, DatedField, Periods, Rows
from segmentation.engine.params import remembered
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows
from segmentation.facts.merged import read_merged, together
from segmentation.models import Account, CustomField, FlagType


@dataclass(frozen=True)
class AccountField:
    """A field rules may read: its label, type (text, number, yes_no, list) and the SQL that gives its value.

    In the SQL `{row}` stands for the account or for a row of its history.
    """

    label: Any
    type: str
    sql: str


def _column(name: str, type_: str, sql: str | None = None) -> AccountField:
    field = cast("Field[Any, Any]", Account._meta.get_field(name))
    return AccountField(field.verbose_name, type_, sql or "{row}." + name)


FIELDS: dict[str, AccountField] = {
    "tier": _column("tier", "number"),
    "region": _column("region", "text"),
    "country": _column("country", "text"),
    "city": _column("city", "text"),
    "industry": _column("industry", "text"),
    "employees": _column("employees", "number"),
    "revenue": _column("revenue", "number", "{row}.revenue::float8"),
    "relationship": _column("relationship", "text"),
    "business_unit": _column("business_unit", "text"),
    "source": _column("source", "text"),
    "owner": _column("owner", "text"),
    "team": AccountField(
        # All names are read once; a subquery by row would run for each account.
        _("sales team"),
        "text",
        "(SELECT jsonb_object_agg(t.id, t.key) FROM segmentation_salesteam t) ->> {row}.team_id::text",
    ),
    "products": _column("products", "list"),
}

_CUSTOM_TYPES = {"text": "text", "date": "text", "number": "number", "yes_no": "yes_no"}


def account_fields() -> dict[str, AccountField]:
    """Every field rules may read, custom ones as `custom.<key>`."""
    fields = dict(FIELDS)
    for custom in CustomField.objects.filter(of=CustomField.Of.ACCOUNT):
        key = custom.key.replace("'", "''").replace("{", "{{").replace("}", "}}")
        sql = f"{{row}}.custom -> '{key}'" if custom.type in ("number", "yes_no") else f"{{row}}.custom ->> '{key}'"
        fields[f"custom.{custom.key}"] = AccountField(custom.label, _CUSTOM_TYPES[custom.type], sql)
    return fields


def field_labels() -> dict[str, str]:
    return {key: str(field.label) for key, field in remembered(account_fields).items()}


def field_types() -> dict[str, str]:
    return {key: field.type for key, field in remembered(account_fields).items()}


def flag_names() -> dict[str, str]:
    return dict(FlagType.objects.values_list("key", "name"))


def _normal(value: Any) -> Any:
    """One form for each value: lists as tuples of text, nothing (and what no field may hold) as None."""
    if isinstance(value, list):
        return tuple(str(item) for item in value) or None
    return None if value == "" or isinstance(value, dict) else value


class _Codes:
    """Numbers distinct values; -1 is nothing."""

    def __init__(self) -> None:
        self.values: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        value = _normal(value)
        # True == 1 in Python, but not in a rule.
        key = (type(value) is bool, value)
        return -1 if value is None else self.values.setdefault(key, len(self.values))

    def as_tuple(self) -> tuple[Any, ...]:
        return tuple(value for _is_bool, value in self.values)


@dataclass(frozen=True)
class Changes:
    """Recorded changes of accounts: of each its first record, and every record of those that have several.

    known_from: int64[n], the first record, NEVER without one. at, time, event: position of the account, instant and
    primary key, in order of account and time; of several at one instant the last.
    """

    known_from: Int64s
    at: Int64s
    time: Int64s
    event: Int64s


def read_changes(connection: Any, accounts: Int64s, some: bool) -> Changes:
    """When accounts in the given order were recorded and changed; some: as for `read_fields`."""
    n, positions = len(accounts), Positions(accounts)
    where, params = (" WHERE pgh_obj_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    rows = read_rows(
        connection,
        "SELECT pgh_obj_id, pgh_created_at, pgh_id::int8 FROM segmentation_accountevent" + where,
        {"id": "i8", "time": "time", "event": "i8"},
        params,
    )
    at, time, event = positions.of(rows["id"]), rows["time"], rows["event"]
    order, _rows = grouped(at, n, time, event)
    at, time, event = at[order], time[order], event[order]
    known_from = np.full(n, NEVER, dtype=np.int64)
    known_from[at[::-1]] = time[::-1]  # the first record of each is written last
    keep = (np.bincount(at, minlength=n) > 1)[at]  # only who has several can have changed
    keep[:-1] &= (at[1:] != at[:-1]) | (time[1:] != time[:-1])
    return Changes(known_from, at[keep], time[keep], event[keep])


def _codes(connection: Any, sql: str, key: str, rows: str, positions: Positions, code: _Codes, params: Any) -> Any:
    """int32 for each position: the code of a field in some rows. There are few values and many rows, so that each value
    comes once, with the keys of the rows that have it."""
    found = np.full(len(positions.ids), -1, dtype=np.int32)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}, array_agg({key})::text FROM {rows} GROUP BY 1", params or None)
        for value, keys in cursor.fetchall():
            at = positions.of(np.fromstring(keys[1:-1], dtype=np.int64, sep=","))
            found[at[at >= 0]] = code(value)
    return found


def read_fields(
    connection: Any,
    accounts: Int64s,
    keys: Iterable[str],
    some: bool,
    history: bool = True,
    changes: Changes | None = None,
) -> dict[str, DatedField]:
    """Dated values of the fields `keys` for accounts in the given order.

    some: only these accounts are read from the database (for few); otherwise all are.
    history: without it only present values are read, for what is asked of this moment.
    changes: of the same accounts, where they were read before; what changed since is left out.
    Before the recorded history of an account its present value stands in.
    """
    keys = sorted(set(keys))
    if not keys:
        return {}
    known = remembered(account_fields)
    fields = [known[key] for key in keys]
    positions = Positions(accounts)
    n = len(accounts)
    codes = [_Codes() for _field in fields]
    only, params = (" WHERE a.id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    present = "segmentation_account a" + only
    initial = [
        _codes(connection, field.sql.format(row="a"), "a.id", present, positions, code, params)
        for field, code in zip(fields, codes, strict=True)
    ]
    if not history:
        none, never = np.empty(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
        since = np.full(n, NEVER, dtype=np.int64)
        return {
            key: DatedField(code.as_tuple(), start, since, Rows(never, never), none, none.astype(np.int32))
            for key, code, start in zip(keys, codes, initial, strict=True)
        }
    changes = changes or read_changes(connection, accounts, some)
    events = Positions(changes.event)
    past = "segmentation_accountevent e WHERE e.pgh_obj_id = ANY (%s::int8[])"
    changed = [f"{{{','.join(map(str, accounts[np.unique(changes.at)].tolist()))}}}"]
    lists = [place for place, field in enumerate(fields) if field.type == "list"]
    merged = read_merged(connection, accounts, [fields[place].sql for place in lists], some) if lists else {}
    result = {}
    for place, (key, field, code, start) in enumerate(zip(keys, fields, codes, initial, strict=True)):
        at, time = changes.at, changes.time
        coded = _codes(connection, field.sql.format(row="e"), "e.pgh_id", past, events, code, changed)
        if place in lists and merged:
            histories = {
                int(positions.of(np.array([pk]))[0]): found[lists.index(place)] for pk, found in merged.items()
            }
            values = (*code.as_tuple(), None)
            at, time, column = _with_merged(at, time, [values[c] for c in coded.tolist()], code, start, histories)
            coded = np.array([code(value) for value in column], dtype=np.int32)
        order, rows = grouped(at, n, time)
        result[key] = DatedField(
            values=code.as_tuple(),
            initial=start,
            known_from=changes.known_from,
            rows=rows,
            time=time[order],
            code=coded[order],
        )
    return result


def _with_merged(
    at: Int64s, time: Int64s, column: Sequence[Any], code: _Codes, start: Any, histories: Mapping[int, list[Any]]
) -> tuple[Int64s, Int64s, list[Any]]:
    """Replace the values of accounts into which others were merged by those of all of them, by position."""
    today = code.as_tuple()
    places, times, found = at.tolist(), time.tolist(), list(column)
    for position, merged in histories.items():
        if position < 0:
            continue
        own = [(times[i], found[i]) for i in range(len(places)) if places[i] == position]
        first, line = together(own, today[start[position]] if start[position] >= 0 else (), merged)
        start[position] = code(first)
        kept = [i for i in range(len(places)) if places[i] != position]
        places = [places[i] for i in kept] + [position] * len(line)
        times = [times[i] for i in kept] + [instant for instant, _value in line]
        found = [found[i] for i in kept] + [value for _instant, value in line]
    order = np.lexsort([np.array(times, dtype=np.int64), np.array(places, dtype=np.int64)])
    return (
        np.array(places, dtype=np.int64)[order],
        np.array(times, dtype=np.int64)[order],
        [found[i] for i in order.tolist()],
    )


def read_flags(connection: Any, accounts: Int64s, some: bool) -> tuple[Periods, tuple[str, ...]]:
    """Flag periods of accounts in the given order, and the keys their kinds number."""
    types: Mapping[int, str] = dict(FlagType.objects.order_by("id").values_list("id", "key"))
    where, params = ("WHERE account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    found = read_rows(
        connection,
        "SELECT account_id, flag_type_id, start_at, coalesce(end_at, '9999-01-01+00') FROM segmentation_accountflag "
        + where,
        {"account": "i8", "type": "i8", "start": "time", "end": "time"},
        params,
    )
    number = Positions(np.array(list(types), dtype=np.int64)).of(found["type"]).astype(np.int32)
    return periods(found["account"], accounts, found["start"], found["end"], number), tuple(types.values())


OPEN_END = 253_000_000_000_000_000  # an end after this instant (the year 9987) is open


def periods(owner: Int64s, entities: Int64s, start: Int64s, end: Int64s, kind: Any) -> Periods:
    """Periods in the order of entities, by start."""
    order, rows = grouped(Positions(entities).of(owner), len(entities), start)
    stop = end[order].copy()
    stop[stop > OPEN_END] = NEVER
    return Periods(
        rows=rows, start=start[order].copy(), end=stop, kind=np.ascontiguousarray(kind[order], dtype=np.int32)
    )
