"""The pictures of the funnel page, for Plotly. Every text in them is escaped: Plotly reads tags."""

from collections import defaultdict
from typing import Any

from django.utils.translation import gettext

from journey.admin.funnel.cards import Look
from journey.admin.timeline import safe
from journey.selectors.funnel_charts import Curve, Flows, Trend

NODE_GAP = 14  # pixels
DIRECTION_COLOURS = {
    "forward": "#16a34a",
    "skipped": "#2563eb",
    "back": "#dc2626",
    "parked": "#94a3b8",
    "returned": "#d97706",
}


def directions() -> dict[str, str]:
    """What the directions of moves are called."""
    return {
        "forward": gettext("forward"),
        "skipped": gettext("skipped"),
        "back": gettext("back"),
        "parked": gettext("parked"),
        "returned": gettext("returned"),
    }


def _layout(height: int, **more: Any) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 48, "r": 12, "t": 8, "b": 36},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "xaxis": {"nticks": 10},
        "yaxis": {"rangemode": "tozero", "automargin": True},
        "dragmode": False,
        **more,
    }


def trend_figure(
    found: Trend, look: Look, urls: dict[tuple[str, str], str], was: dict[tuple[str, int], float]
) -> dict[str, Any]:
    """A line for each stage that was entered; the floor and parking stages can be switched on in the legend.

    was: what it is compared with, by stage and number of the period, drawn as dotted lines.
    """
    series: dict[str, list[Any]] = defaultdict(list)
    for point in found.points:
        series[point.stage].append(point)
    shown = {stage.key for stage in look.in_funnel[1:]}
    traces = []
    for key, points in series.items():
        if not any(point.volume for point in points):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": safe(look.name(key)),
                "x": [point.period.isoformat() for point in points],
                "y": [point.volume for point in points],
                "customdata": [urls.get((key, point.period.isoformat()), "") for point in points],
                "visible": True if key in shown else "legendonly",
                "legendgroup": key,
                "line": {"color": look.colour(key), "width": 2},
                "marker": {"size": 5, "symbol": ["circle-open" if point.is_partial else "circle" for point in points]},
            }
        )
        before = [was.get((key, place)) for place in range(len(points))]
        if any(before):
            traces.append(
                {
                    **traces[-1],
                    "mode": "lines",
                    "name": safe(gettext("%(stage)s, compared") % {"stage": look.name(key)}),
                    "y": before,
                    "customdata": [""] * len(points),
                    "showlegend": False,
                    "line": {"color": look.colour(key), "width": 1.5, "dash": "dot"},
                }
            )
    return {"data": traces, "layout": _layout(340, xaxis={"type": "date", "nticks": 10})}


def flows_figure(found: Flows, look: Look, urls: dict[tuple[str, str], str]) -> dict[str, Any]:
    """From the stages on the left to those on the right, coloured by direction."""
    stages = [stage.key for stage in look.query.stages]
    left = [key for key in stages if any(flow.source == key for flow in found.flows)]
    right = [key for key in stages if any(flow.target == key for flow in found.flows)]
    place = {("from", key): i for i, key in enumerate(left)} | {
        ("to", key): len(left) + i for i, key in enumerate(right)
    }
    words = directions()
    keys = [*left, *right]
    into = [sum(flow.moves for flow in found.flows if flow.source == key) for key in left]
    out = [sum(flow.moves for flow in found.flows if flow.target == key) for key in right]
    height = max(320, 46 * max(len(left), len(right)))
    between = NODE_GAP / height
    return {
        "data": [
            {
                "type": "sankey",
                "arrangement": "fixed",
                "node": {
                    "label": [safe(look.name(key)) for key in keys],
                    "color": [look.colour(key) for key in keys],
                    "pad": NODE_GAP,
                    "x": [0.001] * len(left) + [0.999] * len(right),
                    "y": [*_centres(into, between), *_centres(out, between)],
                    "thickness": 14,
                    "line": {"width": 0},
                    "hovertemplate": "%{label}: %{value:,}<extra></extra>",
                },
                "link": {
                    "source": [place["from", flow.source] for flow in found.flows],
                    "target": [place["to", flow.target] for flow in found.flows],
                    "value": [flow.moves for flow in found.flows],
                    "color": [_pale(DIRECTION_COLOURS[flow.direction]) for flow in found.flows],
                    "label": [safe(words[flow.direction]) for flow in found.flows],
                    "customdata": [urls.get((flow.source, flow.target), "") for flow in found.flows],
                    "hovertemplate": "%{source.label} → %{target.label}<br>%{label}: %{value:,}<extra></extra>",
                },
            }
        ],
        "layout": {"height": height, "margin": {"l": 4, "r": 4, "t": 8, "b": 8}},
    }


