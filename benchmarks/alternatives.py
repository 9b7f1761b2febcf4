"""The same journey in SQL and by Polars expressions, to measure against."""

from pathlib import Path
from typing import Any

from django.db import connection

from benchmarks.item import Loaded, OfEngine, extended
from benchmarks.stays import OPEN, Stays, read_stays, stays_of
from journey.facts.changes import EFFECTIVE_CHANGES
from journey.selectors.versions import version_rules
from segmentation.models import BuyingRole

SQL_MEMORY = "512MB"  # for each sort: far more than the replay needs altogether


class SqlWindowFunctions(OfEngine):
    """The same journey in SQL, from tables to an indexed table."""

    name = "sql_window_functions"

    def prepare(self) -> None:
        self.version = extended()

    def run(self) -> None:
        run_sql(self.version.pk)

    def made(self, _result: Any) -> Stays:
        return read_stays(connection, "bench_sql.stays")

    def clean(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA bench_sql CASCADE")


def run_sql(version: int) -> None:
    """Make the history in `bench_sql.stays`."""
    text = (Path(__file__).parent / "extended.sql").read_text()
    roles = ", ".join(f"'{role}'" for role in BuyingRole.values)
    # When a change of a deal takes effect is said by the facts, not by the journey.
    effective = EFFECTIVE_CHANGES.format(which="SELECT id FROM journey_opportunity WHERE account_id IS NOT NULL")
    for name, value in (("version", str(version)), ("roles", f"ARRAY[{roles}]"), ("effective", effective)):
        text = text.replace("{" + name + "}", value)
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("--")).split(";")
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench_sql CASCADE")
        cursor.execute("CREATE SCHEMA bench_sql")
        cursor.execute("SET search_path = bench_sql, public")
        cursor.execute(f"SET work_mem = '{SQL_MEMORY}'")
        cursor.execute(f"SET maintenance_work_mem = '{SQL_MEMORY}'")
        for statement in statements:
            if statement.strip():
                cursor.execute(statement)
        for name in ("search_path", "work_mem", "maintenance_work_mem"):
            cursor.execute(f"RESET {name}")


class Polars(OfEngine):
    """The same journey by Polars expressions, from facts in memory to stays in memory."""

    name = "polars"

    def prepare(self) -> None:
        from benchmarks.polars_journey import frames_of

        self.refs = {stage.key: stage.ref for stage in version_rules(extended()).stages}
        self.frames = frames_of(Loaded.now(extended()).batches)

    def run(self) -> Any:
        from benchmarks.polars_journey import extended_stays

        return extended_stays(self.frames)

    def made(self, result: Any) -> Stays:
        return polars_table(result, self.refs)


def polars_table(found: Any, refs: dict[str, Any]) -> Stays:
    """Stays in a data frame in the form for comparisons."""
    stage = found["stage"].cast(str).replace_strict(refs)
    end = found["end"].fill_null(OPEN)
    return stays_of(*(column.to_numpy() for column in (found["account"], stage, found["start"], end)))
