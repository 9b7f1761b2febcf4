from scoring.models.activities import Activity, ActivityType, Outcome, Side
from scoring.models.intent import MOST_SIGNALS, IntentSignal, IntentTopic

__all__ = ["MOST_SIGNALS", "Activity", "ActivityType", "IntentSignal", "IntentTopic", "Outcome", "Side"]
