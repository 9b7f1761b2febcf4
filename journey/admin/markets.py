"""The nested markets in the admin: their sizes over time, the accounts behind each number, and what makes a market."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from journey.admin.downloads import csv_response
from journey.admin.market_figures import market_figure
from journey.instants import past_instant
from journey.models import MarketLevel
from journey.models.markets import READ_BY
from journey.selectors.markets import (
    MarketFigures,
    MarketQuery,
    MarketReport,
    market_accounts,
    market_query,
    market_report,
)
from segmentation.admin.base import KeyedAdmin, admin_url, chip
from segmentation.errors import ProblemError
from segmentation.models import Account
from segmentation.selectors.access import is_limited

PER_PAGE = 50
MONTHS = (6, 12, 24, 36, 60)
SCALES = {"linear": _("even"), "log": _("by powers of ten")}


class MarketForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the chosen test does not read is not shown, so it is emptied, too."""

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name, test in READ_BY.items():
            if name in values and values.get("test") != test:
                values[name] = "" if isinstance(values[name], str) else None
        return values


@admin.register(MarketLevel)
class MarketLevelAdmin(KeyedAdmin):
    """What makes a market. The page of their sizes is the one the side bar leads to."""

    form = MarketForm
    list_display = ["position", "name_chip", "test", "key"]
    list_display_links = ["name_chip"]
    search_fields = ["name", "key"]
    empty_text = _("Add markets from the widest to the narrowest; each is a part of the one before it.")
    fieldsets = [
        (None, {"fields": [("name", "key"), "description", ("position", "color")]}),
        (
            _("Whom it holds"),
            {
                "fields": ["test", ("profile", "grades"), "target_list", "segment", ("journey", "stage")],
                "description": _("Of the market before: those that pass this test. Fill in what the test reads."),
            },
        ),
    ]

    conditional_fields = {  # what the chosen test does not read is not shown
        "profile": "test == 'fit'",
        "grades": "test == 'fit'",
        "target_list": "test == 'list'",
        "segment": "test == 'segment'",
        "journey": "test == 'stage'",
        "stage": "test == 'stage'",
    }

    @display(description=_("name"), ordering="name")
    def name_chip(self, level: MarketLevel) -> Any:
        return chip(str(level), level.color)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"journey_marketlevel_{name}")

        return [
            page("over-time/", self.chart_view, "chart"),
            page("accounts/", self.accounts_view, "accounts"),
            *super().get_urls(),
        ]

    def _allow(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request) or not request.user.has_perm("segmentation.view_account"):  # type: ignore[union-attr]
            raise PermissionDenied

    def chart_view(self, request: HttpRequest) -> HttpResponse:
        """How large every market is and was."""
        self._allow(request)
        given = {name: request.GET.get(name, "").strip() for name in ("months", "as_of", "known_at", "scale")}
        report, problem = None, None
        try:
            report = market_report(
                market_query(
                    months=_months(given["months"]),
                    as_of=_moment(given["as_of"], "as_of"),
                    known_at=_moment(given["known_at"], "known_at"),
                    user=request.user,
                )
            )
        except ProblemError as error:
            problem = error
        if request.GET.get("format") == "csv":
            return csv_response("markets.csv", report.rows() if report else None, problem)
        context: dict[str, Any] = {
            "title": gettext("Markets"),
            "problem": problem,
            "given": {**given, "months": given["months"] or "12"},
            "months": MONTHS,
            "today": timezone.localdate().isoformat(),
            "scales": SCALES,
            "levels_url": admin_url("journey_marketlevel_changelist") if not is_limited(request.user) else "",
            "csv_url": f"?{urlencode({**given, 'format': 'csv'})}",
            "reset_url": request.path,
        }
        if report:
            context |= _report_context(report, given, limited=is_limited(request.user))
        return self._page(request, "page", context)

    def accounts_view(self, request: HttpRequest) -> HttpResponse:
        """The accounts a number counts, as a page or as CSV."""
        self._allow(request)
        given = {name: request.GET.get(name, "").strip() for name in ("market", "which", "at", "known_at")}
        accounts, problem = Account.objects.none(), None
        moment = timezone.now()
        try:
            moment = _moment(given["at"], "at") or moment
            known_at = _moment(given["known_at"], "known_at")
            accounts = market_accounts(given["market"], given["which"] or "in", moment, known_at, request.user)
        except ProblemError as error:
            problem = error
        level = MarketLevel.objects.filter(key=given["market"]).first()
        if request.GET.get("format") == "csv":
            rows = (
                {
                    "id": account.pk,
                    "external_id": account.external_id or "",
                    "name": account.name,
                    "domain": account.domain,
                    "industry": account.industry,
                    "region": account.region,
                }
                for account in accounts.iterator(chunk_size=2000)
            )
            name = f"{given['market']}-{given['which'] or 'in'}.csv"
            return csv_response(name, rows, problem, user=request.user, of=level)
        page = Paginator(accounts, PER_PAGE).get_page(request.GET.get("p"))
        return self._page(
            request,
            "accounts",
            {
                "title": _heading(level, given["which"] or "in") if level else gettext("Markets"),
                "problem": problem,
                "moment": moment,
                "page": page,
                "rows": [
                    {"account": account, "url": admin_url("segmentation_account_change", account.pk)}
                    for account in page
                ],
                "page_url": f"?{urlencode(given)}&p=",
                "csv_url": f"?{urlencode({**given, 'format': 'csv'})}",
                "back_url": admin_url("journey_marketlevel_chart"),
            },
        )

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.model._meta}
        return TemplateResponse(request, f"admin/journey/markets/{template}.html", {**shared, **context})


