"""How each segment fares against the rest: deal size, win rate, revenue, cycle, sales velocity, retention, shares.

A deal counts for the segments its account was in when it was opened (or, if asked, just before it closed), by the
memberships of then: what became of the deal does not move it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext as _

from journey.engine.metrics.performance import FEW, DealFacts, Performance, Spread, apart, performance
from journey.engine.metrics.rates import Interval
from journey.errors import JourneyError
from journey.facts.deal_values import NO_AMOUNT, DealsAt, DealValues, read_deal_values
from journey.instants import refuse_empty_range, refuse_future
from journey.models import ExchangeRate
from journey.selectors.customers import CUSTOMER
from journey.selectors.dated_facts import dated_facts
from journey.selectors.explanations import instant_of
from journey.selectors.funnel_report import Note
from journey.selectors.memory import present_deals
from journey.selectors.money import Rates, converted, missing_rates, reporting_currency
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import SEGMENTS, MembershipTable
from segmentation.engine.params import one_look
from segmentation.engine.resolve import rule_steps, values_at, values_of
from segmentation.engine.rules import Rule, parse_rule
from segmentation.engine.steps import FAR_FUTURE, NO, UNKNOWN, YES, Bools, Int8s, Int64s
from segmentation.facts.arrays import Positions
from segmentation.models import TargetList
from segmentation.selectors.access import visible_accounts
from segmentation.selectors.segments import campaign_segments, find_segment, segment_tree

MOMENTS = ("opened", "closed")
TARGETS = "(target-accounts)"  # what the accounts on any list are called among the segments


@dataclass(frozen=True)
class PerformanceQuery:
    """A question that can be answered. Made by `performance_query`.

    start, end: the range, half-open. currency: of the amounts; empty: the reporting currency. moment: `opened` or
    `closed`, whose membership counts. segments: keys, empty for those that are active (all where none is). known_at:
    only what was recorded by then, None for all.
    """

    start: dt.datetime
    end: dt.datetime
    currency: str = ""
    moment: str = "opened"
    segments: tuple[str, ...] = ()
    known_at: dt.datetime | None = None
    user: Any = None


def performance_query(
    *,
    start: dt.datetime,
    end: dt.datetime,
    currency: str = "",
    moment: str = "opened",
    segments: Sequence[str] = (),
    known_at: dt.datetime | None = None,
    user: Any = None,
) -> PerformanceQuery:
    """A question from words. Raises JourneyError or NotFoundError naming the parameter, its value and the remedy."""
    now = timezone.now()
    refuse_empty_range(start, end)
    refuse_future(now, {"start": start, "known_at": known_at})
    if moment not in MOMENTS:
        raise JourneyError(
            _("“%(value)s” is no moment of a deal whose membership could count."),
            code="unknown_moment",
            field="moment",
            value=moment,
            remedy=_("Use opened or closed."),
        )
    for key in segments:
        if key != TARGETS:
            find_segment(key)
    return PerformanceQuery(start, end, currency.strip(), moment, tuple(dict.fromkeys(segments)), known_at, user)


@dataclass(frozen=True)
class Side:
    """Figures of a segment, of the rest, or of all. share: of all revenue."""

    figures: Performance
    share: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        f = self.figures
        return {
            "won": f.won,
            "lost": f.lost,
            "win_rate": _interval(f.win_rate),
            "deal_size": _spread(f.size),
            "revenue": f.revenue,
            "share_of_revenue": self.share,
            "cycle_days": _spread(f.cycle),
            "open": f.open,
            "pipeline": f.pipeline,
            "velocity_per_day": f.velocity,
            "customers": f.customers,
            "customers_kept": f.kept,
            "retention": _interval(f.retention),
            "few": list(f.few),
        }


def _interval(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {"rate": found.rate, "low": found.low, "high": found.high}


def _spread(found: Spread) -> dict[str, Any]:
    return {"n": found.n, "mean": found.mean, "median": found.median, "low": found.low, "high": found.high}


@dataclass(frozen=True)
class SegmentPerformance:
    """A segment against the rest. accounts: its members at the end. unknown: deals of accounts of which membership was
    not known, which are in neither. assumed: deals of the segment by a membership whose beginning is assumed. clear:
    where the two differ clearly, 1 higher or -1 lower than the rest."""

    group: "Group"
    accounts: int
    segment: Side
    rest: Side
    unknown: int
    assumed: int

    @property
    def clear(self) -> dict[str, int]:
        """By figure, only where the intervals are apart."""
        one, other = self.segment.figures, self.rest.figures
        found = {
            "win_rate": apart(one.win_rate, other.win_rate),
            "size": apart(one.size, other.size),
            "cycle": apart(one.cycle, other.cycle),
            "retention": apart(one.retention, other.retention),
        }
        return {name: sign for name, sign in found.items() if sign}


@dataclass(frozen=True)
class PerformanceReport:
    """The answer. everything: of all deals, those without account too."""

    query: PerformanceQuery
    currency: str
    currencies: tuple[str, ...]
    everything: Side
    rows: list[SegmentPerformance]
    notes: list[Note] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The form of `manage.py performance --json` and of the API."""
        query = self.query
        return {
            "start": query.start.isoformat(),
            "end": query.end.isoformat(),
            "known_at": query.known_at.isoformat() if query.known_at else None,
            "moment": query.moment,
            "currency": self.currency,
            "all": self.everything.as_dict(),
            "segments": [
                {
                    "key": row.group.key,
                    "name": row.group.name,
                    "accounts": row.accounts,
                    "segment": row.segment.as_dict(),
                    "rest": row.rest.as_dict(),
                    "unknown_deals": row.unknown,
                    "assumed_deals": row.assumed,
                    "clear": row.clear,
                }
                for row in self.rows
            ],
            "notes": [{"code": note.code, "text": note.text} for note in self.notes],
        }

    def flat(self) -> Iterator[dict[str, Any]]:
        """Two rows for each segment, itself and the rest, and one of all, for a spreadsheet."""
        for row in self.rows:
            for side, words in ((row.segment, "segment"), (row.rest, "rest")):
                accounts = row.accounts if words == "segment" else None
                yield {
                    "segment": row.group.key,
                    "name": row.group.name,
                    "of": words,
                    "accounts": accounts,
                    **self._flat(side),
                }
        yield {"segment": "", "name": "", "of": "all", "accounts": None, **self._flat(self.everything)}

    def _flat(self, side: Side) -> dict[str, Any]:
        found: dict[str, Any] = {"currency": self.currency}
        for name, value in side.as_dict().items():
            if name == "few":
                found[name] = " ".join(value)
            elif name in ("win_rate", "retention"):
                found |= {f"{name}{end}": value and value[part] for end, part in _RATE}
            elif isinstance(value, dict):
                found |= {f"{name}_{part}": number for part, number in value.items()}
            else:
                found[name] = value
        return found


