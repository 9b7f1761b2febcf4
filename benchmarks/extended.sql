-- The ready-made journey `extended` in SQL with window functions: the alternative the engine is measured against.
--
-- A rule changes only where something enters or leaves its window. So each sum over a window becomes a union of rows
-- that enter (+) and leave (-), a running sum over (account order by time), and the points where it crosses its
-- threshold. All points together, as +1 and -1 in one bit for each criterion, give the stage by one more running sum.
-- Running sums use the default frame (RANGE), which takes all rows of an instant together.
--
-- Intermediate tables are unlogged, not temporary, so that their scans may run in parallel.

-- People: rank (1 other .. 5 C level) and buying role over time. Before the first recorded change today's value holds.
CREATE UNLOGGED TABLE profile AS
WITH event AS (
    SELECT pgh_obj_id AS contact_id, pgh_created_at AS since, pgh_id AS sequence, seniority, buying_role,
           count(*) OVER (PARTITION BY pgh_obj_id) AS events
    FROM segmentation_contactevent
), state AS (
    SELECT id AS contact_id, '-infinity'::timestamptz AS since, 0 AS sequence, seniority, buying_role FROM segmentation_contact
    UNION ALL
    SELECT contact_id, since, sequence, seniority, buying_role FROM event WHERE events > 1
)
SELECT contact_id, since, coalesce(lead(since) OVER (PARTITION BY contact_id ORDER BY since, sequence), 'infinity') AS until,
       coalesce(array_position(ARRAY['other', 'manager', 'director', 'vp', 'c_level'], seniority::text), 0)::smallint AS rank,
       coalesce(array_position({roles}, buying_role::text), 0)::smallint AS role
FROM state;
ANALYZE profile;

-- Activities, as narrow as the rules need them.
CREATE UNLOGGED TABLE activity AS
SELECT a.account_id, a.occurred_at AS t, coalesce(a.seconds, round(y.default_minutes * 60)::int) AS seconds,
       p.contact_id, coalesce(p.role, 0::smallint) AS role,
       y.side = 'marketing' AND coalesce(p.rank, 0) >= 2 AS by_manager,
       coalesce(p.rank, 0) >= 4 AS by_vp,
       y.is_meeting AND a.outcome = 'held' AS is_meeting,
       y.is_hot, y.is_hot OR y.side = 'sales' AS is_movement
FROM scoring_activity a
JOIN scoring_activitytype y ON y.id = a.type_id
LEFT JOIN profile p ON p.contact_id = a.contact_id AND p.since <= a.occurred_at AND a.occurred_at < p.until
WHERE a.account_id IS NOT NULL;
ANALYZE activity;

-- Every change of every criterion: (account, instant, which bit, +1 or -1).
CREATE UNLOGGED TABLE change (account_id bigint, t timestamptz, bit int, step int);

-- Bits 0 aware, 1 minutes of managers, 2 meeting: sums over the whole account.
INSERT INTO change
WITH moved AS (
    SELECT account_id, t, seconds, CASE WHEN by_manager THEN seconds ELSE 0 END AS manager_seconds, is_meeting::int AS meetings
    FROM activity WHERE seconds > 0 OR is_meeting
    UNION ALL
    SELECT account_id, t + interval '2160 hours', -seconds, CASE WHEN by_manager THEN -seconds ELSE 0 END, -is_meeting::int
    FROM activity WHERE seconds > 0 OR is_meeting
), held AS (
    SELECT account_id, t, (sum(seconds) OVER w > 0)::int AS aware, (sum(manager_seconds) OVER w > 3600)::int AS minutes,
           (sum(meetings) OVER w > 0)::int AS meeting
    FROM moved WINDOW w AS (PARTITION BY account_id ORDER BY t)
), stepped AS (
    SELECT account_id, t, aware - lag(aware, 1, 0) OVER w AS aware, minutes - lag(minutes, 1, 0) OVER w AS minutes,
           meeting - lag(meeting, 1, 0) OVER w AS meeting
    FROM held WINDOW w AS (PARTITION BY account_id ORDER BY t)
)
SELECT account_id, t, bit, step
FROM stepped, LATERAL (VALUES (0, aware), (1, minutes), (2, meeting)) AS v(bit, step)
WHERE (aware <> 0 OR minutes <> 0 OR meeting <> 0) AND step <> 0;

