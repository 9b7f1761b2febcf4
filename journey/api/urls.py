from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from journey.api.assessments import AssessmentViewSet, ProfileAnswerViewSet
from journey.api.costs import CostViewSet
from journey.api.goals import SegmentGoalViewSet
from journey.api.groups import AccountGroupViewSet
from journey.api.intent import IntentSurgeViewSet
from journey.api.journeys import JourneyViewSet
from journey.api.markets import MarketViewSet
from journey.api.opportunities import CrmStageViewSet, OpportunityChangeViewSet, OpportunityViewSet
from journey.api.plays import PlaySuggestionViewSet, PlayViewSet
from journey.api.priorities import PriorityAnswerViewSet
from journey.api.profiles import ProfileVersionViewSet, ProfileViewSet
from journey.api.segments import SegmentViewSet
from journey.api.suggestions import LookalikeModelViewSet, SuggestionSourceViewSet, SuggestionViewSet
from journey.api.upkeep import UpkeepViewSet

router = SimpleRouter()
router.register("opportunities", OpportunityViewSet, basename="opportunity")
router.register("opportunity-changes", OpportunityChangeViewSet, basename="opportunity-change")
router.register("costs", CostViewSet, basename="cost")
router.register("crm-stages", CrmStageViewSet, basename="crm-stage")
router.register("account-groups", AccountGroupViewSet, basename="account-group")
router.register("journeys", JourneyViewSet, basename="journey")
router.register("profiles", ProfileViewSet, basename="profile")
router.register("profile-versions", ProfileVersionViewSet, basename="profile-version")
router.register("profile-answers", ProfileAnswerViewSet, basename="profile-answer")
router.register("assessments", AssessmentViewSet, basename="assessment")
router.register("markets", MarketViewSet, basename="market")
router.register("segments", SegmentViewSet, basename="segment")
router.register("segment-goals", SegmentGoalViewSet, basename="segment-goal")
router.register("priority-answers", PriorityAnswerViewSet, basename="priority-answer")
router.register("suggestions", SuggestionViewSet, basename="suggestion")
router.register("suggestion-sources", SuggestionSourceViewSet, basename="suggestion-source")
router.register("lookalike-models", LookalikeModelViewSet, basename="lookalike-model")
router.register("plays", PlayViewSet, basename="play")
router.register("play-suggestions", PlaySuggestionViewSet, basename="play-suggestion")

urlpatterns: list[URLPattern | URLResolver] = [
    path("target-lists/<slug:key>/upkeep/", UpkeepViewSet.as_view({"get": "retrieve"}), name="target-list-upkeep"),
    path("intent-surges/", IntentSurgeViewSet.as_view({"get": "surging"}), name="intent-surges"),
    *router.urls,
]