def _months(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0 if text else 12


def _moment(text: str, name: str) -> dt.datetime | None:
    return past_instant(text, name) if text else None


def _heading(level: MarketLevel, which: str) -> str:
    texts = {
        "in": gettext("%(market)s"),
        "beside": gettext("Beside: they pass the test of “%(market)s”, but not one before it"),
        "unknown": gettext("Not known: whether they belong to “%(market)s”"),
    }
    return texts.get(which, texts["in"]) % {"market": level}


def _report_context(report: MarketReport, given: dict[str, str], *, limited: bool) -> dict[str, Any]:
    query = report.query
    last = len(query.instants) - 1
    base = admin_url("journey_marketlevel_accounts") or ""
    known = {"known_at": query.known_at.isoformat()} if query.known_at else {}

    def url(market: MarketFigures, which: str, place: int) -> str:
        at = query.instants[place].isoformat()
        return f"{base}?{urlencode({'market': market.level.key, 'which': which, 'at': at, **known})}"

    def cell(market: MarketFigures, which: str, numbers: list[int | None], place: int) -> dict[str, Any]:
        number = numbers[place]
        return {"number": number, "url": url(market, which, place) if number else ""}

    widest = max((market.size[last] or 0 for market in report.markets), default=0)
    rows = []
    for number, market in enumerate(report.markets):
        share = market.share(report.before(number), last)
        size = market.size[last]
        first = market.size[0]
        rows.append(
            {
                "level": market.level,
                "words": [] if limited else market.words,
                "problem": market.problem,
                "size": cell(market, "in", market.size, last),
                "width": round(100 * size / widest, 1) if size and widest else 0,
                "share": None if share is None else round(100 * share, 1),
                "change": None if size is None or first is None else size - first,
                "beside": cell(market, "beside", market.beside, last),
                "unknown": cell(market, "unknown", market.unknown, last),
                "assumed": market.assumed[last],
            }
        )
    table = [
        {
            "at": _shown(query, place),
            "is_now": place == last,
            "cells": [
                {
                    **cell(market, "in", market.size, place),
                    "beside": cell(market, "beside", market.beside, place),
                    "assumed": market.assumed[place],
                }
                for market in report.markets
            ],
        }
        for place, moment in reversed(list(enumerate(query.instants)))
    ]
    scale = given["scale"] if given["scale"] in SCALES else _scale(report)
    return {
        "report": report,
        "rows": rows,
        "is_empty": not widest,
        "is_assumed": any(any(market.assumed) for market in report.markets),
        "table": table,
        "scale": scale,
        "since": _shown(query, 0),
        "figures": {"sizes": market_figure(report, scale, url)},
    }


def _shown(query: MarketQuery, place: int) -> dt.datetime:
    """The last moment of a month, which ends at an instant of the next; the moment of the question as it is."""
    moment = query.instants[place]
    return moment if moment == query.as_of else moment - dt.timedelta(microseconds=1)


def _scale(report: MarketReport) -> str:
    """Powers of ten where the narrowest market could not be seen otherwise."""
    now = [market.size[-1] for market in report.markets if market.size[-1]]
    return "log" if now and max(now) > 40 * min(now) else "linear"  # type: ignore[type-var, operator]
