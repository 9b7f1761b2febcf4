"""How well accounts fit, for people and programs: what was assessed, what holds right now and why, and what is due."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Prefetch, prefetch_related_objects
from django.utils.translation import gettext

from journey.models import History
from journey.selectors.checklists import (
    Checklist,
    Evaluation,
    checklist_of,
    evaluate_checklists,
    read_checklist,
    reasons_of,
)
from journey.selectors.comparisons import how_many, term_words
from journey.selectors.explanations import TermResult, instant_of, term_result
from journey.selectors.histories import affected_entities, current_history
from journey.selectors.versions import shown_version
from segmentation.engine.criteria import Criterion
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import Facts
from segmentation.engine.fit import GRADES, MOST, NO_VERDICT
from segmentation.engine.params import one_look
from segmentation.engine.steps import FAR_FUTURE, Int64s, Steps
from segmentation.facts.copying import read_rows
from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpItem, IcpRun, IcpVersion, SegmentHistory
from segmentation.selectors.profiles import Answers, all_answers, published_profile_versions
from segmentation.selectors.touches import touched_since
from segmentation.services.snapshots import one_snapshot

# Beyond this share of the accounts, and this many, looking at all of them is quicker.
MOST_DUE = 0.2
FEW_DUE = 1_000


# --- What is due -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """Accounts that must be looked at again; `everything` when all of them."""

    everything: bool
    accounts: list[int]

    @classmethod
    def everybody(cls) -> "Due":
        return cls(True, [])


def histories_read(checklist: Checklist) -> dict[str, History | SegmentHistory]:
    """The histories of journeys and segments that the rules of a checklist read, by name (`journey:standard`)."""
    found: dict[str, History | SegmentHistory] = {}
    for name in checklist.reads():
        kind, _colon, key = name.partition(":")
        history: History | SegmentHistory | None = None
        if kind == "segment":
            history = SegmentHistory.objects.filter(segment__key=key, state=SegmentHistory.State.CURRENT).first()
        elif kind == "journey" and (version := shown_version(key)):
            history = current_history(version)
        if history:
            found[name] = history
    return found


def due_accounts(connection: Any, run: IcpRun, read: Mapping[str, History | SegmentHistory], at: dt.datetime) -> Due:
    """Whom anything may have changed for since a run: facts, stages of journeys the rules read, answers, or time.

    read: the histories that are in force now.
    """
    before = {name: (pk, snapshot) for name, (pk, snapshot) in run.reads.items()}
    if {name: pk for name, (pk, _snapshot) in before.items()} != {name: history.pk for name, history in read.items()}:
        return Due.everybody()
    # What a history has learnt since changes stages, whenever it happened.
    learnt = [before[name][1] for name, history in read.items() if history.snapshot != before[name][1]]
    found: set[int] = set()
    for snapshot in dict.fromkeys([run.snapshot, *learnt]):
        touched = touched_since(connection, snapshot)
        if touched.everything:
            return Due.everybody()
        found.update(affected_entities(connection, "account", touched).tolist())
    present = IcpAssessment.objects.filter(version=run.version_id, ended_at__isnull=True)
    found.update(_answered_since(connection, run).tolist())
    found.update(present.filter(due_at__lte=at).values_list("account_id", flat=True))
    if len(found) > FEW_DUE and len(found) > MOST_DUE * present.count():
        return Due.everybody()
    return Due(False, sorted(found))


def _answered_since(connection: Any, run: IcpRun) -> Int64s:
    rows = read_rows(
        connection,
        "SELECT DISTINCT account_id FROM segmentation_icpanswer WHERE profile_id = %s"
        " AND txid >= pg_snapshot_xmin(%s::pg_snapshot) AND NOT pg_visible_in_snapshot(txid, %s::pg_snapshot)",
        {"account": "i8"},
        [run.version.profile_id, run.snapshot, run.snapshot],
    )
    return np.ascontiguousarray(rows["account"])


def is_assessment_due(version: IcpVersion, at: dt.datetime) -> bool:
    """Whether a run over all accounts would look at anybody."""
    run = IcpRun.objects.filter(version=version).select_related("version").first()
    if run is None:
        return True
    with one_snapshot() as connection:
        due = due_accounts(connection, run, histories_read(read_checklist(version)), at)
    return due.everything or bool(due.accounts)


def run_snapshots() -> list[str]:
    """The states of the database that assessments were made from: the change feed is needed from there on."""
    rows = IcpRun.objects.values_list("snapshot", "reads")
    return [each for snapshot, reads in rows for each in (snapshot, *(read for _pk, read in reads.values()))]


# --- What is stored --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PastFit:
    """An assessment with how long it counted: until the next one, by whichever version of the profile."""

    assessment: IcpAssessment
    until: dt.datetime | None


def assessment_history(account_id: int) -> list[PastFit]:
    """Every assessment of an account, the newest first. Those by a version count until a later version assesses it."""
    rows = IcpAssessment.objects.filter(account=account_id).select_related("version__profile")
    found: list[PastFit] = []
    begun: dict[int, list[tuple[int, dt.datetime]]] = {}  # by profile, of each version, the newest first
    for row in rows.order_by("-version__number", "-made_at", "-id"):
        of_profile = begun.setdefault(row.version.profile_id, [])
        later = [at for number, at in of_profile if number > row.version.number]
        ends = [at for at in (row.ended_at, min(later, default=None)) if at is not None]
        if not later or row.made_at < min(later):
            found.append(PastFit(row, min(ends, default=None)))
        of_profile.append((row.version.number, row.made_at))
    return sorted(found, key=lambda fit: (fit.assessment.made_at, fit.assessment.pk), reverse=True)


def rule_sentence(rule: Any) -> str:
    """A stored rule in words."""
    terms = [*(rule.get("criteria") or ())] if isinstance(rule, dict) else []
    if not terms:
        return ""
    words = "; ".join(term_words(term) for term in terms)
    return words if len(terms) == 1 else f"{how_many(rule)}: {words}"


def present_details(account_id: int) -> list[tuple[IcpVersion, dict[str, Any] | None]]:
    """The present fit of an account by every published profile (see `assessment_details`), None where not assessed."""
    versions = _versions_with_items()
    present = {
        row.version_id: row
        for row in IcpAssessment.objects.filter(
            account=account_id, version__in=versions, ended_at__isnull=True
        ).select_related("account")
    }
    answers = all_answers(account_id) if present else {}
    shown: list[tuple[IcpVersion, dict[str, Any] | None]] = []
    for version in versions:
        assessment = present.get(version.pk)
        if assessment:
            assessment.version = version
        shown.append((version, assessment_details(assessment, answers) if assessment else None))
    return shown


def _versions_with_items() -> list[IcpVersion]:
    versions = published_profile_versions()
    prefetch_related_objects(versions, Prefetch("items", IcpItem.objects.order_by("order", "id")))
    return versions


def assessment_details(assessment: IcpAssessment, answers: Answers | None = None) -> dict[str, Any]:
    """An assessment for people and programs: score, grade, coverage, and each item with its answer and who gave it.

    answers: as `all_answers` gives them, when they were read already.
    Items have `state` met, partly, unmet or unknown, and `answers`: everything answered so far, the last first.
    `conflict` says that the last answers of two people differ.
    """
    version, account = assessment.version, assessment.account
    return {
        "account": {"id": account.pk, "external_id": account.external_id, "name": account.name},
        "profile": version.profile.key,
        "version": version.number,
        "score": None if assessment.score is None else float(assessment.score),
        "grade": assessment.grade or None,
        "coverage": float(assessment.coverage),
        "since": assessment.made_at.isoformat(),
        "items": _item_details(
            version, assessment.reasons, all_answers(account.pk) if answers is None else answers, {}
        ),
    }


def _item_details(
    version: IcpVersion, reasons: Mapping[str, Any], answers: Answers, figures: Mapping[str, list[TermResult]]
) -> list[dict[str, Any]]:
    """Each item of a version with what became of it. figures: of rules, by key of the item."""
    state = {key: name for name in ("met", "unmet", "unknown") for key in reasons.get(name, ())}
    items = []
    for item in sorted(version.items.all(), key=lambda item: (item.order, item.pk)):
        partly = reasons.get("partly", {}).get(item.key)
        given = answers.get((version.profile_id, item.key, item.kind), [])
        items.append(
            {
                "key": item.key,
                "section": item.section,
                "section_name": str(item.get_section_display()),
                "text": str(item),
                "help": gettext(item.help) if item.help else "",
                "kind": item.kind,
                "rule": rule_sentence(item.rule),
                "weight": item.weight,
                "knock_out": item.knock_out,
                "knocked_out": item.key in reasons.get("knocked_out", ()),
                "state": "partly" if partly is not None else state.get(item.key, "unknown"),
                "points": {"met": MOST, "unmet": 0}.get(state.get(item.key, ""), partly),
                "figures": [result.as_dict() for result in figures.get(item.key, ())],
                "conflict": _conflict(given),
                "answers": [
                    {
                        "value": answer.value,
                        "note": answer.note,
                        "by": str(answer.answered_by) if answer.answered_by else None,
                        "at": answer.answered_at.isoformat(),
                    }
                    for answer in given
                ],
            }
        )
    return items


def _conflict(answers: Iterable[IcpAnswer]) -> bool:
    """Whether people differ: the last answer of one is not the last answer of another. Newest first."""
    last: dict[int | None, int | None] = {}
    for answer in answers:
        last.setdefault(answer.answered_by_id, answer.value)
    return len({value for value in last.values() if value is not None}) > 1


STATES = ("met", "partly", "unmet", "unknown")


def state_name(state: str) -> str:
    """What became of an item, in words."""
    return {
        "met": gettext("met"),
        "partly": gettext("partly met"),
        "unmet": gettext("not met"),
        "unknown": gettext("not known"),
    }[state]


# --- What holds right now --------------------------------------------------------------------------------------------


def fit_now(
    account: Account, at: dt.datetime, history: Sequence[PastFit] | None = None
) -> list[tuple[IcpVersion, dict[str, Any]]]:
    """The fit of an account by every published profile as it is at this moment, each rule with its figures.

    The details are those of `assessment_details`, made anew from the facts: they need not wait for an assessment.
    Where a rule cannot be used (any more) they are only `{"problem"}`. Stores nothing.

    history: the account's `assessment_history`, where it was read already.
    """
    past = assessment_history(account.pk) if history is None else history
    with one_look():
        return _fit_now(account, at, past)


def _fit_now(account: Account, at: dt.datetime, past: Sequence[PastFit]) -> list[tuple[IcpVersion, dict[str, Any]]]:
    versions = _versions_with_items()
    answers = all_answers(account.pk)
    since = {fit.assessment.version_id: fit.assessment.made_at for fit in past if fit.assessment.ended_at is None}
    checklists: list[Checklist] = []
    problems: dict[int, str] = {}
    for version in versions:
        try:
            checklists.append(checklist_of(version, version.items.all()))
        except RuleError as error:
            problems[version.pk] = str(error)
    figures: dict[int, dict[str, list[TermResult]]] = {}
    found = {
        one.checklist.version.pk: one
        for one in evaluate_checklists(
            checklists,
            at,
            [account.pk],
            look=lambda facts, steps: figures.update(_figures(checklists, facts, steps, instant_of(at))),
        )
    }

    def details(version: IcpVersion, one: Evaluation) -> dict[str, Any]:
        score, due = int(one.fits.score[0]), int(one.due[0])
        reasons = reasons_of(one.checklist, one.points[:, 0], one.fits.knocked_out[:, 0])
        return {
            "account": {"id": account.pk, "external_id": account.external_id, "name": account.name},
            "profile": version.profile.key,
            "version": version.number,
            "score": None if score == NO_VERDICT else score / 100,
            "grade": GRADES[one.fits.grade[0]] or None,
            "coverage": int(one.fits.coverage[0]) / 100,
            "since": since[version.pk].isoformat() if version.pk in since else None,
            "due": None if due == FAR_FUTURE else _moment(due).isoformat(),
            "items": _item_details(version, reasons, answers, figures.get(version.pk, {})),
        }

    return [
        (version, {"problem": problems[version.pk]} if version.pk in problems else details(version, found[version.pk]))
        for version in versions
        if version.pk in problems or len(found[version.pk].ids)  # else the account was deleted meanwhile
    ]


def _moment(instant: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant)


def _figures(
    checklists: Sequence[Checklist], facts: Facts, steps: Mapping[Criterion, Steps], instant: int
) -> dict[int, dict[str, list[TermResult]]]:
    """The criteria of each rule of one account at an instant with their figures, by version and key of the item."""
    if not len(facts):
        return {}
    return {
        checklist.version.pk: {
            checklist.items[row].key: [term_result(term, facts, steps, instant) for term in rule.terms]
            for row, rule in zip(checklist.rule_rows, checklist.rules, strict=True)
        }
        for checklist in checklists
    }
