"""The picture of the nested markets."""

import html
from collections.abc import Callable
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from journey.selectors.markets import MarketFigures, MarketReport


def market_figure(report: MarketReport, scale: str, url: Callable[[MarketFigures, str, int], str]) -> dict[str, Any]:
    """Accounts of each market over time, the narrower within the wider. scale: linear or log.

    url: of the accounts behind a point, by market, part and place of the instant.
    """
    days = [timezone.localtime(moment).isoformat() for moment in report.query.instants]
    accounts = gettext("accounts")
    traces = []
    for market in report.markets:
        if market.problem:
            continue
        name = html.escape(str(market.level), quote=False)
        # A scale by powers of ten has no zero.
        sizes = [size if size or scale == "linear" else None for size in market.size]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": days,
                "y": sizes,
                "customdata": [url(market, "in", place) for place in range(len(days))],
                "hovertemplate": f"%{{x|%Y-%m-%d}}: %{{y:,}} {accounts}<extra>{name}</extra>",
                "line": {"color": market.level.color, "width": 2},
                "marker": {
                    "size": 6,
                    # Hollow where the answer of then rests on a later one.
                    "symbol": ["circle-open" if assumed else "circle" for assumed in market.assumed],
                },
                **({"fill": "tozeroy", "fillcolor": f"{market.level.color}1f"} if scale == "linear" else {}),
            }
        )
    layout = {
        "height": 360,
        "margin": {"l": 56, "r": 8, "t": 8, "b": 36},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.14, "x": 0},
        "xaxis": {"fixedrange": True, "type": "date"},
        "yaxis": {
            "fixedrange": True,
            "type": scale,
            **({"rangemode": "tozero"} if scale == "linear" else {"dtick": 1}),
        },
    }
    return {"data": traces, "layout": layout}
