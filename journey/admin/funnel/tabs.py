"""The tabs of the funnel page."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.cards import Look
from journey.admin.funnel.groups import groups_part, heat_part
from journey.admin.funnel.movement import moves_part, trend_part
from journey.admin.funnel.overview import overview_part
from journey.admin.funnel.parts import Part
from journey.admin.funnel.waiting import near_part, stuck_part, time_part

TABS: dict[str, tuple[Any, Callable[[Look], Part]]] = {
    "overview": (_("Overview"), overview_part),
    "trend": (_("Over time"), trend_part),
    "moves": (_("Movement"), moves_part),
    "time": (_("Time in a stage"), time_part),
    "stuck": (_("Stuck"), stuck_part),
    "near": (_("Near misses"), near_part),
    "groups": (_("Broken down"), groups_part),
    "heat": (_("Heat map"), heat_part),
}
