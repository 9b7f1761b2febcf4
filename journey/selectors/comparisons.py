"""Two versions of a journey side by side: what their rules say, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from django.utils.translation import gettext, ngettext

from scoring.engine.restrictions import known
from segmentation.engine.errors import RuleError
from segmentation.engine.rules import parse_term

INDENT = "\u2003"


@dataclass(frozen=True)
class Pair:
    """A line of one version beside the line of the other; empty where one has none."""

    one: str
    other: str
    same: bool


@dataclass
class StageComparison:
    """A stage that at least one of two versions has. `one` and `other` are its documents, None where it is missing."""

    key: str
    name: str
    color: str
    one: Mapping[str, Any] | None
    other: Mapping[str, Any] | None
    lines: list[Pair] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return self.one is not None and self.other is not None and all(pair.same for pair in self.lines)


@dataclass(frozen=True)
class Comparison:
    """Stages with the highest precedence first.

    `order` and `funnel` are set when stages that both have win over each other, or follow each other in the funnel, in
    another order.
    """

    stages: list[StageComparison]
    weights: list[Pair]
    order: Pair | None
    funnel: Pair | None

    @property
    def weights_differ(self) -> bool:
        return not all(pair.same for pair in self.weights)

    @property
    def same(self) -> bool:
        return (
            self.order is None
            and self.funnel is None
            and not self.weights_differ
            and all(stage.same for stage in self.stages)
        )


def comparison(one: Mapping[str, Any], other: Mapping[str, Any]) -> Comparison:
    """Compare two documents (see `version_document`) stage by stage."""
    left = {stage["key"]: stage for stage in _from_the_top(one)}
    right = {stage["key"]: stage for stage in _from_the_top(other)}
    stages = []
    for key in _merged(list(left), list(right)):
        shown = right.get(key) or left[key]
        stages.append(
            StageComparison(
                key,
                _translated(shown["name"]),
                shown.get("color") or "#94a3b8",
                left.get(key),
                right.get(key),
                _side_by_side(stage_lines(left.get(key)), stage_lines(right.get(key))),
            )
        )

    def by_place(stage: Mapping[str, Any]) -> int:
        place: int = stage["position"]
        return place

    sides = [[side[key] for key in side if key in left and key in right] for side in (left, right)]
    placed = {s["key"] for s in sides[0] if s["position"] is not None} & {
        s["key"] for s in sides[1] if s["position"] is not None
    }
    funnels = [sorted((s for s in side if s["key"] in placed), key=by_place) for side in sides]
    return Comparison(
        stages,
        _side_by_side(weight_lines(one), weight_lines(other)),
        order=_order(sides, " > "),
        funnel=_order(funnels, " → "),
    )


def _order(sides: list[list[Mapping[str, Any]]], between: str) -> Pair | None:
    """The order of the same stages on both sides, None when it is the same."""
    if [stage["key"] for stage in sides[0]] == [stage["key"] for stage in sides[1]]:
        return None
    one, other = (between.join(_translated(stage["name"]) for stage in side) for side in sides)
    return Pair(one, other, False)


def stage_lines(stage: Mapping[str, Any] | None) -> list[str]:
    """A stage in words, a line for each thing it says."""
    if stage is None:
        return []
    lines = [gettext("Name: %(name)s") % {"name": _translated(stage["name"])}]
    # Its number in the funnel changes with every stage before it; `Comparison.funnel` tells another order.
    parking = stage.get("position") is None
    lines.append(gettext("Parking stage, outside the funnel") if parking else gettext("In the funnel"))
    days = stage.get("min_stay_days") or 0
    if days:
        lines.append(ngettext("Stays at least %(days)s day", "Stays at least %(days)s days", days) % {"days": days})
    for purpose, title in (("enter", gettext("To enter")), ("stay", gettext("To stay"))):
        for rule in stage.get(purpose) or ():
            lines += _rule_lines(rule, title)
    return lines


def _rule_lines(rule: Mapping[str, Any], title: str) -> list[str]:
    named = f"{title}, “{_translated(rule['name'])}”" if rule.get("name") else title
    lines = [f"{named}: {how_many(rule)}"]
    scope = [gettext("only for: %(condition)s") % {"condition": term_words(term)} for term in rule.get("scope") or ()]
    return lines + [f"{INDENT}{line}" for line in (*scope, *map(term_words, rule.get("criteria") or ()))]


def how_many(rule: Mapping[str, Any]) -> str:
    """How many of the criteria of a rule must hold."""
    needed, number = rule.get("at_least"), len(rule.get("criteria") or ())
    if needed is None or needed >= number:
        return gettext("all of")
    if needed == 1:
        return gettext("at least one of")
    return ngettext("at least %(k)d of", "at least %(k)d of", needed) % {"k": needed}


def term_words(term: Mapping[str, Any]) -> str:
    """A criterion in words; one that cannot be used says why."""
    try:
        return parse_term(term).sentence()
    except RuleError as error:
        return f"{term.get('kind')}: {error.message}"


def weight_lines(document: Mapping[str, Any]) -> list[str]:
    """How much the engagement of people counts by their rank, the highest first."""
    weights = document.get("seniority_weights") or {}
    if not weights:
        return [gettext("100 % for everybody")]
    ranks = known("seniorities")
    order = [*reversed(list(ranks)), *sorted(set(weights) - set(ranks))]
    return [f"{_translated(str(ranks.get(rank, rank)))}: {weights[rank]} %" for rank in order if rank in weights]


def _translated(text: str) -> str:
    return gettext(text) if text else ""


def _from_the_top(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(document.get("stages") or (), key=lambda stage: -stage["precedence"])


def _merged(left: list[str], right: list[str]) -> list[str]:
    """The keys of both in the order of the right, those only the left has where they stood."""
    merged = list(right)
    for i, key in enumerate(left):
        if key not in merged:
            before = next((k for k in reversed(left[:i]) if k in merged), None)
            merged.insert(merged.index(before) + 1 if before else 0, key)
    return merged


def _side_by_side(one: list[str], other: list[str]) -> list[Pair]:
    pairs: list[Pair] = []
    for what, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        lines = zip_longest(one[a:b], other[c:d], fillvalue="")
        pairs.extend(Pair(left, right, what == "equal") for left, right in lines)
    return pairs
