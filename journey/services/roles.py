"""What the roles may do with the models of this app: see `segmentation.services.roles`."""

from journey.models import (
    Cost,
    Criterion,
    CrmStage,
    CustomerPeriod,
    EntryRule,
    ExchangeRate,
    History,
    Journey,
    JourneyVersion,
    LookalikeModel,
    MarketLevel,
    Opportunity,
    OpportunityChange,
    Stage,
    StageInterval,
    Suggestion,
    SuggestionSource,
)
from segmentation.services.roles import grant

grant(Opportunity, marketer="vac", rep="v", integration="vacd")
grant(OpportunityChange, marketer="va", rep="v", integration="vacd")
grant(CustomerPeriod, marketer="vac", rep="v", integration="vac")
grant(CrmStage, marketer="v", integration="v")
grant(Cost, marketer="vacd", integration="vac")
grant(ExchangeRate, marketer="vac", integration="v")
grant(Journey, marketer="va", rep="v", integration="v")
grant(JourneyVersion, marketer="vacd", integration="v")
grant(Stage, marketer="vacd", integration="v")
grant(EntryRule, marketer="vacd", integration="v")
grant(Criterion, marketer="vacd", integration="v")
grant(MarketLevel, marketer="vacd", rep="v", integration="v")
grant(History, marketer="v", integration="v")
grant(StageInterval, marketer="v", rep="v", integration="v")
grant(Suggestion, marketer="vc", rep="v", integration="v")
grant(SuggestionSource, marketer="vac", rep="v", integration="v")
grant(LookalikeModel, marketer="v", integration="v")
