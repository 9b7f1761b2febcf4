"""How the facts of this app belong to sales teams: see `segmentation.selectors.access`."""

from django.db.models import Q

from journey.models import (
    CrmStage,
    CustomerPeriod,
    ExchangeRate,
    Journey,
    MarketLevel,
    Opportunity,
    OpportunityChange,
    StageInterval,
    Suggestion,
    SuggestionSource,
)
from segmentation.selectors.access import Teams, accounts_of, limit_by, limit_by_account, open_to_all


def _deals(teams: Teams, prefix: str = "") -> Q:
    """Of the team's accounts; of deals that have found no account the team's own."""
    return Q(**{f"{prefix}account__in": accounts_of(teams)}) | Q(
        **{f"{prefix}account__isnull": True, f"{prefix}team__in": teams}
    )


limit_by(Opportunity, _deals, by="account")
limit_by(OpportunityChange, lambda teams: _deals(teams, "opportunity__"), by="opportunity")
limit_by_account(CustomerPeriod)
limit_by_account(StageInterval)
limit_by_account(Suggestion)
# Costs are of all accounts: nothing of a team.
open_to_all(CrmStage, ExchangeRate, Journey, MarketLevel, SuggestionSource)
