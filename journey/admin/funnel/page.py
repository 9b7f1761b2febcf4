"""The funnel page: any journey, any question, and the accounts behind every number."""

from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.admin.downloads import csv_response
from journey.admin.funnel.address import RANGES, VIEW, Address, range_text, scope_text
from journey.admin.funnel.cards import Cell, Column, Look, Table
from journey.admin.funnel.parts import entity_url, field_options
from journey.admin.funnel.tabs import TABS
from journey.admin.funnel.words import days, money
from journey.admin.rules_schema import unit_words
from journey.admin.versions import journey_url, may
from journey.facts.dimensions import dimensions
from journey.instants import parse_instant
from journey.models import History, Journey, JourneyVersion
from journey.selectors.funnel_compare import COMPARED
from journey.selectors.funnel_members import DEALS, Behind, Deals, Members, deals_behind, field_values, members
from journey.selectors.funnel_query import FunnelQuery, find_dimension
from journey.selectors.overview import freshness
from segmentation.admin.base import admin_url
from segmentation.errors import ProblemError
from segmentation.models import TargetList
from segmentation.selectors.access import visible_accounts

RIGHT_TO_VIEW = {
    Journey.Unit.ACCOUNT: "segmentation.view_account",
    Journey.Unit.CONTACT: "segmentation.view_contact",
    Journey.Unit.OPPORTUNITY: "journey.view_opportunity",
}
PER_PAGE = 50
LIST_MODES = {
    "was": _("on it at each counted moment"),
    "is": _("on it now"),
    "cohort": _("on it on a day"),
}


