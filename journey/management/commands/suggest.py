"""Looking for accounts that look like customers or show interest."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _t
from rich.table import Table

from journey.models import Suggestion, SuggestionSource
from journey.selectors.journeys import find_journey
from journey.selectors.lookalikes import evaluation_in_words
from journey.selectors.suggestions import find_source, reasons_of, suggestions_in
from journey.services.suggestions import SourceResult, install_sources, suggest
from segmentation.errors import ConflictError
from segmentation.management.base import ProductCommand

SHOWN = 10


class Command(ProductCommand):
    help = (
        "Looks for accounts that look like your customers, and for accounts on no list that show interest. Nobody is"
        " put on a list: people decide in the admin or by the API. Without any source the ready-made ones are made."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journey", metavar="KEY", help="only by sources that learn from this journey")
        parser.add_argument("--source", metavar="KEY", help="only by this source (default: all active ones)")
        parser.add_argument("--most", type=int, default=SHOWN, metavar="N", help="show so many of each source")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        journey = find_journey(options["journey"]) if options["journey"] is not None else None
        sources = [find_source(options["source"])] if options["source"] is not None else None
        if not SuggestionSource.objects.exists():
            install_sources(build=False)
        results = suggest(sources=sources, journey=journey)
        if options["verbosity"]:
            shown = [(result, _first(result, options["most"])) for result in results]
            if options["json"]:
                found = [result.as_dict() | {"suggestions": rows} for result, rows in shown]
                self.print_json(found)
            else:
                for result, rows in shown:
                    self._tell(result, rows)
        if results and all(result.problem for result in results):
            raise ConflictError("%(text)s", code="no_suggestions", params={"text": results[0].problem})

    def _tell(self, result: SourceResult, rows: list[dict[str, Any]]) -> None:
        self.stdout.write(f"{result.source} ({result.source.key})")
        if result.problem:
            self.stdout.write("  " + result.problem)
            return
        text = _t(
            "  %(accounts)s accounts looked at, %(open)s wait for a decision: %(new)s new, %(back)s came back;"
            " %(gone)s went away, %(declined)s are declined."
        )
        self.stdout.write(text % {key: f"{value:,}" for key, value in result.as_dict().items() if type(value) is int})
        if result.model:
            self.stdout.write("  " + evaluation_in_words(result.model.evaluation))
        if not rows:
            return
        table = Table()
        for head in ("#", _t("Account"), _t("External id"), _t("Why")):
            table.add_column(head)
        for row in rows:
            table.add_row(str(row["place"]), row["name"], row["external_id"] or "–", row["why"])
        self.console(110).print(table)


def _first(result: SourceResult, most: int) -> list[dict[str, Any]]:
    rows: list[Suggestion] = list(
        suggestions_in()
        .filter(source=result.source)
        .select_related("account", "source__segment")
        .order_by("place")[: max(most, 0)]
    )
    why = reasons_of(rows, timezone.now())
    return [
        {
            "suggestion": row.pk,
            "place": row.place,
            "account": row.account_id,
            "external_id": row.account.external_id,
            "name": row.account.name,
            "score": float(row.score),
            "why": why[row.pk]["text"],
        }
        for row in rows
    ]
