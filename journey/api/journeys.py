"""Journeys, read only: their versions, accounts per stage at a moment, and why an account is in its stage."""

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch
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

from journey.api.funnel import RIGHT_TO_VIEW, FunnelActions
from journey.api.parameters import LIST_PARAMETERS, asked_moment, asked_scope
from journey.models import History, Journey, JourneyVersion
from journey.selectors.explanations import explain
from journey.selectors.journeys import find_entity, find_journey
from journey.selectors.stages import stage_counts
from journey.selectors.versions import published_version, shown_version, version_document
from segmentation.api.errors import Problem
from segmentation.api.filters import make_filterset
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import ShownSerializer
from segmentation.selectors.access import EVERY_TEAM, is_limited, visible_accounts

TAG = ["journeys"]
KEY = OpenApiParameter(
    "key", OpenApiTypes.STR, OpenApiParameter.PATH, description=_("Key of the journey, such as “extended”.")
)
VERSION = OpenApiParameter(
    "version",
    {"type": "integer", "minimum": 1},
    description=_("Number of a version; the newest published one that has a history when left out."),
)


class VersionSerializer(ShownSerializer):
    has_history = serializers.BooleanField(default=False)

    class Meta:
        model = JourneyVersion
        fields = ["number", "state", "note", "created_at", "published_at", "has_history"]


class JourneySerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    versions = VersionSerializer(many=True)

    class Meta:
        model = Journey
        fields = ["id", "key", "name", "description", "unit", "order", "versions"]


class StageCountSerializer(serializers.Serializer[Any]):
    """How many are in a stage."""

    key = serializers.CharField(help_text=_("Key of the stage."))
    name = serializers.CharField(help_text=_("Name of the stage."))
    color = serializers.CharField(help_text=_("Its colour in charts."))
    position = serializers.IntegerField(
        allow_null=True, help_text=_("Place in the funnel; null for parking stages such as lost.")
    )
    accounts = serializers.IntegerField(help_text=_("Accounts (contacts, opportunities) in it at that moment."))
    share = serializers.FloatField(
        allow_null=True, help_text=_("Their share of all, from 0 to 1; null when there are none.")
    )


class StageCountsSerializer(serializers.Serializer[Any]):
    """Accounts per stage at a moment."""

    journey = serializers.CharField(help_text=_("Key of the journey."))
    version = serializers.IntegerField(help_text=_("Version the history was made with."))
    unit = serializers.CharField(help_text=_("What is counted: account, contact or opportunity."))
    as_of = serializers.DateTimeField(help_text=_("The moment."))
    stages = StageCountSerializer(many=True, help_text=_("Stages of the funnel in order, then parking stages."))


class ExplanationSerializer(serializers.Serializer[Any]):
    """Why an account is in its stage."""

    entity = serializers.DictField(help_text=_("The account (contact, opportunity): id, name, external_id."))
    journey = serializers.CharField(help_text=_("Key of the journey."))
    version = serializers.IntegerField(help_text=_("Version whose rules are explained."))
    at = serializers.DateTimeField(help_text=_("The moment."))
    stage = serializers.DictField(help_text=_("Key and name of the stage at that moment."))
    since = serializers.DateTimeField(help_text=_("When the stay began."))
    until = serializers.DateTimeField(
        allow_null=True, help_text=_("When it ended or will end if nothing else happens; null if it lasts.")
    )
    trust = serializers.CharField(help_text=_("How far its beginning can be trusted: exact, derived or assumed."))
    rule = serializers.CharField(allow_null=True, help_text=_("Name of the rule that held; null for the floor."))
    why = serializers.ListField(
        child=serializers.DictField(), help_text=_("The conditions when the stay began, with the figures.")
    )
    no_longer = serializers.ListField(
        child=serializers.DictField(), help_text=_("Conditions of the stage before that ceased to hold.")
    )
    now = serializers.ListField(child=serializers.DictField(), help_text=_("The same conditions at that moment."))
    next = serializers.DictField(allow_null=True, help_text=_("The next stage and what is missing for it."))
    text = serializers.CharField(help_text=_("All of it in words, as in the admin and on the command line."))


def _described(name: str, text: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=text)


