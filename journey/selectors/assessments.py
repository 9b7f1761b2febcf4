"""How well accounts fit versions of a profile right now: rules by the engine, the rest by what people answered."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext
from numpy.typing import NDArray

from journey.facts.loading import Needs, read_entities, rule_facts
from journey.selectors.comparisons import how_many, term_words
from journey.selectors.explanations import instant_of
from segmentation.engine.errors import RuleError
from segmentation.engine.fit import GRADES, MOST, NO_ANSWER, NO_VERDICT, SCALE, FitItem, Fits, fit, scale_points
from segmentation.engine.resolve import Program, compile_rules, snapshot
from segmentation.engine.rules import Rule, parse_rule
from segmentation.engine.steps import NO, YES, Int64s
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import Account, IcpAssessment, IcpItem, IcpVersion
from segmentation.selectors.profiles import Answers, all_answers, published_profile_versions
from segmentation.services.snapshots import one_snapshot

# Points by a rule's verdict: no, yes, unknown, out of scope.
_POINTS_OF_VERDICT = np.full(4, NO_ANSWER, dtype=np.int16)
_POINTS_OF_VERDICT[[NO, YES]] = 0, MOST
# Points by a stored answer, of a yes or no and of a scale.
_POINTS_OF_YES_NO = np.array([0, MOST], dtype=np.int16)
_POINTS_OF_SCALE = np.array(
    [NO_ANSWER, *(scale_points(value) for value in range(SCALE[0], SCALE[1] + 1))], dtype=np.int16
)


@dataclass(frozen=True)
class Checklist:
    """The items of a version, ready to be evaluated. `rules` are those of the items numbered in `rule_rows`."""

    version: IcpVersion
    items: tuple[IcpItem, ...]
    fit_items: tuple[FitItem, ...]
    rules: tuple[Rule, ...]
    rule_rows: tuple[int, ...]
    program: Program


@dataclass(frozen=True)
class Evaluation:
    """The fit of accounts to one checklist. ids: int64[n]; points: int16[items, n]."""

    checklist: Checklist
    ids: Int64s
    points: NDArray[np.int16]
    fits: Fits


def read_checklist(version: IcpVersion) -> Checklist:
    """The items of a version. Raises RuleError, with the item's key in its field, for a rule that cannot be used."""
    items = tuple(version.items.order_by("order", "id"))
    rules: list[Rule] = []
    rows: list[int] = []
    for i, item in enumerate(items):
        if item.kind == IcpItem.Kind.RULE:
            try:
                rules.append(parse_rule(item.rule or {}))
            except RuleError as error:
                raise error.within(f"items.{item.key}.rule") from None
            rows.append(i)
    return Checklist(
        version=version,
        items=items,
        fit_items=tuple(FitItem(item.weight, item.knock_out, _unknown(item)) for item in items),
        rules=tuple(rules),
        rule_rows=tuple(rows),
        program=compile_rules(rules),
    )


def _unknown(item: IcpItem) -> Any:
    return IcpItem.Unknown(item.unknown).value


def evaluate_fit(
    versions: Sequence[IcpVersion], at: dt.datetime, account_ids: Sequence[int] | None = None
) -> list[Evaluation]:
    """The fit of all accounts, or of some, to each of several versions, from one state of the database.

    at: now; rules are read at this instant. Raises RuleError for a rule that cannot be used. Stores nothing.
    """
    checklists = [read_checklist(version) for version in versions]
    only = None if account_ids is None else np.array(sorted(set(account_ids)), dtype=np.int64)
    instant = instant_of(at)
    with one_snapshot() as connection:
        ids = np.sort(read_entities(connection, "account", only).ids)
        positions = Positions(ids)
        points = [np.full((len(c.items), len(ids)), NO_ANSWER, dtype=np.int16) for c in checklists]
        for checklist, out in zip(checklists, points, strict=True):
            _read_answers(connection, checklist, only, positions, out)
        rules = [rule for checklist in checklists for rule in checklist.rules]
        for facts in rule_facts(connection, Needs.of_rules(rules), only) if rules else ():
            columns = positions.of(facts.ids)
            for checklist, out in zip(checklists, points, strict=True):
                if checklist.rules:
                    verdicts = snapshot(checklist.program, facts, instant).rules
                    rows = np.array(checklist.rule_rows, dtype=np.int64)
                    out[np.ix_(rows, columns)] = _POINTS_OF_VERDICT[verdicts]
    return [
        Evaluation(checklist, ids, out, fit(checklist.fit_items, out))
        for checklist, out in zip(checklists, points, strict=True)
    ]


