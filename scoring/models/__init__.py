from scoring.models.activities import Activity, ActivityType, Side

__all__ = ["Activity", "ActivityType", "Side"]
