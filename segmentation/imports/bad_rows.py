"""All bad rows of an import as a CSV file that a spreadsheet opens without harm."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from segmentation.imports.errors import FileFaultError
from segmentation.imports.report import ErrorSink, RowError

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


def inert(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
