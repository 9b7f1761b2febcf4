"""Target account lists, who is on them, what sales propose, quotas and reasons."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.bodies import (
    BodySerializer,
    KeyField,
    SinceBody,
    TierField,
    UserField,
    WholeNumber,
    WhyBody,
    Words,
    YesNo,
    accounts_field,
    keys_field,
    rows_of,
)
from segmentation.api.filter_fields import InstantField, YesNoField
from segmentation.api.filters import AccountIdFilter, SearchFilter, StrictFilter, TextFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import AccountReference, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import (
    Account,
    DisqualificationRequest,
    ListMembership,
    MembershipReason,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES, QuotaKind
from segmentation.selectors.access import is_limited, own_team_rows, own_teams, visible_to
from segmentation.selectors.account_references import find_accounts
from segmentation.selectors.own_accounts import own_requests, withdrawable
from segmentation.selectors.own_accounts import proposable as team_proposable
from segmentation.selectors.quotas import own_places, with_places
from segmentation.selectors.target_lists import with_counts
from segmentation.services.list_settings import store_list, store_reason
from segmentation.services.target_lists import (
    add_accounts,
    change_tier,
    disqualify_members,
    propose_accounts,
    propose_disqualification,
    recycle_members,
    remove_members,
    resume_members,
    review_disqualifications,
    review_proposals,
    set_quota,
    withdraw_disqualifications,
    withdraw_proposals,
)

MOST_HISTORY = 200  # rows of the history of one membership that are shown


class NameOf(serializers.CharField):
    """A person by the name they sign in with."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_null=True, read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value.get_username()


class KeyOf(serializers.CharField):
    """A row by its key."""

    def __init__(self, **kwargs: Any):
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value.key


# --- Lists and reasons ---------------------------------------------------------------------------------------------


class TargetListSerializer(ShownSerializer):
    members = serializers.IntegerField(source="n_members", help_text=_("Accounts active or recycling now."))
    proposed = serializers.IntegerField(source="n_proposed", help_text=_("Proposals that wait for review."))

    class Meta:
        model = TargetList
        fields = [
            "id",
            "key",
            "name",
            "description",
            "tier",
            "active",
            "review_every_days",
            "stale_after_days",
            "accounts_per_rep",
            "created_at",
            "members",
            "proposed",
        ]


class TargetListBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    description = Words(required=False, allow_blank=True, max_length=300, help_text=_("What the list is for."))
    tier = TierField(required=False, help_text=_("Tier of its accounts; null: none."))
    active = YesNo(required=False, help_text=_("An inactive list takes no more accounts."))
    review_every_days = WholeNumber(
        required=False, allow_null=True, help_text=_("Days from one review of the list to the next; null: no reminder.")
    )
    stale_after_days = WholeNumber(
        required=False, help_text=_("Days without activity and movement that make an active account stale.")
    )
    accounts_per_rep = WholeNumber(required=False, help_text=_("Accounts a sales rep can work at a time."))


class TargetListViewSet(SettingsViewSet):
    """Named lists of accounts worth the effort. Numbers are those of the accounts the user may see."""

    api_tag = "target-lists"
    queryset = TargetList.objects.all()
    serializer_class = TargetListSerializer
    filterset_class = make_filterset(
        TargetList,
        also={"search": SearchFilter("name", "key", help_text=_("Text in name or key, whatever the case."))},
        without={"description": "a text to read"},
    )
    ordering = ("name", "id")
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")
    body = TargetListBody
    fixed = ("key",)
    rights = {"create": ("segmentation.add_targetlist",)}

    def get_queryset(self) -> QuerySet[Any]:
        return with_counts(super().get_queryset(), visible_to(ListMembership.objects.all(), self.request.user))

    def store(self, values: dict[str, Any], instance: Any = None) -> TargetList:
        return store_list(values=values, target_list=instance)


class MembershipReasonSerializer(ShownSerializer):
    class Meta:
        model = MembershipReason
        fields = ["id", "key", "name", "use", "active"]


class MembershipReasonBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    use = serializers.ChoiceField(
        choices=MembershipReason.Use.choices,
        required=False,
        allow_blank=True,
        help_text=_("The decision it is meant for; empty: it fits every one."),
    )
    active = YesNo(required=False, help_text=_("Inactive reasons are not offered any more."))


class MembershipReasonViewSet(SettingsViewSet):
    """Reasons people choose from when they decide about members of a list."""

    api_tag = "membership-reasons"
    queryset = MembershipReason.objects.all()
    serializer_class = MembershipReasonSerializer
    filterset_class = make_filterset(MembershipReason)
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")
    body = MembershipReasonBody
    fixed = ("key",)
    rights = {"create": ("segmentation.add_membershipreason",)}

    def store(self, values: dict[str, Any], instance: Any = None) -> MembershipReason:
        return store_reason(values=values, reason=instance)


