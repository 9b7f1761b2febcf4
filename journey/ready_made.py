"""The journeys a new installation has. Names are marked for translation and translated where they are shown."""

from typing import Any

from django.utils.translation import gettext_noop

_MANAGERS = {"sides": ["marketing"], "min_seniority": "manager"}


def _stage(
    key: str, name: str, precedence: int, position: int | None, color: str, description: str, *rules: dict[str, Any]
) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "precedence": precedence,
        "position": position,
        "color": color,
        "description": description,
        "min_stay_days": 0,
        "enter": list(rules),
        "stay": [],
    }


def _rule(
    name: str, *criteria: tuple[str, dict[str, Any]], scope: tuple[tuple[str, dict[str, Any]], ...] = ()
) -> dict[str, Any]:
    def terms(pairs: tuple[tuple[str, dict[str, Any]], ...]) -> list[dict[str, Any]]:
        return [
            {"kind": kind.removeprefix("not "), "params": params, "negate": kind.startswith("not ")}
            for kind, params in pairs
        ]

    return {"name": name, "at_least": None, "scope": terms(scope), "criteria": terms(criteria)}


def _none(position: int = 0) -> dict[str, Any]:
    return _stage(
        "none",
        gettext_noop("No engagement"),
        0,
        position,
        "#94a3b8",
        gettext_noop("Known, but nobody has shown any interest lately."),
    )


def _aware(position: int) -> dict[str, Any]:
    return _stage(
        "aware",
        gettext_noop("Aware"),
        10,
        position,
        "#38bdf8",
        gettext_noop("Some engagement in the last three months."),
        _rule("", ("engaged_minutes", {"minutes": 0, "comparator": ">", "window_days": 90})),
    )


def _mqa(position: int) -> dict[str, Any]:
    return _stage(
        "mqa",
        gettext_noop("MQA"),
        20,
        position,
        "#6366f1",
        gettext_noop("Marketing qualified account: the right people of the account are engaged enough."),
        _rule(
            gettext_noop("Tier 1"),
            ("engaged_minutes", {"minutes": 60, "comparator": ">", "window_days": 90, **_MANAGERS}),
            ("engaged_people", {"people": 2, "minutes": 10, "comparator": ">", "window_days": 90, **_MANAGERS}),
            scope=(("field", {"field": "tier", "operator": "is", "value": 1}),),
        ),
        _rule(
            gettext_noop("All others"),
            ("engaged_people", {"people": 3, "count": "persona", "minutes": 0, "comparator": ">", "window_days": 90}),
            (
                "engaged_people",
                {
                    "people": 1,
                    "count": "persona",
                    "minutes": 60,
                    "comparator": ">=",
                    "window_days": 90,
                    "min_seniority": "vp",
                },
            ),
        ),
    )


def _customer(precedence: int, position: int) -> dict[str, Any]:
    return _stage(
        "customer",
        gettext_noop("Customer"),
        precedence,
        position,
        "#16a34a",
        gettext_noop("Has bought and did not leave since."),
        _rule("", ("opportunity_won", {}), ("not former_customer", {})),
    )


STANDARD: dict[str, Any] = {
    "unit": "account",
    "stages": [
        _none(),
        _aware(1),
        _mqa(2),
        _stage(
            "opportunity",
            gettext_noop("Open opportunity"),
            30,
            3,
            "#f59e0b",
            gettext_noop("Sales is working on a deal."),
            _rule("", ("opportunity_open", {})),
        ),
        _customer(40, 4),
    ],
}

EXTENDED: dict[str, Any] = {
    "unit": "account",
    "stages": [
        _none(),
        _aware(1),
        _mqa(2),
        _stage(
            "meeting",
            gettext_noop("Meeting"),
            30,
            3,
            "#a855f7",
            gettext_noop("Sales met the account in the last three months."),
            _rule("", ("meeting_held", {"window_days": 90})),
        ),
        _stage(
            "lost",
            gettext_noop("Recently lost"),
            40,
            None,
            "#f87171",
            gettext_noop("The last opportunity was lost in the last three months and none is open."),
            _rule("", ("opportunity_lost", {"within_days": 90})),
        ),
        _stage(
            "qualified",
            gettext_noop("Qualified opportunity"),
            50,
            4,
            "#fbbf24",
            gettext_noop("A deal was identified and is not yet worked on."),
            _rule("", ("opportunity_open", {"groups": ["identified"]})),
        ),
        _stage(
            "opportunity",
            gettext_noop("Open opportunity"),
            60,
            5,
            "#f59e0b",
            gettext_noop("Sales is working on a deal."),
            _rule("", ("opportunity_open", {"groups": ["active", "intent"]})),
        ),
        _stage(
            "recycle",
            gettext_noop("Recycle"),
            70,
            None,
            "#fb923c",
            gettext_noop("Came close to a deal and did not buy: kept out of marketing stages for a while."),
            _rule("", ("recycle", {"lost_from": ["intent"], "stalled_days": 30, "hold_days": 90})),
        ),
        _customer(80, 6),
        _stage(
            "disqualified",
            gettext_noop("Disqualified"),
            90,
            None,
            "#64748b",
            gettext_noop("Sales found that the account cannot become a customer."),
            _rule("", ("flag", {"flag": "disqualified"})),
        ),
    ],
}

JOURNEYS: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "extended": (
        gettext_noop("Extended journey"),
        gettext_noop(
            "From no engagement to customer, with meetings, qualified opportunities, lost, recycled and"
            " disqualified accounts."
        ),
        10,
        EXTENDED,
    ),
    "standard": (
        gettext_noop("Standard journey"),
        gettext_noop("Five stages from no engagement to customer."),
        20,
        STANDARD,
    ),
}
