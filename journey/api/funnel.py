"""The funnel of a journey and what its charts show, as JSON and as CSV."""

from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from journey.api.parameters import FORMAT, answer, asked_moment
from journey.models import Journey
from journey.selectors import funnel_charts as charts
from journey.selectors.funnel import FunnelQuery, funnel, funnel_query
from journey.selectors.funnel_compare import COMPARED, With, both_rows, compared_query
from journey.selectors.funnel_query import MOST_GROUPS, REACHED_DAYS, parse_where
from journey.selectors.funnel_tables import funnel_rows
from journey.selectors.journeys import find_journey
from journey.selectors.lists import LIST_MODES
from journey.selectors.near import near_misses, near_query
from journey.selectors.versions import find_version
from segmentation.api.errors import Problem
from segmentation.selectors.access import visible_accounts
from segmentation.services.exports import record_export

RIGHT_TO_VIEW = {
    "account": "segmentation.view_account",
    "contact": "segmentation.view_contact",
    "opportunity": "journey.view_opportunity",
}
_WHEN = OpenApiTypes.DATETIME


def _parameter(name: str, kind: Any, text: Any, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=text, **more)


QUESTION = [
    _parameter("start", _WHEN, _("The range begins with this moment."), required=True),
    _parameter("end", _WHEN, _("The range ends before this moment."), required=True),
    _parameter("as_of", _WHEN, _("Nothing later is known; now when left out.")),
    _parameter("known_at", _WHEN, _("Only facts that were recorded by this moment.")),
    _parameter("horizon", OpenApiTypes.NUMBER, _("Days within which a conversion counts; no limit when left out.")),
    _parameter("to", OpenApiTypes.STR, _("Key of the stage conversions lead to; the next of each when left out.")),
    _parameter("where", OpenApiTypes.STR, _("Only these: field=value, several with semicolons between them.")),
    _parameter("list", OpenApiTypes.STR, _("Only accounts of the target account list with this key.")),
    _parameter(
        "list_mode",
        {"type": "string", "enum": list(LIST_MODES)},
        _("On the list at each counted moment (was), now (is), or at cohort_at (cohort)."),
    ),
    _parameter("cohort_at", _WHEN, _("The day of the cohort; the start of the range when left out.")),
    _parameter("version", {"type": "integer", "minimum": 1}, _("Number of a version; the one readers see otherwise.")),
    FORMAT,
]
COMPARISON = [
    _parameter(
        "compare",
        {"type": "string", "enum": list(COMPARED)},
        _("Compare with the time before, a year earlier, another range (custom), list or version."),
    ),
    _parameter("compare_start", _WHEN, _("Another range begins with this moment.")),
    _parameter("compare_end", _WHEN, _("Another range ends before this moment.")),
    _parameter("compare_list", OpenApiTypes.STR, _("Key of the other list.")),
    _parameter("compare_version", {"type": "integer", "minimum": 1}, _("Number of the other version.")),
]
_FILTERS = ("where", "list", "list_mode", "cohort_at")
_NAMES = tuple(parameter.name for parameter in (*QUESTION, *COMPARISON))
BREAKDOWN = [
    _parameter("by", OpenApiTypes.STR, _("One or two fields to break down by, with a comma between them.")),
    _parameter("groups", {"type": "integer", "minimum": 1}, _("How many groups are told apart; 50 when left out.")),
    _parameter("days", OpenApiTypes.STR, _("Days of the cumulative incidence, with commas; 30,90,180 when left out.")),
]
STAGE = _parameter("stage", OpenApiTypes.STR, _("Key of the stage."), required=True)


