"""Pictures of segments: size over months, and who overlaps with whom."""

import datetime as dt
import html
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

LINES = ("#6366f1", "#14b8a6", "#f97316", "#a855f7", "#0ea5e9", "#e11d48", "#84cc16", "#f59e0b")


def size_figure(months: Sequence[dt.datetime], sizes: Sequence[tuple[str, Sequence[int]]]) -> dict[str, Any]:
    """Members at each moment, a line for each segment. sizes: name and numbers."""
    days = [timezone.localtime(month).date().isoformat() for month in months]
    accounts = gettext("accounts")
    traces = []
    for number, (name, values) in enumerate(sizes):
        shown = html.escape(name, quote=False)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": shown,
                "x": days,
                "y": list(values),
                "hovertemplate": f"%{{x}}: %{{y}} {accounts}<extra>{shown}</extra>",
                "line": {"color": LINES[number % len(LINES)], "width": 2},
                "marker": {"size": 5},
            }
        )
    layout = {
        "height": 260,
        "margin": {"l": 48, "r": 8, "t": 8, "b": 36},
        "showlegend": len(traces) > 1,
        "legend": {"orientation": "h", "y": -0.18, "x": 0},
        "xaxis": {"fixedrange": True, "type": "date"},
        "yaxis": {"fixedrange": True, "rangemode": "tozero"},
    }
    return {"data": traces, "layout": layout}


def overlap_rows(keys: Sequence[str], names: dict[str, str], shared: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """The matrix as a table: of the accounts of the row, the share that is in the column, too."""
    rows = []
    for i, key in enumerate(keys):
        size = shared[i][i]
        cells = []
        for j, other in enumerate(keys):
            share = shared[i][j] / size if size else None
            title = gettext("%(n)s of the %(size)s accounts in “%(one)s” are in “%(other)s” too") % {
                "n": shared[i][j], "size": size, "one": names[key], "other": names[other],
            }  # fmt: skip
            cells.append(
                {
                    "share": share,
                    "percent": None if share is None else round(100 * share),
                    "same": i == j,
                    "number": shared[i][j],
                    "title": title,
                }
            )
        rows.append({"key": key, "name": names[key], "size": size, "cells": cells})
    return rows


def performance_figure(rows: Sequence[tuple[str, tuple[Any, ...], tuple[Any, ...]]], words: str) -> dict[str, Any]:
    """A figure of segments beside that of the rest, with its interval where it has one.

    rows: name and, of the segment and of the rest, value, lower and upper limit, and whether it rests on few cases; the
    first row stands on top. words: what is counted.
    """
    names = [html.escape(name, quote=False) for name, _one, _rest in rows][::-1]
    traces = []
    for number, (label, colour) in enumerate(((gettext("segment"), LINES[0]), (gettext("the rest"), "#94a3b8")), 1):
        found: list[Any] = [row[number] for row in rows][::-1]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "y": names,
                "x": [value for value, *_limits in found],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - value if high is not None else 0 for value, _low, high, _few in found],
                    "arrayminus": [value - low if low is not None else 0 for value, low, _high, _few in found],
                    "color": colour,
                    "thickness": 2,
                    "width": 4,
                },
                "marker": {
                    "size": 11,
                    "color": colour,
                    "symbol": ["circle-open" if few else "circle" for *_value, few in found],
                },
                "hovertemplate": f"%{{y}}: %{{x:,.1f}} {words}<extra>{label}</extra>",
            }
        )
    layout = {
        "height": 110 + 46 * len(rows),
        "margin": {"l": 8, "r": 16, "t": 24, "b": 48},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.04, "x": 0, "yanchor": "bottom"},
        "xaxis": {"fixedrange": True, "rangemode": "tozero", "title": {"text": words}},
        "yaxis": {"fixedrange": True, "type": "category", "showticklabels": False},
        # Names lie above their line, so that narrow screens have room for the points.
        "annotations": [
            {"xref": "paper", "x": 0, "xanchor": "left", "y": place, "yshift": 13, "text": name, "showarrow": False}
            for place, name in enumerate(names)
        ],
    }
    return {"data": traces, "layout": layout}
