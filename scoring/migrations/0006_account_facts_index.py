"""Read the activities of a few accounts from the index alone: their rows lie all over the table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0005_source_key_index")]

    operations = [
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                fields=["account", "occurred_at"],
                include=["contact", "type", "seconds", "outcome"],
                name="activity_account_facts",
            ),
        ),
        migrations.RemoveIndex(model_name="activity", name="activity_account_time"),
    ]
