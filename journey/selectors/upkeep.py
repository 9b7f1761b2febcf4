"""How a target account list is kept: its review, its stale accounts, its size against what sales can work, its growth.

Everything is read from facts that are dated: memberships, stays in stages, activities, deals. Shares are fractions from
0 to 1, durations days, ranges `[start, end)`. Months are those of the site's time zone.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Greatest
from django.utils import timezone

from journey.models import Grade, History, Opportunity, StageInterval, StageMeaning
from journey.selectors.lists import checked_mode
from journey.selectors.stages import main_histories
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
class Present:
    """How a list is kept at a moment: its review, its stale accounts, its size against what sales can work."""

    target_list: TargetList
    now: dt.datetime
    cadence: ReviewCadence
    reviews: list[ListReview]
    stale: Stale
    capacity: Capacity

    @property
    def is_due(self) -> bool:
        """Whether the list waits for its review."""
        return self.cadence.is_due(self.now)


@dataclass(frozen=True)
class Development:
    """A list month by month up to a moment, and why accounts left it or were refused."""

    mode: str
    cohort_at: dt.datetime | None
    months: list[Month]
    reasons: list[ReasonCount]
    has_stages: bool


@dataclass(frozen=True)
class Upkeep:
    """All of the upkeep of a list at one moment."""

    present: Present
    development: Development


def upkeep_of(
    target_list: TargetList,
    *,
    now: dt.datetime | None = None,
    mode: str = "was",
    cohort_at: dt.datetime | None = None,
    most: int = 25,
) -> Upkeep:
    """The upkeep of a list: `upkeep_now` and `upkeep_by_month`, whose parameters and errors these are."""
    now = now or timezone.now()
    development = upkeep_by_month(target_list, now=now, mode=mode, cohort_at=cohort_at)
    return Upkeep(upkeep_now(target_list, now=now, most=most), development)


def upkeep_now(target_list: TargetList, *, now: dt.datetime | None = None, most: int = 25) -> Present:
    """How a list is kept at a moment.

    Args:
        target_list: the list.
        now: the moment it is looked at; facts that happened later are left out.
        most: how many stale accounts are named.
    """
    now = now or timezone.now()
    row = with_last_review(TargetList.objects.filter(pk=target_list.pk)).get()
    return Present(
        target_list=row,
        now=now,
        cadence=cadence_of(row),
        reviews=list(row.reviews.select_related("reviewed_by").order_by("-reviewed_at", "-id")[:5]),
        stale=stale_accounts(row, now, main_histories().first(), most),
        capacity=capacity_of(row, now),
    )


def upkeep_by_month(
    target_list: TargetList,
    *,
    now: dt.datetime | None = None,
    mode: str = "was",
    cohort_at: dt.datetime | None = None,
) -> Development:
    """A list month by month: size, who came and left, engagement and focus.

    Args:
        target_list: the list.
        now: the moment it is looked at; facts that happened later are left out.
        mode: whose size, engagement and focus the months show: `was`, the accounts on the list at each moment; `is`,
            those on it now; `cohort`, those on it at `cohort_at`. Additions and removals are always what happened.

    Raises:
        JourneyError: the cohort has no day, or a day is given that the mode does not use.
    """
    checked_mode(mode, cohort_at)
    now = now or timezone.now()
    months, history = months_until(now), main_histories().first()
    members = Members(target_list, now, mode, cohort_at)
    count_sizes(months, members)
    if history:
        count_engaged(months, members, history)
    sum_engagement(months, members)
    return Development(mode, cohort_at, months, count_changes(months, target_list), has_stages=history is not None)


# --- Stale accounts ------------------------------------------------------------------------------------------------


def stale_accounts(target_list: TargetList, now: dt.datetime, history: History | None, most: int = 25) -> Stale:
    """Active accounts of a list without activity and without movement for its `stale_after_days`.

    An activity of any side counts. A movement is a stay in another stage that a dated fact began: that time passed,
    which is how an account falls back, moves nothing. Who became active on the list since then is not stale yet.
    """
    since = now - target_list.stale_after_days * DAY
    activities = Activity.objects.filter(account=OuterRef("account"), occurred_at__lte=now).order_by("-occurred_at")
    rows: QuerySet[Any] = memberships_at(target_list, now, [MembershipState.ACTIVE]).filter(
        ~Exists(activities.filter(occurred_at__gte=since)), start_at__lt=since
    )
    last = {"last_activity": Subquery(activities.values("occurred_at")[:1])}
    if history:
        moved = StageInterval.objects.filter(
            history=history.pk, entity_id=OuterRef("account"), start_at__lte=now, grade=Grade.EXACT, is_first=False
        ).order_by("-start_at")
        rows = rows.filter(~Exists(moved.filter(start_at__gte=since)))
        last["last_movement"] = Subquery(moved.values("start_at")[:1])
    rows = rows.annotate(**last, of_all=Window(Count("*"))).select_related("account")
    named = list(rows.order_by(Greatest("start_at", *last), "account_id")[:most])
    first = [StaleAccount(row, row.last_activity, getattr(row, "last_movement", None)) for row in named]
    return Stale(target_list.stale_after_days, named[0].of_all if named else 0, first)


# --- Size against what sales can work ------------------------------------------------------------------------------


def capacity_of(target_list: TargetList, now: dt.datetime) -> Capacity:
    """The size of a list now, and what the sales reps of its accounts can work. Parts of it: see `Capacity`."""
    is_member = Q(state__in=MEMBER_STATES)
    counts: dict[str, Any] = {state.value: Count("pk", filter=Q(state=state)) for state in HOLDING_STATES}
    found = memberships_at(target_list, now, HOLDING_STATES).aggregate(
        **counts,
        owners=Count("account__owner", distinct=True, filter=is_member & ~Q(account__owner="")),
        teams=ArrayAgg("account__team", distinct=True, filter=is_member & Q(account__team__isnull=False)),
    )
    teams = _teams_with_places(found["teams"] or [])
    people = {pk for team in teams for pk in team.people or ()}
    reps, source = (len(people), "teams") if people else (found["owners"], "owners")
    return Capacity(
        accounts=sum(found[state] for state in MEMBER_STATES),
        by_state={state.value: found[state] for state in HOLDING_STATES},
        reps=reps,
        reps_from=source if reps else "",
        per_rep_limit=target_list.accounts_per_rep,
        teams=len(teams),
        places=sum(team.n_places or 0 for team in teams),
        places_held=sum(team.n_held or 0 for team in teams),
        cycle=won_cycle(target_list, now),
    )


def _teams_with_places(teams: Collection[int]) -> list[Any]:
    """Sales teams with the keys of their `people`, and the places they have (`n_places`) and hold (`n_held`)."""
    places = SalesQuota.objects.filter(team=OuterRef("pk"), rep__isnull=True).values("places")
    held = ListMembership.objects.filter(team=OuterRef("pk"), end_at__isnull=True, state__in=HOLDING_STATES)
    counted = held.order_by().values("team").annotate(n=Count("account", distinct=True)).values("n")
    rows: QuerySet[Any] = SalesTeam.objects.filter(pk__in=teams).order_by()
    return list(
        rows.annotate(
            people=ArrayAgg("members", filter=Q(members__isnull=False)),
            n_places=Subquery(places),
            n_held=Subquery(counted),
        )
    )


def won_cycle(target_list: TargetList, now: dt.datetime) -> Cycle:
    """The median days from opening to winning of deals won in the last two years.

    Of accounts that were ever on the list; of all accounts when fewer than five of those deals were won.
    """
    since = now - CYCLE_YEARS * YEAR_DAYS * DAY
    listed = ListMembership.objects.filter(
        target_list=target_list, state__in=MEMBER_STATES, account=OuterRef("account")
    )
    deals: Any = Opportunity.objects.filter(
        crm_stage__meaning=StageMeaning.WON, closed_at__gte=since, closed_at__lte=now, opened_at__lte=F("closed_at")
    )
    periods = deals.order_by().annotate(listed=Exists(listed)).values_list("listed", "opened_at", "closed_at")
    days = [(on_list, (closed - opened) / DAY) for on_list, opened, closed in periods]
    of_list = [one for on_list, one in days if on_list]
    if len(of_list) >= FEW_DEALS:
        return Cycle(median(of_list), len(of_list), True, since)
    return Cycle(median(one for _on_list, one in days) if days else None, len(days), False, since)


# --- For programs --------------------------------------------------------------------------------------------------


def upkeep_document(found: Upkeep) -> dict[str, Any]:
    """The upkeep as plain values: what the command and the API give."""
    present, development = found.present, found.development
    capacity, cycle = present.capacity, present.capacity.cycle
    return {
        "list": {"key": present.target_list.key, "name": present.target_list.name},
        "as_of": present.now.isoformat(),
        "list_mode": development.mode,
        "cohort_at": _iso(development.cohort_at),
        "review": {
            "every_days": present.target_list.review_every_days,
            "last_at": _iso(present.cadence.last_at),
            "due_at": _iso(present.cadence.due_at),
            "is_due": present.is_due,
        },
        "stale": {
            "after_days": present.stale.after_days,
            "accounts": present.stale.number,
            "first": [
                {
                    "account_id": row.account.pk,
                    "external_id": row.account.external_id,
                    "name": row.account.name,
                    "member_since": row.membership.start_at.isoformat(),
                    "last_activity": _iso(row.last_activity),
                    "last_movement": _iso(row.last_movement),
                }
                for row in present.stale.first
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
            for month in development.months
        ],
        "reasons": [
            {
                "reason": row.reason.key if row.reason else None,
                "name": row.reason.name if row.reason else None,
                "state": row.state,
                "months": row.months,
                "total": row.total,
            }
            for row in development.reasons
        ],
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None
