"""Storing what makes the nested markets."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from journey.models import MarketLevel
from segmentation.services.columns import store_row


@transaction.atomic
def store_market(*, values: Mapping[str, Any], market: MarketLevel | None = None) -> MarketLevel:
    """Make a market, or change one. Another test clears what only the test before read.

    Raises InvalidValueError naming the first column that is wrong; nothing is stored then.
    """
    row = market or MarketLevel()
    if market and values.get("test", market.test) != market.test:
        cleared: dict[str, Any] = {"profile": None, "target_list": None, "segment": None, "journey": None, "stage": ""}
        values = {**cleared, **values}
    return store_row(row, values)
