"""The admin pages of activity types and activities."""

from scoring.admin import activities

__all__ = ["activities"]
