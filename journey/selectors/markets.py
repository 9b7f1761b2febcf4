"""The nested markets over time: how large each is, who passes its test outside the one before, and who they are."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from journey.errors import JourneyError
from journey.facts.stays import funnel_order
from journey.instants import refuse_future
from journey.models import MarketLevel, Stage
from journey.selectors.dated_facts import dated_facts
from journey.selectors.explanations import instant_of
from journey.selectors.overview import first_shown
from journey.selectors.segment_health import month_starts
from journey.selectors.versions import shown_version
from segmentation.engine.facts import Facts
from segmentation.engine.params import one_look
from segmentation.engine.resolve import rule_steps, values_at
from segmentation.engine.rules import Rule, parse_rule
from segmentation.engine.steps import UNKNOWN, YES, Bools, Int8s, Int64s
from segmentation.errors import NotFoundError, ProblemError, closest
from segmentation.models import Account, IcpProfile, TargetList
from segmentation.selectors.access import visible_accounts

MOST_MONTHS = 60
WHICH = ("in", "beside", "unknown")


@dataclass(frozen=True)
class Level:
    """A market and the rule of its test. rule: None where every account passes; problem: why it cannot be told."""

    level: MarketLevel
    rule: Rule | None
    problem: str = ""

    @property
    def key(self) -> str:
        return self.level.key

    def words(self) -> list[str]:
        """Its test as people read it; any of several is enough."""
        return [term.sentence() for term in self.rule.terms] if self.rule else []


def market_levels() -> list[Level]:
    """All markets, from the widest to the narrowest, with their tests as rules of the engine."""
    rows = MarketLevel.objects.select_related("profile", "target_list", "segment", "journey")
    with one_look():  # the names in the lists of choices, once for all tests
        return [_level(row) for row in rows]


def _level(row: MarketLevel) -> Level:
    Test = MarketLevel.Test
    terms: list[dict[str, Any]] = []
    problem = ""
    if row.test == Test.FIT:
        profile = row.profile or IcpProfile.objects.order_by("pk").first()
        if profile is None:
            problem = _("There is no ideal customer profile yet.")
        else:
            terms = [{"kind": "icp_fit", "params": {"profile": profile.key, "grades": list(row.grades)}}]
    elif row.test == Test.LIST:
        lists = [row.target_list] if row.target_list else list(TargetList.objects.order_by("pk"))
        terms = [{"kind": "list", "params": {"list": one.key}} for one in lists]
        problem = "" if lists else _("There is no target account list yet.")
    elif row.test == Test.SEGMENT and row.segment:
        terms = [{"kind": "segment", "params": {"segment": row.segment.key}}]
    elif row.test == Test.STAGE:
        terms, problem = _stages(row)
    elif row.test == Test.OPPORTUNITY:
        terms = [{"kind": "opportunity_open", "params": {}}]
    if problem or not terms:
        return Level(row, None, problem)
    try:
        return Level(row, parse_rule({"criteria": terms, "at_least": 1}))
    except ProblemError as error:
        return Level(row, None, str(error))


def _stages(row: MarketLevel) -> tuple[list[dict[str, Any]], str]:
    """The stage and those after it in the funnel, as criteria."""
    shown = first_shown()
    version = shown_version(row.journey) if row.journey else shown.version if shown and shown.history else None
    if version is None:
        return [], _("No journey of accounts has a history yet. Publish one and run manage.py replay.")
    keys = [stage.key for stage in funnel_order(list(Stage.objects.filter(version=version, position__isnull=False)))]
    if row.stage not in keys:
        text = _("The journey “%(journey)s” has no stage “%(stage)s” in its funnel. There are: %(known)s.")
        return [], text % {"journey": version.journey, "stage": row.stage, "known": ", ".join(keys)}
    later = keys[keys.index(row.stage) :]
    return [{"kind": "stage", "params": {"journey": version.journey.key, "stage": key}} for key in later], ""


@dataclass(frozen=True)
class MarketQuery:
    """A question about the markets. instants: the ends of months, and the moment of the question at last."""

    instants: tuple[dt.datetime, ...]
    known_at: dt.datetime | None = None
    user: Any = None

    @property
    def as_of(self) -> dt.datetime:
        return self.instants[-1]


def market_query(
    *, months: int = 12, as_of: dt.datetime | None = None, known_at: dt.datetime | None = None, user: Any = None
) -> MarketQuery:
    """A question, checked: so many months back from `as_of` (now, or the moment of `known_at`).

    user: whose accounts count. Raises JourneyError for a moment in the future and a number of months that is none.
    """
    now = timezone.now()
    if isinstance(months, bool) or not 1 <= months <= MOST_MONTHS:
        raise JourneyError(
            _("The markets of %(value)s months cannot be shown."),
            code="bad_months",
            field="months",
            value=months,
            remedy=_("Give a number from 1 to %(most)s."),
            params={"most": MOST_MONTHS},
        )
    refuse_future(now, {"as_of": as_of, "known_at": known_at})
    return MarketQuery(tuple(month_starts(as_of or known_at or now, months)), known_at, user)


@dataclass
class MarketFigures:
    """A market at each instant. size: accounts in it and in all before; None where its test cannot be told. beside:
    those that pass its test and are not in the market before; unknown: those of the market before of which it is not
    known; assumed: of the size, those whose answer of then rests on a later one, the first there is."""

    level: MarketLevel
    words: list[str]
    problem: str = ""
    size: list[int | None] = field(default_factory=list)
    beside: list[int | None] = field(default_factory=list)
    unknown: list[int | None] = field(default_factory=list)
    assumed: list[int | None] = field(default_factory=list)

    def share(self, before: "MarketFigures | None", place: int) -> float | None:
        """Share of the market before; None without one."""
        whole = before.size[place] if before else None
        size = self.size[place]
        return None if size is None or not whole else size / whole


@dataclass(frozen=True)
class MarketReport:
    """The markets, from the widest to the narrowest."""

    query: MarketQuery
    markets: list[MarketFigures]

    def before(self, number: int) -> MarketFigures | None:
        """The market a market is a part of: the nearest one before it that can be told."""
        told = [market for market in self.markets[:number] if not market.problem]
        return told[-1] if told else None

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each market at each instant, for CSV and JSON."""
        for place, moment in enumerate(self.query.instants):
            for number, market in enumerate(self.markets):
                yield {
                    "at": moment.isoformat(),
                    "market": market.level.key,
                    "name": str(market.level),
                    "accounts": market.size[place],
                    "share_of_the_one_before": market.share(self.before(number), place),
                    "beside": market.beside[place],
                    "unknown": market.unknown[place],
                    "assumed": market.assumed[place],
                }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        known_at = self.query.known_at
        return {
            "as_of": self.query.as_of.isoformat(),
            "known_at": known_at.isoformat() if known_at else None,
            "instants": [moment.isoformat() for moment in self.query.instants],
            "markets": [
                {
                    "key": market.level.key,
                    "name": str(market.level),
                    "test": market.level.test,
                    "asks": market.words,
                    "problem": market.problem or None,
                    "accounts": market.size,
                    "share_of_the_one_before": [
                        market.share(self.before(number), place) for place in range(len(self.query.instants))
                    ],
                    "beside": market.beside,
                    "unknown": market.unknown,
                    "assumed": market.assumed,
                }
                for number, market in enumerate(self.markets)
            ],
        }


