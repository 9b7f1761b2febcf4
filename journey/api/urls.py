from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from journey.api.journeys import JourneyViewSet
from journey.api.opportunities import CrmStageViewSet, OpportunityChangeViewSet, OpportunityViewSet

router = SimpleRouter()
router.register("opportunities", OpportunityViewSet, basename="opportunity")
router.register("opportunity-changes", OpportunityChangeViewSet, basename="opportunity-change")
router.register("crm-stages", CrmStageViewSet, basename="crm-stage")
router.register("journeys", JourneyViewSet, basename="journey")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
