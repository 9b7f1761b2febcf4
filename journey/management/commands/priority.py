"""Which segment to work first, and why."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _t
from rich.table import Table

from journey.selectors.priorities import CONSIDERATIONS, segment_ranking
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "Segments ranked by seven weighted considerations, with the points each adds; ? is not known."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        ranking = segment_ranking()
        if options["json"]:
            self.print_json(ranking.as_dict())
            return
        if not ranking.rows:
            self.stdout.write(_t("There are no segments to rank. Make one in the admin, then run manage.py segment."))
            return
        table = Table()
        table.add_column("#", justify="right")
        table.add_column(_t("Segment"))
        table.add_column(_t("Points"), justify="right")
        for key, one in CONSIDERATIONS.items():
            table.add_column(f"{one.label} ×{ranking.weights[key]}", justify="right")
        for row in ranking.rows:
            points = "–" if row.priority.points is None else f"{row.priority.points:.0f}"
            parts = ["?" if one.points is None else f"{one.points:.1f}" for one in row.judged.values()]
            table.add_row(str(row.rank or "–"), row.path, points, *parts)
        self.console(140).print(table)
