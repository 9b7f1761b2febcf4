"""Files people take away."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse

from journey.selectors.funnel_tables import csv_text
from segmentation.errors import ProblemError


def csv_response(name: str, rows: Iterator[dict[str, Any]] | None, problem: ProblemError | None = None) -> HttpResponse:
    """Rows as a file, or why there are none."""
    if problem is not None or rows is None:
        return HttpResponse(str(problem or ""), status=400, content_type="text/plain; charset=utf-8")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # The mark tells spreadsheets that it is UTF-8.
    return HttpResponse("\ufeff" + csv_text(rows), content_type="text/csv; charset=utf-8", headers=headers)
