"""Assessing accounts by ideal customer profiles: the only code that writes assessments.

A whole assessment looks at every account; after that only those are looked at whose facts or answers changed since, or
for whom time alone may have changed a rule. Both give the same.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from journey.selectors.assessments import Due, due_accounts, histories_read
from journey.selectors.checklists import Evaluation, evaluate_checklists, read_checklist, reasons_of
from journey.selectors.explanations import instant_of
from segmentation.engine.fit import GRADES, NO_VERDICT
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.errors import ConflictError
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import IcpAssessment, IcpProfile, IcpRun, IcpVersion, Job
from segmentation.selectors.profiles import published_profile_version, published_profile_versions
from segmentation.selectors.touches import current_snapshot
from segmentation.services.jobs import request_job
from segmentation.services.snapshots import one_snapshot
from segmentation.services.users import Actor

ASSESS_JOB = "assess"
_LOCK = 0x1C9  # class of the advisory locks taken while rows of a version are written
_LOCK_RUN = 0x1CA  # and during a whole run
# The engine's time, and its far future where there is none.
_DUE = f"coalesce((extract(epoch FROM due_at) * 1000000)::bigint, {FAR_FUTURE})"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Assessed:
    """What an assessment did.

    accounts: how many it is about. looked_at: of how many the answers were found out anew. changed: those with a new
    row. grades: how many of the accounts have which grade now.
    """

    version: IcpVersion
    mode: str
    accounts: int
    looked_at: int
    changed: int
    grades: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.version.profile.key,
            "version": self.version.number,
            "mode": self.mode,
            "accounts": self.accounts,
            "looked_at": self.looked_at,
            "changed": self.changed,
            "grades": self.grades,
        }


def assess(
    *,
    profile: IcpProfile | None = None,
    version: IcpVersion | None = None,
    account_ids: Sequence[int] | None = None,
    at: dt.datetime | None = None,
    full: bool = False,
) -> list[Assessed]:
    """Assess accounts by published versions. A row is stored only where an answer changed since the last one.

    Args:
        profile: its newest published version; with neither this nor `version`, that of every profile.
        version: exactly this one, which may be an older one.
        account_ids: which accounts; when left out, all of which something may have changed since the last time.
        at: now, when left out. With a moment, every account is looked at as of it: rules at that moment by all that is
            known today, and what people had answered until then.
        full: look at every account, whether something changed or not.

    Raises:
        NotFoundError: nothing of the profile is published.
        ConflictError: the version is a draft; drafts are compared, not stored.
        RuleError: an item's rule cannot be used (any more).
    """
    if version is not None:
        if version.is_draft:
            raise ConflictError(
                _("%(value)s is a draft: what it says is not kept."),
                code="draft",
                field="version",
                value=str(version),
                remedy=_("Compare it with the published version, or publish it."),
            )
        versions = [version]
    elif profile is not None:
        versions = [published_profile_version(profile)]
    else:
        versions = published_profile_versions()
    if account_ids is not None or at is not None:
        return [_assess_some(one, account_ids, at) for one in versions]
    return [_assess_all(one, full) for one in versions]


def request_assessment(*, profile: IcpProfile | None = None, user: Actor = None) -> Job:
    """Queue the assessment of all accounts; one that waits or runs is returned."""
    return request_job(
        kind=ASSESS_JOB,
        title=_t("Assess accounts: %(profile)s") % {"profile": profile or _t("all profiles")},
        params={"profile": profile.key if profile else None},
        user=user,
        unique_key=f"{ASSESS_JOB}:{profile.key if profile else '*'}",
    )


def _assess_some(version: IcpVersion, account_ids: Sequence[int] | None, at: dt.datetime | None) -> Assessed:
    """These accounts, or all of them as of a moment."""
    moment = at or timezone.now()
    [evaluation] = evaluate_checklists([read_checklist(version)], moment, account_ids, answers_until=at)
    with transaction.atomic():
        changed = _store(evaluation, moment)
    numbers = np.bincount(evaluation.fits.grade, minlength=len(GRADES))
    return Assessed(
        version=version,
        mode="full" if account_ids is None else "some",
        accounts=len(evaluation.ids),
        looked_at=len(evaluation.ids),
        changed=changed,
        grades={grade or "none": int(numbers[i]) for i, grade in enumerate(GRADES)},
    )


def _assess_all(version: IcpVersion, full: bool) -> Assessed:
    """Bring the present rows of all accounts up to date, and note from which state of the facts they are."""
    checklist = read_checklist(version)
    with _only_one(version):
        with one_snapshot() as reading:
            at = timezone.now()
            snapshot, read = current_snapshot(reading), histories_read(checklist)
            run = None if full else IcpRun.objects.filter(version=version).first()
            due = Due.everybody() if run is None else due_accounts(reading, run, read, at)
            [evaluation] = evaluate_checklists([checklist], at, None if due.everything else due.accounts)
        with transaction.atomic():
            changed = _store(evaluation, at)
            IcpRun.objects.update_or_create(
                version=version,
                defaults={
                    "snapshot": snapshot,
                    "reads": {name: [history.pk, history.snapshot] for name, history in read.items()},
                    "made_at": at,
                },
            )
            # Older versions are not brought up to date any more and need nothing of the change feed.
            IcpRun.objects.filter(version__profile=version.profile_id, version__number__lt=version.number).delete()
    grades = present_grades(version)
    return Assessed(
        version=version,
        mode="full" if due.everything else "changed",
        accounts=sum(grades.values()),
        looked_at=len(evaluation.ids),
        changed=changed,
        grades=grades,
    )


def present_grades(version: IcpVersion) -> dict[str, int]:
    """How many accounts have which grade by a version now."""
    rows = IcpAssessment.objects.filter(version=version, ended_at__isnull=True).order_by()
    found = dict(rows.values_list("grade").annotate(rows=Count("pk")))
    return {grade or "none": found.get(grade, 0) for grade in GRADES}


@contextmanager
def _only_one(version: IcpVersion) -> Iterator[None]:
    """One run over all accounts at a time for a version, over all processes; a second one waits for the first."""
    key = [_LOCK_RUN, version.pk % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", key)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _store(evaluation: Evaluation, at: dt.datetime) -> int:
    """End the present rows of accounts whose answers changed, and add the new ones. Returns how many.

    One at a time for a version: call within a transaction.
    """
    version = evaluation.checklist.version
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, version.pk % 2**31])
    marks = _fingerprints(evaluation)
    present = read_rows(
        connection,
        f"SELECT id, account_id, fingerprint, made_at, {_DUE} FROM segmentation_icpassessment"
        " WHERE version_id = %s AND ended_at IS NULL" + ("" if _is_most(evaluation) else " AND account_id = ANY (%s)"),
        {"id": "i8", "account": "i8", "fingerprint": "i8", "made": "time", "due": "i8"},
        [version.pk, *([] if _is_most(evaluation) else [evaluation.ids.tolist()])],
    )
    where = Positions(present["account"]).of(evaluation.ids)
    has = where >= 0
    same = np.zeros(len(marks), dtype=np.bool_)
    newer = np.zeros(len(marks), dtype=np.bool_)
    if len(present):
        same[has] = present["fingerprint"][where[has]] == marks[has]
        newer[has] = present["made"][where[has]] > instant_of(at)  # another process looked later and stored first
        _keep_due(evaluation, np.flatnonzero(has & same & ~newer), present, where)
    changed = np.flatnonzero(~same & ~newer)
    if len(changed):  # an account that was deleted meanwhile would refuse the whole batch
        kept = read_rows(
            connection,
            "SELECT id FROM segmentation_account WHERE id = ANY (%s) FOR KEY SHARE",
            {"id": "i8"},
            [evaluation.ids[changed].tolist()],
        )
        changed = changed[np.isin(evaluation.ids[changed], kept["id"])]
    ended = changed[has[changed]]
    if len(ended):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE segmentation_icpassessment SET ended_at = %s WHERE id = ANY (%s)",
                [at, present["id"][where[ended]].tolist()],
            )
    _copy(evaluation, changed, marks, at)
    return len(changed)


def _is_most(evaluation: Evaluation) -> bool:
    return len(evaluation.ids) > 5_000


def _keep_due(evaluation: Evaluation, rows: Int64s, present: Any, where: Int64s) -> None:
    """Note on rows that stay when time alone may change them next, where that is another moment than before."""
    rows = rows[present["due"][where[rows]] != evaluation.due[rows]]
    if not len(rows):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segmentation_icpassessment a SET due_at = d.due"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) d (id, due) WHERE a.id = d.id",
            [present["id"][where[rows]].tolist(), [_moment(due) for due in evaluation.due[rows].tolist()]],
        )


def _moment(instant: int) -> str | None:
    return None if instant == FAR_FUTURE else (_EPOCH + dt.timedelta(microseconds=instant)).isoformat()


def _columns(evaluation: Evaluation) -> list[bytes]:
    """The points of each account as bytes, which many accounts share."""
    size = len(evaluation.checklist.items)
    data = np.ascontiguousarray(evaluation.points.T.astype(np.int8)).tobytes()
    return [data[i * size : (i + 1) * size] for i in range(len(evaluation.ids))]


def _fingerprints(evaluation: Evaluation) -> Int64s:
    """int64[n]: a number for all the answers of an account together."""
    known: dict[bytes, int] = {}
    marks = np.empty(len(evaluation.ids), dtype=np.int64)
    for i, column in enumerate(_columns(evaluation)):
        mark = known.get(column)
        if mark is None:
            mark = known[column] = int.from_bytes(blake2b(column, digest_size=8).digest(), "big", signed=True)
        marks[i] = mark
    return marks


def _copy(evaluation: Evaluation, rows: Int64s, marks: Int64s, at: dt.datetime) -> None:
    """Add the new rows. What depends on the answers alone is written out once for all accounts with the same."""
    if not len(rows):
        return
    checklist, fits = evaluation.checklist, evaluation.fits
    texts: dict[int, str] = {}
    moment = at.isoformat()
    lines = []
    for i, account, mark, due in zip(
        rows.tolist(), evaluation.ids[rows].tolist(), marks[rows].tolist(), evaluation.due[rows].tolist(), strict=True
    ):
        if mark not in texts:
            score = int(fits.score[i])
            reasons = json.dumps(reasons_of(checklist, evaluation.points[:, i], fits.knocked_out[:, i]))
            columns = (
                r"\N" if score == NO_VERDICT else f"{score / 100:.2f}",
                GRADES[fits.grade[i]],
                f"{int(fits.coverage[i]) / 100:.2f}",
                reasons.replace("\\", r"\\"),
                str(mark),
                moment,
            )
            texts[mark] = "\t".join(columns)
        until = _moment(due) or r"\N"
        lines.append(f"{checklist.version.pk}\t{account}\t{texts[mark]}\t{until}\n")
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY segmentation_icpassessment"
            " (version_id, account_id, score, grade, coverage, reasons, fingerprint, made_at, due_at) FROM STDIN"
        ) as copy,
    ):
        for low in range(0, len(lines), 10_000):
            copy.write("".join(lines[low : low + 10_000]))