class FunnelConversionSerializer(serializers.Serializer[Any]):
    """Share of the beginnings after which the stage asked for was entered."""

    rate = serializers.FloatField(allow_null=True, help_text=_("That stage or a later one; null without beginnings."))
    direct = serializers.FloatField(allow_null=True, help_text=_("Exactly that stage."))
    low = serializers.FloatField(allow_null=True, help_text=_("Lower limit of the 95 % interval (Wilson)."))
    high = serializers.FloatField(allow_null=True, help_text=_("Upper limit of the 95 % interval (Wilson)."))
    n = serializers.IntegerField(help_text=_("Beginnings in the range, first stays too."))
    converted = serializers.IntegerField(help_text=_("How many of them converted."))
    immature = serializers.IntegerField(
        allow_null=True, help_text=_("How many of them have not had the whole horizon yet; null without horizon.")
    )


class FunnelVelocitySerializer(serializers.Serializer[Any]):
    """How long it takes, in days."""

    mean_days = serializers.FloatField(allow_null=True, help_text=_("Mean of those who converted."))
    median_days = serializers.FloatField(allow_null=True, help_text=_("Median of those who converted."))
    n = serializers.IntegerField(help_text=_("How many that is."))
    stay_km_median_days = serializers.FloatField(
        allow_null=True, help_text=_("Kaplan-Meier median of the stay; null when half have not left.")
    )
    reached = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text=_("By days: share that has entered exactly the stage asked for (Aalen-Johansen)."),
    )
    reached_or_later = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text=_("The same for that stage or a later one.")
    )


class FunnelValueSerializer(serializers.Serializer[Any]):
    """Money, in the reporting currency; null where there is nothing to add up."""

    pipeline = serializers.FloatField(allow_null=True, help_text=_("Amounts of the deals open at the moment."))
    revenue = serializers.FloatField(allow_null=True, help_text=_("Amounts of the deals won in the range."))
    currency = serializers.CharField(allow_null=True, help_text=_("The reporting currency."))
    investment_per_opportunity = serializers.FloatField(
        allow_null=True, help_text=_("Costs of the range / opportunities opened in it.")
    )
    cost_per_entry = serializers.FloatField(allow_null=True, help_text=_("Costs of the range / entries."))
    deals = serializers.IntegerField(help_text=_("Deals in the pipeline."))
    won = serializers.IntegerField(help_text=_("Deals in the revenue."))
    without_amount = serializers.IntegerField(help_text=_("Deals more, whose amount is not known."))


class FunnelStageSerializer(serializers.Serializer[Any]):
    """The figures of one stage."""

    key = serializers.CharField(help_text=_("Key of the stage."))
    name = serializers.CharField(help_text=_("Name of the stage."))
    color = serializers.CharField(help_text=_("Its colour in charts."))
    position = serializers.IntegerField(allow_null=True, help_text=_("Place in the funnel; null for parking stages."))
    now = serializers.IntegerField(help_text=_("In it at the moment."))
    share = serializers.FloatField(allow_null=True, help_text=_("Their share of all."))
    volume = serializers.IntegerField(help_text=_("Entries in the range, re-entries too."))
    accounts = serializers.IntegerField(help_text=_("Distinct accounts (contacts, opportunities) among the entries."))
    began = serializers.IntegerField(help_text=_("Histories that begin in it; no entries."))
    conversion = FunnelConversionSerializer(help_text=_("To the stage asked for."))
    velocity = FunnelVelocitySerializer(help_text=_("Times."))
    value = FunnelValueSerializer(help_text=_("Money."))
    trust = serializers.DictField(
        child=serializers.IntegerField(), help_text=_("Beginnings by trust: exact, derived, assumed.")
    )


