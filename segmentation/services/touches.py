"""Keeping the change feed short."""

from collections.abc import Iterable

from django.db import connection, transaction


def prune_touches(snapshots: Iterable[str]) -> int:
    """Forget changes that every reader has seen; `snapshots` are those the readers were made from. Returns how many.

    How far the feed was shortened is kept, so that a reader left out here (a cache on another machine) finds out.
    """
    known = [snapshot for snapshot in snapshots if snapshot]
    if not known:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO segmentation_feedstate (id, pruned_before)"
            " SELECT 1, min(pg_snapshot_xmin(s::pg_snapshot)) FROM unnest(%s::text[]) s"
            " ON CONFLICT (id) DO UPDATE"
            " SET pruned_before = greatest(segmentation_feedstate.pruned_before, excluded.pruned_before)",
            [known],
        )
        cursor.execute(
            "DELETE FROM segmentation_facttouch"
            " WHERE txid < (SELECT pruned_before FROM segmentation_feedstate WHERE id = 1)"
        )
        return int(cursor.rowcount)
