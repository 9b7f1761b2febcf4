"""Segments: the tree and its rules, who is a member now or was at any moment, why, and health."""

from typing import Any

from django.db.models import Prefetch
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
from journey.selectors.audiences import EMAILS, LEVELS, audience_export
from journey.selectors.journeys import find_entity
from journey.selectors.priorities import CONSIDERATIONS, segment_ranking, weights
from journey.selectors.segment_health import segment_health
from journey.selectors.segment_performance import MOMENTS, performance_query, segment_performance
from journey.selectors.segments import compare_segment_versions, explain_membership, members, segment_preview, sizes_at
from segmentation.api.bodies import BodySerializer, WholeNumber, Words, YesNo
from segmentation.api.errors import Problem
from segmentation.api.filters import make_filterset
from segmentation.api.idempotency import once
from segmentation.api.serializers import AccountReference, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import Segment, SegmentVersion
from segmentation.selectors.access import EVERY_TEAM, is_limited, visible_accounts
from segmentation.selectors.segments import current_segment_history, version_in_force
from segmentation.services.exports import record_export
from segmentation.services.priorities import set_weights
from segmentation.services.segments import (
    DETAILS,
    QUESTIONS,
    change_details,
    clean_document,
    create_segment,
    delete_segment,
    review_segment,
    save_rules,
    segment_problems,
)

MOST_MEMBERS = 1000
AS_OF = OpenApiParameter("as_of", OpenApiTypes.DATETIME, description=_("The moment; now when left out."))


class SegmentSerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    version = serializers.SerializerMethodField(help_text=_("Number of the version in force."))
    parent = serializers.SerializerMethodField(  # type: ignore[assignment]
        help_text=_("Key of the segment it is part of; null: none.")
    )
    rules = serializers.SerializerMethodField(
        help_text=_("The parts base, fit and trigger, each a rule; null for users limited to their sales teams.")
    )
    created_by = serializers.CharField(source="created_by.username", default=None, help_text=_("Who made it."))

    class Meta:
        model = Segment
        fields = [
            "id",
            "key",
            "name",
            "description",
            "color",
            "purpose",
            "order",
            "active",
            "review_days",
            "created_at",
            "created_by",
            "version",
            "parent",
            "rules",
        ]

    def _version(self, segment: Segment) -> SegmentVersion:
        return max(segment.versions.all(), key=lambda version: version.number)

    def get_version(self, segment: Segment) -> int:
        return self._version(segment).number

    def get_parent(self, segment: Segment) -> str | None:
        return self._version(segment).parent or None

    def get_rules(self, segment: Segment) -> dict[str, Any] | None:
        # Rules may name accounts.
        return None if is_limited(self.context["request"].user) else self._version(segment).rules


class SegmentBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    rules = serializers.DictField(
        help_text=_("The parts base, fit and trigger: {“base”: {“at_least”: null, “criteria”: [{“kind”, “params”}]}}.")
    )
    parent = Words(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=60, help_text=_("Key of the segment it is part of.")
    )
    description = Words(required=False, allow_blank=True, max_length=500, help_text=_("Who they are."))
    color = Words(required=False, max_length=7, help_text=_("In charts, like #7c3aed."))
    purpose = serializers.ChoiceField(
        choices=Segment.Purpose.choices, required=False, help_text=_("What it is made for: segment, trigger, audience.")
    )
    order = WholeNumber(required=False, min_value=0, max_value=32767, help_text=_("Among segments of one parent."))
    active = YesNo(required=False, help_text=_("Whether campaigns address it now."))
    review_days = WholeNumber(required=False, min_value=1, max_value=3650, help_text=_("Days between reviews."))
    note = Words(required=False, allow_blank=True, max_length=300, help_text=_("What changes and why."))


class SegmentPreviewBody(BodySerializer):
    rules = serializers.DictField(help_text=_("The parts base, fit and trigger, as when a segment is made."))
    parent = Words(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=60, help_text=_("Key of the segment it is part of.")
    )
    segment = Words(
        required=False,
        allow_blank=True,
        max_length=60,
        help_text=_("Key of the segment to compare with, if it exists."),
    )


class SegmentReviewBody(BodySerializer):
    answers = serializers.DictField(
        child=YesNo(), help_text=_("By question: %(known)s.") % {"known": ", ".join(QUESTIONS)}
    )
    note = Words(required=False, allow_blank=True, max_length=500, help_text=_("In your own words."))