def _read_answers(
    connection: Any, checklist: Checklist, only: Int64s | None, positions: Positions, points: NDArray[np.int16]
) -> None:
    """Put the last answer of each account to each item into its place in `points`."""
    where, params = ("", []) if only is None else (" AND a.account_id = ANY (%s)", [only.tolist()])
    rows = read_rows(
        connection,
        "SELECT a.account_id, i.id, coalesce(a.value, -1), a.answered_at, a.id FROM segmentation_icpanswer a"
        " JOIN segmentation_icpitem i ON i.version_id = %s AND i.key = a.item_key AND i.kind = a.kind"
        f" WHERE a.profile_id = %s{where}",
        {"account": "i8", "item": "i8", "value": "i4", "time": "time", "id": "i8"},
        [checklist.version.pk, checklist.version.profile_id, *params],
    )
    if not len(rows):
        return
    # Of assignments to one place the last one stays.
    rows = rows[np.lexsort([rows["id"], rows["time"]])]
    column = positions.of(rows["account"])
    row = Positions(np.array([item.pk for item in checklist.items], dtype=np.int64)).of(rows["item"])
    is_scale = np.array([item.kind == IcpItem.Kind.SCALE for item in checklist.items])[row]
    value = rows["value"]
    given = np.where(is_scale, _POINTS_OF_SCALE[np.clip(value, 0, SCALE[1])], _POINTS_OF_YES_NO[np.clip(value, 0, 1)])
    given[value < 0] = NO_ANSWER
    here = column >= 0
    points[row[here], column[here]] = given[here]


def reasons_of(checklist: Checklist, points: Any, knocked_out: Any) -> dict[str, Any]:
    """Why an account fits as it does: keys of items met, partly met (with their points), unmet, unknown, knocked out.

    points, knocked_out: one column of an evaluation.
    """
    keys = [item.key for item in checklist.items]
    given = [int(value) for value in points]
    return {
        "met": [key for key, value in zip(keys, given, strict=True) if value == MOST],
        "partly": {key: value for key, value in zip(keys, given, strict=True) if 0 < value < MOST},
        "unmet": [key for key, value in zip(keys, given, strict=True) if value == 0],
        "unknown": [key for key, value in zip(keys, given, strict=True) if value == NO_ANSWER],
        "knocked_out": [key for key, out in zip(keys, knocked_out, strict=True) if out],
    }


def present_assessment(version: IcpVersion, account: Account) -> IcpAssessment | None:
    """The present fit of an account by one version, None before the first assessment."""
    return IcpAssessment.objects.filter(version=version, account=account, ended_at__isnull=True).first()


def rule_sentence(rule: Any) -> str:
    """A stored rule in words."""
    terms = [*(rule.get("criteria") or ())] if isinstance(rule, dict) else []
    if not terms:
        return ""
    words = "; ".join(term_words(term) for term in terms)
    return words if len(terms) == 1 else f"{how_many(rule)}: {words}"


def present_details(account_id: int) -> list[tuple[IcpVersion, dict[str, Any] | None]]:
    """The present fit of an account by every published profile (see `assessment_details`), None where not assessed."""
    versions = published_profile_versions()
    prefetch_related_objects(versions, Prefetch("items", IcpItem.objects.order_by("order", "id")))
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


