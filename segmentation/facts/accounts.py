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
        _("sales team"), "text", "(SELECT t.key FROM segmentation_salesteam t WHERE t.id = {row}.team_id)"
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


def read_fields(
    connection: Any, accounts: Int64s, keys: Iterable[str], some: bool, history: bool = True
) -> dict[str, DatedField]:
    """Dated values of the fields `keys` for accounts in the given order.

    some: only these accounts are read from the database (for few); otherwise all are.
    history: without it only present values are read, for what is asked of this moment.
    Before the recorded history of an account its present value stands in.
    """
    keys = sorted(set(keys))
    if not keys:
        return {}
    known = remembered(account_fields)
    fields = [known[key] for key in keys]
    positions = Positions(accounts)
    where, params = (" AND {column} = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    n = len(accounts)
    codes = [_Codes() for _field in fields]
    initial = [np.full(n, -1, dtype=np.int32) for _field in fields]
    known_from = np.full(n, NEVER, dtype=np.int64)
    with connection.cursor() as cursor:
        for field, code, out in zip(fields, codes, initial, strict=True):
            # Few values, many accounts.
            cursor.execute(
                f"SELECT {field.sql.format(row='a')}, array_agg(a.id) FROM segmentation_account a WHERE true"
                + where.format(column="a.id")
                + " GROUP BY 1",
                params or None,
            )
            for value, ids in cursor.fetchall():
                at = positions.of(np.array(ids, dtype=np.int64))
                out[at[at >= 0]] = code(value)
        if not history:
            none, never = np.empty(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
            return {
                key: DatedField(code.as_tuple(), start, known_from, Rows(never, never), none, none.astype(np.int32))
                for key, code, start in zip(keys, codes, initial, strict=True)
            }
        first = read_rows(
            connection,
            "SELECT pgh_obj_id, min(pgh_created_at) FROM segmentation_accountevent WHERE true"
            + where.format(column="pgh_obj_id")
            + " GROUP BY 1",
            {"id": "i8", "time": "time"},
            params,
        )
        at = positions.of(first["id"])
        known_from[at[at >= 0]] = first["time"][at >= 0]
        # Only accounts with more than one event can have changed.
        columns = ", ".join(field.sql.format(row="e") for field in fields)
        cursor.execute(
            f"SELECT e.pgh_obj_id, (extract(epoch FROM e.pgh_created_at) * 1000000)::bigint, {columns}"
            " FROM segmentation_accountevent e"
            " WHERE e.pgh_obj_id IN (SELECT pgh_obj_id FROM segmentation_accountevent WHERE true"
            + where.format(column="pgh_obj_id")
            + " GROUP BY 1 HAVING count(*) > 1) ORDER BY e.pgh_obj_id, e.pgh_created_at, e.pgh_id",
            params or None,
        )
        ids, times, *values = _transposed(cursor.fetchall(), 2 + len(fields))
    every_at = positions.of(np.array(ids, dtype=np.int64))
    every_time = np.array(times, dtype=np.int64)
    lists = [place for place, field in enumerate(fields) if field.type == "list"]
    merged = read_merged(connection, accounts, [fields[place].sql for place in lists], some) if lists else {}
    result = {}
    for place, (key, code, column, start) in enumerate(zip(keys, codes, values, initial, strict=True)):
        at, time = every_at, every_time
        if place in lists and merged:
            histories = {
                int(positions.of(np.array([pk]))[0]): found[lists.index(place)] for pk, found in merged.items()
            }
            at, time, column = _with_merged(at, time, column, code, start, histories)
        coded = np.array([code(value) for value in column], dtype=np.int32)
        keep = np.ones(len(coded), dtype=bool)
        if len(coded):  # of several events of one instant the last counts
            keep[:-1] = (at[1:] != at[:-1]) | (time[1:] != time[:-1])
        order, rows = grouped(at[keep], n, time[keep])
        result[key] = DatedField(
            values=code.as_tuple(),
            initial=start,
            known_from=known_from,
            rows=rows,
            time=time[keep][order],
            code=coded[keep][order],
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


def _transposed(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [() for _column in range(width)]


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
