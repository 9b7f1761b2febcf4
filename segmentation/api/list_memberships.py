"""Who is on target account lists, and what is decided about them."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.bodies import (
    BodySerializer,
    KeyField,
    SinceBody,
    TierField,
    UserField,
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
from segmentation.api.serializers import AccountReference, KeyOf, NameOf, ShownSerializer
from segmentation.models import Account, ListMembership, SalesTeam, TargetList
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.access import is_limited, own_team_rows, own_teams, visible_to
from segmentation.selectors.account_references import find_accounts
from segmentation.selectors.own_accounts import proposable as team_proposable
from segmentation.selectors.own_accounts import withdrawable
from segmentation.services.target_lists import (
    add_accounts,
    change_tier,
    disqualify_members,
    propose_accounts,
    recycle_members,
    remove_members,
    resume_members,
    review_proposals,
    withdraw_proposals,
)

MOST_HISTORY = 200  # rows of the history of one membership that are shown


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
        ValidationError: a rep of several teams did not say for which, or a rep belongs to none.
    """
    if given is not None or not is_limited(user):
        return given
    teams = own_team_rows(user)
    if not teams:
        text = _("You are a member of no sales team. Ask an ABM manager to make you one.")
        raise serializers.ValidationError({"team": [text]}, code="no_team")
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


def shown_rows(view: Any, rows: list[Any]) -> list[Any]:
    """Return rows that were just written with all they are shown with: read again, unless they were made of it."""
    links = [field for field in view.queryset.model._meta.concrete_fields if field.is_relation]
    if all(field.is_cached(row) or getattr(row, field.attname) is None for row in rows for field in links):
        return rows
    found = type(view).queryset.in_bulk([row.pk for row in rows])
    return [found[row.pk] for row in rows if row.pk in found]  # one may have been deleted since it was committed


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
            changed = shown_rows(self, verb(**given, user=request.user))
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
