"""What is measured: one class each, run in a process of its own."""

import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from django.db import connection
from django.utils import timezone

from benchmarks.quota_race import Outcome, make_world, race, remove_world, server, wake
from benchmarks.scratch import END, YEARS, Scratch
from benchmarks.stays import OPEN, Stays, differences, load, read_stays, save, stays_of
from journey.demo.tables import SOURCE
from journey.facts.changes import EFFECTIVE_CHANGES
from journey.facts.dimensions import dimensions
from journey.facts.loading import Needs, all_facts, fact_store, load_facts, weighted
from journey.facts.threads import THREADS
from journey.models import JourneyVersion
from journey.ready_made import EXTENDED
from journey.selectors.checklists import checklist_of, evaluate_checklists, evaluate_fit
from journey.selectors.funnel import FunnelQuery, FunnelReport, funnel, funnel_query
from journey.selectors.funnel_data import forget
from journey.selectors.histories import current_history
from journey.selectors.profile_comparisons import item_counts, preview_checklist
from journey.selectors.versions import published_version, version_document, version_rules
from journey.services.assessments import assess
from journey.services.replay import evaluated, replay_version
from scoring.facts.activities import read_dimensions, stream_activities
from segmentation.engine.facts import Facts
from segmentation.engine.resolve import compile_journey, evaluate
from segmentation.models import Account, BuyingRole, IcpAssessment, IcpVersion
from segmentation.selectors.profiles import items_of, profile_document
from segmentation.services.imports import import_file
from segmentation.services.profile_editing import save_profile_draft
from segmentation.services.profiles import create_profile, publish_profile_version
from segmentation.services.snapshots import one_snapshot

BEGIN = datetime(END.year, END.month, END.day, tzinfo=UTC) - timedelta(days=365 * YEARS)
CHANGED_ACCOUNTS = 1000
IMPORTED = 500_000
SQL_MEMORY = "512MB"  # for each sort: far more than the replay needs altogether


class Item(ABC):
    """One thing that is measured: `prepare` and `check` take no part in its time and memory, `run` does."""

    name: ClassVar[str]

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch

    def prepare(self) -> None:
        """Bring everything to where the clock starts; by default, compiled code into memory."""
        warm_up()

    @abstractmethod
    def run(self) -> Any:
        """What the clock runs for."""

    def check(self, _result: Any) -> bool:
        """Whether the result is what it must be."""
        return True

    def clean(self) -> None:  # noqa: B027 - most leave nothing behind
        """Undo what `run` did to the database."""

    def rows(self) -> int | None:
        """How many rows `run` handled, where their rate is of interest."""
        return None


def extended() -> JourneyVersion:
    """The published version of the journey all this is about. Raises ValueError when its rules are others."""
    version = published_version("extended")
    if version is None:
        raise ValueError("The journey “extended” is not published.")
    stages = version_document(version)["stages"]
    rules = {stage["key"]: [(rule["scope"], rule["criteria"]) for rule in stage["enter"]] for stage in stages}
    ready = {
        stage["key"]: [(rule["scope"], rule["criteria"]) for rule in stage["enter"]] for stage in EXTENDED["stages"]
    }
    if _kinds(rules) != _kinds(ready):
        raise ValueError(
            "The journey “extended” has other rules than the ready-made one, and the alternatives know only those."
        )
    return version


def _kinds(rules: dict[str, Any]) -> Any:
    return {
        key: [[[(term["kind"], term["negate"]) for term in part] for part in rule] for rule in found]
        for key, found in rules.items()
    }


def warm_up() -> None:
    """Load the compiled kernels: a few accounts from the database to their stages."""
    rules = version_rules(extended())
    few = np.array(Account.objects.order_by("id").values_list("id", flat=True)[:3], dtype=np.int64)
    with one_snapshot() as reading:
        evaluate(compile_journey(rules), weighted(load_facts(reading, rules.unit, few, Needs.of(rules)), rules))


def stored_stays() -> Stays:
    """The history in force."""
    history = current_history(extended())
    if history is None:
        raise ValueError("There is no history.")
    return read_stays(connection, f"journey_stays_h{history.pk}")


