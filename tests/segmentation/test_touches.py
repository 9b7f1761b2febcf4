"""What changed since a snapshot of the database."""

import pytest
from django.db import connection

from segmentation.models import Account
from segmentation.selectors.touches import current_snapshot, touched_since

pytestmark = pytest.mark.django_db


def test_what_a_transaction_changes_later_is_not_in_a_snapshot_it_took_before():
    first = Account.objects.create(name="Acme")
    beside = connection.copy()
    try:
        with beside.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")  # a younger transaction that ends before this one
    finally:
        beside.close()
    snapshot = current_snapshot(connection)
    second = Account.objects.create(name="Globex")
    assert set(touched_since(connection, snapshot).accounts.tolist()) == {first.pk, second.pk}