-- Bit 3: two managers with more than ten minutes each.
INSERT INTO change
WITH moved AS (
    SELECT account_id, contact_id, t, seconds FROM activity WHERE by_manager AND seconds > 0
    UNION ALL
    SELECT account_id, contact_id, t + interval '2160 hours', -seconds FROM activity WHERE by_manager AND seconds > 0
), enough AS (
    SELECT account_id, contact_id, t, (sum(seconds) OVER (PARTITION BY account_id, contact_id ORDER BY t) > 600)::int AS held FROM moved
), person AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id, contact_id ORDER BY t) AS step FROM enough
), people AS (
    SELECT account_id, t, (sum(step) OVER (PARTITION BY account_id ORDER BY t) >= 2)::int AS held FROM person WHERE step <> 0
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id ORDER BY t) AS step FROM people
)
SELECT account_id, t, 3, step FROM stepped WHERE step <> 0;

-- Bits 4 and 5: three personas with any time, one of rank VP with an hour. A persona is a role held by some such person.
INSERT INTO change
WITH moved AS (
    SELECT account_id, contact_id, role, t, seconds, CASE WHEN by_vp THEN seconds ELSE 0 END AS vp_seconds
    FROM activity WHERE role > 0 AND seconds > 0
    UNION ALL
    SELECT account_id, contact_id, role, t + interval '2160 hours', -seconds, CASE WHEN by_vp THEN -seconds ELSE 0 END
    FROM activity WHERE role > 0 AND seconds > 0
), enough AS (
    SELECT account_id, contact_id, role, t, (sum(seconds) OVER w > 0)::int AS held, (sum(vp_seconds) OVER w >= 3600)::int AS vp
    FROM moved WINDOW w AS (PARTITION BY account_id, contact_id, role ORDER BY t)
), person AS (
    SELECT account_id, role, t, held - lag(held, 1, 0) OVER w AS step, vp - lag(vp, 1, 0) OVER w AS vp_step
    FROM enough WINDOW w AS (PARTITION BY account_id, contact_id, role ORDER BY t)
), in_role AS (
    SELECT account_id, role, t, (sum(step) OVER w > 0)::int AS held, (sum(vp_step) OVER w > 0)::int AS vp
    FROM person WHERE step <> 0 OR vp_step <> 0 WINDOW w AS (PARTITION BY account_id, role ORDER BY t)
), persona AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER w AS step, vp - lag(vp, 1, 0) OVER w AS vp_step
    FROM in_role WINDOW w AS (PARTITION BY account_id, role ORDER BY t)
), personas AS (
    SELECT account_id, t, (sum(step) OVER w >= 3)::int AS held, (sum(vp_step) OVER w >= 1)::int AS vp
    FROM persona WHERE step <> 0 OR vp_step <> 0 WINDOW w AS (PARTITION BY account_id ORDER BY t)
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER w AS step, vp - lag(vp, 1, 0) OVER w AS vp_step
    FROM personas WINDOW w AS (PARTITION BY account_id ORDER BY t)
)
SELECT account_id, t, bit, v.step
FROM stepped, LATERAL (VALUES (4, stepped.step), (5, vp_step)) AS v(bit, step)
WHERE v.step <> 0;

