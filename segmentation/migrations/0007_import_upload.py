"""Say where an uploaded file waits to be imported."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0006_idempotency_key")]

    operations = [
        migrations.AddField(
            model_name="importrun",
            name="upload",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Where an upload waits to be imported, below the folder of uploads.",
                max_length=80,
                verbose_name="uploaded file",
            ),
        ),
    ]
