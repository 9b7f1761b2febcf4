"""Whose rows belong to an account, and what a merge does to them.

Every foreign key to accounts, of whatever app, is found by itself and its rows are moved. A table whose rows of two
accounts cannot simply be put together (they would overlap, or be there twice) says so with `on_merge`, in the
`AppConfig.ready` of its app; a system check names those that forgot.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pgtrigger
from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db import connection, models
from django.db.models import F, ForeignKey
from django.utils.translation import gettext as _t

from segmentation.models import Account, AccountMerge, MergedRows


@dataclass(frozen=True)
class Merging:
    """A merge under way: both accounts are locked and their primary keys known."""

    merge: AccountMerge
    survivor: int
    absorbed: int
    user: Any = None


@dataclass(frozen=True)
class Relation:
    """A foreign key to accounts."""

    model: type[models.Model]
    field: "ForeignKey[Any, Any]"

    @property
    def name(self) -> str:
        return f"{self.model._meta.label_lower}.{self.field.name}"

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        return str(self.model._meta.pk.column)

    @property
    def column(self) -> str:
        return str(self.field.column)


class Treatment:
    """What becomes of the rows of one table: noted before anything is changed, changed, noted again, and undone."""

    def begin(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        """Note what will be changed. `rows` is stored."""

    def change(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        """Give the rows of the merged account to the survivor."""

    def end(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        """Note what came of it."""

    def newer(self, relation: Relation, merging: Merging, rows: MergedRows) -> Iterator[tuple[str, bool]]:
        """Say what changed since the merge, and whether an undo could leave it as it is."""
        return iter(())

    def undo(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        """Bring the rows back to where they were."""


@dataclass(frozen=True)
class Leave(Treatment):
    """Rows that are worked out of others and made anew by themselves."""


@dataclass(frozen=True)
class Move(Treatment):
    """Rows that can stand beside those of the survivor.

    Attributes:
        ignoring: triggers that keep rows as they are, and must let a merge pass.
        are_facts: whether new rows of the survivor are something an undo would have to know the owner of.
    """

    ignoring: tuple[str, ...] = ()
    are_facts: bool = True

    @contextmanager
    def _passing(self) -> Iterator[None]:
        if not self.ignoring:
            yield
            return
        with pgtrigger.ignore(*self.ignoring):
            yield

    def change(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        table, column = relation.table, relation.column
        with self._passing(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE {column} = %s RETURNING {relation.key}",
                [merging.survivor, merging.absorbed],
            )
            rows.moved = sorted(pk for (pk,) in cursor.fetchall())
            cursor.execute(f"SELECT coalesce(max({relation.key}), 0) FROM {table}")
            rows.newest = cursor.fetchone()[0]
        rows.save(update_fields=["moved", "newest"])

    def newer(self, relation: Relation, merging: Merging, rows: MergedRows) -> Iterator[tuple[str, bool]]:
        if not self.are_facts:
            return
        what = str(relation.model._meta.verbose_name_plural)
        manager = relation.model._default_manager
        new = manager.filter(**{relation.field.name: merging.survivor}, pk__gt=rows.newest).count()
        if new:
            yield _t("%(number)d new %(what)s") % {"number": new, "what": what}, True
        still = manager.filter(**{relation.field.name: merging.survivor}, pk__in=rows.moved).count()
        if still < len(rows.moved):
            gone = len(rows.moved) - still
            yield _t("%(number)d %(what)s moved on or deleted") % {"number": gone, "what": what}, True

    def undo(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        with self._passing(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {relation.table} SET {relation.column} = %s"
                f" WHERE {relation.key} = ANY (%s) AND {relation.column} = %s",
                [merging.absorbed, rows.moved, merging.survivor],
            )


@dataclass(frozen=True)
class SetAside(Treatment):
    """Rows that mean nothing for the survivor: kept with the merge, and put back by an undo."""

    def begin(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        _note(relation, rows, "before", [merging.absorbed])

    def change(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {relation.table} WHERE {relation.column} = %s", [merging.absorbed])

    def undo(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        put_back(relation.model, "SELECT before FROM segmentation_mergedrows WHERE id = %s", [rows.pk])


@dataclass(frozen=True)
class Rewrite(Treatment):
    """Rows of both that are made one history by a function, which leaves none at the merged account."""

    function: Callable[[Merging], None]

    def begin(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        _note(relation, rows, "before", [merging.survivor, merging.absorbed])

    def change(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        self.function(merging)

    def end(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        _note(relation, rows, "after", [merging.survivor])

    def newer(self, relation: Relation, merging: Merging, rows: MergedRows) -> Iterator[tuple[str, bool]]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT m.after IS DISTINCT FROM ({_rows_of(relation)})"
                " FROM segmentation_mergedrows m WHERE m.id = %s",
                [[merging.survivor], rows.pk],
            )
            (changed,) = cursor.fetchone()
        if changed:
            yield _t("changed %(what)s") % {"what": relation.model._meta.verbose_name_plural}, False

    def undo(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {relation.table} WHERE {relation.column} = %s", [merging.survivor])
        put_back(relation.model, "SELECT before FROM segmentation_mergedrows WHERE id = %s", [rows.pk])


@dataclass(frozen=True)
class Divide(Rewrite):
    """Rows of both that a function adjusts, and that go on changing by themselves.

    An undo gives each back to its account as it was before the merge, and as it is now where it changed since. New ones
    stay with the survivor.

    Attributes:
        decided: a condition on a row `t`: somebody decided about it. Only such changes count as newer.
    """

    decided: str = "true"

    def newer(self, relation: Relation, merging: Merging, rows: MergedRows) -> Iterator[tuple[str, bool]]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {relation.table} t WHERE t.{relation.column} = %s AND {self.decided}"
                f" AND NOT {_IS_UNCHANGED}",
                [merging.survivor, rows.pk],
            )
            (number,) = cursor.fetchone()
        if number:
            what = relation.model._meta.verbose_name_plural
            yield _t("%(number)d decided %(what)s") % {"number": number, "what": what}, True

    def undo(self, relation: Relation, merging: Merging, rows: MergedRows) -> None:
        table, key, column = relation.table, relation.key, relation.column
        noted = "segmentation_mergedrows m, jsonb_array_elements(m.before) b WHERE m.id = %s"
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} t WHERE t.{column} = %s AND {_IS_UNCHANGED}", [merging.survivor, rows.pk]
            )
            cursor.execute(
                f"UPDATE {table} t SET {column} = %s FROM {noted} AND (b->>'{key}')::int8 = t.{key}"
                f" AND (b->>'{column}')::int8 = %s AND t.{column} = %s",
                [merging.absorbed, rows.pk, merging.absorbed, merging.survivor],
            )
        put_back(
            relation.model,
            f"SELECT coalesce(jsonb_agg(b), '[]') FROM {noted}"
            f" AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = (b->>'{key}')::int8)",
            [rows.pk],
        )


# Whether a row `t` is as the merge left it.
_IS_UNCHANGED = (
    "EXISTS (SELECT 1 FROM segmentation_mergedrows m, jsonb_array_elements(m.after) a"
    " WHERE m.id = %s AND a = to_jsonb(t))"
)


def _rows_of(relation: Relation) -> str:
    return (
        f"SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.{relation.key}), '[]') FROM {relation.table} t"
        f" WHERE t.{relation.column} = ANY (%s)"
    )


def _note(relation: Relation, rows: MergedRows, column: str, accounts: Sequence[int]) -> None:
    """Keep rows as they are, without a way through Python: nothing is rounded."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE segmentation_mergedrows SET {column} = ({_rows_of(relation)}) WHERE id = %s",
            [list(accounts), rows.pk],
        )