# --- Memberships ---------------------------------------------------------------------------------------------------


class MembershipSerializer(ShownSerializer):
    target_list = KeyOf()
    account = AccountReference()
    effective_tier = serializers.SerializerMethodField(help_text=_("The tier on the list, else the tier of the list."))
    reason = KeyOf()
    team = KeyOf()
    rep = NameOf()
    set_by = NameOf()
    decided_by = NameOf()
    ended_by = NameOf()

    class Meta:
        model = ListMembership
        fields = [
            "id",
            "target_list",
            "account",
            "state",
            "tier",
            "effective_tier",
            "start_at",
            "end_at",
            "reason",
            "note",
            "team",
            "rep",
            "set_by",
            "decided_by",
            "ended_by",
            "recorded_at",
        ]

    def get_effective_tier(self, row: ListMembership) -> int | None:
        return row.tier or row.target_list.tier


class MembershipHistorySerializer(MembershipSerializer):
    history = serializers.SerializerMethodField(
        help_text=_("All states of the account on this list, the last first: who, when and why.")
    )

    class Meta(MembershipSerializer.Meta):
        fields = [*MembershipSerializer.Meta.fields, "history"]

    def get_history(self, row: ListMembership) -> Any:
        rows = self.context["view"].get_queryset().filter(target_list=row.target_list_id, account=row.account_id)
        return MembershipSerializer(rows.order_by("-start_at", "-id")[:MOST_HISTORY], many=True).data


class AsOfFilter(StrictFilter):
    """What was in force at a moment."""

    def __init__(self, start: str = "start_at", end: str = "end_at") -> None:
        self.start, self.end = start, end
        super().__init__(
            start,
            "as_of",
            InstantField(),
            {"type": "string", "format": "date-time"},
            _("What was in force at this moment; a day is its beginning."),
        )

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(
            Q(**{f"{self.end}__gt": value}) | Q(**{f"{self.end}__isnull": True}), **{f"{self.start}__lte": value}
        )


class HoldingFilter(StrictFilter):
    """Whether a row in force holds a place of a quota."""

    def __init__(self) -> None:
        super().__init__(
            "team",
            "holding",
            YesNoField(),
            {"type": "boolean"},
            _("Does it hold a place of a quota now?"),
        )

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        holds = Q(team__isnull=False, end_at__isnull=True, state__in=HOLDING_STATES)
        return qs.filter(holds if value else ~holds)


PERSONS = dict.fromkeys(("set_by", "decided_by", "ended_by"), "by name where it matters; who did what is shown")
MembershipFilterSet = make_filterset(
    ListMembership,
    keyed={"target_list": "key", "team": "key", "reason": "key"},
    also={
        "as_of": AsOfFilter(),
        "holds_place": HoldingFilter(),
        "account__external_id": AccountIdFilter(),
        "rep__username": TextFilter("rep__username", _("The rep, by the name they sign in with.")),
        "search": SearchFilter("account__name", "note", help_text=_("Text in the account's name or the note.")),
    },
    without={**PERSONS, "note": "searched with “search”"},
)


def visible_accounts_of(user: Any) -> QuerySet[Account]:
    """Return the accounts somebody may decide about."""
    return visible_to(Account.objects.all(), user)


def proposable(user: Any) -> QuerySet[Account]:
    """Return the accounts somebody may propose: reps also those of no team, which any team may ask for."""
    teams = own_teams(user)
    if teams is None:
        return Account.objects.all()
    return team_proposable(teams)


def asking_team(given: SalesTeam | None, user: Any) -> SalesTeam | None:
    """Return the team somebody asks for: the one given, else the only one a rep belongs to.

    Raises:
        ValidationError: a rep of several teams did not say for which.
    """
    if given is not None or not is_limited(user):
        return given
    teams = own_team_rows(user)
    if len(teams) != 1:
        raise serializers.ValidationError({"team": [_("Say for which of your sales teams.")]}, code="required")
    return teams[0]


class ListBody(WhyBody):
    target_list = KeyField(TargetList, "list", help_text=_("Key of the list."))
    accounts = accounts_field()
    tier = TierField(required=False, default=None, help_text=_("Tier on the list; null: that of the list."))


class AddBody(SinceBody, ListBody):
    """Accounts marketing puts on a list."""


