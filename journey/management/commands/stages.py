"""Accounts per stage at a moment."""

import json
from typing import IO, Any, cast

from django.core.management.base import CommandParser
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rich.console import Console
from rich.table import Table

from journey.errors import JourneyError
from journey.instants import past_instant
from journey.management.base import JourneyCommand
from journey.selectors.journeys import find_journey
from journey.selectors.lists import LIST_MODES, listed_accounts
from journey.selectors.stages import stage_counts
from journey.selectors.versions import shown_version
from segmentation.selectors.target_lists import find_list


class Command(JourneyCommand):
    help = "How many accounts are in each stage of a journey, now or at any moment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="the journey (default: the first one)")
        parser.add_argument("--as-of", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        parser.add_argument("--list", metavar="KEY", help="only accounts of this target account list")
        parser.add_argument(
            "--list-mode",
            choices=LIST_MODES,
            default="was",
            help="the list as it was at the moment (default), as it is now, or as the cohort of --cohort-at",
        )
        parser.add_argument("--cohort-at", metavar="ISO", help="the day whose members are the cohort")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        journey = find_journey(options["journey"])
        as_of = past_instant(options["as_of"], "--as-of")
        accounts = None
        if options["list"]:
            cohort_at = past_instant(options["cohort_at"], "--cohort-at") if options["cohort_at"] else None
            accounts = listed_accounts(find_list(options["list"]), options["list_mode"], as_of, cohort_at)
        version = shown_version(journey)
        if version is None:
            raise JourneyError(
                _("The journey “%(value)s” has no history yet."),
                code="no_history",
                field="journey",
                value=journey.key,
                remedy=_("Publish a version of it and run manage.py replay."),
            )
        rows = stage_counts(version, as_of, accounts)
        if options["json"]:
            stages = [{name: row[name] for name in ("key", "name", "accounts", "share")} for row in rows]
            self.stdout.write(json.dumps({"as_of": as_of.isoformat(), "stages": stages}, indent=2, ensure_ascii=False))
            return
        table = Table(title=f"{version} · {timezone.localtime(as_of):%Y-%m-%d %H:%M}", title_justify="left")
        table.add_column(_t("Stage"))
        table.add_column(_t("Accounts"), justify="right")
        table.add_column(_t("Share"), justify="right")
        table.add_column("")
        most = max((row["accounts"] for row in rows), default=0) or 1
        for row in rows:
            share = "–" if row["share"] is None else f"{floatformat(100 * row['share'], 1)} %"
            bar = "█" * round(30 * row["accounts"] / most) or ("▏" if row["accounts"] else "")
            table.add_row(row["name"], f"{row['accounts']:,}", share, f"[{row['color']}]{bar}[/]")
        # What is under the wrapper: that one ends every write with a line break.
        Console(file=cast(IO[str], self.stdout._out), width=100).print(table)
