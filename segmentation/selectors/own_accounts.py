"""What sales have and may ask for: their teams, places, accounts that may be proposed, what became of requests."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from segmentation.models import (
    Account,
    DisqualificationRequest,
    ListMembership,
    MembershipState,
    SalesQuota,
    SalesTeam,
)
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.target_lists import Places, quota_places

MOST_LINES = 100  # names that are looked up at once
MOST_FOUND = 10  # accounts offered for one name


@dataclass(frozen=True)
class TeamPlaces:
    """The places of a sales team: of its quota, of the rep's own within it, and how many each list holds.

    `team_places` is None while the team has no quota: then it cannot propose anything.
    """

    team: SalesTeam
    team_places: Places | None
    rep_places: Places | None
    lists: list[tuple[str, int]]

    @property
    def remaining(self) -> int:
        """How many accounts the rep may still propose."""
        if self.team_places is None:
            return 0
        return min(places.remaining for places in (self.team_places, self.rep_places) if places)


def teams_of(user: Any) -> list[SalesTeam]:
    """The sales teams a user is a member of, by name."""
    return list(user.sales_teams.order_by("name"))


def places_of(teams: Sequence[SalesTeam], user: Any) -> list[TeamPlaces]:
    """The places of teams and of a user in them."""
    quotas: dict[tuple[int, int | None], SalesQuota] = {
        (quota.team_id, quota.rep_id): quota
        for quota in SalesQuota.objects.filter(Q(rep__isnull=True) | Q(rep=user.pk), team__in=teams).select_related(
            "team"
        )
    }
    held: dict[int, dict[str, set[int]]] = {}
    rows = ListMembership.objects.filter(team__in=teams, end_at__isnull=True, state__in=HOLDING_STATES)
    for team, name, account in rows.order_by("target_list__name").values_list("team", "target_list__name", "account"):
        held.setdefault(team, {}).setdefault(name, set()).add(account)

    def places(team: SalesTeam, rep: int | None) -> Places | None:
        quota = quotas.get((team.pk, rep))
        return quota_places(quota) if quota else None

    return [
        TeamPlaces(
            team,
            places(team, None),
            places(team, user.pk),
            [(name, len(accounts)) for name, accounts in held.get(team.pk, {}).items()],
        )
        for team in teams
    ]


def proposable(teams: Collection[SalesTeam]) -> QuerySet[Account]:
    """The accounts teams may propose: their own and those of no team. Nothing of another team is among them."""
    return Account.objects.filter(Q(team__in=[team.pk for team in teams]) | Q(team__isnull=True))


@dataclass
class NameMatch:
    """What a line of a search stands for: accounts of exactly that name, domain or id, else those that contain it."""

    words: str
    exact: bool
    accounts: list[Account] = field(default_factory=list)
    more: bool = False


def matches(text: str, teams: Collection[SalesTeam]) -> list[NameMatch]:
    """Look up accounts that may be proposed, by names, domains or external ids, one on each line.

    Args:
        text: at most `MOST_LINES` lines are read; a line of fewer than two characters finds nothing but itself.
        teams: whose accounts, beside those of no team.

    Returns:
        For each line what it found, at most `MOST_FOUND` accounts.
    """
    lines = list(dict.fromkeys(line.strip() for line in text.replace("\x00", "").splitlines() if line.strip()))
    found = []
    for words in lines[:MOST_LINES]:
        rows = proposable(teams).select_related("team").order_by("name", "id")
        same = Q(name__iexact=words) | Q(domain__iexact=words) | Q(external_id=words) | Q(other_names__contains=[words])
        accounts = list(rows.filter(same)[: MOST_FOUND + 1])
        exact = bool(accounts)
        if not exact and len(words) > 1:
            accounts = list(rows.filter(Q(name__icontains=words) | Q(domain__icontains=words))[: MOST_FOUND + 1])
        found.append(NameMatch(words, exact, accounts[:MOST_FOUND], len(accounts) > MOST_FOUND))
    return found


@dataclass(frozen=True)
class Asked:
    """A proposal or a request to disqualify of a team, and what became of it."""

    account: Account
    list_name: str
    disqualify: bool
    state: str
    label: Any
    asked_by: Any
    decided_by: Any
    at: dt.datetime
    why: str
    membership: ListMembership | None = None


def asked_by_teams(teams: Collection[SalesTeam], since: dt.datetime, most: int = 50) -> list[Asked]:
    """What teams asked for: everything that waits, and what was decided since, the newest first."""
    links = ("account", "target_list", "reason", "set_by", "decided_by", "rep")
    rows = ListMembership.objects.filter(
        Q(account__team__in=teams) | Q(account__team__isnull=True), team__in=teams, end_at__isnull=True
    ).filter(
        Q(state=MembershipState.PROPOSED)
        | Q(state__in=[MembershipState.ACTIVE, MembershipState.REJECTED], decided_by__isnull=False, start_at__gte=since)
    )
    requests = DisqualificationRequest.objects.filter(
        Q(account__team__in=teams) | Q(account__team__isnull=True), team__in=teams
    ).filter(Q(decision=DisqualificationRequest.Decision.OPEN) | Q(decided_at__gte=since))
    found = [
        Asked(
            row.account, row.target_list.name, False, row.state, row.get_state_display(), row.rep or row.set_by,
            row.decided_by, row.start_at, _why(row.reason, row.note), row,
        )
        for row in rows.select_related(*links).order_by("-start_at")[:most]
    ] + [
        Asked(
            row.account, row.target_list.name, True, row.decision, row.get_decision_display(), row.asked_by,
            row.decided_by, row.decided_at or row.asked_at, row.decision_note or _why(row.reason, row.note),
        )
        for row in requests.select_related("account", "target_list", "reason", "asked_by", "decided_by").order_by(
            "-asked_at"
        )[:most]
    ]  # fmt: skip
    found.sort(key=lambda asked: asked.at, reverse=True)
    return found[:most]


def _why(reason: Any, note: str) -> str:
    return " · ".join(str(part) for part in (reason, note) if part)