-- Deals, row by row. State: 1 identified, 2 active, 3 intent, 4 won, 5 lost, 6 not mapped, null not changed.
-- max(row * 8 + state) carries the last state that meets a condition.
CREATE UNLOGGED TABLE deal_row AS
WITH numbered AS (
    SELECT o.account_id, c.opportunity_id AS deal, c.effective AS t,
           CASE WHEN c.crm_stage_id IS NOT NULL THEN
               CASE c.meaning WHEN 'identified' THEN 1 WHEN 'active' THEN 2 WHEN 'intent' THEN 3 WHEN 'won' THEN 4 WHEN 'lost' THEN 5 ELSE 6 END
           END AS state, c.sequence
    FROM ({effective}) c JOIN journey_opportunity o ON o.id = c.opportunity_id
    WHERE c.effective IS NOT NULL
), ordered AS (
    SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY t, sequence, coalesce(state, -1), deal) AS row FROM numbered
), carried AS (
    SELECT account_id, deal, t, row, state,
           max(row * 8 + state) FILTER (WHERE state IS NOT NULL) OVER w % 8 AS now,
           max(row * 8 + state) FILTER (WHERE state <> 6) OVER w % 8 AS mapped,
           max(row * 8 + state) FILTER (WHERE state <= 3) OVER w % 8 AS open_group,
           min(t) FILTER (WHERE state <> 4) OVER (w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS not_won_from
    FROM ordered WINDOW w AS (PARTITION BY deal ORDER BY row)
)
SELECT *, lag(now) OVER (PARTITION BY deal ORDER BY row) AS before FROM carried;

-- Deals, one row for each instant: the state from then on, and what happened.
CREATE UNLOGGED TABLE deal AS
WITH marked AS (
    SELECT *,
           max(row) FILTER (WHERE state IN (4, 5) AND state IS DISTINCT FROM before) OVER w AS closed_row,
           max(t) FILTER (WHERE state IN (4, 5) AND state IS DISTINCT FROM before) OVER w AS closed_at,
           max(t) FILTER (WHERE state = 5 AND before IS DISTINCT FROM 5) OVER w AS lost_at
    FROM deal_row WINDOW w AS (PARTITION BY deal ORDER BY row)
), last AS (
    SELECT DISTINCT ON (deal, t) * FROM marked ORDER BY deal, t, row DESC
), compared AS (
    SELECT *, lead(t) OVER w AS until, lag(now) OVER w AS was, lag(mapped) OVER w AS was_mapped FROM last WINDOW w AS (PARTITION BY deal ORDER BY t)
)
SELECT account_id, deal, t, coalesce(until, 'infinity') AS until, now, closed_row, closed_at,
       (now = 4 AND was IS DISTINCT FROM 4)
       OR (now <= 3 AND (was_mapped IS NULL OR was_mapped > 3 OR now > was_mapped)) AS moved_on,
       now = 5 AND lost_at = t AND open_group = 3 AS lost_late
FROM compared;
CREATE INDEX ON deal (account_id, t);
ANALYZE deal;

-- The deals of an account together, at each instant at which one of them changed.
CREATE UNLOGGED TABLE deals AS
WITH instant AS (
    SELECT DISTINCT account_id, t FROM deal
), together AS (
    SELECT i.account_id, i.t,
           coalesce(bool_or(d.now <= 3), false) AS is_open, max(d.now) FILTER (WHERE d.now <= 3) AS most,
           max(d.t) FILTER (WHERE d.now <= 3) AS changed,
           coalesce(bool_or(d.now = 6), false) AS unmapped, coalesce(bool_or(d.now = 4), false) AS won,
           max(d.closed_row * 8 + d.now) FILTER (WHERE d.now IN (4, 5)) % 8 AS closed_as,
           max(d.closed_at) FILTER (WHERE d.now IN (4, 5)) AS closed_at,
           coalesce(bool_or(d.moved_on) FILTER (WHERE d.t = i.t), false) AS moved_on,
           coalesce(bool_or(d.lost_late) FILTER (WHERE d.t = i.t), false) AS lost_late
    FROM instant i JOIN deal d ON d.account_id = i.account_id AND d.t <= i.t AND i.t < d.until
    GROUP BY i.account_id, i.t
)
SELECT *, lead(t) OVER (PARTITION BY account_id ORDER BY t) AS next FROM together;
ANALYZE deals;

-- Bits 6 qualified, 7 opportunity, 8 won, 9 lost.
INSERT INTO change
WITH held AS (
    SELECT account_id, t, (is_open AND most = 1)::int AS qualified, (is_open AND most > 1)::int AS opportunity, won::int AS won,
           (NOT is_open AND NOT unmapped AND coalesce(closed_as = 5 AND t < closed_at + interval '2160 hours', false))::int AS lost
    FROM deals
    UNION ALL -- ninety days after the loss
    SELECT account_id, closed_at + interval '2160 hours', 0, 0, won::int, 0
    FROM deals
    WHERE NOT is_open AND NOT unmapped AND closed_as = 5 AND t < closed_at + interval '2160 hours'
      AND (next IS NULL OR closed_at + interval '2160 hours' < next)
), stepped AS (
    SELECT account_id, t, qualified - lag(qualified, 1, 0) OVER w AS qualified, opportunity - lag(opportunity, 1, 0) OVER w AS opportunity,
           won - lag(won, 1, 0) OVER w AS won, lost - lag(lost, 1, 0) OVER w AS lost
    FROM held WINDOW w AS (PARTITION BY account_id ORDER BY t)
)
SELECT account_id, t, bit, step
FROM stepped, LATERAL (VALUES (6, qualified), (7, opportunity), (8, won), (9, lost)) AS v(bit, step)
WHERE step <> 0;

-- Every open deal stalled: neither a deal nor sales nor a hot activity moved for thirty days.
CREATE UNLOGGED TABLE stall AS
WITH point AS (
    SELECT account_id, t, changed, is_open, true AS is_deal FROM deals
    UNION ALL
    SELECT account_id, t, NULL, NULL, false FROM activity WHERE is_movement AND account_id IN (SELECT account_id FROM deals)
), numbered AS (
    SELECT *, count(*) FILTER (WHERE is_deal) OVER w AS part, max(t) FILTER (WHERE NOT is_deal) OVER w AS moved
    FROM point WINDOW w AS (PARTITION BY account_id ORDER BY t)
), filled AS (
    SELECT DISTINCT account_id, t, moved, max(changed) OVER p AS changed, coalesce(bool_or(is_open) OVER p, false) AS is_open
    FROM numbered WINDOW p AS (PARTITION BY account_id, part)
), dated AS (
    SELECT account_id, t, is_open, greatest(changed, moved) + interval '720 hours' AS stalls, lead(t) OVER (PARTITION BY account_id ORDER BY t) AS next
    FROM filled
), held AS (
    SELECT account_id, t, is_open AND stalls <= t AS held FROM dated
    UNION ALL
    SELECT account_id, stalls, true FROM dated WHERE is_open AND t < stalls AND (next IS NULL OR stalls < next)
)
SELECT account_id, t FROM (SELECT account_id, t, held, lag(held, 1, false) OVER (PARTITION BY account_id ORDER BY t) AS before FROM held) s
WHERE held AND NOT before;

-- Bit 10, recycling: ninety days from a late loss or a stall, ended at once by a hot activity, a deal that moves on or a win.
INSERT INTO change
WITH event AS (
    SELECT account_id, t, lost_late AND NOT is_open AS begins, moved_on AS ends FROM deals WHERE lost_late OR moved_on
    UNION ALL
    SELECT account_id, t, true, false FROM stall
    UNION ALL
    SELECT account_id, t, false, true FROM activity WHERE is_hot AND account_id IN (SELECT account_id FROM deals)
), instant AS (
    SELECT account_id, t, bool_or(begins) AS begins, bool_or(ends) AS ends FROM event GROUP BY account_id, t
), ended AS (
    SELECT account_id, t, begins AND NOT ends AS begins,
           min(t) FILTER (WHERE ends) OVER (PARTITION BY account_id ORDER BY t ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends_at
    FROM instant
), hold AS (
    SELECT account_id, t, least(t + interval '2160 hours', ends_at) AS until FROM ended WHERE begins
), moved AS (
    SELECT account_id, t, 1 AS step FROM hold UNION ALL SELECT account_id, until, -1 FROM hold
), held AS (
    SELECT account_id, t, (sum(step) OVER (PARTITION BY account_id ORDER BY t) > 0)::int AS held FROM moved
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id ORDER BY t) AS step FROM held
)
SELECT account_id, t, 10, step FROM stepped WHERE step <> 0;

-- Bit 11, former customer: a customer period ended, none is in force and nothing was won since.
INSERT INTO change
WITH win AS (
    SELECT account_id, t, coalesce(not_won_from, 'infinity') AS until FROM deal_row WHERE state = 4 AND before IS DISTINCT FROM 4
), period AS (
    SELECT account_id, started_at AS since, coalesce(ended_at, 'infinity') AS until FROM journey_customerperiod
), instant AS (
    SELECT account_id, since AS t FROM period
    UNION SELECT account_id, until FROM period WHERE until < 'infinity'
    UNION SELECT account_id, t FROM win WHERE account_id IN (SELECT account_id FROM period)
    UNION SELECT account_id, until FROM win WHERE until < 'infinity' AND account_id IN (SELECT account_id FROM period)
), ended AS (
    SELECT i.account_id, i.t, max(p.until) FILTER (WHERE p.until <= i.t) AS ended, bool_or(p.since <= i.t AND i.t < p.until) AS in_force
    FROM instant i JOIN period p USING (account_id) GROUP BY i.account_id, i.t
), held AS (
    SELECT account_id, t, (ended IS NOT NULL AND NOT in_force AND NOT EXISTS (
        SELECT FROM win w WHERE w.account_id = e.account_id AND e.ended <= w.t AND w.t <= e.t AND e.t < w.until))::int AS held
    FROM ended e
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id ORDER BY t) AS step FROM held
)
SELECT account_id, t, 11, step FROM stepped WHERE step <> 0;

