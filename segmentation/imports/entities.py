"""Records with an id of their own that are written over: accounts, contacts, opportunities."""

from typing import Any, ClassVar

from django.db.models import Field as ModelField
from django.utils.translation import gettext_lazy as _

from segmentation.imports.errors import FileFaultError
from segmentation.imports.faults import Fault
from segmentation.imports.fields import Field, Number, Text
from segmentation.imports.mapping import CUSTOM
from segmentation.imports.staging import Run, is_link, quote
from segmentation.imports.targets import Target

NO_IDENTITY = Fault(
    "no_identity", _("The row has none of the fields it could be recognised by."), _("Give it an external id.")
)
AMBIGUOUS = Fault("ambiguous", _("“%(value)s” fits several records."), _("Name it by its external id."))
NEEDS_NAME = Fault(
    "required", _("A new record needs it."), _("Fill it in, or correct the external id if the record is not new.")
)


class EntityTarget(Target):
    """Inserts new records, updates those that differ, leaves the rest alone.

    Subclasses say how a row is recognised without external id (`recognise`), find what it refers to (`refer`), and add
    values worked out (`worked_out`: column of the table -> SQL over the staged row `s` and, on update, the stored `t`).
    """

    ident: ClassVar[str]  # SQL over the staged row: what makes two rows of a file the same record
    name_needed: ClassVar[str] = ""  # field without which no record is made

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def recognise(self, run: Run) -> None:
        """Set the ids of stored records for rows without external id."""

    def leave_out(self, run: Run) -> None:
        """Take out rows that are known and yet change nothing; flag them."""

    def refer(self, run: Run) -> None:
        """Find what the rows refer to; reject and flag."""

    def worked_out(self, run: Run) -> dict[str, tuple[str, str]]:
        """Return column -> (SQL for a new record, SQL for a stored one)."""
        return {}

    def before_write(self, run: Run) -> None:
        """Flag what can only be seen while the stored rows are still as they were."""

    def after_write(self, run: Run) -> None:
        """Write what hangs on the records; mark the rows it changed as written."""

    def merge(self, run: Run) -> None:
        self._find(run)
        self._keep_last(run)
        run.sql(
            "UPDATE {rows} SET id = nextval(pg_get_serial_sequence(%(table)s, 'id')), is_new = true WHERE id IS NULL",
            {"table": self.table},
        )
        self._need_name(run)
        run.sql("CREATE INDEX ON {rows} (id)")
        run.sql("ANALYZE {rows}")
        self.refer(run)
        self.before_write(run)
        self._update(run)
        self._insert(run)
        self.after_write(run)
        ((new, changed, same),) = run.query(
            "SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new AND is_written), "
            "count(*) FILTER (WHERE NOT is_new AND NOT is_written) FROM {rows}"
        )
        run.report.inserted += new
        run.report.updated += changed
        run.report.unchanged += same

    def _find(self, run: Run) -> None:
        run.sql(
            "UPDATE {rows} s SET id = t.id FROM {table} t "
            "WHERE t.source_system = %(system)s AND t.external_id = s.external_id",
            {"system": run.source_system},
            table=self.table,
        )
        self.recognise(run)
        self.leave_out(run)
        run.sql("UPDATE {rows} s SET ident = coalesce('#' || s.id, {ident})", ident=self.ident)
        run.reject("external_id", NO_IDENTITY, "s.ident IS NULL")

    def _keep_last(self, run: Run) -> None:
        """Of rows that are the same record only the last one counts."""
        gone = run.query(
            "DELETE FROM {rows} s "
            "USING (SELECT ident, max(n) AS last FROM {rows} GROUP BY ident HAVING count(*) > 1) d "
            "WHERE s.ident = d.ident AND s.n < d.last RETURNING s.row, s.line"
        )
        run.report.duplicates += len(gone)
        run.report.flag("duplicate", len(gone), sorted(line or row for row, line in gone)[:20])

    def _need_name(self, run: Run) -> None:
        name = self.name_needed
        if not name:
            return
        if name not in run.given and run.from_file:
            ((count,),) = run.query("SELECT count(*) FROM {rows} WHERE is_new")
            if count:
                raise FileFaultError(
                    _("The file has no column for “%(value)s”, and %(count)d of its rows are new and need it."),
                    code="missing_column",
                    field=name,
                    value=name,
                    params={"count": count},
                    remedy=_("Name the column in a mapping."),
                )
        empty = f"coalesce(s.{quote(name)}, '') = ''"
        has = f"s.{quote(name + '?')}" if name in run.by_record else "true" if name in run.given else "false"
        run.reject(name, NEEDS_NAME, f"{empty} AND (s.is_new OR {has})")

    # Writing --------------------------------------------------------------------------------------------------------

    def _written(self, run: Run) -> list[Field]:
        return [run.fields[name] for name in run.given if run.fields[name].table_column and name != "external_id"]

    def _model_field(self, column: str) -> "ModelField[Any, Any]":
        return next(field for field in self.model._meta.concrete_fields if field.column == column)

    def _update(self, run: Run) -> None:
        values: dict[str, str] = {}
        for field in self._written(run):
            column, stored = field.table_column, f"t.{quote(field.table_column)}"
            staged = f"s.{quote(field.name)}"
            if is_link(field):
                values[column] = f"coalesce({staged}, {stored})"
                continue
            if not self._model_field(column).null:
                staged = f"coalesce({staged}, {stored})"
            values[column] = run.new_value(field.name, staged, stored)
        custom = custom_fields(run)
        if custom:
            values["custom"] = _custom_update(run, custom)
        values |= {column: sql for column, (_new, sql) in self.worked_out(run).items()}
        if not values:
            return
        run.sql(
            "WITH written AS (UPDATE {table} t SET {sets}, updated_at = now() FROM {rows} s "
            "WHERE t.id = s.id AND NOT s.is_new "
            "AND ROW({old}) IS DISTINCT FROM ROW({new}) RETURNING t.id) "
            "UPDATE {rows} s SET is_written = true FROM written w WHERE w.id = s.id",
            table=self.table,
            sets=", ".join(f"{quote(column)} = {sql}" for column, sql in values.items()),
            old=", ".join(f"t.{quote(column)}" for column in values),
            new=", ".join(values.values()),
        )

    def _insert(self, run: Run) -> None:
        values = {"id": "s.id", "source_system": "%(system)s", "external_id": "s.external_id"}
        for field in self._written(run):
            values[field.table_column] = f"s.{quote(field.name)}"
        values |= {column: sql for column, (sql, _stored) in self.worked_out(run).items()}
        custom = custom_fields(run)
        if custom:
            pairs = ", ".join(_custom_pair(run, name) for name in custom)
            values["custom"] = f"jsonb_strip_nulls(jsonb_build_object({pairs}))"
        params: dict[str, Any] = {"system": run.source_system}
        for stored in self.model._meta.concrete_fields:
            name = str(stored.column)
            if stored.null or (stored.has_db_default() and name not in values) or name in ("id", "source_system"):
                continue
            params[f"d_{name}"] = stored.get_db_prep_save(stored.get_default(), run.connection)
            given = values.get(name)
            values[name] = f"coalesce({given}, %(d_{name})s)" if given else f"%(d_{name})s"
        # Somebody who does not hold the lock may take the key: then the constraint refuses, and nothing is stored.
        run.sql(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {rows} s WHERE s.is_new ORDER BY s.n",
            params,
            table=self.table,
            columns=", ".join(quote(column) for column in values),
            values=", ".join(values.values()),
        )


def custom_fields(run: Run) -> list[str]:
    return [name for name in run.given if name.startswith(CUSTOM)]


def _custom_pair(run: Run, name: str) -> str:
    value = f"s.{quote(name)}"
    if isinstance(run.fields[name].kind, Number):
        value = f"trim_scale({value})"
    if isinstance(run.fields[name].kind, Text):
        value = f"nullif({value}, '')"
    return f"'{name.removeprefix(CUSTOM)}', {value}"


def _custom_update(run: Run, names: list[str]) -> str:
    value = "t.custom"
    for name in names:
        key = name.removeprefix(CUSTOM)
        new = f"jsonb_strip_nulls(jsonb_build_object({_custom_pair(run, name)}))"
        changed = f"(({value} - '{key}') || {new})"
        value = f"CASE WHEN s.{quote(name + '?')} THEN {changed} ELSE {value} END" if name in run.by_record else changed
    return value
