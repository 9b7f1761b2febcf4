"""Why an account is in its stage, since when, and what is missing for the next one.

The command, the admin and the API show what comes from here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.engine.grading import grades
from journey.errors import JourneyError
from journey.facts.loading import Needs, load_facts, weighted
from journey.models import Grade, JourneyVersion
from journey.selectors.versions import version_rules
from scoring.engine.activities import ACTIVITIES
from segmentation.engine.criteria import Criterion
from segmentation.engine.facts import Facts
from segmentation.engine.params import one_look
from segmentation.engine.resolve import Stays, compile_journey, evaluate
from segmentation.engine.rules import JourneyRules, Rule, StageRules, Term
from segmentation.engine.steps import FAR_FUTURE, UNKNOWN, YES, Steps

EVIDENCE = 20  # activities named for each criterion


@dataclass(frozen=True)
class TermResult:
    """One criterion at an instant.

    held: True, False or None for unknown. activities: primary keys behind the figure.
    """

    sentence: str
    held: bool | None
    found: str
    missing: str
    gap: float
    activities: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "criterion": self.sentence,
            "held": self.held,
            "found": self.found,
            "missing": self.missing,
            "activities": list(self.activities),
        }

    def line(self) -> str:
        mark = {True: "✓", False: "✗", None: "?"}[self.held]
        return f"{mark} {self.sentence}: {self.found}"


@dataclass(frozen=True)
class StayReason:
    """One stay with why it began.

    terms: the criteria at its start; lost: those of the stage before that ceased to hold.
    """

    stage: StageRules
    start: int
    end: int
    grade: int
    rule: Rule | None
    is_first: bool
    terms: tuple[TermResult, ...] = ()
    lost: tuple[TermResult, ...] = field(default=())

    def reason(self) -> str:
        """Why it began, in one paragraph."""
        parts = []
        if self.is_first:
            parts.append(_("The history begins here."))
        if self.lost:
            parts.append(
                _("No longer: %(list)s.") % {"list": "; ".join(f"{t.sentence} ({t.found})" for t in self.lost)}
            )
        if self.terms:
            name = f"{_(self.rule.name)}: " if self.rule and self.rule.name else ""
            parts.append(name + "; ".join(f"{t.sentence} ({t.found})" for t in self.terms if t.held) + ".")
        return " ".join(parts) or _("No rule of a higher stage holds.")


def term_result(
    term: Term, facts: Facts, steps: Mapping[Criterion, Steps], instant: int, evidence: bool = True, place: int = 0
) -> TermResult:
    """One criterion of a rule at an instant, for the entity at a place of these facts. steps: of every criterion."""
    value = steps[term.criterion].at(place, instant)
    held = None if value == UNKNOWN else (value == YES) != term.negate
    measure = term.criterion.measure(facts, place, instant)
    missing, gap = measure.missing, measure.gap
    if term.negate:
        missing = "" if held else _("must not hold: %(criterion)s") % {"criterion": term.criterion.sentence()}
        gap = 0.0 if held else 1.0
    rows: tuple[int, ...] = ()
    table = facts.tables.get(ACTIVITIES)
    if (
        evidence
        and table is not None
        and table.ids is not None
        and ACTIVITIES in term.criterion.tables
        and measure.rows
    ):
        rows = tuple(int(table.ids[k]) for k in measure.rows[-EVIDENCE:])
    return TermResult(term.sentence(), held, measure.found, missing if not held else "", gap if not held else 0.0, rows)


def missing_for(
    stage: StageRules,
    facts: Facts,
    steps: Mapping[Criterion, Steps],
    instant: int,
    evidence: bool = True,
    place: int = 0,
) -> tuple[Rule | None, list[TermResult], float]:
    """The rule of a stage that counts for an entity at an instant, its criteria that do not hold, and how far it is.

    The nearest criterion comes first. How far: the mean gap of the criteria still needed, from 0 to 1.
    """
    for rule in stage.enter:
        if all(term_result(term, facts, steps, instant, False, place).held for term in rule.scope):
            results = [term_result(term, facts, steps, instant, evidence, place) for term in rule.terms]
            held = sum(result.held is True for result in results)
            unmet = sorted((result for result in results if not result.held), key=lambda result: result.gap)
            needed = unmet[: max(rule.needed - held, 0)]
            return rule, unmet, sum(result.gap for result in needed) / len(needed) if needed else 0.0
    return None, [], 1.0


def _facts_of(entity_id: int, *journeys: JourneyRules) -> Facts:
    """The facts of one entity that journeys of one unit read. Raises JourneyError when there is no such entity."""
    unit = journeys[0].unit
    ids = np.array([entity_id], dtype=np.int64)
    facts = load_facts(connection, unit, ids, Needs.of(*journeys), with_ids=True)
    if not len(facts):
        raise JourneyError(
            _("There is no such record: %(value)s."),
            code="not_found",
            field=unit,
            value=entity_id,
            remedy=_("It may have been deleted meanwhile."),
        )
    return facts


class Explainer:
    """The history of one entity under one version, with reasons. Evaluates nothing by itself: asks the engine."""

    def __init__(self, version: JourneyVersion, entity_id: int) -> None:
        journey = version_rules(version)
        self._use(journey, _facts_of(entity_id, journey))

    @classmethod
    def of_journeys(cls, versions: Sequence[JourneyVersion], entity_id: int) -> "list[Explainer]":
        """One for each of several journeys of one unit, whose facts are read once."""
        journeys = [version_rules(version) for version in versions]
        facts = _facts_of(entity_id, *journeys)
        found = [cls.__new__(cls) for _journey in journeys]
        for explainer, journey in zip(found, journeys, strict=True):
            explainer._use(journey, facts)
        return found

    def _use(self, journey: JourneyRules, facts: Facts) -> None:
        program = compile_journey(journey)
        self.journey, self.facts = journey, weighted(facts, journey)
        self.steps: dict[Any, Steps] = {criterion: criterion.steps(self.facts) for criterion in program.criteria}
        self.stays: Stays = evaluate(program, self.facts, self.steps)
        self.grades = grades(self.journey, self.facts, self.stays)
        self.rules = self.journey.rules()

    def index_at(self, instant: int) -> int:
        """Number of the stay in force at an instant; -1 before the history begins."""
        return int(np.searchsorted(self.stays.start, instant, side="right")) - 1

    def term(self, term: Term, instant: int, evidence: bool = True) -> TermResult:
        """One criterion of a rule at an instant."""
        return term_result(term, self.facts, self.steps, instant, evidence)

    def stay(self, i: int) -> StayReason:
        """A stay with its reasons."""
        start, rule = int(self.stays.start[i]), int(self.stays.rule[i])
        stage = self.journey.stages[self.stays.stage[i]]
        lost: tuple[TermResult, ...] = ()
        if (
            i
            and self.journey.stages[self.stays.stage[i - 1]].precedence > stage.precedence
            and self.stays.rule[i - 1] >= 0
        ):
            before = self.rules[self.stays.rule[i - 1]]
            results = [self.term(term, start, evidence=False) for term in before.terms]
            lost = tuple(result for result in results if not result.held)
        terms = tuple(self.term(term, start) for term in self.rules[rule].terms) if rule >= 0 else ()
        return StayReason(
            stage,
            start,
            int(self.stays.end[i]),
            int(self.grades[i]),
            self.rules[rule] if rule >= 0 else None,
            i == 0,
            terms,
            lost,
        )

    def next_stage(self, stage: StageRules) -> StageRules | None:
        """The next stage of the funnel; None at its end and for parking stages."""
        if stage.position is None:
            return None
        return next((s for s in self.journey.funnel() if (s.position or 0) > (stage.position or 0)), None)

    def missing(self, stage: StageRules, instant: int) -> tuple[Rule | None, list[TermResult], float]:
        """The rule that counts for this entity, its criteria that do not hold, and how far the stage is."""
        return missing_for(stage, self.facts, self.steps, instant)


def _moment(instant: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant)


def instant_of(moment: dt.datetime) -> int:
    """A moment in the engine's time: microseconds since 1970 UTC."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _shown(instant: int) -> str:
    return date_format(timezone.localtime(_moment(instant)), "Y-m-d H:i")


