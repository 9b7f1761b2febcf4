from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from config import schedules, tables, web


class Command(BaseCommand):
    """Serves the site and does its work in the background, in one command."""

    help = "Serve the admin and the API and do the work in the background, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, how much to run."""
        add_serve_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve.

        Raises:
            CommandError: the database is behind the code, the port is taken, or the web server ended.
        """
        if problem := tables.behind():
            raise CommandError(problem)
        schedules.sync()
        try:
            web.serve(self.stdout, **serve_options(options))
        except web.WebError as error:
            raise CommandError(str(error)) from error


def add_serve_arguments(parser: CommandParser) -> None:
    """Add the options that ``serve`` and ``demo`` share."""
    parser.add_argument("--host", default="127.0.0.1", help=_("address to listen on"))
    parser.add_argument("--port", type=int, help=_("port to listen on; without it the first free one from 8000"))
    parser.add_argument("--workers", type=int, default=1, help=_("processes of the web server"))
    parser.add_argument("--threads", type=int, default=8, help=_("threads in each of them"))


def serve_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return what ``web.serve`` takes of a command's options."""
    return {name: options[name] for name in ("host", "port", "workers", "threads")}
