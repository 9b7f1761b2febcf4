"""Who is near the next stage, and what is missing."""

from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _t
from rich.console import Console
from rich.table import Table

from journey.instants import past_instant
from journey.management.questions import add_filters, filters
from journey.selectors.funnel_tables import csv_text
from journey.selectors.journeys import find_journey
from journey.selectors.near import NearMisses, near_misses, near_query
from segmentation.management.base import ProductCommand
from segmentation.services.exports import record_export


class Command(ProductCommand):
    help = "What every account lacks for the next stage of a journey, the nearest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="the journey (default: the first one)")
        parser.add_argument("--stage", metavar="STAGE", help="only those whose next stage is this one")
        parser.add_argument("--as-of", metavar="ISO", help="the moment (default: now)")
        parser.add_argument(
            "--known-at", metavar="ISO", help="only facts recorded by then; --as-of is then this moment unless given"
        )
        add_filters(parser)
        parser.add_argument("--most", type=int, default=50, metavar="N", help="the N nearest (default: 50)")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--csv", action="store_true", help="print CSV")

    def run(self, **options: Any) -> None:
        known_at = past_instant(options["known_at"], "--known-at") if options["known_at"] else None
        query = near_query(
            journey=find_journey(options["journey"]),
            at=past_instant(options["as_of"], "--as-of") if options["as_of"] or not known_at else known_at,
            known_at=known_at,
            **filters(options),
        )
        found = near_misses(query, options["stage"], max(options["most"], 1))
        if options["json"]:
            self.print_json(found.as_dict())
        elif options["csv"]:
            journey = query.version.journey
            record_export(user=None, of=journey, file=f"{journey.key}-near.csv", rows=len(found.entities))
            self.stdout.write(csv_text(found.rows()), ending="")
        else:
            show(found, self.console(150))


def show(found: NearMisses, console: Console) -> None:
    """The list for people."""
    table = Table()
    for heading in (_t("Account"), _t("Stage"), _t("Next"), _t("How far"), _t("Missing")):
        table.add_column(heading)
    for row in found.entities:
        table.add_row(row.name, row.stage, row.next, f"{floatformat(100 * row.gap, 0)} %", row.text)
    console.print(table)
    words = _t(
        "%(listed)s of %(candidates)s that could move on; for %(without)s more no rule of the next stage is meant."
    )
    counts = {"listed": len(found.entities), "candidates": found.candidates, "without": found.out_of_scope}
    console.print(words % {name: f"{n:,}" for name, n in counts.items()})
