"""ETags: which state of a record a client has seen."""

import hashlib
from typing import Any

from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework.request import Request

from segmentation.api.errors import Problem
from segmentation.api.renderers import SafeJSONRenderer


def etag_of(document: Any) -> str:
    """Return the ETag of a record as it is shown."""
    return f'"{hashlib.sha256(SafeJSONRenderer().render(document)).hexdigest()[:32]}"'


def is_known(request: Request, etag: str) -> bool:
    """Return whether the client says in If-None-Match that it has this state."""
    given = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in given or etag in {item.removeprefix("W/") for item in given}


def check_unchanged(request: Request, etag: str) -> None:
    """Refuse to write over a state the client has not seen, if it said which one it has.

    Raises:
        Problem: If-Match names another state.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return
    given = parse_etags(header)
    if not given or ("*" not in given and etag not in given):
        raise Problem(
            "precondition_failed",
            _("The record is not as it was when you read it. Read it again and repeat the change."),
            code="precondition_failed",
            field="If-Match",
            value=header,
        )
