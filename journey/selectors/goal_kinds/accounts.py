"""Goals about accounts: new customers, and accounts new in the segment."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from journey.selectors.goal_facts import GoalFacts, Happened
from journey.selectors.goal_kinds.base import ACCOUNTS, GoalKind, register
from segmentation.models import SegmentGoal


@register
class NewLogos(GoalKind):
    """First-time customers."""

    key = "new_logos"
    label = _("New customers")
    help = _("Accounts that became customers for the first time in the period.")
    unit = ACCOUNTS
    source = "deals"
    order = 50

    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        return facts.became_customer


@register
class NewAccounts(GoalKind):
    """First-time members."""

    key = "new_accounts"
    label = _("Accounts new in the segment")
    help = _(
        "Accounts that were never in the segment before. One whose history begins in it counts where the source says"
        " when it was created."
    )
    unit = ACCOUNTS
    source = "accounts"
    order = 40

    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        member = facts.memberships[goal.segment.key]
        accounts, first = np.unique(member.account, return_index=True)
        new = ~member.began[first] | np.isin(accounts, facts.dated)
        time = member.start[first]
        return Happened(accounts[new], time[new], np.ones(int(new.sum())))
