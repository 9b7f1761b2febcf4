"""django-q2, made safe: what runs inside its processes, and what watches them from outside.

Found by trying: a worker killed while it waits for work takes the queue's lock with it and the cluster freezes
silently; killing the cluster leaves its workers; one bad schedule row stops all. So a worker that dies idle ends the
whole cluster, every process ends with its parent, schedules are mended before they are read, and a supervisor restarts
a cluster that has ended or does nothing although work is due.
"""

import logging
import os
import queue
import signal
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django_q.cluster
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.brokers import get_broker
from django_q.cluster import Cluster, Sentinel
from django_q.models import OrmQ
from django_q.monitor import monitor
from django_q.scheduler import scheduler
from django_q.signing import BadSignature, SignedPackage
from django_q.worker import worker

from config import processes, schedules

logger = logging.getLogger(__name__)

IDLE = -1  # the timer of a worker that waits for work
SECONDS_UNTOUCHED = 60.0  # that due work may wait while nothing else is in hand
SECONDS_BETWEEN_LOOKS = 10.0
LONGEST_PAUSE = 60.0  # between restarts


class Guard(Sentinel):  # type: ignore[misc]
    """The process that watches the workers."""

    def reincarnate(self, process: Any) -> None:
        """Replace a process that has ended, or end everything if it may have taken the queue's lock with it."""
        if process in self.pool and (process.exitcode or 0) < 0 and process.timer.value == IDLE:
            logger.error(_("A worker was killed while it waited for work: the cluster is ended."))
            os.killpg(0, signal.SIGKILL)
        super().reincarnate(process)


def careful_scheduler(broker: Any = None) -> None:
    """Queue the work of the schedules that are due, after taking out what is not in the project's table."""
    try:
        schedules.sync()
    except DatabaseError:
        logger.exception(_("The schedules could not be read."))
        return
    scheduler(broker=broker)


def run_cluster() -> None:
    """Be the cluster: returns when it has been told to stop. Runs in a process group of its own."""
    if hasattr(os, "register_at_fork"):
        # Each fork asks anew, with its own parent; what the supervisor asked for is lost in a fork.
        parent: list[int] = []
        os.register_at_fork(
            before=lambda: parent.append(os.getpid()),
            after_in_parent=lambda: parent.clear(),
            after_in_child=lambda: _end_with(parent.pop()),
        )
    django_q.cluster.Sentinel = Guard
    django_q.cluster.scheduler = careful_scheduler
    Cluster().start()


def _end_with(parent: int) -> None:
    processes.end_with_parent(signal.SIGKILL, parent)()


@dataclass(frozen=True)
class Done:
    """How many tasks ran, and the names of those that failed."""

    ran: int
    failed: list[str]


def run_due() -> Done:
    """Run in this process what is due now, schedules included, and return what was done.

    Two at once share the work: a task is claimed by a conditional update.
    """
    broker = get_broker()
    careful_scheduler(broker)
    ran, failed = 0, []
    while broker.queue_size():
        for claim, payload in broker.dequeue() or ():
            try:
                task = SignedPackage.loads(payload)
            except (TypeError, BadSignature):
                logger.exception(_("A task with a wrong signature is dropped."))
                broker.fail(claim)
                continue
            task |= {"cluster": settings.Q_CLUSTER["name"], "ack_id": claim}
            outcome = _run_task(task, broker)
            ran += 1
            if not outcome["success"]:
                failed.append(f"{outcome['func']}: {str(outcome['result']).splitlines()[0]}")
    return Done(ran, failed)


class _Timer:
    """Stands in for the value that workers share with the process that watches them: here nobody watches."""

    value = -1.0

    def get_lock(self) -> "_Timer":
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...


def _run_task(task: dict[str, Any], broker: Any) -> dict[str, Any]:
    tasks: queue.Queue[Any] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue()
    tasks.put(task)
    tasks.put("STOP")
    worker(tasks, results, _Timer(), settings.Q_CLUSTER["timeout"])
    outcome: dict[str, Any] = results.get_nowait()
    results.put(outcome)
    results.put("STOP")
    monitor(results, broker)
    return outcome


