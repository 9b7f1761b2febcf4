"""Options of commands that limit a report to a target account list or a segment."""

import datetime as dt
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from journey.instants import past_instant
from journey.selectors.lists import LIST_MODES, list_scope
from segmentation.models import Account
from segmentation.selectors.segments import find_segment, segment_members_at


def add_list_options(parser: CommandParser) -> None:
    """Add --list, --segment, --list-mode and --cohort-at."""
    parser.add_argument("--list", metavar="KEY", help="only accounts of this target account list")
    parser.add_argument("--segment", metavar="KEY", help="only those that are members of this segment then")
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
    """The accounts a report at `as_of` is limited to; None without --list and --segment.

    Raises JourneyError and NotFoundError.
    """
    scope = list_scope(options["list"], options["list_mode"], cohort_day(options))
    accounts = scope.accounts(as_of) if scope else None
    if options.get("segment"):
        members = segment_members_at(find_segment(options["segment"]), as_of)
        accounts = members if accounts is None else accounts & members
    return accounts
