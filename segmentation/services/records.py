"""The one writer of accounts, contacts, activities, opportunities and opportunity changes, for files and the API alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from segmentation.imports.report import RowError, UpsertReport

__all__ = ["RowError", "UpsertReport", "upsert_records"]


def upsert_records(
    target: str,
    records: Iterable[Mapping[str, Any]],
    *,
    source_system: str = "crm",
    spec: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    strict: bool = False,
) -> UpsertReport:
    """Insert or update records by their external ids, in one transaction.

    The same records again change nothing: no row, no history, no replay.

    Args:
        target: `accounts`, `contacts`, `activities`, `opportunities` or `opportunity-changes`.
        records: field -> value; a field left out stays as it is, an empty one is emptied.
        source_system: whose external ids these are.
        spec: options of a mapping file (time_zone, crm_stages, new_types ...).
        dry_run: count everything, store nothing.
        strict: store nothing if a record is bad; otherwise the good ones are stored.

    Returns:
        The counts, and the bad records with the reason.

    Raises:
        ProblemError: the target or the spec is wrong; nothing was stored.
    """
    raise NotImplementedError
