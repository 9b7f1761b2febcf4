"""Measure the replay against PostgreSQL's own COPY and against other ways to the same history."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.table import Table

from benchmarks.runner import NAMES, RESULTS, TARGET_SIZE, MeasurementError, run, verdicts, write
from benchmarks.scratch import Scratch
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    """Makes a scratch database of the asked size, measures in it, and drops it."""

    help = (
        "Measure reading, replaying and importing in a scratch database of demo data beside the configured one."
        " Times are compared with F, the time of COPY of all activities to nowhere."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--size",
            type=float,
            default=1.0,
            help="millions of activities, a hundredth as many accounts (1; at most 10)",
        )
        parser.add_argument(
            "--only", action="append", metavar="NAME", help=f"only this, may be repeated: {', '.join(NAMES)}"
        )
        parser.add_argument(
            "--repeat", type=int, metavar="N", help="how often (5; above a million 3 times, slow alternatives once)"
        )
        parser.add_argument("--keep", action="store_true", help="leave the scratch database for the next time")
        parser.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")

    def run(self, **options: Any) -> None:
        """Measure, write the results file, print a table.

        Raises:
            CommandError: an option cannot be used, or a measurement failed.
        """
        size, names = options["size"], options["only"] or list(NAMES)
        if not 0.001 <= size <= 10:
            raise CommandError(f"--size: {size:g} is out of range. Use a number of millions from 0.001 to 10.")
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise CommandError(f"--only: there is no measurement “{unknown[0]}”. Known are: {', '.join(NAMES)}.")
        if options["repeat"] is not None and options["repeat"] < 1:
            raise CommandError(f"--repeat: {options['repeat']} is too few. Use 1 or more.")

        def said(step: str) -> None:
            if not options["json"] and options["verbosity"]:
                self.stderr.write(step)

        connection.ensure_connection()  # a server that is not there is told in one sentence
        scratch = Scratch(size)
        try:
            results = run(scratch, names, said, options["repeat"])
        except MeasurementError as error:
            raise CommandError(f"A measurement failed:\n{error}") from error
        finally:
            if not options["keep"]:
                scratch.drop()
                Scratch(size, is_blank=True).drop()
        write(results, RESULTS)
        if options["json"]:
            self.print_json(results)
        elif options["verbosity"]:
            self.stdout.write(summary(results))
        if not all(row["equal"] for row in results):
            raise CommandError("Not all results are equal to those of the engine.")


def summary(results: list[dict[str, Any]]) -> str:
    """The results and the targets as tables for the terminal."""
    table = Table(title=f"{results[0]['size']:g} million activities")
    for heading, side in (
        ("What", "left"),
        ("Median s", "right"),
        ("x F", "right"),
        ("Peak MB", "right"),
        ("Equal", "left"),
        ("Runs", "right"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for row in results:
        peak = f"{row['peak_mb']:.0f}" if row["peak_mb"] else ""
        table.add_row(
            row["name"],
            f"{row['median_seconds']:.3f}",
            f"{row['ratio_to_copy']:.2f}",
            peak,
            "yes" if row["equal"] else "NO",
            str(row["runs"]),
        )
    targets = Table(title=f"Targets, set for {TARGET_SIZE:g} million activities")
    for heading in ("What", "Measured", "Target", ""):
        targets.add_column(heading)
    is_full = results[0]["size"] == TARGET_SIZE  # fixed costs weigh more in small sizes
    words = {True: "holds" if is_full else "", False: "missed" if is_full else "not at this size", None: "not measured"}
    for verdict in verdicts(results):
        targets.add_row(verdict.name, verdict.found, verdict.target, words[verdict.holds])
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
        console.print(targets)
    return capture.get()