_RATE = (("", "rate"), ("_low", "low"), ("_high", "high"))


class Group(NamedTuple):
    """Accounts that are compared with the rest. pk: of the segment, None for target accounts; depth: in the tree."""

    key: str
    name: str
    color: str
    pk: int | None
    depth: int
    rule: Rule


def _groups(query: PerformanceQuery) -> list[Group]:
    """The segments, and the accounts on any list."""
    nodes = segment_tree()
    usual = [node.segment for node in campaign_segments()]
    active = {segment.key for segment in usual if segment.active}
    wanted = set(query.segments) or {*(active or {segment.key for segment in usual}), TARGETS}
    found = [
        Group(
            node.segment.key,
            str(node.segment),
            node.segment.color,
            node.segment.pk,
            node.depth,
            parse_rule({"criteria": [{"kind": "segment", "params": {"segment": node.segment.key}}]}),
        )
        for node in nodes
        if node.segment.key in wanted
    ]
    lists = [{"kind": "list", "params": {"list": one.key}} for one in TargetList.objects.order_by("pk")]
    if lists and TARGETS in wanted:
        rule = parse_rule({"criteria": lists, "at_least": 1})
        found.append(Group(TARGETS, _("Target accounts (on any list)"), "#6366f1", None, 0, rule))
    return found


