"""What the commands share: problems as sentences, and with --json as JSON, whenever they are met."""

import json
import sys
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext_lazy as _
from rich.console import Console

from segmentation.errors import InvalidValueError, ProblemError

BAD_ARGUMENTS = 2


class ProductCommand(BaseCommand):
    """A command whose problems are shown as a sentence: what is wrong and what to do. Subclasses define `run`.

    With --json standard output is one JSON document whatever happens: `{"fault": …}` where there is no result.
    """

    _is_told = False

    def print_json(self, document: Any) -> None:
        """Print the document --json asks for."""
        self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        self._is_told = True

    def console(self, width: int) -> Console:
        """Where tables are printed. Names are shown as they are: what looks like mark-up in one is none."""
        # What is under the wrapper: that one ends every write with a line break.
        return Console(file=cast(IO[str], self.stdout._out), width=width, markup=False)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django gives every command a --version of its own; here it may name a version of a journey.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def run_from_argv(self, argv: list[str]) -> None:
        """Wrong arguments end a process before there are options to look at, so they are looked for first."""
        if "--json" in argv[2:]:
            parser = self.create_parser(argv[0], argv[1])
            try:
                parser.parse_args(argv[2:])
            except CommandError as error:
                words = str(error).removeprefix("Error: ")
                self.print_json(fault(CommandError(words), "bad_arguments"))
                parser.print_usage(sys.stderr)
                self.stderr.write(words)
                sys.exit(BAD_ARGUMENTS)
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            if options.get("json") and not self._is_told:  # a result may itself say what failed
                self.print_json(fault(error.__cause__ or error))
            raise

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except ProblemError as error:
            raise CommandError(str(error), returncode=1) from error
        except BrokenPipeError:
            sys.stderr.close()
        except OSError as error:
            if error.filename is None:
                raise
            problem = InvalidValueError(
                _("The file “%(value)s” cannot be opened: %(reason)s."),
                code="unreadable",
                field="file",
                value=str(error.filename),
                remedy=_("Check the path and the rights."),
                params={"reason": error.strerror or error},
            )
            raise CommandError(str(problem), returncode=1) from problem

    def run(self, **options: Any) -> None:
        raise NotImplementedError


def fault(error: BaseException, code: str = "failed") -> dict[str, Any]:
    """Why there is no result, with the parts of a problem."""
    problem = error if isinstance(error, ProblemError) else ProblemError("%(text)s", code=code, params={"text": error})
    return {"fault": problem.as_dict()}
