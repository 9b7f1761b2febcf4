"""Merges of accounts: where merged ones are now, and what a merge would do."""

from django.db.models import QuerySet

from segmentation.models import AccountMerge


def merges_in_force() -> QuerySet[AccountMerge]:
    """The merges that were not undone and whose facts still have an account."""
    return AccountMerge.objects.filter(undone_at__isnull=True, account__isnull=False)


def merged_into(source_system: str, external_id: str) -> int | None:
    """Primary key of the account into which the one with this external id was merged."""
    found = merges_in_force().filter(source_system=source_system, external_id=external_id)
    return found.values_list("account_id", flat=True).first()


__all__ = ["merged_into", "merges_in_force"]
