"""What sales ask marketing to disqualify."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.bodies import BodySerializer, KeyField, WhyBody, Words, YesNo, accounts_field, keys_field, rows_of
from segmentation.api.filters import AccountIdFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.list_memberships import CHANGE, asking_team, shown_rows, visible_accounts_of
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import AccountReference, KeyOf, NameOf, ShownSerializer
from segmentation.models import DisqualificationRequest, SalesTeam, TargetList
from segmentation.selectors.account_references import find_accounts
from segmentation.selectors.own_accounts import own_requests
from segmentation.services.target_lists import (
    propose_disqualification,
    review_disqualifications,
    withdraw_disqualifications,
)


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
            rows = shown_rows(self, propose_disqualification(**given, user=request.user))
            return Response({"changed": RequestSerializer(rows, many=True).data}, status.HTTP_201_CREATED)

        return once(request, work)

    def _decide(self, request: Request, verb: Callable[..., list[DisqualificationRequest]]) -> Response | HttpResponse:
        """Call a verb of the service with what the body says, as the user of the request."""

        def work() -> Response:
            given = self.bodies[self.action].read(request)
            rows = self.get_queryset()
            reach = own_requests(rows, request.user) if self.action == "withdraw" else rows
            given["requests"] = rows_of(reach, given["requests"], "requests")
            shown = shown_rows(self, verb(**given, user=request.user))
            return Response({"changed": RequestSerializer(shown, many=True).data})

        return once(request, work)

    @action(detail=False, methods=["post"])
    def review(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, review_disqualifications)

    @action(detail=False, methods=["post"])
    def withdraw(self, request: Request) -> Response | HttpResponse:
        return self._decide(request, withdraw_disqualifications)
