"""What others do to the records that an import of very many rows refers to, while it is under way."""

import threading
import time

import pytest
from django.db import IntegrityError, connection

from scoring.models import Activity
from segmentation.imports import bulk
from segmentation.models import Contact
from segmentation.services.records import upsert_records
from tests.journey import worlds

pytestmark = pytest.mark.django_db(transaction=True)


def waits_for_a_lock(pid):
    with connection.cursor() as cursor:
        cursor.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone() == ("Lock",)


@pytest.mark.parametrize("first_rows", [1, 10**6], ids=["an empty table is filled", "rows are added"])
def test_nobody_an_activity_refers_to_can_be_deleted_before_it_is_stored(monkeypatch, first_rows):
    worlds.install()
    upsert_records("accounts", [{"external_id": "A1", "name": "Acme"}])
    upsert_records("contacts", [{"external_id": "C1", "account": "A1"}])
    monkeypatch.setattr(bulk, "FIRST_ROWS", first_rows)
    monkeypatch.setattr(bulk, "MANY_ROWS", 1)
    came_to: list[BaseException | None] = []
    pids: list[int] = []

    def delete():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids.append(cursor.fetchone()[0])
                cursor.execute("DELETE FROM segmentation_contact")
            came_to.append(None)
        except IntegrityError as error:
            came_to.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=delete)
    check = bulk._are_kept

    def checked_and_deleted(run, source, column, target, lock):
        found = check(run, source, column, target, lock)
        if column == "contact_id":
            assert found
            thread.start()
            end = time.monotonic() + 30
            while thread.is_alive() and not (pids and waits_for_a_lock(pids[0])) and time.monotonic() < end:
                time.sleep(0.01)
        return found

    monkeypatch.setattr(bulk, "_are_kept", checked_and_deleted)
    report = upsert_records(
        "activities",
        [{"type": "page_view", "occurred_at": "2024-03-01T10:00:00Z", "external_id": "E1", "contact": "C1"}],
    )
    thread.join(30)
    assert report.inserted == 1
    assert [type(error) for error in came_to] == [IntegrityError]
    assert Activity.objects.get().contact == Contact.objects.get()
