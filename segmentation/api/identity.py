"""Accounts that may be one company, merges and their undo, and which accounts names and domains mean."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.bodies import AccountWord, BodySerializer, Words, YesNo, keys_field, rows_of
from segmentation.api.filters import make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import MAX_RECORDS, AccountReference, NameOf, ShownSerializer
from segmentation.identity.matching import Asked
from segmentation.models import Account, AccountMerge, DuplicateCandidate
from segmentation.selectors.access import is_limited, visible_to
from segmentation.selectors.account_references import find_accounts
from segmentation.selectors.duplicates import reason_text
from segmentation.selectors.matching import FIELDS, match_rows, status_counts
from segmentation.services.duplicates import decline_duplicates, reopen_duplicates, request_search
from segmentation.services.merging import merge_accounts, undo_merge
from segmentation.services.merging.merge import refuse_same
from segmentation.services.merging.preview import merge_preview

NOTE = Words(
    required=False,
    default="",
    allow_blank=True,
    max_length=300,
    help_text=_("Why, in a person's own words; shown wherever somebody asks why."),
)


class ReasonSerializer(serializers.Serializer[Any]):
    """A reason why two accounts may be one company."""

    code = serializers.CharField(
        help_text=_("same_domain, same_name, similar_name, mail_domain or shared_people; more may come.")
    )
    value = serializers.CharField(help_text=_("What they share."))
    text = serializers.CharField(help_text=_("The reason in words."))


def _reasons(row: Any) -> list[dict[str, str]]:
    return [{"code": code, "value": value, "text": reason_text(code, value)} for code, value in row.reasons]


# --- Possible duplicates -------------------------------------------------------------------------------------------


class DuplicateSerializer(ShownSerializer):
    first = AccountReference()
    second = AccountReference()
    score = serializers.FloatField(help_text=_("From 0 to 1: how likely it is that both are one company."))
    reasons = serializers.SerializerMethodField()
    decided_by = NameOf()

    class Meta:
        model = DuplicateCandidate
        fields = [
            "id",
            "first",
            "second",
            "score",
            "reasons",
            "state",
            "note",
            "decided_by",
            "decided_at",
            "found_at",
        ]

    def get_reasons(self, row: DuplicateCandidate) -> ReasonSerializer(many=True):  # type: ignore[valid-type]
        return _reasons(row)


class DeclineBody(BodySerializer):
    """Pairs that are not the same company."""

    duplicates = keys_field(_("Primary keys of possible duplicates, up to 1000."))
    note = NOTE


class ReopenBody(BodySerializer):
    """Declined pairs to be looked at again."""

    duplicates = keys_field(_("Primary keys of declined pairs, up to 1000."))


class DuplicatesSerializer(serializers.Serializer[Any]):
    """Pairs as they stand now."""

    changed = DuplicateSerializer(many=True, help_text=_("The pairs that were changed."))


class SearchSerializer(serializers.Serializer[Any]):
    """A search that was queued."""

    job = serializers.IntegerField(help_text=_("Primary key of the job; the admin shows how far it is."))


class DuplicateViewSet(ListMixin, StrictViewSet):
    """Pairs of accounts that may be one company, with the reasons; the most likely first."""

    api_tag = "duplicates"
    queryset = DuplicateCandidate.objects.select_related("first", "second", "decided_by")
    serializer_class = DuplicateSerializer
    filterset_class = make_filterset(
        DuplicateCandidate,
        without={"reasons": "a list to read", "note": "a text to read", "decided_by": "shown", "fingerprint": "inside"},
    )
    ordering = ("-score", "id")
    lookup_value_regex = r"\d{1,18}"
    rights = {
        "decline": ("segmentation.change_duplicatecandidate",),
        "reopen": ("segmentation.change_duplicatecandidate",),
        "search": ("segmentation.change_duplicatecandidate",),
    }
    bodies = {"decline": DeclineBody, "reopen": ReopenBody}
    answers = {"decline": DuplicatesSerializer, "reopen": DuplicatesSerializer, "search": {202: SearchSerializer}}
    summaries = {
        "list": _("List"),
        "decline": _("Say that pairs are not the same company"),
        "reopen": _("Put declined pairs back into the queue"),
        "search": _("Look for duplicates among all accounts"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def _decide(self, request: Request, body: type[BodySerializer], verb: Any) -> Response | HttpResponse:
        def work() -> Response:
            given = body.read(request)
            rows = rows_of(self.get_queryset(), given.pop("duplicates"), "duplicates")
            changed = verb(candidates=rows, user=request.user, **given)
            shown = self.get_queryset().filter(pk__in=[row.pk for row in changed]).order_by("pk")
            return Response({"changed": DuplicateSerializer(shown, many=True).data})

        return once(request, work)

    @action(detail=False, methods=["post"])
    def decline(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, DeclineBody, decline_duplicates)

    @action(detail=False, methods=["post"])
    def reopen(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, ReopenBody, reopen_duplicates)

    @action(detail=False, methods=["post"])
    def search(self, request: Request) -> Response | HttpResponse:
        return once(request, lambda: Response({"job": request_search(user=request.user).pk}, status.HTTP_202_ACCEPTED))


# --- Merges --------------------------------------------------------------------------------------------------------


class MergeSerializer(ShownSerializer):
    account = AccountReference(allow_null=True)
    reasons = serializers.SerializerMethodField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text=_("By table: facts that were moved."))
    absorbed_row = serializers.DictField(help_text=_("The fields of the merged account as they were."))
    before = serializers.DictField(help_text=_("The fields of the survivor before."))
    after = serializers.DictField(help_text=_("The fields of the survivor afterwards."))
    merged_by = NameOf()
    undone_by = NameOf()

    class Meta:
        model = AccountMerge
        fields = [
            "id",
            "account",
            "survivor_key",
            "survivor_name",
            "absorbed_key",
            "name",
            "domain",
            "source_system",
            "external_id",
            "taken",
            "counts",
            "note",
            "reasons",
            "absorbed_row",
            "before",
            "after",
            "merged_at",
            "merged_by",
            "undone_at",
            "undone_by",
        ]

    def get_reasons(self, row: AccountMerge) -> ReasonSerializer(many=True):  # type: ignore[valid-type]
        return _reasons(row)


class SideBySide(serializers.Serializer[Any]):
    """A field of both accounts."""

    field = serializers.CharField(help_text=_("Its name."))
    label = serializers.CharField(help_text=_("As people read it."))  # type: ignore[assignment]
    values = serializers.ListField(child=serializers.CharField(), help_text=_("Of the first and of the second."))


class FactNumbers(serializers.Serializer[Any]):
    """How many facts of a kind both have."""

    what = serializers.CharField(help_text=_("What is counted."))
    numbers = serializers.ListField(child=serializers.IntegerField(), help_text=_("Of the first and of the second."))


class PreviewSerializer(serializers.Serializer[Any]):
    """Two accounts before they are merged."""

    accounts = serializers.ListField(child=serializers.IntegerField(), help_text=_("Their primary keys."))
    compared = SideBySide(many=True, help_text=_("Fields of which one value stays."))
    lists = SideBySide(many=True, help_text=_("Lists that are put together."))
    facts = FactNumbers(many=True, help_text=_("Facts that are put together."))
    warnings = serializers.ListField(child=serializers.CharField(), help_text=_("What speaks against it."))


class MergeBody(BodySerializer):
    """Two accounts that are one company."""

    survivor = AccountWord(
        help_text=_("The account that stays: primary key as a number, or external id, domain or exact name as a text.")
    )
    absorbed = AccountWord(help_text=_("The account whose facts it gets and which is no more afterwards."))
    take = serializers.ListField(
        child=Words(max_length=80),
        required=False,
        default=list,
        max_length=200,
        help_text=_("Fields whose value is to be the merged account's, such as industry or custom.segment."),
    )
    note = NOTE


class UndoBody(BodySerializer):
    """How a merge is undone."""

    keep_newer = YesNo(
        required=False,
        default=False,
        help_text=_("true: facts that came since the merge stay with the survivor; otherwise they forbid the undo."),
    )


class MergeViewSet(ListMixin, StrictViewSet):
    """Accounts that were made one, and back again. Nothing is lost: both can be had as they were."""

    api_tag = "merges"
    queryset = AccountMerge.objects.select_related("account", "merged_by", "undone_by")
    serializer_class = MergeSerializer
    filterset_class = make_filterset(
        AccountMerge,
        without={
            "taken": "a list to read",
            "counts": "to read",
            "note": "a text to read",
            "reasons": "a list to read",
            "absorbed_row": "to read",
            "before": "to read",
            "after": "to read",
            "merged_by": "shown",
            "undone_by": "shown",
            "survivor_name": "the account is asked for",
        },
    )
    ordering = ("-merged_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {
        "preview": ("segmentation.view_accountmerge", "segmentation.view_account"),
        "create": ("segmentation.add_accountmerge", "segmentation.change_account"),
        "undo": ("segmentation.change_accountmerge", "segmentation.change_account"),
    }
    bodies = {"create": MergeBody, "undo": UndoBody}
    parameters = {"preview": ("first", "second")}
    answers = {"create": {201: MergeSerializer}, "undo": MergeSerializer, "preview": PreviewSerializer}
    summaries = {
        "list": _("List"),
        "preview": _("Compare two accounts, and what a merge would move"),
        "create": _("Make two accounts one"),
        "undo": _("Make two accounts of one again"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            given = MergeBody.read(request)
            mine = visible_to(Account.objects.all(), request.user)
            for name in ("survivor", "absorbed"):
                (given[name],) = find_accounts([given[name]], mine, field=name)
            merge = merge_accounts(**given, user=request.user)
            return Response(self.get_serializer(self.get_queryset().get(pk=merge.pk)).data, status.HTTP_201_CREATED)

        return once(request, work)

    @extend_schema(
        parameters=[
            OpenApiParameter(name, OpenApiTypes.STR, required=True, description=text)
            for name, text in (
                ("first", _("An account: “#7” for a primary key, or external id, domain or exact name.")),
                ("second", _("The other account.")),
            )
        ]
    )
    @action(detail=False)
    def preview(self, request: Request) -> Response:
        """Compare two accounts, and what a merge would move."""
        mine = visible_to(Account.objects.select_related("team", "parent"), request.user)
        first, second = (
            find_accounts([request.query_params.get(name, "")], mine, field=name)[0] for name in ("first", "second")
        )
        refuse_same(first, second, field="second")
        return Response(PreviewSerializer(merge_preview(first, second).as_dict()).data)

    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        def work() -> Response:
            given = UndoBody.read(request)
            merge = self.get_object()
            undo_merge(merge=merge, user=request.user, **given)
            return Response(self.get_serializer(self.get_queryset().get(pk=merge.pk)).data)

        return once(request, work)


# --- Which accounts are meant --------------------------------------------------------------------------------------


class AskedBody(BodySerializer):
    """Who is looked for; at least a name, a domain or a mail address."""

    name = Words(required=False, default="", allow_blank=True, max_length=300, help_text=_("Name of the company."))
    domain = Words(
        required=False, default="", allow_blank=True, max_length=2000, help_text=_("Domain or address of a page.")
    )
    email = Words(
        required=False,
        default="",
        allow_blank=True,
        max_length=254,
        help_text=_("Mail address of somebody there; free mail tells no company."),
    )
    country = Words(
        required=False, default="", allow_blank=True, max_length=80, help_text=_("Tells companies of one name apart.")
    )


class MatchBody(BodySerializer):
    """Companies from elsewhere."""

    records = serializers.ListField(
        child=AskedBody(), allow_empty=False, max_length=MAX_RECORDS, help_text=_("Up to 1000 companies.")
    )


class AccountIdentity(AccountReference):
    """An account and what tells it from others."""

    domain = serializers.CharField(help_text=_("Its domain."))

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return dict(instance)


class MatchedSerializer(serializers.Serializer[Any]):
    """Which account is meant."""

    status = serializers.ChoiceField(
        choices=["match", "ambiguous", "none"], help_text=_("Whether one account is meant, several may be, or none.")
    )
    code = serializers.CharField(help_text=_("The reason as a word for programs."))
    reason = serializers.CharField(help_text=_("The reason in words."))
    account = AccountIdentity(allow_null=True, help_text=_("The account of a match."))
    candidates = AccountIdentity(many=True, help_text=_("Accounts that may be meant, up to five."))


class MatchesSerializer(serializers.Serializer[Any]):
    """Which accounts are meant."""

    counts = serializers.DictField(child=serializers.IntegerField(), help_text=_("Records by status."))
    results = MatchedSerializer(many=True, help_text=_("One for each record, in their order."))


class MatchViewSet(StrictViewSet):
    """Which accounts names and domains mean. Nothing is stored."""

    api_tag = "matches"
    queryset = Account.objects.all()
    serializer_class = MatchedSerializer
    pagination_class = None
    rights = {"create": ("segmentation.view_account",)}
    bodies = {"create": MatchBody}
    answers = {"create": MatchesSerializer}
    summaries = {"create": _("Say which accounts names and domains mean")}

    def create(self, request: Request) -> Response:
        given = MatchBody.read(request)
        asked = [Asked(**{name: one[name] for name in FIELDS}) for one in given["records"]]
        mine = self.get_queryset() if is_limited(request.user) else None
        results = match_rows(asked, mine)
        return Response({"counts": status_counts(results), "results": MatchedSerializer(results, many=True).data})


__all__ = ["DuplicateViewSet", "MatchViewSet", "MergeViewSet"]
