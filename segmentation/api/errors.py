"""The kinds of problems the API answers with, and the exception for those it finds itself.

No view is imported here: the settings of the API name classes that raise these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions

from segmentation.errors import AmbiguousError, ConflictError, ProblemError, shorten


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: the status it comes with, its title, and what it means for whoever gets it."""

    code: str
    status: int
    title: Any
    description: Any


PROBLEM_TYPES = {
    found.code: found
    for found in (
        ProblemType(
            "malformed",
            400,
            _("The request cannot be read"),
            _("The body is no JSON, or is cut off. Nothing was done."),
        ),
        ProblemType(
            "invalid",
            400,
            _("The request says something that cannot be done"),
            _("A parameter or a field of the body is wrong; “errors” says which, with the value. Nothing was done."),
        ),
        ProblemType(
            "too_slow",
            400,
            _("The list takes too long to find"),
            _("The filters leave too much to look through. Add an account, a contact or a range of time."),
        ),
        ProblemType(
            "not_authenticated",
            401,
            _("Nobody is logged in"),
            _("Send “Authorization: Token …” with a token from POST auth/login/, or log in in the browser."),
        ),
        ProblemType(
            "permission_denied",
            403,
            _("This needs a right you do not have"),
            _("An administrator gives rights to users and groups."),
        ),
        ProblemType(
            "not_found",
            404,
            _("There is nothing here"),
            _("The address or the name in it is wrong, or it was deleted."),
        ),
        ProblemType("method_not_allowed", 405, _("This cannot be done here"), _("The header Allow lists what can.")),
        ProblemType("not_acceptable", 406, _("The answer exists as JSON only"), _("Accept application/json.")),
        ProblemType(
            "conflict",
            409,
            _("This contradicts what is stored"),
            _("Other records need this one, or somebody stored the same at this moment. Nothing was done."),
        ),
        ProblemType(
            "precondition_failed",
            412,
            _("The record was changed meanwhile"),
            _("The ETag in If-Match is not the present one. Read the record again and repeat the change."),
        ),
        ProblemType("too_large", 413, _("The request is too large"), _("Send several smaller requests.")),
        ProblemType(
            "unsupported_media_type", 415, _("The body is not JSON"), _("Send “Content-Type: application/json”.")
        ),
        ProblemType(
            "bad_records",
            422,
            _("Records were refused"),
            _("“errors” says which record and field, with the value and the reason. Nothing was stored."),
        ),
        ProblemType(
            "key_reused",
            422,
            _("The Idempotency-Key was used for another request"),
            _("A key stands for one request. Make a new one for each; repeat it only to send the same request again."),
        ),
        ProblemType("throttled", 429, _("Too many requests"), _("Wait as long as Retry-After says.")),
        ProblemType(
            "server_error",
            500,
            _("Something went wrong on our side"),
            _("Nothing was stored. The log of the server says more."),
        ),
        ProblemType(
            "unavailable",
            503,
            _("The database cannot be reached"),
            _("Nothing was stored. Try again after Retry-After seconds."),
        ),
    )
}

KIND_OF_STATUS = {400: "invalid", 422: "bad_records"} | {
    found.status: found.code for found in PROBLEM_TYPES.values() if found.status not in (400, 422)
}
_STATUS_OF_CODE = {
    "not_found": 404,
    "unknown_account": 404,
    "unknown_journey": 404,
    "unknown_version": 404,
    "ambiguous": 409,
    "conflict": 409,
    "no_history": 409,
    "precondition_failed": 412,
}


class Problem(exceptions.APIException):
    """A problem that was found by the API itself.

    Args:
        kind: a key of `PROBLEM_TYPES`.
        detail: what is wrong and what to do, in the language of the moment.
        code: a stable word, finer than the kind; the kind when left out.
        field: the parameter or field it is about.
        value: the value that was refused.
        errors: several of them, as dictionaries with field, code, value and detail (and index, in a batch).
        headers: for the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: object,
        *,
        code: str = "",
        field: str = "",
        value: Any = None,
        errors: Iterable[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        self.kind = kind
        self.status_code = PROBLEM_TYPES[kind].status
        self.headers = dict(headers or {})
        code = code or kind
        if errors is None:
            errors = [error_item(str(detail), code=code, field=field, value=value)] if field else []
        self.errors = [dict(error) for error in errors]
        super().__init__(str(detail), code)


def error_item(detail: str, *, code: str, field: str = "", value: Any = None) -> dict[str, Any]:
    """Return one entry of `errors`."""
    return {"field": field, "code": code, "value": shorten(value), "detail": detail}


def as_problem(error: ProblemError) -> Problem:
    """Return an error people read as a problem with its status."""
    usual = 409 if isinstance(error, ConflictError | AmbiguousError) else 400
    kind = KIND_OF_STATUS[_STATUS_OF_CODE.get(error.code, usual)]
    return Problem(kind, str(error), code=error.code, field=error.field, value=error.value)
