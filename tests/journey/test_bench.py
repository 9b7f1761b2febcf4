"""The alternatives of the benchmark make the engine's history, and the benchmark says what it found."""

import json
from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

import journey.management.commands.bench as command
from benchmarks.alternatives import polars_table, run_sql
from benchmarks.item import Loaded, extended
from benchmarks.items import ITEMS
from benchmarks.polars_journey import extended_stays, frames_of
from benchmarks.runner import COPY, NAMES, Result, verdicts, write
from benchmarks.scratch import Scratch
from benchmarks.stays import differences, read_stays
from journey.demo.load import DemoRequest, load_demo
from journey.selectors.versions import published_version
from tests.journey import worlds

END = date(2025, 7, 1)

# What demo data is too tidy to have: many facts at one instant, changes out of order, undated or without stage, CRM
# stages without mapping, people and accounts that changed, flags that touch, ended customer periods, no creation date.
UNTIDY = """
SELECT setseed(0.{seed});
UPDATE scoring_activity SET occurred_at = date_trunc('day', occurred_at) WHERE random() < 0.4;
UPDATE scoring_activity SET seconds = 0 WHERE random() < 0.05;
UPDATE scoring_activity SET outcome = 'held' WHERE random() < 0.05;
UPDATE journey_opportunitychange SET occurred_at = date_trunc('month', occurred_at) WHERE random() < 0.4;
UPDATE journey_opportunitychange SET occurred_at = NULL WHERE random() < 0.03;
UPDATE journey_opportunitychange SET sequence = (random() * 3)::int WHERE random() < 0.3;
UPDATE journey_opportunitychange SET crm_stage_id = (SELECT id FROM journey_crmstage s WHERE journey_opportunitychange.id > 0 ORDER BY random() LIMIT 1)
    WHERE random() < 0.3;
UPDATE journey_opportunitychange SET crm_stage_id = NULL WHERE random() < 0.05;
UPDATE journey_crmstage SET meaning = '' WHERE name = 'Solution fit';
UPDATE segmentation_contact SET seniority = (ARRAY['', 'other', 'manager', 'vp', 'c_level'])[1 + (random() * 4)::int],
    buying_role = coalesce((SELECT buying_role FROM segmentation_contact c WHERE segmentation_contact.id > 0 ORDER BY random() LIMIT 1), '')
    WHERE random() < 0.4;
UPDATE segmentation_contactevent SET pgh_created_at = timestamptz '{start}' + random() * interval '700 days' WHERE random() < 0.8;
UPDATE segmentation_account SET tier = (ARRAY[NULL, 1, 2, 3])[1 + (random() * 3)::int] WHERE random() < 0.5;
UPDATE segmentation_accountevent SET pgh_created_at = date_trunc('month', timestamptz '{start}' + random() * interval '700 days') WHERE random() < 0.8;
UPDATE segmentation_account SET created_in_source_at = NULL WHERE random() < 0.2;
INSERT INTO segmentation_accountflag (account_id, flag_type_id, start_at, end_at, reason)
    SELECT a.id, y.id, timestamptz '{start}' + (a.id % 500 + (n - 1) * 7) * interval '1 day', timestamptz '{start}' + (a.id % 500 + n * 7) * interval '1 day', ''
    FROM segmentation_account a, segmentation_flagtype y, generate_series(1, 2) n
    WHERE y.key = 'disqualified' AND a.id % 9 = 1 AND NOT EXISTS (SELECT FROM segmentation_accountflag f WHERE f.account_id = a.id);
UPDATE journey_customerperiod SET ended_at = started_at + random() * interval '200 days' WHERE random() < 0.7;
"""  # noqa: E501


@pytest.fixture(params=[1, 2, 3])
def untidy_facts(request, db) -> None:
    """Facts of 150 accounts with everything that makes a history difficult."""
    if published_version("extended") is None:
        worlds.install()
    load_demo(DemoRequest(accounts=150, activities=9_000, years=2, seed=request.param, end_date=END), today=END)
    with connection.cursor() as cursor:
        for statement in UNTIDY.format(seed=request.param, start="2023-07-01").split(";"):
            if statement.strip():
                cursor.execute(statement)


def test_sql_and_polars_make_the_same_stays_as_the_engine(untidy_facts):
    version = extended()
    loaded = Loaded.now(version)
    stays = loaded.table(loaded.stays())
    assert len({int(stage) for stage in stays["stage"]}) >= 8

    run_sql(version.pk)
    assert differences(read_stays(connection, "bench_sql.stays"), stays) == 0

    refs = {stage.key: stage.ref for stage in loaded.rules.stages}
    assert differences(polars_table(extended_stays(frames_of(loaded.batches)), refs), stays) == 0


