"""The funnel of a journey: volume, conversion, velocity and value per stage, in whole or by group."""

from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.translation import gettext as _t
from rich.console import Console
from rich.table import Table
from rich.text import Text

from journey.instants import parse_instant, past_instant
from journey.management.questions import add_filters, filters
from journey.models import Journey
from journey.selectors.funnel import funnel, funnel_query
from journey.selectors.funnel_compare import COMPARED, With, both_rows, compared_query
from journey.selectors.funnel_query import MOST_GROUPS, REACHED_DAYS
from journey.selectors.funnel_report import FunnelReport, StageFigures
from journey.selectors.funnel_tables import csv_text, funnel_rows
from journey.selectors.journeys import find_journey
from journey.selectors.versions import find_version
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "Volume, conversion, velocity and value of every stage of a journey, in whole or by up to two fields."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="the journey (default: the first one)")
        parser.add_argument("--start", metavar="ISO", required=True, help="the range begins, such as 2026-01-01")
        parser.add_argument("--end", metavar="ISO", required=True, help="the range ends; this instant is not in it")
        parser.add_argument("--as-of", metavar="ISO", help="nothing later is known (default: now)")
        parser.add_argument(
            "--known-at", metavar="ISO", help="only facts recorded by then; --as-of is then this moment unless given"
        )
        parser.add_argument("--horizon", type=float, metavar="DAYS", help="conversions within so many days only")
        parser.add_argument("--to", metavar="STAGE", help="conversion to this stage instead of the next one of each")
        parser.add_argument("--by", action="append", default=[], metavar="FIELD", help="break down; twice at most")
        parser.add_argument("--version-number", metavar="N", help="a version of the journey (default: the one shown)")
        add_filters(parser)
        parser.add_argument("--compare", choices=list(COMPARED), help="with the time before, a year earlier, ...")
        parser.add_argument("--compare-start", metavar="ISO", help="the other range begins (--compare custom)")
        parser.add_argument("--compare-end", metavar="ISO", help="the other range ends before this instant")
        parser.add_argument("--compare-list", metavar="KEY", help="the other list (--compare list)")
        parser.add_argument("--compare-version", metavar="N", help="the other version (--compare version)")
        parser.add_argument(
            "--days",
            type=float,
            nargs="+",
            default=REACHED_DAYS,
            metavar="N",
            help="cumulative incidence after so many days (default: 30 90 180)",
        )
        parser.add_argument(
            "--groups", type=int, default=MOST_GROUPS, metavar="N", help="the N largest groups (default: 50)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--csv", action="store_true", help="print CSV, a row for each stage and group")

    def run(self, **options: Any) -> None:
        def past(name: str) -> Any:
            text = options[name.replace("-", "_")]
            return past_instant(text, f"--{name}") if text else None

        journey = find_journey(options["journey"])
        number = options["version_number"]
        query = funnel_query(
            journey=journey,
            version=find_version(journey, number, "--version-number") if number else None,
            start=parse_instant(options["start"], "--start"),
            end=parse_instant(options["end"], "--end"),
            as_of=past("as-of"),
            known_at=past("known-at"),
            horizon_days=options["horizon"],
            to=options["to"],
            by=options["by"],
            **filters(options),
            reached_days=options["days"],
            most_groups=options["groups"],
        )
        report = funnel(query)
        before = funnel(compared_query(query, _with(journey, options))) if options["compare"] else None
        if options["json"]:
            document = report.as_dict() | ({"compared": before.as_dict()} if before else {})
            self.print_json(document)
        elif options["csv"]:
            rows = both_rows(funnel_rows(report), funnel_rows(before) if before else None)
            self.stdout.write(csv_text(rows), ending="")
        else:
            console = self.console(150)
            show(report, console)
            if before:
                console.print(_t("Compared with:"))
                show(before, console)


def _with(journey: Journey, options: dict[str, Any]) -> With:
    def moment(name: str) -> Any:
        text = options[f"compare_{name}"]
        return parse_instant(text, f"--compare-{name}") if text else None

    number = options["compare_version"]
    return With(
        options["compare"],
        moment("start"),
        moment("end"),
        options["compare_list"],
        find_version(journey, number, "--compare-version") if number else None,
        ("--compare", "--compare-start", "--compare-end", "--compare-list", "--compare-version"),
    )


def show(report: FunnelReport, console: Console) -> None:
    """The report as tables for people."""
    query = report.query

    def day(moment: Any) -> str:
        return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"

    console.print(
        f"{query.version} · {day(query.start)} – {day(query.end)} · "
        + _t("as of %(moment)s") % {"moment": day(query.as_of)}
    )
    console.print(_table(_t("All"), report.stages))
    through = report.overall
    words = _t("%(start)s to %(target)s: %(rate)s of %(n)s, median %(median)s, mean %(mean)s")
    console.print(
        words
        % {
            "start": through.start or "–",
            "target": through.target or "–",
            "rate": _share(through.conversion.rate),
            "n": f"{through.conversion.n:,}",
            "median": _days(through.velocity.median_days),
            "mean": _days(through.velocity.mean_days),
        }
    )
    investment = through.value.investment_per_opportunity
    console.print(
        _t("Investment per opportunity: %(amount)s")
        % {"amount": _amount(investment, through.value.currency) if investment is not None else _t("no data")}
    )
    for group in report.groups:
        console.print(_table(" · ".join(group.labels), group.stages))
    for note in report.notes:
        console.print(f"! {note.text}", style="yellow")


def _table(title: str, stages: list[StageFigures]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(_t("Stage"))
    for heading in (
        _t("Now"),
        _t("Share"),
        _t("Entries"),
        _t("Conversion"),
        _t("95 %"),
        _t("Median"),
        _t("Mean"),
        _t("Half leave after"),
        _t("Pipeline"),
        _t("Revenue"),
        _t("Assumed"),
    ):
        table.add_column(heading, justify="right")
    for stage in stages:
        found = stage.conversion
        limits = "–" if found.rate is None else f"{_share(found.low)}–{_share(found.high)}"
        table.add_row(
            Text.assemble(("■", stage.color), f" {stage.name}"),
            f"{stage.now:,}",
            _share(stage.share),
            f"{stage.volume:,}",
            _share(found.rate),
            limits,
            _days(stage.velocity.median_days),
            _days(stage.velocity.mean_days),
            _days(stage.velocity.stay_km_median_days),
            _amount(stage.value.pipeline, stage.value.currency),
            _amount(stage.value.revenue, stage.value.currency),
            f"{stage.trust['assumed']:,}",
        )
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{floatformat(100 * value, 1)} %"


def _days(value: float | None) -> str:
    return "–" if value is None else _t("%(n)s d") % {"n": floatformat(value, 1)}


def _amount(value: float | None, currency: str | None) -> str:
    return "–" if value is None else f"{value:,.0f} {currency or ''}".strip()
