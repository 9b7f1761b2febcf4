"""Who is on a target account list, now or on any past day, and how many places a sales team has left."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from segmentation.errors import NotFoundError, closest
from segmentation.models import (
    Account,
    DisqualificationRequest,
    ListMembership,
    ListReview,
    MembershipReason,
    MembershipState,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES, MEMBER_STATES
from segmentation.selectors.access import visible_to


def find_by_key(model: type[Any], key: str, field: str, user: Any = None) -> Any:
    """Return the row with this key, if `user` may see it.

    Raises:
        NotFoundError: there is none; says which was probably meant, or which there are.
    """
    rows = visible_to(model.objects.all(), user)
    found = rows.filter(key=key).first()
    if found:
        return found
    known = list(rows.order_by("key").values_list("key", flat=True))
    close = closest(str(key), known)
    raise NotFoundError(
        _("There is no %(what)s “%(value)s”."),
        code=f"unknown_{field}",
        field=field,
        value=key,
        remedy=_("Did you mean “%(close)s”?") if close else _("There are: %(known)s."),
        params={
            "what": model._meta.verbose_name,
            "close": close,
            "known": ", ".join(known[:25]) + (" …" if len(known) > 25 else "") or "–",
        },
    )


def find_list(key: str) -> TargetList:
    """Return the target account list with this key. Raises NotFoundError with the nearest key."""
    found: TargetList = find_by_key(TargetList, key, "list")
    return found


def find_team(key: str) -> SalesTeam:
    """Return the sales team with this key. Raises NotFoundError with the nearest key."""
    found: SalesTeam = find_by_key(SalesTeam, key, "team")
    return found


def find_reason(key: str) -> MembershipReason:
    """Return the reason with this key. Raises NotFoundError with the nearest key."""
    found: MembershipReason = find_by_key(MembershipReason, key, "reason")
    return found


def memberships_at(
    target_list: TargetList, at: dt.datetime, states: Collection[str] = MEMBER_STATES
) -> QuerySet[ListMembership]:
    """The rows of a list in force at an instant, in these states (default: those that make a target account)."""
    return ListMembership.objects.filter(
        Q(end_at__gt=at) | Q(end_at=None), target_list=target_list, state__in=states, start_at__lte=at
    )


def members_at(target_list: TargetList, at: dt.datetime, states: Collection[str] = MEMBER_STATES) -> QuerySet[Account]:
    """The accounts on a list at an instant."""
    return Account.objects.filter(pk__in=memberships_at(target_list, at, states).values("account"))


def open_proposals(rows: QuerySet[ListMembership]) -> QuerySet[ListMembership]:
    """Of memberships the proposals nobody has decided."""
    return rows.filter(state=MembershipState.PROPOSED, end_at__isnull=True)


def open_requests(rows: QuerySet[DisqualificationRequest]) -> QuerySet[DisqualificationRequest]:
    """Of requests to disqualify those nobody has decided."""
    return rows.filter(decision=DisqualificationRequest.Decision.OPEN)


def with_counts(lists: QuerySet[TargetList], rows: QuerySet[ListMembership] | None = None) -> QuerySet[TargetList]:
    """Lists with `n_members` (target accounts now) and `n_proposed`, counted among all memberships or these.

    Each is counted in the index of open rows: joined, every row of every list would be read.
    """
    of_list = (ListMembership.objects.all() if rows is None else rows).filter(
        target_list=OuterRef("pk"), end_at__isnull=True
    )

    def number(states: Collection[str]) -> Coalesce:
        counted = of_list.filter(state__in=states).order_by().prefetch_related(None).values("target_list")
        return Coalesce(Subquery(counted.annotate(n=Count("*")).values("n")), Value(0))

    return lists.annotate(n_members=number(MEMBER_STATES), n_proposed=number([MembershipState.PROPOSED]))


def places_held(team: SalesTeam, rep_id: int | None = None) -> int:
    """How many accounts hold a place of the team now, or a place of one of its reps."""
    return places_held_with(team, rep_id, ())[0]


def places_held_with(team: SalesTeam, rep_id: int | None, accounts: Collection[int]) -> tuple[int, int]:
    """How many accounts hold a place now, and how many of these accounts (primary keys) are among them."""
    held = ListMembership.objects.filter(team=team, end_at__isnull=True, state__in=HOLDING_STATES)
    if rep_id is not None:
        held = held.filter(rep=rep_id)
    found = held.aggregate(
        all=Count("account", distinct=True),
        these=Count("account", distinct=True, filter=Q(account__in=list(accounts))),
    )
    return found["all"], found["these"]


@dataclass(frozen=True)
class ReviewCadence:
    """When a list was reviewed last, and when the next review is due (None: it never is)."""

    last_at: dt.datetime | None
    due_at: dt.datetime | None

    def is_due(self, now: dt.datetime) -> bool:
        """Whether the list waits for its review."""
        return self.due_at is not None and self.due_at <= now


def with_last_review(lists: QuerySet[TargetList]) -> QuerySet[TargetList]:
    """Lists with `last_reviewed_at`, which `cadence_of` reads."""
    reviews = ListReview.objects.filter(target_list=OuterRef("pk")).order_by("-reviewed_at")
    return lists.annotate(last_reviewed_at=Subquery(reviews.values("reviewed_at")[:1]))


def cadence_of(target_list: Any) -> ReviewCadence:
    """The cadence of a list read by `with_last_review`. A list never reviewed is due a cadence after it was made."""
    last = target_list.last_reviewed_at
    if target_list.review_every_days is None:
        return ReviewCadence(last, None)
    return ReviewCadence(last, (last or target_list.created_at) + dt.timedelta(days=target_list.review_every_days))


def lists_due(now: dt.datetime) -> list[TargetList]:
    """The active lists whose review is due, by name."""
    lists = with_last_review(TargetList.objects.filter(active=True, review_every_days__isnull=False))
    return [row for row in lists.order_by("name") if cadence_of(row).is_due(now)]