def assessment_details(assessment: IcpAssessment, answers: Answers | None = None) -> dict[str, Any]:
    """An assessment for people and programs: score, grade, coverage, and each item with its answer and who gave it.

    answers: as `all_answers` gives them, when they were read already.
    Items have `state` met, partly, unmet or unknown, and `answers`: everything answered so far, the last first.
    """
    version, account, reasons = assessment.version, assessment.account, assessment.reasons
    answers = all_answers(account.pk) if answers is None else answers
    state = {key: name for name in ("met", "unmet", "unknown") for key in reasons.get(name, ())}
    items = []
    for item in sorted(version.items.all(), key=lambda item: (item.order, item.pk)):
        partly = reasons.get("partly", {}).get(item.key)
        items.append(
            {
                "key": item.key,
                "section": item.section,
                "section_name": str(item.get_section_display()),
                "text": str(item),
                "kind": item.kind,
                "rule": rule_sentence(item.rule),
                "weight": item.weight,
                "knock_out": item.knock_out,
                "knocked_out": item.key in reasons.get("knocked_out", ()),
                "state": "partly" if partly is not None else state.get(item.key, "unknown"),
                "points": {"met": MOST, "unmet": 0}.get(state.get(item.key, ""), partly),
                "answers": [
                    {
                        "value": answer.value,
                        "note": answer.note,
                        "by": str(answer.answered_by) if answer.answered_by else None,
                        "at": answer.answered_at.isoformat(),
                    }
                    for answer in answers.get((version.profile_id, item.key, item.kind), [])
                ],
            }
        )
    return {
        "account": {"id": account.pk, "external_id": account.external_id, "name": account.name},
        "profile": version.profile.key,
        "version": version.number,
        "score": None if assessment.score is None else float(assessment.score),
        "grade": assessment.grade or None,
        "coverage": float(assessment.coverage),
        "since": assessment.made_at.isoformat(),
        "items": items,
    }


STATES = ("met", "partly", "unmet", "unknown")


def state_name(state: str) -> str:
    """What became of an item, in words."""
    return {
        "met": gettext("met"),
        "partly": gettext("partly met"),
        "unmet": gettext("not met"),
        "unknown": gettext("not known"),
    }[state]


def compare_profile_versions(
    one: IcpVersion, other: IcpVersion, account_ids: Sequence[int] | None = None, most: int = 20
) -> dict[str, Any]:
    """Two versions, drafts too, on the same accounts at the same moment. Stores nothing.

    Returns `{"accounts", "grades": {grade of one: {grade of other: accounts}}, "changed", "mean": [one, other],
    "examples"}`; the grade `""` is none. Examples are the accounts whose score moves most. Raises RuleError.
    """
    left, right = evaluate_fit([one, other], timezone.now(), account_ids)
    grades = {
        a: {b: int(((left.fits.grade == i) & (right.fits.grade == j)).sum()) for j, b in enumerate(GRADES)}
        for i, a in enumerate(GRADES)
    }
    changed = left.fits.grade != right.fits.grade
    both = (left.fits.score != NO_VERDICT) & (right.fits.score != NO_VERDICT)
    moved = np.where(both, np.abs(left.fits.score - right.fits.score), 0)
    # A score that appears or disappears says more than one that moves.
    moved[(left.fits.score != NO_VERDICT) != (right.fits.score != NO_VERDICT)] = 10_001
    rows = [i for i in np.argsort(-moved, kind="stable")[:most] if moved[i] or changed[i]]
    names = dict(Account.objects.filter(pk__in=[int(left.ids[i]) for i in rows]).values_list("pk", "name"))
    return {
        "accounts": len(left.ids),
        "grades": grades,
        "changed": int(changed.sum()),
        "mean": [_mean(left.fits), _mean(right.fits)],
        "examples": [
            {
                "id": int(left.ids[i]),
                "name": names[int(left.ids[i])],
                "one": [_shown(left.fits, i), GRADES[left.fits.grade[i]]],
                "other": [_shown(right.fits, i), GRADES[right.fits.grade[i]]],
            }
            for i in rows
        ],
    }


def _shown(fits: Fits, i: Any) -> float | None:
    score = int(fits.score[i])
    return None if score == NO_VERDICT else score / 100


def _mean(fits: Fits) -> float | None:
    known = fits.score[fits.score != NO_VERDICT]
    return round(float(known.mean()) / 100, 2) if len(known) else None
