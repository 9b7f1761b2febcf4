"""Runs the measurements: each in a process of its own, in turns with the yardstick."""

import json
import multiprocessing
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.scratch import Scratch

RESULTS = Path(__file__).parent / "results.json"
COPY = "copy_activities"
# Alternatives come after what they are compared with, so that both meet the same load of the machine.
NAMES = (
    COPY,
    "read_activities",
    "replay_full",
    "sql_window_functions",
    "replay_cached",
    "replay_cached_compute",
    "replay_in_memory",
    "polars",
    "replay_1000_changed",
    "import_activities",
    "import_activities_more",
    "propose_race",
    "funnel_cold",
    "funnel_breakdown",
    "funnel_new_field",
    "funnel_new_heat_map",
    "near_misses",
    "markets_cold",
    "markets",
    "segment_performance_cold",
    "segment_performance",
    "segment_priority_cold",
    "segment_priority",
    "goals",
    "lookalikes",
    "intent_of_texts",
    "assess_20_items",
    "assess_100_changed",
    "checklist_counts",
    "segments_rebuild",
    "segment_count",
    "duplicates",
    "match_file",
)
SLOW = ("sql_window_functions", "polars", "import_activities", "import_activities_more")
REPEATS = 5
LARGE = 1.0  # above so many million activities things run less often, slow ones once
REPEATS_LARGE = 3
TARGET_SIZE = 10.0  # the targets are set for so many million activities


class MeasurementError(RuntimeError):
    """A process that measures something failed; the message is its traceback."""


@dataclass
class Result:
    """The figures of one item. ratios: to the yardstick beside each run."""

    name: str
    size: float
    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    equal: bool = True
    rows: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form of the results file."""
        median = statistics.median(self.seconds)
        found = {
            "name": self.name,
            "size": self.size,
            "median_seconds": round(median, 4),
            "ratio_to_copy": round(statistics.median(self.ratios), 3),
            "peak_mb": round(self.peak_mb, 1),
            "equal": self.equal,
            "runs": len(self.seconds),
        }
        return found | ({"rows_per_second": round(self.rows / median)} if self.rows else {})


def run(
    scratch: Scratch, names: Sequence[str], said: Callable[[str], None], repeats: int | None = None
) -> list[dict[str, Any]]:
    """Measure, in the scratch database, which is made if it is not there. Returns results as in the results file."""
    repeats = repeats or (REPEATS if scratch.size <= LARGE else REPEATS_LARGE)
    for database in (scratch, Scratch(scratch.size, is_blank=True)):
        if database.is_blank and "import_activities" not in names:
            continue
        database.create()
        if not _in_own_process(_fill, database):
            database.drop()
            database.create()
            _in_own_process(_fill, database)
    said("replaying once, so that everything is compiled and there is a history to compare with")
    stays = _in_own_process(_reference, scratch)
    said(f"{stays:,} stays to compare with")
    results = {name: Result(name, scratch.size) for name in names}
    scratch.copy_seconds()  # what the server has in memory is the same for all
    for turn in range(repeats):
        for name, result in results.items():
            if turn and scratch.size > LARGE and name in SLOW:
                continue
            begin = time.perf_counter()
            yardstick = scratch.copy_seconds()
            if name == COPY:
                found: dict[str, Any] = {"seconds": yardstick, "peak_mb": 0.0, "equal": True, "rows": None}
            else:
                found = _in_own_process(_measure, scratch, name)
            result.seconds.append(found["seconds"])
            result.ratios.append(found["seconds"] / yardstick)
            result.peak_mb = max(result.peak_mb, found["peak_mb"])
            result.equal &= found["equal"]
            result.rows = found["rows"]
            said(
                f"{turn + 1}/{repeats} {name}: {found['seconds']:.3f} s, {found['seconds'] / yardstick:.2f} F,"
                f" {found['peak_mb']:.0f} MB{'' if found['equal'] else ', NOT EQUAL'}"
                f" ({time.perf_counter() - begin:.0f} s in all)"
            )
    return [result.as_dict() for result in results.values()]


def _in_own_process(work: Callable[..., Any], scratch: Scratch, *more: Any) -> Any:
    """Run in a spawned process: its peak of memory is its own, and nothing is warm that should not be."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_child, args=(its, work, scratch, *more))
    process.start()
    its.close()
    try:
        is_good, answer = mine.recv()
    except EOFError:
        process.join()
        raise MeasurementError(f"A process ended with exit code {process.exitcode} and without an answer.") from None
    process.join()
    if not is_good:
        raise MeasurementError(answer)
    return answer


