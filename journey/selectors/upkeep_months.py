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

from journey.selectors.overview import ShownVersion
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
        """Run a query that may name `members`, and `months` with number, first, last (its end, or now)."""
        bounds = {"first": [month.start for month in months], "last": [month.end for month in months]}
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH members AS ({self.sql}), months AS (SELECT ordinality::int - 1 AS number, first, last"
                " FROM unnest(%(first)s::timestamptz[], %(last)s::timestamptz[]) WITH ORDINALITY AS t (first, last)) "
                + query,
                {**self.params, **bounds, **params},
            )
            return cursor.fetchall()


def count_sizes(months: Sequence[Month], members: Members) -> None:
    for number, tier, accounts in members.rows(
        "SELECT number, tier, count(*) FROM months JOIN members ON start_at < last AND end_at >= last GROUP BY 1, 2",
        months,
    ):
        months[number].by_tier[tier] = accounts


def engaged_stages(shown: ShownVersion) -> list[int]:
    """The stages of engaged accounts: aware, or the first after the floor, and all later ones of the funnel."""
    funnel = sorted((s for s in shown.stages if s.position is not None), key=lambda s: s.position or 0)
    first = next((i for i, stage in enumerate(funnel) if stage.key == "aware"), 1)
    return [stage.pk for stage in funnel[first:]]


def count_engaged(months: Sequence[Month], members: Members, shown: ShownVersion) -> None:
    for month in months:
        month.engaged = 0
    for number, accounts in members.rows(
        "SELECT number, count(*) FROM members m JOIN journey_stageinterval s ON s.history_id = %(history)s"
        " AND s.entity_id = m.account_id AND s.stage_id = ANY(%(stages)s)"
        " JOIN months ON m.start_at < last AND m.end_at >= last"
        " AND s.start_at < last AND coalesce(s.end_at, 'infinity') >= last GROUP BY 1",
        months,
        history=shown.history.pk if shown.history else None,
        stages=engaged_stages(shown),
    ):
        months[number].engaged = accounts


_SECONDS = "sum(coalesce(a.seconds, t.default_minutes * 60))::bigint"
_TYPES = "JOIN scoring_activitytype t ON t.id = a.type_id"


def sum_engagement(months: Sequence[Month], members: Members) -> None:
    """Engaged time of the list's accounts while they were on it, and of all accounts."""
    listed = members.rows(
        f"SELECT number, {_SECONDS} FROM members m JOIN months ON m.start_at < last AND m.end_at > first"
        " JOIN scoring_activity a ON a.account_id = m.account_id AND a.occurred_at >= greatest(m.start_at, first)"
        f" AND a.occurred_at < least(m.end_at, last) {_TYPES} GROUP BY 1",
        months,
    )
    for number, seconds in listed:
        months[number].seconds = seconds

    def everywhere() -> list[tuple[Any, ...]]:
        return members.rows(
            f"SELECT number, {_SECONDS} FROM months JOIN scoring_activity a ON a.account_id IS NOT NULL"
            f" AND a.occurred_at >= first AND a.occurred_at < last {_TYPES} GROUP BY 1",
            months,
        )

    key = f"upkeep_engagement:{months[-1].end:%Y%m%d%H}:{Activity.objects.order_by('-pk').values_list('pk').first()}"
    for number, seconds in cache.get_or_set(key, everywhere, KEPT_SECONDS) or ():
        months[number].all_seconds = seconds


def count_changes(months: Sequence[Month], target_list: TargetList) -> list[ReasonCount]:
    """Count into the months who came, left and was refused. Returns the reasons of those who left or were refused."""
    query = (
        "SELECT months.number, r.state, r.before, r.reason_id, count(*) FROM ("
        " SELECT state, reason_id, start_at,"
        " lag(state) OVER (PARTITION BY account_id ORDER BY start_at) AS before"
        " FROM segmentation_listmembership WHERE target_list_id = %(list)s) r"
        " JOIN months ON r.start_at >= first AND r.start_at < last"
        " GROUP BY 1, 2, 3, 4"
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
