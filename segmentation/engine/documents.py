"""Documents of journeys as they come from outside: every problem at once, each with its path."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from segmentation.engine.errors import RuleError, shown, suggestion
from segmentation.engine.params import is_storable
from segmentation.engine.rules import parse_journey, parse_rule, parse_term
from segmentation.engine.text import _

MOST_STAGES = 60
MOST_RULES = 40  # of one stage and purpose
MOST_CRITERIA = 40  # of one part of a rule
MOST_NUMBER = 32_767  # what a column of precedences and positions holds

_KEY = re.compile(r"[-a-zA-Z0-9_]{1,60}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_DOCUMENT = ("unit", "seniority_weights", "stages")
_STAGE = ("ref", "key", "name", "description", "precedence", "position", "color", "min_stay_days", "enter", "stay")
_RULE = ("ref", "name", "at_least", "scope", "criteria")


def journey_problems(document: Any) -> list[RuleError]:
    """Everything that keeps a document from being the rules of a journey; none when it can be stored and evaluated.

    What concerns the journey as a whole (two stages of one precedence, a stage without rule) is looked at when the
    parts are right.
    """
    problems = list(_shape(document))
    if not problems:
        try:
            parse_journey(document)
        except RuleError as error:
            problems.append(error)
    return problems


def rule_problems(rule: Any, where: str = "rule") -> list[RuleError]:
    """Everything that keeps a document from being a rule that stands alone, such as an item of a checklist."""
    return list(_rule(rule, where))


def _wrong_type(field: str, value: Any, message: str, remedy: str) -> RuleError:
    return RuleError("wrong_type", field, value, message, remedy)


def _shape(document: Any) -> Iterator[RuleError]:
    if not isinstance(document, Mapping):
        yield _wrong_type("", shown(document), _("The journey is not an object."), _('Write {"stages": […]}.'))
        return
    yield from _unknown_names(document, _DOCUMENT, "")
    weights = document.get("seniority_weights")
    if weights is not None and not isinstance(weights, Mapping):
        yield _wrong_type(
            "seniority_weights", shown(weights), _("The weights are not an object."), _('Write {"manager": 100, …}.')
        )
    for name in weights if isinstance(weights, Mapping) else ():
        yield from _text(name, f"seniority_weights.{shown(name)}", 60)
    stages = document.get("stages")
    if not isinstance(stages, list | tuple | None):
        yield _wrong_type("stages", shown(stages), _("The stages are not a list."), _('Write {"stages": […]}.'))
        return
    yield from _too_many(stages or (), MOST_STAGES, "stages")
    for i, stage in enumerate(stages or ()):
        yield from _stage(stage, i)


def _stage(stage: Any, i: int) -> Iterator[RuleError]:
    if not isinstance(stage, Mapping):
        yield _wrong_type(
            f"stages.{i}", shown(stage), _("A stage is not an object."), _('Write {"key": …, "enter": […]}.')
        )
        return
    key = stage.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        yield RuleError(
            "bad_key",
            f"stages.{i}.key",
            key,
            _("%(value)s cannot be the key of a stage.") % {"value": shown(key)},
            _("Use up to 60 Latin letters, digits and hyphens."),
        )
        key = str(i)
    where = f"stages.{key}"
    yield from _unknown_names(stage, _STAGE, where)
    if "name" in stage:
        yield from _text(stage["name"], f"{where}.name", 120)
        if stage["name"] == "" or (isinstance(stage["name"], str) and stage["name"].isspace()):
            yield RuleError("empty", f"{where}.name", "", _("The stage has no name."), _("Give it a name."))
    yield from _text(stage.get("description", ""), f"{where}.description", 300)
    color = stage.get("color") or ""
    if not isinstance(color, str) or (color and not _COLOUR.fullmatch(color)):
        yield RuleError(
            "bad_colour",
            f"{where}.color",
            color,
            _("%(value)s is no colour.") % {"value": shown(color)},
            _("Write it like #16a34a."),
        )
    yield from _number(stage.get("precedence"), f"{where}.precedence")
    if stage.get("position") is not None:
        yield from _number(stage["position"], f"{where}.position")
    for purpose in ("enter", "stay"):
        rules = stage.get(purpose)
        if not isinstance(rules, list | tuple | None):
            yield _wrong_type(
                f"{where}.{purpose}", shown(rules), _("The rules are not a list."), _("Write a list, even of one: […].")
            )
            continue
        yield from _too_many(rules or (), MOST_RULES, f"{where}.{purpose}")
        for j, rule in enumerate(rules or ()):
            yield from _rule(rule, f"{where}.{purpose}.{j}")


def _rule(rule: Any, where: str) -> Iterator[RuleError]:
    if not isinstance(rule, Mapping):
        yield _wrong_type(where, shown(rule), _("A rule is not an object."), _('Write {"criteria": […]}.'))
        return
    problems = [*_unknown_names(rule, _RULE, where), *_text(rule.get("name", ""), f"{where}.name", 120)]
    for part in ("scope", "criteria"):
        terms = rule.get(part)
        if not isinstance(terms, list | tuple | None):
            problems.append(
                _wrong_type(
                    f"{where}.{part}",
                    shown(terms),
                    _("The criteria are not a list."),
                    _("Write a list, even of one: […]."),
                )
            )
            continue
        problems += _too_many(terms or (), MOST_CRITERIA, f"{where}.{part}")
        for k, term in enumerate(terms or ()):
            try:
                parse_term(term)
            except RuleError as error:
                problems.append(error.within(f"{where}.{part}.{k}"))
    if not problems:
        try:
            parse_rule(rule)
        except RuleError as error:
            problems.append(error.within(where))
    yield from problems


def _unknown_names(document: Mapping[str, Any], known: tuple[str, ...], where: str) -> Iterator[RuleError]:
    for name in document:
        if name not in known:
            field = f"{where}.{name}" if where else str(name)
            yield RuleError(
                "unknown_key",
                field,
                shown(document[name]),
                _("There is no “%(name)s” here.") % {"name": name},
                suggestion(name, known),
            )


def _too_many(rows: Any, most: int, where: str) -> Iterator[RuleError]:
    if len(rows) > most:
        yield RuleError(
            "too_many",
            where,
            len(rows),
            _("%(count)s are too many.") % {"count": len(rows)},
            _("Keep to %(most)s.") % {"most": most},
        )


def _text(value: Any, field: str, most: int) -> Iterator[RuleError]:
    if not isinstance(value, str):
        yield _wrong_type(
            field, shown(value), _("%(value)s is not text.") % {"value": shown(value)}, _("Enter a text.")
        )
    elif len(value) > most:
        yield RuleError(
            "too_long",
            field,
            shown(value),
            _("The text is too long: %(count)s characters.") % {"count": len(value)},
            _("Shorten it to %(most)s.") % {"most": most},
        )
    elif not is_storable(value):
        yield RuleError(
            "bad_character", field, shown(value), _("The text has a character that cannot be stored."), _("Remove it.")
        )


def _number(value: Any, field: str) -> Iterator[RuleError]:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER:
        yield RuleError(
            "bad_number",
            field,
            shown(value),
            _("%(value)s is not a number from 0 to %(most)s.") % {"value": shown(value), "most": MOST_NUMBER},
            _("Enter a whole number."),
        )
