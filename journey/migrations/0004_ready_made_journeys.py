"""Bring the ready-made journeys, published, so that history exists as soon as there is data."""

from django.db import migrations

from journey.documents import install_journeys

MODELS = ("Journey", "JourneyVersion", "Stage", "EntryRule", "Criterion")


def install(apps, _schema_editor):
    install_journeys(*(apps.get_model("journey", name) for name in MODELS))


class Migration(migrations.Migration):
    dependencies = [("journey", "0003_stage_intervals")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
