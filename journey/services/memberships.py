"""Memberships: from facts and the rules of segments to who was a member from when until when.

All segments are evaluated together: facts are loaded once, a criterion that several share is computed once. A rebuild
fills a table of its own and swaps it in; a refresh replaces the periods of accounts whose facts changed since. Both
give the same memberships, whatever order the facts came in.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _t

from journey.facts.loading import all_facts, load_facts
from journey.facts.memberships import evaluated_segments, segment_needs
from journey.facts.threads import THREADS, in_threads
from journey.selectors.histories import affected_entities, current_history, entity_count
from journey.selectors.versions import shown_version
from journey.services.partitions import drop_partitions
from segmentation.engine.facts import NEVER, Facts
from segmentation.engine.memberships import (
    SegmentRules,
    Spans,
    closure,
)
from segmentation.facts.copying import POSTGRES_EPOCH
from segmentation.facts.segments import assessed_version
from segmentation.facts.writing import COPY_HEADER, COPY_TRAILER, binary_rows
from segmentation.models import SegmentHistory, SegmentVersion
from segmentation.selectors.segments import usable_rules, versions_in_force
from segmentation.selectors.touches import changed_since, current_snapshot, earliest
from segmentation.services.jobs import Progress
from segmentation.services.snapshots import one_snapshot

_LOCK_CLASS = 73_003
# Beyond this share of accounts affected, building everything anew is faster.
MOST_AFFECTED = 0.2
_COLUMNS = {
    "build_id": ">i8",
    "history_id": ">i8",
    "account_id": ">i8",
    "state": ">i2",
    "start_at": ">i8",
    "end_at": ">i8",
    "grade": ">i2",
    "is_first": "u1",
}
_PARENT = "segmentation_segmentmembership"


def _silent(_fraction: float, _step: str) -> None:
    pass


@dataclass
class MembershipResult:
    """What bringing memberships up to date did.

    rebuilt, refreshed: keys of segments. broken: why the rules of segments cannot be used, by key. periods: rows
    written. seconds: of loading, computing and writing.
    """

    rebuilt: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    accounts: int = 0
    periods: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"load": 0.0, "compute": 0.0, "write": 0.0})

    def as_dict(self) -> dict[str, Any]:
        return {
            "rebuilt": self.rebuilt,
            "refreshed": self.refreshed,
            "broken": self.broken,
            "accounts": self.accounts,
            "periods": self.periods,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


@dataclass(frozen=True)
class _Plan:
    """Segments that can be evaluated, in order, and the versions in force."""

    rules: dict[str, SegmentRules]
    broken: dict[str, str]
    versions: Mapping[str, SegmentVersion]

    def closure(self, keys: Any) -> list[SegmentRules]:
        """The segments with all they read, in order."""
        return closure(self.rules, keys)

    def reads(self, key: str) -> dict[str, int]:
        """Everything a membership rests on but facts: versions of segments, histories of journeys, profiles."""
        found: dict[str, int] = {}
        for segment in self.closure([key]):
            if segment.key != key:
                found[f"segment:{segment.key}"] = self.versions[segment.key].pk
            for name in segment.depends_on():
                kind, _colon, other = name.partition(":")
                if kind == "journey":
                    history = _journey_history(other)
                    found[name] = history.pk if history else 0
                elif kind == "profile":
                    found[name] = assessed_version(other) or 0
        return found


def _journey_history(key: str) -> Any:
    version = shown_version(key)
    return current_history(version) if version else None


def _plan() -> _Plan:
    versions = versions_in_force()
    return _Plan(*usable_rules(versions), versions)


def update_memberships(*, keys: Any = None, full: bool = False, progress: Progress = _silent) -> MembershipResult:
    """Bring the memberships of segments up to date: of all, or of some and those they read.

    full: build them anew instead of replaying only accounts whose facts changed. A segment whose rules cannot be used
    any more keeps what it had and is reported.
    """
    with _only_one():
        plan = _plan()
        wanted = [segment.key for segment in plan.closure(plan.rules if keys is None else keys)]
        result = MembershipResult(broken=dict(plan.broken))
        current = {
            history.segment.key: history
            for history in SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT).select_related("segment")
        }
        stale = {
            key
            for key in wanted
            if full
            or key not in current
            or current[key].version_id != plan.versions[key].pk
            or current[key].reads != plan.reads(key)
        }
        fresh = {key: current[key] for key in wanted if key not in stale}
        if fresh and not _refresh(plan, fresh, result, progress):
            stale |= set(fresh)
        if stale:
            _rebuild(plan, [key for key in wanted if key in stale], result, progress)
        remove_old_builds()
    progress(1.0, _t("done"))
    return result


@contextmanager
def _only_one() -> Iterator[None]:
    """One update of memberships at a time, over all processes; a second one waits for the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 0)", [_LOCK_CLASS])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_LOCK_CLASS])


