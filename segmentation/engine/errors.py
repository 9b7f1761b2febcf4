"""What is wrong with a rule, so that a person can mend it."""

import difflib
from collections.abc import Iterable
from typing import Any

from segmentation.engine.text import _
from segmentation.errors import ProblemError


class RuleError(ProblemError, ValueError):
    """A rule that cannot be used. Names the place, the value and the remedy.

    Parameters: `code` for programs; `field` where it is (a dotted path such as
    `stages.mqa.enter.0.criteria.1.params.minutes`); `value` as given; `message` what is wrong and `remedy` what to do,
    both ready to be shown.
    """

    code = "rule"

    def __init__(self, code: str, field: str, value: Any, message: str, remedy: str) -> None:
        super().__init__(
            message.replace("%", "%%"), code=code, field=field, value=value, remedy=remedy.replace("%", "%%")
        )

    def __str__(self) -> str:
        return f"{self.field}: {self.message} {self.remedy}"

    def within(self, prefix: str) -> "RuleError":
        """The same error, seen from further out: `prefix` is put before the field's path."""
        field = f"{prefix}.{self.field}" if self.field else prefix
        return RuleError(self.code, field, self.value, self.message, self.remedy)


def shown(value: Any) -> str:
    """A value as it appears in a message: quoted, never longer than 60 characters."""
    text = repr(value) if not isinstance(value, str) else f"“{value}”"
    return text if len(text) <= 60 else text[:59] + "…"


def suggestion(value: Any, known: Iterable[str]) -> str:
    """“Did you mean …?” or the list of what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(str(value), known, n=1)
    if close:
        return _("Did you mean “%(close)s”?") % {"close": close[0]}
    if len(known) > 25:
        return _("Known are %(known)s and %(more)s more.") % {"known": ", ".join(known[:25]), "more": len(known) - 25}
    return _("Known are: %(known)s.") % {"known": ", ".join(known) or "–"}
