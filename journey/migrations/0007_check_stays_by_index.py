"""Let the check of changed stays look each entity up in the index.

The planner cannot know how few entities a statement changed and would rather read the whole history.
"""

from django.db import migrations

FUNCTION = "ALTER FUNCTION journey_check_stays() "


class Migration(migrations.Migration):
    dependencies = [("journey", "0006_source_key_index")]

    operations = [
        migrations.RunSQL(
            FUNCTION + "SET enable_mergejoin = off SET enable_hashjoin = off",
            FUNCTION + "RESET enable_mergejoin RESET enable_hashjoin",
        ),
    ]
