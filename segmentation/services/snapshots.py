"""Transactions that see one state of the database throughout."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def one_snapshot(durable: bool = False) -> Iterator[Any]:
    """A transaction in which everything read is of one moment (REPEATABLE READ). Yields the connection.

    Within a transaction that is already under way its own isolation level stays; `durable` refuses that, for work whose
    result names the snapshot it was made from.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic(durable=durable):
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection
