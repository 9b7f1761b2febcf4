"""Options of the commands that ask about a part of all accounts."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from journey.instants import past_instant
from journey.selectors.funnel_query import parse_where
from journey.selectors.lists import LIST_MODES


def add_filters(parser: CommandParser) -> None:
    """--where, --list, --list-mode and --cohort-at."""
    parser.add_argument(
        "--where", action="append", default=[], metavar="FIELD=VALUE", help="only these; may be repeated"
    )
    parser.add_argument("--list", metavar="KEY", help="only accounts of this target account list")
    parser.add_argument(
        "--list-mode",
        choices=LIST_MODES,
        default="was",
        help="on it at each counted instant (default), now, or on the day of --cohort-at",
    )
    parser.add_argument("--cohort-at", metavar="ISO", help="the day of the cohort (default: the start of the range)")


def filters(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, as `funnel_query` takes it. Raises JourneyError for what cannot be read."""
    cohort_at = options["cohort_at"]
    return {
        "where": parse_where(options["where"]),
        "list_key": options["list"],
        "list_mode": options["list_mode"],
        "cohort_at": past_instant(cohort_at, "--cohort-at") if cohort_at else None,
    }
