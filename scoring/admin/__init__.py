"""The admin pages of activity types and activities, and of intent."""

from scoring.admin import activities, intent

__all__ = ["activities", "intent"]
