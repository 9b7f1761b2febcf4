"""The upkeep of a target account list: its review, stale accounts, size against capacity, growth and focus."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from journey.admin.list_scope import mode_texts
from journey.admin.timeline import days_text, when
from journey.instants import past_instant
from journey.selectors.lists import LIST_MODES, checked_mode
from journey.selectors.upkeep import Capacity, Present, StaleAccount, upkeep_by_month, upkeep_now
from journey.selectors.upkeep_months import Month
from segmentation.admin.base import admin_url, chip, link
from segmentation.admin.dialogs import AskingMixin, NoteForm
from segmentation.admin.target_lists import TargetListAdmin as PlainTargetListAdmin
from segmentation.admin.target_lists.memberships import COLOURS
from segmentation.errors import ProblemError
from segmentation.models import MembershipState, TargetList, Tier
from segmentation.services.target_lists import record_list_review

STALE_SHOWN = 10
TIER_COLOURS = {1: "#2563eb", 2: "#0ea5e9", 3: "#14b8a6", 0: "#94a3b8"}
ADDED, LEFT, ENGAGED, FOCUS = "#16a34a", "#dc2626", "#f59e0b", "#8b5cf6"
VERDICT_COLOURS = {"at_once": "#16a34a", "in_turns": "#0ea5e9", "too_large": "#dc2626"}

admin.site.unregister(TargetList)


@admin.register(TargetList)
class TargetListAdmin(AskingMixin, PlainTargetListAdmin):
    """The lists with the upkeep of each."""

    list_display = [*PlainTargetListAdmin.list_display, "upkeep"]
    change_form_outer_before_template = "admin/journey/upkeep_link.html"

    @display(description=_("upkeep"))
    def upkeep(self, target_list: TargetList) -> Any:
        return link(reverse("admin:segmentation_targetlist_upkeep", args=[target_list.pk]), gettext("Upkeep"))

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_targetlist_{name}")

        return [
            page("<int:list_id>/upkeep/", self.upkeep_view, "upkeep"),
            page("<int:list_id>/upkeep/months/", self.upkeep_months_view, "upkeep_months"),
            page("<int:list_id>/reviewed/", self.reviewed_view, "reviewed"),
            *super().get_urls(),
        ]

    def _list(self, request: HttpRequest, list_id: int) -> TargetList:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: TargetList | None = self.get_object(request, str(list_id))
        if found is None:
            raise Http404
        return found

    def upkeep_view(self, request: HttpRequest, list_id: int) -> HttpResponse:
        """Show the upkeep of a list now; its months, as it was, as it is or of a cohort, are fetched by the page."""
        target_list = self._list(request, list_id)
        problem, asked = "", request.GET.urlencode()
        try:
            _asked_mode(request)
        except ProblemError as error:
            problem, asked = str(error), ""
        found = upkeep_now(target_list, most=STALE_SHOWN)
        return TemplateResponse(
            request,
            "admin/journey/upkeep.html",
            {
                **self.admin_site.each_context(request),
                "title": gettext("Upkeep: %(list)s") % {"list": target_list},
                "found": found,
                "was_used": target_list.memberships.exists(),
                "lists": TargetList.objects.order_by("name"),
                "mode": request.GET.get("list_mode", "was"),
                "modes": [(key, text) for key, text in mode_texts().items()],
                "cohort_day": request.GET.get("cohort_at", ""),
                "problem": problem,
                "months_url": f"{reverse('admin:segmentation_targetlist_upkeep_months', args=[list_id])}?{asked}",
                "due_text": _due_text(found),
                "capacity": _capacity(found.capacity),
                "stale": [_stale_row(row) for row in found.stale.first],
                "may_change": self.has_change_permission(request, target_list),
                "may_move": request.user.has_perm("segmentation.change_listmembership"),  # type: ignore[union-attr]
                "change_url": admin_url("segmentation_targetlist_change", target_list.pk),
                "reviewed_url": reverse("admin:segmentation_targetlist_reviewed", args=[target_list.pk]),
                "members_url": f"{admin_url('segmentation_listmembership_changelist')}"
                f"?target_list__id__exact={target_list.pk}&now=members",
                "memberships_url": admin_url("segmentation_listmembership_changelist"),
                "accounts_url": admin_url("segmentation_account_changelist"),
                "teams_url": admin_url("segmentation_salesteam_changelist"),
            },
        )

    def upkeep_months_view(self, request: HttpRequest, list_id: int) -> HttpResponse:
        """The months of a list and why accounts left it, without the page around them."""
        target_list = self._list(request, list_id)
        try:
            mode, day = _asked_mode(request)
        except ProblemError as error:
            return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
        found = upkeep_by_month(target_list, mode=mode, cohort_at=day)
        return TemplateResponse(
            request,
            "admin/journey/upkeep_months.html",
            {
                "found": found,
                "months": [_month_row(month) for month in reversed(found.months)],
                "month_names": [_month_name(month) for month in reversed(found.months)],
                "reasons": [
                    {
                        "reason": row.reason or gettext("(a note only)"),
                        "state": chip(
                            MembershipState(row.state).label, COLOURS.get(MembershipState(row.state), "#64748b")
                        ),
                        "months": row.months[::-1],
                        "total": row.total,
                    }
                    for row in found.reasons
                ],
                "figures": figures(found.months),
                "reasons_url": admin_url("segmentation_membershipreason_changelist"),
            },
        )

    def reviewed_view(self, request: HttpRequest, list_id: int) -> HttpResponse:
        """Ask for a note, then record that the list was reviewed."""
        target_list = self._list(request, list_id)
        if not self.has_change_permission(request, target_list):
            raise PermissionDenied
        page = reverse("admin:segmentation_targetlist_upkeep", args=[target_list.pk])
        if request.method != "POST":
            return HttpResponseRedirect(page)
        return self.ask_and_do(
            request,
            [target_list],
            NoteForm,
            lambda answers: [record_list_review(target_list=target_list, user=request.user, **answers)],
            lambda _number: gettext("The review of “%(list)s” is recorded.") % {"list": target_list},
            title=_("Record a review of this list"),
            submit_text=_("Reviewed"),
            description=_(
                "Say what you found and changed. The next review is due when the days of the list's setting are over."
            ),
            list_url=page,
            done_url=page,
        )


def _asked_mode(request: HttpRequest) -> tuple[str, dt.datetime | None]:
    """How the months read the list, and the day of the cohort. Raises ProblemError when they do not go together."""
    mode = request.GET.get("list_mode", "was")
    mode, text = mode if mode in LIST_MODES else "was", request.GET.get("cohort_at", "")
    day = past_instant(text, "cohort_at") if text and mode == "cohort" else None
    checked_mode(mode, day)
    return mode, day


def _due_text(found: Present) -> str:
    due = found.cadence.due_at
    if due is None:
        return gettext("No reminder: the list has no cadence.")
    if found.is_due:
        return gettext("due since %(day)s") % {"day": when(due)}
    return gettext("next on %(day)s") % {"day": when(due)}


def _number(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None else formats.number_format(round(value, decimals), decimals, force_grouping=True)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{formats.number_format(round(100 * share, 1), 1)} %"


def _capacity(capacity: Capacity) -> dict[str, Any]:
    """The figures of the capacity with the formula of each, and what they say together."""
    cycle = capacity.cycle
    of = gettext("accounts of the list") if cycle.of_list else gettext("all accounts")
    reps_from = {
        "teams": gettext("members of the sales teams these accounts belong to"),
        "owners": gettext("owners named on these accounts; the teams have no members"),
        "": gettext("the accounts have neither a team with members nor an owner"),
    }[capacity.reps_from]
    verdicts = {
        "empty": gettext("No account is on the list."),
        "unknown": gettext("It cannot be said yet: see what is missing."),
        "at_once": gettext("The reps can work the whole list at once."),
        "in_turns": gettext("The list is worked in turns: once through takes %(days)s."),
        "too_large": gettext("The list is larger than what the reps can work in a year: once through takes %(days)s."),
    }
    text = verdicts[capacity.verdict]
    days = capacity.days_for_all
    return {
        "chip": chip(text % {"days": days_text(days)} if days else text, VERDICT_COLOURS.get(capacity.verdict, "")),
        "rows": [
            (gettext("Target accounts"), _number(capacity.accounts), gettext("active or recycling on the list now")),
            (gettext("Sales reps"), _number(capacity.reps), reps_from),
            (
                gettext("Accounts per rep"),
                _number(capacity.accounts_per_rep, 1),
                gettext("target accounts / sales reps; a rep can work %(limit)s at a time (setting of the list)")
                % {"limit": capacity.per_rep_limit},
            ),
            (
                gettext("Places"),
                f"{_number(capacity.places_held)} / {_number(capacity.places)}",
                gettext("held / quotas of these teams, on all lists"),
            ),
            (
                gettext("Won cycle"),
                days_text(cycle.median_days) if cycle.median_days is not None else "–",
                gettext("median from opening to winning of %(deals)s deals won since %(day)s, of %(of)s")
                % {"deals": _number(cycle.deals), "day": when(cycle.since), "of": of},
            ),
            (
                gettext("Workable at a time"),
                _number(capacity.at_a_time),
                gettext("sales reps × accounts a rep can work at a time"),
            ),
            (
                gettext("Workable in a year"),
                _number(capacity.per_year),
                gettext("workable at a time × 365 / won cycle"),
            ),
            (
                gettext("Once through the list"),
                days_text(days) if days else "–",
                gettext("target accounts / workable at a time × won cycle, at least one cycle"),
            ),
        ],
    }


def _stale_row(row: StaleAccount) -> dict[str, Any]:
    return {
        "pk": row.membership.pk,
        "name": str(row.account),
        "account": link(admin_url("segmentation_account_change", row.account.pk), row.account),
        "since": row.membership.start_at,
        "activity": row.last_activity,
        "movement": row.last_movement,
    }


def _month_name(month: Month) -> str:
    return f"{timezone.localtime(month.start):%Y-%m}"


def _tier_name(tier: int) -> str:
    return str(Tier(tier).label) if tier else gettext("no tier")


def _month_row(month: Month) -> dict[str, Any]:
    return {
        "name": _month_name(month),
        "members": month.members,
        "tiers": [month.by_tier.get(tier, 0) for tier in TIER_COLOURS],
        "added": month.added,
        "left": month.left,
        "refused": month.refused,
        "engaged": _percent(month.engaged_share),
        "minutes": _number(month.seconds / 60),
        "focus": _percent(month.focus),
    }


# --- Pictures ------------------------------------------------------------------------------------------------------


def figures(months: Sequence[Month]) -> dict[str, Any]:
    """The pictures by name: size by tier, who came and left, engagement and focus. The table says the same."""
    names = [_month_name(month) for month in months]

    def bar(name: str, values: list[Any], colour: str) -> dict[str, Any]:
        return {"type": "bar", "name": name, "x": names, "y": values, "marker": {"color": colour}}

    def line(name: str, values: list[float | None], colour: str) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": names,
            "y": values,
            "line": {"color": colour, "width": 2},
            "hovertemplate": "%{y:.1%}",
        }

    tiers = [tier for tier in TIER_COLOURS if any(month.by_tier.get(tier) for month in months)]
    sizes = [bar(_tier_name(t), [m.by_tier.get(t, 0) for m in months], TIER_COLOURS[t]) for t in tiers]
    changes = [
        bar(gettext("came"), [month.added for month in months], ADDED),
        bar(gettext("left"), [-month.left for month in months], LEFT),
    ]
    shares = [
        line(gettext("engaged accounts"), [month.engaged_share for month in months], ENGAGED),
        line(gettext("focus"), [month.focus for month in months], FOCUS),
    ]
    return {
        "size": {"data": sizes, "layout": _layout(3, barmode="stack")},
        "changes": {"data": changes, "layout": _layout(3, barmode="relative")},
        "shares": {
            "data": shares,
            "layout": _layout(2, yaxis={"tickformat": ".0%", "rangemode": "tozero", "fixedrange": True}),
        },
    }


def _layout(every: int, **more: Any) -> dict[str, Any]:
    """How a picture is drawn; `every`: of so many months one is named, so that their names lie flat."""
    return {
        "height": 240,
        "margin": {"l": 44, "r": 8, "t": 8, "b": 28},
        "bargap": 0.25,
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "dragmode": False,
        "xaxis": {"type": "category", "fixedrange": True, "dtick": every, "tickangle": 0},
        "yaxis": {"rangemode": "tozero", "fixedrange": True},
        **more,
    }
