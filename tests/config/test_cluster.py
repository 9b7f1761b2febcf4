"""The work in the background: run once in this process, and kept running by a supervisor through every death."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.tasks import async_task

from config import cluster, schedules
from config.cluster import Done, QueueState, queue_state

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 40.0


@pytest.fixture(autouse=True)
def _no_schedules_of_the_project(monkeypatch):
    monkeypatch.setattr(schedules, "PLANNED", ())
    monkeypatch.setattr(schedules.sync, "__defaults__", ((),))


@pytest.fixture
def _stay_connected(monkeypatch):
    """django-q2 drops old connections, and takes one in the transaction of a test for old."""
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)


@pytest.mark.django_db
@pytest.mark.usefixtures("_stay_connected")
class TestOnce:
    def test_what_is_due_is_done_and_taken_off_the_queue(self):
        async_task("math.sqrt", 16)
        async_task("math.sqrt", 25)
        assert cluster.run_due() == Done(2, [])
        assert sorted(Task.objects.values_list("result", flat=True)) == [4.0, 5.0]
        assert not OrmQ.objects.exists()
        assert cluster.run_due() == Done(0, [])

    def test_work_that_fails_is_named_and_not_tried_for_ever(self):
        async_task("math.sqrt", "four")
        done = cluster.run_due()
        assert done.ran == 1
        assert done.failed[0].startswith("math.sqrt: must be real number")
        assert not OrmQ.objects.exists()

    def test_the_command_exits_with_an_error_when_work_failed(self, capsys):
        async_task("math.sqrt", "four")
        with pytest.raises(CommandError, match=r"math\.sqrt"):
            call_command("jobs", once=True)
        assert "1 done, 1 failed." in capsys.readouterr().out

    def test_a_task_that_was_tampered_with_is_dropped(self):
        OrmQ.objects.create(key="account-journey", payload="forged", lock=timezone.now())
        assert cluster.run_due() == Done(0, [])
        assert not OrmQ.objects.exists()

    def test_work_that_somebody_else_has_taken_is_left_alone(self):
        async_task("math.sqrt", 16)
        OrmQ.objects.update(lock=timezone.now() + timedelta(hours=1))
        assert cluster.run_due() == Done(0, [])

    def test_a_schedule_outside_the_table_never_runs(self):
        Schedule.objects.create(name="evil", func="os.abort", next_run=timezone.now() - timedelta(days=1))
        assert cluster.run_due() == Done(0, [])
        assert not Schedule.objects.exists()

    def test_a_schedule_that_is_due_runs(self, monkeypatch):
        planned = (schedules.Planned("cwd", "os.getcwd", minutes=5),)
        monkeypatch.setattr(schedules.sync, "__defaults__", (planned,))
        schedules.sync()
        assert cluster.run_due() == Done(1, [])
        assert cluster.run_due() == Done(0, []), "next in five minutes"

    def test_work_queued_in_a_transaction_that_fails_is_not_queued(self):
        with transaction.atomic():
            async_task("math.sqrt", 16)
            transaction.set_rollback(True)
        assert not OrmQ.objects.exists()


class TestStuck:
    @pytest.mark.parametrize(
        ("due", "claimed", "is_stuck"),
        [
            (None, None, False),
            (60.0, None, False),
            (60.1, None, True),
            (5000.0, 1800.0, False),  # long work ahead of it
            (None, 1860.0, False),
            (None, 1860.1, True),
        ],
    )
    def test_fault(self, due, claimed, is_stuck):
        assert (QueueState(due, claimed).fault() is not None) == is_stuck

    @pytest.mark.django_db
    @pytest.mark.usefixtures("_stay_connected")
    def test_work_due_before_the_cluster_began_waits_only_since_then(self):
        OrmQ.objects.create(key="account-journey", payload="", lock=timezone.now() - timedelta(days=1))
        assert queue_state(since=5.0) == QueueState(5.0, None)
        assert queue_state(since=500.0).fault() is not None

    @pytest.mark.django_db
    @pytest.mark.usefixtures("_stay_connected")
    def test_work_taken_by_a_cluster_before_this_one_is_not_this_one_s(self):
        OrmQ.objects.create(key="account-journey", payload="", lock=timezone.now() + timedelta(seconds=3600 - 2000))
        assert queue_state(since=100.0) == QueueState(None, None)
        assert queue_state(since=2100.0).claimed == pytest.approx(2000, abs=5)

    @pytest.mark.django_db
    @pytest.mark.usefixtures("_stay_connected")
    def test_another_cluster_s_queue_does_not_count(self):
        OrmQ.objects.create(key="other", payload="", lock=timezone.now() - timedelta(days=1))
        assert queue_state(since=500.0) == QueueState(None, None)


# With real processes -------------------------------------------------------------------------------------------------


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "nothing happened for too long"
        time.sleep(0.1)


class Jobs:
    """``manage.py jobs`` with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "VAR_DIR": str(folder), "BOOTSTRAP": "off", "LOG_LEVEL": "ERROR"}
        self.environment.pop("DATABASE_URL", None)
        self.manage("migrate", "-v0")

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def shell(self, code: str) -> str:
        return self.manage("shell", "-v0", "-c", code).strip()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "jobs", "--grace", "5"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: len(self.family()) == 6)

    def family(self) -> list[psutil.Process]:
        """Return the cluster's first process, its guard, two workers, and the two that feed them."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def do(self, number: int) -> None:
        """Queue work and wait until it is done."""
        self.shell(f"from django_q.tasks import async_task; async_task('math.sqrt', {number}, task_name='t{number}')")
        code = f"from django_q.models import Task; print(Task.objects.filter(name='t{number}', success=True).count())"
        wait_until(lambda: self.shell(code) == "1")


@pytest.fixture(scope="module")
def jobs(module_var_dir) -> Iterator[Jobs]:
    found = Jobs(module_var_dir)
    found.start()
    yield found
    family = found.family()
    found.process.send_signal(signal.SIGINT)
    found.process.wait(PATIENCE)
    assert [process for process in family if process.is_running()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="process groups and the death of parents as on Linux")
class TestSupervised:
    def test_a_worker_killed_while_idle_does_not_freeze_the_cluster(self, jobs):
        before = jobs.family()
        worker = sorted(process.pid for process in before)[2]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(jobs.family()) == 6 and not {p.pid for p in before} & {p.pid for p in jobs.family()})
        jobs.do(1)

    def test_a_cluster_that_was_killed_is_started_again_and_leaves_no_worker(self, jobs):
        before = jobs.family()
        before[0].kill()
        wait_until(lambda: not any(process.is_running() for process in before))
        wait_until(lambda: len(jobs.family()) == 6)
        jobs.do(2)

    def test_a_supervisor_that_was_killed_leaves_nothing(self, jobs):
        before = jobs.family()
        jobs.process.kill()
        jobs.process.wait()
        wait_until(lambda: not any(process.is_running() for process in before))
        jobs.start()
        jobs.do(3)


def test_the_database_of_these_tests_is_not_the_one_of_the_processes(jobs):
    assert jobs.environment["VAR_DIR"] not in str(connection.settings_dict["OPTIONS"])
