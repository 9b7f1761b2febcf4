"""The page of how segments fare against the rest, mixed into the admin of segments."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.downloads import csv_response
from journey.admin.funnel.address import RANGES, preset, range_text
from journey.admin.funnel.words import days, money, no_data, share
from journey.admin.segment_figures import performance_figure
from journey.engine.metrics.performance import Performance
from journey.engine.metrics.rates import Interval
from journey.errors import JourneyError
from journey.instants import parse_instant, past_instant
from journey.selectors.segment_performance import (
    PerformanceReport,
    SegmentPerformance,
    Side,
    performance_query,
    segment_performance,
)
from segmentation.admin.base import admin_url
from segmentation.errors import ProblemError
from segmentation.models import Segment
from segmentation.selectors.access import visible_to

GIVEN = ("range", "start", "end", "currency", "moment", "known_at", "figure")
NAMED = {name: label for name, label in RANGES.items() if name != "all"}
DEFAULT_RANGE = "365d"
MOMENT_LABELS = {"opened": _("when the deal was opened"), "closed": _("just before the deal closed")}
FIGURES = {
    "win_rate": _("win rate"),
    "size": _("deal size"),
    "share": _("share of revenue"),
    "velocity": _("sales velocity"),
    "cycle": _("cycle"),
    "retention": _("retention"),
}


class PerformancePages:
    """Segments against the rest."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.performance_view)
        return [path("performance/", view, name="segmentation_segment_performance"), *super().get_urls()]  # type: ignore[misc]

    def performance_view(self, request: HttpRequest) -> HttpResponse:
        """Every segment against the accounts that were not in it."""
        if not self.has_view_permission(request) or not request.user.has_perm("journey.view_opportunity"):  # type: ignore[attr-defined, union-attr]
            raise PermissionDenied
        given = {name: request.GET.get(name, "").strip() for name in GIVEN}
        given["range"] = given["range"] or ("custom" if given["start"] or given["end"] else DEFAULT_RANGE)
        given["moment"] = given["moment"] or "opened"
        report, problem = None, None
        try:
            start, end = _range(given)
            report = segment_performance(
                performance_query(
                    start=start,
                    end=end,
                    currency=given["currency"],
                    moment=given["moment"],
                    known_at=past_instant(given["known_at"], "known_at") if given["known_at"] else None,
                    segments=[key for key in request.GET.getlist("segment") if key],
                    user=request.user,
                )
            )
        except ProblemError as error:
            problem = error
        if request.GET.get("format") == "csv":
            return csv_response("segment-performance.csv", report.flat() if report else None, problem)
        figure = given["figure"] if given["figure"] in FIGURES else "win_rate"
        context: dict[str, Any] = {
            "title": gettext("Performance of the segments"),
            "problem": problem,
            "given": given,
            "ranges": NAMED,
            "moments": MOMENT_LABELS,
            "figure_labels": FIGURES,
            "figure": figure,
            "today": timezone.localdate().isoformat(),
            "reset_url": request.path,
            "csv_url": f"?{urlencode({**given, 'format': 'csv'})}",
            "segments_exist": visible_to(Segment.objects.all(), request.user).exists(),
            "rates_url": admin_url("journey_exchangerate_changelist")
            if request.user.has_perm("journey.view_exchangerate")  # type: ignore[union-attr]
            else "",
        }
        if report:
            whole = report.everything.figures
            context |= {
                "report": report,
                "scope": range_text(report.query.start, report.query.end),
                "rows": [_row(row, report) for row in report.rows],
                "whole": _cells(report.everything, None, report.currency, {}),
                "is_empty": not (whole.won or whole.lost or whole.open),
                "figures": {"figure": performance_figure(_bars(report, figure), _value_words(figure, report.currency))},
            }
        return self._page(request, "performance", **context)  # type: ignore[attr-defined, no-any-return]


def _range(given: dict[str, str]) -> tuple[dt.datetime, dt.datetime]:
    """The range that is asked for. Raises JourneyError."""
    named = given["range"]
    if named == "custom":
        for name in ("start", "end"):
            if not given[name]:
                raise JourneyError(
                    _("A range of your own needs its first day and the day it ends before."),
                    code="range_incomplete",
                    field=name,
                    remedy=_("Fill in both days, or choose one of the ranges with a name."),
                )
        return parse_instant(given["start"], "start"), parse_instant(given["end"], "end")
    if named not in NAMED:
        raise JourneyError(
            _("There is no range “%(value)s”."),
            code="unknown_range",
            field="range",
            value=named,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(NAMED)},
        )
    first, after = preset(named, timezone.localdate())
    return tuple(timezone.make_aware(dt.datetime.combine(day, dt.time())) for day in (first, after))  # type: ignore[return-value]


