"""Files people take away."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.http import HttpResponse

from journey.selectors.funnel_tables import csv_text
from segmentation.errors import ProblemError
from segmentation.services.exports import record_export


def csv_response(
    name: str,
    rows: Iterable[dict[str, Any]] | None,
    problem: ProblemError | None = None,
    *,
    user: Any = None,
    of: Model | None = None,
) -> HttpResponse:
    """Rows as a file, or why there are none.

    of: for files that name accounts: what they are of, in whose history it is noted that `user` took one along.
    """
    if problem is not None or rows is None:
        return HttpResponse(str(problem or ""), status=400, content_type="text/plain; charset=utf-8")
    if of is not None:
        rows = list(rows)
        record_export(user=user, of=of, file=name, rows=len(rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # The mark tells spreadsheets that it is UTF-8.
    return HttpResponse("\ufeff" + csv_text(iter(rows)), content_type="text/csv; charset=utf-8", headers=headers)
