"""The rules of a version in sentences."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch
from django.utils.translation import gettext, ngettext

from journey.models import Criterion, EntryRule, JourneyVersion, Stage
from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError


@dataclass
class RuleSummary:
    """One rule: for whom, how many of its criteria, and the criteria."""

    name: str
    how_many: str
    scope: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)


@dataclass
class StageSummary:
    """A stage with the rules that lead into it and those that keep an account in it."""

    stage: Stage
    enter: list[RuleSummary] = field(default_factory=list)
    stay: list[RuleSummary] = field(default_factory=list)


def sentence_of(criterion: Criterion) -> str:
    """Return a criterion in words; one that cannot be used says why."""
    try:
        words = make_criterion(criterion.kind, criterion.params).sentence()
    except RuleError as error:
        words = f"{criterion.kind}: {error}"
    return gettext("not: %(criterion)s") % {"criterion": words} if criterion.negate else words


def _how_many(rule: EntryRule, number: int) -> str:
    if number < 2:
        return ""
    if rule.at_least is None or rule.at_least >= number:
        return gettext("all of")
    if rule.at_least == 1:
        return gettext("at least one of")
    return ngettext("at least %(k)d of", "at least %(k)d of", rule.at_least) % {"k": rule.at_least}


def summary_of(version: JourneyVersion) -> list[StageSummary]:
    """Return the stages, the highest precedence first, with their rules."""
    rules = EntryRule.objects.order_by("purpose", "order", "id").prefetch_related(
        Prefetch("criteria", Criterion.objects.order_by("order", "id"))
    )
    stages = version.stages.order_by("-precedence").prefetch_related(Prefetch("rules", rules))
    return [_stage_summary(stage) for stage in stages]


def _stage_summary(stage: Any) -> StageSummary:
    summary = StageSummary(stage)
    for rule in stage.rules.all():
        parts: dict[str, list[str]] = {Criterion.Part.SCOPE: [], Criterion.Part.TEST: []}
        for criterion in rule.criteria.all():
            parts[criterion.part].append(sentence_of(criterion))
        tests = parts[Criterion.Part.TEST]
        found = RuleSummary(rule.name, _how_many(rule, len(tests)), parts[Criterion.Part.SCOPE], tests)
        (summary.enter if rule.purpose == EntryRule.Purpose.ENTER else summary.stay).append(found)
    return summary