@dataclass(frozen=True)
class _Answers:
    """The markets at an instant for the accounts of a batch. passes: int8[n] of each market that can be told."""

    exists: Bools
    passes: list[tuple[int, Int8s, Bools]]  # place of the market, answers of its test, answers that are assumed

    def nested(self) -> Iterator[tuple[int, dict[str, Bools]]]:
        """Place of each market, and who is in it, beside it, of whom it is not known, and of whom assumed."""
        above, assumed = self.exists, np.zeros(len(self.exists), dtype=np.bool_)
        for place, value, rests in self.passes:
            inside = above & (value == YES)
            assumed = assumed | rests
            yield (
                place,
                {
                    "in": inside,
                    "beside": self.exists & ~above & (value == YES),
                    "unknown": above & (value == UNKNOWN),
                    "assumed": inside & assumed,
                },
            )
            above = inside


def _answers(levels: Sequence[Level], facts: Facts, instants: Sequence[int]) -> Iterator[_Answers]:
    """Every test over all time, read at each instant."""
    known: dict[Any, Any] = {}
    steps = {i: rule_steps(level.rule, facts, known) for i, level in enumerate(levels) if level.rule}
    since = {
        i: reduce(np.maximum, found)
        for i, level in enumerate(levels)
        if level.rule and (found := [s for t in level.rule.terms if (s := t.criterion.known_from(facts)) is not None])
    }
    everybody, nobody = np.full(len(facts), YES, dtype=np.int8), np.zeros(len(facts), dtype=np.bool_)
    for instant in instants:
        yield _Answers(
            facts.start <= instant,
            [
                (
                    i,
                    values_at(steps[i], instant) if i in steps else everybody,
                    since[i] > instant if i in since else nobody,
                )
                for i, level in enumerate(levels)
                if not level.problem
            ],
        )


