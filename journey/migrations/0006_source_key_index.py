"""Drop the LIKE index of the source key: nobody looks for part of one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("journey", "0005_ready_made_journeys")]

    operations = [
        migrations.AlterField(
            model_name="opportunitychange",
            name="source_key",
            field=models.CharField(max_length=240, verbose_name="source key"),
        ),
        migrations.AddConstraint(
            model_name="opportunitychange",
            constraint=models.UniqueConstraint(fields=("source_key",), name="oppchange_source_key_once"),
        ),
    ]
