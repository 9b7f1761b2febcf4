"""The five nested markets a new installation has. Texts are marked for translation, translated where shown."""

from typing import Any

from django.utils.translation import gettext_noop

MARKETS: list[dict[str, Any]] = [
    {
        "key": "total",
        "name": gettext_noop("Total market"),
        "description": gettext_noop("Everybody who could ever buy: all accounts you know of."),
        "color": "#94a3b8",
        "test": "everybody",
    },
    {
        "key": "target-market",
        "name": gettext_noop("Target market"),
        "description": gettext_noop("Those that fit your ideal customer: still too many to reach them in earnest."),
        "color": "#0ea5e9",
        "test": "fit",
        "grades": "AB",
    },
    {
        "key": "target-accounts",
        "name": gettext_noop("Target accounts"),
        "description": gettext_noop("Those you have chosen: on a target account list."),
        "color": "#6366f1",
        "test": "list",
    },
    {
        "key": "engaged",
        "name": gettext_noop("Engaged accounts"),
        "description": gettext_noop("Those that know you: in the stage aware or a later one."),
        "color": "#f59e0b",
        "test": "stage",
        "stage": "aware",
    },
    {
        "key": "opportunity",
        "name": gettext_noop("Opportunity accounts"),
        "description": gettext_noop("Those you are in talks with: an opportunity is open."),
        "color": "#16a34a",
        "test": "opportunity",
    },
]


def install_markets(model: Any) -> None:
    """Make the markets, where there are none. model: `MarketLevel`, perhaps as a migration knows it."""
    if not model.objects.exists():
        model.objects.bulk_create(model(position=10 * n, **{"grades": "", **row}) for n, row in enumerate(MARKETS, 1))
