"""Whom and what a question about a funnel is of, worked out once for all its figures."""

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.engine.metrics.figures import Followed, Question, follow
from journey.engine.metrics.table import DAY
from journey.errors import JourneyError
from journey.facts.dimensions import value_text
from journey.selectors.explanations import instant_of
from journey.selectors.funnel_data import HistoryData, history_data
from journey.selectors.funnel_groups import Breaker, Filters
from journey.selectors.funnel_query import FunnelQuery
from journey.selectors.funnel_report import Note
from journey.selectors.overview import freshness
from segmentation.engine.steps import Int64s


@dataclass(frozen=True)
class Selection:
    """A question worked out so far that every figure can start from. rows: beginnings in the range that count; here:
    rows in force as of the question that count."""

    query: FunnelQuery
    data: HistoryData
    question: Question
    followed: Followed
    filters: Filters
    rows: Int64s
    here: Int64s
    notes: list[Note]

    def stage(self, key: str) -> int:
        """The number of a stage of this journey."""
        return self.data.funnel.number(key)


@dataclass(frozen=True)
class Through:
    """The way through the whole funnel: from which stage to which, by number (-1: there is none), and what followed the
    stays on it."""

    start: int
    target: int
    question: Question
    followed: Followed


def select(query: FunnelQuery) -> Selection:
    """Load what a question is about and apply its filters. Raises JourneyError for a value nothing has."""
    data = history_data(query.version, query.known_at)
    question = Question(
        start=instant_of(query.start),
        end=instant_of(query.end),
        as_of=instant_of(query.as_of),
        horizon=None if query.horizon_days is None else round(query.horizon_days * DAY),
        target=None if query.to is None else data.funnel.number(query.to),
        reached=tuple(round(days * DAY) for days in query.reached_days),
    )
    filters = _filters(query, data)
    table = data.table
    rows = table.began(question.start, question.end, question.as_of)
    here = table.at(question.as_of)
    if not filters.is_open:
        rows = rows[filters.keep(table.entity[rows], table.start[rows])]
        here = here[filters.keep(table.entity[here], np.full(len(here), question.as_of))]
    followed = follow(table, data.funnel, question)
    return Selection(
        query, data, question, followed, filters, rows, here, _notes(query, data, question, rows, followed)
    )


def _filters(query: FunnelQuery, data: HistoryData) -> Filters:
    wanted = []
    for dimension, words in query.where:
        coded = data.dimension(dimension)
        breaker = Breaker(coded)
        numbers, unknown = breaker.numbers_of(words)
        if unknown:
            # Who sees some accounts only does not learn from a mistake what the others have.
            items = [] if query.accounts is not None else sorted(value_text(dimension, i) for i in breaker.items)
            raise JourneyError(
                _("Nothing has “%(value)s” as its %(label)s."),
                code="unknown_value",
                field=dimension.key,
                value=unknown[0],
                remedy=_("There are: %(known)s."),
                params={
                    "label": str(dimension.label),
                    "known": ", ".join(items[:20]) + (" …" if len(items) > 20 else "") or "–",
                },
            )
        wanted.append((coded, numbers))
    list_at = None
    if query.list_mode == "is":
        list_at = instant_of(dt.datetime.now(dt.UTC))
    elif query.cohort_at is not None:
        list_at = instant_of(query.cohort_at)
    accounts = None
    if query.accounts is not None:
        accounts = np.array(list(query.accounts.values_list("pk", flat=True)), dtype=np.int64)
    return Filters(data, query.target_list, list_at, wanted, accounts)


def whole_funnel(chosen: Selection) -> Through:
    """From the first stage after the floor to the last one of the funnel, or to the stage asked for."""
    funnel, stages, asked = chosen.data.funnel, chosen.data.stages, chosen.question
    if not funnel.funnel:
        return Through(-1, -1, asked, chosen.followed)
    target = funnel.funnel - 1 if asked.target is None else asked.target
    floor = min(stages, key=lambda stage: stage.precedence)
    start = 1 if stages[0] is floor and min(target, funnel.funnel) > 1 else 0
    question = replace(asked, target=target)
    followed = chosen.followed
    if asked.target != target:
        followed = follow(chosen.data.table, funnel, question, chosen.followed.exits)
    return Through(start if start != target else -1, target, question, followed)


def _notes(query: FunnelQuery, data: HistoryData, question: Question, rows: Int64s, followed: Followed) -> list[Note]:
    """What must be said beside the figures."""
    found = []
    table = data.table
    if not len(table) or int(table.start.min()) > question.as_of:
        found.append(Note("no_data", _("Nothing was known by this moment, so there are no figures.")))
        return found
    if not len(rows):
        found.append(Note("nothing_began", _("Nobody began a stay within the range: rates and times have no data.")))
    if question.horizon is not None:
        span = (question.as_of - int(table.start.min())) / DAY
        if question.horizon > question.as_of - int(table.start.min()):
            text = _(
                "The horizon of %(horizon)s days is longer than the data, which reach back %(days)s days:"
                " no conversion is final yet."
            )
            found.append(
                Note("horizon_longer_than_data", text % {"horizon": f"{query.horizon_days:g}", "days": int(span)})
            )
        else:
            asked = rows[followed.passages.asked[rows]]
            immature = int(np.sum(table.start[asked] + question.horizon > question.as_of))
            if immature:
                text = ngettext(
                    "For %(n)s beginning the horizon has not passed yet: its conversion may still rise.",
                    "For %(n)s beginnings the horizon has not passed yet: their conversion may still rise.",
                    immature,
                )
                found.append(Note("immature", text % {"n": f"{immature:,}"}))
    if query.known_at is not None and query.as_of > query.known_at:
        found.append(
            Note(
                "as_of_after_known",
                _("The moment lies after what was known: nothing that happened between the two is in the figures."),
            )
        )
    if query.known_at is None and freshness(data.history).waiting:
        found.append(Note("behind", _("Facts changed since the history was made; a replay brings it up to date.")))
    return found
