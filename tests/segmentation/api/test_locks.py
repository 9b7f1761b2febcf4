"""A change and an import must not wait for each other."""

import pytest
from django.db import connection, transaction

from segmentation.models import Account
from tests.segmentation.api.support import store

pytestmark = pytest.mark.django_db


def advisory_locks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        return set(cursor.fetchall())


def test_a_change_of_one_takes_the_lock_of_imports_before_it_locks_the_row(api):
    with transaction.atomic():
        store("accounts", {"external_id": "A-1", "name": "One"})
        of_the_import = advisory_locks()
        api.patch(f"accounts/{Account.objects.get().pk}/", {"city": "Ulm"})
        assert advisory_locks() == of_the_import
    assert len(of_the_import) == 1
