"""How many places sales teams and reps have on lists, and how many they hold."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.bodies import BodySerializer, KeyField, UserField, WholeNumber
from segmentation.api.filters import TextFilter, make_filterset
from segmentation.api.serializers import KeyOf, NameOf, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import SalesQuota, SalesTeam
from segmentation.models.choices import QuotaKind
from segmentation.selectors.access import visible_to
from segmentation.selectors.quotas import own_places, with_places
from segmentation.services.target_lists import set_quota


class QuotaSerializer(ShownSerializer):
    team = KeyOf()
    rep = NameOf()
    held = serializers.IntegerField(source="n_held", help_text=_("Places held now."))
    remaining = serializers.IntegerField(source="n_left", help_text=_("Places left; never below 0."))

    class Meta:
        model = SalesQuota
        fields = ["id", "team", "rep", "kind", "places", "held", "remaining"]


class QuotaBody(BodySerializer):
    team = KeyField(SalesTeam, "team", help_text=_("Key of the sales team. It does not change."))
    rep = UserField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("A limit of this rep within the team's quota; null: the quota of the team. It does not change."),
    )
    kind = serializers.ChoiceField(
        choices=QuotaKind.choices,
        required=False,
        default=QuotaKind.MID_MARKET,
        help_text=_("Says how many places are usual: 15 for key accounts, 30 for mid market."),
    )
    places = WholeNumber(
        required=False, allow_null=True, default=None, help_text=_("From 1 on; null: what is usual for the kind.")
    )


class PlacesSerializer(serializers.Serializer[Any]):
    """Places of one quota."""

    places = serializers.IntegerField(help_text=_("Places there are."))
    held = serializers.IntegerField(source="n_held", help_text=_("Places held now."))
    remaining = serializers.IntegerField(source="n_left", help_text=_("Places left; never below 0."))


class OwnPlacesSerializer(serializers.Serializer[Any]):
    """What the caller may still propose for a team."""

    team = KeyOf(help_text=_("Key of the sales team."))
    remaining = serializers.IntegerField(help_text=_("How many more accounts the caller may propose for the team."))
    team_quota = PlacesSerializer(allow_null=True, help_text=_("The team's quota; null: it has none, so no places."))
    own_quota = PlacesSerializer(allow_null=True, help_text=_("The caller's own limit within it; null: none."))


class SalesQuotaViewSet(SettingsViewSet):
    """How many accounts of its own a sales team, or one of its reps, may have on lists."""

    api_tag = "sales-quotas"
    queryset = SalesQuota.objects.select_related("team", "rep")
    serializer_class = QuotaSerializer
    filterset_class = make_filterset(
        SalesQuota,
        keyed={"team": "key"},
        also={"rep__username": TextFilter("rep__username", _("The rep, by the name they sign in with."))},
    )
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = QuotaBody
    fixed = ("team", "rep")
    rights = {"create": ("segmentation.add_salesquota",)}
    summaries = {
        "create": _("Give a team or a rep places"),
        "mine": _("Places the caller has left, by sales team"),
    }
    answers = {"mine": OwnPlacesSerializer(many=True)}

    def get_queryset(self) -> QuerySet[Any]:
        return with_places(super().get_queryset())

    def store(self, values: dict[str, Any], instance: Any = None) -> SalesQuota:
        if instance is not None:
            kept = {"kind": instance.kind, "places": instance.places}
            return set_quota(team=instance.team, rep=instance.rep, **(kept | values))
        self._refuse_second(values)
        return set_quota(**values)

    def _refuse_second(self, values: dict[str, Any]) -> None:
        if SalesQuota.objects.filter(team=values["team"], rep=values["rep"]).exists():
            raise serializers.ValidationError(
                {"rep" if values["rep"] else "team": [_("There is a quota already. Change it with PATCH.")]},
                code="quota_exists",
            )

    @action(detail=False)
    def mine(self, request: Request) -> Response:
        user: Any = request.user
        teams = list(visible_to(SalesTeam.objects.filter(members=user), user).order_by("name", "pk"))
        return Response(OwnPlacesSerializer(own_places(teams, user.pk), many=True).data)
