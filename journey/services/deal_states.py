"""The state of deals, worked out from their changes in one statement."""

from typing import Any

from django.db import connection

# When a change takes effect, over the windows of its deal. An undated change lies before any dated one of a higher
# sequence, else it counts from when it was learnt. A close dated before the deal was opened, although the source has
# it after the opening, takes effect with the opening: otherwise the opening would look like a reopening.
_DERIVE = """
WITH changes AS (
    SELECT c.opportunity_id, c.id, c.sequence, c.crm_stage_id, c.amount, c.expected_close, c.occurred_at, c.recorded_at,
           coalesce(m.meaning, '') AS meaning,
           bool_or(c.occurred_at IS NOT NULL) OVER later AS is_overtaken,
           min(c.occurred_at) FILTER (WHERE m.meaning IN ('identified', 'active', 'intent')) OVER sooner AS opening
    FROM journey_opportunitychange c LEFT JOIN journey_crmstage m ON m.id = c.crm_stage_id
    WHERE c.opportunity_id IN ({which})
    WINDOW later AS (PARTITION BY c.opportunity_id ORDER BY c.sequence RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING),
           sooner AS (PARTITION BY c.opportunity_id ORDER BY c.sequence RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), ordered AS (
    SELECT *, row_number() OVER (PARTITION BY opportunity_id ORDER BY effective, sequence, id) AS place
    FROM (SELECT *, CASE
            WHEN occurred_at IS NULL AND is_overtaken THEN '-infinity'
            WHEN occurred_at IS NULL THEN recorded_at
            WHEN meaning IN ('won', 'lost') THEN greatest(occurred_at, opening)
            ELSE occurred_at END AS effective FROM changes) e
), latest AS (
    SELECT opportunity_id,
           (array_agg(crm_stage_id ORDER BY place DESC) FILTER (WHERE crm_stage_id IS NOT NULL))[1] AS crm_stage_id,
           (array_agg(meaning ORDER BY place DESC) FILTER (WHERE crm_stage_id IS NOT NULL))[1] AS meaning,
           (array_agg(amount ORDER BY place DESC) FILTER (WHERE amount IS NOT NULL))[1] AS amount,
           (array_agg(expected_close ORDER BY place DESC) FILTER (WHERE expected_close IS NOT NULL))[1] AS expected_close,
           min(occurred_at) FILTER (WHERE meaning IN ('identified', 'active', 'intent')) AS opened_at
    FROM ordered GROUP BY opportunity_id
), closing AS (
    SELECT l.opportunity_id, (
        -- Where the present closing began: the first change after the last one of another meaning.
        SELECT coalesce(o.occurred_at, o.recorded_at) FROM ordered o
        WHERE o.opportunity_id = l.opportunity_id AND o.crm_stage_id IS NOT NULL AND o.place > coalesce((
            SELECT max(b.place) FROM ordered b
            WHERE b.opportunity_id = l.opportunity_id AND b.crm_stage_id IS NOT NULL AND b.meaning <> l.meaning), 0)
        ORDER BY o.place LIMIT 1) AS closed_at
    FROM latest l WHERE l.meaning IN ('won', 'lost')
)
UPDATE journey_opportunity t SET crm_stage_id = n.crm_stage_id, amount = n.amount, expected_close = n.expected_close,
       opened_at = n.opened_at, closed_at = n.closed_at, updated_at = now()
FROM (
    SELECT l.opportunity_id, coalesce(l.crm_stage_id, o.crm_stage_id) AS crm_stage_id, coalesce(l.amount, o.amount) AS amount,
           coalesce(l.expected_close, o.expected_close) AS expected_close,
           coalesce(l.opened_at, o.created_in_source_at) AS opened_at, c.closed_at
    FROM latest l JOIN journey_opportunity o ON o.id = l.opportunity_id LEFT JOIN closing c ON c.opportunity_id = l.opportunity_id
) n
WHERE t.id = n.opportunity_id AND (t.crm_stage_id, t.amount, t.expected_close, t.opened_at, t.closed_at)
      IS DISTINCT FROM (n.crm_stage_id, n.amount, n.expected_close, n.opened_at, n.closed_at)
"""


def derive_deals(which: str = "SELECT id FROM journey_opportunity", params: dict[str, Any] | None = None) -> int:
    """Write stage, amount, expected close, opening and closing of deals as their changes say.

    Args:
        which: SQL for the ids of the deals; all of them by default.
        params: its parameters.

    Returns:
        The number of deals that changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DERIVE.format(which=which), params)
        changed: int = cursor.rowcount
    return changed
