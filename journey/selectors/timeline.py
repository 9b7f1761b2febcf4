"""The facts of one account in the order of time, as its page draws them. Queries only."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Count, DateTimeField, Field, Max, Min, Sum
from django.db.models.functions import Coalesce, TruncDay, TruncMonth, TruncWeek
from django.utils import timezone

from journey.models import OpportunityChange, Stage, StageInterval
from journey.selectors.overview import ShownVersion, shown_versions
from scoring.models import Activity
from scoring.selectors.engagement import ENGAGED_SECONDS
from segmentation.models import Account
from segmentation.selectors.access import hidden_links, without_hidden

SINGLE_POINTS = 300  # up to here every activity is a point of its own
LISTED = 100  # rows of the tables behind the picture


@dataclass(frozen=True)
class Stay:
    """A stay in a stage. `end_at` is None for the last one; stays that begin after now happen if nothing else does."""

    stage: Stage
    start_at: dt.datetime
    end_at: dt.datetime | None
    rule_id: int | None
    grade: int
    is_first: bool
    is_future: bool


@dataclass(frozen=True)
class Track:
    """The stays of an account in one journey."""

    shown: ShownVersion
    stays: list[Stay]

    @property
    def current(self) -> Stay | None:
        """The stay of now."""
        begun = [stay for stay in self.stays if not stay.is_future]
        return begun[-1] if begun else None

    @property
    def next(self) -> Stay | None:
        """What comes by itself if nothing else happens."""
        return next((stay for stay in self.stays if stay.is_future), None)


@dataclass(frozen=True)
class ActivityPoint:
    """One activity, or all of one type and period when there are many."""

    at: dt.datetime
    side: str
    type_name: str
    is_hot: bool
    number: int
    seconds: int
    what: str = ""


@dataclass(frozen=True)
class FieldChange:
    """One field of the account that was changed."""

    at: dt.datetime
    field: str
    before: Any
    after: Any
    by: str


@dataclass(frozen=True)
class Timeline:
    """Everything the page of an account shows about its past."""

    now: dt.datetime
    tracks: list[Track] = field(default_factory=list)
    points: list[ActivityPoint] = field(default_factory=list)
    grouped_by: str = ""
    activities: list[Activity] = field(default_factory=list)
    activity_number: int = 0
    changes: list[OpportunityChange] = field(default_factory=list)
    field_changes: list[FieldChange] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.points or self.changes or any(track.stays for track in self.tracks))


def tracks_of(account_id: int, now: dt.datetime) -> list[Track]:
    """Return the account's stays in every published journey of accounts."""
    shown = [version for version in shown_versions(unit="account") if version.history]
    stages = {stage.pk: stage for version in shown for stage in version.stages}
    rows = StageInterval.objects.filter(history__in=[v.history for v in shown], entity_id=account_id).order_by(
        "start_at"
    )
    stays: dict[int, list[Stay]] = {}
    for row in rows:
        if row.stage_id in stages:
            stay = Stay(
                stages[row.stage_id],
                row.start_at,
                row.end_at,
                row.rule_id,
                row.grade,
                row.is_first,
                is_future=row.start_at > now,
            )
            stays.setdefault(row.history_id, []).append(stay)
    return [Track(version, stays.get(version.history.pk, [])) for version in shown if version.history]


def activity_points(account_id: int) -> tuple[list[ActivityPoint], str, int]:
    """Return the activities as points, the period they are grouped by ("" for none) and how many there are."""
    activities = Activity.objects.filter(account=account_id)
    facts = activities.aggregate(number=Count("pk"), first=Min("occurred_at"), last=Max("occurred_at"))
    number = facts["number"]
    if number <= SINGLE_POINTS:
        rows = activities.order_by("occurred_at", "id").values_list(
            "occurred_at", "type__side", "type__name", "type__is_hot", ENGAGED_SECONDS, "content", "campaign"
        )
        points = [
            ActivityPoint(at, side, name, hot, 1, int(seconds or 0), content or campaign)
            for at, side, name, hot, seconds, content, campaign in rows
        ]
        return points, "", number
    days = (facts["last"] - facts["first"]).days
    period, trunc = ("day", TruncDay) if days <= 120 else ("week", TruncWeek) if days <= 1200 else ("month", TruncMonth)
    grouped = (
        activities.order_by()
        .values("type__side", "type__name", "type__is_hot", period=trunc("occurred_at", output_field=DateTimeField()))
        .annotate(rows=Count("pk"), total=Sum(ENGAGED_SECONDS))
        .order_by("period", "type__name")
    )
    points = [
        ActivityPoint(
            row["period"],
            row["type__side"],
            row["type__name"],
            row["type__is_hot"],
            row["rows"],
            int(row["total"] or 0),
        )
        for row in grouped
    ]
    return points, period, number


def opportunity_changes(account_id: int) -> list[OpportunityChange]:
    """Return the changes of the account's deals, the newest first; undated ones stand at when they were learnt."""
    changes = OpportunityChange.objects.filter(opportunity__account=account_id).select_related(
        "opportunity", "crm_stage"
    )
    return list(changes.order_by(Coalesce("occurred_at", "recorded_at").desc(), "-sequence", "-id")[:LISTED])


def field_changes(account: Account, hidden: Collection[str] = (), most: int = 50) -> list[FieldChange]:
    """Return what was changed in the account's fields but the hidden ones, when and by whom, the newest first."""
    events = apps.get_model("segmentation", "AccountEvent")
    rows = list(
        events.objects.filter(pgh_obj=account.pk)
        .select_related("pgh_context")
        .order_by("-pgh_created_at", "-pgh_id")[: most + 1]
    )
    skipped = {"id", "recorded_at", "updated_at", *hidden}
    names = [f.name for f in Account._meta.concrete_fields if f.name not in skipped]
    users = {row.pgh_context.metadata.get("user") for row in rows if row.pgh_context} - {None}
    by_id = _user_names(users)
    found = []
    for after, before in pairwise(rows):
        by = by_id.get((after.pgh_context.metadata if after.pgh_context else {}).get("user"), "")
        for name in names:
            attname = cast("Field[Any, Any]", Account._meta.get_field(name)).attname
            old, new = getattr(before, attname), getattr(after, attname)
            if old != new:
                found.append(FieldChange(after.pgh_created_at, name, old, new, by))
    return found[:most]


def _user_names(ids: set[Any]) -> dict[Any, str]:
    numbers = [number for number in ids if isinstance(number, int)]
    return {user.pk: user.get_username() for user in get_user_model().objects.filter(pk__in=numbers)} if numbers else {}


def timeline(account: Account, *, now: dt.datetime | None = None, user: Any = None) -> Timeline:
    """Return the whole time line of an account as a user may see it; about ten queries, whatever its size."""
    now = now or timezone.now()
    points, grouped_by, number = activity_points(account.pk)
    newest = Activity.objects.filter(account=account.pk).select_related("type", "contact")
    newest = without_hidden(newest, user)
    return Timeline(
        now=now,
        tracks=tracks_of(account.pk, now),
        points=points,
        grouped_by=grouped_by,
        activities=list(newest.order_by("-occurred_at", "-id")[:LISTED]),
        activity_number=number,
        changes=opportunity_changes(account.pk),
        field_changes=field_changes(account, hidden=hidden_links(Account, user)),
    )