-- Bit 12: disqualified. Periods may overlap.
INSERT INTO change
WITH period AS (
    SELECT f.account_id, f.start_at, f.end_at FROM segmentation_accountflag f JOIN segmentation_flagtype y ON y.id = f.flag_type_id WHERE y.key = 'disqualified'
), moved AS (
    SELECT account_id, start_at AS t, 1 AS step FROM period UNION ALL SELECT account_id, end_at, -1 FROM period WHERE end_at IS NOT NULL
), held AS (
    SELECT account_id, t, (sum(step) OVER (PARTITION BY account_id ORDER BY t) > 0)::int AS held FROM moved
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id ORDER BY t) AS step FROM held
)
SELECT account_id, t, 12, step FROM stepped WHERE step <> 0;

-- Bit 13: tier 1. Before the recorded history of an account today's value stands in.
INSERT INTO change
WITH event AS (
    SELECT pgh_obj_id AS account_id, pgh_created_at AS t, pgh_id AS sequence, tier, count(*) OVER (PARTITION BY pgh_obj_id) AS events
    FROM segmentation_accountevent
), last AS (
    SELECT DISTINCT ON (account_id, t) account_id, t, tier FROM event WHERE events > 1 ORDER BY account_id, t, sequence DESC
), value AS (
    SELECT id AS account_id, '-infinity'::timestamptz AS t, coalesce(tier = 1, false)::int AS held FROM segmentation_account
    UNION ALL
    SELECT account_id, t, coalesce(tier = 1, false)::int FROM last
), stepped AS (
    SELECT account_id, t, held - lag(held, 1, 0) OVER (PARTITION BY account_id ORDER BY t) AS step FROM value
)
SELECT account_id, t, 13, step FROM stepped WHERE step <> 0;
ANALYZE change;