class FunnelPages:
    """The pages of the funnel, mixed into the admin of journeys."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any, url: str) -> URLPattern:
            return path(url, self.admin_site.admin_view(view), name=f"journey_journey_{name}")

        return [
            page("funnel", self.funnel_view, "funnel/"),
            page("funnel_part", self.funnel_part_view, "funnel/part/"),
            page("funnel_members", self.funnel_members_view, "funnel/members/"),
            page("funnel_values", self.funnel_values_view, "funnel/values/"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def _allow(self, request: HttpRequest, unit: str | None = None) -> None:
        # The page of a journey shows figures of all accounts and is closed to sales reps; this one shows their own.
        rights = ["journey.view_journey", *([RIGHT_TO_VIEW[Journey.Unit(unit)]] if unit else [])]
        if not request.user.has_perms(rights):  # type: ignore[union-attr]
            raise PermissionDenied

    def _look(self, request: HttpRequest) -> Look:
        """The question of a request. Raises ProblemError, and PermissionDenied for what the user may not see."""
        address = Address(request.GET, request.user)
        self._allow(request, address.journey().unit)
        return Look(address, address.query(), request.user, *(_url(name) for name in ("", "_part", "_members")))

    def funnel_view(self, request: HttpRequest) -> HttpResponse:
        """The page: the question, its tabs, and room for the tab that is looked at, which is fetched when it shows."""
        self._allow(request)
        address = Address(request.GET, request.user)
        if added := _added_filter(request):
            return HttpResponseRedirect(address.url(request.path, where=address.with_where(added)))
        problem, query, journey = None, None, None
        try:
            journey = address.journey()
            self._allow(request, journey.unit)
            query = address.query()
        except ProblemError as error:
            problem = error
        tab = address.get("tab", "overview")
        if tab not in TABS:
            tab = "overview"
        context = {
            **self.admin_site.each_context(request),
            "title": _("Funnel"),
            "problem": problem,
            "query": query,
            "journey": journey,
            "scope": scope_text(query) if query else "",
            "tabs": [
                {"key": key, "label": label, "url": address.url(request.path, tab=key, stage=None, p=None)}
                for key, (label, _make) in TABS.items()
            ],
            "tab": tab,
            "part_url": address.url(_url("_part"), tab=tab),
            "fixed_url": address.fixed(query) if query else "",
            "reset_url": request.path,
            **_start_context(request, problem, journey),
            **(_form_context(address, query, journey) if journey else {}),
        }
        return TemplateResponse(request, "admin/journey/funnel/page.html", context)

    def funnel_part_view(self, request: HttpRequest) -> HttpResponse:
        """One tab without the page around it, or one of its cards as CSV."""
        try:
            look = self._look(request)
            tab = look.address.get("tab", "overview")
            part = TABS[tab if tab in TABS else "overview"][1](look)
        except ProblemError as problem:
            return _refusal(request, problem)
        wanted = request.GET.get("csv")
        if wanted in part.csv:
            return csv_response(f"{look.query.version.journey.key}-{wanted}.csv", part.csv[wanted]())
        rates = admin_url("journey_exchangerate_changelist") if may(request, "view_exchangerate") else ""
        return TemplateResponse(request, "admin/journey/funnel/part.html", {"part": part, "rates_url": rates})

    def funnel_members_view(self, request: HttpRequest) -> HttpResponse:
        """Whom a number counts, as a page or as CSV."""
        try:
            look = self._look(request)
            behind = _behind(look.address)
            found: Deals | Members
            if behind.what in DEALS:
                self._allow(request, Journey.Unit.OPPORTUNITY)
                found = deals_behind(look.query, behind, request.user)
            else:
                found = members(look.query, behind, request.user)
        except ProblemError as problem:
            return _refusal(request, problem, page=True, context=self.admin_site.each_context(request))
        if request.GET.get("format") == "csv":
            journey = look.query.version.journey
            return csv_response(f"{journey.key}-{behind.what}.csv", found.rows(), user=request.user, of=journey)
        page = Paginator(cast(Any, found), PER_PAGE).get_page(look.address.get("p", "1"))
        unit = look.query.version.journey.unit
        context = {
            **self.admin_site.each_context(request),
            "title": _heading(look, behind),
            "scope": scope_text(look.query),
            "page": page,
            "count": len(found),
            "distinct": found.entities if isinstance(found, Members) else None,
            "entities": unit_words(unit)["many"],
            "table": _deal_table(look, page) if behind.what in DEALS else _member_table(look, page, unit),
            "pages": {
                "previous": look.address.url(p=page.previous_page_number()) if page.has_previous() else "",
                "next": look.address.url(p=page.next_page_number()) if page.has_next() else "",
            },
            "csv_url": f"{look.address.url()}&format=csv",
            "back_url": look.address.url(look.page_url, what=None, source=None, grade=None, pstart=None, pend=None,
                                         within=None, p=None),
        }  # fmt: skip
        return TemplateResponse(request, "admin/journey/funnel/members.html", context)

    def funnel_values_view(self, request: HttpRequest) -> HttpResponse:
        """The values of a field that figures can be filtered by."""
        try:
            address = Address(request.GET, request.user)
            journey = address.journey()
            self._allow(request, journey.unit)
            dimension = find_dimension(dimensions(journey.unit), request.GET.get("field", ""), "field")
            found = field_values(address.version(journey), dimension, visible_accounts(request.user))
        except ProblemError as problem:
            return JsonResponse({"values": [], "problem": str(problem)})
        return JsonResponse({"values": found})


def _url(name: str) -> str:
    return reverse(f"admin:journey_journey_funnel{name}")


def _refusal(request: HttpRequest, problem: ProblemError, page: bool = False, context: Any = None) -> HttpResponse:
    """A question that cannot be answered, in words."""
    if request.GET.get("csv") or request.GET.get("format") == "csv":
        return HttpResponse(str(problem), status=400, content_type="text/plain; charset=utf-8")
    template = "admin/journey/funnel/members.html" if page else "admin/journey/funnel/part.html"
    back = Address(request.GET).url(_url(""), what=None)
    more = {**(context or {}), "title": _("Funnel"), "problem": problem, "back_url": back}
    return TemplateResponse(request, template, more)


def _added_filter(request: HttpRequest) -> str:
    """The filter that was chosen in the form by its field and its value."""
    name, value = request.GET.get("wf", "").strip(), request.GET.get("wv", "").strip()
    return f"{name}={value}" if name and value else ""


def _start_context(request: HttpRequest, problem: ProblemError | None, journey: Journey | None) -> dict[str, Any]:
    """What to do first where there is nothing to show yet."""
    code = problem.code if problem else ""
    published = journey.versions.filter(state=JourneyVersion.State.PUBLISHED).exists() if journey else False
    return {
        "no_journey": journey is None and code == "unknown_journey" and not Journey.objects.exists(),
        "no_history": code == "no_history",
        "is_published": published,
        "rebuild_url": reverse("admin:journey_journey_rebuild", args=[journey.pk])
        if journey and published and may(request, "add_history")
        else "",
        "journey_url": journey_url(journey) if journey else admin_url("journey_journey_changelist"),
    }


def _form_context(address: Address, query: FunnelQuery | None, journey: Journey) -> dict[str, Any]:
    """The form that asks the question, filled in with what was asked."""
    given = address.raw
    history = History.objects.filter(version=query.version, state=History.State.CURRENT).first() if query else None
    named = given["range"] or ("custom" if given["start"] or given["end"] else "90d")
    versions = journey.versions.exclude(state=JourneyVersion.State.DRAFT).order_by("-number")
    labels = dict(field_options(journey.unit))
    today = timezone.localdate().isoformat()
    more = ("as_of", "known_at", "horizon", "to", "version")
    return {
        "given": {
            **given,
            "range": named,
            "start": given["start"] or (_day(query.start) if query else ""),
            "end": given["end"] or (_day(query.end) if query else ""),
        },
        "kept": [(name, given[name]) for name in VIEW if given[name] and name != "tab"],
        "journeys": list(Journey.objects.all()),
        "ranges": RANGES,
        "lists": list(TargetList.objects.all()),
        "list_modes": LIST_MODES,
        "compared": COMPARED,
        "stages": query.stages if query else [],
        "versions": list(versions),
        "fields": field_options(journey.unit),
        "filters": [
            {
                "text": f"{labels.get(word.partition('=')[0], word.partition('=')[0])}: {word.partition('=')[2]}",
                "word": word,
                "url": address.url(_url(""), where=[other for other in address.where if other != word], p=None),
            }
            for word in address.where
        ],
        "more_open": any(given[name] for name in more),
        "values_url": address.url(_url("_values"), keep=("journey", "version")),
        "today": today,
        "fresh": freshness(history),
    }


def _day(moment: Any) -> str:
    return timezone.localtime(moment).date().isoformat()


# --- Whom a number counts --------------------------------------------------------------------------------------------


def _behind(address: Address) -> Behind:
    within = address.get("within")
    start, end = address.get("pstart"), address.get("pend")
    return Behind(
        what=address.get("what"),
        stage=address.get("stage") or None,
        source=address.get("source") or None,
        grade=address.get("grade") or None,
        start=parse_instant(start, "pstart") if start and end else None,
        end=parse_instant(end, "pend") if start and end else None,
        within_days=float(within) if within.isdecimal() and len(within) < 6 else None,
    )


def _heading(look: Look, behind: Behind) -> str:
    stage = look.name(behind.stage) if behind.stage else gettext("all stages")
    goal = look.name(look.query.to) if look.query.to else gettext("the next stage")
    words = {"stage": stage, "goal": goal, "source": look.name(behind.source)}
    if behind.source:
        text = gettext("Moves from %(source)s to %(stage)s")
    else:
        text = {
            "now": gettext("In %(stage)s"),
            "entries": gettext("Entries into %(stage)s"),
            "began": gettext("Histories that begin in %(stage)s"),
            "stays": gettext("Beginnings in %(stage)s"),
            "asked": gettext("Beginnings in %(stage)s"),
            "converted": gettext("From %(stage)s on to %(goal)s or later"),
            "not_converted": gettext("From %(stage)s not on to %(goal)s or later"),
            "immature": gettext("In %(stage)s, horizon not passed"),
            "pipeline": gettext("Pipeline: deals open in %(stage)s"),
            "revenue": gettext("Revenue: deals won in %(stage)s"),
        }[behind.what]
    heading = text % words
    if behind.start and behind.end:
        heading += f", {range_text(behind.start, behind.end)}"
    if behind.within_days is not None:
        heading += ", " + gettext("within %(days)s") % {"days": days(behind.within_days)}
    return heading


def _date(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "DATE_FORMAT") if moment else "–"


def _member_table(look: Look, page: Any, unit: str) -> Table:
    rows = [
        [
            Cell(member.name, entity_url(unit, member.id), sub=member.external_id),
            Cell(look.name(member.stage)),
            Cell(look.name(member.came_from) if member.came_from else gettext("first stay")),
            Cell(_date(member.since)),
            Cell(_date(member.until) if member.until else gettext("still there")),
            Cell(days(member.days)),
            Cell(_date(member.moved_on), pale=member.moved_on is None),
            Cell(_trust_word(member.trust)),
        ]
        for member in page
    ]
    columns = [
        Column(_("Name"), words=True), Column(_("Stage"), words=True), Column(_("Came from"), words=True),
        Column(_("Since")), Column(_("Until")), Column(_("Days")), Column(_("Moved on")),
        Column(_("Trust"), words=True),
    ]  # fmt: skip
    return Table(columns, rows)


def _trust_word(trust: str) -> str:
    return {"exact": gettext("exact"), "derived": gettext("derived"), "assumed": gettext("assumed")}[trust]


def _deal_table(look: Look, page: Any) -> Table:
    rows = [
        [
            Cell(deal.name, entity_url("opportunity", deal.id), sub=deal.external_id),
            Cell(deal.account or "–"),
            Cell(look.name(deal.stage)),
            Cell(money(deal.amount, deal.currency), pale=deal.amount is None),
            Cell(_date(deal.at)),
        ]
        for deal in page
    ]
    columns = [
        Column(_("Deal"), words=True), Column(_("Account"), words=True), Column(_("Stage"), words=True),
        Column(_("Amount")), Column(_("Won")),
    ]  # fmt: skip
    return Table(columns, rows)
