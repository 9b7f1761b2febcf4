"""The review queue: what sales propose, with the fit and the engagement of each account beside it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.fit_figures import STATE_COLOURS, grade_chip
from journey.admin.my_accounts import MyAccountsPages
from journey.selectors.assessments import STATES, state_name
from journey.selectors.reviews import (
    PROPOSAL,
    REQUEST,
    FitResult,
    ListQueue,
    Waiting,
    queues,
    waiting_entries,
    waiting_page,
)
from scoring.selectors.engagement import RECENT_DAYS
from segmentation.admin.base import admin_url, chip, link
from segmentation.admin.dialogs import why_form
from segmentation.admin.target_lists import ListMembershipAdmin as PlainListMembershipAdmin
from segmentation.models import DisqualificationRequest, ListMembership, MembershipReason
from segmentation.selectors.access import is_limited
from segmentation.selectors.target_lists import open_proposals, open_requests
from segmentation.services.target_lists import review_waiting

PER_PAGE = 25
KIND_COLOURS = {PROPOSAL: "#d97706", REQUEST: "#dc2626"}
AcceptForm = why_form(MembershipReason.Use.ADD)
RefuseForm = why_form(MembershipReason.Use.REFUSE)


def _kind_text(kind: str) -> str:
    return {PROPOSAL: gettext("Proposal"), REQUEST: gettext("Request to disqualify")}[kind]


class _Queue(Paginator):
    """Pages through proposals and requests as one list; how many there are is known before any is read."""

    def __init__(self, number: int, read: Any) -> None:
        super().__init__([], PER_PAGE)
        self._number, self._read = number, read

    @cached_property
    def count(self) -> int:
        return self._number

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        begin = (number - 1) * self.per_page
        return Page(self._read(begin, min(begin + self.per_page, self.count)), number, self)


admin.site.unregister(ListMembership)


@admin.register(ListMembership)
class ListMembershipAdmin(MyAccountsPages, PlainListMembershipAdmin):
    """The memberships with the review queue, and the page of sales."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.review_view)
        return [path("review/", view, name="segmentation_listmembership_review"), *super().get_urls()]

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Who decides about proposals decides about requests to disqualify in the same go."""
        return self.has_decide_permission(request) and request.user.has_perm(  # type: ignore[union-attr]
            "segmentation.change_disqualificationrequest"
        )

    def review_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits, or ask about and carry out a decision on what was chosen."""
        requests_admin = self.admin_site.get_model_admin(DisqualificationRequest)
        may_view = self.has_view_permission(request) and requests_admin.has_view_permission(request)
        if not may_view or is_limited(request.user):  # who asks has a page of their own
            raise PermissionDenied
        if request.method == "POST":
            return self._decide(request, requests_admin.get_queryset(request))
        proposals = open_proposals(self.get_queryset(request))
        requests = open_requests(requests_admin.get_queryset(request))
        found = queues(proposals, requests)
        chosen = next((queue for queue in found if queue.target_list.key == request.GET.get("list")), None)
        kind = request.GET.get("kind", "")
        if chosen:
            proposals = proposals.filter(target_list=chosen.target_list)
            requests = requests.filter(target_list=chosen.target_list)
        if kind == PROPOSAL:
            requests = requests.none()
        elif kind == REQUEST:
            proposals = proposals.none()
        may = request.user.has_perm  # type: ignore[union-attr]
        see_fit, see_engagement = may("segmentation.view_icpassessment"), may("scoring.view_activity")
        now = timezone.now()
        number = sum(_number(queue, kind) for queue in ([chosen] if chosen else found))
        page = _Queue(
            number,
            lambda begin, end: waiting_page(
                proposals,
                requests,
                begin=begin,
                end=end,
                at=now,
                with_fit=see_fit,
                with_engagement=see_engagement,
            ),
        ).get_page(request.GET.get("p"))
        return TemplateResponse(
            request,
            "admin/journey/review.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Review queue"),
                "page": page,
                "rows": [_row(entry, now) for entry in page],
                "queues": found,
                "chosen": chosen,
                "kind": kind,
                "kinds": [(key, _kind_text(key)) for key in (PROPOSAL, REQUEST)],
                "filtered": bool(chosen or kind),
                "may_decide": self.has_review_permission(request),
                "see_fit": see_fit,
                "see_engagement": see_engagement,
                "days": RECENT_DAYS,
                "lists_url": admin_url("segmentation_targetlist_changelist"),
                "quotas_url": admin_url("segmentation_salesquota_changelist"),
                "accounts_url": admin_url("segmentation_account_changelist"),
            },
        )

    def _decide(self, request: HttpRequest, requests: Any) -> HttpResponse:
        """Ask about, then carry out a decision. What was decided meanwhile is told by the service."""
        if not self.has_review_permission(request):
            raise PermissionDenied
        one = request.POST.get("accept_one") or request.POST.get("refuse_one")
        accept = request.POST.get("action") == "accept" or "accept_one" in request.POST
        keys = _keys_of([one] if one else request.POST.getlist(ACTION_CHECKBOX_NAME))
        chosen = waiting_entries(keys, self.get_queryset(request), requests)
        if not chosen:
            messages.warning(request, gettext("Choose at least one entry first."))
            return HttpResponseRedirect(request.get_full_path())

        def verb(answers: dict[str, Any]) -> list[Any]:
            return review_waiting(
                proposals=[entry.row for entry in chosen if entry.kind == PROPOSAL],
                requests=[entry.row for entry in chosen if entry.kind == REQUEST],
                accept=accept,
                user=request.user,
                **answers,
            )

        return self.ask_and_do(
            request,
            chosen,
            AcceptForm if accept else RefuseForm,
            verb,
            lambda n: ngettext("%(number)d decision is made.", "%(number)d decisions are made.", n) % {"number": n},
            title=_("Accept what is chosen") if accept else _("Refuse what is chosen"),
            submit_text=_("Accept") if accept else _("Refuse"),
            description=_consequences(chosen, accept),
            action="accept" if accept else "refuse",
            list_url=request.get_full_path(),
        )


