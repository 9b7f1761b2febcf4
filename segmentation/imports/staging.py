"""From batches of text to a temporary table, and the tools with which targets merge it into theirs."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.copy import QueuedLibpqWriter

from segmentation.errors import shorten
from segmentation.imports.applying import Batch
from segmentation.imports.csv_files import BadLine
from segmentation.imports.faults import EMPTY_REQUIRED, Fault, Faults, Options, as_mask, check_text
from segmentation.imports.fields import Field, Known, Reference
from segmentation.imports.mapping import FileMapping
from segmentation.imports.report import KEPT_ERRORS, ErrorSink, RowError, UpsertReport
from segmentation.imports.targets import Target

ROWS = "import_rows"


class Run:
    """One import under way: the staged rows, the mapping, and the report that is filled in.

    Attributes:
        given: names of the fields that the file or the records have.
        by_record: fields that only some of the records have, staged with a mark `<field>?`.
        from_file: a file's faults are told apart from those of single records.
    """

    def __init__(
        self,
        target: Target,
        fields: Sequence[Field],
        given: Sequence[str],
        mapping: FileMapping,
        source_system: str,
        *,
        by_record: Sequence[str] = (),
        from_file: bool = False,
        columns: Mapping[str, str] | None = None,
        sink: ErrorSink | None = None,
        context: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ):
        self.target = target
        self.fields = {field.name: field for field in fields}
        self.given = [name for name in given if name in self.fields]
        self.by_record = list(by_record)
        self.mapping = mapping
        self.source_system = source_system
        self.from_file = from_file
        self.columns = columns or {}
        self.sink = sink
        self.dry_run = dry_run
        self.context = dict(context or {})  # kept with the history of what is changed
        self.report = UpsertReport(target.key)
        self.staged = 0
        self.cursor: Any = None
        self.copying = ExitStack()
        self._copy_in: Any = None  # goes on over batches: the server stores one while the next is being read
        self.connection = connection

    # SQL ------------------------------------------------------------------------------------------------------------

    def sql(self, template: str, params: Mapping[str, Any] | None = None, /, **names: str) -> int:
        """Run a statement and return the rows touched; ``names`` fill the braces, values are parameters."""
        self.cursor.execute(template.format(rows=ROWS, **names), params)
        return max(self.cursor.rowcount, 0)

    def query(self, template: str, params: Mapping[str, Any] | None = None, /, **names: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        self.sql(template, params, **names)
        return list(self.cursor.fetchall())

    def temp(self, name: str, template: str, params: Mapping[str, Any] | None = None, /, **names: str) -> None:
        """Make a temporary table of a query and its statistics."""
        self.sql("DROP TABLE IF EXISTS {name}", name=name)
        self.sql("CREATE TEMP TABLE {name} ON COMMIT DROP AS " + template, params, name=name, **names)
        self.sql("ANALYZE {name}", name=name)

    # Staging --------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        columns = [f"{quote(field.name)} {field.kind.sql}" for field in self.fields.values()]
        columns += [f"{quote(name + '?')} boolean" for name in self.by_record]
        self.sql("DROP TABLE IF EXISTS {rows}")
        self.sql(
            "CREATE TEMP TABLE {rows} (n bigint, row bigint, line bigint, id bigint, is_new boolean DEFAULT false, "
            "is_written boolean DEFAULT false, ident text, {columns}) ON COMMIT DROP",
            columns=", ".join(columns),
        )

    def stage(self, batch: Batch, options: Options) -> None:
        """Convert a batch, report its bad rows and copy the good ones into the staging table."""
        count = len(batch.rows)
        bad = np.zeros(count, bool)
        converted: dict[str, pa.Array] = {}
        found: list[tuple[int, str, str, str, str]] = []
        for name in self.given:
            field, values, faults = self.fields[name], batch.columns[name], Faults()
            check_text(values, faults)
            if faults.found:  # not looked at any further, and not to be repeated at length
                spoilt = np.logical_or.reduce([mask for mask, _fault in faults.found])
                values = pa.array(np.where(spoilt, "", values.to_numpy(zero_copy_only=False)), pa.string())
            else:
                spoilt = None
            converted[name] = field.kind.convert(name, values, options, faults)
            if field.required:
                empty = as_mask(pa.compute.equal(values, ""))
                faults.add(empty if spoilt is None else empty & ~spoilt, EMPTY_REQUIRED)
            for mask, fault in faults.found:
                # A record may leave a field out, but not one that every record needs.
                new = mask & batch.given[name] if name in batch.given and fault is not EMPTY_REQUIRED else mask
                bad |= new
                self._explain(found, batch, name, new, fault)
        if bad.any() and self.mapping.expand:  # all records of a row share its fate
            bad |= np.isin(batch.rows, batch.rows[bad])
        self.report.records += count
        self._report(batch, bad, found)
        good = np.flatnonzero(~bad)
        if len(good):
            self._copy(batch, converted, None if len(good) == count else pa.array(good))
        self.staged += count

    def _explain(
        self, found: list[tuple[int, str, str, str, str]], batch: Batch, name: str, mask: np.ndarray, fault: Fault
    ) -> None:
        where = np.flatnonzero(mask)
        if self.sink is None:
            where = where[: KEPT_ERRORS - len(self.report.errors)]
        for place in where.tolist():
            value = shorten(batch.columns[name][place].as_py())
            found.append((place, name, value, fault.code, self.sentence(name, fault.text(value))))

    def sentence(self, name: str, text: str) -> str:
        """Return a message with the column it is about in front."""
        column = self.columns.get(name)
        return _("Column “%(column)s”: %(text)s") % {"column": column, "text": text} if column else f"{name}: {text}"

    def _report(self, batch: Batch, bad: np.ndarray, found: list[tuple[int, str, str, str, str]]) -> None:
        self.report.bad += len(np.unique(batch.rows[bad]))
        for place, name, value, code, message in sorted(found):
            line = None if batch.lines is None else int(batch.lines[place])
            self.error(RowError(int(batch.rows[place]), name, value, code, message, line))

    def error(self, error: RowError) -> None:
        """Add the reason of a bad row; the row itself is counted by the caller."""
        if len(self.report.errors) < KEPT_ERRORS:
            self.report.errors.append(error)
        if self.sink is not None:
            self.sink(error)

    def bad_line(self, line: BadLine) -> None:
        """Report a line of which no row could be made."""
        self.report.bad += 1
        self.error(RowError(line.row, line.field, line.value, line.code, line.message, line.line or None))

    def _copy(self, batch: Batch, converted: Mapping[str, pa.Array], good: pa.Array | None) -> None:
        count = len(batch.rows)
        arrays = {
            "n": pa.array(np.arange(self.staged, self.staged + count)),
            "row": pa.array(batch.rows),
            "line": pa.nulls(count, pa.int64()) if batch.lines is None else pa.array(batch.lines),
            **{
                name: array.cast(pa.string()) if pa.types.is_decimal(array.type) else array
                for name, array in converted.items()
            },
            **{f"{name}?": pa.array(batch.given.get(name, np.ones(count, bool))) for name in self.by_record},
        }
        table = pa.table(arrays)
        if good is not None:
            table = table.take(good)
        buffer = io.BytesIO()
        arrow_csv.write_csv(table, buffer, arrow_csv.WriteOptions(include_header=False))
        if self._copy_in is None:
            statement = f"COPY {ROWS} ({', '.join(quote(name) for name in arrays)}) FROM STDIN (FORMAT csv)"
            driver = self.cursor.cursor
            writer = QueuedLibpqWriter(driver)  # sends from a thread while the next batch is converted
            self._copy_in = self.copying.enter_context(driver.copy(statement, writer=writer))
        self._copy_in.write(buffer.getbuffer())

    def end_copy(self) -> None:
        """Let the connection do something else than taking rows: what a lookup that makes records calls first."""
        self._copy_in = None
        self.copying.close()

    # Merging --------------------------------------------------------------------------------------------------------

    def reject(
        self,
        name: str,
        fault: Fault,
        where: str,
        params: Mapping[str, Any] | None = None,
        /,
        using: str = "",
        value: str = "''",
    ) -> int:
        """Take rows out of the staging table and report them. ``where`` speaks of them as `s`."""
        clause = f"USING {using}" if using else ""
        gone = self.query(
            "DELETE FROM {rows} s {clause} WHERE {where} RETURNING s.row, s.line, {value}",
            params,
            clause=clause,
            where=where,
            value=value,
        )
        if not gone:
            return 0
        rows = sorted({row for row, _line, _value in gone})
        if self.mapping.expand:
            self.sql("DELETE FROM {rows} WHERE row = ANY (%(rows)s)", {"rows": rows})
        self.report.bad += len(rows)
        for row, line, text in sorted(gone, key=lambda item: item[:2]):
            shown = shorten(text)
            self.error(RowError(row, name, shown, fault.code, self.sentence(name, fault.text(shown)), line))
        return len(rows)

    def flag(self, code: str, source: str, params: Mapping[str, Any] | None = None, /) -> None:
        """Count rows under a flag; ``source`` is what follows FROM and has the staged rows as `s`."""
        ((count, examples),) = self.query(
            "SELECT count(*), (array_agg(coalesce(s.line, s.row) ORDER BY s.n))[1:20] FROM {source}",
            params,
            source=source,
        )
        self.report.flag(code, count, examples)

    def new_value(self, names: str | Sequence[str], staged: str, stored: str) -> str:
        """Return the SQL of a value after the import: staged, or as it was for records that have none of the fields."""
        given = [name for name in ([names] if isinstance(names, str) else names) if name in self.given]
        if not given or not all(name in self.by_record for name in given):
            return staged
        has = " OR ".join(f"s.{quote(name + '?')}" for name in given)
        return f"CASE WHEN {has} THEN {staged} ELSE {stored} END"


def quote(name: str) -> str:
    """Return a name quoted for SQL; the names are those of fields in code and of slugs."""
    return '"' + name.replace('"', '""') + '"'


def run_import(run: Run, batches: Iterable[Batch | BadLine], *, strict: bool) -> UpsertReport:
    """Stage the batches and merge them, in one transaction."""
    report = run.report
    with transaction.atomic(), connection.cursor() as cursor:
        run.cursor = cursor
        cursor.execute("SET LOCAL work_mem = '256MB'")
        _say_who(cursor, run)
        run.target.prepare(run)
        run.create()
        options = Options(
            zone=run.mapping.time_zone, date_formats=run.mapping.date_formats, lookups=run.target.lookups(run)
        )
        with run.copying:
            for batch in batches:
                if isinstance(batch, BadLine):
                    run.bad_line(batch)
                else:
                    run.stage(batch, options)
        cursor.execute(f"ANALYZE {ROWS}")
        # One writer of a kind at a time: what was looked up before the merge still holds at its end.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"import {run.target.key}"])
        if run.staged:
            run.target.merge(run)
        report.errors.sort(key=lambda error: error.index)
        report.stored = not run.dry_run and not (strict and report.bad)
        if report.stored:
            cursor.execute(f"DROP TABLE IF EXISTS {ROWS}")
        else:
            transaction.set_rollback(True)
    return report


def _say_who(cursor: Any, run: Run) -> None:
    """Tell the triggers that keep history what caused the changes; a context that is already there stays.

    It also makes them several times faster: they raise and catch an error for every row while these are not set.
    """
    cursor.execute(
        "SELECT coalesce(current_setting('pghistory.context_id', true), '') = '', "
        "coalesce(current_setting('pgtrigger.ignore', true), '') = ''"
    )
    unknown, nothing_ignored = cursor.fetchone()
    if nothing_ignored:
        cursor.execute("SELECT set_config('pgtrigger.ignore', '{}', true)")
    if unknown:
        about = {"import": run.target.key, "source_system": run.source_system, **run.context}
        cursor.execute(
            "SELECT set_config('pghistory.context_id', gen_random_uuid()::text, true), "
            "set_config('pghistory.context_metadata', %s, true)",
            [json.dumps(about)],
        )


def is_link(field: Field) -> bool:
    """Whether a field points to another record; an empty value never cuts such a link."""
    return isinstance(field.kind, Reference | Known)