class FunnelReportSerializer(serializers.Serializer[Any]):
    """The funnel of a range; with `by`, the same for every group under `groups`."""

    journey = serializers.CharField(help_text=_("Key of the journey."))
    version = serializers.IntegerField(help_text=_("Version the history was made with."))
    unit = serializers.CharField(help_text=_("What is counted: account, contact or opportunity."))
    start = serializers.DateTimeField(help_text=_("Begin of the range."))
    end = serializers.DateTimeField(help_text=_("End of the range, not in it."))
    as_of = serializers.DateTimeField(help_text=_("The moment of what is known."))
    stages = FunnelStageSerializer(many=True, help_text=_("Stages of the funnel in order, then parking stages."))
    overall = serializers.DictField(help_text=_("The whole funnel: from, to, conversion, velocity, value, costs."))
    groups = serializers.ListField(
        child=serializers.DictField(), required=False, help_text=_("Per group: values, labels, stages, overall.")
    )
    compared = serializers.DictField(
        required=False, help_text=_("The same of what it is compared with, where that is asked for.")
    )
    notes = serializers.ListField(
        child=serializers.DictField(), help_text=_("What must be said beside the figures: code and text.")
    )


class FunnelRowsSerializer(serializers.Serializer[Any]):
    """What a chart shows."""

    rows = serializers.ListField(
        child=serializers.DictField(),
        help_text=_("The rows of its table; compared, `question` tells asked and compared ones apart."),
    )


class NearMissesSerializer(serializers.Serializer[Any]):
    """Who is near the next stage, the nearest first."""

    at = serializers.DateTimeField(help_text=_("The moment."))
    candidates = serializers.IntegerField(help_text=_("How many could move on."))
    out_of_scope = serializers.IntegerField(help_text=_("For how many no rule of the next stage is meant."))
    accounts = serializers.ListField(
        child=serializers.DictField(), help_text=_("Each with stage, next, gap from 0 to 1, missing criteria and text.")
    )


