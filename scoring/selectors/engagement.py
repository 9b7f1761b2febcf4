"""Engagement of accounts as it was recorded: time and people, without the weights a journey's rules may set."""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Case, Count, F, IntegerField, Q, Sum, When

from scoring.models import Activity, Side

RECENT_DAYS = 90

# Of an activity: the recorded seconds, else the default minutes of its type.
ENGAGED_SECONDS = Case(
    When(seconds__isnull=False, then=F("seconds")), default=F("type__default_minutes") * 60, output_field=IntegerField()
)


class Engagement(NamedTuple):
    """Time and distinct people of an account's activities. Activities without contact count no person."""

    seconds: int = 0
    people: int = 0

    @property
    def minutes(self) -> float:
        """Minutes, to a tenth."""
        return round(self.seconds / 60, 1)


def recent_engagement(account_ids: Collection[int], at: dt.datetime, days: int = RECENT_DAYS) -> dict[int, Engagement]:
    """The engagement of accounts in the `days` of 24 hours before an instant, which counts. None: not in the result."""
    rows = (
        Activity.objects.filter(
            account__in=account_ids, occurred_at__gt=at - dt.timedelta(days=days), occurred_at__lte=at
        )
        .order_by()
        .values_list("account")
        .annotate(seconds=Sum(ENGAGED_SECONDS), people=Count("contact", distinct=True))
    )
    return {account: Engagement(seconds or 0, people) for account, seconds, people in rows}


class Interest(NamedTuple):
    """What was done for and by an account: engaged seconds and hot activities of late, and sales time over longer."""

    seconds: int
    hot: int
    sales_seconds: int


def interest_by_account(
    at: dt.datetime, *, recent_days: int = RECENT_DAYS, sales_days: int = 365
) -> dict[int, Interest]:
    """Interest of all accounts up to an instant, which counts. None within `sales_days`: not in the result.

    recent_days: of engagement and hot activities, at most sales_days; sales_days: of the seconds sales spent.
    """
    recent = Q(occurred_at__gt=at - dt.timedelta(days=recent_days))
    rows = (
        Activity.objects.filter(
            account__isnull=False, occurred_at__gt=at - dt.timedelta(days=sales_days), occurred_at__lte=at
        )
        .order_by()
        .values_list("account")
        .annotate(
            engaged=Sum(ENGAGED_SECONDS, filter=recent),
            hot=Count("pk", filter=recent & Q(type__is_hot=True)),
            sales=Sum(ENGAGED_SECONDS, filter=Q(type__side=Side.SALES)),
        )
    )
    return {account: Interest(engaged or 0, hot, sales or 0) for account, engaged, hot, sales in rows}
