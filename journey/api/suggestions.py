"""Suggestions for target account lists, where they come from, and the models behind them."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from journey.models import Journey, LookalikeModel, Suggestion, SuggestionSource
from journey.selectors.lookalikes import problem_text
from journey.selectors.suggestions import State, reasons_of, suggestions_in
from journey.services.suggestions import (
    accept_suggestions,
    decline_suggestions,
    reopen_suggestions,
    request_suggestions,
    store_source,
)
from segmentation.api.bodies import (
    BodySerializer,
    KeyField,
    TierField,
    WholeNumber,
    WhyBody,
    Words,
    YesNo,
    keys_field,
    rows_of,
)
from segmentation.api.errors import Problem
from segmentation.api.filters import AccountIdFilter, SearchFilter, TextFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.list_memberships import ChangedSerializer, MembershipSerializer
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import AccountReference, KeyOf, NameOf, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import ListMembership, Segment, TargetList
from segmentation.selectors.access import is_limited

DECIDE = ("journey.change_suggestion",)
ACCEPT = (*DECIDE, "segmentation.add_listmembership")


def _refuse_limited(request: Request) -> None:
    """Suggestions are decided by who sees the accounts of every team."""
    if is_limited(request.user):
        raise Problem("permission_denied", _t("Users limited to their sales teams cannot decide about suggestions."))


# --- Suggestions ---------------------------------------------------------------------------------------------------


class SuggestionSerializer(ShownSerializer):
    source = KeyOf()  # type: ignore[assignment]
    account = AccountReference()
    score = serializers.FloatField(
        help_text=_("How many times as likely as the average, or criteria that hold with engaged time between equals.")
    )
    evidence = serializers.DictField(help_text=_("What it rests on, as it was when it was found."))
    why = serializers.SerializerMethodField(help_text=_("The same in words."))
    target_list = KeyOf(allow_null=True)
    reason = KeyOf(allow_null=True)
    decided_by = NameOf()

    class Meta:
        model = Suggestion
        fields = [
            "id",
            "source",
            "account",
            "place",
            "score",
            "evidence",
            "why",
            "state",
            "found_at",
            "target_list",
            "reason",
            "note",
            "decided_by",
            "decided_at",
            "recorded_at",
        ]

    def get_why(self, row: Suggestion) -> str:
        told = self.context.get("why") or reasons_of([row], timezone.now(), rules=False)
        return str(told[row.pk]["text"])


class FullSuggestionSerializer(SuggestionSerializer):
    criteria = serializers.ListField(
        child=serializers.DictField(),
        help_text=_("To show interest: every criterion of the rule with its figure of this moment."),
    )

    class Meta(SuggestionSerializer.Meta):
        fields = [*SuggestionSerializer.Meta.fields, "criteria"]


class AcceptBody(WhyBody):
    """Suggested accounts that come onto a list."""

    suggestions = keys_field(_("Primary keys of open suggestions, up to 1000."))
    target_list = KeyField(
        TargetList,
        "list",
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Key of the list; when left out, the list of the source."),
    )
    tier = TierField(required=False, default=None, help_text=_("Tier on the list; null: that of the list."))


class DeclineSuggestionsBody(WhyBody):
    """Suggested accounts that are not wanted."""

    suggestions = keys_field(_("Primary keys of open suggestions, up to 1000."))


class ReopenSuggestionsBody(BodySerializer):
    """Declined accounts to be looked at again."""

    suggestions = keys_field(_("Primary keys of declined suggestions, up to 1000."))


class LookBody(BodySerializer):
    """Where to look."""

    source = KeyField(  # type: ignore[assignment]
        SuggestionSource,
        "source",
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Key of a source; all active ones when left out."),
    )


class SuggestionsSerializer(serializers.Serializer[Any]):
    """Suggestions as they stand now."""

    changed = SuggestionSerializer(many=True, help_text=_("The suggestions that were changed."))


class LookSerializer(serializers.Serializer[Any]):
    """A look that was queued."""

    job = serializers.IntegerField(help_text=_("Primary key of the job; the admin shows how far it is."))


class SuggestionViewSet(ListMixin, StrictViewSet):
    """Accounts that might come onto a target account list, with why. A decision about one counts for every source."""

    api_tag = "suggestions"
    queryset = Suggestion.objects.select_related(
        "source__segment", "source__target_list", "account", "target_list", "reason", "decided_by"
    )
    serializer_class = SuggestionSerializer
    filterset_class = make_filterset(
        Suggestion,
        keyed={"source": "key", "target_list": "key", "reason": "key"},
        also={
            "account__external_id": AccountIdFilter(),
            "source__kind": TextFilter("source__kind", _("lookalike or behaviour.")),
            "search": SearchFilter("account__name", "account__domain", help_text=_("Text in name or domain.")),
        },
        without={"evidence": "shown", "note": "a text to read", "decided_by": "shown"},
    )
    ordering = ("place", "id")
    lookup_value_regex = r"\d{1,18}"
    rights = {"accept": ACCEPT, "decline": DECIDE, "reopen": DECIDE, "look": DECIDE}
    bodies = {
        "accept": AcceptBody,
        "decline": DeclineSuggestionsBody,
        "reopen": ReopenSuggestionsBody,
        "look": LookBody,
    }
    answers = {
        "retrieve": FullSuggestionSerializer,
        "accept": ChangedSerializer,
        "decline": SuggestionsSerializer,
        "reopen": SuggestionsSerializer,
        "look": {202: LookSerializer},
    }
    summaries = {
        "retrieve": _("Retrieve one with every criterion and its figure"),
        "accept": _("Put suggested accounts onto a list"),
        "decline": _("Decline suggested accounts; they come back when something changes"),
        "reopen": _("Let declined accounts wait again"),
        "look": _("Look for suggestions in the background"),
    }

    def get_queryset(self) -> QuerySet[Suggestion]:
        """What was decided, and what waits: not of inactive sources, nor of accounts that have come onto the list."""
        rows: QuerySet[Suggestion] = super().get_queryset()
        return rows.filter(~Q(state=State.OPEN) | Q(pk__in=suggestions_in(State.OPEN).values("pk")))

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        self._why = reasons_of(page or [], timezone.now(), rules=False)
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "why": getattr(self, "_why", {})}

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        may = not is_limited(request.user) and request.user.has_perm("scoring.view_activity")
        told = reasons_of([row], timezone.now(), rules=may)[row.pk]  # the rules of a segment may name accounts
        return Response({**self.get_serializer(row).data, "criteria": told.get("criteria", [])})

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if self.action in self.bodies:
            _refuse_limited(request)

    def _decided(self, given: dict[str, Any]) -> list[Suggestion]:
        return rows_of(self.get_queryset(), given.pop("suggestions"), "suggestions")

    @action(detail=False, methods=["post"])
    def accept(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            given = AcceptBody.read(request)
            began = accept_suggestions(suggestions=self._decided(given), user=request.user, **given)
            links = ("target_list", "account", "reason", "team", "rep", "set_by", "decided_by", "ended_by")
            rows = ListMembership.objects.filter(pk__in=[row.pk for row in began]).select_related(*links)
            return Response({"changed": MembershipSerializer(rows.order_by("pk"), many=True).data})

        return once(request, work)

    @action(detail=False, methods=["post"])
    def decline(self, request: Request) -> Response | HttpResponse:
        return self._change(request, DeclineSuggestionsBody, decline_suggestions)

    @action(detail=False, methods=["post"])
    def reopen(self, request: Request) -> Response | HttpResponse:
        return self._change(request, ReopenSuggestionsBody, reopen_suggestions)

    def _change(self, request: Request, body: type[BodySerializer], verb: Any) -> Response | HttpResponse:
        def work() -> Response:
            given = body.read(request)
            changed = verb(suggestions=self._decided(given), user=request.user, **given)
            rows = list(self.queryset.filter(pk__in=[row.pk for row in changed]).order_by("pk"))
            why = reasons_of(rows, timezone.now(), rules=False)
            return Response({"changed": SuggestionSerializer(rows, many=True, context={"why": why}).data})

        return once(request, work)

    @action(detail=False, methods=["post"])
    def look(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            job = request_suggestions(user=request.user, **LookBody.read(request))
            return Response({"job": job.pk}, status.HTTP_202_ACCEPTED)

        return once(request, work)


# --- Sources -------------------------------------------------------------------------------------------------------


class SuggestionSourceSerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    target_list = KeyOf(allow_null=True)
    journey = KeyOf(allow_null=True, help_text=_("Whose history says who is a customer; null: the first of accounts."))
    segment = KeyOf(allow_null=True, help_text=_("Whose members show interest."))
    least_lift = serializers.FloatField(help_text=_("How many times as likely as the average, at least."))
    problem = serializers.SerializerMethodField(help_text=_("Why it found nothing the last time; empty when it did."))

    class Meta:
        model = SuggestionSource
        fields = [
            "id",
            "key",
            "name",
            "kind",
            "active",
            "target_list",
            "journey",
            "stage",
            "segment",
            "attributes",
            "least_customers",
            "least_lift",
            "most",
            "run_at",
            "problem",
        ]

    def get_problem(self, source: SuggestionSource) -> str:
        return "" if is_limited(self.context["request"].user) else problem_text(source.problem)


class SuggestionSourceBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    kind = serializers.ChoiceField(
        choices=SuggestionSource.Kind.choices, help_text=_("lookalike: like customers; behaviour: show interest.")
    )
    active = YesNo(required=False, help_text=_("An inactive source finds nothing new; what waits from it goes away."))
    target_list = KeyField(
        TargetList,
        "list",
        required=False,
        allow_null=True,
        help_text=_("Key of the list suggestions are for, or null."),
    )
    journey = KeyField(
        Journey,
        "journey",
        required=False,
        allow_null=True,
        help_text=_("Key of the journey that says who is a customer; null: the first one of accounts."),
    )
    stage = Words(required=False, max_length=60, help_text=_("Key of the stage of customers."))
    segment = KeyField(
        Segment,
        "segment",
        required=False,
        allow_null=True,
        help_text=_("Key of the segment whose members show interest."),
    )
    attributes = serializers.ListField(
        child=Words(max_length=80), required=False, help_text=_("What the model may compare; empty: the usual ones.")
    )
    least_customers = WholeNumber(required=False, help_text=_("With fewer customers no model is made; 30 or more."))
    least_lift = serializers.DecimalField(
        required=False,
        max_digits=5,
        decimal_places=2,
        help_text=_("How many times as likely as the average, at least."),
    )
    most = WholeNumber(required=False, help_text=_("So many wait at a time; 1 to 5000."))


class SuggestionSourceViewSet(SettingsViewSet):
    """Where suggestions come from."""

    api_tag = "suggestion-sources"
    queryset = SuggestionSource.objects.select_related("target_list", "journey", "segment")
    serializer_class = SuggestionSourceSerializer
    filterset_class = make_filterset(
        SuggestionSource,
        keyed={"target_list": "key", "journey": "key", "segment": "key"},
        without={
            "name": "shown in the reader's language",
            "attributes": "a list to read",
            "problem": "a text to read",
        },
    )
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")  # one that is not wanted any more is made inactive
    body = SuggestionSourceBody
    fixed = ("key",)
    rights = {"create": ("journey.add_suggestionsource",)}

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if request.method not in SAFE_METHODS:
            _refuse_limited(request)

    def store(self, values: dict[str, Any], instance: Any = None) -> SuggestionSource:
        return store_source(values=values, source=instance)


# --- Models --------------------------------------------------------------------------------------------------------


class LookalikeModelSerializer(ShownSerializer):
    source = KeyOf()  # type: ignore[assignment]
    evaluation = serializers.DictField(
        help_text=_("Of accounts the model had not seen: auc with low and high, lift, base, precision, tenths.")
    )
    parameters = serializers.DictField(help_text=_("What it was made of, and how."))
    levels = serializers.ListField(
        child=serializers.DictField(), help_text=_("Every value of every attribute, with the factor of its odds.")
    )

    class Meta:
        model = LookalikeModel
        fields = [
            "id",
            "source",
            "number",
            "made_at",
            "checked_at",
            "accounts",
            "customers",
            "parameters",
            "evaluation",
            "levels",
            "digest",
        ]


class LookalikeModelViewSet(ListMixin, StrictViewSet):
    """The models that were made, with how they did with customers they had not seen. Not for users limited to teams."""

    api_tag = "lookalike-models"
    queryset = LookalikeModel.objects.select_related("source")
    serializer_class = LookalikeModelSerializer
    filterset_class = make_filterset(
        LookalikeModel,
        keyed={"source": "key"},
        without={
            "parameters": "shown",
            "evaluation": "shown",
            "levels": "shown",
            "digest": "tells equal models; means nothing outside",
        },
    )
    ordering = ("-made_at", "-id")
    lookup_value_regex = r"\d{1,18}"

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
