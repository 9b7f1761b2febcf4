"""Adding very many rows without checking each of their foreign keys one by one.

PostgreSQL looks up every reference of every new row at the end of the transaction, which takes longer than writing the
rows. When thousands of rows refer to few records it is enough to lock each of those once: what the check would do, and
what keeps them from being deleted meanwhile. Where the table that gets the rows is locked against everybody it is
enough to see that they are there: who deletes one must look into that table for rows that refer to it, and waits.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import DatabaseError, transaction

from segmentation.imports.staging import Run, quote

MANY_ROWS = 5_000
FIRST_ROWS = 20_000  # from so many on, an empty table is filled before it has its indexes


@contextmanager
def checked_references(
    run: Run, table: str, source: str, references: Mapping[str, str], rows: int, *, alone: bool = False
) -> Iterator[None]:
    """Check the references of rows about to be added to a table at once, and not again one by one.

    Few rows, a server that does not allow it, a trigger that would be left out or a reference that leads nowhere: then
    nothing is different from any other insert.

    Args:
        run: the import.
        table: the table that gets the rows.
        source: the table they come from.
        references: column of the source -> table it refers to.
        rows: how many there are.
        alone: nobody else can look into the table until the end of the transaction.
    """
    if (
        rows < MANY_ROWS
        or not _may_skip(run, table)
        or not all(_are_kept(run, source, *pair, lock="" if alone else "FOR KEY SHARE") for pair in references.items())
    ):
        yield
        return
    run.sql("SET LOCAL session_replication_role = replica")
    yield
    # Not in a finally: after a failure the transaction is rolled back, and the setting with it.
    run.sql("SET LOCAL session_replication_role = DEFAULT")


@contextmanager
def filled_before_indexed(run: Run, table: str, rows: int) -> Iterator[bool]:
    """Fill an empty table without its indexes and make them afterwards, each in one go; says whether it is so.

    Part of the transaction, so a failure leaves them in place. The table is locked meanwhile, which is no loss while
    there is nothing in it. Unless it is empty, the role owns it and nobody is at it, the indexes stay.
    """
    if rows < FIRST_ROWS or run.dry_run or not _is_ours_alone(run, table):
        yield False
        return
    constraints = run.query(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %(table)s::regclass AND contype = 'u'",
        {"table": table},
    )
    for name, _definition in constraints:
        run.sql("ALTER TABLE {table} DROP CONSTRAINT {name}", table=table, name=quote(name))
    indexes = run.query(
        "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = %(table)s::regclass AND NOT i.indisprimary",
        {"table": table},
    )
    for name, _definition in indexes:
        run.sql("DROP INDEX {name}", name=quote(name))
    yield True
    run.sql("SET CONSTRAINTS ALL IMMEDIATE")  # no index can be made while checks of the new rows are outstanding
    run.sql("SET CONSTRAINTS ALL DEFERRED")
    for _name, definition in indexes:
        run.sql("{definition}", definition=definition)
    for name, definition in constraints:
        run.sql(
            "ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
            table=table,
            name=quote(name),
            definition=definition,
        )


def _is_ours_alone(run: Run, table: str) -> bool:
    ((owned,),) = run.query(
        "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %(table)s::regclass", {"table": table}
    )
    if not owned or run.query("SELECT 1 FROM {table} LIMIT 1", table=table):
        return False
    try:
        with transaction.atomic():
            run.sql("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT", table=table)
    except DatabaseError:
        return False
    return not run.query("SELECT 1 FROM {table} LIMIT 1", table=table)


def _may_skip(run: Run, table: str) -> bool:
    """Whether the role may switch the checks off, and every other trigger of the table fires nevertheless."""
    ((others,),) = run.query(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal "
        "AND tgenabled <> 'A' AND tgtype & 4 > 0",  # 4: fires on insert
        {"table": table},
    )
    ((allowed,),) = run.query("SELECT has_parameter_privilege('session_replication_role', 'SET')")
    return bool(allowed) and not others


def _are_kept(run: Run, source: str, column: str, target: str, lock: str) -> bool:
    """Lock the records referred to as a foreign key would, if asked to; False if one of them is gone."""
    try:
        with transaction.atomic():
            ((found, wanted),) = run.query(
                """
                WITH wanted AS MATERIALIZED (SELECT DISTINCT {column} AS id FROM {source} WHERE {column} IS NOT NULL),
                held AS MATERIALIZED (SELECT t.id FROM {target} t WHERE t.id IN (SELECT id FROM wanted) {lock})
                SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM wanted)
                """,
                column=column,
                source=source,
                target=target,
                lock=lock,
            )
    except DatabaseError:
        return False
    return bool(found == wanted)
