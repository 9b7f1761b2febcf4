"""The base of every error a person gets to read: what is wrong, with which value, and what to do about it.

The command line, the admin and the API show the same text, so an error carries its parts and not a finished sentence.
No Django in here: the engine raises these errors too.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

SHOWN = 80  # characters of a refused value that a message repeats


class ProblemError(Exception):
    """Something a person can put right.

    Args:
        message: what is wrong; may be a lazy translation with %(name)s places, filled in from ``params`` when shown.
        code: a stable word for programs; subclasses have one of their own.
        field: the field, parameter or column it is about.
        value: the value that was refused.
        remedy: what to do, in the same form as ``message``.
        params: fill the places of ``message`` and ``remedy``; ``value`` and ``field`` are there without being named.
    """

    code = "problem"

    def __init__(
        self,
        message: object,
        *,
        code: str = "",
        field: str = "",
        value: Any = None,
        remedy: object = "",
        params: Mapping[str, Any] | None = None,
    ):
        super().__init__(message)
        self._message = message
        self._remedy = remedy
        self.code = code or self.code
        self.field = field
        self.value = value
        self.params = dict(params or {})

    @property
    def message(self) -> str:
        """What is wrong, in the language of the moment."""
        return self._filled(self._message)

    @property
    def remedy(self) -> str:
        """What to do, in the language of the moment; may be empty."""
        return self._filled(self._remedy)

    def _filled(self, text: object) -> str:
        return str(text) % {"value": shorten(self.value), "field": self.field, **self.params} if text else ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.remedy) if part)

    def as_dict(self) -> dict[str, Any]:
        """Return the parts, for JSON."""
        return {
            "code": self.code,
            "field": self.field,
            "value": shorten(self.value),
            "message": self.message,
            "remedy": self.remedy,
        }


class InvalidValueError(ProblemError):
    """A value that a field cannot hold."""

    code = "invalid"


class NotFoundError(ProblemError):
    """Something was named that does not exist."""

    code = "not_found"


class AmbiguousError(ProblemError):
    """A name fits several things, and guessing would be wrong."""

    code = "ambiguous"


class ConflictError(ProblemError):
    """What was asked for contradicts what is there."""

    code = "conflict"


def shorten(value: Any, limit: int = SHOWN) -> str:
    """Return the value as text that fits into a message and can be stored; nothing for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    text = text if len(text) <= limit else f"{text[:limit]}…"
    return text.replace("\x00", "␀").encode(errors="replace").decode()


def closest(value: str, choices: Iterable[str]) -> str:
    """Return the choice that was probably meant, or nothing. Case does not matter."""
    known = {choice.casefold(): choice for choice in choices}
    found = get_close_matches(value.casefold(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else ""
