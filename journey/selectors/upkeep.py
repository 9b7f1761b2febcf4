"""How a target account list is kept: its review, its stale accounts, its size against what sales can work, its growth.

Everything is read from facts that are dated: memberships, stays in stages, activities, deals. Shares are fractions from
0 to 1, durations days, ranges `[start, end)`. Months are those of the site's time zone.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from journey.models import Grade, History, Opportunity, StageInterval, StageMeaning
from journey.selectors.lists import checked_mode
from journey.selectors.overview import first_shown
from journey.selectors.upkeep_months import (
    Members,
    Month,
    ReasonCount,
    count_changes,
    count_engaged,
    count_sizes,
    months_until,
    sum_engagement,
)
from scoring.models import Activity
from segmentation.models import (
    Account,
    ListMembership,
    ListReview,
    MembershipState,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES, MEMBER_STATES
from segmentation.selectors.target_lists import ReviewCadence, cadence_of, memberships_at, with_last_review

CYCLE_YEARS = 2  # deals won since then make the sales cycle
FEW_DEALS = 5  # with fewer won deals of the list's accounts the cycle is that of all accounts
YEAR_DAYS = 365
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class StaleAccount:
    """An active account nothing happened with: when something last did. None: never."""

    membership: ListMembership
    last_activity: dt.datetime | None
    last_movement: dt.datetime | None

    @property
    def account(self) -> Account:
        """The account."""
        return self.membership.account


@dataclass(frozen=True)
class Stale:
    """Stale accounts of a list: how many, and those nothing happened with for longest."""

    after_days: int
    number: int
    first: list[StaleAccount]


@dataclass(frozen=True)
class Cycle:
    """Days from the opening of deals to their winning. `of_list`: of accounts of the list only."""

    median_days: float | None
    deals: int
    of_list: bool
    since: dt.datetime


@dataclass(frozen=True)
class Capacity:
    """What sales can work, beside the size of the list.

    at_a_time = reps x accounts a rep can work at a time; per_year = at_a_time x 365 / won cycle;
    days_for_all = accounts / at_a_time x won cycle, at least one cycle. None where reps or cycle are not known.
    """

    accounts: int
    by_state: dict[str, int]
    reps: int
    reps_from: str
    per_rep_limit: int
    teams: int
    places: int
    places_held: int
    cycle: Cycle

    @property
    def accounts_per_rep(self) -> float | None:
        """Accounts of the list for each rep."""
        return self.accounts / self.reps if self.reps else None

    @property
    def at_a_time(self) -> int | None:
        """How many accounts the reps can work at a time."""
        return self.reps * self.per_rep_limit if self.reps else None

    @property
    def per_year(self) -> float | None:
        """How many accounts the reps can work in a year."""
        if not self.at_a_time or not self.cycle.median_days:
            return None
        return self.at_a_time * YEAR_DAYS / self.cycle.median_days

    @property
    def days_for_all(self) -> float | None:
        """How long it takes to work every account of the list once."""
        if not self.at_a_time or not self.cycle.median_days:
            return None
        return max(self.accounts / self.at_a_time, 1.0) * self.cycle.median_days

    @property
    def verdict(self) -> str:
        """at_once, in_turns (within a year), too_large, empty, or unknown."""
        if not self.accounts:
            return "empty"
        if self.at_a_time is None:
            return "unknown"
        if self.accounts <= self.at_a_time:
            return "at_once"
        if self.per_year is None:
            return "unknown"
        return "in_turns" if self.accounts <= self.per_year else "too_large"


@dataclass(frozen=True)
class Upkeep:
    """All of the upkeep of a list at one moment."""

    target_list: TargetList
    now: dt.datetime
    mode: str
    cohort_at: dt.datetime | None
    cadence: ReviewCadence
    reviews: list[ListReview]
    stale: Stale
    capacity: Capacity
    months: list[Month]
    reasons: list[ReasonCount]
    has_stages: bool

    @property
    def is_due(self) -> bool:
        """Whether the list waits for its review."""
        return self.cadence.is_due(self.now)

    @property
    def was_used(self) -> bool:
        """Whether any account was on the list in the months shown."""
        return any(month.members or month.left or month.refused for month in self.months)


def upkeep_of(
    target_list: TargetList,
    *,
    now: dt.datetime | None = None,
    mode: str = "was",
    cohort_at: dt.datetime | None = None,
    most: int = 25,
) -> Upkeep:
    """The upkeep of a list.

    Args:
        target_list: the list.
        now: the moment it is looked at; facts that happened later are left out.
        mode: whose size, engagement and focus the months show: `was`, the accounts on the list at each moment; `is`,
            those on it now; `cohort`, those on it at `cohort_at`. Additions and removals are always what happened.
        most: how many stale accounts are named.

    Raises:
        JourneyError: the cohort has no day, or a day is given that the mode does not use.
    """
    checked_mode(mode, cohort_at)
    now = now or timezone.now()
    shown = first_shown()
    row = with_last_review(TargetList.objects.filter(pk=target_list.pk)).get()
    months = months_until(now)
    members = Members(row, now, mode, cohort_at)
    count_sizes(months, members)
    if shown and shown.history:
        count_engaged(months, members, shown)
    sum_engagement(months, members)
    return Upkeep(
        target_list=row,
        now=now,
        mode=mode,
        cohort_at=cohort_at,
        cadence=cadence_of(row),
        reviews=list(row.reviews.select_related("reviewed_by").order_by("-reviewed_at", "-id")[:5]),
        stale=stale_accounts(row, now, shown.history if shown else None, most),
        capacity=capacity_of(row, now),
        months=months,
        reasons=count_changes(months, row),
        has_stages=bool(shown and shown.history),
    )


# --- Stale accounts ------------------------------------------------------------------------------------------------


def stale_accounts(target_list: TargetList, now: dt.datetime, history: History | None, most: int = 25) -> Stale:
    """Active accounts of a list without activity and without movement for its `stale_after_days`.

    An activity of any side counts. A movement is a stay in another stage that a dated fact began: that time passed,
    which is how an account falls back, moves nothing. Who became active on the list since then is not stale yet.
    """
    since = now - target_list.stale_after_days * DAY
    activities = Activity.objects.filter(account=OuterRef("account"), occurred_at__lte=now).order_by("-occurred_at")
    rows: QuerySet[Any] = (
        memberships_at(target_list, now, [MembershipState.ACTIVE])
        .filter(start_at__lt=since)
        .annotate(last_activity=Subquery(activities.values("occurred_at")[:1]))
        .filter(Q(last_activity__lt=since) | Q(last_activity=None))
    )
    if history:
        moved = StageInterval.objects.filter(
            history=history.pk, entity_id=OuterRef("account"), start_at__lte=now, grade=Grade.EXACT, is_first=False
        ).order_by("-start_at")
        rows = rows.annotate(last_movement=Subquery(moved.values("start_at")[:1])).filter(
            Q(last_movement__lt=since) | Q(last_movement=None)
        )
    latest = [F("start_at"), "last_activity", *(["last_movement"] if history else [])]
    named = rows.order_by(Greatest(*latest), "account_id").select_related("account")[:most]
    first = [StaleAccount(row, row.last_activity, getattr(row, "last_movement", None)) for row in named]
    return Stale(target_list.stale_after_days, rows.order_by().count(), first)


# --- Size against what sales can work ------------------------------------------------------------------------------


def capacity_of(target_list: TargetList, now: dt.datetime) -> Capacity:
    """The size of a list now, and what the sales reps of its accounts can work. Parts of it: see `Capacity`."""
    by_state = dict(
        memberships_at(target_list, now, HOLDING_STATES).order_by().values_list("state").annotate(Count("pk"))
    )
    members = memberships_at(target_list, now).order_by()
    accounts = Account.objects.filter(pk__in=members.values("account")).order_by()
    teams = list(accounts.filter(team__isnull=False).values_list("team", flat=True).distinct())
    people = SalesTeam.objects.filter(pk__in=teams).aggregate(members=Count("members", distinct=True))
    reps, source = people["members"], "teams"
    if not reps:
        reps, source = accounts.exclude(owner="").values("owner").distinct().count(), "owners"
    quotas = SalesQuota.objects.filter(team__in=teams, rep__isnull=True)
    held = ListMembership.objects.filter(team__in=teams, end_at__isnull=True, state__in=HOLDING_STATES).order_by()
    return Capacity(
        accounts=sum(by_state.get(state, 0) for state in MEMBER_STATES),
        by_state={state.value: by_state.get(state, 0) for state in HOLDING_STATES},
        reps=reps,
        reps_from=source if reps else "",
        per_rep_limit=target_list.accounts_per_rep,
        teams=len(teams),
        places=quotas.aggregate(places=Sum("places"))["places"] or 0,
        places_held=held.values("team", "account").distinct().count(),
        cycle=won_cycle(target_list, now),
    )


def won_cycle(target_list: TargetList, now: dt.datetime) -> Cycle:
    """The median days from opening to winning of deals won in the last two years.

    Of accounts that were ever on the list; of all accounts when fewer than five of those deals were won.
    """
    since = now - CYCLE_YEARS * YEAR_DAYS * DAY
    deals = Opportunity.objects.filter(
        crm_stage__meaning=StageMeaning.WON, closed_at__gte=since, closed_at__lte=now, opened_at__lte=F("closed_at")
    ).order_by()
    listed = ListMembership.objects.filter(target_list=target_list, state__in=MEMBER_STATES).order_by()
    of_list, rows = True, _days_open(deals.filter(account__in=listed.values("account")))
    if len(rows) < FEW_DEALS:
        of_list, rows = False, _days_open(deals)
    return Cycle(_median(rows), len(rows), of_list, since)


def _days_open(deals: QuerySet[Opportunity]) -> list[float]:
    periods: Any = deals.values_list("opened_at", "closed_at")  # neither is empty: they were compared
    return [(closed - opened) / DAY for opened, closed in periods]


def _median(values: Sequence[float]) -> float | None:
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        return None
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


# --- For programs --------------------------------------------------------------------------------------------------


def upkeep_document(found: Upkeep) -> dict[str, Any]:
    """The upkeep as plain values: what the command and the API give."""
    capacity, cycle = found.capacity, found.capacity.cycle
    return {
        "list": {"key": found.target_list.key, "name": found.target_list.name},
        "as_of": found.now.isoformat(),
        "list_mode": found.mode,
        "cohort_at": _iso(found.cohort_at),
        "review": {
            "every_days": found.target_list.review_every_days,
            "last_at": _iso(found.cadence.last_at),
            "due_at": _iso(found.cadence.due_at),
            "is_due": found.is_due,
        },
        "stale": {
            "after_days": found.stale.after_days,
            "accounts": found.stale.number,
            "first": [
                {
                    "account_id": row.account.pk,
                    "external_id": row.account.external_id,
                    "name": row.account.name,
                    "member_since": row.membership.start_at.isoformat(),
                    "last_activity": _iso(row.last_activity),
                    "last_movement": _iso(row.last_movement),
                }
                for row in found.stale.first
            ],
        },
        "capacity": {
            "accounts": capacity.accounts,
            **capacity.by_state,
            "reps": capacity.reps,
            "accounts_per_rep": capacity.accounts_per_rep,
            "accounts_per_rep_limit": capacity.per_rep_limit,
            "places": capacity.places,
            "places_held": capacity.places_held,
            "won_cycle_median_days": cycle.median_days,
            "won_deals": cycle.deals,
            "won_deals_of_list": cycle.of_list,
            "at_a_time": capacity.at_a_time,
            "per_year": capacity.per_year,
            "days_for_all": capacity.days_for_all,
            "verdict": capacity.verdict,
        },
        "months": [
            {
                "start": month.start.isoformat(),
                "end": month.end.isoformat(),
                "accounts": month.members,
                "by_tier": {str(tier) if tier else "none": number for tier, number in sorted(month.by_tier.items())},
                "added": month.added,
                "left": month.left,
                "refused": month.refused,
                "engaged": month.engaged,
                "engaged_share": month.engaged_share,
                "engaged_seconds": month.seconds,
                "engaged_seconds_of_all": month.all_seconds,
                "focus": month.focus,
            }
            for month in found.months
        ],
        "reasons": [
            {
                "reason": row.reason.key if row.reason else None,
                "name": row.reason.name if row.reason else None,
                "state": row.state,
                "months": row.months,
                "total": row.total,
            }
            for row in found.reasons
        ],
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None