@dataclass
class _Read:
    """What was found of the accounts: int8 of each group by deal and by customer at the start, members at the end.

    assumed: bool of each group by deal, where the membership that counts began by an assumption.
    """

    of_deal: Int8s
    assumed: Bools
    members: Int64s
    customers: list[Int8s] = field(default_factory=list)  # [groups, customers at the start]
    kept: list[Int8s] = field(default_factory=list)


def segment_performance(query: PerformanceQuery) -> PerformanceReport:
    """The figures of every segment and of the rest. Raises JourneyError for a currency no rate leads to."""
    with one_look():  # the names of segments and lists, once for all rules
        groups = _groups(query)
    customer = parse_rule(CUSTOMER)
    rules = [group.rule for group in groups]
    # The last instant of the range: what happens at its end is not in it.
    end = min(instant_of(query.end) - 1, instant_of(query.known_at or timezone.now()))
    start = instant_of(query.start)
    only = _visible(query.user)
    criteria = [term.criterion for rule in (*rules, customer) for term in rule.terms]
    with dated_facts(criteria, query.known_at, only) as (connection, batches):
        deals = present_deals() if query.known_at is None else read_deal_values(connection)
        now, then = deals.at(instant_of(query.known_at or timezone.now())), deals.at(end)
        rates = Rates.stored(_currency(query.currency, deals))
        facts = _deal_facts(deals, now, then, start, end, rates)
        counted = (facts.won | facts.lost | facts.is_open) & (
            np.isin(deals.accounts, only) if only is not None else np.ones(len(deals.ids), dtype=np.bool_)
        )
        moment = now.opened if query.moment == "opened" else np.where(facts.won | facts.lost, facts.closed - 1, end)
        found = _Read(
            np.full((len(groups), len(deals.ids)), UNKNOWN, dtype=np.int8),
            np.zeros((len(groups), len(deals.ids)), dtype=np.bool_),
            np.zeros(len(groups), dtype=np.int64),
        )
        for batch in batches:
            _look(found, groups, customer, batch, deals, counted, moment, start, end)
    return _report(query, groups, found, facts, deals, counted, now, rates)


def _visible(user: Any) -> Int64s | None:
    narrowed = None if user is None else visible_accounts(user)
    return None if narrowed is None else np.array(sorted(narrowed.values_list("pk", flat=True)), dtype=np.int64)


def _currency(asked: str, deals: DealValues) -> str:
    """The currency of the report, if amounts can be converted into it."""
    if not asked:
        return reporting_currency(deals)
    known = _known_currencies(deals)
    if asked not in known:
        raise JourneyError(
            _("No amount and no exchange rate is in “%(value)s”."),
            code="unknown_currency",
            field="currency",
            value=asked,
            remedy=_("There are: %(known)s. For another one enter exchange rates first."),
            params={"known": ", ".join(known) or "–"},
        )
    return asked


def _known_currencies(deals: DealValues) -> tuple[str, ...]:
    rates = {name for pair in ExchangeRate.objects.values_list("currency", "into").distinct() for name in pair}
    return tuple(sorted({*deals.currencies, *rates, reporting_currency(deals)} - {""}))


def _deal_facts(deals: DealValues, now: DealsAt, then: DealsAt, start: int, end: int, rates: Rates) -> DealFacts:
    """Deals closed in the range and still closed so, and those open at its end, in the currency of the report."""
    won = (now.won >= start) & (now.won <= end) & (now.won != FAR_FUTURE)
    lost = (now.lost >= start) & (now.lost <= end) & (now.lost != FAR_FUTURE)
    closed = np.where(won, now.won, np.where(lost, now.lost, end))
    cents = np.where(then.is_open, then.cents, now.cents)
    worth = converted(deals, cents, closed, rates)
    return DealFacts(won, lost, then.is_open, np.minimum(now.opened, closed), closed, worth)


