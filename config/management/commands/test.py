import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

# Many tests wait for servers and processes they started. Handed out in order and few at a time: tests that leave the
# tables empty come last, and so they do in each process.
PROCESSES = min(max(os.cpu_count() or 1, 2), 8)
ON_ALL_PROCESSORS = ["-n", str(PROCESSES), "--dist", "load", "--maxschedchunk", "2"]


class Command(BaseCommand):
    """Runs pytest; what follows ``test`` goes to pytest as it is."""

    help = "Run the test suite (pytest); every argument is handed to pytest."
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Take the arguments before argparse does: they are pytest's, ``--help`` too."""
        try:
            sys.exit(run(argv[2:]))
        except CommandError as error:
            sys.exit(str(error))

    def add_arguments(self, parser: CommandParser) -> None:
        """For ``call_command``."""
        parser.add_argument("arguments", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the tests, exit with pytest's code."""
        sys.exit(run(list(options["arguments"])))


def run(arguments: list[str]) -> int:
    """Run pytest and return its exit code: the whole suite on all processors, what was picked in this process.

    Raises:
        CommandError: pytest is not installed.
    """
    try:
        import pytest
    except ImportError:
        raise CommandError(
            _("pytest is not installed here: run python3 manage.py test outside a virtual environment, it installs it.")
        ) from None
    return int(pytest.main(arguments or ON_ALL_PROCESSORS))
