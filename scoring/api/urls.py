from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from scoring.api.intent import IntentSignalViewSet, IntentTopicViewSet
from scoring.api.views import ActivityTypeViewSet, ActivityViewSet

router = SimpleRouter()
router.register("activities", ActivityViewSet, basename="activity")
router.register("activity-types", ActivityTypeViewSet, basename="activity-type")
router.register("intent-topics", IntentTopicViewSet, basename="intent-topic")
router.register("intent-signals", IntentSignalViewSet, basename="intent-signal")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
