import sys
from typing import Any

from django.core.management.base import CommandError

from config.management.commands import test


class Command(test.Command):
    """Runs the heavy tests that ``test`` leaves out; what follows ``trust`` goes to pytest as it is."""

    help = "Run the heavy tests of correctness that test leaves out."

    def run_from_argv(self, argv: list[str]) -> None:
        """Take the arguments before argparse does: they are pytest's."""
        try:
            sys.exit(test.run(["-m", "trust", *argv[2:]]))
        except CommandError as error:
            sys.exit(str(error))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the heavy tests, exit with pytest's code."""
        sys.exit(test.run(["-m", "trust", *options["arguments"]]))
