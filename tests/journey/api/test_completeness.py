"""Nothing is forgotten: every column is shown, and has a filter or is exempt by name."""

import pytest

from journey.api.assessments import AssessmentViewSet, ProfileAnswerViewSet
from journey.api.costs import CostViewSet
from journey.api.goals import SegmentGoalViewSet
from journey.api.journeys import JourneyViewSet
from journey.api.markets import MarketViewSet
from journey.api.opportunities import CrmStageViewSet, OpportunityChangeViewSet, OpportunityViewSet
from journey.api.plays import PlaySuggestionViewSet, PlayViewSet
from journey.api.priorities import PriorityAnswerViewSet
from journey.api.profiles import ProfileVersionViewSet, ProfileViewSet
from journey.api.segments import SegmentViewSet
from journey.api.suggestions import LookalikeModelViewSet, SuggestionSourceViewSet, SuggestionViewSet
from scoring.api.intent import IntentSignalViewSet, IntentTopicViewSet
from scoring.api.views import ActivityTypeViewSet, ActivityViewSet
from segmentation.api.disqualification_requests import DisqualificationRequestViewSet
from segmentation.api.identity import DuplicateViewSet, MergeViewSet
from segmentation.api.list_memberships import ListMembershipViewSet
from segmentation.api.list_reviews import ListReviewViewSet
from segmentation.api.sales_quotas import SalesQuotaViewSet
from segmentation.api.target_lists import MembershipReasonViewSet, TargetListViewSet
from segmentation.api.views import AccountViewSet, ContactViewSet
from segmentation.imports.targets import get_target

RECORDS = [
    AccountViewSet,
    ContactViewSet,
    ActivityViewSet,
    IntentSignalViewSet,
    OpportunityViewSet,
    OpportunityChangeViewSet,
    CostViewSet,
]
SETTINGS = [
    ActivityTypeViewSet,
    IntentTopicViewSet,
    CrmStageViewSet,
    JourneyViewSet,
    TargetListViewSet,
    ListMembershipViewSet,
    ListReviewViewSet,
    DisqualificationRequestViewSet,
    MembershipReasonViewSet,
    SalesQuotaViewSet,
    ProfileViewSet,
    ProfileVersionViewSet,
    ProfileAnswerViewSet,
    AssessmentViewSet,
    SegmentViewSet,
    MarketViewSet,
    SegmentGoalViewSet,
    PriorityAnswerViewSet,
    SuggestionViewSet,
    SuggestionSourceViewSet,
    LookalikeModelViewSet,
    PlayViewSet,
    PlaySuggestionViewSet,
    DuplicateViewSet,
    MergeViewSet,
]
INSIDE = {"fingerprint", "txid"}  # of the answers of an assessment, of the change feed: they mean nothing outside


def columns(view):
    return {field.name for field in view.queryset.model._meta.concrete_fields}


@pytest.mark.parametrize("view", RECORDS + SETTINGS)
def test_every_column_has_a_filter_or_is_exempt_by_name(view):
    filterset = view.filterset_class
    filtered = {name.split("__")[0] for name in filterset.base_filters}
    assert columns(view) - filtered - set(filterset.without) == set()
    assert not filtered & set(filterset.without), "exempt, but there is a filter"
    assert set(filterset.without) <= columns(view), "exempt, but there is no such column"


@pytest.mark.parametrize("view", RECORDS + SETTINGS)
def test_every_column_is_shown(view):
    assert columns(view) - set(view.serializer_class().fields) - INSIDE == set()


@pytest.mark.parametrize("view", RECORDS)
def test_every_field_that_is_taken_is_shown_or_only_a_way_to_say_it(view):
    only_said = {"minutes", "stage_at", "close_date"}
    taken = {field.name for field in get_target(view.target).fields}
    assert taken - set(view.serializer_class().fields) <= only_said


@pytest.mark.parametrize("view", RECORDS)
def test_what_a_view_says_of_fields_names_fields(view):
    taken = {field.name for field in get_target(view.target).fields}
    assert {*view.carried, *view.links} <= taken
    assert {field.name for field in get_target(view.target).fields if field.required} - {"external_id"} <= set(
        view.carried
    )
