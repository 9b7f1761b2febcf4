"""Parameters of criterion kinds: what a person may enter.

They are checked on construction and drawn as a form from the same words.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from segmentation.engine.errors import RuleError, shown, suggestion
from segmentation.engine.text import _, gettext_noop

DAY_SECONDS = 86_400
DAY = DAY_SECONDS * 1_000_000  # microseconds
MAX_DAYS = 36_500  # a hundred years: keeps time + window within 64 bits

Choices = Mapping[str, str] | Callable[[], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter. `label` and `help` are marked for translation, translated where shown.

    `required`: must have a value; without a `default` it must be given. A default of None means “no such limit”.
    `clearable`: an emptied field means “no such limit” too, instead of the default.
    """

    name: str
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    clearable: bool = False
    input: str = "text"

    def clean(self, value: Any) -> Any:
        """The value in its one normal form. Raises RuleError."""
        raise NotImplementedError

    def _refuse(self, code: str, value: Any, message: str, remedy: str) -> RuleError:
        return RuleError(code, self.name, value, message, remedy)


@dataclass(frozen=True, kw_only=True)
class Number(Param):
    """A finite number within bounds; whole when `whole`."""

    minimum: float = 0
    maximum: float = 1e9
    whole: bool = True
    input: str = "number"

    def clean(self, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refuse(
                "wrong_type",
                value,
                _("%(value)s is not a number.") % {"value": shown(value)},
                _("Enter a number such as %(example)s.")
                % {"example": self.default if self.default is not None else 60},
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(
                "not_finite",
                value,
                _("%(value)s is not a finite number.") % {"value": value},
                _("Enter a finite number."),
            )
        if self.whole and value != int(value):
            raise self._refuse(
                "not_whole",
                value,
                _("%(value)s is not a whole number.") % {"value": value},
                _("Round it to a whole number."),
            )
        if not self.minimum <= value <= self.maximum:
            raise self._refuse(
                "out_of_range",
                value,
                _("%(value)s is out of range.") % {"value": shown(value)},
                _("Enter a number from %(low)s to %(high)s.")
                % {"low": f"{self.minimum:g}", "high": f"{self.maximum:g}"},
            )
        return int(value) if self.whole else float(value)


_memory: ContextVar[dict[Any, Any] | None] = ContextVar("_memory", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Ask for each list that lives in the database once: for making many criteria at one moment."""
    if _memory.get() is not None:  # within a look already
        yield
        return
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(ask: Callable[[], Any]) -> Any:
    """What `ask` answers; within `one_look` it is asked once."""
    memory = _memory.get()
    if memory is None:
        return ask()
    if ask not in memory:
        memory[ask] = ask()
    return memory[ask]


@dataclass(frozen=True, kw_only=True)
class Choice(Param):
    """One of a list. The list may be a function, for lists that live in the database."""

    choices: Choices
    input: str = "choice"

    def options(self) -> Mapping[str, str]:
        return remembered(self.choices) if callable(self.choices) else self.choices

    def clean(self, value: Any) -> Any:
        options = self.options()
        if not isinstance(value, str) or value not in options:
            raise self._refuse(
                "unknown_choice",
                value,
                _("%(value)s is not known.") % {"value": shown(value)},
                suggestion(value, options),
            )
        return value


@dataclass(frozen=True, kw_only=True)
class Several(Choice):
    """Any of a list; sorted, each once. Empty means no restriction unless `required`."""

    default: Any = ()
    input: str = "choices"

    def clean(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise self._refuse(
                "wrong_type",
                value,
                _("%(value)s is not a list.") % {"value": shown(value)},
                _("Give a list, even of one: [“…”]."),
            )
        values = list(value)
        if self.required and not values:
            raise self._refuse("empty", value, _("Nothing is chosen."), _("Choose at least one."))
        return tuple(sorted({super(Several, self).clean(item) for item in values}))


@dataclass(frozen=True, kw_only=True)
class YesNo(Param):
    default: Any = False
    input: str = "bool"

    def clean(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._refuse(
                "wrong_type",
                value,
                _("%(value)s is neither true nor false.") % {"value": shown(value)},
                _("Use true or false."),
            )
        return value


@dataclass(frozen=True, kw_only=True)
class Value(Param):
    """A value to compare a field with: text, number, yes/no, or a list of them."""

    input: str = "value"

    def clean(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(self.clean(item) for item in value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(
                "not_finite",
                value,
                _("%(value)s is not a finite number.") % {"value": value},
                _("Enter a finite number."),
            )
        if isinstance(value, bool | int | float) or (
            isinstance(value, str) and len(value) <= 1000 and is_storable(value)
        ):
            return value
        raise self._refuse(
            "wrong_type",
            shown(value),
            _("%(value)s cannot be compared with.") % {"value": shown(value)},
            _("Use a text, a number or a list of them."),
        )


def is_storable(text: str) -> bool:
    """Whether a database can keep the text: no NUL, no half of a surrogate pair."""
    return not any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in text)


COMPARATORS = {">": gettext_noop("more than"), ">=": gettext_noop("at least")}


def comparator(default: str = ">") -> Choice:
    return Choice(name="comparator", label=gettext_noop("compare"), choices=COMPARATORS, default=default)


def window_days(default: int | None = 90, required: bool = False) -> Number:
    """A rolling window; “3 months” are 90 days of 86,400 seconds. None: ever."""
    return Number(
        name="window_days",
        label=gettext_noop("within days"),
        help=gettext_noop("Counts what happened in the last so many days. Empty: ever."),
        minimum=1,
        maximum=MAX_DAYS,
        default=default,
        required=required,
        clearable=True,
    )


def clean_params(params: tuple[Param, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters in normal form, defaults filled in. Raises RuleError for the first that is wrong."""
    if not isinstance(given, Mapping):
        raise RuleError(
            "wrong_type", "params", given, _("Parameters are not an object."), _("Give them as {name: value}.")
        )
    known = {param.name: param for param in params}
    for name in given:
        if name not in known:
            raise RuleError(
                "unknown_parameter",
                str(name),
                given[name],
                _("There is no parameter “%(name)s”.") % {"name": name},
                suggestion(name, known),
            )
    cleaned = {}
    for name, param in known.items():
        if name in given and given[name] is not None:
            cleaned[name] = param.clean(given[name])
        elif param.required and param.default in (None, ()):
            raise RuleError(
                "missing_parameter",
                name,
                None,
                _("“%(name)s” is missing.") % {"name": name},
                _("Give it a value; there is no default."),
            )
        elif name in given and given[name] is None:
            cleaned[name] = None if param.clearable else param.default
        else:
            cleaned[name] = param.default
    return cleaned
