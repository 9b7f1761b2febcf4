"""Looking for accounts that may be one company, and what people decide about them: the only writer of candidates."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _t

from segmentation.identity.pairs import MIN_SCORE, Pair, find_pairs
from segmentation.models import DuplicateCandidate, Job
from segmentation.selectors.identities import all_identities, contact_mails
from segmentation.services.columns import checked_note
from segmentation.services.jobs import request_job
from segmentation.services.snapshots import one_snapshot
from segmentation.services.users import Actor, author

DUPLICATES_JOB = "duplicates"
_LOCK = "looking for duplicates"


@dataclass(frozen=True)
class Found:
    """What a search did: accounts looked at, candidates that are new, came back, are open now, and went away."""

    accounts: int
    new: int
    back: int
    open: int
    declined: int
    gone: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "seconds": round(self.seconds, 3)}


def find_duplicates(*, progress: Callable[[float, str], None] = lambda _share, _step: None) -> Found:
    """Look for duplicates among all accounts and store them.

    A declined pair stays declined until its reasons change. An open one whose reasons are gone goes away.
    """
    started = time.perf_counter()
    progress(0.0, _t("reading accounts"))
    with one_snapshot():
        identities = all_identities()
        mails = list(contact_mails())
    pairs = find_pairs(
        identities,
        mails,
        min_score=MIN_SCORE,
        progress=lambda share: progress(0.1 + 0.7 * share, _t("comparing")),
    )
    progress(0.8, _t("storing"))
    counts = _store(pairs)
    progress(1.0, _t("done"))
    return Found(accounts=len(identities), seconds=time.perf_counter() - started, **counts)


@transaction.atomic
def _store(pairs: Iterable[Pair]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
        cursor.execute(
            "CREATE TEMP TABLE found_pairs (first_id bigint, second_id bigint, score numeric, reasons jsonb,"
            " fingerprint bigint) ON COMMIT DROP"
        )
        with cursor.copy("COPY found_pairs FROM STDIN") as copy:
            for pair in pairs:
                reasons = json.dumps(pair.reasons, ensure_ascii=False)
                copy.write_row((pair.first, pair.second, pair.score, reasons, pair.fingerprint))
        cursor.execute("ANALYZE found_pairs")
        # An account that was merged or deleted since it was read.
        cursor.execute(
            "DELETE FROM found_pairs f WHERE NOT EXISTS (SELECT 1 FROM segmentation_account a WHERE a.id = f.first_id)"
            " OR NOT EXISTS (SELECT 1 FROM segmentation_account a WHERE a.id = f.second_id)"
        )
        table = DuplicateCandidate._meta.db_table
        same = "f.first_id = d.first_id AND f.second_id = d.second_id"
        cursor.execute(
            f"DELETE FROM {table} d WHERE d.state = 'open' AND NOT EXISTS (SELECT 1 FROM found_pairs f WHERE {same})"
        )
        gone = cursor.rowcount
        cursor.execute(
            f"UPDATE {table} d SET state = 'open', decided_at = NULL, decided_by_id = NULL, note = '',"
            " found_at = now(), score = f.score, reasons = f.reasons, fingerprint = f.fingerprint"
            f" FROM found_pairs f WHERE {same} AND d.state = 'declined' AND d.fingerprint <> f.fingerprint"
        )
        back = cursor.rowcount
        cursor.execute(
            f"UPDATE {table} d SET score = f.score, reasons = f.reasons, fingerprint = f.fingerprint"
            f" FROM found_pairs f WHERE {same}"
            " AND (d.score, d.fingerprint) IS DISTINCT FROM (f.score, f.fingerprint)"
        )
        cursor.execute(
            f"INSERT INTO {table} (first_id, second_id, score, reasons, fingerprint, state, note)"
            " SELECT f.first_id, f.second_id, f.score, f.reasons, f.fingerprint, 'open', ''"
            f" FROM found_pairs f WHERE NOT EXISTS (SELECT 1 FROM {table} d WHERE {same}) ORDER BY f.score DESC"
        )
        new = cursor.rowcount
        cursor.execute(
            f"SELECT count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'declined') FROM {table}"
        )
        open_, declined = cursor.fetchone()
        cursor.execute("DROP TABLE found_pairs")
    return {"new": new, "back": back, "open": open_, "declined": declined, "gone": gone}


@transaction.atomic
def decline_duplicates(
    *, candidates: Iterable[DuplicateCandidate], note: str = "", user: Actor = None
) -> list[DuplicateCandidate]:
    """Say that pairs are not the same company. They do not come back until their reasons change.

    Returns:
        Those that were open and are declined now.
    """
    note = checked_note(DuplicateCandidate, note)
    rows = list(
        DuplicateCandidate.objects.select_for_update(of=("self",))
        .filter(pk__in=[row.pk for row in candidates], state=DuplicateCandidate.State.OPEN)
        .order_by("pk")
    )
    for row in rows:
        row.state, row.note = DuplicateCandidate.State.DECLINED, note
        row.decided_by, row.decided_at = author(user), timezone.now()
    DuplicateCandidate.objects.bulk_update(rows, ["state", "note", "decided_by", "decided_at"])
    return rows


@transaction.atomic
def reopen_duplicates(*, candidates: Iterable[DuplicateCandidate], user: Actor = None) -> list[DuplicateCandidate]:
    """Put declined pairs back into the queue. Returns those that were declined."""
    rows = list(
        DuplicateCandidate.objects.select_for_update(of=("self",))
        .filter(pk__in=[row.pk for row in candidates], state=DuplicateCandidate.State.DECLINED)
        .order_by("pk")
    )
    for row in rows:
        row.state, row.note, row.decided_by, row.decided_at = DuplicateCandidate.State.OPEN, "", None, None
    DuplicateCandidate.objects.bulk_update(rows, ["state", "note", "decided_by", "decided_at"])
    return rows


def request_search(*, user: Actor = None) -> Job:
    """Queue a search for duplicates; one that waits or runs is returned."""
    return request_job(kind=DUPLICATES_JOB, title=_t("Look for duplicates"), user=user, unique_key=DUPLICATES_JOB)


def run_duplicates_job(_params: Mapping[str, Any], progress: Callable[[float, str], None]) -> dict[str, Any]:
    """What the background worker calls."""
    return find_duplicates(progress=progress).as_dict()


__all__ = ["Found", "decline_duplicates", "find_duplicates", "reopen_duplicates", "request_search"]
