"""The admin pages of journeys, deals and histories, the start page, and what the journey adds to accounts."""

from journey.admin import (
    accounts,
    assessments,
    costs,
    dashboard,
    goals,
    intent,
    journeys,
    markets,
    opportunities,
    plays,
    profiles,
    reviews,
    segments,
    suggestions,
    upkeep,
)
from journey.admin.navigation import sidebar

__all__ = [
    "accounts",
    "assessments",
    "costs",
    "dashboard",
    "goals",
    "intent",
    "journeys",
    "markets",
    "opportunities",
    "plays",
    "profiles",
    "reviews",
    "segments",
    "sidebar",
    "suggestions",
    "upkeep",
]
