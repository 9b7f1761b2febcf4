"""How the goals of segments stand, now or at any date."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _t
from rich.table import Table

from journey.instants import past_instant
from journey.selectors.goals import GoalReport, all_goals, goal_reports
from segmentation.management.base import ProductCommand
from segmentation.selectors.segments import find_segment


class Command(ProductCommand):
    help = "How the goals of segments stand, now or at any date: what was counted, what is expected, the forecast."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--segment", metavar="KEY", help="only the goals of this segment")
        parser.add_argument("--as-of", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        goals = all_goals()
        if options["segment"] is not None:
            goals = goals.filter(segment=find_segment(options["segment"]))
        reports = goal_reports(goals, past_instant(options["as_of"], "--as-of"))
        if options["json"]:
            found = [report.as_dict() for report in reports]
            self.print_json(found)
        elif not reports:
            self.stdout.write(_t("There are no goals. Set one in the admin or over the API."))
        else:
            self.console(130).print(_table(reports))


def _table(reports: list[GoalReport]) -> Table:
    table = Table()
    for head in (_t("Segment"), _t("Goal"), _t("Days"), _t("Status")):
        table.add_column(head)
    for head in (_t("So far"), _t("Expected"), _t("Target"), _t("Forecast")):
        table.add_column(head, justify="right")
    for report in reports:
        found = report.as_dict()
        numbers = [found[name] for name in ("value", "expected", "target", "forecast")]
        unit = report.goal.currency or report.kind.unit
        table.add_row(
            str(report.goal.segment),
            f"{report.kind.label} ({unit})",
            f"{report.goal.first_day} – {report.goal.last_day}",
            str(found["status"]),
            *("–" if number is None else f"{number:,.0f}" for number in numbers),
        )
    return table