def _child(pipe: Connection, work: Callable[..., Any], scratch: Scratch, *more: Any) -> None:
    try:
        import django

        django.setup()
        scratch.use()
        pipe.send((True, work(scratch, *more)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    pipe.close()


def _fill(scratch: Scratch) -> bool:
    return scratch.fill(lambda text: print(f"  {text}", file=sys.stderr, flush=True))


def _reference(scratch: Scratch) -> int:
    from benchmarks.items import make_reference

    return make_reference(scratch)


def _measure(scratch: Scratch, name: str) -> dict[str, Any]:
    from benchmarks.items import ITEMS

    item = ITEMS[name](scratch)
    item.prepare()
    try:
        begin = time.perf_counter()
        result = item.run()
        seconds = time.perf_counter() - begin
        peak = _peak_mb()
        equal = item.check(result)
    finally:
        item.clean()
    return {"seconds": seconds, "peak_mb": peak, "equal": equal, "rows": item.rows()}


def _peak_mb() -> float:
    """The most memory this process has had, in megabytes."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return float(psutil.Process().memory_info().peak_wset / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**20 if sys.platform == "darwin" else 2**10))


def write(results: Sequence[dict[str, Any]], path: Path = RESULTS) -> None:
    """Put results into the file; those of other sizes and items stay."""
    known = {(row["size"], row["name"]): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    known |= {(row["size"], row["name"]): row for row in results}
    order = {name: place for place, name in enumerate(NAMES)}
    rows = sorted(known.values(), key=lambda row: (row["size"], order.get(row["name"], len(order))))
    path.write_text("[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n")


@dataclass(frozen=True)
class Verdict:
    """One target: what was measured, what it must be, whether it holds (None: not measured)."""

    name: str
    found: str
    target: str
    holds: bool | None


def verdicts(results: Sequence[dict[str, Any]]) -> list[Verdict]:
    """The targets, which are set for 10 million activities, against results of one size."""
    by_name = {row["name"]: row for row in results}

    def figure(name: str, key: str) -> float | None:
        return by_name[name].get(key) if name in by_name else None

    def at_most(name: str, key: str, limit: float, unit: str) -> Verdict:
        value = figure(name, key)
        return Verdict(
            name,
            "–" if value is None else f"{value:,.2f} {unit}",
            f"≤ {limit:g} {unit}",
            None if value is None else value <= limit,
        )

    def times(name: str, of: str, limit: float) -> Verdict:
        one, other = figure(name, "median_seconds"), figure(of, "median_seconds")
        value = one / other if one is not None and other else None
        return Verdict(
            name,
            "–" if value is None else f"{value:.1f} x {of}",
            f"≥ {limit:g} x {of}",
            None if value is None else value >= limit,
        )

    def at_most_times(name: str, of: str, limit: float) -> Verdict:
        one, other = figure(name, "median_seconds"), figure(of, "median_seconds")
        value = one / other if one is not None and other else None
        return Verdict(
            name,
            "–" if value is None else f"{value:.2f} x {of}",
            f"≤ {limit:g} x {of}",
            None if value is None else value <= limit,
        )

    def at_least(name: str, limit: float, unit: str) -> Verdict:
        value = figure(name, "rows_per_second")
        return Verdict(
            name,
            "–" if value is None else f"{value:,.0f} {unit}",
            f"≥ {limit:,.0f} {unit}",
            None if value is None else value >= limit,
        )

    return [
        at_most("replay_full", "ratio_to_copy", 3.5, "F"),
        at_most("replay_full", "peak_mb", 400, "MB"),
        at_most("replay_cached_compute", "ratio_to_copy", 0.4, "F"),
        at_most("replay_1000_changed", "median_seconds", 0.5, "s"),
        at_least("import_activities", 50_000, "rows/s"),
        at_most("funnel_cold", "median_seconds", 3.0, "s"),
        at_most("funnel_breakdown", "median_seconds", 0.5, "s"),
        at_most("funnel_new_field", "median_seconds", 0.5, "s"),
        at_most("funnel_new_heat_map", "median_seconds", 0.5, "s"),
        at_most("near_misses", "median_seconds", 5, "s"),
        at_most("markets_cold", "median_seconds", 3, "s"),
        at_most("markets", "median_seconds", 1, "s"),
        at_most("segment_performance_cold", "median_seconds", 3, "s"),
        at_most("segment_performance", "median_seconds", 1, "s"),
        at_most("segment_priority_cold", "median_seconds", 3, "s"),
        at_most("segment_priority", "median_seconds", 1, "s"),
        at_most("goals", "median_seconds", 3, "s"),
        at_most("lookalikes", "median_seconds", 60, "s"),
        at_most("intent_of_texts", "median_seconds", 10, "s"),
        at_most_times("segments_rebuild", "replay_full", 2),
        at_most("segment_count", "median_seconds", 1.0, "s"),
        at_most("duplicates", "median_seconds", 60, "s"),
        times("sql_window_functions", "replay_full", 8),
        times("polars", "replay_in_memory", 4),
        at_least("propose_race", 100, "tries/s"),
        at_most("assess_20_items", "median_seconds", 10, "s"),
        at_most("checklist_counts", "median_seconds", 1, "s"),
    ]
