"""What people answered about accounts, and how well accounts fit."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from journey.selectors.assessments import assessment_details
from journey.services.assessments import assess, request_assessment
from segmentation.api.bodies import BodySerializer, KeyField, Words, accounts_field
from segmentation.api.filter_fields import WholeField, YesNoField
from segmentation.api.filters import AccountIdFilter, StrictFilter, TextFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.list_memberships import AsOfFilter
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import AccountReference, KeyOf, NameOf, ShownSerializer
from segmentation.errors import InvalidValueError
from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpProfile
from segmentation.selectors.access import visible_to
from segmentation.selectors.account_references import find_accounts
from segmentation.selectors.answers import other_answers, with_currency
from segmentation.selectors.profiles import published_profile_version
from segmentation.services.profiles import record_answers

MOST_ANSWERS = 100  # items answered by one request, each for up to 1000 accounts


class AnswerSerializer(ShownSerializer):
    profile = KeyOf()
    account = AccountReference()
    answered_by = NameOf()
    is_current = serializers.BooleanField(help_text=_("Whether it counts: it is the last one to its item."))

    class Meta:
        model = IcpAnswer
        fields = [
            "id",
            "profile",
            "item_key",
            "account",
            "kind",
            "value",
            "note",
            "answered_by",
            "answered_at",
            "is_current",
        ]


class EarlierAnswerSerializer(serializers.Serializer[Any]):
    """An answer that said something else until now. It is kept."""

    item_key = serializers.CharField(help_text=_("Key of the item."))
    account = AccountReference(help_text=_("The account."))
    value = serializers.IntegerField(help_text=_("What was answered: yes 1, no 0, or 1 to 5."))
    answered_by = NameOf(help_text=_("Who answered."))
    answered_at = serializers.DateTimeField(help_text=_("When."))


class AnsweredSerializer(serializers.Serializer[Any]):
    """What was stored."""

    stored = serializers.IntegerField(help_text=_("Answers stored, one for each account and item."))
    replaced = EarlierAnswerSerializer(
        many=True, help_text=_("Answers that said something else until now, with who gave them and when. All are kept.")
    )


class OneAnswerBody(BodySerializer):
    """One item answered for a batch of accounts."""

    item = Words(max_length=60, help_text=_("Key of the item in the published version of the profile."))
    accounts = accounts_field()
    value = serializers.JSONField(
        help_text=_("Yes true, no false; on a scale 1 to 5; null takes an earlier answer back."), allow_null=True
    )
    note = Words(
        required=False, default="", allow_blank=True, max_length=500, help_text=_("A description in your own words.")
    )


class AnswersBody(BodySerializer):
    """Answers for accounts."""

    profile = KeyField(IcpProfile, "profile", help_text=_("Key of the profile."))
    answers = serializers.ListField(
        child=OneAnswerBody(), allow_empty=False, max_length=MOST_ANSWERS, help_text=_("Up to 100.")
    )


class CurrentFilter(StrictFilter):
    """Answers that count."""

    def __init__(self) -> None:
        super().__init__(
            "is_current",
            "exact",
            YesNoField(),
            {"type": "boolean"},
            _("Does it count: is it the last one to its item?"),
        )


class ProfileAnswerViewSet(ListMixin, StrictViewSet):
    """What people answered. None is changed: of several answers, whoever gave them, the last counts; all are kept."""

    api_tag = "profile-answers"
    queryset = IcpAnswer.objects.select_related("profile", "account", "answered_by")
    serializer_class = AnswerSerializer
    filterset_class = make_filterset(
        IcpAnswer,
        also={
            "profile": TextFilter("profile__key", _("Key of the profile.")),
            "is_current": CurrentFilter(),
            "answered_by__username": TextFilter("answered_by__username", _("Who answered.")),
            "account__external_id": AccountIdFilter(),
        },
        without={"note": "a text to read", "txid": "of the change feed; means nothing outside"},
    )
    ordering = ("-answered_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {"create": ("segmentation.add_icpanswer",)}
    bodies = {"create": AnswersBody}
    answers = {"create": {201: AnsweredSerializer}}
    summaries = {"create": _("Answer items for accounts, which assesses them at once")}

    def get_queryset(self) -> QuerySet[Any]:
        return with_currency(super().get_queryset())

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Response | HttpResponse:
        return once(request, lambda: self._answer(request))

    def _answer(self, request: Request) -> Response:
        given = AnswersBody.read(request)
        version = published_profile_version(given["profile"])
        visible = visible_to(Account.objects.all(), request.user)
        touched: set[int] = set()
        stored, replaced = 0, []
        for place, answer in enumerate(given["answers"]):
            accounts = find_accounts(answer["accounts"], visible, f"answers.{place}.accounts")
            keys = [account.pk for account in accounts]
            item = version.items.filter(key=answer["item"]).first()
            before = other_answers(given["profile"], answer["item"], item.kind, keys, None) if item else []
            try:
                rows = record_answers(
                    version=version,
                    item_key=answer["item"],
                    accounts=accounts,
                    value=answer["value"],
                    note=answer["note"],
                    user=request.user,
                )
            except InvalidValueError as error:
                error.field = f"answers.{place}.{error.field}"
                raise
            stored += len(rows)
            replaced += [old for old in before if old.value != rows[0].value]
            touched.update(keys)
        assess(profile=given["profile"], account_ids=sorted(touched))
        document = {"stored": stored, "replaced": EarlierAnswerSerializer(replaced, many=True).data}
        return Response(document, status.HTTP_201_CREATED)


class AssessmentSerializer(ShownSerializer):
    profile = KeyOf(source="version.profile", help_text=_("Key of the profile."))
    version = serializers.IntegerField(source="version.number", help_text=_("Number of the version."))
    account = AccountReference()
    score = serializers.FloatField(allow_null=True)
    coverage = serializers.FloatField()
    grade = serializers.SerializerMethodField()
    reasons = serializers.DictField()

    class Meta:
        model = IcpAssessment
        fields = [
            "id",
            "profile",
            "version",
            "account",
            "score",
            "grade",
            "coverage",
            "reasons",
            "made_at",
            "ended_at",
            "due_at",
        ]

    def get_grade(self, row: IcpAssessment) -> str | None:
        return row.grade or None


class FullAssessmentSerializer(AssessmentSerializer):
    items = serializers.ListField(
        child=serializers.DictField(),
        help_text=_(
            "Each item: met, partly, unmet or unknown, its points, and everything answered to it,"
            " the last first, with who and when."
        ),
    )

    class Meta(AssessmentSerializer.Meta):
        fields = [*AssessmentSerializer.Meta.fields, "items"]


class AssessBody(BodySerializer):
    """What is assessed."""

    profile = KeyField(
        IcpProfile, "profile", required=False, allow_null=True, default=None, help_text=_("Key; all when left out.")
    )
    accounts = accounts_field(required=False)


class AssessedSerializer(serializers.Serializer[Any]):
    """What an assessment did."""

    profile = serializers.CharField(help_text=_("Key of the profile."))
    version = serializers.IntegerField(help_text=_("Number of the version."))
    mode = serializers.CharField(help_text=_("some: the accounts that were named."))
    accounts = serializers.IntegerField(help_text=_("Accounts it is about."))
    looked_at = serializers.IntegerField(help_text=_("Accounts of which the answers were found out anew."))
    changed = serializers.IntegerField(help_text=_("Accounts of which an answer changed; each has a new assessment."))
    grades = serializers.DictField(child=serializers.IntegerField(), help_text=_("Accounts by grade."))


class AssessmentViewSet(ListMixin, StrictViewSet):
    """How well accounts fit, from when until when: score, grade, how much is known, and the reasons."""

    api_tag = "assessments"
    queryset = IcpAssessment.objects.select_related("version__profile", "account")
    serializer_class = AssessmentSerializer
    filterset_class = make_filterset(
        IcpAssessment,
        also={
            "profile": TextFilter("version__profile__key", _("Key of the profile.")),
            "version__number": StrictFilter(
                "version__number", "exact", WholeField(), {"type": "integer"}, _("Number of the version.")
            ),
            "as_of": AsOfFilter("made_at", "ended_at"),
            "account__external_id": AccountIdFilter(),
        },
        without={
            "reasons": "shown",
            "fingerprint": "of all answers together; means nothing outside",
            "txid": "of the change feed; means nothing outside",
        },
    )
    ordering = ("-made_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {"assess": ("segmentation.change_icpversion",)}
    bodies = {"assess": AssessBody}
    answers = {
        "retrieve": FullAssessmentSerializer,
        "assess": {200: AssessedSerializer(many=True), 202: OpenApiTypes.OBJECT},
    }
    summaries = {
        "retrieve": _("Retrieve one with every item, its answers and who gave them"),
        "assess": _("Assess accounts now; without accounts all of them, in the background"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        document = self.get_serializer(row).data
        return Response({**document, "items": assessment_details(row)["items"]})

    @action(detail=False, methods=["post"])
    def assess(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            given = AssessBody.read(request)
            if "accounts" not in given:
                job = request_assessment(profile=given["profile"], user=request.user)
                return Response({"job": job.pk, "state": job.state}, status.HTTP_202_ACCEPTED)
            accounts = find_accounts(given["accounts"], visible_to(Account.objects.all(), request.user))
            found = assess(profile=given["profile"], account_ids=[account.pk for account in accounts])
            return Response([result.as_dict() for result in found])

        return once(request, work)
