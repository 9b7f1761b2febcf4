from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from segmentation.api.disqualification_requests import DisqualificationRequestViewSet
from segmentation.api.identity import DuplicateViewSet, MatchViewSet, MergeViewSet
from segmentation.api.list_memberships import ListMembershipViewSet
from segmentation.api.list_reviews import ListReviewViewSet
from segmentation.api.sales_quotas import SalesQuotaViewSet
from segmentation.api.target_lists import MembershipReasonViewSet, TargetListViewSet
from segmentation.api.tokens import LoginView, LogoutAllView, LogoutView
from segmentation.api.views import AccountViewSet, ContactViewSet, ProblemTypesView, ProblemTypeView

router = SimpleRouter()
router.register("accounts", AccountViewSet, basename="account")
router.register("contacts", ContactViewSet, basename="contact")
router.register("target-lists", TargetListViewSet, basename="target-list")
router.register("list-memberships", ListMembershipViewSet, basename="list-membership")
router.register("list-reviews", ListReviewViewSet, basename="list-review")
router.register("disqualification-requests", DisqualificationRequestViewSet, basename="disqualification-request")
router.register("membership-reasons", MembershipReasonViewSet, basename="membership-reason")
router.register("sales-quotas", SalesQuotaViewSet, basename="sales-quota")

router.register("duplicates", DuplicateViewSet, basename="duplicate")
router.register("merges", MergeViewSet, basename="merge")
router.register("matches", MatchViewSet, basename="match")

urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/login/", LoginView.as_view(), name="login"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/logoutall/", LogoutAllView.as_view(), name="logout-all"),
    path("problems/", ProblemTypesView.as_view(), name="problem-types"),
    path("problems/<slug:code>/", ProblemTypeView.as_view(), name="problem-type"),
    path("", include(router.urls)),
]
