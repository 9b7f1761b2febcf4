"""The nested markets: what makes each, how large it is and was, and whom it holds."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from journey.api.parameters import FORMAT, answer, asked_moment, whole_number
from journey.models import Journey, MarketLevel
from journey.selectors.markets import MOST_MONTHS, WHICH, market_accounts, market_query, market_report
from journey.services.markets import store_market
from segmentation.api.bodies import BodySerializer, KeyField, WholeNumber, Words
from segmentation.api.filters import make_filterset
from segmentation.api.serializers import AccountReference, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import IcpProfile, Segment, TargetList

MOST_ACCOUNTS = 1000
AS_OF = OpenApiParameter("as_of", OpenApiTypes.DATETIME, description=_("Nothing later is known; now when left out."))
KNOWN_AT = OpenApiParameter(
    "known_at", OpenApiTypes.DATETIME, description=_("Only facts that were recorded by this moment.")
)


class MarketSerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    profile = serializers.CharField(source="profile.key", default=None, help_text=_("Key of the profile; or null."))
    target_list = serializers.CharField(
        source="target_list.key", default=None, help_text=_("Key of the list; or null.")
    )
    segment = serializers.CharField(source="segment.key", default=None, help_text=_("Key of the segment; or null."))
    journey = serializers.CharField(source="journey.key", default=None, help_text=_("Key of the journey; or null."))

    class Meta:
        model = MarketLevel
        fields = [
            "id",
            "key",
            "name",
            "description",
            "color",
            "position",
            "test",
            "profile",
            "grades",
            "target_list",
            "segment",
            "journey",
            "stage",
        ]


class MarketBody(BodySerializer):
    key = Words(max_length=40, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=80, help_text=_("Name, as people read it."))
    description = Words(required=False, allow_blank=True, max_length=300, help_text=_("Who they are."))
    color = Words(required=False, max_length=7, help_text=_("In charts, like #6366f1."))
    position = WholeNumber(min_value=0, max_value=32767, help_text=_("From the widest to the narrowest."))
    test = serializers.ChoiceField(
        choices=MarketLevel.Test.choices, help_text=_("What an account of the market before must be to count.")
    )
    profile = KeyField(
        IcpProfile, "profile", required=False, allow_null=True, help_text=_("For fit; null: the first profile.")
    )
    grades = Words(required=False, allow_blank=True, max_length=10, help_text=_("For fit: grades, such as AB."))
    target_list = KeyField(
        TargetList, "list", required=False, allow_null=True, help_text=_("For list; null: any target account list.")
    )
    segment = KeyField(Segment, "segment", required=False, allow_null=True, help_text=_("For segment: its key."))
    journey = KeyField(
        Journey, "journey", required=False, allow_null=True, help_text=_("For stage; null: that of the start page.")
    )
    stage = Words(
        required=False, allow_blank=True, max_length=60, help_text=_("For stage: its key; later ones count too.")
    )


class MarketSizesSerializer(serializers.Serializer[Any]):
    """The markets at the end of each month, and at the moment of the question at last."""

    as_of = serializers.DateTimeField(help_text=_("The moment."))
    known_at = serializers.DateTimeField(allow_null=True, help_text=_("What was recorded later is left out; or null."))
    instants = serializers.ListField(child=serializers.DateTimeField(), help_text=_("The moments, in order."))
    markets = serializers.ListField(
        child=serializers.DictField(),
        help_text=_(
            "From the widest to the narrowest; each with a number for every moment: accounts, beside (those that pass"
            " its test outside the market before), unknown, assumed; null where its test cannot be told (problem)."
        ),
    )


class MarketAccountsSerializer(serializers.Serializer[Any]):
    """Whom a number counts."""

    market = serializers.CharField(help_text=_("Key of the market."))
    which = serializers.CharField(help_text=_("in, beside or unknown."))
    at = serializers.DateTimeField(help_text=_("The moment."))
    size = serializers.IntegerField(help_text=_("How many there are."))
    next_after = serializers.IntegerField(
        allow_null=True, help_text=_("Give it as `after` for the next ones; or null.")
    )
    accounts = AccountReference(many=True, help_text=_("By primary key, at most 1000."))


class MarketViewSet(SettingsViewSet):
    """The nested markets, from everybody who could buy down to those with an open deal."""

    api_tag = "markets"
    queryset = MarketLevel.objects.select_related("profile", "target_list", "segment", "journey")
    serializer_class = MarketSerializer
    filterset_class = make_filterset(
        MarketLevel,
        without={
            "name": "shown in the reader's language",
            "description": "a text to read",
            "color": "for charts",
            "grades": "a parameter of the test",
            "profile": "a parameter of the test",
            "target_list": "a parameter of the test",
            "segment": "a parameter of the test",
            "journey": "a parameter of the test",
            "stage": "a parameter of the test",
        },
    )
    ordering = ("position", "id")
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = MarketBody
    fixed = ("key",)
    rights = {
        "sizes": ("journey.view_marketlevel", "segmentation.view_account"),
        "accounts": ("journey.view_marketlevel", "segmentation.view_account"),
    }
    answers = {"sizes": MarketSizesSerializer, "accounts": MarketAccountsSerializer}
    summaries = {
        "sizes": _("How large every market is and was at the end of each month"),
        "accounts": _("The accounts of a market, beside it, or of which it is not known"),
    }
    parameters = {
        "sizes": ("months", "as_of", "known_at", "format"),
        "accounts": ("which", "at", "known_at", "after"),
    }

    def store(self, values: dict[str, Any], instance: Any = None) -> MarketLevel:
        return store_market(values=values, market=instance)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "months",
                {"type": "integer", "minimum": 1, "maximum": MOST_MONTHS},
                description=_("How many months back; 12 when left out."),
            ),
            AS_OF,
            KNOWN_AT,
            FORMAT,
        ]
    )
    @action(detail=False)
    def sizes(self, request: Request) -> Response | HttpResponse:
        report = market_report(
            market_query(
                months=whole_number(request, "months", 12),
                as_of=asked_moment(request, "as_of"),
                known_at=asked_moment(request, "known_at"),
                user=request.user,
            )
        )
        return answer(request, "markets.csv", report.rows, report.as_dict)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "which",
                {"type": "string", "enum": list(WHICH)},
                description=_("In the market (when left out), beside it, or not known."),
            ),
            OpenApiParameter("at", OpenApiTypes.DATETIME, description=_("The moment; now when left out.")),
            KNOWN_AT,
            OpenApiParameter(
                "after", {"type": "integer", "minimum": 0}, description=_("Only accounts with a higher primary key.")
            ),
        ]
    )
    @action(detail=True)
    def accounts(self, request: Request, key: str) -> Response:
        given = request.query_params
        known_at = asked_moment(request, "known_at")
        at = asked_moment(request, "at") or known_at or timezone.now()
        if max(at, known_at or at) > timezone.now():
            raise ValidationError({"at": [_t("The moment lies in the future.")]}, code="future")
        market, which = self.get_object().key, given.get("which", "in")
        rows = market_accounts(market, which, at, known_at, request.user)
        found = list(rows.filter(pk__gt=whole_number(request, "after", 0, least=0)).order_by("pk")[: MOST_ACCOUNTS + 1])
        more = len(found) > MOST_ACCOUNTS
        return Response(
            MarketAccountsSerializer(
                {
                    "market": market,
                    "which": which,
                    "at": at,
                    "size": rows.count(),
                    "next_after": found[MOST_ACCOUNTS - 1].pk if more else None,
                    "accounts": found[:MOST_ACCOUNTS],
                }
            ).data
        )


__all__ = ["MarketViewSet"]
