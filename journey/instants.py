"""Moments as people write them."""

import datetime as dt
from collections.abc import Mapping

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError

FARTHEST = dt.timedelta(days=366)  # into the future, for the end of a range


def parse_instant(text: str | None, field: str) -> dt.datetime:
    """An instant from ISO text: a date is 00:00 of that day in the site's time zone, a time without zone is in it too.

    None: now. Raises JourneyError.
    """
    if text is None:
        return timezone.now()
    try:
        moment = parse_datetime(text)
        if moment is None:
            day = parse_date(text)
            moment = dt.datetime.combine(day, dt.time()) if day else None
    except ValueError:
        moment = None
    if moment is None or moment.year < 1990:
        raise JourneyError(
            _("%(field)s: “%(value)s” is no date or time since 1990."),
            code="bad_instant",
            field=field,
            value=text,
            remedy=_("Write it like 2026-03-31 or 2026-03-31T17:00:00+08:00."),
        )
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def past_instant(text: str | None, field: str) -> dt.datetime:
    """As `parse_instant`, for a moment that must not lie in the future. Raises JourneyError."""
    moment = parse_instant(text, field)
    if moment > timezone.now():
        raise _future(field, text)
    return moment


def refuse_future(now: dt.datetime, moments: Mapping[str, dt.datetime | None]) -> None:
    """Raise JourneyError for the first of these moments, by field, that lies in the future."""
    for field, moment in moments.items():
        if moment is not None and moment > now:
            raise _future(field, moment.isoformat())


def _future(field: str, text: str | None) -> JourneyError:
    return JourneyError(
        _("%(field)s: “%(value)s” lies in the future."),
        code="future",
        field=field,
        value=text,
        remedy=_("Facts are known up to now; give an earlier moment."),
    )


def refuse_far_end(end: dt.datetime, field: str = "end") -> None:
    """Raise JourneyError for a range that ends more than a year from now. field: what its end is called."""
    if end - timezone.now() > FARTHEST:
        raise JourneyError(
            _("The range ends too far in the future: %(value)s."),
            code="far_future",
            field=field,
            value=end.isoformat(),
            remedy=_("Nothing is known of it; end the range within a year from now."),
        )


def refuse_empty_range(start: dt.datetime, end: dt.datetime, field: str = "end") -> None:
    """Raise JourneyError for a range that holds no moment. field: what its end is called."""
    if end <= start:
        raise JourneyError(
            _("The range ends before it starts, or at once: %(start)s to %(value)s."),
            code="empty_range",
            field=field,
            value=end.isoformat(),
            remedy=_("Give an end after the start. The end is not included: for one day give the day after."),
            params={"start": start.isoformat()},
        )
