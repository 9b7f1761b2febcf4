"""The description of the API: what is taken and shown, and which problems may come instead."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny

from segmentation.api.errors import PROBLEM_TYPES
from segmentation.api.idempotency import HEADER
from segmentation.api.problems import PROBLEM_JSON
from segmentation.api.serializers import ProblemSerializer, ReportSerializer

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=_("ETag of the record as you read it: the change is refused with 412 if it was changed meanwhile."),
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=_("ETag you have: 304 without content if it is still the present one."),
)
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=_(
        "Stands for this request, such as a UUID: sent again within 7 days, it does nothing and is answered alike."
    ),
)
ETAG = OpenApiParameter(
    "ETag",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description=_("State of the record, for If-Match and If-None-Match."),
)

SUMMARIES = {
    "list": _("List"),
    "retrieve": _("Retrieve one"),
    "create": _("Store one by its external id"),
    "update": _("Replace one"),
    "partial_update": _("Change one"),
    "destroy": _("Delete one"),
    "upsert": _("Store up to 1000 by their external ids"),
}
SUMMARIES_OF_SETTINGS = {
    "list": _("List"),
    "retrieve": _("Retrieve one"),
    "create": _("Make one"),
    "partial_update": _("Change one"),
    "destroy": _("Delete one"),
}
DESCRIPTIONS = {
    "list": _(
        "Pages in a stable order. Filters are combined with “and”; a range is from __gte (included) to __lt (excluded)."
    ),
    "retrieve": _("By primary key. By external id: list with external_id and source_system."),
    "create": _("201 when it is new, 200 when it was there: then the fields that are given are changed."),
    "update": _("Fields left out are emptied; links to other records stay."),
    "partial_update": _("Fields left out stay."),
    "destroy": _("For corrections. Histories of journeys are brought up to date as with any change."),
    "upsert": _(
        "Good records are stored, bad ones reported by position and field (207); strict stores all or nothing (422)."
    ),
}
PROBLEMS = {
    "list": (400,),
    "retrieve": (400, 404),
    "create": (400, 409, 413, 415, 422),
    "update": (400, 404, 409, 412, 413, 415, 422),
    "partial_update": (400, 404, 409, 412, 413, 415, 422),
    "destroy": (400, 404, 409, 412),
    "upsert": (400, 409, 413, 415, 422),
}
ALWAYS = (401, 403, 500, 503)


class ProblemSchema(AutoSchema):
    """Adds the problems to each operation, and knows the actions of `RecordViewSet`."""

    view: Any

    def get_tags(self) -> list[str]:
        tag = getattr(self.view, "target", None) or getattr(self.view, "api_tag", None)
        return [tag] if tag else list(super().get_tags())

    def get_summary(self) -> Any:
        own = getattr(self.view, "summaries", {}).get(self._action)
        known = SUMMARIES if self._is_record else SUMMARIES_OF_SETTINGS if self._is_described else {}
        return super().get_summary() or own or known.get(self._action)

    def get_description(self) -> Any:  # type: ignore[override]
        return DESCRIPTIONS.get(self._action, "") if self._is_record else super().get_description()

    def get_request_serializer(self) -> Any:
        if self._is_record:
            if self._action in ("create", "update", "partial_update"):
                return self.view.record_serializer
            if self._action == "upsert":
                return self.view.upsert_serializer
        elif self._action in self._bodies:
            return self._bodies[self._action]
        elif self._is_described and self.method in ("POST", "PUT", "PATCH"):
            return getattr(self.view, "body", None)
        return super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        if self._is_record:
            shown = self.view.serializer_class
            match self._action:
                case "create":
                    return {
                        201: OpenApiResponse(shown, _("It was stored.")),
                        200: OpenApiResponse(shown, _("It was there; what was given is stored.")),
                    }
                case "retrieve" | "update" | "partial_update":
                    return {200: OpenApiResponse(shown, _("The record."))}
                case "upsert":
                    return {
                        200: OpenApiResponse(ReportSerializer, _("All records are good.")),
                        207: OpenApiResponse(
                            ReportSerializer, _("The good records are stored; “problems” has the bad ones.")
                        ),
                    }
        answer = getattr(self.view, "answers", {}).get(self._action)
        return answer or super().get_response_serializers()

    def get_override_parameters(self) -> list[Any]:
        if not self._is_record:
            own = list(super().get_override_parameters())
            return own or ([IDEMPOTENCY_KEY] if self._is_described and self.method in ("POST", "PATCH", "PUT") else [])
        return {
            "retrieve": [IF_NONE_MATCH, ETAG],
            "create": [IDEMPOTENCY_KEY, ETAG],
            "update": [IF_MATCH, IDEMPOTENCY_KEY, ETAG],
            "partial_update": [IF_MATCH, IDEMPOTENCY_KEY, ETAG],
            "destroy": [IF_MATCH],
            "upsert": [IDEMPOTENCY_KEY],
        }.get(self._action, [])

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        found = super()._get_response_bodies(direction)
        if direction != "response":
            return found
        open_to_all = any(isinstance(item, AllowAny) for item in self.view.get_permissions())
        usual = (400, 404, 409, 413, 415, 422) if self._action in self._bodies else (400,)
        statuses = [*PROBLEMS.get(self._action, usual), *((500, 503) if open_to_all else ALWAYS)]
        if self._is_list_view() is False and "{" in self.path:
            statuses.append(404)
        for status in sorted(set(statuses)):
            if str(status) not in found:
                title = " / ".join(str(kind.title) for kind in PROBLEM_TYPES.values() if kind.status == status)
                found[str(status)] = self._get_response_for_code(
                    OpenApiResponse(ProblemSerializer, title), str(status), [PROBLEM_JSON]
                )
        return found

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", None) or ""

    @property
    def _is_record(self) -> bool:
        return hasattr(self.view, "record_serializer")

    @property
    def _is_described(self) -> bool:
        return bool(getattr(self.view, "api_tag", None))

    @property
    def _bodies(self) -> Any:
        return getattr(self.view, "bodies", {})


class TokenScheme(KnoxTokenScheme):
    """How the description of the API speaks of the tokens."""

    target_class = "segmentation.api.authentication.TokenAuthentication"
    name = "token"


class PasswordScheme(KnoxTokenScheme):
    """The same for user name and password."""

    target_class = "segmentation.api.authentication.PasswordAuthentication"
    name = "password"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "basic"}
