import re
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

LANGUAGES = ["zh_Hans", "zh_Hant"]
IGNORED = ["tests/*", "benchmarks/*", "var/*"]
_MADE_AT = re.compile(r'^"POT-Creation-Date: .*"\n', re.MULTILINE)


class Command(makemessages.Command):
    """Django's command, which also finds texts marked with `_t` (translated now, where `_` is the lazy one).

    The catalogues change only where texts do: they name files without lines and no time they were made at, nothing is
    guessed from texts that look alike, and texts that are gone go.
    """

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=_t"]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]

    def add_arguments(self, parser: CommandParser) -> None:
        """Texts of tests are read by nobody."""
        super().add_arguments(parser)
        parser.set_defaults(ignore_patterns=IGNORED, add_location="file", no_obsolete=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Without a language, write both Chinese ones."""
        if not (options["locale"] or options["all"]):
            options["locale"] = LANGUAGES
        super().handle(*args, **options)

    def write_po_file(self, potfile: str, locale: str) -> None:
        """As Django does, without the time."""
        super().write_po_file(potfile, locale)
        path = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        path.write_text(_MADE_AT.sub("", path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
