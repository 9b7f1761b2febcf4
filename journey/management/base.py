"""What the commands share: errors as sentences with exit code 1, instants and accounts from words."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.errors import ProblemError


class JourneyCommand(BaseCommand):
    """A command whose problems are shown as a sentence: what is wrong and what to do. Subclasses define `run`."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django gives every command a --version of its own; here it may name a version of a journey.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except ProblemError as error:
            raise CommandError(str(error), returncode=1) from error
        except BrokenPipeError:
            sys.stderr.close()

    def run(self, **options: Any) -> None:
        raise NotImplementedError
