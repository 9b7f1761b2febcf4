"""How many accounts are in each stage at a moment."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db.models import Count, Q, QuerySet, Subquery

from journey.models import History, Journey, JourneyVersion, Stage, StageInterval
from journey.selectors.histories import current_history
from segmentation.models import Account


def stays_at(
    version: JourneyVersion, as_of: dt.datetime, accounts: QuerySet[Account] | None = None
) -> QuerySet[StageInterval]:
    """The stays in force at an instant, one for each entity whose history has begun.

    accounts: only entities of these accounts. Empty while the version has no history.
    """
    history = current_history(version)
    if history is None:
        return StageInterval.objects.none()
    stays = StageInterval.objects.filter(
        Q(end_at__gt=as_of) | Q(end_at=None), history_id=history.pk, start_at__lte=as_of
    )
    return stays.filter(account_id__in=accounts.values("pk")) if accounts is not None else stays


def stage_counts(
    version: JourneyVersion, as_of: dt.datetime, accounts: QuerySet[Account] | None = None
) -> list[dict[str, Any]]:
    """For every stage of the version: key, name, color, position, `accounts` (entities in it) and `share` (0 to 1).

    Funnel stages come first, in order, then parking stages. Shares are of all entities whose history has begun; None
    when there are none.
    """
    numbers = dict(stays_at(version, as_of, accounts).values_list("stage_id").annotate(n=Count("*")))
    total = sum(numbers.values())
    stages = sorted(
        Stage.objects.filter(version=version), key=lambda s: (s.position is None, s.position or 0, s.precedence)
    )
    return [
        {
            "key": stage.key,
            "name": str(stage),
            "color": stage.color,
            "position": stage.position,
            "stage_id": stage.pk,
            "accounts": numbers.get(stage.pk, 0),
            "share": numbers.get(stage.pk, 0) / total if total else None,
        }
        for stage in stages
    ]


def main_histories() -> QuerySet[History]:
    """The history of the journey of the start page, and behind it those of its older versions.

    That journey is the first published one of accounts; of its versions the newest that has a history is read.
    """
    published = JourneyVersion.objects.filter(state=JourneyVersion.State.PUBLISHED)
    first = published.filter(journey__unit=Journey.Unit.ACCOUNT).order_by(
        "journey__order", "journey__name", "journey_id"
    )
    return History.objects.filter(
        state=History.State.CURRENT,
        version__state=JourneyVersion.State.PUBLISHED,
        version__journey=Subquery(first.values("journey")[:1]),
    ).order_by("-version__number")


def main_stays_at(as_of: dt.datetime, account_ids: Collection[int]) -> QuerySet[StageInterval]:
    """The stays of accounts, with their stages, in the journey of the start page at an instant; one query."""
    return StageInterval.objects.filter(
        Q(end_at__gt=as_of) | Q(end_at=None),
        history_id=Subquery(main_histories().values("pk")[:1]),
        start_at__lte=as_of,
        entity_id__in=account_ids,
    ).select_related("stage")
