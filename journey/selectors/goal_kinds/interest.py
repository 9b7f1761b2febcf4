"""Goals about interest: engaged minutes and visits, by how many per cent they rise."""

from django.utils.translation import gettext_lazy as _

from journey.selectors.goal_facts import GoalFacts, Happened
from journey.selectors.goal_kinds.base import MINUTES, VISITS, GoalKind, register
from segmentation.models import SegmentGoal


@register
class Engagement(GoalKind):
    """Engaged minutes."""

    key = "engagement"
    label = _("Engagement")
    help = _("By how many per cent the engaged minutes of members rise, against a period as long just before.")
    unit = MINUTES
    source = "activities"
    is_level = True
    order = 30

    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        return facts.engagement


@register
class Visits(GoalKind):
    """Visits to the website."""

    key = "visits"
    label = _("Visits to the website")
    help = _("By how many per cent the visits of members rise, against a period as long just before.")
    unit = VISITS
    source = "activities"
    is_level = True
    order = 35

    def happened(self, facts: GoalFacts, goal: SegmentGoal) -> Happened:
        return facts.visits
