"""How a target account list is kept, read only."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from journey.api.parameters import LIST_PARAMETERS, asked_moment
from journey.selectors.upkeep import upkeep_document, upkeep_of
from segmentation.api.errors import Problem
from segmentation.api.records import StrictViewSet
from segmentation.models import TargetList
from segmentation.selectors.access import is_limited


class UpkeepSerializer(serializers.Serializer[Any]):
    """The upkeep of a list; durations in days, shares from 0 to 1."""

    list = serializers.DictField(help_text=_("Key and name."))
    as_of = serializers.DateTimeField(help_text=_("The moment."))
    list_mode = serializers.CharField(help_text=_("How the months read the list: was, is or cohort."))
    cohort_at = serializers.DateTimeField(allow_null=True, help_text=_("The moment whose members are the cohort."))
    review = serializers.DictField(help_text=_("Its cadence: every_days, last_at, due_at, is_due."))
    stale = serializers.DictField(help_text=_("Accounts nothing happens with: after_days, accounts, first."))
    capacity = serializers.DictField(help_text=_("Its size against what the sales reps can work in a won cycle."))
    months = serializers.ListField(
        child=serializers.DictField(), help_text=_("Size by tier, who came and left, engaged share and focus.")
    )
    reasons = serializers.ListField(
        child=serializers.DictField(), help_text=_("Why accounts left or were refused, by month.")
    )


class UpkeepViewSet(StrictViewSet):
    """The upkeep of target account lists. It counts every account, so it is not for users limited to their teams."""

    queryset = TargetList.objects.all()
    lookup_field = "key"
    parameters = {"retrieve": ("list_mode", "cohort_at")}

    @extend_schema(
        tags=["target-lists"],
        summary=_("How a list is kept"),
        parameters=[OpenApiParameter("key", OpenApiTypes.STR, OpenApiParameter.PATH), *LIST_PARAMETERS[1:]],
        responses=UpkeepSerializer,
    )
    def retrieve(self, request: Request, key: str) -> Response:
        """Return review, stale accounts, capacity, months and reasons."""
        if is_limited(request.user):
            raise Problem("permission_denied", _("The upkeep of a list counts the accounts of every sales team."))
        found = upkeep_of(
            self.get_object(),
            mode=request.query_params.get("list_mode", "was"),
            cohort_at=asked_moment(request, "cohort_at"),
        )
        return Response(upkeep_document(found))
