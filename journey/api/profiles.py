"""Ideal customer profiles: versions and their items, what people answer, and how well accounts fit."""

from typing import Any

from django.db.models import Prefetch
from django.http import HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from journey.selectors.assessments import rule_sentence
from journey.selectors.profile_comparisons import compare_profile_versions
from journey.services.assessments import request_assessment
from segmentation.api.bodies import BodySerializer, KeyField, WholeNumber, Words, YesNo
from segmentation.api.errors import Problem
from segmentation.api.filters import make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import KeyOf, NameOf, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.engine.fit import GRADES
from segmentation.models import Account, IcpItem, IcpProfile, IcpVersion
from segmentation.selectors.access import is_limited, visible_to
from segmentation.services.profile_editing import discard_profile_draft, save_profile_draft, update_profile
from segmentation.services.profiles import create_profile, create_profile_draft, publish_profile_version

EXAMPLES = 20  # accounts a comparison names


# --- Profiles ------------------------------------------------------------------------------------------------------


class ProfileSerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    published = serializers.SerializerMethodField(help_text=_("Number of the version that counts; null: none yet."))
    draft = serializers.SerializerMethodField(help_text=_("Number of the draft; null: there is none."))

    class Meta:
        model = IcpProfile
        fields = ["id", "key", "name", "description", "published", "draft"]

    def get_published(self, profile: IcpProfile) -> int | None:
        return max((row.number for row in profile.versions.all() if not row.is_draft), default=None)

    def get_draft(self, profile: IcpProfile) -> int | None:
        return next((row.number for row in profile.versions.all() if row.is_draft), None)


class ProfileBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    description = Words(required=False, allow_blank=True, help_text=_("What the profile is for."))


class ProfileViewSet(SettingsViewSet):
    """What the best customers have in common. What a profile says at a time is in its versions."""

    api_tag = "profiles"
    queryset = IcpProfile.objects.prefetch_related("versions")
    serializer_class = ProfileSerializer
    filterset_class = make_filterset(
        IcpProfile, without={"description": "a text to read", "name": "shown in the reader's language"}
    )
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")
    body = ProfileBody
    fixed = ("key",)
    rights = {"create": ("segmentation.add_icpprofile", "segmentation.add_icpversion")}
    summaries = {"create": _("Make a profile with an empty draft")}

    def store(self, values: dict[str, Any], instance: Any = None) -> IcpProfile:
        if instance is not None:
            return update_profile(profile=instance, values=values)
        return create_profile(**values, user=self.request.user).profile


# --- Versions ------------------------------------------------------------------------------------------------------


class ItemSerializer(ShownSerializer):
    sentence = serializers.SerializerMethodField(help_text=_("The rule in words; empty where a person answers."))

    class Meta:
        model = IcpItem
        fields = [
            "key", "section", "text", "help", "kind", "rule", "sentence", "weight", "knock_out", "unknown",
        ]  # fmt: skip

    def get_sentence(self, item: IcpItem) -> str:
        return rule_sentence(item.rule)


class ProfileVersionSerializer(ShownSerializer):
    profile = KeyOf()
    created_by = NameOf()
    published_by = NameOf()

    class Meta:
        model = IcpVersion
        fields = [
            "id",
            "profile",
            "number",
            "state",
            "note",
            "created_at",
            "created_by",
            "published_at",
            "published_by",
        ]


class FullVersionSerializer(ProfileVersionSerializer):
    items = ItemSerializer(many=True, help_text=_("The checklist in its order."))

    class Meta(ProfileVersionSerializer.Meta):
        fields = [*ProfileVersionSerializer.Meta.fields, "items"]


class ItemBody(BodySerializer):
    """One question of a checklist."""

    key = Words(max_length=60, help_text=_("Answers belong to it: an item that keeps its key keeps its answers."))
    text = Words(max_length=300, help_text=_("A statement, true of an account that fits."))
    section = serializers.ChoiceField(
        choices=IcpItem.Section.choices, required=False, help_text=_("Under which heading it stands.")
    )
    help = Words(required=False, allow_blank=True, max_length=500, help_text=_("What to look at when answering."))
    kind = serializers.ChoiceField(choices=IcpItem.Kind.choices, required=False, help_text=_("Who answers, and how."))
    rule = serializers.DictField(
        required=False, allow_null=True, help_text=_("Of rule items: criteria as in the rules of a journey.")
    )
    weight = WholeNumber(
        required=False,
        min_value=0,
        max_value=1000,
        help_text=_("How much it counts beside the others. 0: shown, not counted."),
    )
    knock_out = YesNo(required=False, help_text=_("Whether failing it makes the fit 0."))
    unknown = serializers.ChoiceField(
        choices=IcpItem.Unknown.choices, required=False, help_text=_("What counts without an answer.")
    )


class DraftBody(BodySerializer):
    """What is changed of a draft."""

    note = Words(required=False, allow_blank=True, max_length=300, help_text=_("What changed and why."))
    items = ItemBody(many=True, required=False, help_text=_("All items in their order; they replace those there are."))


class NewDraftBody(BodySerializer):
    """Of which profile a draft is made."""

    profile = KeyField(IcpProfile, "profile", help_text=_("Key of the profile."))
    based_on = WholeNumber(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        help_text=_("Number of the version it begins as a copy of; the newest published one when left out."),
    )


class MovedSerializer(serializers.Serializer[Any]):
    """An account whose fit differs."""

    account = serializers.DictField(help_text=_("Primary key and name."))
    one = serializers.DictField(help_text=_("Score and grade by the one version; null: none."))
    other = serializers.DictField(help_text=_("Score and grade by the other version; null: none."))


