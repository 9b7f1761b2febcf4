"""Rules and journeys as plain objects: checked on construction, evaluated by `segmentation.engine.resolve`.

A rule holds when at least k of its n criteria hold. Its scope says for whom it counts: of the rules of a stage the
first whose scope matches gives the verdict; where none matches there is no verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from segmentation.engine.criteria import Criterion, make_criterion
from segmentation.engine.errors import RuleError, shown, suggestion
from segmentation.engine.params import MAX_DAYS
from segmentation.engine.text import _

Unit = Literal["account", "contact", "opportunity"]
UNITS: tuple[Unit, ...] = ("account", "contact", "opportunity")


@dataclass(frozen=True)
class Term:
    """A criterion, or its negation. The negation of unknown is unknown."""

    criterion: Criterion
    negate: bool = False

    def sentence(self) -> str:
        words = self.criterion.sentence()
        return _("not: %(criterion)s") % {"criterion": words} if self.negate else words


@dataclass(frozen=True)
class Rule:
    """At least `at_least` of `terms` (all of them when None), for entities that meet every term of `scope`.

    `ref` identifies the rule to its owner (the primary key of its row) and is reported with the stays it begins.
    """

    terms: tuple[Term, ...]
    at_least: int | None = None
    scope: tuple[Term, ...] = ()
    name: str = ""
    ref: int | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise RuleError(
                "empty_rule",
                "criteria",
                [],
                _("The rule has no criterion."),
                _("Add at least one; an empty rule would never be meant."),
            )
        k = self.at_least
        if k is not None and (isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(self.terms)):
            raise RuleError(
                "bad_at_least",
                "at_least",
                k,
                _("%(value)s of %(count)s criteria is impossible.") % {"value": shown(k), "count": len(self.terms)},
                _("Enter a number from 1 (any) to %(count)s, or nothing for all.") % {"count": len(self.terms)},
            )
        for i, term in enumerate(self.scope):
            if not term.criterion.is_scope:
                raise RuleError(
                    "not_a_scope",
                    f"scope.{i}.kind",
                    term.criterion.kind,
                    _("“%(kind)s” cannot say for whom a rule counts.") % {"kind": term.criterion.kind},
                    _("Use a field of the account there and move this criterion into the rule."),
                )

    @property
    def needed(self) -> int:
        return len(self.terms) if self.at_least is None else self.at_least


@dataclass(frozen=True)
class StageRules:
    """A stage: rules to enter, easier rules to stay (optional), precedence, place in the funnel, minimum stay.

    `position` None marks a parking stage. The stage without rules is the floor and has the lowest precedence.
    """

    key: str
    precedence: int
    position: int | None = None
    enter: tuple[Rule, ...] = ()
    stay: tuple[Rule, ...] = ()
    min_stay_days: int = 0
    name: str = ""
    ref: int | None = None


@dataclass(frozen=True)
class JourneyRules:
    """All stages of one version of a journey, lowest precedence first.

    seniority_weights: per cent of the engaged time that counts, by seniority; missing ones count in full.
    """

    stages: tuple[StageRules, ...]
    unit: Unit = "account"
    seniority_weights: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise RuleError(
                "unknown_unit",
                "unit",
                self.unit,
                _("%(value)s is no unit.") % {"value": shown(self.unit)},
                suggestion(self.unit, UNITS),
            )
        if len(self.stages) < 2:
            raise RuleError(
                "too_few_stages", "stages", len(self.stages), _("A journey has at least two stages."), _("Add a stage.")
            )
        _check_weights(self.seniority_weights or {})
        object.__setattr__(self, "stages", tuple(sorted(self.stages, key=lambda stage: stage.precedence)))
        seen_keys: set[str] = set()
        by_precedence: dict[int, str] = {}
        by_position: dict[int, str] = {}
        for stage in self.stages:
            where = f"stages.{stage.key}"
            if stage.key in seen_keys:
                raise RuleError(
                    "same_key",
                    f"{where}.key",
                    stage.key,
                    _("Two stages have this key."),
                    _("Give each stage a key of its own."),
                )
            seen_keys.add(stage.key)
            if stage.precedence in by_precedence:
                raise RuleError(
                    "same_precedence",
                    f"{where}.precedence",
                    stage.precedence,
                    _("“%(one)s” and “%(other)s” have the same precedence %(value)s.")
                    % {"one": by_precedence[stage.precedence], "other": stage.key, "value": stage.precedence},
                    _("Give each stage a precedence of its own; the highest that applies wins."),
                )
            by_precedence[stage.precedence] = stage.key
            if stage.position is not None and stage.position in by_position:
                raise RuleError(
                    "same_position",
                    f"{where}.position",
                    stage.position,
                    _("“%(one)s” and “%(other)s” have the same place in the funnel.")
                    % {"one": by_position[stage.position], "other": stage.key},
                    _("Number the stages of the funnel 0, 1, 2 …; leave parking stages without a number."),
                )
            if stage.position is not None:
                by_position[stage.position] = stage.key
            if (
                isinstance(stage.min_stay_days, bool)
                or not isinstance(stage.min_stay_days, int)
                or not 0 <= stage.min_stay_days <= MAX_DAYS
            ):
                raise RuleError(
                    "bad_minimum_stay",
                    f"{where}.min_stay_days",
                    stage.min_stay_days,
                    _("%(value)s is no number of days.") % {"value": shown(stage.min_stay_days)},
                    _("Enter whole days from 0 to %(most)s.") % {"most": MAX_DAYS},
                )
        floor, *others = self.stages
        if floor.enter or floor.stay:
            raise RuleError(
                "floor_with_rule",
                f"stages.{floor.key}.rules",
                floor.key,
                _("“%(stage)s” has the lowest precedence and a rule, so some accounts would be in no stage.")
                % {"stage": floor.key},
                _("Remove its rules or add a stage without rules below it."),
            )
        for stage in others:
            if not stage.enter:
                raise RuleError(
                    "stage_without_rule",
                    f"stages.{stage.key}.rules",
                    [],
                    _("“%(stage)s” has no rule to enter, so nothing would ever be in it.") % {"stage": stage.key},
                    _("Add a rule, or remove the stage. Only the stage of lowest precedence goes without."),
                )

    def rules(self) -> Sequence[Rule]:
        return [rule for stage in self.stages for rule in (*stage.enter, *stage.stay)]

    def criteria(self) -> list[Criterion]:
        """Every criterion once, in order of appearance."""
        found: dict[Criterion, None] = {}
        for rule in self.rules():
            for term in (*rule.scope, *rule.terms):
                found.setdefault(term.criterion)
        return list(found)

    def funnel(self) -> list[StageRules]:
        """Stages on the way to becoming a customer, first to last."""
        return sorted((s for s in self.stages if s.position is not None), key=lambda s: s.position or 0)


def _check_weights(weights: Mapping[str, int]) -> None:
    for seniority, percent in weights.items():
        if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 1000:
            raise RuleError(
                "bad_weight",
                f"seniority_weights.{seniority}",
                percent,
                _("%(value)s is no weight.") % {"value": shown(percent)},
                _("Enter whole per cents from 0 to 1000; 100 counts time as it is."),
            )


def parse_term(document: Mapping[str, Any]) -> Term:
    """A term from `{"kind", "params", "negate"}`. Raises RuleError."""
    if not isinstance(document, Mapping):
        raise RuleError(
            "wrong_type",
            "",
            shown(document),
            _("A criterion is not an object."),
            _('Write {"kind": …, "params": {…}}.'),
        )
    for name in document:
        if name not in ("kind", "params", "negate"):
            raise RuleError(
                "unknown_key",
                str(name),
                document[name],
                _("A criterion has no “%(name)s”.") % {"name": name},
                suggestion(name, ["kind", "params", "negate"]),
            )
    negate = document.get("negate", False)
    if not isinstance(negate, bool):
        raise RuleError(
            "wrong_type",
            "negate",
            negate,
            _("%(value)s is neither true nor false.") % {"value": shown(negate)},
            _("Use true or false."),
        )
    try:
        return Term(make_criterion(document.get("kind", ""), document.get("params")), negate)
    except RuleError as error:
        raise error if error.field in ("kind", "params") else error.within("params") from None


def parse_rule(document: Mapping[str, Any]) -> Rule:
    """A rule from `{"name", "at_least", "scope": [term], "criteria": [term], "ref"}`.

    Raises RuleError with the path.
    """
    parts: dict[str, tuple[Term, ...]] = {}
    for part in ("scope", "criteria"):
        terms = []
        for i, term in enumerate(document.get(part) or ()):
            try:
                terms.append(parse_term(term))
            except RuleError as error:
                raise error.within(f"{part}.{i}") from None
        parts[part] = tuple(terms)
    return Rule(
        terms=parts["criteria"],
        at_least=document.get("at_least"),
        scope=parts["scope"],
        name=document.get("name", ""),
        ref=document.get("ref"),
    )


def parse_journey(document: Mapping[str, Any]) -> JourneyRules:
    """A journey from its stored form.

    `{"unit", "seniority_weights", "stages": [{"key", "name", "precedence", "position", "min_stay_days", "ref",
    "enter": [rule], "stay": [rule]}]}`. Raises RuleError naming the path of what is wrong.
    """
    stages = []
    for stage in document.get("stages") or ():
        key = stage.get("key", "")
        rules: dict[str, tuple[Rule, ...]] = {}
        for purpose in ("enter", "stay"):
            made = []
            for i, rule in enumerate(stage.get(purpose) or ()):
                try:
                    made.append(parse_rule(rule))
                except RuleError as error:
                    raise error.within(f"stages.{key}.{purpose}.{i}") from None
            rules[purpose] = tuple(made)
        stages.append(
            StageRules(
                key=key,
                precedence=stage.get("precedence", 0),
                position=stage.get("position"),
                enter=rules["enter"],
                stay=rules["stay"],
                min_stay_days=stage.get("min_stay_days", 0),
                name=stage.get("name", ""),
                ref=stage.get("ref"),
            )
        )
    return JourneyRules(
        stages=tuple(stages), unit=document.get("unit", "account"), seniority_weights=document.get("seniority_weights")
    )


def find_loop(depends_on: Mapping[str, Sequence[str]]) -> list[str] | None:
    """A path of rules that need each other, first name repeated at the end, or None.

    depends_on: for each rule's name the names of the rules it reads.
    """
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for other in depends_on.get(name, ()):
            loop = walk(other, [*path, name])
            if loop:
                return loop
        done.add(name)
        return None

    for name in depends_on:
        loop = walk(name, [])
        if loop:
            return loop
    return None
