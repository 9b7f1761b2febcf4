"""The fact cache: all activities in columns on disk, by account and time, so that a replay need not read the database.

PostgreSQL is the only truth. The cache remembers the database snapshot it was made from, is brought up to date by what
changed since (late, corrected and deleted facts included), and may be deleted at any time.

Layout of a folder: `base-*/` with four arrays per shard (accounts are spread over shards by primary key), `delta-*/`
with the accounts read again since, and `manifest.json`, replaced in one step, that says which of them are in force.
"""

import json
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import fasteners
import numpy as np

from scoring.engine.activities import ActivityTable, Classes
from scoring.facts.activities import Dimensions, Owner, read_activities, read_dimensions, stream_activities
from scoring.facts.kernels import arrange, marked, numbered, split
from segmentation.engine.facts import Rows
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions
from segmentation.selectors.touches import current_snapshot, touched_since

FORMAT = 2
SHARDS = 32
THREADS = 2
# Beyond this share of owners read again, one scan of everything is cheaper than the growing delta.
MOST_DELTA = 0.1

_SPILLED = np.dtype([("position", "i4"), ("time", "i8"), ("seconds", "i4"), ("contact", "i8"), ("number", "i4")])
_ARRAYS = ("begin", "time", "seconds", "contact", "number", "owners")


@dataclass(frozen=True)
class Batch:
    """Owners (int64[n], primary keys) and their activities, rows in the same order."""

    owners: Int64s
    table: ActivityTable


