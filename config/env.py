"""Readers of environment variables that fail loudly: with the variable's name, its value and what to do.

An empty variable counts as one that is not set.
"""

import os
import zoneinfo
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def _fault(name: str, value: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The environment variable {name} is {value!r}: {remedy}.")


def text(name: str, default: str = "", *, choices: Sequence[str] | None = None) -> str:
    """Return a text.

    Args:
        name: the variable.
        default: what an unset variable means.
        choices: the only values allowed.

    Raises:
        ImproperlyConfigured: the value is none of ``choices``.
    """
    value = os.environ.get(name, "").strip() or default
    if choices is not None and value not in choices:
        raise _fault(name, value, f"use one of {', '.join(choices)}")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return a yes or no.

    Raises:
        ImproperlyConfigured: the value is neither.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise _fault(name, value, "use true or false")


def integer(name: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
    """Return a whole number from ``low`` to ``high``, both included.

    Raises:
        ImproperlyConfigured: the value is no whole number or out of bounds.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise _fault(name, value, "use a whole number") from None
    if low is not None and number < low:
        raise _fault(name, value, f"use {low} or more")
    if high is not None and number > high:
        raise _fault(name, value, f"use {high} or less")
    return number


def names(name: str, default: Sequence[str] = ()) -> list[str]:
    """Return a list, given with commas between its items."""
    value = os.environ.get(name, "").strip()
    return [item.strip() for item in value.split(",") if item.strip()] if value else list(default)


def path(name: str, default: Path) -> Path:
    """Return an absolute path; a relative one is taken from the current directory.

    Raises:
        ImproperlyConfigured: something that is no directory lies there.
    """
    value = os.environ.get(name, "").strip()
    found = Path(value).expanduser().absolute() if value else default
    if found.exists() and not found.is_dir():
        raise _fault(name, value or str(found), "use the path of a directory")
    return found


def time_zone(name: str, default: str) -> str:
    """Return the name of a time zone.

    Raises:
        ImproperlyConfigured: no zone has this name.
    """
    value = text(name, default)
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _fault(name, value, "use a name such as UTC, Europe/Berlin or Asia/Shanghai") from None
    return value
