"""How each segment fares against the rest."""

from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _t
from rich.table import Table

from journey.instants import parse_instant, past_instant
from journey.selectors.funnel_tables import csv_text
from journey.selectors.segment_performance import (
    MOMENTS,
    PerformanceReport,
    Side,
    performance_query,
    segment_performance,
)
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "Deal size, win rate, revenue, cycle, sales velocity and retention of each segment against the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("segment", nargs="*", metavar="KEY", help="segments (default: the active ones)")
        parser.add_argument("--start", metavar="ISO", required=True, help="the range begins, such as 2026-01-01")
        parser.add_argument("--end", metavar="ISO", required=True, help="the range ends; this instant is not in it")
        parser.add_argument("--currency", default="", metavar="EUR", help="of the amounts (default: that of reports)")
        parser.add_argument(
            "--moment",
            choices=MOMENTS,
            default="opened",
            help="a deal counts by the memberships when it was opened (default), or just before it closed",
        )
        parser.add_argument("--known-at", metavar="ISO", help="only facts recorded by then")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--csv", action="store_true", help="print CSV, two rows for each segment")

    def run(self, **options: Any) -> None:
        query = performance_query(
            start=parse_instant(options["start"], "--start"),
            end=parse_instant(options["end"], "--end"),
            currency=options["currency"],
            moment=options["moment"],
            segments=options["segment"],
            known_at=past_instant(options["known_at"], "--known-at") if options["known_at"] else None,
        )
        report = segment_performance(query)
        if options["json"]:
            self.print_json(report.as_dict())
        elif options["csv"]:
            self.stdout.write(csv_text(report.flat()), ending="")
        else:
            console = self.console(150)
            console.print(_table(report))
            for note in report.notes:
                console.print(f"! {note.text}", style="yellow")


def _table(report: PerformanceReport) -> Table:
    table = Table()
    table.add_column(_t("Segment"))
    for heading in (
        _t("Won / lost"),
        _t("Win rate"),
        _t("Deal size"),
        _t("Revenue"),
        _t("Share"),
        _t("Cycle"),
        _t("Velocity a day"),
        _t("Retention"),
    ):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(row.group.name, *_cells(row.segment, report.currency))
        table.add_row(_t("  the rest"), *_cells(row.rest, report.currency), style="dim")
    table.add_row(_t("All deals"), *_cells(report.everything, report.currency))
    return table


def _cells(side: Side, currency: str) -> list[str]:
    figures = side.figures

    def mark(name: str) -> str:
        return "*" if name in figures.few else ""

    return [
        f"{figures.won:,} / {figures.lost:,}",
        _share(figures.win_rate.rate if figures.win_rate else None) + mark("win_rate"),
        _amount(figures.size.median, currency) + mark("size"),
        _amount(figures.revenue, currency),
        _share(side.share),
        (_t("%(n)s d") % {"n": floatformat(figures.cycle.median, 1)} if figures.cycle.n else "–") + mark("cycle"),
        _amount(figures.velocity, currency) + mark("velocity"),
        _share(figures.retention.rate if figures.retention else None) + mark("retention"),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{floatformat(100 * value, 1)} %"


def _amount(value: float | None, currency: str) -> str:
    return "–" if value is None else f"{value:,.0f} {currency}".strip()