def put_back(model: type[models.Model], source: str, params: Sequence[Any]) -> None:
    """Insert rows as they were noted, with their primary keys.

    Links to what was deleted meanwhile are empty, and rows that are nothing without it stay away; columns added
    meanwhile get their default.

    Args:
        source: a query for one JSON list of rows, with its `params`.
    """
    columns, values, defaults, needed = [], [], [], ["true"]
    for column in model._meta.concrete_fields:
        name = f'"{column.column}"'
        value = f"r.{name}"
        if isinstance(column, ForeignKey) and getattr(column, "db_constraint", False):
            is_there = f"EXISTS (SELECT 1 FROM {column.related_model._meta.db_table} o WHERE o.id = {value})"
            if column.null:
                value = f"CASE WHEN {is_there} THEN {value} END"
            else:
                needed.append(is_there)
        elif not column.null and not column.primary_key:
            default, given = _default_of(column)
            if default:
                value = f"coalesce({value}, {default})"
                defaults += given
        columns.append(name)
        values.append(value)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
            f" FROM jsonb_populate_recordset(NULL::{table}, ({source})) r WHERE {' AND '.join(needed)}",
            [*defaults, *params],
        )


def _default_of(column: Any) -> tuple[str, list[Any]]:
    """The default of a column as SQL with parameters; empty for one that has none."""
    if column.has_db_default():
        sql, params = connection.schema_editor().db_default_sql(column)
        return sql, list(params)
    if column.has_default() or column.empty_strings_allowed:
        return "%s", [column.get_db_prep_save(column.get_default(), connection)]
    return "", []


