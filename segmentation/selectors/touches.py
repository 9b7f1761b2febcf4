"""What changed since a database snapshot."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segmentation.engine.steps import Int64s
from segmentation.facts.copying import read_rows


@dataclass(frozen=True)
class Touched:
    """Primary keys of accounts, contacts and opportunities whose facts changed; `everything` when a setting did."""

    everything: bool
    accounts: Int64s
    contacts: Int64s
    opportunities: Int64s

    def __len__(self) -> int:
        return len(self.accounts) + len(self.contacts) + len(self.opportunities)


def touched_since(connection: Any, snapshot: str) -> Touched:
    """Whose facts were changed by transactions that `snapshot` (pg_current_snapshot as text) could not see."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM segmentation_feedstate WHERE pruned_before > pg_snapshot_xmin(%s::pg_snapshot)", [snapshot]
        )
        if cursor.fetchone():
            nobody = np.empty(0, dtype=np.int64)
            return Touched(True, nobody, nobody, nobody)
    rows = read_rows(
        connection,
        "SELECT DISTINCT coalesce(account_id, -1), coalesce(contact_id, -1), coalesce(opportunity_id, -1)"
        " FROM segmentation_facttouch"
        " WHERE txid >= pg_snapshot_xmin(%s::pg_snapshot) AND NOT pg_visible_in_snapshot(txid, %s::pg_snapshot)",
        {"account": "i8", "contact": "i8", "opportunity": "i8"},
        [snapshot, snapshot],
    )
    empty = (rows["account"] < 0) & (rows["contact"] < 0) & (rows["opportunity"] < 0)

    def keys(name: str) -> Int64s:
        return np.unique(rows[name][rows[name] >= 0])

    return Touched(bool(empty.any()), keys("account"), keys("contact"), keys("opportunity"))


def changed_since(connection: Any, snapshot: str, assessments: bool) -> Touched:
    """The same, and with `assessments` whose assessed fit changed, for rules that read it.

    Assessments are no facts: they are made of them, and must not call for new assessments.
    """
    touched = touched_since(connection, snapshot)
    if not assessments or touched.everything:
        return touched
    rows = read_rows(
        connection,
        "SELECT DISTINCT account_id FROM segmentation_icpassessment"
        " WHERE txid >= pg_snapshot_xmin(%s::pg_snapshot) AND NOT pg_visible_in_snapshot(txid, %s::pg_snapshot)",
        {"account": "i8"},
        [snapshot, snapshot],
    )
    return replace(touched, accounts=np.union1d(touched.accounts, rows["account"]))


def current_snapshot(connection: Any) -> str:
    """The transactions this one can see, as text. Its own is not one of them: it may change more before it ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text, pg_current_xact_id_if_assigned()::text")
        snapshot, own = cursor.fetchone()
    xmin, xmax, running = snapshot.split(":")
    if own is None or int(own) >= int(xmax):
        return str(snapshot)
    # Younger ones have ended already, and PostgreSQL does not count its own among those that run.
    return f"{xmin}:{xmax}:{','.join(sorted({own, *running.split(',')} - {''}, key=int))}"


def earliest(snapshots: Iterable[str]) -> str:
    """The snapshot that was taken first: of two, it sees no transaction that the other does not."""

    def age(snapshot: str) -> tuple[int, int, int]:
        xmin, xmax, running = snapshot.split(":")
        return int(xmax), int(xmin), -len(running.split(","))

    return min(snapshots, key=age)
