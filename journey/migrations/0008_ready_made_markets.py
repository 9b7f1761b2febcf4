"""Bring the five nested markets, so that the page has something to show as soon as there is data."""

from django.db import migrations

from journey.ready_made_markets import install_markets


def install(apps, _schema_editor):
    install_markets(apps.get_model("journey", "MarketLevel"))


class Migration(migrations.Migration):
    dependencies = [("journey", "0007_markets")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
