"""Accounts per stage at a moment."""

from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rich.table import Table
from rich.text import Text

from journey.errors import JourneyError
from journey.instants import past_instant
from journey.management.list_options import accounts_of_list, add_list_options
from journey.selectors.journeys import find_journey
from journey.selectors.stages import stage_counts
from journey.selectors.versions import shown_version
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "How many accounts are in each stage of a journey, now or at any moment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="the journey (default: the first one)")
        parser.add_argument("--as-of", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        add_list_options(parser)
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        journey = find_journey(options["journey"])
        as_of = past_instant(options["as_of"], "--as-of")
        accounts = accounts_of_list(options, as_of)
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
            self.print_json({"as_of": as_of.isoformat(), "stages": stages})
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
            table.add_row(row["name"], f"{row['accounts']:,}", share, Text(bar, row["color"]))
        self.console(100).print(table)
