from scoring.models.activities import Activity, ActivityType, Outcome, Side

__all__ = ["Activity", "ActivityType", "Outcome", "Side"]
