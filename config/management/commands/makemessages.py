from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

LANGUAGES = ["zh_Hans", "zh_Hant"]
IGNORED = ["tests/*", "benchmarks/*", "var/*"]


class Command(makemessages.Command):
    """Django's command, which also finds texts marked with `_t` (translated now, where `_` is the lazy one)."""

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=_t"]

    def add_arguments(self, parser: CommandParser) -> None:
        """Texts of tests are read by nobody."""
        super().add_arguments(parser)
        parser.set_defaults(ignore_patterns=IGNORED)

    def handle(self, *args: Any, **options: Any) -> None:
        """Without a language, write both Chinese ones."""
        if not (options["locale"] or options["all"]):
            options["locale"] = LANGUAGES
        super().handle(*args, **options)