class FunnelActions:
    """The addresses below a journey that answer with figures. A sales rep's figures count the rep's accounts only."""

    request: Any
    kwargs: Any
    funnel_parameters = {
        "funnel": (*_NAMES, "by", "groups", "days"),
        "funnel_trend": (*_NAMES, "granularity"),
        "funnel_flows": _NAMES,
        "funnel_cohorts": (*_NAMES, "stage", "months"),
        "funnel_survival": (*_NAMES, "stage"),
        "funnel_stuck": (*_NAMES, "stage", "most"),
        "funnel_conversions": _NAMES,
        "funnel_heat_map": (*_NAMES, "by", "groups", "stage", "measure"),
        "near": ("stage", "at", "most", *_FILTERS, "known_at", "version", "format"),
    }

    def funnel_question(self, request: Request, key: str, most_groups: int = MOST_GROUPS) -> FunnelQuery:
        """The question in the address. Raises Problem, ValidationError and JourneyError for what cannot be used."""
        journey = self._readable(request, key)
        given = request.query_params
        start, end = asked_moment(request, "start"), asked_moment(request, "end")
        if start is None or end is None:
            missing = "start" if start is None else "end"
            raise ValidationError({missing: [_t("Give the range by start and end.")]}, code="required")
        days = _numbers(given["days"], "days") if "days" in given else REACHED_DAYS
        return funnel_query(
            journey=journey,
            start=start,
            end=end,
            as_of=asked_moment(request, "as_of"),
            known_at=asked_moment(request, "known_at"),
            horizon_days=_number(given["horizon"], "horizon") if "horizon" in given else None,
            to=given.get("to"),
            by=[name.strip() for name in given.get("by", "").split(",") if name.strip()],
            **self._filters(request),
            version=self._asked_version(journey),  # type: ignore[attr-defined]
            reached_days=days,
            most_groups=_whole(given["groups"], "groups") if "groups" in given else most_groups,
        )

    def _filters(self, request: Request) -> dict[str, Any]:
        """Whom a question is about, as `funnel_query` takes it."""
        given = request.query_params
        return {
            "list_key": given.get("list"),
            "list_mode": given.get("list_mode", "was"),
            "cohort_at": asked_moment(request, "cohort_at"),
            "where": parse_where([word for word in given.get("where", "").split(";") if word.strip()]),
            "accounts": visible_accounts(request.user),
        }

    def _answer(self, request: Request, rows: Callable[[], Iterator[dict[str, Any]]], document: Any) -> Any:
        return answer(request, f"{self.kwargs['key']}-{self.action}.csv", rows, document)  # type: ignore[attr-defined]

    def _compared(self, request: Request, query: FunnelQuery) -> FunnelQuery | None:
        """The question to compare with, if one is asked for."""
        given = request.query_params
        if not given.get("compare"):
            return None
        number = given.get("compare_version")
        other = With(
            given["compare"],
            asked_moment(request, "compare_start"),
            asked_moment(request, "compare_end"),
            given.get("compare_list"),
            find_version(query.version.journey, number, "compare_version") if number else None,
        )
        return compared_query(query, other)

    def _chart(
        self, request: Request, key: str, ask: Callable[[FunnelQuery], Any], most_groups: int = MOST_GROUPS
    ) -> Any:
        """What a chart shows; compared with another question the rows of both, told apart by `question`."""
        query = self.funnel_question(request, key, most_groups)
        other = self._compared(request, query)
        found, before = ask(query), None if other is None else ask(other)

        def rows() -> Iterator[dict[str, Any]]:
            return both_rows(found.rows(), None if before is None else before.rows())

        return self._answer(request, rows, lambda: {"rows": list(rows())})

    @extend_schema(
        tags=["journeys"],
        summary=_("Volume, conversion, velocity and value of every stage"),
        parameters=[*QUESTION, *COMPARISON, *BREAKDOWN],
        responses=FunnelReportSerializer,
    )
    @action(detail=True)
    def funnel(self, request: Request, key: str) -> Any:
        query = self.funnel_question(request, key)
        other = self._compared(request, query)
        report, before = funnel(query), None if other is None else funnel(other)

        def rows() -> Iterator[dict[str, Any]]:
            return both_rows(funnel_rows(report), None if before is None else funnel_rows(before))

        return self._answer(
            request, rows, lambda: report.as_dict() | ({} if before is None else {"compared": before.as_dict()})
        )

    @extend_schema(
        tags=["journeys"],
        summary=_("Entries into every stage over time"),
        parameters=[
            *QUESTION,
            *COMPARISON,
            _parameter(
                "granularity", {"type": "string", "enum": list(charts.GRANULARITIES)}, _("Day, week, month or auto.")
            ),
        ],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/trend")
    def funnel_trend(self, request: Request, key: str) -> Any:
        granularity = request.query_params.get("granularity", "auto")
        return self._chart(request, key, lambda query: charts.trend(query, granularity))

    @extend_schema(
        tags=["journeys"],
        summary=_("Moves between stages"),
        parameters=[*QUESTION, *COMPARISON],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/flows")
    def funnel_flows(self, request: Request, key: str) -> Any:
        return self._chart(request, key, charts.flows)

    @extend_schema(
        tags=["journeys"],
        summary=_("Cohorts by month, and how many moved on months later"),
        parameters=[
            *QUESTION,
            *COMPARISON,
            STAGE,
            _parameter("months", {"type": "integer", "minimum": 1, "maximum": 60}, _("How many; 12 when left out.")),
        ],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/cohorts")
    def funnel_cohorts(self, request: Request, key: str) -> Any:
        months = min(_whole(request.query_params.get("months", "12"), "months"), 60)
        stage = self._stage(request)
        return self._chart(request, key, lambda query: charts.cohort_triangle(query, stage, months))

    @extend_schema(
        tags=["journeys"],
        summary=_("How long a stage lasts and where it leads"),
        parameters=[*QUESTION, *COMPARISON, STAGE],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/survival")
    def funnel_survival(self, request: Request, key: str) -> Any:
        stage = self._stage(request)
        return self._chart(request, key, lambda query: charts.survival_curve(query, stage))

    @extend_schema(
        tags=["journeys"],
        summary=_("Who has been in a stage for unusually long"),
        parameters=[
            *QUESTION,
            *COMPARISON,
            _parameter("stage", OpenApiTypes.STR, _("Only this stage; all of the funnel when left out.")),
            _parameter("most", {"type": "integer", "minimum": 1, "maximum": 1000}, _("How many; 100 when left out.")),
        ],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/stuck")
    def funnel_stuck(self, request: Request, key: str) -> Any:
        most = min(_whole(request.query_params.get("most", "100"), "most"), 1000)
        stage = request.query_params.get("stage")
        return self._chart(request, key, lambda query: charts.stuck_entities(query, stage, most))

    @extend_schema(
        tags=["journeys"],
        summary=_("Conversion from every stage to every later one"),
        parameters=[*QUESTION, *COMPARISON],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/conversions")
    def funnel_conversions(self, request: Request, key: str) -> Any:
        return self._chart(request, key, charts.conversion_matrix)

    @extend_schema(
        tags=["journeys"],
        summary=_("A measure of one stage by two fields"),
        parameters=[
            *QUESTION,
            *COMPARISON,
            BREAKDOWN[0],
            _parameter(
                "groups", {"type": "integer", "minimum": 1}, _("How many cells there may be; 400 when left out.")
            ),
            STAGE,
            _parameter("measure", {"type": "string", "enum": list(charts.MEASURES)}, _("Conversion when left out.")),
        ],
        responses=FunnelRowsSerializer,
    )
    @action(detail=True, url_path="funnel/heat-map")
    def funnel_heat_map(self, request: Request, key: str) -> Any:
        stage, measure = self._stage(request), request.query_params.get("measure", "conversion")
        return self._chart(
            request, key, lambda query: charts.heat_map(funnel(query), stage, measure), charts.HEAT_MAP_CELLS
        )

    @extend_schema(
        tags=["journeys"],
        summary=_("Who is near the next stage, and what is missing"),
        parameters=[
            _parameter("stage", OpenApiTypes.STR, _("Only those whose next stage is this one.")),
            _parameter("at", _WHEN, _("The moment; now when left out.")),
            _parameter("most", {"type": "integer", "minimum": 1, "maximum": 1000}, _("How many; 100 when left out.")),
            *(parameter for parameter in QUESTION if parameter.name in (*_FILTERS, "known_at", "version", "format")),
        ],
        responses=NearMissesSerializer,
    )
    @action(detail=True)
    def near(self, request: Request, key: str) -> Any:
        journey = self._readable(request, key)
        known_at = asked_moment(request, "known_at")
        moment = asked_moment(request, "at") or known_at or timezone.now()
        if moment > timezone.now():
            raise ValidationError({"at": [_t("The moment lies in the future.")]}, code="future")
        most = min(_whole(request.query_params.get("most", "100"), "most"), 1000)
        version = self._asked_version(journey)  # type: ignore[attr-defined]
        query = near_query(journey=journey, at=moment, version=version, known_at=known_at, **self._filters(request))
        found = near_misses(query, request.query_params.get("stage"), most)
        if request.query_params.get("format") == "csv":  # it names accounts
            record_export(user=request.user, of=journey, file=f"{journey.key}-near.csv", rows=len(found.entities))
        return self._answer(request, found.rows, found.as_dict)

    def _readable(self, request: Request, key: str) -> Journey:
        """The journey, for whoever may see what moves through it."""
        journey = find_journey(key)
        right = RIGHT_TO_VIEW[journey.unit]
        if not request.user.has_perm(right):
            raise Problem("permission_denied", _t("You need the right %(rights)s.") % {"rights": right})
        return journey

    def _stage(self, request: Request) -> str:
        if "stage" not in request.query_params:
            raise ValidationError({"stage": [_t("Name a stage of the journey.")]}, code="required")
        return str(request.query_params["stage"])


def _numbers(text: str, name: str) -> list[float]:
    return [_number(part, name) for part in text.split(",")]


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValidationError({name: [_t("This is no number of days.")]}, code="not_a_number") from None


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise ValidationError({name: [_t("Give a whole number from 1 on.")]}, code="not_a_number")
    return int(text)
