"""Merges of accounts: where merged ones are now, and what a merge would do."""

from typing import Any

from django.db.models import QuerySet

from segmentation.models import AccountMerge


def merges_in_force() -> QuerySet[AccountMerge]:
    """The merges that were not undone and whose facts still have an account."""
    return AccountMerge.objects.filter(undone_at__isnull=True, account__isnull=False)


def merged_into(source_system: str, external_id: str) -> int | None:
    """Primary key of the account into which the one with this external id was merged."""
    found = merges_in_force().filter(source_system=source_system, external_id=external_id)
    return found.values_list("account_id", flat=True).first()


def accounts_once_called(external_id: str) -> QuerySet[Any]:
    """Primary keys of the accounts into which one with this external id was merged, whatever its source."""
    return merges_in_force().filter(external_id=external_id).order_by().values("account")


__all__ = ["accounts_once_called", "merged_into", "merges_in_force"]
