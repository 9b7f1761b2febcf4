"""The nested markets: how large each is and was."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _t
from rich.table import Table
from rich.text import Text

from journey.instants import past_instant
from journey.selectors.funnel_tables import csv_text
from journey.selectors.markets import MarketReport, market_query, market_report
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "The nested markets, from everybody down to accounts with an open deal, at the end of each month and now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, default=12, metavar="N", help="how many months back (default: 12)")
        parser.add_argument("--as-of", metavar="ISO", help="nothing later is known (default: now)")
        parser.add_argument("--known-at", metavar="ISO", help="only facts recorded by then")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--csv", action="store_true", help="print CSV, a row for each market and moment")

    def run(self, **options: Any) -> None:
        query = market_query(
            months=options["months"],
            as_of=past_instant(options["as_of"], "--as-of") if options["as_of"] else None,
            known_at=past_instant(options["known_at"], "--known-at") if options["known_at"] else None,
        )
        report = market_report(query)
        if options["json"]:
            self.print_json(report.as_dict())
        elif options["csv"]:
            self.stdout.write(csv_text(report.rows()), ending="")
        else:
            self.console(150).print(_table(report))


def _table(report: MarketReport) -> Table:
    table = Table(caption=_t("+ n: beside, they pass the test outside the market before."), caption_justify="left")
    table.add_column(_t("End of"))
    for market in report.markets:
        table.add_column(Text.assemble(("■", market.level.color), f" {market.level}"), justify="right")
    for place, moment in enumerate(report.query.instants):
        cells = [
            "–" if size is None else f"{size:,}" + (f" (+ {beside:,})" if beside else "")
            for size, beside in ((market.size[place], market.beside[place]) for market in report.markets)
        ]
        table.add_row(f"{timezone.localtime(moment):%Y-%m-%d %H:%M}", *cells)
    return table
