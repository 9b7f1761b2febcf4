"""What accounts are known by, read for finding duplicates and for matching."""

from collections.abc import Iterator

from django.db import connection

from segmentation.identity.pairs import Identity
from segmentation.models import Account, Contact

_COLUMNS = ("pk", "name", "other_names", "domain", "other_domains", "country", "region", "parent_id")


def all_identities() -> list[Identity]:
    """Every account, in the order of primary keys."""
    return [
        Identity(
            id=pk,
            names=(name, *other_names),
            domains=(domain, *other_domains),
            country=country.strip().casefold(),
            region=region.strip().casefold(),
            parent=parent or 0,
        )
        for pk, name, other_names, domain, other_domains, country, region, parent in Account.objects.order_by(
            "pk"
        ).values_list(*_COLUMNS)
    ]


def contact_mails() -> Iterator[tuple[int, str]]:
    """(account, mail address) of every contact that has both."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT account_id, email FROM {Contact._meta.db_table} WHERE account_id IS NOT NULL AND email <> ''"
        )
        while rows := cursor.fetchmany(20_000):
            yield from rows


__all__ = ["all_identities", "contact_mails"]
