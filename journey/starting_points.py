"""What a new journey may begin with. Names are marked for translation and translated where they are shown."""

from typing import Any

from django.utils.translation import gettext_noop

from journey.ready_made import STANDARD


def _stage(
    key: str, name: str, precedence: int, position: int | None, color: str, *criteria: dict[str, Any]
) -> dict[str, Any]:
    enter = [{"name": "", "at_least": None, "scope": [], "criteria": list(criteria)}] if criteria else []
    return {
        "key": key,
        "name": name,
        "description": "",
        "precedence": precedence,
        "position": position,
        "color": color,
        "min_stay_days": 0,
        "enter": enter,
        "stay": [],
    }


def _criterion(kind: str, **params: Any) -> dict[str, Any]:
    return {"kind": kind, "params": params, "negate": False}


_ENGAGED = _criterion("engaged_minutes", minutes=0, comparator=">", window_days=90)

# The smallest journeys there can be: a floor and one stage above it.
SMALLEST: dict[str, dict[str, Any]] = {
    "account": {
        "unit": "account",
        "stages": [
            _stage("none", gettext_noop("No engagement"), 0, 0, "#94a3b8"),
            _stage("engaged", gettext_noop("Engaged"), 10, 1, "#38bdf8", _ENGAGED),
        ],
    },
    "contact": {
        "unit": "contact",
        "stages": [
            _stage("none", gettext_noop("No engagement"), 0, 0, "#94a3b8"),
            _stage("engaged", gettext_noop("Engaged"), 10, 1, "#38bdf8", _ENGAGED),
        ],
    },
    "opportunity": {
        "unit": "opportunity",
        "stages": [
            _stage("new", gettext_noop("New"), 0, 0, "#94a3b8"),
            _stage("won", gettext_noop("Won"), 10, 1, "#16a34a", _criterion("opportunity_won")),
        ],
    },
}

# A usual journey of each unit.
SIMPLE: dict[str, dict[str, Any]] = {
    "account": STANDARD,
    "contact": {
        "unit": "contact",
        "stages": [
            _stage("known", gettext_noop("Known"), 0, 0, "#94a3b8"),
            _stage("engaged", gettext_noop("Engaged"), 10, 1, "#38bdf8", _ENGAGED),
            _stage(
                "mql",
                gettext_noop("MQL"),
                20,
                2,
                "#6366f1",
                _criterion("engaged_minutes", minutes=30, comparator=">=", window_days=90, sides=["marketing"]),
            ),
            _stage("sql", gettext_noop("SQL"), 30, 3, "#f59e0b", _criterion("opportunity_open")),
            _stage("won", gettext_noop("Won"), 40, 4, "#16a34a", _criterion("opportunity_won")),
        ],
    },
    "opportunity": {
        "unit": "opportunity",
        "stages": [
            _stage("new", gettext_noop("New"), 0, 0, "#94a3b8"),
            _stage(
                "identified",
                gettext_noop("Identified"),
                10,
                1,
                "#fbbf24",
                _criterion("opportunity_open", groups=["identified"]),
            ),
            _stage(
                "active", gettext_noop("Active"), 20, 2, "#f59e0b", _criterion("opportunity_open", groups=["active"])
            ),
            _stage(
                "intent",
                gettext_noop("Close to a decision"),
                30,
                3,
                "#f97316",
                _criterion("opportunity_open", groups=["intent"]),
            ),
            _stage("lost", gettext_noop("Lost"), 40, None, "#f87171", _criterion("opportunity_lost")),
            _stage("won", gettext_noop("Won"), 50, 4, "#16a34a", _criterion("opportunity_won")),
        ],
    },
}
