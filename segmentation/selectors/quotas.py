"""Sales quotas with the places that are held and remain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest

from segmentation.models import ListMembership, SalesQuota, SalesTeam
from segmentation.models.choices import HOLDING_STATES


def with_places(quotas: QuerySet[SalesQuota]) -> QuerySet[SalesQuota]:
    """Add to each quota `n_held`, the accounts that hold a place of it now, and `n_left`, the places that remain."""
    rows = ListMembership.objects.filter(
        team=OuterRef("team"), end_at__isnull=True, state__in=HOLDING_STATES
    ).order_by()

    def counted(held: Any) -> Any:
        return Subquery(held.values("team").annotate(n=Count("account", distinct=True)).values("n"))

    held = Case(When(rep__isnull=True, then=counted(rows)), default=counted(rows.filter(rep=OuterRef("rep"))))
    return quotas.annotate(n_held=Coalesce(held, Value(0)), n_left=Greatest(F("places") - F("n_held"), Value(0)))


@dataclass(frozen=True)
class OwnPlaces:
    """What a rep may still propose for a team. `team_quota`, `own_quota`: as `with_places` gives them; None: none."""

    team: SalesTeam
    team_quota: Any
    own_quota: Any

    @property
    def remaining(self) -> int:
        """The places that are left: of the team, and within them of the rep. A team without quota has none."""
        if self.team_quota is None:
            return 0
        return min(quota.n_left for quota in (self.team_quota, self.own_quota) if quota is not None)


def own_places(teams: Iterable[SalesTeam], rep_id: int) -> list[OwnPlaces]:
    """Return the places of these teams and of a rep within them, by the teams' names."""
    wanted = SalesQuota.objects.filter(Q(rep__isnull=True) | Q(rep=rep_id), team__in=teams)
    by = {(quota.team_id, quota.rep_id): quota for quota in with_places(wanted).order_by()}
    return [OwnPlaces(team, by.get((team.pk, None)), by.get((team.pk, rep_id))) for team in teams]