class ComparisonSerializer(serializers.Serializer[Any]):
    """Two versions on the same accounts at the same moment."""

    one = serializers.IntegerField(help_text=_("Number of the one version."))
    other = serializers.IntegerField(help_text=_("Number of the other version."))
    accounts = serializers.IntegerField(help_text=_("Accounts compared: those you may see."))
    changed = serializers.IntegerField(help_text=_("Accounts whose grade differs."))
    mean = serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text=_("Mean fit by the one and the other version.")
    )
    grades = serializers.DictField(
        help_text=_("Accounts by grade of the one version, then of the other; “none” is no grade.")
    )
    examples = MovedSerializer(many=True, help_text=_("The accounts whose fit moves most."))


NO_GRADE = "none"


class ProfileVersionViewSet(ListMixin, StrictViewSet):
    """Checklists. A draft may be edited; a published version never changes."""

    api_tag = "profile-versions"
    queryset = IcpVersion.objects.select_related("profile", "created_by", "published_by")
    serializer_class = ProfileVersionSerializer
    filterset_class = make_filterset(
        IcpVersion,
        keyed={"profile": "key"},
        without={"note": "a text to read", "created_by": "shown", "published_by": "shown"},
    )
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    rights = {
        "create": ("segmentation.add_icpversion",),
        "publish": ("segmentation.publish_icpversion",),
        "compare": ("segmentation.view_icpversion", "segmentation.view_icpassessment"),
    }
    bodies = {"create": NewDraftBody, "partial_update": DraftBody, "publish": BodySerializer}
    answers = {
        "retrieve": FullVersionSerializer,
        "create": {201: FullVersionSerializer},
        "partial_update": FullVersionSerializer,
        "publish": FullVersionSerializer,
        "compare": ComparisonSerializer,
    }
    summaries = {
        "retrieve": _("Retrieve one with its items"),
        "create": _("Make a draft"),
        "partial_update": _("Edit a draft"),
        "destroy": _("Discard a draft"),
        "publish": _("Publish a draft; all accounts are assessed in the background"),
        "compare": _("Compare two versions on the same accounts"),
    }
    parameters = {"compare": ("with",)}

    def _full(self, version: Any) -> Any:
        items = Prefetch("items", IcpItem.objects.order_by("order", "id"))
        return FullVersionSerializer(self.get_queryset().prefetch_related(items).get(pk=version.pk)).data

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self._full(self.get_object()))

    def create(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            given = NewDraftBody.read(request)
            profile, number = given["profile"], given["based_on"]
            source = None if number is None else profile.versions.filter(number=number).first()
            if number is not None and source is None:
                raise ValidationError({"based_on": [_t("The profile has no such version.")]}, code="unknown_version")
            version = create_profile_draft(profile=profile, user=request.user, based_on=source)
            address = reverse("profile-version-detail", args=[version.pk], request=request)
            return Response(self._full(version), status.HTTP_201_CREATED, headers={"Location": address})

        return once(request, work)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        def work() -> Response:
            given = DraftBody.read(request, partial=True)
            return Response(self._full(save_profile_draft(version=self.get_object(), **given)))

        return once(request, work)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        discard_profile_draft(version=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response | HttpResponse:
        def work() -> Response:
            BodySerializer.read(request)
            version = publish_profile_version(version=self.get_object(), user=request.user)
            request_assessment(profile=version.profile, user=request.user)
            return Response(self._full(version))

        return once(request, work)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "with",
                {"type": "integer", "minimum": 1},
                description=_("Number of the other version of the profile; the one before when left out."),
            )
        ]
    )
    @action(detail=True)
    def compare(self, request: Request, pk: str) -> Response:
        version = self.get_object()
        one = self._other(version, request.query_params.get("with"))
        user = request.user
        visible = visible_to(Account.objects.all(), user)
        only = list(visible.values_list("pk", flat=True)) if is_limited(user) else None
        found = compare_profile_versions(one, version, only, EXAMPLES)
        return Response(
            {
                "one": one.number,
                "other": version.number,
                "accounts": found["accounts"],
                "changed": found["changed"],
                "mean": found["mean"],
                "grades": {
                    grade or NO_GRADE: {other or NO_GRADE: found["grades"][grade][other] for other in GRADES}
                    for grade in GRADES
                },
                "examples": [
                    {
                        "account": {"id": row["id"], "name": row["name"]},
                        **{side: {"score": row[side][0], "grade": row[side][1] or None} for side in ("one", "other")},
                    }
                    for row in found["examples"]
                ],
            }
        )

    def _other(self, version: IcpVersion, number: str | None) -> IcpVersion:
        rows = IcpVersion.objects.select_related("profile").filter(profile=version.profile_id)
        if number is None:
            found = rows.filter(number__lt=version.number).order_by("-number").first()
        else:
            usable = number.isascii() and number.isdecimal() and len(number) < 10
            found = rows.filter(number=int(number)).first() if usable else None
        if found is None:
            known = ", ".join(str(other) for other in rows.order_by("number").values_list("number", flat=True))
            raise Problem(
                "not_found",
                _t("The profile has no such version to compare with. There are: %(known)s.") % {"known": known},
                code="unknown_version",
                field="with",
                value=number,
            )
        return found


# --- Answers -------------------------------------------------------------------------------------------------------


# --- Assessments ---------------------------------------------------------------------------------------------------
