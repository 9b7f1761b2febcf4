"""A target account list month by month: its size by tier, who came and left and why, how engaged it is, how focused.

Sizes and engagement are read from dated memberships, stays and activities, of the list as it was, as it is or of a
cohort. Months are those of the site's time zone; ranges are `[start, end)`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from journey.models import History, Stage
from scoring.models import Activity
from segmentation.models import MembershipReason, MembershipState, TargetList
from segmentation.models.choices import MEMBER_STATES

MONTHS = 13  # the present one and a year before it
KEPT_SECONDS = 600  # the engagement of all accounts by month, which reads every activity of a year


@dataclass
class Month:
    """A month of a list. Sizes are those just before its end, or now; the rest is what happened in it.

    So each size is the one before it and who came, without who left.
    """

    start: dt.datetime
    end: dt.datetime
    by_tier: dict[int, int] = field(default_factory=dict)  # 0: no tier
    engaged: int | None = None  # None: there is no stage history
    added: int = 0
    left: int = 0
    refused: int = 0
    seconds: int = 0
    all_seconds: int = 0

    @property
    def members(self) -> int:
        """Target accounts at the end."""
        return sum(self.by_tier.values())

    @property
    def engaged_share(self) -> float | None:
        """Share of the target accounts in stage aware or later at the end."""
        return self.engaged / self.members if self.engaged is not None and self.members else None

    @property
    def focus(self) -> float | None:
        """Share of all engaged time that falls on accounts of the list."""
        return self.seconds / self.all_seconds if self.all_seconds else None


@dataclass(frozen=True)
class ReasonCount:
    """How often a reason led off the list, in each month; `reason` None: only a note was written."""

    reason: MembershipReason | None
    state: str
    months: list[int]

    @property
    def total(self) -> int:
        """In all months."""
        return sum(self.months)


def months_until(now: dt.datetime) -> list[Month]:
    """The months before a moment, the last one up to it."""
    local = timezone.localtime(now)
    number = local.year * 12 + local.month - 1
    starts = [_month_start(number - back) for back in range(MONTHS - 1, -1, -1)]
    return [Month(start, end) for start, end in pairwise([*starts, now])]


def _month_start(number: int) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(dt.date(number // 12, number % 12 + 1, 1), dt.time()))


class Members:
    """Who counts as on the list, from when until when, as SQL over (account_id, tier, start_at, end_at)."""

    def __init__(self, target_list: TargetList, now: dt.datetime, mode: str, cohort_at: dt.datetime | None) -> None:
        at = cohort_at if mode == "cohort" else now
        where = "target_list_id = %(list)s AND state = ANY(%(states)s) AND start_at <= %(at)s"
        if mode == "was":
            columns = "start_at, coalesce(end_at, 'infinity') AS end_at"
        else:
            columns = "'-infinity'::timestamptz AS start_at, 'infinity'::timestamptz AS end_at"
            where += " AND (end_at IS NULL OR end_at > %(at)s)"
        self.sql = (
            f"SELECT account_id, coalesce(tier, %(tier)s) AS tier, {columns}"
            f" FROM segmentation_listmembership WHERE {where}"
        )
        self.params: dict[str, Any] = {
            "list": target_list.pk,
            "states": [state.value for state in MEMBER_STATES],
            "at": at,
            "tier": target_list.tier or 0,
        }

    def rows(self, query: str, months: Sequence[Month], **params: Any) -> list[tuple[Any, ...]]:
        """Run a query that may name `members`, the `starts` and `ends` of the months, their `begin`, and `now`."""
        span: dict[str, Any] = {
            "starts": [month.start for month in months],
            "ends": [month.end for month in months],
            "begin": months[0].start,
            "now": months[-1].end,
        }
        with connection.cursor() as cursor:
            cursor.execute(f"WITH members AS ({self.sql}) {query}", {**self.params, **span, **params})
            return cursor.fetchall()


# A period counts at the end of a month when it began before and goes on up to it. The number of the first month it
# counts in, and of the first one it does not any more, are both the number of ends up to a moment: one pass tells them.
_ENDS_UP_TO = "width_bucket({}, %(ends)s::timestamptz[])"
_MONTH_OF = "width_bucket({}, %(starts)s::timestamptz[]) - 1"


def count_sizes(months: Sequence[Month], members: Members) -> None:
    rows = members.rows(
        f"SELECT {_ENDS_UP_TO.format('start_at')}, {_ENDS_UP_TO.format('end_at')}, tier, count(*) FROM members"
        " GROUP BY 1, 2, 3",
        months,
    )
    for first, beyond, tier, accounts in rows:
        for month in months[first:beyond]:
            month.by_tier[tier] = month.by_tier.get(tier, 0) + accounts


def engaged_stages(history: History) -> list[int]:
    """The stages of engaged accounts: aware, or the first after the floor, and all later ones of the funnel."""
    funnel = list(Stage.objects.filter(version=history.version_id, position__isnull=False).order_by("position"))
    first = next((i for i, stage in enumerate(funnel) if stage.key == "aware"), 1)
    return [stage.pk for stage in funnel[first:]]


def count_engaged(months: Sequence[Month], members: Members, history: History) -> None:
    begins, ends = "greatest(m.start_at, s.start_at)", "least(m.end_at, coalesce(s.end_at, 'infinity'))"
    rows = members.rows(
        f"SELECT first, beyond, count(*) FROM (SELECT {_ENDS_UP_TO.format(begins)} AS first,"
        f" {_ENDS_UP_TO.format(ends)} AS beyond FROM members m JOIN journey_stageinterval s"
        " ON s.history_id = %(history)s AND s.entity_id = m.account_id AND s.stage_id = ANY(%(stages)s)) both_hold"
        " WHERE first < beyond GROUP BY 1, 2",
        months,
        history=history.pk,
        stages=engaged_stages(history),
    )
    for month in months:
        month.engaged = 0
    for first, beyond, accounts in rows:
        for month in months[first:beyond]:
            month.engaged = (month.engaged or 0) + accounts


_SECONDS = "sum(coalesce(a.seconds, t.default_minutes * 60))::bigint"
_TYPES = "JOIN scoring_activitytype t ON t.id = a.type_id"


def sum_engagement(months: Sequence[Month], members: Members) -> None:
    """Engaged time of the list's accounts while they were on it, and of all accounts."""
    listed = members.rows(
        f"SELECT {_MONTH_OF.format('a.occurred_at')}, {_SECONDS} FROM members m JOIN scoring_activity a"
        " ON a.account_id = m.account_id AND a.occurred_at >= greatest(m.start_at, %(begin)s)"
        f" AND a.occurred_at < least(m.end_at, %(now)s) {_TYPES} GROUP BY 1",
        months,
    )
    for number, seconds in listed:
        months[number].seconds = seconds

    def everywhere() -> list[tuple[Any, ...]]:
        return members.rows(
            f"SELECT {_MONTH_OF.format('a.occurred_at')}, {_SECONDS} FROM scoring_activity a {_TYPES}"
            " WHERE a.account_id IS NOT NULL AND a.occurred_at >= %(begin)s AND a.occurred_at < %(now)s GROUP BY 1",
            months,
        )

    key = f"upkeep_engagement:{months[-1].end:%Y%m%d%H}:{Activity.objects.order_by('-pk').values_list('pk').first()}"
    for number, seconds in cache.get_or_set(key, everywhere, KEPT_SECONDS) or ():
        months[number].all_seconds = seconds


