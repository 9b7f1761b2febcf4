"""Engagement of accounts as it was recorded: time and people, without the weights a journey's rules may set."""

import datetime as dt
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Case, Count, F, IntegerField, Sum, When

from scoring.engine.activities import Restriction
from scoring.facts.store import FactStore
from scoring.models import Activity, Side
from segmentation.engine.params import DAY
from segmentation.engine.resolve import jit
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions

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


def interest(
    connection: Any,
    store: FactStore,
    accounts: Int64s,
    at: dt.datetime,
    *,
    recent_days: int = RECENT_DAYS,
    sales_days: int = 365,
) -> Int64s:
    """What was done for and by accounts up to an instant, which counts: int64[3, accounts], engaged seconds and hot
    activities of late, and the seconds sales spent over longer.

    Call within one transaction of isolation level REPEATABLE READ. store: the cache of facts by account. recent_days:
    of engagement and hot activities; sales_days: of the seconds of sales.
    """
    classes = store.refresh(connection).classes
    hot, sales = classes.mask(Restriction(hot_only=True)), classes.mask(Restriction(sides=(str(Side.SALES),)))
    until = _microseconds(at)
    recent, long = (until - days * DAY for days in (recent_days, sales_days))
    found = np.zeros((3, len(accounts)), dtype=np.int64)
    place = Positions(accounts)
    for batch in store.batches(classes, np.sort(accounts)):
        table = batch.table
        found[:, place.of(batch.owners)] = _interest(
            table.rows.begin, table.rows.end, table.time, table.seconds, table.number, hot, sales, recent, long, until
        )
    return found


def _microseconds(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@jit
def _interest(begin, end, time, seconds, number, hot, sales, recent, long, until):  # type: ignore[no-untyped-def]
    out = np.zeros((3, len(begin)), dtype=np.int64)
    for e in range(len(begin)):
        for k in range(end[e] - 1, begin[e] - 1, -1):  # the newest first
            if time[k] > until:
                continue
            if time[k] <= recent and time[k] <= long:
                break
            if time[k] > recent:
                out[0, e] += seconds[k]
                out[1, e] += hot[number[k]]
            if time[k] > long and sales[number[k]]:
                out[2, e] += seconds[k]
    return out
