"""What the commands share: errors as sentences with exit code 1, instants and accounts from words."""

import datetime as dt
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from segmentation.errors import ProblemError


class JourneyCommand(BaseCommand):
    """A command whose problems are shown as a sentence: what is wrong and what to do. Subclasses define `run`."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django gives every command a --version of its own; here it may name a version of a journey.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except ProblemError as error:
            raise CommandError(str(error), returncode=1) from error
        except BrokenPipeError:
            sys.stderr.close()

    def run(self, **options: Any) -> None:
        raise NotImplementedError


def parse_instant(text: str | None, field: str) -> dt.datetime:
    """An instant from ISO text: a date is 00:00 of that day in the site's time zone, a time without zone is in it too.

    None: now. Raises JourneyError.
    """
    if not text:
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