class FactStore:
    """The cache of one kind of owner under one folder.

    Parameters: `folder` on disk; `owner` whether activities are held by account or by contact.
    """

    def __init__(self, folder: Path, owner: Owner = "account") -> None:
        self.folder = Path(folder) / owner
        self.owner: Owner = owner

    # Reading

    def batches(self, classes: Classes, owners: Int64s) -> Iterator[Batch]:
        """Batches that together hold each of `owners` once; those without activities come with none.

        classes: as they are now; sides, categories and flags of types may have changed since the cache was made.
        """
        manifest = self._manifest()
        delta = self._load(manifest["delta"], classes) if manifest["delta"] else None
        again = delta.owners if delta else np.empty(0, dtype=np.int64)
        again = np.intersect1d(again, owners)
        rest = np.setdiff1d(owners, again)
        for shard in range(SHARDS):
            mine = rest[rest % SHARDS == shard]
            if len(mine):
                yield _picked(self._load(f"{manifest['base']}/{shard:02}", classes), mine)
        if len(again) and delta:
            yield _picked(delta, again)

    def _load(self, name: str, classes: Classes) -> Batch:
        begin, time, seconds, contact, number, owners = (
            np.load(self.folder / f"{name}.{array}.npy") for array in _ARRAYS
        )
        contacts = int(contact.max(initial=-1)) + 1
        rows = Rows(np.ascontiguousarray(begin[:-1]), np.ascontiguousarray(begin[1:]))
        number, guessed = numbered(number)
        return Batch(owners, ActivityTable(rows, time, seconds, contact, number, contacts, classes, guessed=guessed))

    # Keeping up to date

    def refresh(self, connection: Any, rebuild: bool = False) -> Dimensions:
        """Bring the cache up to what the present transaction sees. Returns its dimensions without people.

        Call within a transaction of isolation level REPEATABLE READ, so that everything read is of one snapshot.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            snapshot = current_snapshot(connection)
            dimensions = read_dimensions(connection, contacts=[])
            manifest = None if rebuild else self._manifest()
            wanted = {"format": FORMAT, "database": _database(connection), "dimensions": dimensions.fingerprint()}
            if manifest is None or any(manifest.get(key) != value for key, value in wanted.items()):
                self._build(connection, snapshot, wanted)
                return dimensions
            touched = touched_since(connection, manifest["snapshot"])
            changed = self._owners_of(connection, touched)
            if changed is None:
                self._build(connection, snapshot, wanted)
            elif len(changed):
                self._extend(connection, manifest, changed, snapshot, wanted)
            return dimensions

    def _owners_of(self, connection: Any, touched: Any) -> Int64s | None:
        """Owners to read again; None for all of them."""
        if touched.everything:
            return None
        if not len(touched):
            return np.empty(0, dtype=np.int64)
        with connection.cursor() as cursor:
            if self.owner == "account":
                # People whose rank changed were active for these accounts, perhaps not only for their present one.
                cursor.execute(
                    "SELECT DISTINCT account_id FROM scoring_activity"
                    " WHERE contact_id = ANY (%s) AND account_id IS NOT NULL",
                    [touched.contacts.tolist()],
                )
                return np.union1d(touched.accounts, np.array([row[0] for row in cursor.fetchall()], dtype=np.int64))
            cursor.execute(
                "SELECT DISTINCT contact_id FROM scoring_activity"
                " WHERE account_id = ANY (%s) AND contact_id IS NOT NULL"
                " UNION SELECT id FROM segmentation_contact WHERE account_id = ANY (%s)",
                [touched.accounts.tolist(), touched.accounts.tolist()],
            )
            return np.union1d(touched.contacts, np.array([row[0] for row in cursor.fetchall()], dtype=np.int64))

    def _build(self, connection: Any, snapshot: str, wanted: dict[str, Any]) -> None:
        """One unordered scan of all activities, spread over shard files, then each shard put in order."""
        dimensions = read_dimensions(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM segmentation_{self.owner} ORDER BY id % {SHARDS}, id")
            owners = np.array([row[0] for row in cursor.fetchall()], dtype=np.int64)
        shard_of = (owners % SHARDS).astype(np.int64)
        first = np.searchsorted(shard_of, np.arange(SHARDS + 1)).astype(np.int64)
        name = f"base-{uuid.uuid4().hex[:12]}"
        (self.folder / name).mkdir()
        spills = [open(self.folder / name / f"{shard:02}.spill", "wb+") for shard in range(SHARDS)]  # noqa: SIM115 - closed below
        try:
            for position, time, seconds, contact, number in stream_activities(
                connection, dimensions, owners, self.owner
            ):
                order, begin = split(position, shard_of, SHARDS)
                rows = np.empty(len(order), dtype=_SPILLED)
                columns: tuple[np.ndarray[Any, Any], ...] = (position, time, seconds, contact, number)
                for field, array in zip(_SPILLED.names or (), columns, strict=True):
                    rows[field] = array[order]
                for shard, spill in enumerate(spills):
                    rows[begin[shard] : begin[shard + 1]].tofile(spill)

            def put_in_order(shard: int) -> None:
                mine = owners[first[shard] : first[shard + 1]]
                self._arrange(spills[shard], f"{name}/{shard:02}", mine, int(first[shard]), len(dimensions.profile_of))

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(put_in_order, range(SHARDS)))
        finally:
            for spill in spills:
                spill.close()
        self._publish(wanted | {"snapshot": snapshot, "base": name, "delta": None, "owners": len(owners)})

    def _arrange(self, spill: BinaryIO, name: str, owners: Int64s, first: int, contacts: int) -> None:
        """Put what was spilled of one shard in order and save it. owners: the shard's, from position `first` on."""
        spill.seek(0)
        rows = np.fromfile(spill, dtype=_SPILLED)
        spill.close()
        Path(spill.name).unlink()
        columns = [np.ascontiguousarray(rows[field]) for field in ("position", "time", "seconds", "contact", "number")]
        del rows  # as large as the columns
        arrays = arrange(
            *columns,
            np.empty(0, dtype=np.int64),
            first,
            len(owners),
            np.full(contacts, -1, dtype=np.int32),
        )
        self._save(name, (*arrays[:5], owners))

    def _extend(
        self,
        connection: Any,
        manifest: dict[str, Any],
        changed: Int64s,
        snapshot: str,
        wanted: dict[str, Any],
    ) -> None:
        """Read changed owners again, together with those already in the delta."""
        if manifest["delta"]:
            changed = np.union1d(changed, np.load(self.folder / f"{manifest['delta']}.owners.npy"))
        if len(changed) > MOST_DELTA * max(manifest["owners"], 1000):
            self._build(connection, snapshot, wanted)
            return
        table = read_activities(connection, changed, self.owner)
        name = f"delta-{uuid.uuid4().hex[:12]}"
        begin = np.append(table.rows.begin, table.rows.end[-1:])
        self._save(name, (begin, table.time, table.seconds, table.contact, marked(table), changed))
        self._publish(manifest | wanted | {"snapshot": snapshot, "delta": name})

    def _save(self, name: str, arrays: tuple[Any, ...]) -> None:
        for label, array in zip(_ARRAYS, arrays, strict=True):
            np.save(self.folder / f"{name}.{label}.npy", array)

    def _manifest(self) -> Any:
        try:
            return json.loads((self.folder / "manifest.json").read_text())
        except (OSError, ValueError):
            return None

    def snapshot(self) -> str | None:
        """The database snapshot the cache was made from, None without a cache."""
        manifest = self._manifest()
        return manifest["snapshot"] if manifest else None

    def _publish(self, manifest: dict[str, Any]) -> None:
        """Put a manifest in force. Files of the one before stay for readers under way; older ones go."""
        before = self._manifest() or {}
        keep = tuple(str(m.get(part)) for m in (before, manifest) for part in ("base", "delta"))
        fresh = self.folder / f"manifest-{uuid.uuid4().hex[:8]}.json"
        fresh.write_text(json.dumps(manifest))
        fresh.replace(self.folder / "manifest.json")
        for path in self.folder.iterdir():
            if path.name.startswith(keep) or path.name in ("manifest.json", "lock"):
                continue
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the cache; the next refresh makes it anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with fasteners.InterProcessLock(self.folder / "lock"):
            yield


def _picked(batch: Batch, owners: Int64s) -> Batch:
    """The batch with exactly these owners, in this order."""
    position = Positions(batch.owners).of(owners)
    rows = batch.table.rows
    missing = position < 0
    picked = Rows(
        begin=np.where(missing, 0, rows.begin[position] if len(rows.begin) else 0),
        end=np.where(missing, 0, rows.end[position] if len(rows.end) else 0),
    )
    return Batch(owners, replace(batch.table, rows=picked))


def _database(connection: Any) -> str:
    """Identifies the database: its cluster and number there, which no copy of it has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.system_identifier::text, d.oid::text FROM pg_control_system() s, pg_database d"
            " WHERE d.datname = current_database()"
        )
        return "/".join(cursor.fetchone())
