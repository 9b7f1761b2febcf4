"""When a change of a deal takes effect: the one place that decides it, for histories and for the state of deals."""

# An undated change counts from when it was learnt, unless a change of a higher sequence is dated: then it lies
# somewhere before that one and takes no time (effective is null). A close dated before the deal was opened, although
# the source has it after the opening, takes effect a microsecond after it: otherwise the opening would look like a
# reopening, and a deal that was never open would be missing among those that could be won.
# {which}: SQL for the ids of the deals.
EFFECTIVE_CHANGES = """
SELECT id, opportunity_id, sequence, crm_stage_id, amount, expected_close, occurred_at, recorded_at, meaning,
       CASE WHEN occurred_at IS NULL THEN CASE WHEN NOT is_overtaken THEN recorded_at END
            WHEN meaning IN ('won', 'lost') AND occurred_at < opening THEN opening + interval '1 microsecond'
            ELSE occurred_at END AS effective
FROM (
    SELECT c.*, coalesce(m.meaning, '') AS meaning,
           coalesce(max(c.sequence) FILTER (WHERE c.occurred_at IS NOT NULL) OVER (PARTITION BY c.opportunity_id)
                    > c.sequence, false) AS is_overtaken,
           min(c.occurred_at) FILTER (WHERE m.meaning IN ('identified', 'active', 'intent')) OVER sooner AS opening
    FROM journey_opportunitychange c LEFT JOIN journey_crmstage m ON m.id = c.crm_stage_id
    WHERE c.opportunity_id IN ({which})
    WINDOW sooner AS (PARTITION BY c.opportunity_id ORDER BY c.sequence
                      RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) c
"""