-- The stage from all bits, from the beginning of each history: its creation or its first fact.
CREATE UNLOGGED TABLE stays AS
WITH beginning AS (
    SELECT a.id AS account_id, least(coalesce(a.created_in_source_at, a.recorded_at), x.t, d.t, i.t) AS t
    FROM segmentation_account a
    LEFT JOIN (SELECT account_id, min(t) AS t FROM activity GROUP BY account_id) x ON x.account_id = a.id
    LEFT JOIN (SELECT account_id, min(t) AS t FROM deal_row GROUP BY account_id) d ON d.account_id = a.id
    LEFT JOIN (SELECT account_id, min(occurred_at) AS t FROM scoring_intentsignal GROUP BY account_id) i ON i.account_id = a.id
), point AS (
    SELECT account_id, t, 0 AS step FROM beginning
    UNION ALL
    SELECT c.account_id, greatest(c.t, b.t), step << bit FROM change c JOIN beginning b USING (account_id)
), held AS (
    SELECT account_id, t, sum(step) OVER (PARTITION BY account_id ORDER BY t) AS bits FROM point
), staged AS (
    SELECT account_id, t, CASE
        WHEN bits & (1 << 12) <> 0 THEN 'disqualified'
        WHEN bits & (1 << 8) <> 0 AND bits & (1 << 11) = 0 THEN 'customer'
        WHEN bits & (1 << 10) <> 0 THEN 'recycle'
        WHEN bits & (1 << 7) <> 0 THEN 'opportunity'
        WHEN bits & (1 << 6) <> 0 THEN 'qualified'
        WHEN bits & (1 << 9) <> 0 THEN 'lost'
        WHEN bits & (1 << 2) <> 0 THEN 'meeting'
        WHEN CASE WHEN bits & (1 << 13) <> 0 THEN bits & ((1 << 1) | (1 << 3)) = (1 << 1) | (1 << 3)
                  ELSE bits & ((1 << 4) | (1 << 5)) = (1 << 4) | (1 << 5) END THEN 'mqa'
        WHEN bits & 1 <> 0 THEN 'aware'
        ELSE 'none' END AS stage
    FROM held
), changed AS (
    SELECT *, lag(stage) OVER (PARTITION BY account_id ORDER BY t) AS before FROM staged
)
SELECT c.account_id, s.id AS stage_id, c.t AS start_at, lead(c.t) OVER (PARTITION BY c.account_id ORDER BY c.t) AS end_at
FROM changed c JOIN journey_stage s ON s.version_id = {version} AND s.key = c.stage
WHERE c.before IS DISTINCT FROM c.stage;
CREATE UNIQUE INDEX ON stays (account_id, start_at);
ANALYZE stays;
