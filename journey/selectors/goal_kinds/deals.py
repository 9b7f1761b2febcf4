"""Goals about opportunities: pipeline, revenue, and the same of additional sales."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.table import Bools
from journey.models import Opportunity
from journey.selectors.goal_facts import GoalFacts, Happened
from journey.selectors.goal_kinds.base import MONEY, GoalKind, register
from journey.selectors.money import Rates, converted, missing_rates
from segmentation.engine.steps import FAR_FUTURE, FAR_PAST, Int64s
from segmentation.models import SegmentGoal

ADDITIONAL = (str(Opportunity.Kind.UPSELL), str(Opportunity.Kind.CROSS_SELL))


class DealKind(GoalKind):
    """Amounts of opportunities, in the currency of the goal at the rate of the moment they count."""

    unit = MONEY
    source = "deals"
    takes_product = True
    won = False  # counted when won; otherwise when opened
    additional = False  # only upsell and cross-sell

    def _counted(self, facts: GoalFacts, goal: SegmentGoal) -> tuple[Bools, Int64s]:
        """Which deals count, and when."""
        time = facts.deals_now.won if self.won else facts.deals_now.opened
        chosen = (time != FAR_FUTURE) & (time != FAR_PAST) & (facts.deals.accounts >= 0)
        kind, product = facts.deal_words
        if self.additional:
            chosen &= np.isin(kind, ADDITIONAL)
        if goal.product:
            chosen &= product == goal.product
        return chosen, time

    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        chosen, time = self._counted(facts, goal)
        worth = converted(facts.deals, facts.deals_now.cents, time, Rates.stored(goal.currency))
        chosen &= ~np.isnan(worth)
        return Happened(facts.deals.accounts[chosen], time[chosen], worth[chosen])

    def missing(self, facts: GoalFacts, goal: SegmentGoal, start: int, end: int) -> Mapping[str, Mapping[str, Any]]:
        chosen, time = self._counted(facts, goal)
        chosen &= (time >= start) & (time < end)
        membership = facts.memberships.get(goal.segment.key)
        chosen &= np.isin(facts.deals.accounts, membership.accounts) if membership else False
        worth = converted(facts.deals, facts.deals_now.cents, time, Rates.stored(goal.currency))
        return missing_rates(facts.deals, np.flatnonzero(chosen), facts.deals_now.cents, worth)


@register
class Revenue(DealKind):
    """Won amounts."""

    key = "revenue"
    label = _("Revenue")
    help = _("Amounts of opportunities won in the period and still won now.")
    won = True
    order = 10


@register
class Pipeline(DealKind):
    """Opened amounts."""

    key = "pipeline"
    label = _("New pipeline")
    help = _("Amounts of opportunities opened in the period, whatever became of them; as they are known now.")
    order = 20


@register
class Upsell(DealKind):
    """Won amounts of additional sales."""

    key = "upsell"
    label = _("Additional sales")
    help = _("Amounts of upsell and cross-sell opportunities won in the period and still won now.")
    won = True
    additional = True
    order = 60


@register
class UpsellPipeline(DealKind):
    """Opened amounts of additional sales."""

    key = "upsell_pipeline"
    label = _("New pipeline of additional sales")
    help = _("Amounts of upsell and cross-sell opportunities opened in the period; as they are known now.")
    additional = True
    order = 70
