from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from config import demo, web
from config.management.commands.serve import add_serve_arguments, serve_options
from journey.demo.parameters import MAX_ACCOUNTS, MAX_ACTIVITIES


class Command(BaseCommand):
    """From an empty machine to a journey in the admin."""

    help = "Load the demo data, print the funnel, and serve the admin until Ctrl-C."
    requires_system_checks: list[str] = []  # before migrate nothing of the database is there to check

    def add_arguments(self, parser: CommandParser) -> None:
        """How much data, and whether to serve."""
        add_size_arguments(parser)
        parser.add_argument("--no-serve", action="store_true", help=_("stop after the table"))
        add_serve_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do all the steps.

        Raises:
            CommandError: the port is taken, or the web server ended.
        """
        try:
            port = None if options["no_serve"] else web.choose_port(options["host"], options["port"])
            steps = demo.Steps(self.stdout, total=9)
            demo.fill(steps, accounts=options["accounts"], activities=options["activities"])
            with steps.step(_("Counting the accounts in each stage")):
                found = demo.funnel()
            self.stdout.write(demo.funnel_text(found))
            login = demo.ensure_login()
            if port is None:
                self.stdout.write(login)
            else:
                web.serve(self.stdout, **serve_options(options) | {"port": options["port"]}, notice=f"{login}\n")
        except web.WebError as error:
            raise CommandError(str(error)) from error


def add_size_arguments(parser: CommandParser) -> None:
    """Add the options about the amount of demo data; without them the loader's own sizes count."""
    parser.add_argument("--accounts", type=_whole(1, MAX_ACCOUNTS), help=_("number of accounts (2,000)"))
    parser.add_argument("--activities", type=_whole(0, MAX_ACTIVITIES), help=_("number of activities (150,000)"))


def _whole(first: int, last: int) -> Callable[[str], int]:
    """Return what reads a whole number from `first` to `last`: a wrong one is refused before anything is done."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not first <= int(text) <= last:
            bounds = {"value": text, "first": f"{first:,}", "last": f"{last:,}"}
            raise ArgumentTypeError(_("“%(value)s” is no whole number from %(first)s to %(last)s.") % bounds)
        return int(text)

    return read
