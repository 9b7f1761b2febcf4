"""Parameters of figures: a moment, a number, the list whose accounts are counted, and the form of the answer."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from journey.selectors.funnel_tables import csv_text
from journey.selectors.lists import LIST_MODES, ListScope, list_scope
from segmentation.api.filter_fields import InstantField

LIST_PARAMETERS = [
    OpenApiParameter("list", OpenApiTypes.STR, description=_("Key of a target account list: only its accounts.")),
    OpenApiParameter(
        "list_mode",
        OpenApiTypes.STR,
        enum=LIST_MODES,
        description=_("The list as it was at the moment (when left out), as it is now, or the cohort of `cohort_at`."),
    ),
    OpenApiParameter("cohort_at", OpenApiTypes.DATETIME, description=_("The moment whose members are the cohort.")),
]

FORMATS = ("json", "csv")
FORMAT = OpenApiParameter(
    "format", {"type": "string", "enum": list(FORMATS)}, description=_("json, or csv for a spreadsheet.")
)


def asked_moment(request: Request, name: str) -> dt.datetime | None:
    """The moment a parameter names; None when it is left out. Raises ValidationError."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment: dt.datetime = InstantField().clean(text)
    except DjangoValidationError as error:
        raise ValidationError({name: error.messages}, code="not_a_date") from None
    return moment


def asked_scope(request: Request) -> ListScope | None:
    """The list whose accounts are counted; None for all. Raises JourneyError, NotFoundError and ValidationError."""
    given = request.query_params
    return list_scope(given.get("list"), given.get("list_mode", "was"), asked_moment(request, "cohort_at"))


def whole_number(request: Request, name: str, otherwise: int, least: int = 1) -> int:
    """The whole number a parameter gives. Raises ValidationError."""
    text = request.query_params.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= least):
        raise ValidationError(
            {name: [_t("Give a whole number from %(least)s on.") % {"least": least}]}, code="not_a_number"
        )
    return int(text)


def answer(
    request: Request, name: str, rows: Callable[[], Iterator[dict[str, Any]]], document: Callable[[], Any]
) -> Response | HttpResponse:
    """Figures as JSON, or as CSV where that is asked for. Raises ValidationError for another format."""
    wanted = request.query_params.get("format", "json")
    if wanted not in FORMATS:
        raise ValidationError({"format": [_t("Use json or csv.")]}, code="unknown_format")
    if wanted == "json":
        return Response(document())
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # The mark tells spreadsheets that it is UTF-8.
    return HttpResponse("\ufeff" + csv_text(rows()), content_type="text/csv; charset=utf-8", headers=headers)
