"""Costs: stored by external id, as files of them are."""

from django.utils.translation import gettext_lazy as _

from journey.models import Cost
from segmentation.api.filters import SearchFilter, make_filterset
from segmentation.api.records import RecordViewSet
from segmentation.api.serializers import ShownSerializer, record_serializer, upsert_serializer

EXAMPLE = {
    "external_id": "S-6001",
    "kind": "media",
    "first_day": "2026-03-01",
    "last_day": "2026-03-31",
    "amount": 12000,
    "currency": "EUR",
    "campaign": "Spring webinar",
    "channel": "webinar",
}


class CostSerializer(ShownSerializer):
    class Meta:
        model = Cost
        fields = [
            "id",
            "source_system",
            "external_id",
            "kind",
            "first_day",
            "last_day",
            "amount",
            "currency",
            "campaign",
            "channel",
            "note",
            "created_in_source_at",
            "recorded_at",
            "updated_at",
        ]


class CostViewSet(RecordViewSet):
    """What was spent, on which days and for what."""

    target = "costs"
    queryset = Cost.objects.all()
    serializer_class = CostSerializer
    filterset_class = make_filterset(
        Cost,
        also={"search": SearchFilter("campaign", "channel", help_text=_("Text in campaign or channel."))},
        without={"note": "a text to read"},
    )
    record_serializer = record_serializer("costs", EXAMPLE)
    upsert_serializer = upsert_serializer("costs", record_serializer, EXAMPLE)
    carried = ("kind", "first_day", "last_day", "amount")