def _visible_ids(user: Any) -> Int64s | None:
    narrowed = None if user is None else visible_accounts(user)
    return None if narrowed is None else np.array(sorted(narrowed.values_list("pk", flat=True)), dtype=np.int64)


def _criteria(levels: Sequence[Level]) -> list[Any]:
    return [term.criterion for level in levels if level.rule for term in level.rule.terms]


def market_report(query: MarketQuery) -> MarketReport:
    """The size of every market at each instant of the question."""
    levels = market_levels()
    instants = [instant_of(moment) for moment in query.instants]
    sums = {name: np.zeros((len(levels), len(instants)), dtype=np.int64) for name in (*WHICH, "assumed")}
    with dated_facts(_criteria(levels), query.known_at, _visible_ids(query.user)) as (_connection, batches):
        for facts in batches:
            for k, answers in enumerate(_answers(levels, facts, instants)):
                for i, found in answers.nested():
                    for name, mask in found.items():
                        sums[name][i, k] += int(mask.sum())

    def numbers(name: str, i: int) -> list[int | None]:
        return [None] * len(instants) if levels[i].problem else sums[name][i].tolist()

    return MarketReport(
        query,
        [
            MarketFigures(
                level.level,
                level.words(),
                level.problem,
                numbers("in", i),
                numbers("beside", i),
                numbers("unknown", i),
                numbers("assumed", i),
            )
            for i, level in enumerate(levels)
        ],
    )


def market_accounts(
    key: str, which: str, at: dt.datetime, known_at: dt.datetime | None = None, user: Any = None
) -> QuerySet[Account]:
    """The accounts a number counts: `in` a market, `beside` it, or `unknown`, at a moment; by name.

    Raises NotFoundError for an unknown market, JourneyError for anything else to count and for one whose test cannot be
    told.
    """
    levels = market_levels()
    by_key = {level.key: i for i, level in enumerate(levels)}
    if key not in by_key:
        close = closest(key, by_key)
        raise NotFoundError(
            _("There is no market “%(value)s”."),
            field="market",
            value=key,
            remedy=_("Did you mean “%(close)s”? There are: %(known)s.") if close else _("There are: %(known)s."),
            params={"close": close, "known": ", ".join(by_key) or "–"},
        )
    if which not in WHICH:
        raise JourneyError(
            _("“%(value)s” is no part of a market that is counted."),
            code="unknown_choice",
            field="which",
            value=which,
            remedy=_("Use in, beside or unknown."),
        )
    level = levels[by_key[key]]
    if level.problem:
        raise JourneyError(level.problem, code="no_data", field="market", value=key)
    ids = [np.empty(0, dtype=np.int64)]
    with dated_facts(_criteria(levels), known_at, _visible_ids(user)) as (_connection, batches):
        for facts in batches:
            for answers in _answers(levels, facts, [instant_of(at)]):
                ids += [facts.ids[found[which]] for i, found in answers.nested() if i == by_key[key]]
    return Account.objects.filter(pk__in=np.concatenate(ids).tolist()).order_by("name", "pk")
