"""Replay: from facts and a version of the rules to the stored history of stages.

A rebuild fills a table of its own and swaps it in; a refresh replaces the stays of entities whose facts changed since.
Both give the same history, whatever order the facts came in.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.facts.loading import Needs, all_facts, fact_store, load_facts, weighted
from journey.facts.threads import THREADS, in_threads
from journey.models import History, Journey, JourneyVersion
from journey.selectors.assessments import run_snapshots
from journey.selectors.dependencies import in_steps
from journey.selectors.histories import affected_entities, current_history, current_snapshots, entity_count
from journey.selectors.stages import stage_counts
from journey.selectors.versions import dependencies, published_version, published_versions, shown_version, version_rules
from journey.services.memberships import update_memberships
from journey.services.partitions import drop_partitions
from journey.services.stays import COLUMNS, copy_rows
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import segment_name
from segmentation.engine.resolve import Stays, compile_journey, evaluate
from segmentation.engine.rules import JourneyRules, find_loop
from segmentation.engine.steps import Int64s
from segmentation.errors import ConflictError
from segmentation.facts.segments import assessed_version
from segmentation.facts.writing import COPY_HEADER, COPY_TRAILER
from segmentation.models import Job, Segment, SegmentHistory
from segmentation.selectors.dependencies import all_rules
from segmentation.selectors.segments import segment_snapshots
from segmentation.selectors.touches import changed_since, current_snapshot, earliest
from segmentation.services.jobs import request_job
from segmentation.services.snapshots import one_snapshot
from segmentation.services.touches import prune_touches
from segmentation.services.users import Actor

Progress = Callable[[float, str], None]

# Beyond this share of entities affected, building the whole history anew is faster.
MOST_AFFECTED = 0.2
_LOCK_CLASS = 73_001


@dataclass
class ReplayResult:
    """What a replay did. seconds: of loading, computing and writing."""

    version: JourneyVersion
    mode: str
    entities: int
    intervals: int
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The form of `manage.py replay --json`."""
        stages = stage_counts(self.version, timezone.now())
        return {
            "journey": self.version.journey.key,
            "version": self.version.number,
            "mode": self.mode,
            "accounts": self.entities,
            "intervals": self.intervals,
            "stages": [{"key": row["key"], "accounts": row["accounts"]} for row in stages],
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


def _silent(_fraction: float, _step: str) -> None:
    pass


def replay(
    *, journey: Journey | None = None, number: int | None = None, full: bool = False, progress: Progress = _silent
) -> list[ReplayResult]:
    """Bring histories up to date: of one version, of a journey's published one, or of all published ones.

    Parameters: `full` builds them anew instead of replaying only what changed. Journeys whose stages others read come
    first, also when only one journey is asked for, which is then the last. Raises JourneyError when there is nothing to
    replay.
    """
    versions = _versions(journey, number)
    wanted = [f"journey:{version.journey.key}" for version in versions]
    if journey is None:
        wanted += [segment_name(key) for key in Segment.objects.values_list("key", flat=True)]
    results, _broken = _run(_steps(wanted, versions), full, progress)
    return results


def bring_up_to_date(names: Iterable[str], progress: Progress = _silent) -> dict[str, str]:
    """Bring journeys and segments (`segment:key`) up to date, and what they read.

    Returns why the rules of segments cannot be used, by key.
    """
    _results, broken = _run(_steps(names, []), False, progress)
    return broken


def refuse_broken_rules(segment: Segment, broken: Mapping[str, str]) -> None:
    """Raise ConflictError when the rules of a segment cannot be used: its members are those of some day before.

    broken: what `bring_up_to_date` returned.
    """
    if segment.key in broken:
        raise ConflictError(
            _("The rules of the segment “%(value)s” cannot be used: %(reason)s"),
            code="broken_rules",
            field="segment",
            value=segment.key,
            remedy=_("Put them in order in the editor of the segment."),
            params={"reason": broken[segment.key]},
        )


def _run(
    steps: list[JourneyVersion | list[str]], full: bool, progress: Progress
) -> tuple[list[ReplayResult], dict[str, str]]:
    results = []
    broken: dict[str, str] = {}
    for i, step in enumerate(steps):

        def report(fraction: float, text: str, i: int = i, step: JourneyVersion | list[str] = step) -> None:
            name = step if isinstance(step, JourneyVersion) else _t("segments")
            progress((i + fraction) / len(steps), f"{name}: {text}")

        if isinstance(step, JourneyVersion):
            results.append(replay_version(step, full=full, progress=report))
        else:
            broken |= update_memberships(keys=step, full=full, progress=report).broken
    caches = fact_store("account"), fact_store("contact")
    snapshots = [*current_snapshots(), *run_snapshots(), *segment_snapshots()]
    prune_touches([*snapshots, *(store.snapshot() or "" for store in caches)])
    return results, broken


def request_replay(*, user: Actor = None, journey: Journey | None = None, full: bool = False) -> Job:
    """Queue a replay of one journey or of all published ones; one that is already waiting or running is returned."""
    title = _t("Replay %(journey)s") % {"journey": journey or _t("all journeys")}
    return request_job(
        kind="replay",
        title=title,
        params={"journey": journey.key if journey else None, "full": full},
        user=user,
        unique_key=f"replay:{journey.key if journey else '*'}:{'full' if full else 'changed'}",
    )


def _steps(wanted: Iterable[str], versions: Sequence[JourneyVersion]) -> list[JourneyVersion | list[str]]:
    """What is to be brought up to date, each after what it reads, which is added where it is missing.

    Journeys as their versions (published ones, or those given), segments that are evaluated together as lists of keys.
    A history that reads another is only as true as that one: replayed alone, it would miss what the other has yet to
    learn, and nothing would touch those accounts again.
    """
    by_name = {f"journey:{version.journey.key}": version for version in [*published_versions(), *versions]}
    reads: dict[str, Sequence[str]] = {rules.name: rules.reads for rules in all_rules() if rules.in_force}
    reads |= dependencies(by_name.values())
    loop = find_loop(reads)
    if loop:
        raise loop_error(loop)
    return [
        by_name[step[0]] if step[0] in by_name else [name.removeprefix("segment:") for name in step]
        for step in in_steps(wanted, reads)
    ]


def _versions(journey: Journey | None, number: int | None) -> list[JourneyVersion]:
    """The versions asked for: one, the published one of a journey, or all published ones."""
    if journey and number is not None:
        version = JourneyVersion.objects.select_related("journey").filter(journey=journey, number=number).first()
        if version is None:
            known = journey.versions.order_by("number").values_list("number", flat=True)
            raise JourneyError(
                code="unknown_version",
                field="version",
                value=number,
                message=_("The journey “%(journey)s” has no version %(value)s."),
                remedy=_("It has: %(numbers)s."),
                params={"journey": journey.key, "numbers": ", ".join(str(n) for n in known) or "–"},
            )
        return [version]
    if journey:
        published = published_version(journey)
        if published is None:
            raise JourneyError(
                code="not_published",
                field="journey",
                value=journey.key,
                message=_("No version of the journey “%(value)s” is published."),
                remedy=_("Publish its draft, or name a version."),
            )
        return [published]
    return published_versions()


def loop_error(loop: list[str], field: str = "criteria") -> JourneyError:
    """Rules that need each other, with the path. field: where the loop is closed."""
    return JourneyError(
        code="rule_loop",
        field=field,
        value=" → ".join(loop),
        message=_("These rules need each other: %(path)s."),
        remedy=_("Remove one of the criteria that read a stage along this path."),
        params={"path": " → ".join(loop)},
    )


def replay_version(version: JourneyVersion, *, full: bool = False, progress: Progress = _silent) -> ReplayResult:
    """Bring the history of one version up to date, building it anew where that is needed or asked for."""
    journey = version_rules(version)
    with _only_one(version):
        reads = _read_histories(version)
        history = current_history(version)
        if full or history is None or history.reads != reads:
            return _rebuild(version, journey, reads, progress)
        result = _refresh(version, journey, history, progress)
        return result or _rebuild(version, journey, reads, progress)


@contextmanager
def _only_one(version: JourneyVersion) -> Iterator[None]:
    """One replay of a version at a time, over all processes; a second one waits for the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [_LOCK_CLASS, version.pk])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_CLASS, version.pk])


def _read_histories(version: JourneyVersion) -> dict[str, int]:
    """The present histories a version reads: of journeys by key, of segments by name, assessed versions of profiles.

    Raises JourneyError for one that has none yet.
    """
    found = {}
    for name in dependencies([version])[f"journey:{version.journey.key}"]:
        kind, _colon, key = name.partition(":")
        if kind == "profile":
            found[name] = assessed_version(key) or 0
            continue
        history: History | SegmentHistory | None
        if kind == "segment":
            history = SegmentHistory.objects.filter(segment__key=key, state=SegmentHistory.State.CURRENT).first()
        else:
            other = shown_version(key)
            history = current_history(other) if other else None
        if history is None:
            raise JourneyError(
                code="no_history",
                field=kind,
                value=key,
                message=_("The rules read “%(value)s”, which has no history yet."),
                remedy=_("Put its rules in order, or publish it, and replay it first."),
            )
        found[name if kind == "segment" else key] = history.pk
    return found


def _snapshot(connection: Any, reads: dict[str, int]) -> str:
    """The facts a history rests on: those of now, or older ones where what it reads has seen no newer."""
    segments = [pk for name, pk in reads.items() if name.startswith("segment:")]
    journeys = [pk for name, pk in reads.items() if ":" not in name]
    read = [
        *SegmentHistory.objects.filter(pk__in=segments).values_list("snapshot", flat=True),
        *History.objects.filter(pk__in=journeys).values_list("snapshot", flat=True),
    ]
    return earliest([current_snapshot(connection), *read])


def evaluated(
    journey: JourneyRules, batches: Iterator[Facts], seconds: dict[str, float] | None = None
) -> Iterator[tuple[Facts, Stays]]:
    """Evaluate batches in order on a few threads, few of them in memory; the kernels release the interpreter's lock.

    seconds: the time of all threads is added to its `compute`.
    """
    seconds = {"compute": 0.0} if seconds is None else seconds
    program = compile_journey(journey)

    def work(facts: Facts) -> tuple[Facts, Stays, float]:
        begin = time.perf_counter()
        facts = weighted(facts, journey)
        stays = evaluate(program, facts)
        return facts, stays, time.perf_counter() - begin

    for facts, stays, took in in_threads(work, batches):
        seconds["compute"] += took
        yield facts, stays


def _rebuild(version: JourneyVersion, journey: JourneyRules, reads: dict[str, int], progress: Progress) -> ReplayResult:
    """Build the whole history into a table of its own and put it in force in one transaction."""
    seconds = {"load": 0.0, "compute": 0.0, "write": 0.0}
    entities = intervals = 0
    with one_snapshot(durable=True) as connection:
        begin = time.perf_counter()
        progress(0.0, _t("reading facts"))
        snapshot = _snapshot(connection, reads)
        history = History.objects.create(version=version, snapshot=snapshot, reads=reads)
        batches = all_facts(connection, journey.unit, Needs.of(journey))
        total = entity_count(journey.unit)
        seconds["load"] = time.perf_counter() - begin
        begin = time.perf_counter()
        table = f"journey_stays_h{history.pk}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {table} (LIKE journey_stageinterval INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                f" CHECK (history_id = {history.pk}))"
            )
            with cursor.copy(f"COPY {table} ({COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
                copy.write(COPY_HEADER)
                for facts, stays in evaluated(journey, batches, seconds):
                    for block in copy_rows(history.pk, journey, facts, stays):
                        copy.write(block)
                    entities += len(facts)
                    intervals += len(stays)
                    progress(0.3 + 0.5 * entities / max(total, 1), _t("computing stages"))
                copy.write(COPY_TRAILER)
            progress(0.8, _t("storing the history"))
            cursor.execute(f"CREATE UNIQUE INDEX {table}_start ON {table} (history_id, entity_id, start_at)")
            cursor.execute(f"ANALYZE {table}")
            cursor.execute(f"SELECT journey_broken_stays('{table}', NULL)")
            broken = cursor.fetchone()[0]
            if broken is not None:
                raise AssertionError(f"The stays of entity {broken} overlap or leave a gap.")
            cursor.execute(f"ALTER TABLE journey_stageinterval ATTACH PARTITION {table} FOR VALUES IN ({history.pk})")
        now = timezone.now()
        History.objects.filter(version=version, state=History.State.CURRENT).update(state=History.State.OLD)
        seconds["write"] = time.perf_counter() - begin - seconds["compute"] / THREADS
        History.objects.filter(pk=history.pk).update(
            state=History.State.CURRENT,
            built_at=now,
            refreshed_at=now,
            entities=entities,
            intervals=intervals,
            seconds={name: round(value, 3) for name, value in seconds.items()},
        )
    progress(0.95, _t("removing the history before"))
    remove_old_histories()
    progress(1.0, _t("done"))
    return ReplayResult(version, "full", entities, intervals, seconds)


def _refresh(
    version: JourneyVersion, journey: JourneyRules, history: History, progress: Progress
) -> ReplayResult | None:
    """Replay only entities whose facts changed since the history was made; None when a rebuild is called for."""
    seconds = {"load": 0.0, "compute": 0.0, "write": 0.0}
    program = compile_journey(journey)
    with one_snapshot(durable=True) as connection:
        begin = time.perf_counter()
        progress(0.0, _t("looking for changed facts"))
        snapshot = _snapshot(connection, history.reads)
        needs = Needs.of(journey)
        touched = changed_since(connection, history.snapshot, assessments=bool(needs.profiles))
        ids = None if touched.everything else affected_entities(connection, journey.unit, touched)
        if ids is None or len(ids) > max(MOST_AFFECTED * history.entities, 1000):
            return None
        removed = added = alive = 0
        for low in range(0, len(ids), 5000):
            part: Int64s = ids[low : low + 5000]
            facts = weighted(load_facts(connection, journey.unit, part, needs), journey)
            seconds["load"] += time.perf_counter() - begin
            begin = time.perf_counter()
            stays = evaluate(program, facts)
            seconds["compute"] += time.perf_counter() - begin
            begin = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM journey_stageinterval WHERE history_id = %s AND entity_id = ANY (%s)"
                    " RETURNING is_first",
                    [history.pk, part.tolist()],
                )
                gone = [row[0] for row in cursor.fetchall()]
                with cursor.copy(f"COPY journey_stageinterval ({COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
                    copy.write(COPY_HEADER)
                    for block in copy_rows(history.pk, journey, facts, stays):
                        copy.write(block)
                    copy.write(COPY_TRAILER)
            removed, added, alive = removed + len(gone), added + len(stays), alive + len(facts) - sum(gone)
            seconds["write"] += time.perf_counter() - begin
            begin = time.perf_counter()
            progress((low + len(part)) / max(len(ids), 1), _t("computing stages"))
        History.objects.filter(pk=history.pk).update(
            snapshot=snapshot,
            refreshed_at=timezone.now(),
            entities=F("entities") + alive,
            intervals=F("intervals") + added - removed,
        )
        history.refresh_from_db()
    progress(1.0, _t("done"))
    return ReplayResult(version, "refresh", history.entities, history.intervals, seconds)


def remove_old_histories() -> int:
    """Drop the tables of histories that were replaced or whose journey is gone. Returns how many went.

    One that is being read is left for the next time.
    """
    kept = set(History.objects.exclude(state=History.State.OLD).values_list("pk", flat=True))
    return drop_partitions("journey_stageinterval", "_h", kept, lambda pk: History.objects.filter(pk=pk).delete())