def _number(queue: ListQueue, kind: str) -> int:
    return {PROPOSAL: queue.proposals, REQUEST: queue.requests}.get(kind, queue.proposals + queue.requests)


def _keys_of(words: list[str]) -> list[tuple[str, int]]:
    """Read keys such as `proposal-7`; what is none is left out."""
    parts = [word.rpartition("-") for word in words]
    return [(kind, int(pk)) for kind, _dash, pk in parts if kind in KIND_COLOURS and pk.isdecimal() and len(pk) < 19]


def _consequences(chosen: list[Waiting], accept: bool) -> str:
    """Say what the decision does to what was chosen."""
    kinds = {entry.kind for entry in chosen}
    texts = {
        (PROPOSAL, True): gettext("Proposals become active on their list. They keep the place of their sales team."),
        (PROPOSAL, False): gettext("Proposals do not come onto the list, and their sales team has its places back."),
        (REQUEST, True): gettext(
            "Accounts asked to be disqualified leave their list and the places they held are free again."
        ),
        (REQUEST, False): gettext("Accounts asked to be disqualified stay on their list."),
    }
    said = [text for (kind, of), text in texts.items() if kind in kinds and of == accept]
    return " ".join([*said, gettext("All of them or none: what cannot be decided is said and nothing changes.")])


def _row(entry: Waiting, now: Any) -> dict[str, Any]:
    row = entry.row
    who = row.set_by if entry.kind == PROPOSAL else row.asked_by
    url = admin_url("segmentation_account_change", entry.account.pk)
    return {
        "key": entry.pk,
        "account": link(url, entry.account),
        "name": str(entry.account),
        "list": row.target_list,
        "kind": chip(_kind_text(entry.kind), KIND_COLOURS[entry.kind]),
        "since": entry.since,
        "days": (now - entry.since).days,
        "by": " · ".join(str(part) for part in (row.team, who) if part),
        "why": " · ".join(str(part) for part in (row.reason, row.note) if part),
        "fits": [_fit(fit) for fit in entry.fits],
        "engagement": entry.engagement,
        "stage": chip(entry.stay.stage, entry.stay.stage.color) if entry.stay else "",
        "stage_since": entry.stay.start_at if entry.stay else None,
    }


def _fit(fit: FitResult) -> dict[str, Any]:
    return {
        "version": fit.version,
        "grade": grade_chip(fit.assessment.grade),
        "score": fit.assessment.score,
        "coverage": fit.assessment.coverage,
        "reasons": [
            {
                "state": chip(state_name(state), STATE_COLOURS[state]),
                "text": "; ".join(fit.reasons[state]),
                "more": fit.more[state],
            }
            for state in STATES
            if fit.reasons[state]
        ],
    }
