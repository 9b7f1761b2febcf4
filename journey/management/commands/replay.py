"""Bring stage histories up to date, or build them anew."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from journey.selectors.journeys import find_journey
from journey.selectors.versions import published_versions
from journey.services.replay import replay
from segmentation.management.base import ProductCommand


def _document(rows: list[dict[str, Any]], one: bool) -> dict[str, Any]:
    """The journey asked for, or the one of the start page; all that were replayed under `journeys`."""
    if not rows:
        return {"journeys": []}
    if one:
        return rows[-1] | {"journeys": rows}
    first = next(version.journey.key for version in published_versions())
    return next(row for row in rows if row["journey"] == first) | {"journeys": rows}


class Command(ProductCommand):
    help = "Replay journeys: bring the stored history of stages up to date with the facts, or build it anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="only this journey (default: all that are published)")
        parser.add_argument(
            "--version", dest="number", type=int, metavar="N", help="this version instead of the published one"
        )
        parser.add_argument(
            "--full", action="store_true", help="build the whole history anew instead of replaying what changed"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def run(self, **options: Any) -> None:
        journey = find_journey(options["journey"]) if options["journey"] else None
        if options["number"] is not None and journey is None:
            journey = find_journey(None)
        console = Console(stderr=True, quiet=options["json"] or options["verbosity"] == 0)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(_("replay"), total=1.0)
            results = replay(
                journey=journey,
                number=options["number"],
                full=options["full"],
                progress=lambda fraction, step: bar.update(task, completed=fraction, description=step),
            )
        if options["json"]:
            rows = [result.as_dict() for result in results]
            self.print_json(_document(rows, one=journey is not None))
            return
        if not results:
            self.stdout.write(_("No journey is published, so there is nothing to replay."))
        for result in results:
            self.stdout.write(
                _("%(journey)s: %(entities)s accounts, %(intervals)s stays, %(seconds)s s")
                % {
                    "journey": result.version,
                    "entities": result.entities,
                    "intervals": result.intervals,
                    "seconds": f"{sum(result.seconds.values()):.1f}",
                }
            )
