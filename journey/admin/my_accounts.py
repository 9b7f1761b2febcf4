"""My accounts, the page of sales: their accounts, the places left, what they ask for and what became of it."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from journey.admin.fit_figures import grade_chip
from journey.selectors.my_accounts import OwnAccount, own_accounts, with_details
from scoring.selectors.engagement import RECENT_DAYS
from segmentation.admin.base import admin_url, chip, link, progress_bar
from segmentation.admin.dialogs import NoteForm, reason_field, why_form
from segmentation.admin.target_lists.memberships import COLOURS
from segmentation.errors import ProblemError
from segmentation.models import (
    DisqualificationRequest,
    ListMembership,
    MembershipReason,
    MembershipState,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.access import accounts_of, teams_of, visible_to
from segmentation.selectors.own_accounts import (
    MOST_LINES,
    Asked,
    asked_by_teams,
    lists_of,
    matches,
    proposable,
)
from segmentation.selectors.quotas import OwnPlaces, own_places
from segmentation.services.target_lists import (
    propose_accounts,
    propose_disqualification,
    withdraw_disqualifications,
    withdraw_proposals,
)

PER_PAGE = 25
REMEMBERED = dt.timedelta(days=90)  # how long a decision stays on the page
PROPOSE, ASK = "segmentation.propose_listmembership", "segmentation.add_disqualificationrequest"
DECISION_COLOURS = {"open": "#d97706", "accepted": "#dc2626", "refused": "#64748b", "withdrawn": "#64748b"}
SHOWN = {"listed": True, "free": False}
DisqualifyForm = why_form(MembershipReason.Use.DISQUALIFY)


class ProposeForm(NoteForm):
    """For which list and team, and why."""

    target_list = forms.ModelChoiceField(
        label=_("Target account list"),
        queryset=TargetList.objects.filter(active=True),
        widget=UnfoldAdminSelectWidget,
        empty_label=None,
    )
    team = forms.ModelChoiceField(
        label=_("Sales team"),
        queryset=SalesTeam.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label=None,
        help_text=_("Its places are taken until marketing refuses the proposal."),
    )
    reason = reason_field(MembershipReason.Use.ADD)
    field_order = ["target_list", "team", "reason", "note"]

    def __init__(self, *args: Any, teams: list[SalesTeam], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["team"]
        field.queryset = SalesTeam.objects.filter(pk__in=[team.pk for team in teams])
        if len(teams) == 1:
            field.initial, field.widget = teams[0].pk, forms.HiddenInput()


class MyAccountsPages:
    """The pages, mixed into the admin of memberships."""

    admin_site: Any
    get_queryset: Any
    has_view_permission: Any
    ask_and_do: Any

    def get_urls(self) -> list[URLPattern]:
        def page(place: str, name: str, view: Any) -> URLPattern:
            return path(place, self.admin_site.admin_view(view), name=f"segmentation_listmembership_{name}")

        return [
            page("mine/", "mine", self.mine_view),
            page("mine/propose/", "propose", self.propose_view),
            page("mine/<int:pk>/withdraw/", "withdraw", self.withdraw_view),
            page("mine/<int:pk>/disqualify/", "ask_disqualification", self.ask_view),
            page("mine/requests/<int:pk>/withdraw/", "withdraw_request", self.withdraw_request_view),
            *super().get_urls(),  # type: ignore[misc]
        ]

    # Looking ---------------------------------------------------------------------------------------------------------

    def mine_view(self, request: HttpRequest) -> HttpResponse:
        """Show own accounts, the places that are left and what became of requests."""
        user: Any = request.user
        if not self.has_view_permission(request) or not user.has_perm("segmentation.view_account"):
            raise PermissionDenied
        teams, now = teams_of(user), timezone.now()
        places, lists = own_places(teams, user.pk), lists_of(teams)
        words, show = request.GET.get("q", "").replace("\x00", "").strip(), request.GET.get("show", "")
        page = Paginator(own_accounts(teams, words, SHOWN.get(show)), PER_PAGE).get_page(request.GET.get("p"))
        see_fit, see_engagement = (
            user.has_perm("segmentation.view_icpassessment"),
            user.has_perm("scoring.view_activity"),
        )
        found = with_details(list(page), teams, now, fit=see_fit, engagement=see_engagement)
        may_propose = user.has_perm(PROPOSE) and any(each.team_quota for each in places)
        may_ask = user.has_perm(ASK)
        return TemplateResponse(
            request,
            "admin/journey/my_accounts.html",
            {
                **self.admin_site.each_context(request),
                "title": _("My accounts"),
                "teams": teams,
                "places": [_places(each, lists) for each in places],
                "page": page,
                "rows": [_row(own, may_propose, may_ask, user) for own in found],
                "words": words,
                "show": show,
                "filtered": bool(words or show in SHOWN),
                "asked": [_asked(each, user) for each in asked_by_teams(teams, now - REMEMBERED)],
                "may_propose": may_propose,
                "see_fit": see_fit,
                "see_engagement": see_engagement,
                "days": RECENT_DAYS,
                "propose_url": admin_url("segmentation_listmembership_propose"),
                "teams_url": _if_may(user, "change_salesteam", "segmentation_salesteam_changelist"),
                "quotas_url": _if_may(user, "add_salesquota", "segmentation_salesquota_add"),
            },
        )

    # Asking ----------------------------------------------------------------------------------------------------------

    def propose_view(self, request: HttpRequest) -> HttpResponse:
        """Look accounts up by what was typed or pasted, and propose those that were chosen."""
        user: Any = request.user
        if not self.has_view_permission(request) or not user.has_perm(PROPOSE):
            raise PermissionDenied
        teams = teams_of(user)
        words = request.POST.get("words") or request.GET.get("words", "")
        answered = "_form_submitted" in request.POST
        form = ProposeForm(data=request.POST if answered else None, request=request, teams=teams)
        chosen = _ids(request.POST.getlist("account") or request.GET.getlist("account"))
        accounts = list(proposable(teams).filter(pk__in=chosen).order_by("name", "id")) if teams else []
        if answered and form.is_valid():
            if not accounts or len(accounts) < len(chosen):
                form.add_error(None, gettext("Choose accounts of your team or of no team from those that were found."))
            else:
                answers = {name: form.cleaned_data[name] for name in ("target_list", "team", "reason", "note")}
                try:
                    began = propose_accounts(accounts=accounts, rep=user, user=user, **answers)
                except ProblemError as problem:
                    form.add_error(None, str(problem))
                else:
                    said = ngettext("%(n)d account is proposed.", "%(n)d accounts are proposed.", len(began))
                    messages.success(request, said % {"n": len(began)} + " " + gettext("Marketing reviews it."))
                    return HttpResponseRedirect(reverse("admin:segmentation_listmembership_mine"))
        found = matches(words, teams) if words and teams else []
        listed = {account.pk for match in found for account in match.accounts}
        return TemplateResponse(
            request,
            "admin/journey/propose.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Propose accounts"),
                "form": form,
                "words": words,
                "found": [_match(match, chosen, answered) for match in found],
                "others": [account for account in accounts if account.pk not in listed],
                "chosen": chosen,
                "most": MOST_LINES,
                "places": [_places(each, {}) for each in own_places(teams, user.pk)],
                "lists": TargetList.objects.filter(active=True).exists(),
                "mine_url": reverse("admin:segmentation_listmembership_mine"),
            },
        )

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and take an own proposal back."""
        row = self._own_row(request, pk, PROPOSE)
        if row.state != MembershipState.PROPOSED or request.user.pk not in (row.rep_id, row.set_by_id):
            return self._back(request, gettext("Only proposals of your own that nobody has decided can be withdrawn."))
        return self._asked(
            request,
            row,
            NoteForm,
            lambda answers: withdraw_proposals(
                memberships=[row], user=request.user, note=answers["note"] or gettext("Withdrawn by sales.")
            ),
            title=_("Withdraw the proposal"),
            submit_text=_("Withdraw"),
            description=_("The account leaves the list and its place is free again."),
        )

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and ask marketing to disqualify an account on a list."""
        row = self._own_row(request, pk, ASK)
        if row.state not in HOLDING_STATES:
            return self._back(request, gettext("Only accounts of a list can be disqualified on it."))
        team = next((team for team in teams_of(request.user) if team.pk == row.account.team_id), row.team)
        return self._asked(
            request,
            row,
            DisqualifyForm,
            lambda answers: propose_disqualification(
                target_list=row.target_list, accounts=[row.account], team=team, user=request.user, **answers
            ),
            title=_("Ask to disqualify"),
            submit_text=_("Ask to disqualify"),
            description=_("Marketing decides. Until then the account stays on the list; afterwards its place is free."),
        )

    def withdraw_request_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and take an own request to disqualify back."""
        if not self.has_view_permission(request) or not request.user.has_perm(ASK):  # type: ignore[union-attr]
            raise PermissionDenied
        rows = visible_to(DisqualificationRequest.objects.select_related("account"), request.user)
        asked = rows.filter(pk=pk).first()
        if asked is None:
            raise Http404
        if not _may_withdraw(asked, request.user):
            return self._back(request, gettext("Only requests of your own that nobody has decided can be withdrawn."))
        return self._asked(
            request,
            asked,
            NoteForm,
            lambda answers: withdraw_disqualifications(requests=[asked], user=request.user, **answers),
            title=_("Withdraw the request to disqualify"),
            submit_text=_("Withdraw"),
            description=_("The account stays on the list."),
        )

    def _own_row(self, request: HttpRequest, pk: int, right: str) -> ListMembership:
        """Return a row in force of an account of the user's own teams."""
        if not self.has_view_permission(request) or not request.user.has_perm(right):  # type: ignore[union-attr]
            raise PermissionDenied
        teams = frozenset(team.pk for team in teams_of(request.user))
        rows = self.get_queryset(request).filter(account__in=accounts_of(teams), end_at__isnull=True)
        row: ListMembership | None = rows.select_related("target_list", "account", "team").filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def _asked(self, request: HttpRequest, row: Any, form: Any, verb: Any, **texts: Any) -> HttpResponse:
        mine = reverse("admin:segmentation_listmembership_mine")
        answer: HttpResponse = self.ask_and_do(request, [row], form, verb, list_url=mine, **texts)
        return HttpResponseRedirect(mine) if isinstance(answer, HttpResponseRedirect) else answer

    def _back(self, request: HttpRequest, text: str) -> HttpResponse:
        messages.error(request, text)
        return HttpResponseRedirect(reverse("admin:segmentation_listmembership_mine"))


