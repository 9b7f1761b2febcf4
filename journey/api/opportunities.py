"""Opportunities, their changes, and the stages of the CRM."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from journey.models import CrmStage, Opportunity, OpportunityChange
from journey.services.corrections import remove_change
from segmentation.api.filter_fields import WholeField
from segmentation.api.filters import (
    AccountIdFilter,
    ExternalIdFilter,
    SearchFilter,
    SourceSystemFilter,
    StrictFilter,
    TextFilter,
    make_filterset,
)
from segmentation.api.records import FactViewSet, ListMixin, RecordViewSet, StrictViewSet
from segmentation.api.serializers import (
    AccountReference,
    ContactReference,
    FactSerializer,
    ReferenceSerializer,
    ShownSerializer,
    record_serializer,
    upsert_serializer,
)
from segmentation.api.views import CUSTOM_REASON

OpportunityFilterSet = make_filterset(
    Opportunity,
    keyed={"team": "key", "crm_stage": "name"},
    also={
        "search": SearchFilter(
            "name", "account__name", help_text=_("Text in the name of the deal or of its account, whatever the case.")
        ),
        "account__external_id": AccountIdFilter(),
        "contact__external_id": TextFilter("contact__external_id", _("External id of the main contact.")),
    },
    without={"custom": CUSTOM_REASON},
)
OpportunityChangeFilterSet = make_filterset(
    OpportunityChange,
    keyed={"crm_stage": "name"},
    also={
        "external_id": ExternalIdFilter(),
        "source_system": SourceSystemFilter(),
        "account": StrictFilter(
            "opportunity__account_id",
            "exact",
            WholeField(),
            {"type": "integer"},
            _("Account of the opportunity, by primary key."),
        ),
        "opportunity__external_id": TextFilter("opportunity__external_id", _("External id of the opportunity.")),
    },
)

OPPORTUNITY_EXAMPLE = {
    "external_id": "O-4001",
    "account": "A-1001",
    "contact": "C-2001",
    "name": "Nordwind: Analytics",
    "kind": "new",
    "product": "Analytics",
    "crm_stage": "Proposal",
    "stage_at": "2026-03-31",
    "amount": 48000,
    "currency": "EUR",
    "expected_close": "2026-06-30",
}
CHANGE_EXAMPLE = {
    "external_id": "H-5001",
    "opportunity": "O-4001",
    "occurred_at": "2026-04-15T10:00:00Z",
    "crm_stage": "Negotiation",
    "amount": 52000,
}


class OpportunityReference(ReferenceSerializer):
    """The opportunity a change belongs to."""

    id = serializers.IntegerField(help_text=_("Primary key."))
    external_id = serializers.CharField(allow_null=True, help_text=_("Id in the source system; null if it has none."))
    name = serializers.CharField(help_text=_("Name of the deal."))


class OpportunitySerializer(ShownSerializer):
    account = AccountReference(allow_null=True)
    contact = ContactReference(allow_null=True)
    team = serializers.CharField(source="team.key", default=None, allow_null=True)
    crm_stage = serializers.CharField(source="crm_stage.name", default=None, allow_null=True)
    custom = serializers.DictField()

    class Meta:
        model = Opportunity
        fields = [
            "id",
            "source_system",
            "external_id",
            "account",
            "account_reference",
            "contact",
            "name",
            "kind",
            "product",
            "crm_stage",
            "amount",
            "currency",
            "first_year_value",
            "opened_at",
            "closed_at",
            "expected_close",
            "loss_reason",
            "owner",
            "team",
            "custom",
            "created_in_source_at",
            "recorded_at",
            "updated_at",
        ]


class OpportunityChangeSerializer(FactSerializer):
    opportunity = OpportunityReference()
    crm_stage = serializers.CharField(source="crm_stage.name", default=None, allow_null=True)

    class Meta:
        model = OpportunityChange
        fields = [
            "id",
            "source_system",
            "external_id",
            "opportunity",
            "occurred_at",
            "recorded_at",
            "sequence",
            "crm_stage",
            "amount",
            "expected_close",
            "source_key",
        ]


class CrmStageSerializer(ShownSerializer):
    class Meta:
        model = CrmStage
        fields = ["id", "name", "meaning", "position"]


class OpportunityViewSet(RecordViewSet):
    """Deals. Stage, amount and expected close are those of the latest change; other values given here add a change."""

    target = "opportunities"
    queryset = Opportunity.objects.select_related("account", "contact", "team", "crm_stage")
    serializer_class = OpportunitySerializer
    filterset_class = OpportunityFilterSet
    record_serializer = record_serializer("opportunities", OPPORTUNITY_EXAMPLE)
    upsert_serializer = upsert_serializer("opportunities", record_serializer, OPPORTUNITY_EXAMPLE)
    links = ("account", "contact", "team", "crm_stage", "amount", "expected_close")


class OpportunityChangeViewSet(FactViewSet):
    """The history of deals."""

    target = "opportunity-changes"
    queryset = OpportunityChange.objects.select_related("opportunity", "crm_stage")
    serializer_class = OpportunityChangeSerializer
    filterset_class = OpportunityChangeFilterSet
    record_serializer = record_serializer("opportunity-changes", CHANGE_EXAMPLE)
    upsert_serializer = upsert_serializer("opportunity-changes", record_serializer, CHANGE_EXAMPLE)
    carried = ("opportunity", "crm_stage", "amount", "expected_close")

    def remove(self, instance: OpportunityChange) -> None:
        remove_change(change=instance)


class CrmStageViewSet(ListMixin, StrictViewSet):
    """Stages of the CRM; what they mean is set in the admin."""

    queryset = CrmStage.objects.all()
    serializer_class = CrmStageSerializer
    filterset_class = make_filterset(CrmStage)
    lookup_value_regex = r"\d{1,18}"

    @extend_schema(tags=["crm-stages"], summary=_("List"))
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(tags=["crm-stages"], summary=_("Retrieve one"))
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