def _snapshot(read: Any, plan: _Plan, keys: Any) -> str:
    """The facts the memberships rest on: those of now, or older ones where a journey they read has seen no newer."""
    journeys = {name.partition(":")[2] for key in keys for name in plan.reads(key) if name.startswith("journey:")}
    histories = [_journey_history(key) for key in journeys]
    return earliest([current_snapshot(read), *(history.snapshot for history in histories if history)])


def _rows(history: SegmentHistory, facts: Facts, periods: Spans, grades: Any) -> Iterator[bytes]:
    n = len(periods)
    values: dict[str, Any] = {
        "build_id": np.full(n, history.build, dtype=np.int64),
        "history_id": np.full(n, history.pk, dtype=np.int64),
        "account_id": facts.ids[periods.entity],
        "state": periods.state,
        "start_at": periods.start - POSTGRES_EPOCH,
        "end_at": periods.end - POSTGRES_EPOCH,
        "grade": grades,
        "is_first": periods.is_first,
    }
    return binary_rows(_COLUMNS, values, ("end_at",), {"end_at": periods.end == NEVER})


def _rebuild(plan: _Plan, keys: list[str], result: MembershipResult, progress: Progress) -> None:
    """Build the memberships of some segments into a table of their own and put it in force in one transaction."""
    segments = plan.closure(keys)
    written = set(keys)
    seconds = result.seconds
    with one_snapshot(durable=True) as read:
        begin = time.perf_counter()
        progress(0.0, _t("reading facts"))
        snapshot = _snapshot(read, plan, keys)
        batches = all_facts(read, "account", segment_needs(segments).with_start())
        total = entity_count("account")
        seconds["load"] += time.perf_counter() - begin
        begin = time.perf_counter()
        compute = 0.0
        with read.cursor() as cursor:
            cursor.execute("SELECT nextval('segmentation_segmentbuild_seq')")
            build = int(cursor.fetchone()[0])
            histories = {
                key: SegmentHistory.objects.create(
                    version=plan.versions[key],
                    segment=plan.versions[key].segment,
                    build=build,
                    snapshot=snapshot,
                    reads=plan.reads(key),
                )
                for key in keys
            }
            table = f"segmentation_members_b{build}"
            cursor.execute(
                f"CREATE TABLE {table} (LIKE {_PARENT} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                f" CHECK (build_id = {build}))"
            )

            def work(facts: Facts) -> tuple[Facts, list[tuple[str, Spans, Any]], float]:
                started = time.perf_counter()
                return facts, evaluated_segments(segments, written, facts), time.perf_counter() - started

            with cursor.copy(f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)") as copy:
                copy.write(COPY_HEADER)
                for facts, found, took in in_threads(work, batches):
                    compute += took
                    result.accounts += len(facts)
                    for key, periods, grades in found:
                        result.periods += len(periods)
                        for block in _rows(histories[key], facts, periods, grades):
                            copy.write(block)
                    progress(0.3 + 0.5 * result.accounts / max(total, 1), _t("computing memberships"))
                copy.write(COPY_TRAILER)
            progress(0.8, _t("storing the memberships"))
            cursor.execute(f"CREATE UNIQUE INDEX {table}_start ON {table} (build_id, history_id, account_id, start_at)")
            cursor.execute(f"ANALYZE {table}")
            cursor.execute("SELECT segmentation_overlapping_memberships(%s)", [table])
            broken = cursor.fetchone()[0]
            if broken is not None:
                raise AssertionError(f"The memberships of account {broken} overlap.")
            cursor.execute(f"ALTER TABLE {_PARENT} ATTACH PARTITION {table} FOR VALUES IN ({build})")
        now = timezone.now()
        replaced = SegmentHistory.objects.filter(segment__key__in=keys, state=SegmentHistory.State.CURRENT)
        replaced.update(state=SegmentHistory.State.OLD)
        SegmentHistory.objects.filter(build=build).update(
            state=SegmentHistory.State.CURRENT, built_at=now, refreshed_at=now
        )
        seconds["compute"] += compute
        seconds["write"] += time.perf_counter() - begin - compute / THREADS
    result.rebuilt += keys


