"""Background work: the row of a job decides who runs it, in a process of its own.

django-q2 only triggers. A claim is one conditional update: a job that is taken, finished or out of attempts is refused,
so that running a task twice, or in parallel, does the work once.
"""

import datetime as dt
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_q.tasks import async_task

from segmentation.errors import InvalidValueError, ProblemError
from segmentation.models import Job
from segmentation.services.users import Actor, author

Progress = Callable[[float, str], None]

LEASE = dt.timedelta(minutes=10)  # renewed with every report of progress
REPORT_EVERY = 0.5  # seconds

_kinds: dict[str, str] = {}


def register_job(kind: str, function: str) -> None:
    """Make a kind of job known: the dotted name of a function (params, progress) that returns a JSON result."""
    _kinds[kind] = function


@transaction.atomic
def request_job(
    *,
    kind: str,
    title: str,
    params: Mapping[str, Any] | None = None,
    user: Actor = None,
    unique_key: str | None = None,
) -> Job:
    """Queue a job. With `unique_key`, an unfinished job of that key is returned instead of a second one."""
    if kind not in _kinds:
        raise InvalidValueError(
            _("There is no kind of job “%(value)s”."),
            code="unknown_job",
            field="kind",
            value=kind,
            remedy=_("Known are: %(known)s."),
            params={"known": ", ".join(sorted(_kinds))},
        )
    unfinished = Job.objects.filter(unique_key=unique_key, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    if unique_key and (job := unfinished.first()):
        return job
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                title=str(title)[:200],
                params=dict(params or {}),
                requested_by=author(user),
                unique_key=unique_key,
            )
    except IntegrityError:  # another request was faster
        return unfinished.get()
    async_task("segmentation.tasks.run_job", job.pk)
    return job


def claim_job(job_id: int) -> Job | None:
    """Take a job if it is free: queued, or its runner's lease ran out, and attempts are left. None if it is not."""
    now = timezone.now()
    free = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=now)
    taken = Job.objects.filter(free, pk=job_id, attempts__lt=F("max_attempts")).update(
        state=Job.State.RUNNING,
        attempts=F("attempts") + 1,
        lease_until=now + LEASE,
        started_at=now,
        error="",
        progress=0,
    )
    return Job.objects.get(pk=job_id) if taken else None


def run_job(job_id: int) -> Job | None:
    """Claim and run a job in this process. Returns it finished, or None when it was not free."""
    job = claim_job(job_id)
    if job is None:
        return None
    report = _Reporter(job.pk)
    try:
        result = import_string(_kinds[job.kind])(job.params, report)
    except ProblemError as error:
        _finish(job.pk, state=Job.State.FAILED, error=str(error))
    except Exception as error:
        _finish(job.pk, state=Job.State.FAILED, error=f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}")
        raise
    else:
        _finish(job.pk, state=Job.State.DONE, result=result, progress=1.0)
    finally:
        report.close()
    return Job.objects.get(pk=job_id)


def run_job_in_own_process(job_id: int) -> int:
    """Run a job in a new process, and wait for it. Long computations never run in a forked worker.

    Returns the exit code of that process.
    """
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_job", str(job_id)]
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    if code:  # killed, or it could not even begin: the row must not look as if somebody were at work
        Job.objects.filter(pk=job_id, state=Job.State.RUNNING).update(
            state=Job.State.FAILED,
            finished_at=timezone.now(),
            error=_t("The process ended with code %(code)s.") % {"code": code},
        )
    return code


def _finish(job_id: int, **fields: Any) -> None:
    Job.objects.filter(pk=job_id).update(finished_at=timezone.now(), lease_until=None, **fields)


class _Reporter:
    """Writes progress on a connection of its own, so that it is seen while the work's transaction is open."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.last = 0.0
        self.connection: Any = None

    def __call__(self, fraction: float, step: str) -> None:
        if time.monotonic() - self.last < REPORT_EVERY:
            return
        self.last = time.monotonic()
        if self.connection is None:
            self.connection = connection.copy()
        with self.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE segmentation_job SET progress = %s, step = %s, lease_until = %s WHERE id = %s",
                [min(max(fraction, 0.0), 1.0), step[:200], timezone.now() + LEASE, self.job_id],
            )

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