def _ids(words: list[str]) -> set[int]:
    return {int(word) for word in words if word.isascii() and word.isdecimal() and len(word) < 19}


def _if_may(user: Any, right: str, name: str) -> str | None:
    return admin_url(name) if user.has_perm(f"segmentation.{right}") else None


def _places(each: OwnPlaces, lists: dict[int, list[tuple[str, int]]]) -> dict[str, Any]:
    quotas = [(gettext("of the team"), each.team_quota), (gettext("of your own"), each.own_quota)]
    # Of two limits the one with fewer places left is what counts.
    counts = min((quota for _text, quota in quotas if quota), key=lambda quota: quota.n_left, default=None)
    return {
        "team": each.team,
        "quota": counts if each.team_quota else None,
        "remaining": each.remaining,
        "bars": [
            (text, progress_bar(quota.n_held / quota.places, f"{quota.n_held} / {quota.places}"))
            for text, quota in quotas
            if quota
        ],
        "lists": lists.get(each.team.pk, []),
    }


def _row(own: OwnAccount, may_propose: bool, may_ask: bool, user: Any) -> dict[str, Any]:
    account = own.account
    return {
        "account": link(admin_url("segmentation_account_change", account.pk), account),
        "domain": account.domain,
        "lists": [
            {
                "name": row.target_list,
                "chip": chip(row.get_state_display(), COLOURS[MembershipState(row.state)]),
                "why": " · ".join(str(part) for part in (row.reason, row.note) if part),
                "asked": row.target_list_id in own.asked,
                "withdraw_url": _withdraw_url(row, user),
                "ask_url": admin_url("segmentation_listmembership_ask_disqualification", row.pk)
                if may_ask and row.state in HOLDING_STATES and row.target_list_id not in own.asked
                else None,
            }
            for row in own.memberships
        ],
        "propose_url": f"{admin_url('segmentation_listmembership_propose')}?account={account.pk}"
        if may_propose and not any(row.state in HOLDING_STATES for row in own.memberships)
        else None,
        "stage": chip(own.stay.stage, own.stay.stage.color) if own.stay else "",
        "since": own.stay.start_at if own.stay else None,
        "engagement": own.engagement,
        "fits": [(grade_chip(fit.assessment.grade), fit.assessment.score, fit.version) for fit in own.fits],
    }


