"""Engagement of accounts as it was recorded: time and people, without the weights a journey's rules may set."""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Case, Count, F, IntegerField, Sum, When

from scoring.models import Activity

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
