"""The accounts of sales with what they need to know of each: where it is on the lists, stage, engagement, fit."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from journey.models import StageInterval
from journey.selectors.reviews import FitResult, fits_of
from journey.selectors.stages import main_stays_at
from scoring.selectors.engagement import Engagement, recent_engagement
from segmentation.models import Account, DisqualificationRequest, ListMembership, SalesTeam
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.access import accounts_of


@dataclass
class OwnAccount:
    """An account of a sales team. `asked` are the lists it is asked to be disqualified on."""

    account: Account
    memberships: list[ListMembership] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    stay: StageInterval | None = None
    engagement: Engagement = field(default_factory=Engagement)
    fits: list[FitResult] = field(default_factory=list)


def own_accounts(teams: Collection[SalesTeam], words: str = "", listed: bool | None = None) -> QuerySet[Account]:
    """The accounts of teams, those on a list first; with `words` in name or domain, or only (not) on a list."""
    on_list = ListMembership.objects.filter(account=OuterRef("pk"), end_at__isnull=True, state__in=HOLDING_STATES)
    rows = accounts_of(frozenset(team.pk for team in teams)).annotate(listed=Exists(on_list))
    if words:
        rows = rows.filter(Q(name__icontains=words) | Q(domain__icontains=words))
    if listed is not None:
        rows = rows.filter(listed=listed)
    return rows.order_by("-listed", "name", "id")


def with_details(
    accounts: Collection[Account], teams: Collection[SalesTeam], at: dt.datetime, *, fit: bool, engagement: bool
) -> list[OwnAccount]:
    """What is known of accounts at an instant, in their order; a fixed number of queries.

    Of accounts without a team only memberships are shown that these teams asked for.
    """
    found = {account.pk: OwnAccount(account) for account in accounts}
    rows: QuerySet[Any] = ListMembership.objects.filter(
        Q(account__team__isnull=False) | Q(team__in=teams), account__in=found, end_at__isnull=True
    )
    waiting = DisqualificationRequest.objects.filter(
        account=OuterRef("account"), target_list=OuterRef("target_list"), decision=DisqualificationRequest.Decision.OPEN
    )
    rows = rows.annotate(asked=Exists(waiting)).select_related("target_list", "reason")
    for row in rows.order_by("target_list__name"):
        found[row.account_id].memberships.append(row)
        if row.asked:  # nobody asks about an account that is on no list
            found[row.account_id].asked.add(row.target_list_id)
    for stay in main_stays_at(at, list(found)):
        found[stay.entity_id].stay = stay
    for account, value in (recent_engagement(list(found), at) if engagement else {}).items():
        found[account].engagement = value
    for account, fits in (fits_of(list(found), reasons=False) if fit and found else {}).items():
        found[account].fits = fits
    return list(found.values())
