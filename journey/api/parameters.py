"""Parameters of figures: a moment, and the target account list whose accounts are counted."""

import datetime as dt

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

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
