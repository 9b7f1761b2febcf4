"""The state of deals, worked out from their changes in one statement."""

from typing import Any

from django.db import connection

from journey.facts.changes import EFFECTIVE_CHANGES

_DERIVE = (
    """
WITH changes AS ("""
    + EFFECTIVE_CHANGES
    + """), ordered AS (
    SELECT *, row_number() OVER (
               PARTITION BY opportunity_id ORDER BY coalesce(effective, '-infinity'), sequence, id) AS place
    FROM changes
), ended AS (
    SELECT *, first_value(meaning) OVER (
               PARTITION BY opportunity_id ORDER BY crm_stage_id IS NULL, place DESC) AS ending
    FROM ordered
), told AS (
    SELECT *, max(place) FILTER (WHERE crm_stage_id IS NOT NULL AND meaning <> ending)
               OVER (PARTITION BY opportunity_id) AS last_other
    FROM ended
), latest AS (
    SELECT opportunity_id,
           (array_agg(crm_stage_id ORDER BY place DESC) FILTER (WHERE crm_stage_id IS NOT NULL))[1] AS crm_stage_id,
           (array_agg(amount ORDER BY place DESC) FILTER (WHERE amount IS NOT NULL))[1] AS amount,
           (array_agg(expected_close ORDER BY place DESC)
               FILTER (WHERE expected_close IS NOT NULL))[1] AS expected_close,
           min(occurred_at) FILTER (WHERE meaning IN ('identified', 'active', 'intent')) AS opened_at,
           -- The present closing began with the first change after the last one of another meaning.
           (array_agg(coalesce(occurred_at, recorded_at) ORDER BY place) FILTER (
               WHERE ending IN ('won', 'lost') AND crm_stage_id IS NOT NULL
               AND place > coalesce(last_other, 0)))[1] AS closed_at
    FROM told GROUP BY opportunity_id
)
UPDATE journey_opportunity t SET crm_stage_id = n.crm_stage_id, amount = n.amount, expected_close = n.expected_close,
       opened_at = n.opened_at, closed_at = n.closed_at, updated_at = now()
FROM (
    SELECT l.opportunity_id, coalesce(l.crm_stage_id, o.crm_stage_id) AS crm_stage_id,
           coalesce(l.amount, o.amount) AS amount, coalesce(l.expected_close, o.expected_close) AS expected_close,
           coalesce(l.opened_at, o.created_in_source_at) AS opened_at, l.closed_at
    FROM latest l JOIN journey_opportunity o ON o.id = l.opportunity_id
) n
WHERE t.id = n.opportunity_id AND (t.crm_stage_id, t.amount, t.expected_close, t.opened_at, t.closed_at)
      IS DISTINCT FROM (n.crm_stage_id, n.amount, n.expected_close, n.opened_at, n.closed_at)
"""
)


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
