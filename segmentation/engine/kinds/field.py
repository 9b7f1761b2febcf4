"""A field of the account: tier, region, industry, employees, custom fields."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from segmentation.engine.criteria import Criterion, Measure, register
from segmentation.engine.errors import RuleError, shown
from segmentation.engine.facts import DatedField, Facts
from segmentation.engine.params import Choice, Param, Value, remembered
from segmentation.engine.steps import NO, UNKNOWN, YES, Int8s, Int64s, Steps
from segmentation.engine.text import _, gettext_noop

FIELDS = "fields"

_field_choices: Callable[[], dict[str, str]] = dict
_field_types: Callable[[], dict[str, str]] = dict


def use_fields(choices: Callable[[], dict[str, str]], types: Callable[[], dict[str, str]]) -> None:
    """Tell which fields exist (key: label) and their types (text, number, yes_no, list)."""
    global _field_choices, _field_types
    _field_choices, _field_types = choices, types


OPERATORS = {
    "is": gettext_noop("is"),
    "in": gettext_noop("is one of"),
    "above": gettext_noop("is more than"),
    "at_least": gettext_noop("is at least"),
    "below": gettext_noop("is less than"),
    "at_most": gettext_noop("is at most"),
    "contains": gettext_noop("contains"),
    "known": gettext_noop("is known"),
}
_ORDER = ("above", "at_least", "below", "at_most")


@register
class Field(Criterion):
    """Compares a dated field with a value. An empty field is unknown; only “is known” answers then."""

    kind = "field"
    label = gettext_noop("Field of the account")
    help = gettext_noop(
        "Reads the value the field had at that moment. An empty field is unknown: it neither holds nor, when negated,"
        " holds."
    )
    is_scope = True
    tables = frozenset({FIELDS})
    params: ClassVar[tuple[Param, ...]] = (
        Choice(
            name="field", label=gettext_noop("field"), choices=lambda: _field_choices(), required=True, input="field"
        ),
        Choice(name="operator", label=gettext_noop("compare"), choices=OPERATORS, default="is"),
        Value(name="value", label=gettext_noop("value"), help=gettext_noop("For “is one of” several values.")),
    )

    def check(self) -> None:
        operator, value = self.values["operator"], self.values["value"]
        if operator == "known":
            if value is not None:
                raise RuleError(
                    "needless_value", "value", value, _("“is known” takes no value."), _("Leave the value empty.")
                )
            return
        if value is None or value == () or value == "":
            raise RuleError(
                "missing_parameter", "value", value, _("There is nothing to compare with."), _("Enter a value.")
            )
        if (operator == "in") != isinstance(value, tuple):
            raise RuleError(
                "wrong_type",
                "value",
                shown(value),
                _("“%(operator)s” does not go with %(value)s.")
                % {"operator": _(OPERATORS[operator]), "value": shown(value)},
                _("Give a list for “is one of” and one value for the others."),
            )
        type_ = remembered(_field_types).get(self.values["field"], "text")
        for item in value if isinstance(value, tuple) else (value,):
            self._check_type(item, type_, operator)

    def _check_type(self, item: Any, type_: str, operator: str) -> None:
        number = isinstance(item, int | float) and not isinstance(item, bool)
        if operator in _ORDER and (type_ != "number" or not number):
            raise RuleError(
                "wrong_type",
                "value",
                item,
                _("%(value)s cannot be compared by size in a field of type %(type)s.")
                % {"value": shown(item), "type": type_},
                _("Use a number and a number field, or “is”."),
            )
        fits = {
            "number": number,
            "yes_no": isinstance(item, bool),
            "text": isinstance(item, str),
            "list": isinstance(item, str),
        }
        if not fits.get(type_, True):
            raise RuleError(
                "wrong_type",
                "value",
                item,
                _("%(value)s is of the wrong type for the field “%(field)s” (%(type)s).")
                % {"value": shown(item), "field": self.values["field"], "type": type_},
                _("Enter a value of that type."),
            )

    def fields(self) -> Iterable[str]:
        return (self.values["field"],)

    def known_from(self, facts: Facts) -> Int64s:
        dated: DatedField = facts.table(FIELDS)[self.values["field"]]
        return dated.known_from

    def _answer(self, value: Any) -> int:
        """Yes, no or unknown for one value of the field."""
        operator, wanted = self.values["operator"], self.values["value"]
        if value is None or value == "" or value == ():
            return NO if operator == "known" else UNKNOWN
        if operator == "known":
            return YES
        if operator in _ORDER and (isinstance(value, bool) or not isinstance(value, int | float)):
            return UNKNOWN  # a custom field may hold what its declared type does not allow
        if isinstance(value, tuple):  # a list of things, such as products in use
            have = {str(item).casefold() for item in value}
            if operator == "in":
                return YES if have & {item.casefold() for item in wanted} else NO
            return YES if str(wanted).casefold() in have else NO
        if operator in ("is", "in", "contains") and isinstance(value, str):
            text = value.casefold()
            if operator == "contains":
                return YES if wanted.casefold() in text else NO
            return YES if text in {item.casefold() for item in (wanted if operator == "in" else (wanted,))} else NO
        compare: dict[str, Callable[[], bool]] = {
            "is": lambda: value == wanted,
            "in": lambda: value in wanted,
            "contains": lambda: str(wanted) in str(value),
            "above": lambda: value > wanted,
            "at_least": lambda: value >= wanted,
            "below": lambda: value < wanted,
            "at_most": lambda: value <= wanted,
        }
        return YES if compare[operator]() else NO

    def steps(self, facts: Facts) -> Steps:
        dated: DatedField = facts.table(FIELDS)[self.values["field"]]
        return field_steps(dated, self._answers(dated.values))

    def _answers(self, values: Sequence[Any]) -> Int8s:
        """The answer for each value; the last one is for code -1, a field without value. Batches share their values."""
        known: tuple[Any, Int8s] | None = getattr(self, "_answered", None)
        if known is None or known[0] is not values:
            answers = np.array([*(self._answer(value) for value in values), self._answer(None)], dtype=np.int8)
            self._answered = known = (values, answers)
        return known[1]

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        dated: DatedField = facts.table(FIELDS)[self.values["field"]]
        code = value_code_at(dated, entity, instant)
        label = _(remembered(_field_choices).get(self.values["field"], self.values["field"]))
        if code < 0:
            found = _("%(field)s is not known") % {"field": label}
        else:
            value = dated.values[code]
            found = _("%(field)s is %(value)s") % {
                "field": label,
                "value": in_words(value),
            }
        holds = self._answer(dated.values[code] if code >= 0 else None) == YES
        return Measure(found=found, missing="" if holds else self.sentence(), gap=0.0 if holds else 1.0)

    def sentence(self) -> str:
        label = _(remembered(_field_choices).get(self.values["field"], self.values["field"]))
        value = self.values["value"]
        words = "" if value is None else f" {in_words(value)}"
        return f"{label} {_(OPERATORS[self.values['operator']])}{words}"


def in_words(value: Any) -> str:
    """A value for people: numbers without needless decimals and, from 10,000 on, with thousands apart."""
    if isinstance(value, tuple):
        return ", ".join(in_words(item) for item in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int | float) and abs(value) >= 10_000 else str(value)


def field_steps(dated: DatedField, answers: Int8s) -> Steps:
    """Steps of a field given the answer for each code; equal neighbours are merged. The last answer is for code -1."""
    n = len(dated.initial)
    initial = answers[dated.initial]
    if len(dated.time) == 0:
        return Steps(initial, np.zeros(n + 1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8))
    counts = dated.rows.end - dated.rows.begin
    entity = np.repeat(np.arange(n), counts)
    first = np.repeat(dated.rows.begin, counts)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    row = first + np.arange(len(entity)) - np.repeat(starts, counts)
    # Of several changes at one instant (those of one transaction) the last counts.
    last = np.ones(len(row), dtype=np.bool_)
    last[:-1] = (entity[1:] != entity[:-1]) | (dated.time[row[1:]] != dated.time[row[:-1]])
    entity, row = entity[last], row[last]
    value = answers[dated.code[row]]
    before = np.empty_like(value)
    before[1:] = value[:-1]
    at_first = np.flatnonzero(np.diff(entity, prepend=-1))
    before[at_first] = initial[entity[at_first]]
    keep = value != before
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(entity[keep], minlength=n), out=offsets[1:])
    return Steps(initial, offsets, np.ascontiguousarray(dated.time[row][keep]), np.ascontiguousarray(value[keep]))


def value_code_at(dated: DatedField, entity: int, instant: int) -> int:
    """The code of the field's value for one entity at an instant; -1 is unknown."""
    low, high = int(dated.rows.begin[entity]), int(dated.rows.end[entity])
    k = low + int(np.searchsorted(dated.time[low:high], instant, side="right"))
    return int(dated.initial[entity] if k == low else dated.code[k - 1])
