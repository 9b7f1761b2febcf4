from journey.models.costs import Cost, ExchangeRate
from journey.models.histories import Grade, History, StageInterval
from journey.models.journeys import Criterion, EntryRule, Journey, JourneyVersion, Stage
from journey.models.markets import MarketLevel
from journey.models.opportunities import CrmStage, CustomerPeriod, Opportunity, OpportunityChange, StageMeaning
from journey.models.suggestions import LookalikeModel, Suggestion, SuggestionSource

__all__ = [
    "Cost",
    "Criterion",
    "CrmStage",
    "CustomerPeriod",
    "EntryRule",
    "ExchangeRate",
    "Grade",
    "History",
    "Journey",
    "JourneyVersion",
    "LookalikeModel",
    "MarketLevel",
    "Opportunity",
    "OpportunityChange",
    "Stage",
    "StageInterval",
    "StageMeaning",
    "Suggestion",
    "SuggestionSource",
]
