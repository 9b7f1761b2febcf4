"""Errors of the API as RFC 9457 problems: one shape for everything that can go wrong."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import Model, ProtectedError, RestrictedError
from django.http import Http404, UnreadablePostError
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import ngettext
from drf_standardized_errors.formatter import flatten_errors
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ExceptionHandlerContext
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.status import is_server_error

from segmentation.api.errors import KIND_OF_STATUS, PROBLEM_TYPES, Problem, as_problem, error_item
from segmentation.errors import ProblemError

PROBLEM_JSON = "application/problem+json"


def exception_handler(exc: Exception, context: ExceptionHandlerContext) -> Response | None:
    """Answer every exception of a view with a problem; the setting EXCEPTION_HANDLER names this function."""
    return ProblemHandler(exc, context).run()


class ProblemHandler(ExceptionHandler):
    """Turns exceptions into problems; those nobody expected are logged and stay vague, in debug mode too."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, ProblemError):
            return as_problem(exc)
        if isinstance(exc, Http404):
            return Problem("not_found", PROBLEM_TYPES["not_found"].description)
        if isinstance(exc, PermissionDenied):
            return exceptions.PermissionDenied()
        if isinstance(exc, DjangoValidationError):
            return exceptions.ValidationError(as_serializer_error(exc))
        if isinstance(exc, ProtectedError | RestrictedError):
            return _still_needed(exc)
        if isinstance(exc, RequestDataTooBig | TooManyFieldsSent):
            return Problem("too_large", PROBLEM_TYPES["too_large"].description)
        if isinstance(exc, BadRequest | SuspiciousOperation | UnreadablePostError):
            return Problem("malformed", PROBLEM_TYPES["malformed"].description)
        return _database_problem(exc) or exc

    def should_not_handle(self, exc: Exception) -> bool:
        return False

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        return problem_document(exc, self.context.get("request"))

    def get_headers(self, exc: exceptions.APIException) -> dict[str, str]:
        return {**super().get_headers(exc), **getattr(exc, "headers", {})}

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        return Response(data, status=exc.status_code, headers=self.get_headers(exc), content_type=PROBLEM_JSON)


def problem_document(exc: exceptions.APIException, request: Request | None) -> dict[str, Any]:
    """Return the body of a problem."""
    kind, errors = _kind_and_errors(exc, request)
    found = PROBLEM_TYPES[kind]
    server = is_server_error(found.status)
    detail = str(found.description) if server else _sentence(exc, errors)
    code = exc.get_codes() if isinstance(exc.detail, str) else errors[0]["code"] if len(errors) == 1 else kind
    return {
        "type": type_address(kind, request),
        "title": str(found.title),
        "status": exc.status_code,
        "code": kind if server or not isinstance(code, str) else code,
        "detail": detail,
        "instance": request.path if request else "",
        "errors": errors,
    }


def type_address(kind: str, request: Request | None) -> str:
    """Return the address that names a kind of problem and describes it."""
    try:
        path = reverse("problem-type", args=[kind])
    except NoReverseMatch:
        return "about:blank"
    return request.build_absolute_uri(path) if request else path


def _kind_and_errors(exc: exceptions.APIException, request: Request | None) -> tuple[str, list[dict[str, Any]]]:
    if isinstance(exc, Problem):
        return exc.kind, exc.errors
    if isinstance(exc, exceptions.ParseError):
        return "malformed", []
    if isinstance(exc, exceptions.ValidationError):
        given = _given(request)
        found = []
        for error in flatten_errors(exc.detail):
            name = "" if error.attr in (None, "non_field_errors") else str(error.attr)
            found.append(error_item(error.detail, code=error.code, field=name, value=_value_at(given, name)))
        return "invalid", found
    return KIND_OF_STATUS.get(exc.status_code, "invalid" if exc.status_code < 500 else "server_error"), []


def _sentence(exc: exceptions.APIException, errors: list[dict[str, Any]]) -> str:
    if isinstance(exc.detail, str):
        return str(exc.detail)
    first = errors[0] if errors else {"field": "", "detail": ""}
    text = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    more = len(errors) - 1
    return text + (" " + ngettext("(and %d more error)", "(and %d more errors)", more) % more if more > 0 else "")


def _given(request: Request | None) -> Any:
    """Return what the client sent, as far as it could be read."""
    if request is None:
        return {}
    try:
        return request.query_params if request.method in ("GET", "HEAD", "OPTIONS", "DELETE") else request.data
    except Exception:  # it is what could not be read
        return {}


def _value_at(given: Any, name: str) -> Any:
    """Return the value at a path such as `records.3`; containers are not repeated to the client."""
    for part in name.split(".") if name else ():
        if isinstance(given, Mapping):
            given = given.get(part)
        elif isinstance(given, list) and re.fullmatch(r"\d{1,6}", part) and int(part) < len(given):
            given = given[int(part)]
        else:
            return None
    return None if isinstance(given, Mapping | list) else given


def _still_needed(exc: ProtectedError | RestrictedError) -> Problem:
    objects: Iterable[Model] = exc.protected_objects if isinstance(exc, ProtectedError) else exc.restricted_objects
    counts: dict[str, int] = {}
    for item in objects:
        name = str(item._meta.verbose_name_plural)
        counts[name] = counts.get(name, 0) + 1
    listed = ", ".join(f"{number} {name}" for name, number in counts.items())
    return Problem(
        "conflict",
        _t("It cannot be deleted because others need it: %(listed)s. Delete or change those first.")
        % {"listed": listed},
        code="protected",
    )


def _database_problem(exc: Exception) -> Problem | None:
    """Return what a fault of the database means for the client, None for other exceptions."""
    cause = exc.__cause__
    if isinstance(exc, DataError):
        # The API checks what it is given; this is the net below.
        return Problem("invalid", _t("A value is outside of what the database can hold."), code="out_of_range")
    if isinstance(exc, IntegrityError):
        return Problem(
            "conflict", _t("Somebody stored the same at this moment. Read it again and repeat."), code="conflict"
        )
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return Problem("too_slow", PROBLEM_TYPES["too_slow"].description)
    if isinstance(exc, OperationalError | InterfaceError):
        return Problem("unavailable", PROBLEM_TYPES["unavailable"].description, headers={"Retry-After": "5"})
    return None
