"""All bad rows of an import as a CSV file that a spreadsheet opens without harm."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from segmentation.imports.errors import FileFaultError
from segmentation.imports.report import MATCH_COLUMNS, ErrorSink, Match, RowError, UpsertReport

FORMULA_SIGNS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "＝",
    "＋",
    "－",
    "＠",
)  # spreadsheets run what begins with one of these


@contextmanager
def bad_rows_file(path: Path) -> Iterator[ErrorSink]:
    """Open a file and yield what writes a bad row to it.

    Raises:
        FileFaultError: it cannot be written.
    """
    try:
        file = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise FileFaultError(
            _("The bad rows cannot be written to “%(value)s”: %(reason)s."),
            code="unwritable",
            field="errors",
            value=path.name,
            params={"reason": error.strerror or error},
            remedy=_("Give --errors the name of a file in a directory you may write to."),
        ) from error
    with file:
        writer = csv.writer(file)
        writer.writerow(["line", "field", "value", "code", "reason"])

        def write(error: RowError) -> None:
            writer.writerow([error.line, error.field, inert(error.value), error.code, inert(error.message)])

        yield write


def write_matches(path: Path, report: UpsertReport) -> None:
    """Write what became of each row, those that could not be read among them, as a CSV file."""
    known = {match.row for match in report.matches}
    unread = [
        Match(row=error.index, line=error.line, words=error.value, outcome="refused", text=error.message)
        for error in report.errors
        if error.index not in known
    ]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MATCH_COLUMNS)
        for match in sorted([*report.matches, *unread], key=lambda one: (one.row, one.line or 0)):
            told = match.as_dict()
            writer.writerow([inert(value) if isinstance(value, str) else value for value in told.values()])


def inert(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