def _refresh(plan: _Plan, histories: dict[str, SegmentHistory], result: MembershipResult, progress: Progress) -> bool:
    """Replace the periods of accounts whose facts changed since; False when a rebuild is called for."""
    segments = plan.closure(histories)
    needs = segment_needs(segments).with_start()
    seconds = result.seconds
    with one_snapshot(durable=True) as read:
        begin = time.perf_counter()
        progress(0.0, _t("looking for changed facts"))
        snapshot = _snapshot(read, plan, histories)
        since = earliest([history.snapshot for history in histories.values()])
        touched = changed_since(read, since, assessments=bool(needs.profiles))
        ids = None if touched.everything else affected_entities(read, "account", touched)
        if ids is None or len(ids) > max(MOST_AFFECTED * entity_count("account"), 1000):
            return False
        builds = sorted({history.build for history in histories.values()})
        numbers = [history.pk for history in histories.values()]
        for low in range(0, len(ids), 5000):
            part = ids[low : low + 5000]
            facts = load_facts(read, "account", part, needs)
            seconds["load"] += time.perf_counter() - begin
            begin = time.perf_counter()
            found = evaluated_segments(segments, set(histories), facts)
            seconds["compute"] += time.perf_counter() - begin
            begin = time.perf_counter()
            with read.cursor() as cursor:
                cursor.execute(
                    f"DELETE FROM {_PARENT}"
                    " WHERE build_id = ANY (%s) AND history_id = ANY (%s) AND account_id = ANY (%s)",
                    [builds, numbers, part.tolist()],
                )
                with cursor.copy(f"COPY {_PARENT} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)") as copy:
                    copy.write(COPY_HEADER)
                    for key, periods, grades in found:
                        result.periods += len(periods)
                        for block in _rows(histories[key], facts, periods, grades):
                            copy.write(block)
                    copy.write(COPY_TRAILER)
            result.accounts += len(part)
            seconds["write"] += time.perf_counter() - begin
            begin = time.perf_counter()
            progress((low + len(part)) / max(len(ids), 1), _t("computing memberships"))
        SegmentHistory.objects.filter(pk__in=numbers).update(snapshot=snapshot, refreshed_at=timezone.now())
    result.refreshed += list(histories)
    return True


def remove_old_builds() -> int:
    """Drop tables no present history lies in, and replaced histories' rows in others. Returns how many tables went.

    One that is being read is left for the next time.
    """
    kept = set(SegmentHistory.objects.exclude(state=SegmentHistory.State.OLD).values_list("build", flat=True))
    removed = drop_partitions(_PARENT, "_b", kept, lambda build: SegmentHistory.objects.filter(build=build).delete())
    replaced = SegmentHistory.objects.filter(state=SegmentHistory.State.OLD, build__in=kept)
    for history in replaced:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {_PARENT} WHERE build_id = %s AND history_id = %s", [history.build, history.pk]
            )
            history.delete()
    return removed
