"""Colours and pictures of fit."""

import html
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from journey.selectors.assessments import PastFit
from journey.selectors.profile_comparisons import BINS
from segmentation.admin.base import chip
from segmentation.engine.fit import GRADES, LIMITS
from segmentation.models import IcpVersion

GRADE_COLOURS = {"A": "#16a34a", "B": "#0ea5e9", "C": "#f59e0b", "D": "#dc2626", "": "#94a3b8"}
SHOWN_GRADES = (*GRADES[1:], "")  # the best first, none last
STATE_COLOURS = {"met": "#16a34a", "partly": "#f59e0b", "unmet": "#dc2626", "unknown": "#94a3b8"}
SIDES = ("#94a3b8", "#6366f1")  # the version before and the one after
LINES = ("#6366f1", "#14b8a6", "#f97316", "#a855f7")  # of profiles


def grade_chip(grade: str) -> Any:
    """A grade as a label; none says so."""
    return chip(grade or gettext("no grade"), GRADE_COLOURS[grade])


def _layout(**more: Any) -> dict[str, Any]:
    return {
        "height": 240,
        "margin": {"l": 44, "r": 8, "t": 8, "b": 36},
        "legend": {"orientation": "h", "y": 1.12, "x": 0},
        "xaxis": {"fixedrange": True},
        "yaxis": {"fixedrange": True, "rangemode": "tozero"},
        **more,
    }


def comparison_figures(found: dict[str, Any], one: IcpVersion, two: IcpVersion) -> dict[str, Any]:
    """Two versions side by side: accounts by grade, and by score. found: as `compare_profile_versions` gives it."""
    names = [f"v{one.number}", f"v{two.number}"]
    grades = SHOWN_GRADES
    labels = [grade or gettext("no grade") for grade in grades]
    before = [sum(found["grades"][grade].values()) for grade in grades]
    after = [sum(row[grade] for row in found["grades"].values()) for grade in grades]
    width = 100 // BINS
    middles = [width * (i + 0.5) for i in range(BINS)]
    ranges = [f"{width * i}–{width * (i + 1)}" for i in range(BINS)]
    accounts = gettext("accounts")

    def bars(x: list[Any], numbers: list[list[int]], texts: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "type": "bar",
                "name": name,
                "x": x,
                "y": y,
                "customdata": texts,
                "hovertemplate": f"%{{customdata}}: %{{y}} {accounts}<extra>{name}</extra>",
                "marker": {"color": colour},
            }
            for name, y, colour in zip(names, numbers, SIDES, strict=True)
        ]

    limits = [
        {
            "type": "line",
            "x0": limit,
            "x1": limit,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": GRADE_COLOURS[grade], "width": 1, "dash": "dot"},
        }
        for grade, limit in zip("ABC", LIMITS, strict=True)
    ]
    return {
        "grades": {
            "data": bars(labels, [before, after], labels),
            "layout": _layout(barmode="group", xaxis={"fixedrange": True, "type": "category"}),
        },
        "scores": {
            "data": bars(middles, found["scores"], ranges),
            "layout": _layout(
                barmode="group",
                bargap=0.1,
                shapes=limits,
                xaxis={"fixedrange": True, "range": [0, 100], "title": {"text": gettext("fit")}},
            ),
        },
    }


def history_figure(rows: Sequence[PastFit]) -> dict[str, Any]:
    """The scores of an account over time, a line for each profile; a gap where there was no verdict."""
    now = timezone.now()
    profiles: dict[Any, list[PastFit]] = {}
    for row in reversed(rows):
        profiles.setdefault(row.assessment.version.profile, []).append(row)
    traces = []
    for number, (profile, stays) in enumerate(profiles.items()):
        x: list[str | None] = []
        y: list[float | None] = []
        texts: list[str] = []
        for past in stays:
            stay = past.assessment
            for moment in (stay.made_at, past.until or now):
                x.append(timezone.localtime(moment).replace(tzinfo=None).isoformat(timespec="seconds"))
                y.append(None if stay.score is None else float(stay.score))
                texts.append(f"v{stay.version.number}, {stay.grade or gettext('no grade')}")
        name = html.escape(str(profile), quote=False)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": x,
                "y": y,
                "customdata": texts,
                "hovertemplate": f"%{{x}}: %{{y}} (%{{customdata}})<extra>{name}</extra>",
                "line": {"color": LINES[number % len(LINES)], "width": 2},
                "marker": {"size": 5},
            }
        )
    layout = _layout(height=200, yaxis={"fixedrange": True, "range": [-3, 103]}, showlegend=len(profiles) > 1)
    return {"data": traces, "layout": layout}
