"""Drop the LIKE index of the source key; let the triggers of activities fire on the bulk path too.

The bulk path of imports (`segmentation.imports.bulk`) runs with session_replication_role = replica, where only triggers
enabled ALWAYS fire.
"""

from django.db import migrations, models

ALWAYS = """
DO $$ DECLARE found name; BEGIN
    FOR found IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'scoring_activity'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE scoring_activity ENABLE {mode} TRIGGER %I', found);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0004_outcomes"), ("segmentation", "0006_idempotency_key")]

    operations = [
        migrations.AlterField(
            model_name="activity",
            name="source_key",
            field=models.CharField(
                help_text="Identifies the activity in its source, so that the same one arriving twice is stored once.",
                max_length=240,
                verbose_name="source key",
            ),
        ),
        migrations.AddConstraint(
            model_name="activity",
            constraint=models.UniqueConstraint(fields=("source_key",), name="activity_source_key_once"),
        ),
        migrations.RunSQL(ALWAYS.format(mode="ALWAYS"), ALWAYS.format(mode="")),
    ]
