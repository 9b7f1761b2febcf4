"""The tables of the database, compared with what the code expects."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _


def behind() -> str:
    """Return what to do about migrations that were not applied; nothing where all of them are."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return _("The database is behind the code: run python3 manage.py migrate first.")
    return ""


def unreachable(error: DatabaseError) -> str:
    """Return the sentence for a server of the user's own that takes no connection; nothing for other errors."""
    cause = error.__cause__
    if not settings.DATABASE_URL or cause is None or getattr(cause, "sqlstate", None):
        return ""
    return _(
        "The database DATABASE_URL names cannot be used: %(reason)s\n"
        "Start it or correct DATABASE_URL; without it the embedded PostgreSQL is used."
    ) % {"reason": str(error).strip()}


def reason(error: DatabaseError) -> str:
    """Return the sentence for an error that comes of tables or columns that are missing; nothing for others."""
    missing = getattr(error.__cause__, "sqlstate", "") in ("42P01", "42703")
    return behind() if missing else ""