def test_a_difference_is_found():
    from benchmarks.stays import stays_of

    one = stays_of([1, 1], [5, 6], [10, 20], [20, 30])
    assert differences(one, stays_of([1, 1], [6, 5], [20, 10], [30, 20])) == 0
    assert differences(one, stays_of([1, 1], [5, 6], [10, 21], [21, 30])) == 4
    assert differences(one, one[:1]) == 1


@pytest.mark.django_db(transaction=True)
def test_bench_measures_in_a_database_of_its_own_and_drops_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    names = ["copy_activities", "replay_full", "replay_1000_changed"]
    call_command("bench", size=0.005, only=names, repeat=1, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "results.json").read_text())
    assert [(row["name"], row["size"], row["equal"]) for row in printed] == [(name, 0.005, True) for name in names]
    for row in printed[1:]:
        assert row["median_seconds"] > 0
        assert row["peak_mb"] > 50
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = 'bench_0_005'")
        assert cursor.fetchone() == (0,)
    assert not Scratch(0.005).folder.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"size": 11.0}, "out of range"), ({"only": ["replay"]}, "no measurement “replay”"), ({"repeat": 0}, "too few")],
)
def test_options_that_cannot_be_used_are_named(options, words):
    with pytest.raises(CommandError, match=words):
        call_command("bench", **options)


def test_everything_with_a_target_is_measured():
    assert {verdict.name for verdict in verdicts([])} <= set(NAMES)
    assert set(NAMES) == {COPY, *ITEMS}


def test_results_of_other_sizes_stay_in_the_file(tmp_path):
    path = tmp_path / "results.json"
    small, large = (Result("replay_full", size, [2.0, 1.0, 3.0], [0.5], 100.0) for size in (0.1, 10.0))
    write([large.as_dict()], path)
    write([small.as_dict()], path)
    rows = json.loads(path.read_text())
    assert [(row["size"], row["median_seconds"]) for row in rows] == [(0.1, 2.0), (10.0, 2.0)]


PAGES = {
    "funnel_new_heat_map": 0.5,
    "near_misses": 5,
    "markets_cold": 3,
    "markets": 1,
    "segment_performance_cold": 3,
    "segment_performance": 1,
    "segment_priority_cold": 3,
    "segment_priority": 1,
    "goals": 3,
    "lookalikes": 60,
    "intent_of_texts": 10,
}


def test_targets_hold_at_the_limit_and_are_missed_beyond():
    def row(name: str, seconds: float, ratio: float = 0, peak: float = 0) -> dict[str, object]:
        return Result(name, 10.0, [seconds], [ratio], peak).as_dict()

    at_the_limit = [
        row("replay_full", 10, 3.5, 400),
        row("replay_cached_compute", 1, 0.4),
        row("replay_1000_changed", 0.5),
        row("replay_in_memory", 1),
        row("sql_window_functions", 80),
        row("polars", 4),
        Result("propose_race", 10.0, [1.0], [1.0], rows=100).as_dict(),
        row("funnel_cold", 3),
        row("funnel_breakdown", 0.5),
        row("funnel_new_field", 0.5),
        row("assess_20_items", 10),
        row("checklist_counts", 1),
        row("segments_rebuild", 20),
        row("segment_count", 1),
        row("duplicates", 60),
        *(row(name, seconds) for name, seconds in PAGES.items()),
    ]
    held = [verdict.holds for verdict in verdicts(at_the_limit)]
    assert held.pop(4) is None  # the import is not among them
    assert held == [True] * (15 + len(PAGES))
    beyond = [
        row("replay_full", 10, 3.51, 401),
        row("replay_cached_compute", 1, 0.41),
        row("replay_1000_changed", 0.51),
        row("replay_in_memory", 1),
        row("sql_window_functions", 79),
        row("polars", 3.9),
        Result("import_activities", 10.0, [1.0], [1.0], rows=49_999).as_dict(),
        Result("propose_race", 10.0, [1.0], [1.0], rows=99).as_dict(),
        row("funnel_cold", 3.1),
        row("funnel_breakdown", 0.6),
        row("funnel_new_field", 0.6),
        row("assess_20_items", 10.1),
        row("checklist_counts", 1.1),
        row("segments_rebuild", 20.1),
        row("segment_count", 1.1),
        row("duplicates", 60.1),
        *(row(name, seconds + 0.1) for name, seconds in PAGES.items()),
    ]
    assert [verdict.holds for verdict in verdicts(beyond)] == [False] * (16 + len(PAGES))


def test_a_server_that_is_not_there_is_noticed_before_anything_is_made(monkeypatch):
    def fails():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", fails)
    monkeypatch.setattr(command, "Scratch", lambda *_: pytest.fail("no scratch database without a server"))
    with pytest.raises(OperationalError):  # which manage.py turns into a sentence
        call_command("bench", size=0.001)
