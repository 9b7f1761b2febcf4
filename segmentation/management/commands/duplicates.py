"""Accounts that may be one company."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segmentation.management.base import ProductCommand
from segmentation.selectors.duplicates import candidate_document, open_candidates, reason_texts
from segmentation.services.duplicates import find_duplicates


class Command(ProductCommand):
    help = "Look for accounts that may be one company, keep them for review, and list them with the reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many to list (20; 0: all)")
        parser.add_argument("--json", action="store_true", help="print JSON with all pairs")

    def run(self, **options: Any) -> None:
        found = find_duplicates()
        rows = open_candidates()
        limit = options["limit"]
        if options["json"]:
            pairs = [candidate_document(row) for row in rows.iterator(chunk_size=2000)]
            self.print_json({**found.as_dict(), "pairs": pairs})
            return
        text = ngettext(
            "%(open)s pair among %(accounts)s accounts: %(new)s new, %(back)s back again, %(declined)s declined"
            " (%(seconds).1f s).",
            "%(open)s pairs among %(accounts)s accounts: %(new)s new, %(back)s back again, %(declined)s declined"
            " (%(seconds).1f s).",
            found.open,
        )
        self.stdout.write(text % found.__dict__)
        shown = rows[:limit] if limit > 0 else rows
        for row in shown:
            self.stdout.write(f"{row.score}  #{row.first_id} {row.first}  /  #{row.second_id} {row.second}")
            self.stdout.write("      " + "; ".join(reason_texts(row)))
        if 0 < limit < found.open:
            self.stdout.write(_("%(number)s more: --limit 0 lists all.") % {"number": found.open - limit})