class JourneyViewSet(FunnelActions, ListMixin, StrictViewSet):
    """Journeys; they are edited in the admin."""

    queryset = Journey.objects.prefetch_related(
        Prefetch(
            "versions",
            JourneyVersion.objects.order_by("-number").annotate(
                has_history=Exists(History.objects.filter(version=OuterRef("pk"), state=History.State.CURRENT))
            ),
        )
    )
    serializer_class = JourneySerializer
    filterset_class = make_filterset(
        Journey,
        without={
            "description": "a text to read",
            "order": "the order of the list",
            "name": "shown in the reader's language",
        },
    )
    ordering = ("order", "id")
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    parameters = {
        "stages": ("as_of", "version", "list", "list_mode", "cohort_at"),
        "explain": ("account", "contact", "opportunity", "at", "version"),
        **FunnelActions.funnel_parameters,
    }

    @extend_schema(tags=TAG, summary=_("List"))
    def list(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(tags=TAG, summary=_("Retrieve one with its versions"), parameters=[KEY])
    def retrieve(self, request: Request, key: str) -> Response:
        find_journey(key)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        tags=TAG,
        summary=_("The stages and rules of a version"),
        parameters=[
            KEY,
            OpenApiParameter(
                "number", OpenApiTypes.INT, OpenApiParameter.PATH, description=_("Number of the version.")
            ),
        ],
        responses={200: OpenApiTypes.OBJECT},
    )
    @action(detail=True, url_path=r"versions/(?P<number>\d{1,9})")
    def version(self, request: Request, key: str, number: str) -> Response:
        if is_limited(request.user):  # its rules may name accounts, by domain or name
            raise Problem("permission_denied", _t("You need the right %(rights)s.") % {"rights": EVERY_TEAM})
        version = self._numbered(find_journey(key), number)
        return Response(
            {
                "journey": key,
                "number": version.number,
                "state": version.state,
                "note": version.note,
                **version_document(version),
            }
        )

    @extend_schema(
        tags=TAG,
        summary=_("Count accounts per stage at a moment"),
        parameters=[
            KEY,
            VERSION,
            OpenApiParameter("as_of", OpenApiTypes.DATETIME, description=_("The moment; now when left out.")),
            *LIST_PARAMETERS,
        ],
        responses=StageCountsSerializer,
    )
    @action(detail=True)
    def stages(self, request: Request, key: str) -> Response:
        journey = self._readable(request, key)
        as_of = asked_moment(request, "as_of") or timezone.now()
        if as_of > timezone.now():
            raise ValidationError(
                {"as_of": [_t("The moment lies in the future. Facts are known up to now.")]}, code="future"
            )
        version = self._asked_version(journey) or shown_version(journey)
        if version is None or not History.objects.filter(version=version, state=History.State.CURRENT).exists():
            raise Problem(
                "conflict",
                _t("There is no history yet. Publish a version of the journey and run manage.py replay."),
                code="no_history",
                field="journey",
                value=key,
            )
        accounts = visible_accounts(request.user)
        if scope := asked_scope(request):
            listed = scope.accounts(as_of)
            accounts = listed if accounts is None else listed.filter(pk__in=accounts.values("pk"))
        names = ("key", "name", "color", "position", "accounts", "share")
        rows = [{name: row[name] for name in names} for row in stage_counts(version, as_of, accounts)]
        return Response(
            {"journey": key, "version": version.number, "unit": journey.unit, "as_of": as_of, "stages": rows}
        )

    @extend_schema(
        tags=TAG,
        summary=_("Explain the stage of an account"),
        parameters=[
            KEY,
            VERSION,
            _described("account", _("External id, domain, name or primary key; for journeys of accounts.")),
            _described("contact", _("External id, mail address, name or primary key; for journeys of contacts.")),
            _described("opportunity", _("External id, name or primary key; for journeys of opportunities.")),
            OpenApiParameter("at", OpenApiTypes.DATETIME, description=_("The moment; now when left out.")),
        ],
        responses=ExplanationSerializer,
    )
    @action(detail=True)
    def explain(self, request: Request, key: str) -> Response:
        journey = self._readable(request, key)
        words = request.query_params.get(journey.unit)
        given = [name for name in RIGHT_TO_VIEW if name in request.query_params]
        if words is None or len(given) > 1:
            text = _t("This journey is one of units “%(unit)s”: give the parameter “%(unit)s” and no other.")
            raise ValidationError({journey.unit: [text % {"unit": journey.unit}]}, code="required")
        if "\x00" in words or not words.isprintable():
            raise ValidationError(
                {journey.unit: [_t("The name holds a character that cannot be shown.")]}, code="invalid_text"
            )
        version = self._asked_version(journey) or shown_version(journey) or published_version(journey)
        if version is None:
            raise Problem(
                "conflict",
                _t("No version of the journey is published. Publish its draft in the admin."),
                code="not_published",
                field="journey",
                value=key,
            )
        entity = find_entity(journey.unit, words, request.user)
        return Response(explain(entity, version, asked_moment(request, "at") or timezone.now()))

    def _asked_version(self, journey: Journey) -> JourneyVersion | None:
        number = self.request.query_params.get("version")
        return None if number is None else self._numbered(journey, number)

    def _numbered(self, journey: Journey, number: str) -> JourneyVersion:
        usable = number.isascii() and number.isdecimal() and len(number) < 10
        found = journey.versions.select_related("journey").filter(number=int(number)).first() if usable else None
        if found is None:
            known = ", ".join(
                str(other) for other in journey.versions.order_by("number").values_list("number", flat=True)
            )
            raise Problem(
                "not_found",
                _t("The journey has no such version. There are: %(known)s.") % {"known": known or "–"},
                code="unknown_version",
                field="version",
                value=number,
            )
        return found
