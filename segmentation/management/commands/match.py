"""Names and domains of a CSV file against the accounts."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from segmentation.imports.matching import match_file
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "Say of each row of a CSV file which account it means: match, ambiguous or none, with the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a CSV file with a column for names or domains of companies")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        found = match_file(options["file"])
        if options["json"]:
            self.print_json(found)
            return
        for row in found["rows"]:
            who = row["account"]
            meant = f"  #{who['id']} {who['name']}" if who else ""
            others = ", ".join(f"#{one['id']} {one['name']}" for one in row["candidates"])
            self.stdout.write(
                f"{row['line']}: {row['name'] or row['domain']}: {row['status']}{meant}  ({row['reason']})"
                + (f"  {others}" if others else "")
            )
        for line in found["bad"]:
            self.stderr.write(self.style.ERROR(_("Line %(line)s: %(message)s") % line))
        self.stdout.write(_("%(match)s match, %(ambiguous)s are ambiguous, %(none)s match nothing.") % found["counts"])
