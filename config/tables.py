"""The tables of the database, compared with what the code expects."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _


def behind() -> str:
    """Return what to do about migrations that were not applied; nothing where all of them are."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return _("The database is behind the code: run python3 manage.py migrate first.")
    return ""


def reason(error: DatabaseError) -> str:
    """Return the sentence for an error that comes of tables or columns that are missing; nothing for others."""
    missing = getattr(error.__cause__, "sqlstate", "") in ("42P01", "42703")
    return behind() if missing else ""