def count_changes(months: Sequence[Month], target_list: TargetList) -> list[ReasonCount]:
    """Count into the months who came, left and was refused. Returns the reasons of those who left or were refused."""
    query = (
        f"SELECT {_MONTH_OF.format('start_at')}, state, before, reason_id, count(*) FROM ("
        " SELECT state, reason_id, start_at,"
        " lag(state) OVER (PARTITION BY account_id ORDER BY start_at) AS before"
        " FROM segmentation_listmembership WHERE target_list_id = %(list)s) r"
        " WHERE start_at >= %(begin)s AND start_at < %(now)s GROUP BY 1, 2, 3, 4"
    )
    by_reason: dict[tuple[str, int | None], list[int]] = {}
    for number, state, before, reason, changes in Members(target_list, months[-1].end, "was", None).rows(query, months):
        month, was_member, is_member = months[number], before in MEMBER_STATES, state in MEMBER_STATES
        if is_member and not was_member:
            month.added += changes
        elif was_member and not is_member:
            month.left += changes
        elif state == MembershipState.REJECTED:
            month.refused += changes
        if not is_member and (was_member or state == MembershipState.REJECTED):
            by_reason.setdefault((state, reason), [0] * len(months))[number] += changes
    reasons = MembershipReason.objects.in_bulk({reason for _state, reason in by_reason if reason})
    counted = [ReasonCount(reasons.get(reason or 0), state, counts) for (state, reason), counts in by_reason.items()]
    return sorted(counted, key=lambda row: (-row.total, row.state, str(row.reason or "")))