def _row(row: SegmentPerformance, report: PerformanceReport) -> dict[str, Any]:
    return {
        "name": row.group.name,
        "color": row.group.color,
        "depth": row.group.depth,
        "url": admin_url("segmentation_segment_change", row.group.pk) if row.group.pk else "",
        "accounts": row.accounts,
        "unknown": row.unknown,
        "assumed": row.assumed,
        "cells": _cells(row.segment, row.rest, report.currency, row.clear),
    }


def _cells(side: Side, rest: Side | None, currency: str, clear: dict[str, int]) -> list[dict[str, Any]]:
    """The figures of a segment, each with that of the rest. few: rests on few cases; sign: clearly above or below."""
    mine = side.figures
    others = rest.figures if rest else None

    def cell(key: str, label: Any, words: Callable[[Performance, Side], str], about: str = "") -> dict[str, Any]:
        return {
            "label": label,
            "value": words(mine, side),
            "rest": words(others, rest) if others and rest else "",
            "few": key in mine.few,
            "few_rest": bool(others and key in others.few),
            "sign": clear.get(key, 0),
            "about": about,
        }

    return [
        cell("deals", _("won / lost"), lambda f, _side: f"{f.won:,} / {f.lost:,}"),
        cell("win_rate", _("win rate"), lambda f, _side: _percent(f.win_rate), _limits(mine.win_rate)),
        cell(
            "size",
            _("deal size, median"),
            lambda f, _side: money(f.size.median, currency),
            gettext("mean %(mean)s") % {"mean": money(mine.size.mean, currency)} if mine.size.n else "",
        ),
        cell(
            "revenue",
            _("revenue"),
            lambda f, _side: money(f.revenue, currency),
            gettext("%(share)s of all") % {"share": share(side.share)} if side.share is not None else "",
        ),
        cell(
            "cycle",
            _("cycle, median"),
            lambda f, _side: days(f.cycle.median),
            gettext("mean %(mean)s") % {"mean": days(mine.cycle.mean)} if mine.cycle.n else "",
        ),
        cell(
            "velocity",
            _("velocity a day"),
            lambda f, _side: money(f.velocity, currency),
            ngettext("%(n)s deal open", "%(n)s deals open", mine.open) % {"n": f"{mine.open:,}"},
        ),
        cell(
            "retention",
            _("retention"),
            lambda f, _side: _percent(f.retention),
            gettext("%(kept)s of %(n)s customers") % {"kept": mine.kept, "n": mine.customers} if mine.customers else "",
        ),
    ]


def _percent(found: Interval | None) -> str:
    return no_data() if found is None else share(found.rate)


def _limits(found: Interval | None) -> str:
    return "" if found is None else f"{100 * found.low:.0f}–{100 * found.high:.0f} %"


Bar = tuple[float | None, float | None, float | None, bool]  # value, limits, whether it rests on few cases


def _bars(report: PerformanceReport, figure: str) -> list[tuple[str, Bar, Bar]]:
    """The chosen figure of each segment and of its rest."""
    return [(row.group.name, _bar(row.segment, figure), _bar(row.rest, figure)) for row in report.rows]


def _bar(side: Side, figure: str) -> Bar:
    found = side.figures
    few = figure in found.few
    if figure in ("win_rate", "retention"):
        rate: Interval | None = getattr(found, figure)
        return (100 * rate.rate, 100 * rate.low, 100 * rate.high, few) if rate else (None, None, None, few)
    if figure in ("size", "cycle"):
        spread = getattr(found, figure)
        return spread.median, spread.low, spread.high, few
    if figure == "share":
        return (None if side.share is None else 100 * side.share), None, None, few
    return found.velocity, None, None, few


def _value_words(figure: str, currency: str) -> str:
    """What the axis of a figure counts."""
    return {
        "win_rate": "%",
        "retention": "%",
        "share": "%",
        "cycle": gettext("days"),
        "size": currency,
        "velocity": gettext("%(currency)s a day") % {"currency": currency},
    }[figure].strip()


__all__: Sequence[str] = ["PerformancePages"]