def _seconds(name: str) -> float:
    options: dict[str, Any] = settings.Q_CLUSTER
    return float(options[name])


@dataclass(frozen=True)
class QueueState:
    """The queue as one cluster sees it.

    Attributes:
        due: seconds since the oldest work that nobody has taken became due; None without any.
        claimed: seconds since this cluster took the oldest work that it has not finished; None without any.
    """

    due: float | None
    claimed: float | None

    def fault(self) -> str | None:
        """Return what is wrong, or None. Long work is no fault: a task may take the whole ``timeout``."""
        # One running, and in each worker's queue two more that wait for it.
        longest = 3.0 * _seconds("timeout") + SECONDS_UNTOUCHED
        if self.claimed is not None and self.claimed > longest:
            return _("work taken %(seconds)d s ago is not done") % {"seconds": self.claimed}
        if self.due is not None and self.due > SECONDS_UNTOUCHED and self.claimed is None:
            return _("work due for %(seconds)d s is not taken") % {"seconds": self.due}
        return None


def queue_state(since: float) -> QueueState:
    """Return the state of the queue for a cluster that runs for ``since`` seconds."""
    now = timezone.now()
    begun = now - timedelta(seconds=since)
    retry = timedelta(seconds=_seconds("retry"))
    close_old_connections()
    rows = OrmQ.objects.filter(key=settings.Q_CLUSTER["name"])
    due = rows.filter(lock__lte=now).aggregate(oldest=Min("lock"))["oldest"]
    # Work taken before this cluster began comes back by itself when its lock runs out.
    claimed = rows.filter(lock__gt=max(now, begun + retry)).aggregate(oldest=Min("lock"))["oldest"]
    return QueueState(
        None if due is None else min((now - due).total_seconds(), since),
        None if claimed is None else (now - (claimed - retry)).total_seconds(),
    )


class Supervisor:
    """Keeps one cluster running. Call ``watch`` about once a second from the thread that made it, then ``stop``."""

    def __init__(self) -> None:
        """Start the first cluster."""
        self.restarts = 0
        self._pause = 1.0
        self._resume_at: float | None = None
        self._look_at = 0.0
        self._start()

    @property
    def pid(self) -> int:
        """The cluster's first process, which leads its process group."""
        return self._process.pid

    def watch(self) -> None:
        """Look after the cluster: begin anew when it has ended, when it is stuck."""
        now = time.monotonic()
        if self._resume_at is not None:
            if now >= self._resume_at:
                self.restarts += 1
                self._start()
            return
        if self._process.poll() is not None:
            self._restart(_("it ended with code %(code)s") % {"code": self._process.returncode})
        elif now >= self._look_at:
            self._look_at = now + SECONDS_BETWEEN_LOOKS
            self._look(now - self._begun)

    def stop(self, *, seconds: float) -> None:
        """End the cluster: give running tasks ``seconds``, then end them; they are taken up again later."""
        if self._resume_at is None:
            # Only the first process is told: told to all at once, the cluster hangs.
            processes.end(self._process, seconds=seconds)

    def _look(self, since: float) -> None:
        try:
            fault = queue_state(since).fault()
        except DatabaseError as error:
            logger.warning(_("The queue cannot be read: %s"), error)
            return
        if fault:
            self._restart(fault)
        elif since > LONGEST_PAUSE:
            self._pause = 1.0

    def _start(self) -> None:
        self._process = processes.start([sys.executable, str(processes.ROOT / "manage.py"), "jobs", "--cluster"])
        self._begun = time.monotonic()
        self._look_at = self._begun + SECONDS_BETWEEN_LOOKS
        self._resume_at = None

    def _restart(self, reason: str) -> None:
        logger.error(_("The worker is started again: %s."), reason)
        processes.kill_group(self._process)
        self._resume_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
