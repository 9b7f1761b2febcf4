"""Add the flag the stage Disqualified reads."""

from django.db import migrations
from django.utils.translation import gettext_noop


def add_disqualified(apps, schema_editor):
    apps.get_model("segmentation", "FlagType").objects.get_or_create(
        key="disqualified",
        defaults={
            "name": gettext_noop("Disqualified"),
            "description": gettext_noop("Not to be worked: the account is out of every list while this is in force."),
        },
    )


def remove_unused(apps, schema_editor):
    apps.get_model("segmentation", "FlagType").objects.filter(key="disqualified", account_flags__isnull=True).delete()


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0001_initial")]

    operations = [migrations.RunPython(add_disqualified, remove_unused)]
