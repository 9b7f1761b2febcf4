"""Parent companies and their subsidiaries."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import connection


def ancestors(account: int) -> list[int]:
    """Primary keys of the parent company, its parent and so on, the nearest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE up (id, parent_id, step) AS ("
            "  SELECT id, parent_id, 0 FROM segmentation_account WHERE id = %s"
            "  UNION ALL SELECT a.id, a.parent_id, u.step + 1"
            "  FROM segmentation_account a JOIN up u ON a.id = u.parent_id"
            ") CYCLE id SET is_cycle USING path SELECT id FROM up WHERE step > 0 AND NOT is_cycle ORDER BY step",
            [account],
        )
        return [pk for (pk,) in cursor.fetchall()]


def families(tops: Iterable[int]) -> dict[int, dict[int, int]]:
    """For each account its subsidiaries, theirs and so on: primary key -> parent. Itself is not among them."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE down (top, id, parent_id, step) AS ("
            "  SELECT parent_id, id, parent_id, 1 FROM segmentation_account WHERE parent_id = ANY (%s)"
            "  UNION ALL SELECT d.top, a.id, a.parent_id, d.step + 1"
            "  FROM segmentation_account a JOIN down d ON a.parent_id = d.id"
            ") CYCLE id SET is_cycle USING path"
            " SELECT top, id, parent_id FROM down WHERE NOT is_cycle ORDER BY step, id",
            [list(tops)],
        )
        for top, account, parent in cursor.fetchall():
            found[top][account] = parent
    return dict(found)


__all__ = ["ancestors", "families"]
