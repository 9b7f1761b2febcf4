"""Tables of histories that are not read any more."""

from collections.abc import Callable, Collection
from typing import Any

from django.db import OperationalError, connection, transaction


def drop_partitions(parent: str, mark: str, kept: Collection[int], forget: Callable[[int], Any]) -> int:
    """Drop the partitions of a table but those of the numbers that are kept. Returns how many went.

    One that is being read is left for the next time.

    Args:
        parent: name of the table.
        mark: what stands before the number in the name of a partition.
        forget: removes the rows that tell of the partition of a number, with it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [parent])
        tables = {int(name.rpartition(mark)[2]): name for (name,) in cursor.fetchall()}
    removed = 0
    for number in sorted(tables.keys() - kept):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute(f"DROP TABLE IF EXISTS {tables[number]}")  # another process may have been faster
                forget(number)
            removed += 1
        except OperationalError:
            continue
    return removed