def _withdraw_url(row: ListMembership | None, user: Any) -> str | None:
    own = row is not None and row.state == MembershipState.PROPOSED and user.pk in (row.rep_id, row.set_by_id)
    return admin_url("segmentation_listmembership_withdraw", row.pk) if row and own and user.has_perm(PROPOSE) else None


def _may_withdraw(asked: DisqualificationRequest, user: Any) -> bool:
    return asked.decision == DisqualificationRequest.Decision.OPEN and asked.asked_by_id == user.pk


def _asked(each: Asked, user: Any) -> dict[str, Any]:
    colour = DECISION_COLOURS[each.state] if each.disqualify else COLOURS[MembershipState(each.state)]
    return {
        "asked": each,
        "account": link(admin_url("segmentation_account_change", each.account.pk), each.account),
        "what": gettext("Disqualify") if each.disqualify else gettext("Add"),
        "chip": chip(each.label, colour),
        "withdraw_url": admin_url("segmentation_listmembership_withdraw_request", each.request.pk)
        if each.request and user.has_perm(ASK) and _may_withdraw(each.request, user)
        else _withdraw_url(each.membership, user),
    }


def _match(match: Any, chosen: set[int], answered: bool) -> dict[str, Any]:
    """Exactly one account of exactly that name is chosen beforehand."""
    sure = match.exact and len(match.accounts) == 1
    return {
        "match": match,
        "accounts": [(account, account.pk in chosen if answered or chosen else sure) for account in match.accounts],
    }
