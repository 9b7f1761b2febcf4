"""What goals are measured by: facts of the accounts of segments, each kind of fact read once for all goals."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Min
from django.utils import timezone
from numpy.typing import NDArray

from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import Bools
from journey.facts.deal_values import DealsAt, DealValues
from journey.facts.loading import Needs, rule_facts
from journey.models import Opportunity, OpportunityChange
from journey.selectors.customers import CUSTOMER
from journey.selectors.explanations import instant_of
from journey.selectors.memory import present_deals, present_facts
from scoring.engine.activities import ACTIVITIES, ActivityTable
from scoring.models import Activity
from segmentation.engine.resolve import jit, rule_steps
from segmentation.engine.rules import parse_rule
from segmentation.engine.steps import FAR_FUTURE, YES, Int64s
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import Account, SegmentHistory
from segmentation.selectors.access import visible_accounts
from segmentation.services.snapshots import one_snapshot

WEB = "web"  # category of activities on the website
_ACTIVITIES = Needs(frozenset({ACTIVITIES}), frozenset(), ())
VISIT_GAP = 30 * 60 * 1_000_000  # microseconds without activity that end a visit


def first_instant(day: dt.date) -> int:
    """When a day begins in the site's time zone, in microseconds UTC."""
    return instant_of(timezone.make_aware(dt.datetime.combine(day, dt.time())))


@dataclass(frozen=True)
class Happened:
    """Something that happened to accounts: account int64[n], time int64[n] (microseconds UTC), amount float64[n]."""

    account: Int64s
    time: Int64s
    amount: Floats

    def only(self, chosen: Any) -> "Happened":
        return Happened(self.account[chosen], self.time[chosen], self.amount[chosen])


@dataclass(frozen=True)
class Membership:
    """Periods of membership of one segment, ordered by account and start; end is FAR_FUTURE while open.

    began: whether a period begins the recorded history of its account (no entry).
    """

    account: Int64s
    start: Int64s
    end: Int64s
    began: Bools

    @cached_property
    def accounts(self) -> Int64s:
        """Every account that was ever a member, ascending."""
        return np.unique(self.account)

    def holds(self, account: Int64s, instant: Int64s) -> Bools:
        """Which of the pairs lie in a period. The end of a period counts: what makes an account leave, such as a deal
        that is won by a prospect, was still reached in the segment."""
        keys = self.accounts
        offsets = np.append(np.searchsorted(self.account, keys), len(self.account)).astype(np.int64)
        held: Bools = _holds(offsets, self.start, self.end, Positions(keys).of(account), instant)
        return held


@jit
def _holds(offsets, start, end, place, instant):  # type: ignore[no-untyped-def]
    out = np.zeros(len(place), dtype=np.bool_)
    for k in range(len(place)):
        if place[k] < 0:
            continue
        low, high = offsets[place[k]], offsets[place[k] + 1]
        i = low + np.searchsorted(start[low:high], instant[k], side="right") - 1
        out[k] = i >= low and instant[k] <= end[i]
    return out


