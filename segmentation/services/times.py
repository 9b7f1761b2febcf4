"""When a change takes effect."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError

EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)


def checked_past(at: dt.datetime | None, text: Any, field: str = "at") -> dt.datetime:
    """Return when a change takes effect: now when nothing is given.

    Args:
        at: from when, or when it happened.
        text: what is said of a time that cannot be used, with its place for the value.
        field: what the time is called.

    Raises:
        InvalidValueError: the time has no zone, lies in the future or before 1990; says so with the text.
    """
    now = timezone.now()
    if at is None:
        return now
    if timezone.is_naive(at) or not EARLIEST <= at <= now:
        raise InvalidValueError(
            text,
            code="time_not_usable",
            field=field,
            value=f"{at:%Y-%m-%d %H:%M}",
            remedy=_("Give a time from 1990 on that is not in the future."),
        )
    return at
