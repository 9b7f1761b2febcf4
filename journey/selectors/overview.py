"""What the start page shows: where the accounts are, what is missing, what happened lately. Queries only."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from journey.models import CrmStage, History, Journey, JourneyVersion, Opportunity, Stage, StageInterval
from journey.selectors.goals import goals_due
from journey.selectors.lists import ListScope
from scoring.models import Activity, ActivityType
from scoring.selectors.activity_types import used_type_ids
from segmentation.models import Account, Contact, FactTouch, ImportRun, Job, ListMembership
from segmentation.selectors.access import is_limited, visible_to
from segmentation.selectors.tables import about_rows
from segmentation.selectors.target_lists import lists_due, open_proposals

MANY = 10_000  # counts of faults stop here; the exact number helps nobody


@dataclass(frozen=True)
class ShownVersion:
    """The latest published version of a journey and the history readers use, if one is built."""

    version: JourneyVersion
    history: History | None
    stages: tuple[Stage, ...] = ()

    @property
    def journey(self) -> Journey:
        return self.version.journey


@dataclass(frozen=True)
class FunnelRow:
    """How many entities are in a stage at one moment, and were at the moment compared with (None without one)."""

    stage: Stage
    number: int
    share: float
    before: int | None = None

    @property
    def change(self) -> int | None:
        return None if self.before is None else self.number - self.before


@dataclass(frozen=True)
class Gap:
    """Something that is missing before the figures can be trusted. `number` is 0 where there is nothing to count."""

    key: str
    number: int = 0
    capped: bool = False


@dataclass(frozen=True)
class Freshness:
    """How far a history is behind: never built, changed facts waiting, or up to date."""

    built_at: dt.datetime | None
    refreshed_at: dt.datetime | None
    waiting: bool


@dataclass(frozen=True)
class Overview:
    """All of the start page at one moment."""

    as_of: dt.datetime
    shown: ShownVersion | None
    funnel: list[FunnelRow] = field(default_factory=list)
    parking: list[FunnelRow] = field(default_factory=list)
    total: int = 0


def shown_versions(*, unit: str | None = None) -> list[ShownVersion]:
    """Return the version readers see of every journey, in the journeys' order, with its current history.

    That is the newest published one that has a history, so that publishing hides nothing; without any, the newest.
    """
    built = History.objects.filter(version=OuterRef("pk"), state=History.State.CURRENT)
    newest = JourneyVersion.objects.filter(journey=OuterRef("journey"), state=JourneyVersion.State.PUBLISHED)
    newest = newest.annotate(built=Exists(built)).order_by("-built", "-number")
    published = (
        JourneyVersion.objects.filter(pk=Subquery(newest.values("pk")[:1]))
        .select_related("journey")
        .order_by("journey__order", "journey__name", "journey_id")
    )
    if unit:
        published = published.filter(journey__unit=unit)
    versions = list(published)
    if not versions:
        return []
    histories = {
        row.version_id: row for row in History.objects.filter(version__in=versions, state=History.State.CURRENT)
    }
    stages: dict[int, list[Stage]] = {}
    for stage in Stage.objects.filter(version__in=versions).order_by("precedence"):
        stages.setdefault(stage.version_id, []).append(stage)
    return [ShownVersion(v, histories.get(v.pk), tuple(stages.get(v.pk, ()))) for v in versions]


def first_shown(*, unit: str = Journey.Unit.ACCOUNT) -> ShownVersion | None:
    """Return the journey of the start page: the first one published."""
    versions = shown_versions(unit=unit)
    return versions[0] if versions else None


def stays_at(history: History, as_of: dt.datetime):
    """Return the stays that contain a moment, one for each entity whose history has begun by then."""
    return StageInterval.objects.filter(history=history, start_at__lte=as_of).filter(
        Q(end_at__isnull=True) | Q(end_at__gt=as_of)
    )


def overview(
    *,
    as_of: dt.datetime | None = None,
    against: dt.datetime | None = None,
    scope: ListScope | None = None,
    user: Any = None,
) -> Overview:
    """Return the funnel of the first published journey at a moment (now), with the numbers at another to compare.

    Stages without position in the funnel stand apart. For a user only accounts this user may see are counted, with a
    scope only those of its list.
    """
    as_of = as_of or timezone.now()
    shown = first_shown()
    if shown is None or shown.history is None:
        return Overview(as_of, shown)
    counted = _counted(shown.history, as_of, scope, user)
    before = _counted(shown.history, against, scope, user) if against else None
    total = sum(counted.values())
    rows = [
        FunnelRow(
            stage,
            counted.get(stage.pk, 0),
            counted.get(stage.pk, 0) / total if total else 0.0,
            before.get(stage.pk, 0) if before is not None else None,
        )
        for stage in shown.stages
    ]
    funnel = sorted((row for row in rows if row.stage.position is not None), key=lambda row: row.stage.position or 0)
    return Overview(as_of, shown, funnel, [row for row in rows if row.stage.position is None], total)


def _counted(history: History, as_of: dt.datetime, scope: ListScope | None, user: Any) -> dict[int, int]:
    stays = stays_at(history, as_of)
    if scope:
        stays = stays.filter(account__in=scope.accounts(as_of).values("pk"))
    return dict(visible_to(stays, user).values_list("stage").annotate(Count("pk")))


def freshness(history: History | None) -> Freshness:
    """Return whether facts changed after the history's snapshot was taken. Looks at the newest changes only."""
    if history is None:
        return Freshness(None, None, False)
    waiting = False
    if history.snapshot:
        # A change is waiting when the snapshot could not see its transaction (late commits included).
        waiting = FactTouch.objects.extra(
            where=["NOT pg_visible_in_snapshot(txid, %s::pg_snapshot)", "txid >= pg_snapshot_xmin(%s::pg_snapshot)"],
            params=[history.snapshot, history.snapshot],
        ).exists()
    return Freshness(history.built_at, history.refreshed_at, waiting)