def explain(entity: Any, version: JourneyVersion, at: dt.datetime) -> dict[str, Any]:
    """Stage at a moment, since when, why, and what is missing for the next stage.

    entity: an account, contact or opportunity, as the journey's unit says. Returns a dictionary for JSON whose `text`
    is the same in words. Raises JourneyError when the history of the entity begins later.
    """
    explainer = Explainer(version, entity.pk)
    instant = instant_of(at)
    i = explainer.index_at(instant)
    if i < 0:
        raise JourneyError(
            _("The history of “%(name)s” begins later than %(value)s."),
            code="before_history",
            field="at",
            value=at.isoformat(),
            remedy=_("Ask for a moment from %(begin)s on."),
            params={"name": str(entity), "begin": _shown(int(explainer.stays.start[0]))},
        )
    stay = explainer.stay(i)
    following = explainer.next_stage(stay.stage)
    now = [explainer.term(term, instant) for term in stay.rule.terms] if stay.rule else []
    ends = None if stay.end == FAR_FUTURE else _moment(stay.end)
    planned = ends is not None and ends > timezone.now()
    result: dict[str, Any] = {
        "entity": {"id": entity.pk, "name": str(entity), "external_id": entity.external_id},
        "journey": version.journey.key,
        "version": version.number,
        "at": at.isoformat(),
        "stage": {"key": stay.stage.key, "name": _(stay.stage.name)},
        "since": _moment(stay.start).isoformat(),
        "until": ends.isoformat() if ends else None,
        "trust": Grade(stay.grade).name.lower(),
        "rule": stay.rule.name if stay.rule else None,
        "why": [term.as_dict() for term in stay.terms],
        "no_longer": [term.as_dict() for term in stay.lost],
        "now": [term.as_dict() for term in now],
        "next": None,
    }
    days = (instant - stay.start) // 86_400_000_000
    lines = [
        _("%(name)s in the journey “%(journey)s” (version %(version)s) at %(at)s")
        % {"name": entity, "journey": version.journey, "version": version.number, "at": _shown(instant)},
        _("Stage: %(stage)s, since %(since)s (%(days)s), trust: %(trust)s")
        % {
            "stage": _(stay.stage.name),
            "since": _shown(stay.start),
            "days": ngettext("%(n)s day", "%(n)s days", days) % {"n": days},
            "trust": Grade(stay.grade).label,
        },
        _("Why it began: %(reason)s") % {"reason": stay.reason()},
    ]
    if now:
        lines.append(_("At this moment:"))
        lines += [f"  {term.line()}" for term in now]
    if ends:
        sentence = (
            _("It ends on %(until)s unless something happens before.") if planned else _("It ended on %(until)s.")
        )
        lines.append(sentence % {"until": _shown(stay.end)})
    if following:
        rule, unmet, gap = explainer.missing(following, instant)
        result["next"] = {
            "key": following.key,
            "name": _(following.name),
            "rule": rule.name if rule else None,
            "gap": round(gap, 4),
            "missing": [term.as_dict() for term in unmet],
        }
        lines.append(_("Missing for %(stage)s:") % {"stage": _(following.name)})
        if rule is None:
            lines.append("  " + _("No rule of that stage is meant for this account: none of their scopes matches."))
        elif rule.at_least is not None and len(unmet) > 1:
            more = rule.needed - (len(rule.terms) - len(unmet))
            lines.append("  " + ngettext("%(n)s of these:", "%(n)s of these:", more) % {"n": more})
        lines += [f"  ✗ {term.missing or term.sentence} ({term.sentence}; {term.found})" for term in unmet]
    result["text"] = "\n".join(lines)
    return result


