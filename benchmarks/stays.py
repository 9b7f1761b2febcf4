"""Histories in one form, so that those of different makers can be compared row by row."""

from pathlib import Path
from typing import Any

import numpy as np

from segmentation.facts.copying import read_rows

STAY = np.dtype([("account", "i8"), ("stage", "i8"), ("start", "i8"), ("end", "i8")])
OPEN = np.iinfo(np.int64).max
_LATE = 253_000_000_000_000_000  # later than any time a stay ends at

Stays = np.ndarray[Any, np.dtype[np.void]]


def stays_of(account: Any, stage: Any, start: Any, end: Any) -> Stays:
    """Stays by account and start. stage: primary keys; end: OPEN for stays that last."""
    found = np.empty(len(account), dtype=STAY)
    for name, values in zip(STAY.names or (), (account, stage, start, end), strict=True):
        found[name] = values
    return found[np.lexsort([found["start"], found["account"]])]


def read_stays(connection: Any, table: str, where: str = "true") -> Stays:
    """The stays in a table with the columns account_id, stage_id, start_at and end_at."""
    rows = read_rows(
        connection,
        f"SELECT account_id, stage_id, start_at, coalesce(end_at, '9999-01-01+00') FROM {table} WHERE {where}",
        {"account": "i8", "stage": "i8", "start": "time", "end": "time"},
    )
    return stays_of(rows["account"], rows["stage"], rows["start"], np.where(rows["end"] > _LATE, OPEN, rows["end"]))


def differences(one: Stays, other: Stays) -> int:
    """How many stays only one of the two histories has."""
    if np.array_equal(one, other):
        return 0
    left, right = ({row.tobytes() for row in stays} for stays in (one, other))
    return len(left ^ right)


def save(stays: Stays, path: Path) -> None:
    """Keep stays for `load`."""
    np.save(path, stays)


def load(path: Path) -> Stays:
    """Stays that `save` kept."""
    return np.load(path)
