"""Target account lists, who is on them, what sales propose, quotas and reasons."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from segmentation.api.bodies import BodySerializer, TierField, WholeNumber, Words, YesNo
from segmentation.api.filters import SearchFilter, make_filterset
from segmentation.api.serializers import ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import ListMembership, MembershipReason, TargetList
from segmentation.selectors.access import visible_to
from segmentation.selectors.target_lists import with_counts
from segmentation.services.list_settings import store_list, store_reason


class TargetListSerializer(ShownSerializer):
    members = serializers.IntegerField(source="n_members", help_text=_("Accounts active or recycling now."))
    proposed = serializers.IntegerField(source="n_proposed", help_text=_("Proposals that wait for review."))

    class Meta:
        model = TargetList
        fields = [
            "id",
            "key",
            "name",
            "description",
            "tier",
            "active",
            "review_every_days",
            "stale_after_days",
            "accounts_per_rep",
            "created_at",
            "members",
            "proposed",
        ]


class TargetListBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    description = Words(required=False, allow_blank=True, max_length=300, help_text=_("What the list is for."))
    tier = TierField(required=False, help_text=_("Tier of its accounts; null: none."))
    active = YesNo(required=False, help_text=_("An inactive list takes no more accounts."))
    review_every_days = WholeNumber(
        required=False, allow_null=True, help_text=_("Days from one review of the list to the next; null: no reminder.")
    )
    stale_after_days = WholeNumber(
        required=False, help_text=_("Days without activity and movement that make an active account stale.")
    )
    accounts_per_rep = WholeNumber(required=False, help_text=_("Accounts a sales rep can work at a time."))


class TargetListViewSet(SettingsViewSet):
    """Named lists of accounts worth the effort. Numbers are those of the accounts the user may see."""

    api_tag = "target-lists"
    queryset = TargetList.objects.all()
    serializer_class = TargetListSerializer
    filterset_class = make_filterset(
        TargetList,
        also={"search": SearchFilter("name", "key", help_text=_("Text in name or key, whatever the case."))},
        without={"description": "a text to read"},
    )
    ordering = ("name", "id")
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")
    body = TargetListBody
    fixed = ("key",)
    rights = {"create": ("segmentation.add_targetlist",)}

    def get_queryset(self) -> QuerySet[Any]:
        return with_counts(super().get_queryset(), visible_to(ListMembership.objects.all(), self.request.user))

    def store(self, values: dict[str, Any], instance: Any = None) -> TargetList:
        return store_list(values=values, target_list=instance)


class MembershipReasonSerializer(ShownSerializer):
    class Meta:
        model = MembershipReason
        fields = ["id", "key", "name", "use", "active"]


class MembershipReasonBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    use = serializers.ChoiceField(
        choices=MembershipReason.Use.choices,
        required=False,
        allow_blank=True,
        help_text=_("The decision it is meant for; empty: it fits every one."),
    )
    active = YesNo(required=False, help_text=_("Inactive reasons are not offered any more."))


class MembershipReasonViewSet(SettingsViewSet):
    """Reasons people choose from when they decide about members of a list."""

    api_tag = "membership-reasons"
    queryset = MembershipReason.objects.all()
    serializer_class = MembershipReasonSerializer
    filterset_class = make_filterset(MembershipReason)
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "head", "options")
    body = MembershipReasonBody
    fixed = ("key",)
    rights = {"create": ("segmentation.add_membershipreason",)}

    def store(self, values: dict[str, Any], instance: Any = None) -> MembershipReason:
        return store_reason(values=values, reason=instance)
