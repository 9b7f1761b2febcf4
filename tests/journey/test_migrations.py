"""Migrations can be taken back and applied again."""

import pytest
from django.core.management import call_command
from django.db import connection

from journey.models import Journey


@pytest.mark.trust
@pytest.mark.django_db(transaction=True)
def test_every_migration_of_the_project_is_reversible():
    for app in ("journey", "scoring", "segmentation"):
        call_command("migrate", app, "zero", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'S')"
            " AND (relname LIKE 'journey_%' OR relname LIKE 'scoring_%' OR relname LIKE 'segmentation_%')"
        )
        assert cursor.fetchone()[0] == 0
    call_command("migrate", verbosity=0)
    assert set(Journey.objects.values_list("key", flat=True)) == {"standard", "extended"}
