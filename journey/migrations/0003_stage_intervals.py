"""The partitioned table of stays, and the check that those of one entity neither overlap nor leave gaps."""

from django.db import migrations

TABLE = """
CREATE SEQUENCE journey_stageinterval_id_seq CACHE 1000;
CREATE TABLE journey_stageinterval (
    id bigint NOT NULL DEFAULT nextval('journey_stageinterval_id_seq'),
    history_id bigint NOT NULL,
    entity_id bigint NOT NULL,
    account_id bigint,
    stage_id bigint NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz,
    rule_id bigint,
    grade smallint NOT NULL,
    is_first boolean NOT NULL,
    CONSTRAINT stageinterval_ends_after_start CHECK (end_at > start_at)
) PARTITION BY LIST (history_id);
CREATE UNIQUE INDEX stageinterval_start ON journey_stageinterval (history_id, entity_id, start_at);
"""

CHECK = """
CREATE FUNCTION journey_broken_stays(stays regclass, entities bigint[]) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE broken bigint;
BEGIN
    -- A stay must end exactly where the next one of the same entity begins; only the last one is open.
    EXECUTE format(
        'SELECT entity_id FROM (SELECT entity_id, end_at, lead(start_at) OVER (PARTITION BY history_id, entity_id ORDER BY start_at)'
        ' AS next_start FROM %s WHERE $1 IS NULL OR entity_id = ANY ($1)) s WHERE end_at IS DISTINCT FROM next_start LIMIT 1', stays)
    INTO broken USING entities;
    RETURN broken;
END $$;

-- The planner cannot know how few entities a statement changed and would rather read the whole history than the index.
CREATE FUNCTION journey_check_stays() RETURNS trigger LANGUAGE plpgsql
SET enable_mergejoin = off SET enable_hashjoin = off AS $$
DECLARE broken bigint;
BEGIN
    SELECT s.entity_id INTO broken
    FROM (
        SELECT i.entity_id, i.end_at, lead(i.start_at) OVER (PARTITION BY i.history_id, i.entity_id ORDER BY i.start_at) AS next_start
        FROM journey_stageinterval i
        JOIN (SELECT DISTINCT history_id, entity_id FROM changed) c ON c.history_id = i.history_id AND c.entity_id = i.entity_id
    ) s
    WHERE s.end_at IS DISTINCT FROM s.next_start LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'The stays of entity % overlap or leave a gap.', broken
        USING ERRCODE = 'exclusion_violation', HINT = 'Histories are derived: rebuild them with manage.py replay --full.';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER stageinterval_seamless_insert AFTER INSERT ON journey_stageinterval
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION journey_check_stays();
CREATE TRIGGER stageinterval_seamless_update AFTER UPDATE ON journey_stageinterval
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION journey_check_stays();
CREATE TRIGGER stageinterval_seamless_delete AFTER DELETE ON journey_stageinterval
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION journey_check_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("journey", "0002_relations")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE journey_stageinterval; DROP SEQUENCE journey_stageinterval_id_seq;"),
        migrations.RunSQL(CHECK, "DROP FUNCTION journey_check_stays() CASCADE; DROP FUNCTION journey_broken_stays(regclass, bigint[]);"),
    ]
