"""Activities and their types."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.models import Activity, ActivityType
from segmentation.api.filters import AccountIdFilter, ExternalIdFilter, SourceSystemFilter, TextFilter, make_filterset
from segmentation.api.records import FactViewSet, ListMixin, StrictViewSet
from segmentation.api.serializers import (
    AccountReference,
    ContactReference,
    FactSerializer,
    ShownSerializer,
    record_serializer,
    upsert_serializer,
)

NO_INDEX = "has no index: it would look through all activities"

ActivityFilterSet = make_filterset(
    Activity,
    keyed={"type": "key"},
    also={
        "external_id": ExternalIdFilter(),
        "source_system": SourceSystemFilter(),
        "account__external_id": AccountIdFilter(),
        "contact__external_id": TextFilter("contact__external_id", _("External id of the person.")),
    },
    without=dict.fromkeys(("recorded_at", "seconds", "campaign", "content", "url"), NO_INDEX),
    only={"source_key": ("exact", "in"), "outcome": ("exact", "in"), "id": ("exact", "in")},
)

ACTIVITY_EXAMPLE = {
    "external_id": "E-3001",
    "account": "A-1001",
    "contact": "C-2001",
    "type": "webinar",
    "occurred_at": "2026-03-31T09:30:00+02:00",
    "minutes": 45,
    "campaign": "Spring webinars",
    "content": "From pilot to plant",
}


class ActivitySerializer(FactSerializer):
    type = serializers.CharField(source="type.key")
    account = AccountReference(allow_null=True)
    contact = ContactReference(allow_null=True)

    class Meta:
        model = Activity
        fields = [
            "id",
            "source_system",
            "external_id",
            "account",
            "contact",
            "type",
            "occurred_at",
            "recorded_at",
            "seconds",
            "outcome",
            "campaign",
            "content",
            "url",
            "source_key",
        ]


class ActivityTypeSerializer(ShownSerializer):
    class Meta:
        model = ActivityType
        fields = ["id", "key", "name", "side", "category", "default_minutes", "is_hot", "is_meeting", "active"]


class ActivityViewSet(FactViewSet):
    """What people did, the newest first."""

    target = "activities"
    queryset = Activity.objects.select_related("type", "account", "contact")
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilterSet
    ordering = ("-occurred_at", "-id")
    record_serializer = record_serializer("activities", ACTIVITY_EXAMPLE)
    upsert_serializer = upsert_serializer("activities", record_serializer, ACTIVITY_EXAMPLE)
    carried = ("type", "occurred_at")
    links = ("account", "contact")


class ActivityTypeViewSet(ListMixin, StrictViewSet):
    """Kinds of activities; they are made in the admin."""

    queryset = ActivityType.objects.all()
    serializer_class = ActivityTypeSerializer
    filterset_class = make_filterset(ActivityType)
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"

    @extend_schema(tags=["activity-types"], summary=_("List"))
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(tags=["activity-types"], summary=_("Retrieve one"))
    def retrieve(self, request: Request, key: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