def _centres(sizes: list[int], between: float) -> list[float]:
    """Where boxes of these sizes lie from top (0) to bottom (1), one below the other."""
    scale = (1 - between * max(len(sizes) - 1, 0)) / max(sum(sizes), 1)
    found, top = [], 0.0
    for size in sizes:
        found.append(min(max(top + size * scale / 2, 0.001), 0.999))
        top += size * scale + between
    return found


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.42)"


def survival_figure(found: Curve, before: Curve | None) -> dict[str, Any]:
    """Still waiting with its band, and the ways out that add up to the rest; dotted what it is compared with."""
    x = [0.0, *(point.days for point in found.points)]

    def line(values: list[float], first: float, **more: Any) -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": [first, *values],
            "hovertemplate": "%{y:.1%}",
            **more,
            "line": {"shape": "hv", "width": 2, **more.get("line", {})},
        }

    band = {"hoverinfo": "skip", "showlegend": False, "hovertemplate": None}
    traces = [
        line([p.high for p in found.points], 1.0, **band, line={"width": 0}),
        line(
            [p.low for p in found.points], 1.0, **band, line={"width": 0}, fill="tonexty",
            fillcolor="rgba(100,116,139,0.18)",
        ),
        line([p.waiting for p in found.points], 1.0, name=safe(gettext("still waiting")), line={"color": "#64748b"}),
        line([p.exact for p in found.points], 0.0, name=safe(gettext("next stage")), line={"color": "#16a34a"}),
        line([p.later for p in found.points], 0.0, name=safe(gettext("a later stage")), line={"color": "#2563eb"}),
        line([p.elsewhere for p in found.points], 0.0, name=safe(gettext("elsewhere")), line={"color": "#dc2626"}),
    ]  # fmt: skip
    if before and before.points:
        dotted = {"x": [0.0, *(p.days for p in before.points)], "line": {"color": "#64748b", "dash": "dot"}}
        name = safe(gettext("still waiting, compared"))
        traces.insert(3, line([p.waiting for p in before.points], 1.0, name=name, **dotted))
    layout = _layout(
        340,
        xaxis={"rangemode": "tozero", "nticks": 10, "title": {"text": safe(gettext("days")), "standoff": 6}},
        yaxis={"range": [0, 1.02], "tickformat": ".0%", "automargin": True},
        margin={"l": 48, "r": 12, "t": 8, "b": 46},
    )
    return {"data": traces, "layout": layout}


def groups_figure(labels: list[str], values: list[tuple[float | None, float | None, float | None]], urls: list[str],
                  colour: str, is_share: bool) -> dict[str, Any]:  # fmt: skip
    """A bar for each group, the first on top, with its interval where there is one."""
    known = [(label, *value, url) for label, value, url in zip(labels, values, urls, strict=True)]
    known = [row for row in known if row[1] is not None][::-1]
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "y": [safe(row[0]) for row in known],
        "x": [row[1] for row in known],
        "customdata": [row[4] for row in known],
        "marker": {"color": colour},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>" if is_share else "%{y}: %{x:,.1f}<extra></extra>",
    }
    if all(row[2] is not None for row in known) and known:
        bars["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [(row[3] or 0) - (row[1] or 0) for row in known],
            "arrayminus": [(row[1] or 0) - (row[2] or 0) for row in known],
            "color": "#64748b",
            "thickness": 1.5,
            "width": 4,
        }
    layout = _layout(
        max(160, 26 * len(known) + 60),
        hovermode="closest",
        showlegend=False,
        xaxis={"rangemode": "tozero", "nticks": 6, **({"tickformat": ".0%"} if is_share else {})},
        yaxis={"automargin": True, "type": "category"},
        margin={"l": 8, "r": 16, "t": 8, "b": 32},
    )
    return {"data": [bars], "layout": layout}
