"""Groups of companies with their figures."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from journey.selectors.groups import group_of
from segmentation.api.records import StrictViewSet
from segmentation.api.serializers import AccountReference
from segmentation.models import Account


class FiguresSerializer(serializers.Serializer[Any]):
    """Figures of one company, or of all in its part of the group."""

    companies = serializers.IntegerField(help_text=_("Of how many companies they are."))
    contacts = serializers.IntegerField(help_text=_("People."))
    engaged_minutes = serializers.FloatField(help_text=_("Engaged minutes of the last 90 days."))
    engaged_people = serializers.IntegerField(help_text=_("People who had part in them."))
    open_opportunities = serializers.IntegerField(help_text=_("Open deals."))
    open_amounts = serializers.DictField(child=serializers.CharField(), help_text=_("Their amounts by currency."))
    won_opportunities = serializers.IntegerField(help_text=_("Deals won."))
    won_amounts = serializers.DictField(child=serializers.CharField(), help_text=_("Their amounts by currency."))


class CompanySerializer(serializers.Serializer[Any]):
    """A company in its group."""

    account = AccountReference(help_text=_("The company."))
    parent = serializers.IntegerField(  # type: ignore[assignment]
        allow_null=True, help_text=_("Primary key of its parent company in the group.")
    )
    depth = serializers.IntegerField(help_text=_("How far below the top; the top is 0."))
    own = FiguresSerializer(help_text=_("Its own figures."))
    total = FiguresSerializer(help_text=_("With all its subsidiaries."))


class AccountGroupViewSet(StrictViewSet):
    """The group a company belongs to: each company under its parent, with its figures and those of all below it."""

    api_tag = "account-groups"
    queryset = Account.objects.all()
    serializer_class = CompanySerializer
    pagination_class = None
    lookup_value_regex = r"\d{1,18}"
    also_needed = ("segmentation.view_contact", "scoring.view_activity", "journey.view_opportunity")
    answers = {"retrieve": CompanySerializer(many=True)}
    summaries = {"retrieve": _("Retrieve the group of one company, from the top down")}

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        group = group_of(self.get_object(), timezone.now(), request.user)
        shown = {company.account.pk for company in group.companies}
        rows = [
            {
                "account": company.account,
                "parent": company.account.parent_id if company.account.parent_id in shown else None,
                "depth": company.depth,
                "own": company.own.as_dict(),
                "total": company.total.as_dict(),
            }
            for company in group.companies
        ]
        return Response(CompanySerializer(rows, many=True).data)


__all__ = ["AccountGroupViewSet"]