class GoalFacts:
    """Facts up to a moment, read when first asked for.

    as_of: nothing later is known. segments: keys of the segments whose accounts matter. since: nothing earlier is
    needed of activities (microseconds UTC). user: whose accounts count; None for all.
    """

    def __init__(self, as_of: dt.datetime, segments: Iterable[str], since: int, user: Any = None) -> None:
        self.as_of = instant_of(as_of)
        self.segments = sorted(set(segments))
        self.since = since
        self.visible: Int64s | None = None
        if (narrowed := visible_accounts(user)) is not None:
            self.visible = np.array(sorted(narrowed.values_list("pk", flat=True)), dtype=np.int64)

    # --- Members ---------------------------------------------------------------------------------------------------

    @cached_property
    def memberships(self) -> Mapping[str, Membership]:
        """By key of the segment; those without a history are missing."""
        current = SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT, segment__key__in=self.segments)
        built = {pk: (build, key) for pk, build, key in current.values_list("pk", "build", "segment__key")}
        rows = read_rows(
            connection,
            "SELECT account_id, history_id, start_at, coalesce(end_at, '9999-01-01+00'), end_at IS NULL, is_first"
            " FROM segmentation_segmentmembership WHERE build_id = ANY (%s) AND history_id = ANY (%s) AND state = 1",
            {"account": "i8", "history": "i8", "start": "time", "end": "time", "open": "b1", "first": "b1"},
            [sorted({build for build, _key in built.values()}), list(built)],
        )
        if self.visible is not None:
            rows = rows[np.isin(rows["account"], self.visible)]
        found = {}
        for pk, (_build, key) in built.items():
            mine = rows[rows["history"] == pk]
            mine = mine[np.lexsort([mine["start"], mine["account"]])]
            found[key] = Membership(
                np.ascontiguousarray(mine["account"]),
                np.ascontiguousarray(mine["start"]),
                np.where(mine["open"], FAR_FUTURE, mine["end"]).astype(np.int64),
                np.ascontiguousarray(mine["first"]),
            )
        return found

    @cached_property
    def accounts(self) -> Int64s:
        """Every account that was ever a member of one of the segments, ascending."""
        empty = np.empty(0, dtype=np.int64)
        return np.unique(np.concatenate([empty, *(one.accounts for one in self.memberships.values())]))

    @cached_property
    def dated(self) -> Int64s:
        """The accounts of which the source says when they were created, ascending."""
        rows = Account.objects.filter(created_in_source_at__isnull=False).order_by("pk")
        return np.array(list(rows.values_list("pk", flat=True)), dtype=np.int64)

    # --- Deals -----------------------------------------------------------------------------------------------------

    @cached_property
    def deals(self) -> DealValues:
        """All deals."""
        return present_deals()

    @cached_property
    def deals_now(self) -> DealsAt:
        """All deals as they are known to stand."""
        return self.deals.at(self.as_of)

    @cached_property
    def deal_words(self) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """The kind and the product of each deal."""
        words = {pk: (kind, product) for pk, kind, product in Opportunity.objects.values_list("pk", "kind", "product")}
        pairs = [words.get(pk, ("", "")) for pk in self.deals.ids.tolist()]
        return np.array([kind for kind, _p in pairs], dtype=np.str_), np.array([p for _k, p in pairs], dtype=np.str_)

    @cached_property
    def became_customer(self) -> Happened:
        """When accounts became customers for the first time, as the engine decides it."""
        rule = parse_rule(CUSTOMER)
        facts = present_facts(Needs.of_rules([rule]))
        steps = rule_steps(rule, facts)
        yes = np.flatnonzero(steps.value == YES)
        owner = np.searchsorted(steps.offsets, yes, side="right") - 1
        owner, first = np.unique(owner, return_index=True)
        dated = steps.initial[owner] != YES
        account, time = facts.ids[owner[dated]], steps.time[yes[first[dated]]]
        return Happened(account, time, np.ones(len(account)))

    # --- Activities ------------------------------------------------------------------------------------------------

    @cached_property
    def _activities(self) -> tuple[Happened, Happened]:
        engaged, visited = [_NOTHING], [_NOTHING]
        with one_snapshot() as read:
            for accounts, table in self._tables(read):
                owner = np.repeat(accounts, table.rows.end - table.rows.begin)
                rows = _flat(table.rows.begin, table.rows.end)
                kept = (table.time[rows] > self.since - VISIT_GAP) & (table.time[rows] <= self.as_of)
                owner, rows = owner[kept], rows[kept]
                engaged.append(Happened(owner, table.time[rows], table.seconds[rows] / 60))
                web = np.array([kind.category == WEB for kind in table.classes.types], dtype=np.bool_)
                kind = table.number[rows] // max(int(np.prod(table.classes.shape[1:])), 1)
                of_web = web[kind] if len(web) else np.zeros(len(rows), dtype=np.bool_)
                visited.append(_visits(owner[of_web], table.contact[rows[of_web]], table.time[rows[of_web]]))
        return _joined(engaged), _joined(visited)

    def _tables(self, read: Any) -> Iterator[tuple[Int64s, ActivityTable]]:
        if len(self.accounts):
            for facts in rule_facts(read, _ACTIVITIES, self.accounts):
                yield facts.ids, facts.table(ACTIVITIES)

    @property
    def engagement(self) -> Happened:
        """Engaged minutes of the accounts, by activity."""
        return self._activities[0]

    @property
    def visits(self) -> Happened:
        """Visits to the website: activities of category “web” of one visitor without half an hour in between."""
        return self._activities[1]

    # --- How far facts reach back ----------------------------------------------------------------------------------

    def recorded_since(self, source: str) -> int | None:
        """The first fact of a source there is (activities, deals or accounts); None without any."""
        sources: dict[str, tuple[Any, str]] = {
            "activities": (Activity, "occurred_at"),
            "deals": (OpportunityChange, "occurred_at"),
            "accounts": (Account, "created_in_source_at"),
        }
        model, column = sources[source]
        first = model.objects.aggregate(first=Min(column))["first"]
        return None if first is None else instant_of(first)


_NOTHING = Happened(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))


def _joined(parts: list[Happened]) -> Happened:
    return Happened(
        np.concatenate([part.account for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.amount for part in parts]),
    )


def _flat(begin: Int64s, end: Int64s) -> Int64s:
    """The numbers from each begin to each end, one after the other."""
    sizes = end - begin
    first = np.repeat(begin - np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else begin, sizes)
    return (first + np.arange(len(first))).astype(np.int64)


def _visits(account: Int64s, contact: Any, time: Int64s) -> Happened:
    """The beginnings of visits. All anonymous activity of an account counts as one visitor's."""
    order = np.lexsort([time, contact, account])
    account, contact, time = account[order], contact[order], time[order]
    same = (np.diff(account) == 0) & (np.diff(contact) == 0) & (np.diff(time) <= VISIT_GAP)
    begins = np.concatenate([np.ones(min(len(account), 1), dtype=np.bool_), ~same])
    return Happened(account[begins], time[begins], np.ones(int(begins.sum())))
