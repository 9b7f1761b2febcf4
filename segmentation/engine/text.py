"""Text for people, inside code that knows no web framework.

Messages are marked here and translated by whatever `use_translator` was given; without one they stay English.
"""

from collections.abc import Callable

_translate: Callable[[str], str] = str
_translate_plural: Callable[[str, str, int], str] | None = None


def use_translator(translate: Callable[[str], str], plural: Callable[[str, str, int], str]) -> None:
    """Translate with these functions from now on (called once at start-up)."""
    global _translate, _translate_plural
    _translate, _translate_plural = translate, plural


def gettext_noop(message: str) -> str:
    """Mark a message that is translated later, when it is shown."""
    return message


def _(message: str) -> str:
    """Translate a message now."""
    return _translate(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Translate a message that depends on a number."""
    if _translate_plural:
        return _translate_plural(singular, plural, number)
    return singular if number == 1 else plural
