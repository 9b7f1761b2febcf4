"""Bring the ready-made journeys, published, so that history exists as soon as there is data."""

from django.db import migrations
from django.utils import timezone

from journey.documents import write_stages
from journey.ready_made import JOURNEYS


def install(apps, _schema_editor):
    model = {name: apps.get_model("journey", name) for name in ("Journey", "JourneyVersion", "Stage", "EntryRule", "Criterion")}
    for key, (name, description, order, document) in JOURNEYS.items():
        journey = model["Journey"].objects.create(key=key, name=name, description=description, unit=document["unit"], order=order)
        version = model["JourneyVersion"].objects.create(journey=journey, number=1, state="draft")
        write_stages(version, document, model["Stage"], model["EntryRule"], model["Criterion"])
        model["JourneyVersion"].objects.filter(pk=version.pk).update(state="published", published_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("journey", "0004_history_reads")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
