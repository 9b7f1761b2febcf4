"""Who is behind the figures of a funnel: every number as the list of those it counts."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.table import DAY
from journey.errors import JourneyError
from journey.facts.dimensions import Dimension, value_text
from journey.models import JourneyVersion, Opportunity
from journey.selectors.explanations import instant_of
from journey.selectors.funnel_data import history_data
from journey.selectors.funnel_groups import Breaker
from journey.selectors.funnel_query import FunnelQuery, find_stage
from journey.selectors.funnel_selection import Selection, select
from journey.selectors.funnel_values import entity_of, rows_at
from journey.selectors.money import Rates, converted, reporting_currency
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.models import Account, Contact
from segmentation.selectors.access import visible_to

NOW, STAYS, ENTRIES, BEGAN, ASKED, CONVERTED, OPEN, IMMATURE = (
    "now", "stays", "entries", "began", "asked", "converted", "not_converted", "immature",
)  # fmt: skip
WHATS = (NOW, STAYS, ENTRIES, BEGAN, ASKED, CONVERTED, OPEN, IMMATURE)
PIPELINE, REVENUE = "pipeline", "revenue"
DEALS = (PIPELINE, REVENUE)
GRADES = ("exact", "derived", "assumed")
AT_ONCE = 2000  # names read together
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MODELS: dict[str, Any] = {"account": Account, "contact": Contact, "opportunity": Opportunity}


@dataclass(frozen=True)
class Behind:
    """Which number of a funnel is asked about.

    what: one of WHATS, or of DEALS. stage: the number is of this stage; None: of all. source: only entries that came
    from this stage. grade: only beginnings of this trust. start, end: only those that began in this part of the range.
    within_days: `converted` so soon after the beginning.
    """

    what: str
    stage: str | None = None
    source: str | None = None
    grade: str | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    within_days: float | None = None


@dataclass(frozen=True)
class Member:
    """A stay that is counted. until: its end, None while it lasts; came_from: the stage before, None for a first stay;
    moved_on: when the stage asked for was reached, None while not."""

    id: int
    name: str
    external_id: str
    stage: str
    came_from: str | None
    since: dt.datetime
    until: dt.datetime | None
    days: float
    moved_on: dt.datetime | None
    trust: str


class Members:
    """The stays behind a number, those that began last first; names are read when a part of them is looked at."""

    def __init__(self, chosen: Selection, rows: Int64s, user: Any = None) -> None:
        order = np.lexsort([rows, -chosen.data.table.start[rows]])
        self._chosen, self._rows, self._user = chosen, rows[order], user

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def entities(self) -> int:
        """How many distinct accounts (contacts, opportunities) there are among them."""
        return len(np.unique(self._chosen.data.table.entity[self._rows]))

    def __getitem__(self, part: slice) -> list[Member]:
        data, question = self._chosen.data, self._chosen.question
        table, reached = data.table, self._chosen.followed.passages.reached
        rows = self._rows[part]
        ids = table.entities[table.entity[rows]].tolist()
        known = visible_to(_MODELS[data.unit].objects.all(), self._user).in_bulk(ids)
        found = []
        for row, pk in zip(rows.tolist(), ids, strict=True):
            entity, end, moved = known.get(pk), int(table.end[row]), int(reached[row])
            ended = end <= question.as_of
            found.append(
                Member(
                    id=pk,
                    name=str(entity or f"#{pk}"),
                    external_id=(entity.external_id if entity else None) or "",
                    stage=data.stages[table.stage[row]].key,
                    came_from=None if table.first[row] else data.stages[table.stage[row - 1]].key,
                    since=_moment(int(table.start[row])),
                    until=_moment(end) if ended else None,
                    days=((end if ended else question.as_of) - int(table.start[row])) / DAY,
                    moved_on=_moment(moved) if moved <= question.as_of else None,
                    trust=GRADES[int(table.grade[row]) - 1],
                )
            )
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        """All of them for a spreadsheet."""
        for begin in range(0, len(self), AT_ONCE):
            for member in self[begin : begin + AT_ONCE]:
                moments = {name: getattr(member, name) for name in ("since", "until", "moved_on")}
                yield {**vars(member), **{name: at and at.isoformat() for name, at in moments.items()}}


def _moment(instant: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=instant)


def members(query: FunnelQuery, behind: Behind, user: Any = None) -> Members:
    """The stays a number counts; together with `query` they are exactly that many. A user reads the names of what this
    user may see.

    Raises JourneyError for a number, a stage or a trust that does not exist.
    """
    _check(query, behind, WHATS)
    chosen = select(query)
    table, passages, question = chosen.data.table, chosen.followed.passages, chosen.question
    rows = chosen.here if behind.what == NOW else chosen.rows
    if behind.stage is not None:
        rows = rows[table.stage[rows] == chosen.stage(behind.stage)]
    if behind.start is not None and behind.end is not None:
        rows = rows[(table.start[rows] >= instant_of(behind.start)) & (table.start[rows] < instant_of(behind.end))]
    if behind.grade is not None:
        rows = rows[table.grade[rows] == GRADES.index(behind.grade) + 1]
    if behind.source is not None:
        rows = rows[~table.first[rows]]
        rows = rows[table.stage[rows - 1] == chosen.stage(behind.source)]
    if behind.what in (ENTRIES, BEGAN):
        rows = rows[table.first[rows] == (behind.what == BEGAN)]
    if behind.what in (ASKED, CONVERTED, OPEN, IMMATURE):
        rows = rows[passages.asked[rows]]
        limit = min(
            (round(days * DAY) for days in (query.horizon_days, behind.within_days) if days is not None),
            default=FAR_FUTURE,
        )
        took = passages.reached[rows] - table.start[rows]
        moved = (passages.reached[rows] <= question.as_of) & (took <= limit)
        if behind.what == IMMATURE:
            rows = rows[table.start[rows] + (question.horizon or 0) > question.as_of]
        elif behind.what != ASKED:
            rows = rows[moved == (behind.what == CONVERTED)]
    return Members(chosen, rows, user)


@dataclass(frozen=True)
class Deal:
    """A deal that is counted. amount: in the reporting currency, None where there is none or no rate. at: when it was
    won, None for an open one."""

    id: int
    name: str
    external_id: str
    account: str
    stage: str | None
    amount: float | None
    currency: str
    at: dt.datetime | None


class Deals:
    """The deals behind an amount, the largest first."""

    def __init__(self, found: Sequence[tuple[int, float, int, int]], stages: Sequence[Any], user: Any, into: str):
        self._found, self._stages, self._user, self.currency = found, stages, user, into

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, part: slice) -> list[Deal]:
        found = self._found[part]
        deals = visible_to(Opportunity.objects.select_related("account"), self._user)
        known = deals.in_bulk([pk for pk, *_rest in found])
        listed = []
        for pk, amount, won, stage in found:
            deal = known.get(pk)
            listed.append(
                Deal(
                    id=pk,
                    name=str(deal or f"#{pk}"),
                    external_id=(deal.external_id if deal else None) or "",
                    account=str(deal.account or "") if deal else "",
                    stage=self._stages[stage].key if stage >= 0 else None,
                    amount=None if np.isnan(amount) else round(amount, 2),
                    currency=self.currency,
                    at=_moment(won) if won != FAR_FUTURE else None,
                )
            )
        return listed

    def rows(self) -> Iterator[dict[str, Any]]:
        """All of them for a spreadsheet."""
        for begin in range(0, len(self), AT_ONCE):
            for deal in self[begin : begin + AT_ONCE]:
                yield {**vars(deal), "at": deal.at and deal.at.isoformat()}


def deals_behind(query: FunnelQuery, behind: Behind, user: Any = None) -> Deals:
    """The deals of a pipeline or a revenue: open as of the question, or won in the range, those without amount too.

    Raises JourneyError for something that is neither, or an unknown stage.
    """
    _check(query, behind, DEALS)
    chosen = select(query)
    data, question = chosen.data, chosen.question
    deals = data.deals()
    now = deals.at(question.as_of)
    if behind.what == PIPELINE:
        which, instant = now.is_open, np.full(len(deals.ids), question.as_of)
    else:
        which = (now.won >= question.start) & (now.won < question.end) & (now.won != FAR_FUTURE)
        instant = now.won
    picked = np.flatnonzero(which)
    entity = entity_of(data, deals)[picked]
    row = rows_at(data.table, entity, instant[picked])
    known = row >= 0
    kept = ~known & chosen.filters.is_open  # of nobody in the history: in totals only
    kept[known] = chosen.filters.keep(entity[known].astype(np.int32), instant[picked[known]])
    stage = np.full(len(picked), -1)
    stage[known] = data.table.stage[row[known]]
    if behind.stage is not None:
        kept &= stage == chosen.stage(behind.stage)
    rates = Rates.stored(reporting_currency(deals))
    worth = converted(deals, now.cents, instant, rates)[picked]
    places = np.flatnonzero(kept)
    order = places[np.lexsort([deals.ids[picked[places]], -np.nan_to_num(worth[places], nan=-1.0)])]
    won = np.where(behind.what == REVENUE, now.won[picked], FAR_FUTURE)
    found = [(int(deals.ids[picked[k]]), float(worth[k]), int(won[k]), int(stage[k])) for k in order.tolist()]
    return Deals(found, data.stages, user, rates.into)


def _check(query: FunnelQuery, behind: Behind, whats: Sequence[str]) -> None:
    if behind.what not in whats:
        raise JourneyError(
            _("There is no number “%(value)s” in a funnel."),
            code="unknown_number",
            field="what",
            value=behind.what,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join((*WHATS, *DEALS))},
        )
    if behind.grade is not None and behind.grade not in GRADES:
        raise JourneyError(
            _("There is no trust “%(value)s”."),
            code="unknown_trust",
            field="grade",
            value=behind.grade,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(GRADES)},
        )
    for name in ("stage", "source"):
        if (key := getattr(behind, name)) is not None:
            find_stage(query.stages, key, name)


MOST_VALUES = 300


def field_values(version: JourneyVersion, dimension: Dimension, accounts: QuerySet[Account] | None = None) -> list[str]:
    """The values of a dimension as people read them, for filters. accounts: only what these have now."""
    data = history_data(version)
    coded = data.dimension(dimension)
    breaker = Breaker(coded)
    items = list(breaker.items)
    if accounts is not None:
        own = np.array(list(accounts.values_list("pk", flat=True)), dtype=np.int64)
        mine = np.flatnonzero(np.isin(data.table.accounts, own)).astype(np.int32)
        codes, _assumed = coded.at(mine, np.full(len(mine), instant_of(timezone.now())))
        _place, numbers = breaker.spread(np.unique(codes))
        items = [items[number] for number in np.unique(numbers).tolist() if number >= 0]
    return sorted({value_text(dimension, item) for item in items}, key=str.casefold)[:MOST_VALUES]
