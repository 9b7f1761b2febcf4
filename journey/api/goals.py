"""Goals of segments: set, changed, removed, reviewed, and how they stand at any date."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from journey.api.parameters import asked_moment
from journey.engine.metrics.goals import STATUSES
from journey.selectors.goal_kinds import goal_kinds
from journey.selectors.goals import all_goals, goal_reports
from journey.services.goals import FIXED, change_goal, create_goal, delete_goal, review_goal
from segmentation.api.bodies import BodySerializer, KeyField, WholeNumber, Words
from segmentation.api.errors import Problem
from segmentation.api.filters import make_filterset
from segmentation.api.idempotency import once
from segmentation.api.serializers import ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import Segment, SegmentGoal
from segmentation.selectors.access import EVERY_TEAM, is_limited

AS_OF = OpenApiParameter("as_of", OpenApiTypes.DATETIME, description=_("The moment; now when left out."))
OF_ALL = ("baseline", "baseline_source", "baseline_reason", "baseline_first_day", "baseline_last_day", "note")


class GoalSerializer(ShownSerializer):
    segment = serializers.CharField(source="segment.key", help_text=_("Key of the segment."))
    target = serializers.FloatField()
    baseline = serializers.FloatField()
    created_by = serializers.CharField(source="created_by.username", default=None, help_text=_("Who set it."))

    class Meta:
        model = SegmentGoal
        fields = [
            "id",
            "segment",
            "kind",
            "name",
            "first_day",
            "last_day",
            "target",
            "currency",
            "product",
            "members",
            "baseline",
            "baseline_source",
            "baseline_reason",
            "baseline_first_day",
            "baseline_last_day",
            "note",
            "review_days",
            "created_at",
            "created_by",
        ]

    def to_representation(self, instance: SegmentGoal) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if is_limited(self.context["request"].user):  # they are of the accounts of every team
            shown |= dict.fromkeys(OF_ALL)
        return shown


class GoalBody(BodySerializer):
    segment = KeyField(Segment, "segment", help_text=_("Key of the segment. It does not change."))
    kind = Words(
        max_length=40, help_text=_("What is measured; it does not change. GET segment-goals/kinds/ lists them.")
    )
    first_day = serializers.DateField(help_text=_("From 00:00 of this day in the site's time zone."))
    last_day = serializers.DateField(help_text=_("It counts, too."))
    target = serializers.DecimalField(
        max_digits=18,
        decimal_places=2,
        help_text=_("An amount or a number; of engagement and visits by how many per cent they are to rise."),
    )
    currency = Words(
        required=False, allow_blank=True, max_length=3, help_text=_("Of an amount. Empty: the currency reports are in.")
    )
    product = Words(
        required=False, allow_blank=True, max_length=120, help_text=_("Only opportunities of this product count.")
    )
    members = serializers.ChoiceField(
        choices=SegmentGoal.Members.choices,
        required=False,
        help_text=_("was: whoever is in the segment at the time; start: those in it on the first day."),
    )
    baseline = serializers.DecimalField(
        max_digits=20,
        decimal_places=4,
        required=False,
        allow_null=True,
        help_text=_("What a period as long brings without the goal. Left out or null: taken from history."),
    )
    baseline_reason = Words(
        required=False, allow_blank=True, max_length=300, help_text=_("Where a given baseline is from; needed with it.")
    )
    name = Words(required=False, allow_blank=True, max_length=120, help_text=_("Empty: kind and target say it."))
    note = Words(required=False, allow_blank=True, max_length=500, help_text=_("Why, and how."))
    review_days = WholeNumber(required=False, min_value=1, max_value=3650, help_text=_("Days between reviews."))


class GoalReviewBody(BodySerializer):
    note = Words(max_length=500, help_text=_("What you see and what follows."))


class GoalFiguresSerializer(serializers.Serializer[Any]):
    """How a goal stands. Limited users learn what their own accounts brought (`counted`), and nothing of others."""

    goal = serializers.IntegerField(help_text=_("Primary key of the goal."))
    segment = serializers.CharField(help_text=_("Key of the segment."))
    kind = serializers.CharField(help_text=_("What is measured."))
    unit = serializers.CharField(help_text=_("Of all amounts here: money, accounts, minutes or visits."))
    currency = serializers.CharField(allow_null=True, help_text=_("Of money."))
    as_of = serializers.DateTimeField(help_text=_("The moment."))
    status = serializers.ChoiceField(
        choices=STATUSES, allow_null=True, help_text=_("on_track, behind, reached, missed or planned.")
    )
    baseline = serializers.FloatField(allow_null=True, help_text=_("What a period as long brings without the goal."))
    target = serializers.FloatField(allow_null=True, help_text=_("What the period is to bring."))
    counted = serializers.FloatField(allow_null=True, help_text=_("What it has brought so far; null before it starts."))
    value = serializers.FloatField(
        allow_null=True,
        help_text=_("To be compared with `expected`: counted, of a level with the baseline for the rest."),
    )
    expected = serializers.FloatField(allow_null=True, help_text=_("Where it should be by now."))
    progress = serializers.FloatField(allow_null=True, help_text=_("Share of the way to the target; may exceed 1."))
    forecast = serializers.FloatField(
        allow_null=True, help_text=_("At the end; null where there is too little to tell.")
    )
    forecast_low = serializers.FloatField(allow_null=True, help_text=_("With 80 % probability it is not below this."))
    forecast_high = serializers.FloatField(allow_null=True, help_text=_("The upper end of that range."))
    reached_at = serializers.DateTimeField(allow_null=True, help_text=_("When the target was reached."))
    provisional_baseline = serializers.BooleanField(help_text=_("It is taken again when the goal starts."))
    review_due_at = serializers.DateTimeField(allow_null=True, help_text=_("When to look at it next; null: done with."))
    notes = serializers.ListField(child=serializers.DictField(), help_text=_("What must be said beside the figures."))


class SegmentGoalViewSet(SettingsViewSet):
    """Goals of segments. Figures are worked out when they are asked for, for any date since the goal began."""

    api_tag = "segment-goals"
    queryset = SegmentGoal.objects.select_related("segment", "created_by")
    serializer_class = GoalSerializer
    filterset_class = make_filterset(
        SegmentGoal,
        keyed={"segment": "key"},
        without={
            "name": "a text to read",
            "note": "a text to read",
            "baseline_reason": "a text to read",
            "baseline": "of the accounts of every team",
            "baseline_source": "of the accounts of every team",
            "baseline_first_day": "shown",
            "baseline_last_day": "shown",
            "target": "a number to read",
            "review_days": "a setting",
            "created_by": "shown",
        },
    )
    ordering = ("last_day", "id")
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = GoalBody
    fixed = FIXED
    rights = {"create": ("segmentation.add_segmentgoal",), "review": ("segmentation.change_segmentgoal",)}
    bodies = {"review": GoalReviewBody}
    answers = {
        "figures": GoalFiguresSerializer,
        "course": OpenApiTypes.OBJECT,
        "all_figures": GoalFiguresSerializer(many=True),
        "kinds": OpenApiTypes.OBJECT,
        "review": OpenApiTypes.OBJECT,
        "reviews": OpenApiTypes.OBJECT,
    }
    summaries = {
        "create": _("Set a goal; its baseline is taken from history unless it is given"),
        "figures": _("How a goal stands at a date"),
        "course": _("Value and expectation of a goal from its start on"),
        "all_figures": _("How all goals stand at a date"),
        "kinds": _("What can be measured"),
        "review": _("Keep a review of a goal"),
        "reviews": _("The reviews of a goal, newest first"),
    }
    parameters = {"figures": ("as_of",), "course": ("as_of",), "all_figures": ("as_of", "segment")}

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if request.method not in ("GET", "HEAD", "OPTIONS") and is_limited(request.user):
            self._refuse_limited(request)

    def _refuse_limited(self, request: Request) -> None:
        if is_limited(request.user):  # baselines and reviews are of the accounts of every team
            raise Problem("permission_denied", _t("You need the right %(rights)s.") % {"rights": EVERY_TEAM})

    def store(self, values: dict[str, Any], instance: Any = None) -> SegmentGoal:
        if instance is None:
            return create_goal(user=self.request.user, **values)
        return change_goal(goal=instance, **values)

    def remove(self, instance: SegmentGoal) -> None:
        delete_goal(goal=instance)

    @extend_schema(parameters=[AS_OF])
    @action(detail=True)
    def figures(self, request: Request, pk: str) -> Response:
        as_of = asked_moment(request, "as_of") or timezone.now()
        [report] = goal_reports([self.get_object()], as_of, request.user)
        return Response(report.as_dict())

    @extend_schema(parameters=[AS_OF])
    @action(detail=True)
    def course(self, request: Request, pk: str) -> Response:
        self._refuse_limited(request)
        as_of = asked_moment(request, "as_of") or timezone.now()
        [report] = goal_reports([self.get_object()], as_of, with_course=True)
        return Response({**report.as_dict(), "points": report.dated_points()})

    @extend_schema(
        parameters=[
            AS_OF,
            OpenApiParameter("segment", OpenApiTypes.STR, description=_("Only of this segment, by key.")),
        ]
    )
    @action(detail=False, url_path="figures")
    def all_figures(self, request: Request) -> Response:
        as_of = asked_moment(request, "as_of") or timezone.now()
        goals = all_goals()
        if "segment" in request.query_params:
            goals = goals.filter(segment__key=request.query_params["segment"])
        return Response([report.as_dict() for report in goal_reports(goals, as_of, request.user)])

    @action(detail=False)
    def kinds(self, request: Request) -> Response:
        return Response(
            [
                {
                    "kind": key,
                    "label": str(kind.label),
                    "help": str(kind.help),
                    "unit": kind.unit,
                    "target": "percent" if kind.is_level else "number",
                    "takes_product": kind.takes_product,
                }
                for key, kind in goal_kinds().items()
            ]
        )

    @action(detail=True)
    def reviews(self, request: Request, pk: str) -> Response:
        self._refuse_limited(request)
        rows = self.get_object().reviews.select_related("reviewed_by")
        return Response(
            [
                {
                    "note": row.note,
                    "figures": row.figures,
                    "reviewed_at": row.reviewed_at,
                    "reviewed_by": row.reviewed_by.username if row.reviewed_by else None,
                }
                for row in rows
            ]
        )

    @action(detail=True, methods=["post"])
    def review(self, request: Request, pk: str) -> Response | HttpResponse:
        def work() -> Response:
            given = GoalReviewBody.read(request)
            review = review_goal(goal=self.get_object(), note=given["note"], user=request.user)
            return Response({"note": review.note, "figures": review.figures}, 201)

        return once(request, work)