def _gap(key: str, rows) -> Gap | None:
    number = rows.order_by().values("pk")[: MANY + 1].count()
    return Gap(key, min(number, MANY), number > MANY) if number else None


def _due_lists() -> Gap | None:
    number = len(lists_due(timezone.now()))
    return Gap("lists_to_review", number) if number else None


def _due_goals() -> Gap | None:
    number = len(goals_due(timezone.now()))
    return Gap("goals_to_review", number) if number else None


def gaps(shown: ShownVersion | None, fresh: Freshness, user: Any = None) -> list[Gap]:
    """Return what is missing, the most important first; of what a user may see."""
    own = _own(user)
    found: list[Gap | None]
    if not own(Account).exists():
        found = [Gap("no_accounts")]
    else:
        found = [
            None if own(Activity).exists() else Gap("no_activities"),
            _gap("unmapped_stages", CrmStage.objects.filter(meaning="")),
            _gap("opportunities_without_account", own(Opportunity).filter(account__isnull=True)),
            _gap("contacts_without_account", own(Contact).filter(account__isnull=True)),
            _gap(
                "titles_not_recognised", own(Contact).filter(~Q(job_title=""), seniority="", classified_by_hand=False)
            ),
            _gap("proposals_waiting", open_proposals(own(ListMembership))),
            _due_lists(),
            _due_goals(),
            _gap("unused_types", ActivityType.objects.filter(active=True).exclude(pk__in=used_type_ids())),
        ]
    if shown is None:
        found.append(Gap("no_published_journey"))
    elif shown.history is None:
        found.append(Gap("history_not_built"))
    elif fresh.waiting:
        found.append(Gap("history_behind"))
    return [gap for gap in found if gap]


def data_counts(user: Any = None) -> dict[str, int]:
    """Return how many rows of each fact there are: about, or exactly those of a limited user."""
    models = (Account, Contact, Activity, Opportunity)
    own, limited = _own(user), is_limited(user)
    return {model._meta.model_name or "": own(model).count() if limited else about_rows(model) for model in models}


def _own(user: Any) -> Callable[[Any], QuerySet[Any]]:
    return lambda model: visible_to(model.objects.all(), user)


def latest_jobs(number: int = 5) -> list[Job]:
    """Return the newest jobs."""
    return list(Job.objects.select_related("requested_by").order_by("-id")[:number])


def latest_imports(number: int = 5) -> list[ImportRun]:
    """Return the newest imports that stored something or failed."""
    runs = ImportRun.objects.exclude(state=ImportRun.State.PREVIEW).select_related("requested_by")
    return list(runs.defer("spec").order_by("-id")[:number])
