"""The accounts of an audience, or the people in them, as a CSV file for advertising and mail tools."""

import io
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _t

from journey.ready_made_audiences import install_audiences
from journey.selectors.audiences import EMAILS, LEVELS, audience_export
from journey.services.replay import bring_up_to_date, refuse_broken_rules
from segmentation.engine.memberships import segment_name
from segmentation.management.base import ProductCommand
from segmentation.models import Segment
from segmentation.selectors.segments import find_segment, of_purpose
from segmentation.services.exports import record_export


class Command(ProductCommand):
    help = (
        "An audience as CSV: the accounts of a segment, or the people in them with hashed or plain mail addresses."
        " Memberships are brought up to date first. Without a key: the audiences there are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", nargs="?", metavar="KEY", help="the segment (default: a list of the audiences)")
        parser.add_argument("--level", default="accounts", metavar="|".join(LEVELS), help="what is on a line")
        parser.add_argument("--emails", default="hashed", metavar="|".join(EMAILS), help="how addresses are written")
        parser.add_argument("--output", metavar="FILE", help="where to write (default: standard output)")
        parser.add_argument("--examples", action="store_true", help="make the ready-made audiences that are missing")

    def run(self, **options: Any) -> None:
        if options["examples"]:
            made, refused = install_audiences(build=False)
            lines = [_t("%(n)s audiences were made.") % {"n": len(made)}]
            self.stderr.write("\n".join([*lines, *(f"{key}: {why}" for key, why in refused.items())]))
        if options["key"] is None:
            for segment in of_purpose(Segment.Purpose.AUDIENCE):
                self.stdout.write(f"{segment.key}\t{segment}")
            return
        segment = find_segment(options["key"])
        asked = audience_export(segment, level=options["level"], emails=options["emails"])
        refuse_broken_rules(segment, bring_up_to_date([segment_name(segment.key)]))
        text = io.StringIO(newline="")
        number = asked.write(text, timezone.now())
        # Noted before anything leaves: whoever reads may stop after the first lines.
        record_export(user=None, of=segment, file=asked.file_name, rows=number)
        if options["output"] is None:
            cast(IO[str], self.stdout._out).write(text.getvalue())  # line ends as they are
            return
        Path(options["output"]).write_text(text.getvalue(), encoding="utf-8", newline="")
        self.stderr.write(_t("%(number)s rows in %(file)s") % {"number": number, "file": options["output"]})