class PriorityWeightsBody(BodySerializer):
    weights = serializers.DictField(
        child=WholeNumber(),
        help_text=_("Whole numbers from 0 to 100 by consideration: %(known)s.") % {"known": ", ".join(CONSIDERATIONS)},
    )


class MemberSerializer(serializers.Serializer[Any]):
    """A member."""

    id = serializers.IntegerField(source="account_id", help_text=_("Primary key of the account."))
    external_id = serializers.CharField(source="account.external_id", help_text=_("Its id in the source system."))
    name = serializers.CharField(source="account.name", help_text=_("Its name."))
    since = serializers.DateTimeField(source="start_at", help_text=_("When membership began."))
    until = serializers.DateTimeField(source="end_at", help_text=_("When it ends if nothing else happens; or null."))


class MembersSerializer(serializers.Serializer[Any]):
    """Members at a moment."""

    segment = serializers.CharField(help_text=_("Key of the segment."))
    as_of = serializers.DateTimeField(help_text=_("The moment."))
    size = serializers.IntegerField(help_text=_("How many members there are."))
    unknown = serializers.IntegerField(help_text=_("Accounts of which it is not known."))
    next_after = serializers.IntegerField(
        allow_null=True, help_text=_("Give it as `after` for the next ones; or null.")
    )
    accounts = MemberSerializer(many=True, help_text=_("By primary key, at most 1000."))


