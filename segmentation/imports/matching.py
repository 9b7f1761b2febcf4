"""Which accounts the rows of a CSV file mean."""

from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from segmentation.identity.matching import Asked
from segmentation.imports.csv_files import inspect_csv, read_blocks
from segmentation.imports.errors import FileFaultError
from segmentation.imports.mapping import suggest_columns
from segmentation.imports.targets import get_target
from segmentation.selectors.matching import FIELDS, match_rows, status_counts


def match_file(path: Path) -> dict[str, Any]:
    """Match the rows of a CSV file by its columns for name, domain, mail address and country.

    Raises:
        ProblemError: the file cannot be read as CSV, has no row, or has neither names nor domains.
    """
    file = inspect_csv(path)
    known = get_target("accounts").all_fields()
    columns = suggest_columns(file.header, known)
    people = suggest_columns(file.header, get_target("contacts").all_fields())
    if "email" in people:
        columns["email"] = people["email"]
    if not {"name", "domain", "email"} & set(columns):
        raise FileFaultError(
            _("The file has no column with names or domains of companies."),
            code="missing_column",
            field="name",
            value=path.name,
            params={"columns": ", ".join(file.header)},
            remedy=_("Its columns are: %(columns)s. Call one of them name or domain."),
        )
    used = {name: columns[name] for name in FIELDS if name in columns}
    asked: list[Asked] = []
    numbers: list[int] = []
    bad = []
    for block in read_blocks(file):
        bad += [{"line": line.line, "code": line.code, "message": line.message} for line in block.bad]
        lists = {name: block.columns[column].to_pylist() for name, column in used.items()}
        numbers += block.lines.tolist()
        asked += [Asked(**dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)]
    if not asked:
        raise FileFaultError(
            _("The file “%(value)s” has no row below its heading."),
            code="empty_file",
            field="file",
            value=path.name,
            remedy=_("Give it at least one company."),
        )
    rows = [
        {"line": line, "name": one.name, "domain": one.domain or one.email, **answer}
        for line, one, answer in zip(numbers, asked, match_rows(asked), strict=True)
    ]
    return {"columns": used, "counts": status_counts(rows), "bad": bad, "rows": rows}


__all__ = ["match_file"]