def _look(
    found: _Read,
    groups: Sequence[Group],
    customer: Rule,
    batch: Facts,
    deals: DealValues,
    counted: Any,
    moment: Int64s,
    start: int,
    end: int,
) -> None:
    """Read the memberships of a batch of accounts at the moments that count."""
    known: dict[Any, Any] = {}
    place = Positions(batch.ids).of(deals.accounts)
    mine = np.flatnonzero(counted & (place >= 0))
    is_customer = rule_steps(customer, batch, known)
    before = np.flatnonzero((values_at(is_customer, start) == YES) & (batch.start <= start))
    found.kept.append((values_at(is_customer, end)[before] == YES).astype(np.int8))
    at_start = np.empty((len(groups), len(before)), dtype=np.int8)
    memberships: MembershipTable | None = batch.tables.get(SEGMENTS)
    for number, group in enumerate(groups):
        steps = rule_steps(group.rule, batch, known)
        if memberships and group.pk:
            found.assumed[number, mine] = memberships.assumed_at(group.key, place[mine], moment[mine])
        found.of_deal[number, mine] = values_of(steps, place[mine], moment[mine])
        found.members[number] += int(((values_at(steps, end) == YES) & (batch.start <= end)).sum())
        at_start[number] = values_at(steps, start)[before]
    found.customers.append(at_start)


def _report(
    query: PerformanceQuery,
    groups: Sequence[Group],
    found: _Read,
    facts: DealFacts,
    deals: DealValues,
    counted: Any,
    now: DealsAt,
    rates: Rates,
) -> PerformanceReport:
    owned = counted & (deals.accounts >= 0)
    none = np.empty(0, dtype=np.int8)
    kept = np.concatenate([none, *found.kept]) == 1
    customers = np.concatenate([np.empty((len(groups), 0), dtype=np.int8), *found.customers], axis=1)
    whole = performance(facts, counted, np.ones(len(kept), dtype=np.bool_), kept)

    def side(deal: Any, customer: Any) -> Side:
        figures = performance(facts, deal, customer, kept)
        share = (figures.revenue or 0.0) / whole.revenue if whole.revenue else None
        return Side(figures, share)

    rows = [
        SegmentPerformance(
            group,
            int(found.members[number]),
            side(owned & (found.of_deal[number] == YES), customers[number] == YES),
            side(owned & (found.of_deal[number] == NO), customers[number] == NO),
            int((owned & (found.of_deal[number] == UNKNOWN)).sum()),
            int((owned & (found.of_deal[number] == YES) & found.assumed[number]).sum()),
        )
        for number, group in enumerate(groups)
    ]
    everything = Side(whole, 1.0 if whole.revenue else None)
    lost = missing_rates(deals, np.flatnonzero(counted & ~facts.lost), now.cents, facts.worth)
    unowned = int((counted & (deals.accounts < 0)).sum())
    unpriced = int((counted & facts.won & (now.cents == NO_AMOUNT)).sum())
    return PerformanceReport(
        query,
        rates.into,
        _known_currencies(deals),
        everything,
        rows,
        _notes(rows, unowned, unpriced, lost, rates.into),
    )


def _notes(
    rows: Sequence[SegmentPerformance],
    unowned: int,
    unpriced: int,
    lost: Mapping[str, Mapping[str, Any]],
    currency: str,
) -> list[Note]:
    notes = []
    for name, row in lost.items():
        text = _("%(n)s deals (%(amount)s %(currency)s) are left out of amounts: no exchange rate into %(into)s holds.")
        values = {"n": row["deals"], "amount": f"{row['amount']:,.0f}", "currency": name, "into": currency}
        notes.append(Note("no_rate", text % values))
    if unowned:
        text = _("%(n)s deals have no account: they count in “all” only.")
        notes.append(Note("no_account", text % {"n": unowned}))
    if unpriced:
        text = _("%(n)s won deals have no amount: they count for rates and cycles, not for sizes and revenue.")
        notes.append(Note("no_amount", text % {"n": unpriced}))
    if any(row.unknown for row in rows):
        text = _("Where it is not known whether an account was a member, its deals are on neither side.")
        notes.append(Note("unknown", text))
    if any(row.assumed for row in rows):
        text = _(
            "Assumed: deals that count by a membership from before the recorded history of a field. Today's value"
            " stands in for that time, and what became of the deal may have made it what it is."
        )
        notes.append(Note("assumed", text))
    if any(side.figures.few for row in rows for side in (row.segment, row.rest)):
        notes.append(Note("few", _("Marked figures rest on fewer than %(n)s cases: chance decides them.") % {"n": FEW}))
    return notes