def stay_reasons(account: Any, versions: Sequence[JourneyVersion], most: int = 100) -> dict[int, list[dict[str, Any]]]:
    """The latest stays of an account in journeys of accounts, by version, newest first, each with why it began.

    Rows: stage_key, stage_name, color is left to the caller; start_at, end_at (None: open), grade, reason_text, terms
    (`TermResult`: the criteria at its beginning with their figures and activities), missing_text (for the next stage at
    the end of the stay or now; empty for stays that moved on).
    """
    with one_look():
        explainers = Explainer.of_journeys(versions, account.pk) if versions else []
        return {
            version.pk: _stay_rows(explainer, most) for version, explainer in zip(versions, explainers, strict=True)
        }


def _stay_rows(explainer: Explainer, most: int) -> list[dict[str, Any]]:
    now = instant_of(timezone.now())
    rows: list[dict[str, Any]] = []
    for i in range(len(explainer.stays) - 1, -1, -1):
        if len(rows) == most:
            break
        stay = explainer.stay(i)
        current = stay.start <= now < stay.end
        following = explainer.next_stage(stay.stage) if current else None
        missing = explainer.missing(following, now)[1] if following else []
        rows.append(
            {
                "stage_key": stay.stage.key,
                "stage_name": _(stay.stage.name),
                "start_at": _moment(stay.start),
                "end_at": None if stay.end == FAR_FUTURE else _moment(stay.end),
                "grade": Grade(stay.grade),
                "is_future": stay.start > now,
                "reason_text": stay.reason(),
                "terms": stay.terms,
                "missing_text": "; ".join(term.missing or term.sentence for term in missing),
            }
        )
    return rows