# --- Which table is treated how --------------------------------------------------------------------------------------

_TREATMENTS: dict[tuple[type[models.Model], str], Treatment] = {}
_AFTER: list[Callable[[Sequence[int]], None]] = []


def on_merge(model: type[models.Model], treatment: Treatment, *, by: str = "account") -> None:
    """Say what a merge does to the rows of a model, found through the foreign key `by`. Others are moved."""
    _TREATMENTS[model, by] = treatment


def after_merge(function: Callable[[Sequence[int]], None]) -> None:
    """Call a function with the accounts that a merge or its undo changed, once that is committed."""
    _AFTER.append(function)


def tell_changed(accounts: Sequence[int]) -> None:
    """Let the apps above bring up to date what they work out of accounts."""
    for function in _AFTER:
        function(accounts)


def relations() -> list[tuple[Relation, Treatment]]:
    """Every foreign key to accounts with its treatment; declared ones first, in the order of their declaration."""
    order = {key: place for place, key in enumerate(_TREATMENTS)}
    found = [
        (Relation(model, column), _TREATMENTS.get((model, column.name), Move()))
        for model in apps.get_models()
        if not model._meta.proxy and not hasattr(model, "pgh_tracked_model")  # field histories keep what was
        for column in model._meta.concrete_fields
        if isinstance(column, ForeignKey) and column.remote_field.model is Account
    ]
    found.sort(key=lambda item: order.get((item[0].model, item[0].field.name), len(order)))
    return found


def check_relations(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Tables whose rows cannot stand twice for one account must say what a merge does to them."""
    return [
        Error(
            f"{relation.name} is unique for each account, and nothing says what a merge does to it.",
            hint="Declare it with segmentation.services.merging.on_merge in the ready() of its app.",
            id="segmentation.E001",
        )
        for relation, _treatment in relations()
        if (relation.model, relation.field.name) not in _TREATMENTS and _is_unique(relation)
    ]


def _is_unique(relation: Relation) -> bool:
    if relation.field.unique:
        return True
    for constraint in relation.model._meta.constraints:
        names = set(getattr(constraint, "fields", ()) or ())
        for entry in getattr(constraint, "expressions", ()):
            names |= set(_columns(entry[0] if isinstance(entry, list | tuple) else entry))
        if names & {relation.field.name, relation.column} and not isinstance(constraint, models.CheckConstraint):
            return True
    return any(relation.field.name in together for together in relation.model._meta.unique_together)


def _columns(expression: Any) -> Iterator[str]:
    """The names of the columns an expression reads."""
    if isinstance(expression, F):
        yield str(getattr(expression, "name", ""))
    for part in getattr(expression, "get_source_expressions", list)():
        yield from _columns(part)


__all__ = [
    "Divide",
    "Leave",
    "Merging",
    "Move",
    "Relation",
    "Rewrite",
    "SetAside",
    "Treatment",
    "after_merge",
    "check_relations",
    "on_merge",
    "put_back",
    "relations",
    "tell_changed",
]
