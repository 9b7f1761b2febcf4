"""Accounts and contacts, the kinds of problems, and addresses that do not exist."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, get_resolver, get_script_prefix, resolve
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from segmentation.api.errors import PROBLEM_TYPES, Problem, ProblemType
from segmentation.api.filters import AccountIdFilter, SearchFilter, TextFilter, make_filterset
from segmentation.api.problems import type_address
from segmentation.api.records import RecordViewSet
from segmentation.api.serializers import AccountSerializer, ContactSerializer, record_serializer, upsert_serializer
from segmentation.errors import closest
from segmentation.models import Account, Contact
from segmentation.selectors.merges import merged_into

CUSTOM_REASON = "its values have types of their own; segments ask for them"

AccountFilterSet = make_filterset(
    Account,
    keyed={"team": "key"},
    also={
        "search": SearchFilter(
            "name",
            "domain",
            lists=("other_names",),
            help_text=_("Text in name, other names or domain, whatever the case."),
        ),
        "name__iexact": TextFilter("name", _("Name: exactly this, whatever the case."), "iexact"),
        "parent__external_id": TextFilter("parent__external_id", _("External id of the parent company.")),
    },
    without={"custom": CUSTOM_REASON},
)
ContactFilterSet = make_filterset(
    Contact,
    also={
        "search": SearchFilter("name", "email", help_text=_("Text in name or mail address, whatever the case.")),
        "email__iexact": TextFilter("email", _("Mail address, whatever the case."), "iexact"),
        "account__external_id": AccountIdFilter(),
    },
    without={"custom": CUSTOM_REASON},
)

ACCOUNT_EXAMPLE = {
    "external_id": "A-1001",
    "name": "Nordwind Systems",
    "domain": "nordwind.example",
    "industry": "Manufacturing",
    "region": "DACH",
    "country": "Germany",
    "employees": 850,
    "revenue": 120000000,
    "revenue_currency": "EUR",
    "tier": 1,
    "team": "enterprise",
    "products": ["Analytics"],
}
CONTACT_EXAMPLE = {
    "external_id": "C-2001",
    "account": "A-1001",
    "name": "Ada Berg",
    "email": "ada.berg@nordwind.example",
    "job_title": "Chief Technology Officer",
    "buying_role": "decision_maker",
    "consent": "given",
}


class AccountViewSet(RecordViewSet):
    """Companies."""

    target = "accounts"
    queryset = Account.objects.select_related("team", "parent")
    serializer_class = AccountSerializer
    filterset_class = AccountFilterSet
    record_serializer = record_serializer("accounts", ACCOUNT_EXAMPLE)
    upsert_serializer = upsert_serializer("accounts", record_serializer, ACCOUNT_EXAMPLE)
    links = ("team", "parent")

    def find(self, system: str, key: str) -> Any:
        """Return the account of an external id, or the one into which that account was merged."""
        own = self.get_queryset().filter(source_system=system, external_id=key).first()
        return own or self.get_queryset().get(pk=merged_into(system, key))


class ContactViewSet(RecordViewSet):
    """People."""

    target = "contacts"
    queryset = Contact.objects.select_related("account")
    serializer_class = ContactSerializer
    filterset_class = ContactFilterSet
    record_serializer = record_serializer("contacts", CONTACT_EXAMPLE)
    upsert_serializer = upsert_serializer("contacts", record_serializer, CONTACT_EXAMPLE)
    links = ("account",)


_PROBLEM_TYPE = inline_serializer(
    "ProblemType",
    {
        "type": serializers.CharField(help_text=_("Address of this description; problems carry it.")),
        "code": serializers.CharField(help_text=_("A stable word for programs.")),
        "status": serializers.IntegerField(help_text=_("The HTTP status.")),
        "title": serializers.CharField(help_text=_("The kind of problem in words.")),
        "description": serializers.CharField(help_text=_("What it means and what to do.")),
    },
)


def _type_document(kind: ProblemType, request: Request) -> dict[str, Any]:
    return {
        "type": type_address(kind.code, request),
        "code": kind.code,
        "status": kind.status,
        "title": str(kind.title),
        "description": str(kind.description),
    }


class ProblemTypesView(APIView):
    """The kinds of problems this API answers with."""

    permission_classes = [AllowAny]
    authentication_classes = ()

    @extend_schema(
        operation_id="problem_types_list",
        tags=["problems"],
        summary=_("List the kinds of problems"),
        responses=serializers.ListSerializer(child=_PROBLEM_TYPE),
    )
    def get(self, request: Request) -> Response:
        return Response([_type_document(kind, request) for kind in PROBLEM_TYPES.values()])


class ProblemTypeView(APIView):
    """One kind of problem."""

    permission_classes = [AllowAny]
    authentication_classes = ()

    @extend_schema(
        operation_id="problem_types_retrieve",
        tags=["problems"],
        summary=_("Explain a kind of problem"),
        responses=_PROBLEM_TYPE,
    )
    def get(self, request: Request, code: str) -> Response:
        if code not in PROBLEM_TYPES:
            raise Problem("not_found", _t("There is no such kind of problem."), field="code", value=code)
        return Response(_type_document(PROBLEM_TYPES[code], request))


@extend_schema(exclude=True)
class NowhereView(APIView):
    """Addresses that do not exist: a problem like any other, or a redirect where only the last slash is missing."""

    permission_classes = [AllowAny]
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        address = f"{request.path}/"
        if not request.path.endswith("/") and _leads_somewhere(address):
            if request.method in ("GET", "HEAD"):
                self.redirect_to = address + (
                    f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""
                )
                return
            raise Problem(
                "not_found",
                _t("The address ends with a slash: %(address)s") % {"address": address},
                code="missing_slash",
            )
        root, known = _endpoints(request)
        guess = closest(kwargs.get("rest", "").split("/")[0], known)
        text = (
            _t("There is no such address. Did you mean %(guess)s?")
            if guess
            else _t("There is no such address. See %(docs)s.")
        )
        raise Problem("not_found", text % {"guess": f"{root}{guess}/", "docs": f"{root}docs/"})

    def get(self, request: Request, rest: str = "") -> HttpResponse:
        return HttpResponseRedirect(self.redirect_to)


def _leads_somewhere(address: str) -> bool:
    try:
        return resolve(address).view_name != "nowhere"
    except Resolver404:
        return False


def _endpoints(request: Request) -> tuple[str, list[str]]:
    """Return the address below which the API lies, and the first words of what is there."""
    root = (
        request.path[: len(request.path) - len(request.resolver_match.kwargs.get("rest", ""))]
        if request.resolver_match
        else "/"
    )
    below = root.removeprefix(get_script_prefix())
    known = get_resolver().reverse_dict
    addresses = (
        address for name in known for possibilities, *_rest in known.getlist(name) for address, _names in possibilities
    )
    words = {address.removeprefix(below).split("/")[0] for address in addresses if address.startswith(below)}
    return root, sorted(word for word in words if word and "%" not in word)
