from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from scoring.api.views import ActivityTypeViewSet, ActivityViewSet

router = SimpleRouter()
router.register("activities", ActivityViewSet, basename="activity")
router.register("activity-types", ActivityTypeViewSet, basename="activity-type")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
