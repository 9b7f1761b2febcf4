"""The question figures are compared with: the same of another time, another list or another version."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.facts.stays import funnel_order
from journey.instants import refuse_empty_range, refuse_far_end
from journey.models import JourneyVersion, Stage
from journey.selectors.funnel_query import FunnelQuery, find_stage
from segmentation.errors import NotFoundError
from segmentation.selectors.target_lists import find_list

COMPARED = {
    "previous": _("the time before, as long"),
    "year": _("a year earlier"),
    "custom": _("another range"),
    "list": _("another list"),
    "version": _("another version"),
}
ASKED, OTHER = "asked", "compared"
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class With:
    """What to compare with. how: one of COMPARED. start, end: of another range; list_key, version: the other one.

    names: what these are called where they were asked for, for the words of a refusal.
    """

    how: str
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    list_key: str | None = None
    version: JourneyVersion | None = None
    names: tuple[str, str, str, str, str] = (
        "compare", "compare_start", "compare_end", "compare_list", "compare_version",
    )  # fmt: skip


def compared_query(query: FunnelQuery, other: With) -> FunnelQuery:
    """The question another one is compared with.

    An earlier range is seen as of the moment that lies as long before this question's, so that both had the same time
    to move on. Raises JourneyError (or NotFoundError of a list) for what cannot be asked.
    """
    how_name, start_name, end_name, list_name, version_name = other.names
    if other.how not in COMPARED:
        raise JourneyError(
            _("Figures cannot be compared with “%(value)s”."),
            code="unknown_comparison",
            field=how_name,
            value=other.how,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(COMPARED)},
        )
    if other.how == "list":
        if not other.list_key:
            raise _missing(list_name, _("Choose the list to compare with."))
        try:
            return replace(query, target_list=find_list(other.list_key))
        except NotFoundError as error:
            error.field = list_name
            raise
    if other.how == "version":
        if other.version is None:
            raise _missing(version_name, _("Choose the version to compare with."))
        stages = tuple(funnel_order(list(Stage.objects.filter(version=other.version))))
        if query.to is not None:
            find_stage(stages, query.to, "to")
        return replace(query, version=other.version, stages=stages)
    start, end = _range(query, other, start_name, end_name)
    as_of = query.as_of - (query.start - start)
    if other.how == "custom":  # which may be of another length
        as_of = min(end + max(query.as_of - query.end, dt.timedelta()), timezone.now())
    cohort_at = start if query.cohort_at == query.start else query.cohort_at
    return replace(query, start=start, end=end, as_of=as_of, cohort_at=cohort_at)


def _range(query: FunnelQuery, other: With, start_name: str, end_name: str) -> tuple[dt.datetime, dt.datetime]:
    if other.how == "previous":
        return query.start - (query.end - query.start), query.start
    if other.how == "year":
        return _year_before(query.start), _year_before(query.end)
    for name, moment in ((start_name, other.start), (end_name, other.end)):
        if moment is None:
            raise _missing(name, _("Give the first day of the other range and the day it ends before."))
    start, end = other.start or query.start, other.end or query.end
    refuse_empty_range(start, end, end_name)
    refuse_far_end(end, end_name)
    return start, end


def _year_before(moment: dt.datetime) -> dt.datetime:
    local = timezone.localtime(moment)
    day = local.day - 1 if (local.month, local.day) == (2, 29) else local.day
    return timezone.make_aware(local.replace(year=local.year - 1, day=day, tzinfo=None))


def _missing(name: str, remedy: Any) -> JourneyError:
    return JourneyError(_("It is not said what to compare with."), code="required", field=name, remedy=remedy)


def both_rows(asked: Rows, other: Rows | None) -> Rows:
    """Flat rows of what was asked and, where there is one, of what it is compared with, told apart by `question`."""
    if other is None:
        yield from asked
        return
    for question, rows in ((ASKED, asked), (OTHER, other)):
        for row in rows:
            yield {"question": question, **row}
