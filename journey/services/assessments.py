"""Assessing accounts by ideal customer profiles: the only code that writes assessments."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from journey.selectors.assessments import Evaluation, evaluate_fit, reasons_of
from journey.selectors.explanations import instant_of
from segmentation.engine.fit import GRADES, NO_VERDICT
from segmentation.errors import ConflictError
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import IcpProfile, IcpVersion, Job
from segmentation.selectors.profiles import published_profile_version, published_profile_versions
from segmentation.services.jobs import request_job
from segmentation.services.users import Actor

ASSESS_JOB = "assess"
_LOCK = 0x1C9  # class of the advisory locks taken here, one for each version


@dataclass(frozen=True)
class Assessed:
    """What an assessment did: accounts looked at, those with a new row, and how many have which grade now."""

    version: IcpVersion
    accounts: int
    changed: int
    grades: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.version.profile.key,
            "version": self.version.number,
            "accounts": self.accounts,
            "changed": self.changed,
            "grades": self.grades,
        }


def assess(
    *,
    profile: IcpProfile | None = None,
    version: IcpVersion | None = None,
    account_ids: Sequence[int] | None = None,
    at: dt.datetime | None = None,
) -> list[Assessed]:
    """Assess accounts by published versions. A row is stored only where an answer changed since the last one.

    Args:
        profile: its newest published version; with neither this nor `version`, that of every profile.
        version: exactly this one, which may be an older one.
        account_ids: which accounts; all when left out.
        at: now, when left out.

    Raises:
        NotFoundError: nothing of the profile is published.
        ConflictError: the version is a draft; drafts are compared, not stored.
        RuleError: an item's rule cannot be used (any more).
    """
    at = at or timezone.now()
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
    return [_store(evaluation, at) for evaluation in evaluate_fit(versions, at, account_ids)]


def request_assessment(*, profile: IcpProfile | None = None, user: Actor = None) -> Job:
    """Queue the assessment of all accounts; one that waits or runs is returned."""
    return request_job(
        kind=ASSESS_JOB,
        title=_t("Assess accounts: %(profile)s") % {"profile": profile or _t("all profiles")},
        params={"profile": profile.key if profile else None},
        user=user,
        unique_key=f"{ASSESS_JOB}:{profile.key if profile else '*'}",
    )


@transaction.atomic
def _store(evaluation: Evaluation, at: dt.datetime) -> Assessed:
    """End the present rows of accounts whose answers changed, and add the new ones. One at a time for a version."""
    version, fits = evaluation.checklist.version, evaluation.fits
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, version.pk % 2**31])
    marks = _fingerprints(evaluation)
    present = read_rows(
        connection,
        "SELECT id, account_id, fingerprint, made_at FROM segmentation_icpassessment"
        " WHERE version_id = %s AND ended_at IS NULL",
        {"id": "i8", "account": "i8", "fingerprint": "i8", "made": "time"},
        [version.pk],
    )
    where = Positions(present["account"]).of(evaluation.ids)
    has = where >= 0
    same = np.zeros(len(marks), dtype=np.bool_)
    newer = np.zeros(len(marks), dtype=np.bool_)
    if len(present):
        same[has] = present["fingerprint"][where[has]] == marks[has]
        newer[has] = present["made"][where[has]] > instant_of(at)  # another process looked later and stored first
    changed = np.flatnonzero(~same & ~newer)
    if len(changed):  # an account that was deleted meanwhile would refuse the whole batch
        kept = read_rows(
            connection,
            "SELECT id FROM segmentation_account WHERE id = ANY (%s)",
            {"id": "i8"},
            [evaluation.ids[changed].tolist()],
        )
        changed = changed[np.isin(evaluation.ids[changed], kept["id"])]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segmentation_icpassessment SET ended_at = %s WHERE id = ANY (%s)",
            [at, present["id"][where[changed[has[changed]]]].tolist()] if len(present) else [at, []],
        )
    _copy(evaluation, changed, marks, at)
    numbers = np.bincount(fits.grade, minlength=len(GRADES))
    return Assessed(
        version=version,
        accounts=len(evaluation.ids),
        changed=len(changed),
        grades={grade or "none": int(numbers[i]) for i, grade in enumerate(GRADES)},
    )


def _columns(evaluation: Evaluation) -> list[bytes]:
    """The points of each account as bytes, which many accounts share."""
    size = len(evaluation.checklist.items)
    data = np.ascontiguousarray(evaluation.points.T.astype(np.int8)).tobytes()
    return [data[i * size : (i + 1) * size] for i in range(len(evaluation.ids))]


def _fingerprints(evaluation: Evaluation) -> Any:
    """int64[n]: a number for all the answers of an account together."""
    known: dict[bytes, int] = {}
    marks = np.empty(len(evaluation.ids), dtype=np.int64)
    for i, column in enumerate(_columns(evaluation)):
        mark = known.get(column)
        if mark is None:
            mark = known[column] = int.from_bytes(blake2b(column, digest_size=8).digest(), "big", signed=True)
        marks[i] = mark
    return marks


def _copy(evaluation: Evaluation, rows: Any, marks: Any, at: dt.datetime) -> None:
    if not len(rows):
        return
    checklist, fits = evaluation.checklist, evaluation.fits
    texts: dict[int, str] = {}
    moment = at.isoformat()
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY segmentation_icpassessment"
            " (version_id, account_id, score, grade, coverage, reasons, fingerprint, made_at) FROM STDIN"
        ) as copy,
    ):
        for i in rows.tolist():
            mark = int(marks[i])
            if mark not in texts:
                texts[mark] = json.dumps(reasons_of(checklist, evaluation.points[:, i], fits.knocked_out[:, i]))
            score = int(fits.score[i])
            copy.write_row(
                (
                    checklist.version.pk,
                    int(evaluation.ids[i]),
                    None if score == NO_VERDICT else f"{score / 100:.2f}",
                    GRADES[fits.grade[i]],
                    f"{int(fits.coverage[i]) / 100:.2f}",
                    texts[mark],
                    mark,
                    moment,
                )
            )
