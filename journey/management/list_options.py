"""Options of commands that limit a report to a target account list."""

import datetime as dt
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from journey.instants import past_instant
from journey.selectors.lists import LIST_MODES, list_scope
from segmentation.models import Account


def add_list_options(parser: CommandParser) -> None:
    """Add --list, --list-mode and --cohort-at."""
    parser.add_argument("--list", metavar="KEY", help="only accounts of this target account list")
    add_list_mode(parser)


def add_list_mode(parser: Any) -> None:
    """Add --list-mode and --cohort-at, for a command whose list is given otherwise."""
    parser.add_argument(
        "--list-mode",
        choices=LIST_MODES,
        default="was",
        help="the list as it was at the moment (default), as it is now, or as the cohort of --cohort-at",
    )
    parser.add_argument("--cohort-at", metavar="ISO", help="the day whose members are the cohort")


def cohort_day(options: dict[str, Any]) -> dt.datetime | None:
    """The moment of --cohort-at. Raises JourneyError when it cannot be used."""
    return past_instant(options["cohort_at"], "--cohort-at") if options["cohort_at"] else None


def accounts_of_list(options: dict[str, Any], as_of: dt.datetime) -> QuerySet[Account] | None:
    """The accounts a report at `as_of` is limited to; None without --list. Raises JourneyError and NotFoundError."""
    scope = list_scope(options["list"], options["list_mode"], cohort_day(options))
    return scope.accounts(as_of) if scope else None