@dataclass(frozen=True)
class Loaded:
    """All facts and the rules, in memory."""

    batches: list[Facts]
    rules: Any
    program: Any

    @classmethod
    def now(cls, version: JourneyVersion) -> "Loaded":
        """Read everything, through the cache of facts."""
        rules = version_rules(version)
        with one_snapshot() as reading:
            batches = [weighted(facts, rules) for facts in all_facts(reading, rules.unit, Needs.of(rules))]
        return cls(batches, rules, compile_journey(rules))

    def stays(self) -> list[Any]:
        """What the engine makes of them, on as many threads as a replay has."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda facts: evaluate(self.program, facts), self.batches))

    def table(self, stays: list[Any]) -> Stays:
        """The same in the form for comparisons."""
        refs = np.array([stage.ref for stage in self.rules.stages], dtype=np.int64)
        parts = [
            (facts.ids[found.entity], refs[found.stage], found.start, found.end)
            for facts, found in zip(self.batches, stays, strict=True)
        ]
        return stays_of(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class OfEngine(Item):
    """Anything that ends with the stays of all accounts, compared with the reference."""

    def made(self, result: Any) -> Stays:
        """The stays `run` made; by default those stored."""
        return stored_stays()

    def check(self, result: Any) -> bool:
        return differences(self.made(result), load(self.scratch.reference)) == 0


class ReadActivities(Item):
    """Read all activities into arrays, each with its account's place, its class and its seconds."""

    name = "read_activities"

    def run(self) -> int:
        with one_snapshot() as reading:
            dimensions = read_dimensions(reading)
            owners = np.array(Account.objects.order_by("id").values_list("id", flat=True), dtype=np.int64)
            return sum(len(block[0]) for block in stream_activities(reading, dimensions, owners, "account"))

    def check(self, result: Any) -> bool:
        return bool(result == self.scratch.activities)


class ReplayFull(OfEngine):
    """A whole replay from database to database, the cache of facts deleted before."""

    name = "replay_full"

    def prepare(self) -> None:
        super().prepare()
        fact_store("account").delete()

    def run(self) -> Any:
        return replay_version(extended(), full=True)


class ReplayCached(OfEngine):
    """The same with the cache of facts in place."""

    name = "replay_cached"

    def prepare(self) -> None:
        super().prepare()
        with one_snapshot() as reading:
            fact_store("account").refresh(reading)

    def run(self) -> Any:
        return replay_version(extended(), full=True)


class ReplayCachedCompute(ReplayCached):
    """From the cache of facts (and the small tables) to stays in memory, nothing written."""

    name = "replay_cached_compute"

    def run(self) -> Any:
        rules = version_rules(extended())
        with one_snapshot() as reading:
            batches = all_facts(reading, rules.unit, Needs.of(rules))
            return [(facts.ids, stays) for facts, stays in evaluated(rules, batches)]

    def made(self, result: Any) -> Stays:
        refs = np.array([stage.ref for stage in version_rules(extended()).stages], dtype=np.int64)
        parts = [(ids[found.entity], refs[found.stage], found.start, found.end) for ids, found in result]
        return stays_of(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class ReplayInMemory(OfEngine):
    """From facts in memory to stays in memory."""

    name = "replay_in_memory"

    def prepare(self) -> None:
        super().prepare()
        self.loaded = Loaded.now(extended())

    def run(self) -> Any:
        return self.loaded.stays()

    def made(self, result: Any) -> Stays:
        return self.loaded.table(result)


def last_activity() -> int:
    """The newest activity there is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM scoring_activity")
        return int(cursor.fetchone()[0])


def remove_activities_after(last: int) -> None:
    """Make activities what they were."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM scoring_activity WHERE id > %s", [last])
        cursor.execute("VACUUM scoring_activity")


class Replay1000Changed(Item):
    """Replay what changed after 1,000 accounts got new activities, in a process that did so before."""

    name = "replay_1000_changed"

    def prepare(self) -> None:
        self.last = last_activity()
        replay_version(extended())
        for _round in range(2):
            self._add()
            replay_version(extended())
        self._add()

    def _add(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO scoring_activity"
                " (account_id, contact_id, type_id, occurred_at, seconds, outcome, campaign, content, url, source_key)"
                " SELECT a.id, c.id, y.id, %s::timestamptz - random() * interval '60 days', (random() * 1800)::int,"
                "   '', '', '', '',"
                "   'bench-' || gen_random_uuid()"
                " FROM (SELECT id FROM segmentation_account ORDER BY random() LIMIT %s) a"
                " LEFT JOIN LATERAL (SELECT id FROM segmentation_contact WHERE account_id = a.id LIMIT 3) c ON true"
                " CROSS JOIN LATERAL (SELECT id FROM scoring_activitytype WHERE a.id > 0 ORDER BY random() LIMIT 1) y",
                ["2025-12-31T12:00:00Z", CHANGED_ACCOUNTS],
            )

    def run(self) -> Any:
        return replay_version(extended())

    def check(self, result: Any) -> bool:
        loaded = Loaded.now(extended())
        return result.mode == "refresh" and differences(stored_stays(), loaded.table(loaded.stays())) == 0

    def clean(self) -> None:
        remove_activities_after(self.last)


