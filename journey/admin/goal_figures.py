"""Goals and priorities as people see them: words, pictures, rows."""

import datetime as dt
import html
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.goals import BEHIND, MISSED, ON_TRACK, PLANNED, REACHED
from journey.selectors.goal_kinds import find_kind
from journey.selectors.goal_kinds.base import ACCOUNTS, MINUTES, MONEY
from journey.selectors.goals import GoalReport, is_provisional
from journey.selectors.priorities import CONSIDERATIONS, Ranked
from segmentation.models import SegmentGoal

STATUS_NAMES = {
    ON_TRACK: _("on track"),
    BEHIND: _("behind"),
    REACHED: _("reached"),
    MISSED: _("missed"),
    PLANNED: _("planned"),
}
STATUS_COLOURS = {
    ON_TRACK: "#0ea5e9",
    BEHIND: "#f59e0b",
    REACHED: "#16a34a",
    MISSED: "#dc2626",
    PLANNED: "#94a3b8",
}


def amount(value: float | None, goal: SegmentGoal) -> str:
    """An amount in the unit of a goal."""
    if value is None:
        return "–"
    number = number_format(round(value), 0, use_l10n=True, force_grouping=True)
    match find_kind(goal.kind).unit:
        case unit if unit == MONEY:
            return f"{number} {goal.currency}".strip()
        case unit if unit == MINUTES:
            return gettext("%(n)s min") % {"n": number}
        case unit if unit == ACCOUNTS:
            return ngettext("%(n)s account", "%(n)s accounts", round(value)) % {"n": number}
    return ngettext("%(n)s visit", "%(n)s visits", round(value)) % {"n": number}


def aim_words(goal: SegmentGoal) -> str:
    """What a goal aims at, short."""
    if find_kind(goal.kind).is_level:
        return f"+{number_format(goal.target.normalize(), use_l10n=True)} %"
    words = amount(float(goal.target), goal)
    return f"{words} · {goal.product}" if goal.product else words


def goal_title(goal: SegmentGoal) -> str:
    """Its name, or what it says."""
    return goal.name or f"{find_kind(goal.kind).label}: {aim_words(goal)}"


def goal_row(report: GoalReport) -> dict[str, Any]:
    """A goal in a list."""
    goal, found = report.goal, report.progress
    share = found.progress if found and found.progress is not None else None
    today = timezone.localtime(report.as_of).date()
    is_over = today > goal.last_day
    return {
        "goal": goal,
        "title": goal_title(goal),
        "kind": report.kind.label,
        "aim": aim_words(goal),
        "status": found.status if found else "",
        "status_name": STATUS_NAMES[found.status] if found else "",
        "color": STATUS_COLOURS[found.status] if found else "",
        "percent": "" if share is None else _percent(share),
        "width": 0 if share is None else round(100 * min(max(share, 0.0), 1.0)),
        "mark": round(100 * report.aim.share(_instant(report.as_of))) if found and found.value is not None else None,
        "value": amount(found.value, goal) if found else amount(report.counted, goal),
        "target": amount(report.aim.target, goal) if found or not report.kind.is_level else aim_words(goal),
        "expected": amount(found.expected, goal) if found else "",
        "forecast": amount(found.forecast.value, goal) if found and found.forecast and not is_over else "",
        "range": _range(report) if not is_over else "",
        "is_due": report.is_due,
        "days_left": (goal.last_day - today).days + 1 if goal.first_day <= today <= goal.last_day else None,
    }


def _percent(share: float) -> str:
    """How much of the way is done, in words."""
    return gettext("below the baseline") if round(100 * share) < 0 else f"{round(100 * share)} %"


def _range(report: GoalReport) -> str:
    """The range of the forecast, where there is one."""
    forecast = report.progress.forecast if report.progress else None
    if forecast is None or forecast.low is None:
        return ""
    return f"{amount(forecast.low, report.goal)} – {amount(forecast.high, report.goal)}"


