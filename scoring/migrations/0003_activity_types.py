"""Add the activity types every installation begins with; those already there are left as they are."""

from decimal import Decimal

from django.db import migrations

from scoring.ready_made import ACTIVITY_TYPES


def add_types(apps, schema_editor):
    activity_type = apps.get_model("scoring", "ActivityType")
    known = set(activity_type.objects.values_list("key", flat=True))
    activity_type.objects.bulk_create(
        activity_type(
            key=ready.key,
            name=ready.name,
            side=ready.side,
            category=ready.category,
            default_minutes=Decimal(ready.minutes),
            is_hot=ready.is_hot,
            is_meeting=ready.is_meeting,
        )
        for ready in ACTIVITY_TYPES
        if ready.key not in known
    )


def remove_unused_types(apps, schema_editor):
    keys = [ready.key for ready in ACTIVITY_TYPES]
    apps.get_model("scoring", "ActivityType").objects.filter(key__in=keys, activities__isnull=True).delete()


class Migration(migrations.Migration):
    dependencies = [("scoring", "0002_relations")]

    operations = [migrations.RunPython(add_types, remove_unused_types)]
