"""Looking for accounts that look like customers or show interest, and storing who is suggested.

Open suggestions and models are derived: thrown away, the next run makes them again. What people decided is kept, with
the evidence they saw, and tells whether something has changed since.
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from journey.facts.attributes import Known, present_values
from journey.models import Journey, JourneyVersion, LookalikeModel, Suggestion, SuggestionSource
from journey.selectors.explanations import instant_of
from journey.selectors.lookalikes import (
    compared_attributes,
    customer_stage,
    journey_of,
    known_accounts,
    model_document,
    newest_model,
    problem_text,
    rows_of_accounts,
)
from journey.selectors.segment_evidence import criteria_held, segment_terms
from journey.selectors.stages import stays_at
from journey.selectors.suggestions import RECENT_DAYS, Kind, State, never_suggested, not_compared, taken_off
from journey.services.replay import bring_up_to_date, refuse_broken_rules
from scoring.selectors.engagement import Engagement, recent_engagement
from segmentation.engine.lookalike import (
    FOLDS,
    SEED,
    Attribute,
    CannotLearnError,
    LibraryMissingError,
    Model,
    attributes_changed,
    behaviour_changed,
    learn,
)
from segmentation.engine.memberships import segment_name
from segmentation.errors import ConflictError, NotFoundError, ProblemError
from segmentation.models import Account, Job
from segmentation.selectors.segments import current_segment_history, memberships_at
from segmentation.services.jobs import request_job
from segmentation.services.users import Actor

SUGGEST_JOB = "suggest"
_LOCK_CLASS = 73_004
HOUR = 60.0  # engaged minutes that count half a criterion when accounts are ranked by interest

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class SourceResult:
    """What a run of one source did.

    accounts: looked at. found: how many could be suggested, of which `open` wait now. new, back, gone: suggestions that
    are new, came back after a decision, and went away. declined: still declined. problem: why nothing was changed.
    """

    source: SuggestionSource
    accounts: int = 0
    found: int = 0
    new: int = 0
    back: int = 0
    gone: int = 0
    open: int = 0
    declined: int = 0
    model: LookalikeModel | None = None
    problem: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        names = ("accounts", "found", "new", "back", "gone", "open", "declined", "problem")
        return {
            "source": self.source.key,
            "kind": self.source.kind,
            **{name: getattr(self, name) for name in names},
            "model": model_document(self.model) if self.model else None,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class _Candidate:
    """An account that could be suggested. evidence: made when it is needed."""

    account: int
    score: float
    evidence: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class _Found:
    accounts: int
    candidates: list[_Candidate]
    model: LookalikeModel | None = None


def _silent(_share: float, _step: str) -> None:
    pass


def suggest(
    *,
    sources: Collection[SuggestionSource] | None = None,
    journey: Journey | None = None,
    at: dt.datetime | None = None,
    progress: Progress = _silent,
) -> list[SourceResult]:
    """Bring histories up to date, then look for suggestions: by all active sources, or by some.

    A source that cannot find anything, because there are too few customers or its rule is broken, changes nothing and
    says why.

    Args:
        sources: only these, active or not.
        journey: only those that learn from it.
        at: the moment attributes, stages and behaviour are read at; now when left out.

    Raises:
        NotFoundError: no source learns from the journey.
    """
    chosen = list(SuggestionSource.objects.filter(active=True) if sources is None else sources)
    if journey is not None:
        chosen = [source for source in chosen if _learns_from(source, journey)]
        if not chosen:
            raise NotFoundError(
                _("No active source of suggestions learns from the journey “%(value)s”."),
                code="no_source",
                field="journey",
                value=journey.key,
                remedy=_("Make one under “Sources of suggestions”, or name another journey."),
            )
    results = []
    for number, source in enumerate(chosen):

        def report(share: float, step: str, source: SuggestionSource = source, number: int = number) -> None:
            progress((number + share) / len(chosen), f"{source}: {step}")

        results.append(_run(source, at, report))
    progress(1.0, _t("done"))
    return results


def _learns_from(source: SuggestionSource, journey: Journey) -> bool:
    try:
        return journey_of(source) == journey
    except ProblemError:
        return False


def _run(source: SuggestionSource, at: dt.datetime | None, progress: Progress) -> SourceResult:
    started = time.perf_counter()
    try:
        _prepare(source, progress)
        moment = at or timezone.now()
        progress(0.4, _t("comparing"))
        with _one_run(source):
            found = (_alike if source.kind == Kind.LOOKALIKE else _interested)(source, moment)
            progress(0.9, _t("storing"))
            counts = _store(source, found, moment)
        problem: dict[str, Any] = {}
    except CannotLearnError as error:
        problem = {"code": error.code, "numbers": error.numbers}
    except LibraryMissingError:
        problem = {"code": "library_missing"}
    except ProblemError as error:
        problem = {"code": error.code, "text": str(error)}
    SuggestionSource.objects.filter(pk=source.pk).update(run_at=timezone.now(), problem=problem)
    seconds = time.perf_counter() - started
    if problem:
        waiting = Suggestion.objects.filter(source=source, state=State.OPEN).count()
        return SourceResult(source, problem=problem_text(problem), open=waiting, seconds=seconds)
    return replace(counts, model=found.model, seconds=seconds)


class _one_run:  # noqa: N801 - reads as the context it is
    """One run of a source at a time, over all processes; a second one waits for the first."""

    def __init__(self, source: SuggestionSource) -> None:
        self.key = source.pk % 2**31

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [_LOCK_CLASS, self.key])

    def __exit__(self, *_error: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_CLASS, self.key])


def _prepare(source: SuggestionSource, progress: Progress) -> None:
    """Bring the history of the journey, and the members of the segment, up to date."""
    names = [f"journey:{journey_of(source).key}"]
    if source.kind == Kind.BEHAVIOUR and source.segment:
        names.append(segment_name(source.segment.key))
    broken = bring_up_to_date(names, progress=lambda share, step: progress(0.4 * share, step))
    if source.segment:
        refuse_broken_rules(source.segment, broken)


# --- Look like customers -------------------------------------------------------------------------------------------


def _alike(source: SuggestionSource, at: dt.datetime) -> _Found:
    version, known = known_accounts(source, at)
    rows = np.flatnonzero(~rows_of_accounts(known, not_compared()) | known.customer)
    attributes = [Attribute(one.key, one.values, one.code[rows]) for one in known.attributes]
    learnt = learn(attributes, known.customer[rows], source.least_customers)
    model = _stored_model(source, version, learnt, at)
    average = learnt.evaluation.base
    hidden = never_suggested(source) | set(taken_off(source))
    may = ~known.customer[rows] & ~np.isin(known.accounts[rows], np.array(sorted(hidden), dtype=np.int64))
    lift = np.round(learnt.chance / average, 3)
    may &= lift >= float(source.least_lift)
    order = np.flatnonzero(may)
    order = order[np.lexsort([known.accounts[rows][order], -lift[order]])]
    candidates = [
        _Candidate(
            int(known.accounts[rows[row]]),
            float(lift[row]),
            lambda row=row: _likeness(learnt, known, int(row), int(rows[row]), float(lift[row]), model),  # type: ignore[misc]
        )
        for row in order
    ]
    return _Found(len(rows), candidates, model)


def _likeness(learnt: Model, known: Known, row: int, place: int, lift: float, model: LookalikeModel) -> dict[str, Any]:
    return {
        "attributes": present_values(known, place),
        "chance": round(float(learnt.chance[row]), 4),
        "lift": lift,
        "effects": [list(effect) for effect in learnt.effects(row)],
        "model": model.number,
    }


def _stored_model(source: SuggestionSource, version: JourneyVersion, learnt: Model, at: dt.datetime) -> LookalikeModel:
    """Keep a model as a new version, unless it is the one made last."""
    import sklearn

    parameters = {
        "journey": version.journey.key,
        "journey_version": version.number,
        "stage": source.stage,
        "attributes": compared_attributes(source),
        "least_customers": source.least_customers,
        "prior": learnt.prior,
        "seed": SEED,
        "folds": FOLDS,
        "library": f"scikit-learn {sklearn.__version__}",
    }
    made = {
        "parameters": parameters,
        "evaluation": learnt.evaluation.as_dict(),
        "levels": [level.as_dict() for level in learnt.levels],
    }
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    last = newest_model(source)
    if last is not None and last.digest == digest:
        last.checked_at = at
        last.save(update_fields=["checked_at"])
        return last
    number = (source.lookalike_models.aggregate(most=Max("number"))["most"] or 0) + 1
    return LookalikeModel.objects.create(
        source=source,
        number=number,
        made_at=at,
        checked_at=at,
        accounts=learnt.evaluation.accounts,
        customers=learnt.evaluation.customers,
        digest=digest,
        **made,
    )


# --- Show interest -------------------------------------------------------------------------------------------------


def _interested(source: SuggestionSource, at: dt.datetime) -> _Found:
    segment = source.segment
    if segment is None or current_segment_history(segment) is None:
        raise ConflictError(
            _("Who is in the segment of the source “%(value)s” is not known yet."),
            code="no_history",
            field="segment",
            value=source.key,
            remedy=_("Choose a segment, and wait until its members are worked out."),
        )
    version, stage = customer_stage(source)
    since = dict(memberships_at(segment, at).values_list("account_id", "start_at"))
    customers = (
        stays_at(version, at).filter(stage=stage, account_id__in=list(since)).values_list("account_id", flat=True)
    )
    hidden = never_suggested(source) | set(customers)
    left = taken_off(source)
    # What a person took off the list counts as a no: behaviour must have begun anew since.
    ids = sorted(pk for pk in since.keys() - hidden if pk not in left or since[pk] > left[pk])
    held = criteria_held(segment, np.array(ids, dtype=np.int64), at)
    number = len(segment_terms(segment))
    engaged: dict[int, Engagement] = {}
    for low in range(0, len(ids), 5000):
        engaged |= recent_engagement(ids[low : low + 5000], at, RECENT_DAYS)

    def evidence(pk: int) -> dict[str, Any]:
        one = engaged.get(pk, Engagement())
        return {
            "held": sorted(held.get(pk, ())),
            "of": number,
            "minutes": one.minutes,
            "people": one.people,
            "since": instant_of(since[pk]),
        }

    def score(pk: int) -> float:
        minutes = engaged.get(pk, Engagement()).minutes
        return round(len(held.get(pk, ())) + minutes / (minutes + HOUR), 3)

    ranked = sorted(((score(pk), pk) for pk in ids), key=lambda one: (-one[0], one[1]))
    return _Found(len(since), [_Candidate(pk, value, lambda pk=pk: evidence(pk)) for value, pk in ranked])  # type: ignore[misc]


# --- Storing -------------------------------------------------------------------------------------------------------


def _has_changed(row: Suggestion, now: dict[str, Any]) -> bool:
    """Whether something has changed since a person decided about an account: see docs/suggestions.md."""
    assert row.decided_at is not None  # noqa: S101 - the database checks it
    if row.source.kind == Kind.LOOKALIKE:
        return attributes_changed(row.evidence, now)
    return behaviour_changed(row.evidence, now, instant_of(row.decided_at))


def _waiting(
    candidates: list[_Candidate], decided: dict[int, Suggestion], most: int
) -> Iterator[tuple[_Candidate, dict[str, Any]]]:
    """The best candidates that are not decided about, or about whom something has changed since."""
    number = 0
    for candidate in candidates:
        if number == most:
            return
        evidence = candidate.evidence()
        row = decided.get(candidate.account)
        if row is None or row.state == State.ACCEPTED or _has_changed(row, evidence):
            number += 1
            yield candidate, evidence


@transaction.atomic
def _store(source: SuggestionSource, found: _Found, at: dt.datetime) -> SourceResult:
    rows = {
        row.account_id: row
        for row in Suggestion.objects.select_for_update(of=("self",)).filter(source=source).select_related("source")
    }
    decided = {pk: row for pk, row in rows.items() if row.state != State.OPEN}
    chosen = list(_waiting(found.candidates, decided, source.most))
    # An account that was merged or deleted since it was read.
    there = set(Account.objects.filter(pk__in=[one.account for one, _e in chosen]).values_list("pk", flat=True))
    new, stayed, back, kept = [], [], [], set()
    for place, (candidate, evidence) in enumerate((c for c in chosen if c[0].account in there), start=1):
        score = Decimal(str(candidate.score))
        row = rows.get(candidate.account)
        kept.add(candidate.account)
        if row is None:
            fresh = {"place": place, "score": score, "evidence": evidence, "found_at": at}
            new.append(Suggestion(source=source, account_id=candidate.account, **fresh))
            continue
        if row.state != State.OPEN:
            row.state, row.found_at, row.note = State.OPEN, at, ""
            row.decided_by, row.decided_at, row.reason, row.target_list = None, None, None, None
            back.append(row)
        else:
            stayed.append(row)
        row.place, row.score, row.evidence = place, score, evidence
    found_now = ["place", "score", "evidence"]
    decision = ["state", "found_at", "note", "decided_by", "decided_at", "reason", "target_list"]
    Suggestion.objects.bulk_update(stayed, found_now, batch_size=500)
    Suggestion.objects.bulk_update(back, [*decision, *found_now], batch_size=500)
    Suggestion.objects.bulk_create(new)
    gone = [row.pk for pk, row in rows.items() if row.state == State.OPEN and pk not in kept]
    Suggestion.objects.filter(pk__in=gone).delete()
    declined = Suggestion.objects.filter(source=source, state=State.DECLINED).count()
    return SourceResult(
        source,
        accounts=found.accounts,
        found=len(found.candidates),
        new=len(new),
        back=len(back),
        gone=len(gone),
        open=len(kept),
        declined=declined,
    )


# --- In the background ---------------------------------------------------------------------------------------------


def request_suggestions(*, user: Actor = None, source: SuggestionSource | None = None) -> Job:
    """Queue a run of one source or of all active ones; one that waits or runs is returned."""
    return request_job(
        kind=SUGGEST_JOB,
        title=f"{_t('Look for suggestions')}: {source}" if source else _t("Look for suggestions"),
        params={"source": source.key if source else None},
        user=user,
        unique_key=f"{SUGGEST_JOB}:{source.pk if source else '*'}",
    )