def _instant(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _day(instant: int) -> str:
    moment = dt.datetime.fromtimestamp(instant / 1_000_000, dt.UTC)
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M")


def goal_figure(report: GoalReport) -> dict[str, Any]:
    """Progress against what is expected, and the forecast."""
    goal, aim, found = report.goal, report.aim, report.progress
    unit = html.escape(goal.currency or {ACCOUNTS: gettext("accounts"), MINUTES: gettext("minutes")}.get(
        report.kind.unit, gettext("visits") if report.kind.unit != MONEY else ""
    ), quote=False)  # fmt: skip
    hover = f"%{{x|%Y-%m-%d}}: %{{y:,.0f}} {unit}"

    def line(name: str, x: list[str], y: list[float], **style: Any) -> dict[str, Any]:
        trace = {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": style}
        return {**trace, "hovertemplate": f"{hover}<extra>{name}</extra>"}

    ends = [_day(aim.start), _day(aim.end)]
    traces = []
    forecast = found.forecast if found else None
    if found and forecast and found.value is not None and report.points and aim.share(_instant(report.as_of)) < 1:
        now, end = _day(report.points[-1]["at"]), ends[1]
        if forecast.low is not None and forecast.high is not None:
            traces.append(
                {
                    "type": "scatter", "mode": "none", "fill": "toself", "fillcolor": "rgba(20,184,166,0.18)",
                    "name": gettext("80 % range"), "hoverinfo": "skip",
                    "x": [now, end, end, now], "y": [found.value, forecast.low, forecast.high, found.value],
                }
            )  # fmt: skip
        traces.append(
            line(gettext("Forecast"), [now, end], [found.value, forecast.value], color="#14b8a6", dash="dot", width=2)
        )
    traces.append(line(gettext("Expected"), ends, [aim.origin, aim.target], color="#94a3b8", dash="dash", width=2))
    if aim.is_level:
        traces.append(
            line(gettext("Baseline"), ends, [aim.baseline, aim.baseline], color="#f59e0b", dash="dot", width=1)
        )
    if report.points:
        traces.append(
            line(
                gettext("So far"),
                [_day(point["at"]) for point in report.points],
                [point["value"] for point in report.points],
                color="#6366f1",
                width=3,
            )
        )
    layout = {
        "height": 320,
        "margin": {"l": 64, "r": 12, "t": 8, "b": 36},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.16, "x": 0},
        "xaxis": {"fixedrange": True, "type": "date"},
        "yaxis": {"fixedrange": True, "rangemode": "normal" if aim.is_level else "tozero", "separatethousands": True},
    }
    return {"data": traces, "layout": layout}


def baseline_words(goal: SegmentGoal) -> str:
    """Where a baseline is from."""
    if goal.baseline_source == SegmentGoal.Source.GIVEN:
        return gettext("given by a person: %(reason)s") % {"reason": goal.baseline_reason}
    if goal.baseline_first_day is None or goal.baseline_last_day is None:
        return ""
    words = gettext("what was recorded from %(first)s to %(last)s") % {
        "first": date_format(goal.baseline_first_day, "SHORT_DATE_FORMAT"),
        "last": date_format(goal.baseline_last_day, "SHORT_DATE_FORMAT"),
    }
    return "; ".join([words, gettext("taken again when the goal starts")]) if is_provisional(goal) else words


def ranking_figure(rows: Sequence[Ranked]) -> dict[str, Any]:
    """What each consideration adds to the points of each segment, the first at the top."""
    shown = [row for row in rows if row.priority.points is not None][:20][::-1]
    names = [html.escape(_short(row), quote=False) for row in shown]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": str(one.label),
            "x": [row.judged[key].points or 0 for row in shown],
            "y": names,
            "marker": {"color": one.color},
            "text": [html.escape(row.path, quote=False) for row in shown],
            "textposition": "none",
            "hovertemplate": f"%{{text}}: %{{x:.1f}}<extra>{one.label}</extra>",
        }
        for key, one in CONSIDERATIONS.items()
    ]
    layout = {
        "height": 110 + 26 * len(shown),
        "barmode": "stack",
        "margin": {"l": 8, "r": 8, "t": 8, "b": 30},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.08, "yanchor": "top", "x": 0, "traceorder": "normal"},
        "xaxis": {"fixedrange": True, "range": [0, 100]},
        "yaxis": {"fixedrange": True, "automargin": True, "type": "category", "tickfont": {"size": 11}},
    }
    return {"data": traces, "layout": layout}


def _short(row: Ranked) -> str:
    """Its place and its name, with those of the segments above it where there is room; of a long one the beginning."""
    name = row.path if len(row.path) <= 36 else str(row.segment)
    name = name if len(name) <= 36 else f"{name[:35]}…"
    return f"{row.rank}. {name}" if row.rank else f"{name} ({row.segment.pk})"
