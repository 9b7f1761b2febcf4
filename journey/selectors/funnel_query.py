"""What people ask of a funnel, checked: range, moment, horizon, stages, fields and lists by the words they use."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.facts.dimensions import Dimension, dimensions
from journey.facts.stays import funnel_order
from journey.instants import refuse_empty_range, refuse_far_end, refuse_future
from journey.models import Journey, JourneyVersion, Stage
from journey.selectors.funnel_data import no_history
from journey.selectors.lists import LIST_MODES
from journey.selectors.versions import published_version, shown_version
from segmentation.errors import closest
from segmentation.models import Account, TargetList
from segmentation.selectors.target_lists import find_list

LONGEST_HORIZON = 36_500
REACHED_DAYS = (30.0, 90.0, 180.0)
MOST_GROUPS = 50


@dataclass(frozen=True)
class FunnelQuery:
    """A question that can be answered. Made by `funnel_query`.

    version: whose history. start, end: the range, half-open; as_of: nothing after it is known; known_at: only what was
    recorded by then, None for all. horizon_days: within which a conversion counts, None without limit. to: the stage
    conversions lead to, None for the next one of each. by: up to two dimensions. target_list with list_mode `was` (on
    it at each counted instant), `is` (now) or `cohort` (at cohort_at). where: dimensions with the words that count.
    accounts: the only ones that count, None for all. reached_days: times of the cumulative incidence. most_groups: the
    largest so many groups are told apart.
    """

    version: JourneyVersion
    start: dt.datetime
    end: dt.datetime
    as_of: dt.datetime
    known_at: dt.datetime | None = None
    horizon_days: float | None = None
    to: str | None = None
    by: tuple[Dimension, ...] = ()
    target_list: TargetList | None = None
    list_mode: str = "was"
    cohort_at: dt.datetime | None = None
    where: tuple[tuple[Dimension, tuple[str, ...]], ...] = ()
    accounts: QuerySet[Account] | None = None
    reached_days: tuple[float, ...] = REACHED_DAYS
    most_groups: int = MOST_GROUPS
    stages: tuple[Stage, ...] = field(default=(), repr=False)


def funnel_query(
    *,
    journey: Journey,
    start: dt.datetime,
    end: dt.datetime,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    horizon_days: float | None = None,
    to: str | None = None,
    by: Sequence[str] = (),
    list_key: str | None = None,
    list_mode: str = "was",
    cohort_at: dt.datetime | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    accounts: QuerySet[Account] | None = None,
    version: JourneyVersion | None = None,
    reached_days: Sequence[float] = REACHED_DAYS,
    most_groups: int = MOST_GROUPS,
) -> FunnelQuery:
    """A question from words. The version is the one readers see unless one is given; as_of is now, or the moment of
    `known_at` where that is given: nothing later was known. The day of a cohort is the start of the range unless given.

    Raises JourneyError (or NotFoundError of a list), naming the parameter, its value and the remedy, for a range that
    ends before it starts or far in the future, a moment in the future, a horizon that is none, less than one group, an
    unknown stage, field or list, and a journey without history.
    """
    now = timezone.now()
    refuse_empty_range(start, end)
    refuse_far_end(end)
    refuse_future(now, {"as_of": as_of, "known_at": known_at, "cohort_at": cohort_at})
    if horizon_days is not None and not 0 < horizon_days <= LONGEST_HORIZON:
        raise JourneyError(
            _("A horizon of %(value)s days cannot be used."),
            code="bad_horizon",
            field="horizon",
            value=f"{horizon_days:.15g}",
            remedy=_("Give a number of days from 1 to 36,500, or none for no limit."),
        )
    bad_days = [day for day in reached_days if not 0 <= day <= LONGEST_HORIZON]
    if bad_days or not reached_days:
        raise JourneyError(
            _("“%(value)s” is no number of days after which something can be reached."),
            code="bad_days",
            field="days",
            value=bad_days[0] if bad_days else "",
            remedy=_("Give numbers from 0 to 36,500, such as 30, 90 and 180."),
        )
    if most_groups < 1:
        raise JourneyError(
            _("Figures cannot be broken down into %(value)s groups."),
            code="bad_groups",
            field="groups",
            value=most_groups,
            remedy=_("Give a whole number from 1 on."),
        )
    version = version or shown_version(journey) or (published_version(journey) if known_at else None)
    if version is None:
        raise no_history(None, journey.key)
    stages = tuple(funnel_order(list(Stage.objects.filter(version=version))))
    if to is not None:
        find_stage(stages, to, "to")
    if len(by) > 2:
        raise JourneyError(
            _("Figures can be broken down by two fields at once, not by %(value)s."),
            code="too_many_fields",
            field="by",
            value=len(by),
            remedy=_("Leave out all but two; filter by the others."),
        )
    if len(set(by)) < len(by):
        raise JourneyError(
            _("Figures are broken down by “%(value)s” twice."),
            code="same_field",
            field="by",
            value=by[0],
            remedy=_("Name two different fields, or one."),
        )
    known = dimensions(journey.unit)
    if list_key is None and (list_mode != "was" or cohort_at is not None):
        raise JourneyError(
            _("A list mode needs a list."),
            code="list_missing",
            field="list",
            remedy=_("Name the list, or leave out the mode."),
        )
    if list_mode not in LIST_MODES:
        raise JourneyError(
            _("There is no list mode “%(value)s”."),
            code="unknown_list_mode",
            field="list_mode",
            value=list_mode,
            remedy=_("Use was, is or cohort."),
        )
    if cohort_at is not None and list_mode != "cohort":
        raise JourneyError(
            _("The day of a cohort is given, but not the list mode “cohort”."),
            code="cohort_day",
            field="cohort_at",
            value=cohort_at.isoformat(),
            remedy=_("Use the list mode “cohort”, or leave out the day."),
        )
    return FunnelQuery(
        version=version,
        start=start,
        end=end,
        as_of=as_of or known_at or now,
        known_at=known_at,
        horizon_days=horizon_days,
        to=to,
        by=tuple(find_dimension(known, key, "by") for key in by),
        target_list=find_list(list_key) if list_key is not None else None,
        list_mode=list_mode,
        cohort_at=(cohort_at or start) if list_mode == "cohort" else None,
        where=tuple(
            (find_dimension(known, key, "where"), tuple(words)) for key, words in (where or {}).items() if words
        ),
        accounts=accounts,
        reached_days=tuple(reached_days),
        most_groups=most_groups,
        stages=stages,
    )


def find_dimension(known: Mapping[str, Dimension], key: str, parameter: str) -> Dimension:
    """A dimension by its key. Raises JourneyError with the nearest one."""
    if key in known:
        return known[key]
    close = closest(key, known)
    raise JourneyError(
        _("Figures cannot be broken down by “%(value)s”."),
        code="unknown_field",
        field=parameter,
        value=key,
        remedy=_("Did you mean “%(close)s”? There are: %(known)s.") if close else _("There are: %(known)s."),
        params={"close": close, "known": ", ".join(sorted(known))},
    )


def find_stage(stages: Sequence[Stage], key: str, parameter: str) -> Stage:
    """A stage by its key. Raises JourneyError with the nearest one."""
    by_key = {stage.key: stage for stage in stages}
    if key in by_key:
        return by_key[key]
    close = closest(key, by_key)
    raise JourneyError(
        _("The journey has no stage “%(value)s”."),
        code="unknown_stage",
        field=parameter,
        value=key,
        remedy=_("Did you mean “%(close)s”? There are: %(known)s.") if close else _("There are: %(known)s."),
        params={"close": close, "known": ", ".join(by_key)},
    )


def parse_where(words: Sequence[str]) -> dict[str, list[str]]:
    """Filters written as `field=value`; of one field several values may be given. Raises JourneyError."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key.strip():
            raise JourneyError(
                _("“%(value)s” is no filter."),
                code="bad_filter",
                field="where",
                value=word,
                remedy=_("Write field=value, such as region=North."),
            )
        found.setdefault(key.strip(), []).append(value.strip())
    return found


def describe(dimension_list: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Dimensions for JSON."""
    return [{"key": dimension.key, "label": str(dimension.label)} for dimension in dimension_list]