class SegmentViewSet(SettingsViewSet):
    """Segments. Saving rules makes a new version, in force at once; who is a member is worked out in the background."""

    api_tag = "segments"
    queryset = Segment.objects.select_related("created_by").prefetch_related(
        Prefetch("versions", SegmentVersion.objects.order_by("-number"))
    )
    serializer_class = SegmentSerializer
    filterset_class = make_filterset(
        Segment,
        without={
            "name": "shown in the reader's language",
            "description": "a text to read",
            "color": "for charts",
            "order": "the order of the list",
            "review_days": "a setting",
            "created_by": "shown",
        },
    )
    ordering = ("order", "id")
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = SegmentBody
    fixed = ("key",)
    rights = {
        "preview": ("segmentation.add_segment",),
        "review": ("segmentation.change_segment",),
        "health": ("segmentation.view_segment",),
        "performance": ("segmentation.view_segment", "journey.view_opportunity"),
        "compare": ("segmentation.view_segment", "segmentation.view_account"),
        "priority": ("segmentation.view_segment",),
        "weights": ("segmentation.change_priorityweight", "segmentation.add_priorityweight"),
        "audience": ("segmentation.view_segment", "segmentation.view_account"),
        "explain": ("segmentation.view_segment", "segmentation.view_account"),
    }
    bodies = {"preview": SegmentPreviewBody, "review": SegmentReviewBody, "weights": PriorityWeightsBody}
    answers = {
        "members": MembersSerializer,
        "explain": OpenApiTypes.OBJECT,
        "preview": OpenApiTypes.OBJECT,
        "health": OpenApiTypes.OBJECT,
        "performance": OpenApiTypes.OBJECT,
        "compare": OpenApiTypes.OBJECT,
        "priority": OpenApiTypes.OBJECT,
        "weights": OpenApiTypes.OBJECT,
        "review": OpenApiTypes.OBJECT,
        "versions": OpenApiTypes.OBJECT,
    }
    summaries = {
        "members": _("Members at a moment"),
        "audience": _("Its accounts, or the people in them, as a CSV file for advertising and mail tools"),
        "explain": _("Why an account is a member or not, with every figure"),
        "preview": _("Count what rules would hold now, without storing anything"),
        "health": _("Size, overlap, coverage, growth, customers inside and share of the pipeline of all segments"),
        "performance": _("Deals, revenue, velocity and retention of each segment against the rest"),
        "compare": _("Who would come in and leave from one version to another"),
        "priority": _("All segments ranked by seven weighted considerations, with what each adds and why"),
        "weights": _("Change what considerations weigh; those left out stay"),
        "review": _("Keep a review with answers to the health checklist"),
        "versions": _("Every version with its rules"),
    }
    parameters = {
        "audience": ("level", "emails"),
        "members": ("as_of", "after"),
        "explain": ("account", "as_of"),
        "performance": ("start", "end", "currency", "moment", "segment", "known_at", "format"),
        "compare": ("one", "other"),
    }

    def store(self, values: dict[str, Any], instance: Any = None) -> Segment:
        user = self.request.user
        details = {name: values[name] for name in DETAILS if name in values}
        if instance is None:
            create_segment(
                key=values["key"],
                rules=values["rules"],
                parent=values.get("parent", ""),
                note=values.get("note", ""),
                user=user,
                **details,
            )
            return Segment.objects.get(key=values["key"])
        if "rules" in values or "parent" in values:
            present = version_in_force(instance)
            save_rules(
                segment=instance,
                rules=values.get("rules", present.rules),
                parent=values.get("parent", present.parent),
                note=values.get("note", ""),
                user=user,
            )
        return change_details(segment=instance, **details)

    def remove(self, instance: Segment) -> None:
        delete_segment(key=instance.key)

    @extend_schema(
        parameters=[
            AS_OF,
            OpenApiParameter(
                "after", {"type": "integer", "minimum": 0}, description=_("Only accounts with a higher primary key.")
            ),
        ]
    )
    @action(detail=True)
    def members(self, request: Request, key: str) -> Response:
        segment = self.get_object()
        as_of = asked_moment(request, "as_of") or timezone.now()
        if current_segment_history(segment) is None:
            raise Problem(
                "conflict",
                _t("Who is in this segment was not worked out yet. Run manage.py replay, or wait for the next run."),
                code="no_history",
                field="segment",
                value=key,
            )
        after = whole_number(request, "after", 0, least=0)
        rows = members(segment, as_of, request.user).filter(account_id__gt=after).order_by("account_id")
        found = list(rows[: MOST_MEMBERS + 1])
        size = sizes_at(as_of, visible_accounts(request.user))[segment.key]
        more = len(found) > MOST_MEMBERS
        return Response(
            MembersSerializer(
                {
                    "segment": segment.key,
                    "as_of": as_of,
                    "size": size["members"],
                    "unknown": size["unknown"],
                    "next_after": found[MOST_MEMBERS - 1].account_id if more else None,
                    "accounts": found[:MOST_MEMBERS],
                }
            ).data
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("account", OpenApiTypes.STR, description=_("External id, domain, name or primary key.")),
            AS_OF,
        ]
    )
    @action(detail=True)
    def explain(self, request: Request, key: str) -> Response:
        self._unlimited(request)
        words = request.query_params.get("account", "")
        if not words.strip() or not words.isprintable():
            raise ValidationError({"account": [_t("Name an account.")]}, code="required")
        account = find_entity("account", words, request.user)
        return Response(
            explain_membership(account, self.get_object(), asked_moment(request, "as_of") or timezone.now())
        )

    @action(detail=True)
    def versions(self, request: Request, key: str) -> Response:
        self._unlimited(request)
        rows = self.get_object().versions.select_related("made_by").order_by("-number")
        return Response(
            [
                {
                    "number": row.number,
                    "parent": row.parent or None,
                    "rules": row.rules,
                    "note": row.note,
                    "made_at": row.made_at,
                    "made_by": row.made_by.username if row.made_by else None,
                }
                for row in rows
            ]
        )

    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        self._unlimited(request)
        given = SegmentPreviewBody.read(request)
        key, parent = given.get("segment", ""), given.get("parent", "")
        problems = segment_problems(key, parent, given["rules"])
        if problems:
            raise problems[0]
        return Response(segment_preview(key, parent, clean_document(given["rules"]), request.user))

    @action(detail=True, methods=["post"])
    def review(self, request: Request, key: str) -> Response | HttpResponse:
        def work() -> Response:
            given = SegmentReviewBody.read(request)
            review = review_segment(
                segment=self.get_object(), answers=given["answers"], note=given.get("note", ""), user=request.user
            )
            return Response({"answers": review.answers, "note": review.note}, 201)

        return once(request, work)

    @extend_schema(
        parameters=[
            OpenApiParameter("start", OpenApiTypes.DATETIME, required=True, description=_("The range begins with it.")),
            OpenApiParameter("end", OpenApiTypes.DATETIME, required=True, description=_("The range ends before it.")),
            OpenApiParameter(
                "currency", OpenApiTypes.STR, description=_("Of the amounts; the reporting currency when left out.")
            ),
            OpenApiParameter(
                "moment",
                {"type": "string", "enum": list(MOMENTS)},
                description=_("A deal counts by the memberships when it was opened (left out), or before it closed."),
            ),
            OpenApiParameter(
                "segment", OpenApiTypes.STR, description=_("Keys with commas; the active ones when left out.")
            ),
            OpenApiParameter(
                "known_at", OpenApiTypes.DATETIME, description=_("Only facts that were recorded by this moment.")
            ),
            FORMAT,
        ]
    )
    @action(detail=False)
    def performance(self, request: Request) -> Response | HttpResponse:
        moments = {name: asked_moment(request, name) for name in ("start", "end", "known_at")}
        for name in ("start", "end"):
            if moments[name] is None:
                raise ValidationError({name: [_t("Give the range by start and end.")]}, code="required")
        given = request.query_params
        report = segment_performance(
            performance_query(
                start=moments["start"],  # type: ignore[arg-type]
                end=moments["end"],  # type: ignore[arg-type]
                currency=given.get("currency", ""),
                moment=given.get("moment", "opened"),
                segments=[key.strip() for key in given.get("segment", "").split(",") if key.strip()],
                known_at=moments["known_at"],
                user=request.user,
            )
        )
        return answer(request, "segment-performance.csv", report.flat, report.as_dict)

    @extend_schema(
        parameters=[
            OpenApiParameter("one", {"type": "integer", "minimum": 1}, required=True, description=_("A version.")),
            OpenApiParameter("other", {"type": "integer", "minimum": 1}, required=True, description=_("Another one.")),
        ]
    )
    @action(detail=True)
    def compare(self, request: Request, key: str) -> Response:
        self._unlimited(request)
        segment = self.get_object()
        versions = []
        for name in ("one", "other"):
            number = whole_number(request, name, 0)
            version = segment.versions.select_related("segment").filter(number=min(number, 2**31 - 1)).first()
            if version is None:
                text = _t("The segment has no version %(number)s.") % {"number": number}
                raise ValidationError({name: [text]}, code="unknown_version")
            versions.append(version)
        found = compare_segment_versions(versions[0], versions[1], request.user)
        names = ("entering", "leaving")
        return Response(
            {
                "segment": segment.key,
                "one": versions[0].number,
                "other": versions[1].number,
                "accounts": found.accounts,
                "staying": found.count("staying"),
                "unknown": list(found.unknown),
                **{name: found.count(name) for name in names},
                **{
                    f"{name}_accounts": AccountReference(found.rows(name)[:MOST_MEMBERS], many=True).data
                    for name in names
                },
            }
        )

    @action(detail=False)
    def health(self, request: Request) -> Response:
        found = segment_health(user=request.user)
        found["uncovered"] = {name: value for name, value in found["uncovered"].items() if name != "sample"}
        return Response(found)

    @action(detail=False)
    def priority(self, request: Request) -> Response:
        return Response(segment_ranking(user=request.user).as_dict(reasons=not is_limited(request.user)))

    @action(detail=False, methods=["post"], url_path="priority/weights")
    def weights(self, request: Request) -> Response | HttpResponse:
        self._unlimited(request)

        def work() -> Response:
            given = PriorityWeightsBody.read(request)
            return Response({"weights": set_weights(weights=given["weights"], present=weights())})

        return once(request, work)

    @extend_schema(
        parameters=[
            OpenApiParameter("level", OpenApiTypes.STR, enum=LEVELS, description=_("Accounts (default) or contacts.")),
            OpenApiParameter("emails", OpenApiTypes.STR, enum=EMAILS, description=_("Hashed (default) or plain.")),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=True)
    def audience(self, request: Request, key: str) -> HttpResponse:
        segment = self.get_object()
        given = request.query_params
        asked = audience_export(segment, level=given.get("level", "accounts"), emails=given.get("emails", "hashed"))
        if not request.user.has_perms(asked.rights):
            rights = ", ".join(asked.rights)
            raise Problem("permission_denied", _t("You need the right %(rights)s.") % {"rights": rights})
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{asked.file_name}"'
        number = asked.write(response, timezone.now(), request.user)
        record_export(user=request.user, of=segment, file=asked.file_name, rows=number)
        return response

    def _unlimited(self, request: Request) -> None:
        if is_limited(request.user):  # rules may name accounts
            raise Problem("permission_denied", _t("You need the right %(rights)s.") % {"rights": EVERY_TEAM})