class ImportMore(Item):
    """Import activities from a CSV file into a table that is full already."""

    name = "import_activities_more"

    def prepare(self) -> None:
        self.path = self.scratch.folder / "activities.csv"
        self.count = min(IMPORTED, self.scratch.activities // 2)
        with connection.cursor() as cursor, self.path.open("wb") as file:
            query = (
                "SELECT 'bench-' || x.id AS external_id, a.external_id AS account, c.external_id AS contact,"
                " y.key AS type, x.occurred_at, x.seconds, nullif(x.outcome, '') AS outcome,"
                " nullif(x.campaign, '') AS campaign, nullif(x.content, '') AS content, nullif(x.url, '') AS url"
                " FROM scoring_activity x JOIN scoring_activitytype y ON y.id = x.type_id"
                " JOIN segmentation_account a ON a.id = x.account_id"
                " LEFT JOIN segmentation_contact c ON c.id = x.contact_id"
                f" LIMIT {self.count}"
            )
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as copy:
                for block in copy:
                    file.write(block)
        self.last = last_activity()

    def run(self) -> Any:
        return import_file("activities", self.path, source_system=SOURCE)

    def check(self, _result: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM scoring_activity WHERE id > %s", [self.last])
            return bool(cursor.fetchone()[0] == self.count)

    def clean(self) -> None:
        remove_activities_after(self.last)
        self.path.unlink()

    def rows(self) -> int:
        return self.count


class ImportActivities(ImportMore):
    """Import the first activities of accounts and people that are there."""

    name = "import_activities"

    def prepare(self) -> None:
        super().prepare()
        Scratch(self.scratch.size, is_blank=True).use()
        self.last = last_activity()


class Assess(Item):
    """Assess every account by a checklist of 20 items, 15 rules and 5 that people answered, from nothing to stored."""

    name = "assess_20_items"

    def prepare(self) -> None:
        self.version = checklist_of_20()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM segmentation_icprun WHERE version_id = %s", [self.version.pk])
            cursor.execute("DELETE FROM segmentation_icpassessment WHERE version_id = %s", [self.version.pk])
            cursor.execute("VACUUM segmentation_icpassessment")
        few = list(Account.objects.order_by("id").values_list("id", flat=True)[:3])
        evaluate_fit([self.version], timezone.now(), few)
        with one_snapshot() as reading:
            fact_store("account").refresh(reading)

    def run(self) -> Any:
        return assess(version=self.version)

    def check(self, result: Any) -> bool:
        """Every account has a row, and those of some are what comes of their facts read one by one."""
        stored = dict(IcpAssessment.objects.filter(version=self.version).values_list("account_id", "score"))
        if len(stored) != Account.objects.count() or result[0].changed != len(stored):
            return False
        some = sorted(stored)[:: max(len(stored) // 200, 1)]
        made_at = IcpAssessment.objects.filter(version=self.version).latest("made_at").made_at
        [found] = evaluate_fit([self.version], made_at, some)
        hundredths = {pk: -1 if score is None else round(score * 100) for pk, score in stored.items()}
        return [hundredths[int(pk)] for pk in found.ids] == found.fits.score.tolist()

    def rows(self) -> int | None:
        return Account.objects.count()


class Assess100Changed(Assess):
    """Assess what changed after 100 accounts got another number of employees."""

    name = "assess_100_changed"

    def prepare(self) -> None:
        super().prepare()
        assess(version=self.version)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE segmentation_account SET employees = coalesce(employees, 0) + 1"
                " WHERE id IN (SELECT id FROM segmentation_account ORDER BY id LIMIT 100)"
            )

    def check(self, result: Any) -> bool:
        [again] = assess(version=self.version, full=True)
        return result[0].mode == "changed" and result[0].looked_at >= 100 and again.changed == 0

    def rows(self) -> None:
        return None


class ChecklistCounts(Assess):
    """Count whom every item of a checklist matches after one rule of it changed, as its editor does."""

    name = "checklist_counts"

    def prepare(self) -> None:
        super().prepare()
        self.document = profile_document(self.version)
        preview_checklist(self.document, self.version)
        self.document["items"][1]["rule"]["criteria"][0]["params"]["value"] += 1

    def run(self) -> Any:
        return preview_checklist(self.document, self.version)

    def check(self, result: Any) -> bool:
        items = items_of(self.version, self.document)
        [found] = evaluate_checklists([checklist_of(self.version, items)], timezone.now())
        return bool(result["items"] == item_counts(found))

    def rows(self) -> None:
        return None


def checklist_of_20() -> IcpVersion:
    """The published checklist of the measurements, made and answered for every account where it is not there."""
    found = IcpVersion.objects.filter(profile__key="bench").first()
    if found:
        return found

    def rule(kind: str, **params: Any) -> dict[str, Any]:
        return {"kind": "rule", "rule": {"criteria": [{"kind": kind, "params": params}]}}

    rules = [
        rule("field", field="industry", operator="in", value=["Manufacturing", "Healthcare"]),
        rule("field", field="employees", operator="at_least", value=150),
        rule("field", field="employees", operator="at_most", value=20_000),
        rule("field", field="revenue", operator="at_least", value=10_000_000),
        rule("field", field="region", operator="known"),
        rule("field", field="country", operator="is", value="China"),
        rule("field", field="relationship", operator="is", value="prospect"),
        rule("field", field="tier", operator="known"),
        rule("field", field="city", operator="known"),
        rule("flag", flag="disqualified"),
        rule("opportunity_won"),
        rule("opportunity_open"),
        rule("engaged_minutes", minutes=20, window_days=90),
        rule("engaged_minutes", minutes=60, window_days=365),
        rule("engaged_people", people=2, window_days=90),
    ]
    version = create_profile(key="bench", name="Bench")
    items = [{"key": f"rule-{i}", "text": f"Rule {i}", **fields} for i, fields in enumerate(rules)]
    items += [{"key": f"asked-{i}", "text": f"Question {i}", "kind": "yes_no"} for i in range(5)]
    save_profile_draft(version=version, items=items)
    version = publish_profile_version(version=version)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO segmentation_icpanswer (profile_id, item_key, account_id, kind, value, note)"
            " SELECT %s, 'asked-' || n, a.id, 'yes_no', (a.id + n) %% 2, ''"
            " FROM segmentation_account a CROSS JOIN generate_series(0, 4) n",
            [version.profile_id],
        )
        cursor.execute("ANALYZE segmentation_icpanswer")
    return version


class SqlWindowFunctions(OfEngine):
    """The same journey in SQL, from tables to an indexed table."""

    name = "sql_window_functions"

    def prepare(self) -> None:
        self.version = extended()

    def run(self) -> None:
        run_sql(self.version.pk)

    def made(self, _result: Any) -> Stays:
        return read_stays(connection, "bench_sql.stays")

    def clean(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA bench_sql CASCADE")


def run_sql(version: int) -> None:
    """Make the history in `bench_sql.stays`."""
    text = (Path(__file__).parent / "extended.sql").read_text()
    roles = ", ".join(f"'{role}'" for role in BuyingRole.values)
    # When a change of a deal takes effect is said by the facts, not by the journey.
    effective = EFFECTIVE_CHANGES.format(which="SELECT id FROM journey_opportunity WHERE account_id IS NOT NULL")
    for name, value in (("version", str(version)), ("roles", f"ARRAY[{roles}]"), ("effective", effective)):
        text = text.replace("{" + name + "}", value)
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("--")).split(";")
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench_sql CASCADE")
        cursor.execute("CREATE SCHEMA bench_sql")
        cursor.execute("SET search_path = bench_sql, public")
        cursor.execute(f"SET work_mem = '{SQL_MEMORY}'")
        cursor.execute(f"SET maintenance_work_mem = '{SQL_MEMORY}'")
        for statement in statements:
            if statement.strip():
                cursor.execute(statement)
        for name in ("search_path", "work_mem", "maintenance_work_mem"):
            cursor.execute(f"RESET {name}")


class Polars(OfEngine):
    """The same journey by Polars expressions, from facts in memory to stays in memory."""

    name = "polars"

    def prepare(self) -> None:
        from benchmarks.polars_journey import frames_of

        self.refs = {stage.key: stage.ref for stage in version_rules(extended()).stages}
        self.frames = frames_of(Loaded.now(extended()).batches)

    def run(self) -> Any:
        from benchmarks.polars_journey import extended_stays

        return extended_stays(self.frames)

    def made(self, result: Any) -> Stays:
        return polars_table(result, self.refs)


def polars_table(found: Any, refs: dict[str, Any]) -> Stays:
    """Stays in a data frame in the form for comparisons."""
    stage = found["stage"].cast(str).replace_strict(refs)
    end = found["end"].fill_null(OPEN)
    return stays_of(*(column.to_numpy() for column in (found["account"], stage, found["start"], end)))


class ProposeRace(Item):
    """32 writers over HTTP on 20 quotas of 50 places, with half as many accounts again as there are places."""

    name = "propose_race"
    quotas, places, accounts, writers = 20, 50, 75, 32

    def prepare(self) -> None:
        self.stack = ExitStack()
        try:
            remove_world()
            self.world = make_world(quotas=self.quotas, places=self.places, accounts=self.accounts)
            self.port, _process = self.stack.enter_context(server())
            wake(self.world, self.port, self.writers)
        except BaseException:
            self.clean()
            raise

    def run(self) -> Outcome:
        return race(self.world, self.port, writers=self.writers)

    def check(self, result: Outcome) -> bool:
        """Every quota is full and not one place more is taken; everybody got an answer that fits."""
        taken, refused = result.answers[200, ""], result.answers[409, "quota_exceeded"]
        for text in result.strange[:5]:
            print(f"  {self.name}: {text}", file=sys.stderr)
        return (
            self.world.held() == [self.places] * self.quotas
            and taken == self.quotas * self.places
            and taken + refused == self.world.tries
            and not result.strange
        )

    def clean(self) -> None:
        self.stack.close()
        remove_world()

    def rows(self) -> int:
        return self.world.tries


def funnel_question(*by: str) -> FunnelQuery:
    """Three years of the journey, broken down by these fields."""
    return funnel_query(
        journey=extended().journey,
        start=BEGIN,
        end=BEGIN + timedelta(days=365 * YEARS),
        as_of=BEGIN + timedelta(days=365 * YEARS),
        by=by,
    )


class FunnelCold(Item):
    """The funnel of three years by region, with nothing of it in the memory of the process."""

    name = "funnel_cold"

    def prepare(self) -> None:
        funnel(funnel_question("region"))  # loads the compiled code
        forget()

    def run(self) -> FunnelReport:
        return funnel(funnel_question("region"))

    def check(self, result: FunnelReport) -> bool:
        """Every stay of the history that began is in one group, and in one stage."""
        stored = stored_stays()
        first, last = (int((BEGIN + timedelta(days=days)).timestamp() * 1_000_000) for days in (0, 365 * YEARS))
        began = int(np.sum((stored["start"] >= first) & (stored["start"] < last)))
        counted = sum(stage.volume + stage.began for stage in result.stages)
        grouped = sum(stage.volume + stage.began for group in result.groups for stage in group.stages)
        return began == counted == grouped


class FunnelBreakdown(FunnelCold):
    """The slowest of all breakdowns, once the history and the field are in memory."""

    name = "funnel_breakdown"

    def prepare(self) -> None:
        took = {}
        for field in dimensions(extended().journey.unit):
            funnel(funnel_question(field))
            begin = time.perf_counter()
            funnel(funnel_question(field))
            took[field] = time.perf_counter() - begin
        self.slowest = max(took, key=lambda field: took[field])

    def run(self) -> FunnelReport:
        return funnel(funnel_question(self.slowest))


class FunnelFirstTime(FunnelCold):
    """A breakdown by a field that has not been read yet, the slowest of all, with the history in memory."""

    name = "funnel_new_field"

    def prepare(self) -> None:
        took = {}
        for field in dimensions(extended().journey.unit):
            begin = time.perf_counter()
            funnel(funnel_question(field))
            took[field] = time.perf_counter() - begin
        del took[next(iter(took))]  # which loaded the history itself
        self.slowest = max(took, key=lambda field: took[field])
        forget()
        funnel(funnel_question())

    def run(self) -> FunnelReport:
        return funnel(funnel_question(self.slowest))


ITEMS: dict[str, type[Item]] = {
    item.name: item
    for item in (
        ReadActivities,
        ReplayFull,
        ReplayCached,
        ReplayCachedCompute,
        ReplayInMemory,
        Replay1000Changed,
        ImportActivities,
        ImportMore,
        Assess,
        Assess100Changed,
        ChecklistCounts,
        SqlWindowFunctions,
        Polars,
        ProposeRace,
        FunnelCold,
        FunnelBreakdown,
        FunnelFirstTime,
    )
}


def make_reference(scratch: Scratch) -> int:
    """Replay in whole once: everything is compiled then, and there is a history to compare with. Returns its stays."""
    replay_version(extended(), full=True)
    found = stored_stays()
    save(found, scratch.reference)
    return len(found)