class ProposeBody(ListBody):
    """Accounts sales propose."""

    team = KeyField(
        SalesTeam,
        "team",
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Key of the sales team whose places are taken; members of one team may leave it out."),
    )
    rep = UserField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("The rep whose places are taken as well. Reps propose for themselves."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        user = self.context["request"].user
        attrs["team"] = asking_team(attrs["team"], user)
        if is_limited(user):
            if attrs["rep"] not in (None, user):
                raise serializers.ValidationError({"rep": [_("Propose for yourself: leave it out.")]}, code="other_rep")
            attrs["rep"] = user  # otherwise a limit of one's own would not count
        if attrs["team"] is None:
            raise serializers.ValidationError({"team": [_("Say for which sales team.")]}, code="required")
        return attrs


class MembersBody(WhyBody):
    """Memberships something is decided about."""

    memberships = keys_field(_("Primary keys of memberships in force, up to 1000."))


class DatedMembersBody(SinceBody, MembersBody):
    """The same, from a time on."""


class ReviewBody(MembersBody):
    """What marketing says to proposals."""

    accept = YesNo(help_text=_("true: they come onto the list; false: they do not, and their place is free."))


class TierBody(DatedMembersBody):
    """Another tier."""

    tier = TierField(help_text=_("The new tier on the list; null: that of the list."))


class ResumeBody(SinceBody, BodySerializer):
    """Members that are not paused any more."""

    memberships = keys_field(_("Primary keys of memberships in force, up to 1000."))
    note = Words(required=False, default="", allow_blank=True, max_length=300, help_text=_("Why, if there is to say."))


class ChangedSerializer(serializers.Serializer[Any]):
    """What began."""

    changed = MembershipSerializer(many=True, help_text=_("The memberships that began, one for each account."))


def _shown_rows(view: Any, rows: list[Any]) -> list[Any]:
    """Return rows that were just written with all they are shown with: read again, unless they were made of it."""
    links = [field for field in view.queryset.model._meta.concrete_fields if field.is_relation]
    if all(field.is_cached(row) or getattr(row, field.attname) is None for row in rows for field in links):
        return rows
    found = type(view).queryset.in_bulk([row.pk for row in rows])
    return [found[row.pk] for row in rows]


VERBS = ("add", "propose", "review", "withdraw", "pause", "resume", "remove", "disqualify", "change_tier")
ADD, CHANGE = "segmentation.add_listmembership", "segmentation.change_listmembership"
PROPOSE = f"segmentation.propose_listmembership|{ADD}"


class ListMembershipViewSet(ListMixin, StrictViewSet):
    """States of accounts on lists, each from when until when. Decisions take batches: all of it or nothing."""

    api_tag = "list-memberships"
    queryset = ListMembership.objects.select_related(
        "target_list", "account", "reason", "team", "rep", "set_by", "decided_by", "ended_by"
    )
    serializer_class = MembershipSerializer
    filterset_class = MembershipFilterSet
    ordering = ("-start_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {
        **dict.fromkeys(VERBS, (CHANGE,)),
        "add": (ADD,),
        "propose": (PROPOSE,),
        "withdraw": (PROPOSE,),
    }
    bodies = {
        "add": AddBody,
        "propose": ProposeBody,
        "review": ReviewBody,
        "withdraw": MembersBody,
        "pause": DatedMembersBody,
        "resume": ResumeBody,
        "remove": DatedMembersBody,
        "disqualify": DatedMembersBody,
        "change_tier": TierBody,
    }
    answers = {**dict.fromkeys(VERBS, ChangedSerializer), "retrieve": MembershipHistorySerializer}
    summaries = {
        "retrieve": _("Retrieve one with the history of the account on the list"),
        "add": _("Put accounts on a list by a decision of marketing"),
        "propose": _("Propose accounts for a sales team: takes places of its quota"),
        "review": _("Accept or refuse proposals"),
        "withdraw": _("Take proposals back: their places are free"),
        "pause": _("Pause members: recycling, the place is kept"),
        "resume": _("Make paused members active again"),
        "remove": _("Take accounts off their list"),
        "disqualify": _("Disqualify accounts on their list by a decision of marketing"),
        "change_tier": _("Give members another tier on their list"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(MembershipHistorySerializer(self.get_object(), context=self.get_serializer_context()).data)

    def _decide(self, request: Request, verb: Callable[..., list[ListMembership]]) -> Response | HttpResponse:
        """Call a verb of the service with what the body says, as the user of the request."""

        def work() -> Response:
            given = self.bodies[self.action].read(request)
            if "accounts" in given:
                accounts = proposable if self.action == "propose" else visible_accounts_of
                # What else they are is read again by the service, under lock.
                given["accounts"] = find_accounts(given["accounts"], accounts(request.user).only("pk"))
            if "memberships" in given:
                rows = self.get_queryset()
                reach = withdrawable(rows, request.user) if self.action == "withdraw" else rows
                given["memberships"] = rows_of(reach, given["memberships"], "memberships")
            changed = _shown_rows(self, verb(**given, user=request.user))
            return Response({"changed": MembershipSerializer.shown(changed)})

        return once(request, work, is_one_service=True)

    @action(detail=False, methods=["post"])
    def add(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, add_accounts)

    @action(detail=False, methods=["post"])
    def propose(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, propose_accounts)

    @action(detail=False, methods=["post"])
    def review(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, review_proposals)

    @action(detail=False, methods=["post"])
    def withdraw(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, withdraw_proposals)

    @action(detail=False, methods=["post"])
    def pause(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, recycle_members)

    @action(detail=False, methods=["post"])
    def resume(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, resume_members)

    @action(detail=False, methods=["post"])
    def remove(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, remove_members)

    @action(detail=False, methods=["post"])
    def disqualify(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, disqualify_members)

    @action(detail=False, methods=["post"], url_path="change-tier")
    def change_tier(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, change_tier)


# --- Requests to disqualify ----------------------------------------------------------------------------------------


class RequestSerializer(ShownSerializer):
    target_list = KeyOf()
    account = AccountReference()
    team = KeyOf()
    reason = KeyOf()
    asked_by = NameOf()
    decided_by = NameOf()

    class Meta:
        model = DisqualificationRequest
        fields = [
            "id",
            "target_list",
            "account",
            "team",
            "reason",
            "note",
            "asked_by",
            "asked_at",
            "decision",
            "decided_by",
            "decided_at",
            "decision_note",
        ]


class AskBody(WhyBody):
    """Accounts of a list that sales want to be disqualified."""

    target_list = KeyField(TargetList, "list", help_text=_("Key of the list."))
    accounts = accounts_field()
    team = KeyField(
        SalesTeam,
        "team",
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Key of the sales team that asks; members of one team may leave it out."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"team": asking_team(attrs["team"], self.context["request"].user)}


class DecideBody(BodySerializer):
    """What marketing says to requests."""

    requests = keys_field(_("Primary keys of open requests, up to 1000."))
    accept = YesNo(help_text=_("true: the accounts leave their list and their places are free; false: they stay."))
    note = Words(
        required=False, default="", allow_blank=True, max_length=300, help_text=_("Why; needed for a refusal.")
    )


class WithdrawBody(BodySerializer):
    """Requests that are taken back."""

    requests = keys_field(_("Primary keys of open requests, up to 1000."))
    note = Words(required=False, default="", allow_blank=True, max_length=300, help_text=_("Why, if there is to say."))


class RequestsSerializer(serializers.Serializer[Any]):
    """Requests as they stand now."""

    changed = RequestSerializer(many=True, help_text=_("The requests, one for each account."))


class DisqualificationRequestViewSet(ListMixin, StrictViewSet):
    """What sales ask marketing to disqualify. Until it is decided the membership stays and the place is held."""

    api_tag = "disqualification-requests"
    queryset = DisqualificationRequest.objects.select_related(
        "target_list", "account", "reason", "team", "asked_by", "decided_by"
    )
    serializer_class = RequestSerializer
    filterset_class = make_filterset(
        DisqualificationRequest,
        keyed={"target_list": "key", "team": "key", "reason": "key"},
        also={"account__external_id": AccountIdFilter()},
        without={
            "note": "a text to read",
            "decision_note": "a text to read",
            "asked_by": "shown; teams ask",
            "decided_by": "shown",
        },
    )
    ordering = ("-asked_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {
        "create": ("segmentation.add_disqualificationrequest",),
        "review": ("segmentation.change_disqualificationrequest", CHANGE),
        "withdraw": ("segmentation.add_disqualificationrequest",),
    }
    bodies = {"create": AskBody, "review": DecideBody, "withdraw": WithdrawBody}
    answers = {"create": {201: RequestsSerializer}, "review": RequestsSerializer, "withdraw": RequestsSerializer}
    summaries = {
        "list": _("List"),
        "create": _("Ask marketing to disqualify accounts of a list"),
        "review": _("Accept or refuse requests to disqualify"),
        "withdraw": _("Take requests to disqualify back: the accounts stay on their list"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            given = AskBody.read(request)
            given["accounts"] = find_accounts(given["accounts"], visible_accounts_of(request.user))
            rows = _shown_rows(self, propose_disqualification(**given, user=request.user))
            return Response({"changed": RequestSerializer(rows, many=True).data}, status.HTTP_201_CREATED)

        return once(request, work)

    def _decide(self, request: Request, verb: Callable[..., list[DisqualificationRequest]]) -> Response | HttpResponse:
        """Call a verb of the service with what the body says, as the user of the request."""

        def work() -> Response:
            given = self.bodies[self.action].read(request)
            rows = self.get_queryset()
            reach = own_requests(rows, request.user) if self.action == "withdraw" else rows
            given["requests"] = rows_of(reach, given["requests"], "requests")
            shown = _shown_rows(self, verb(**given, user=request.user))
            return Response({"changed": RequestSerializer(shown, many=True).data})

        return once(request, work)

    @action(detail=False, methods=["post"])
    def review(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, review_disqualifications)

    @action(detail=False, methods=["post"])
    def withdraw(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, withdraw_disqualifications)


# --- Quotas --------------------------------------------------------------------------------------------------------


class QuotaSerializer(ShownSerializer):
    team = KeyOf()
    rep = NameOf()
    held = serializers.IntegerField(source="n_held", help_text=_("Places held now."))
    remaining = serializers.IntegerField(source="n_left", help_text=_("Places left; never below 0."))

    class Meta:
        model = SalesQuota
        fields = ["id", "team", "rep", "kind", "places", "held", "remaining"]


class QuotaBody(BodySerializer):
    team = KeyField(SalesTeam, "team", help_text=_("Key of the sales team. It does not change."))
    rep = UserField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("A limit of this rep within the team's quota; null: the quota of the team. It does not change."),
    )
    kind = serializers.ChoiceField(
        choices=QuotaKind.choices,
        required=False,
        default=QuotaKind.MID_MARKET,
        help_text=_("Says how many places are usual: 15 for key accounts, 30 for mid market."),
    )
    places = WholeNumber(
        required=False, allow_null=True, default=None, help_text=_("From 1 on; null: what is usual for the kind.")
    )


class PlacesSerializer(serializers.Serializer[Any]):
    """Places of one quota."""

    places = serializers.IntegerField(help_text=_("Places there are."))
    held = serializers.IntegerField(source="n_held", help_text=_("Places held now."))
    remaining = serializers.IntegerField(source="n_left", help_text=_("Places left; never below 0."))


class OwnPlacesSerializer(serializers.Serializer[Any]):
    """What the caller may still propose for a team."""

    team = KeyOf(help_text=_("Key of the sales team."))
    remaining = serializers.IntegerField(help_text=_("How many more accounts the caller may propose for the team."))
    team_quota = PlacesSerializer(allow_null=True, help_text=_("The team's quota; null: it has none, so no places."))
    own_quota = PlacesSerializer(allow_null=True, help_text=_("The caller's own limit within it; null: none."))


class SalesQuotaViewSet(SettingsViewSet):
    """How many accounts of its own a sales team, or one of its reps, may have on lists."""

    api_tag = "sales-quotas"
    queryset = SalesQuota.objects.select_related("team", "rep")
    serializer_class = QuotaSerializer
    filterset_class = make_filterset(
        SalesQuota,
        keyed={"team": "key"},
        also={"rep__username": TextFilter("rep__username", _("The rep, by the name they sign in with."))},
    )
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = QuotaBody
    fixed = ("team", "rep")
    rights = {"create": ("segmentation.add_salesquota",)}
    summaries = {
        "create": _("Give a team or a rep places"),
        "mine": _("Places the caller has left, by sales team"),
    }
    answers = {"mine": OwnPlacesSerializer(many=True)}

    def get_queryset(self) -> QuerySet[Any]:
        return with_places(super().get_queryset())

    def store(self, values: dict[str, Any], instance: Any = None) -> SalesQuota:
        if instance is not None:
            kept = {"kind": instance.kind, "places": instance.places}
            return set_quota(team=instance.team, rep=instance.rep, **(kept | values))
        self._refuse_second(values)
        return set_quota(**values)

    def _refuse_second(self, values: dict[str, Any]) -> None:
        if SalesQuota.objects.filter(team=values["team"], rep=values["rep"]).exists():
            raise serializers.ValidationError(
                {"rep" if values["rep"] else "team": [_("There is a quota already. Change it with PATCH.")]},
                code="quota_exists",
            )

    @action(detail=False)
    def mine(self, request: Request) -> Response:
        user: Any = request.user
        teams = list(visible_to(SalesTeam.objects.filter(members=user), user).order_by("name", "pk"))
        return Response(OwnPlacesSerializer(own_places(teams, user.pk), many=True).data)
