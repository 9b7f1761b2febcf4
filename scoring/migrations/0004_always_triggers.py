"""Let the triggers of activities fire on the bulk path of imports too.

It runs with session_replication_role = replica (`segmentation.imports.bulk`), where only triggers enabled ALWAYS fire;
while one of them is not, imports take the ordinary, slower path.
"""

from django.db import migrations

ENABLE = """
DO $$ DECLARE found name; BEGIN
    FOR found IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'scoring_activity'::regclass AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE scoring_activity ENABLE {mode} TRIGGER %I', found);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0003_activity_types")]

    operations = [migrations.RunSQL(ENABLE.format(mode="ALWAYS"), ENABLE.format(mode=""))]
