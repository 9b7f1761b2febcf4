"""The reference: what a criterion, a rule and a journey mean, in plain Python, from the list of facts.

Every criterion is answered for one instant by looking at all facts again ("which activities lie in the window", "in
which state is each deal now"); no running sums, no arrays. Only what has a memory (recycling holds, rules to stay,
minimum stays) walks over the instants at which anything may change, in order. Slow on purpose: it shares no code with
the engine and is what the engine is compared with.

Answers are True, False or None (unknown).
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from tests.reference.histories import (
    CRM_STAGES,
    DAY,
    SECOND,
    SENIORITIES,
    TOPICS,
    TYPES,
    Activity,
    DealChange,
    History,
    Period,
)

Answer = bool | None

ENGAGEMENT_KINDS = ("engaged_minutes", "engaged_people", "activity_count", "meeting_held", "engagement_score")
OPEN = ("identified", "active", "intent")  # in order of advancement

_LIMITS = {"sides": (), "types": (), "categories": (), "min_seniority": None, "departments": (), "buying_roles": ()}
_TOPIC_LIMITS = {"topics": (), "topic_kinds": (), "keywords": (), "origin": None, "min_strength": None}
DEFAULTS: dict[str, dict[str, Any]] = {
    "engaged_minutes": {"comparator": ">", "window_days": 90, **_LIMITS},
    "engaged_people": {"count": "person", "comparator": ">", "minutes": 0, "window_days": 90, **_LIMITS},
    "activity_count": {"times": 1, "window_days": 90, "outcomes": (), **_LIMITS},
    "meeting_held": {"times": 1, "window_days": 90, "outcomes": ("held",), **_LIMITS},
    "engagement_score": {"comparator": ">=", "half_life_days": 30, **_LIMITS},
    "field": {"operator": "is", "value": None},
    "flag": {},
    "list": {"states": ("active", "recycling")},
    "segment": {},
    "icp_fit": {"grades": (), "score": None},
    "intent": {"times": 1, "window_days": 90, **_TOPIC_LIMITS},
    "intent_surge": {
        "recent_days": 7,
        "baseline_days": 56,
        "least": 3,
        "ratio": 2,
        "chance_percent": 1,
        **_TOPIC_LIMITS,
    },
    "stage": {},
    "opportunity_open": {"groups": (), "crm_stages": ()},
    "opportunity_won": {"within_days": None},
    "opportunity_lost": {"within_days": None},
    "opportunity_stalled": {"days": 30},
    "former_customer": {},
    "recycle": {
        "lost_from": ("intent",),
        "stalled_days": 30,
        "hold_days": 90,
        "cooled_minutes": None,
        "cooled_days": 30,
    },
}


class TooCloseError(Exception):
    """A fading score so near its threshold that the rounding of the last bit decides. No verdict here."""


class Criterion:
    """One criterion on one history."""

    def __init__(
        self, history: History, kind: str, params: Mapping[str, Any], weights: Mapping[str, int] | None = None
    ):
        self.history = history
        self.kind = kind
        self.p = {**DEFAULTS[kind], **params}
        self.weights = weights or {}
        self._answers: dict[int, Answer] = {}

    def at(self, instant: int) -> Answer:
        """The answer at an instant; what happens at the instant itself counts."""
        if instant not in self._answers:
            self._answers[instant] = getattr(self, f"_{self.kind}")(instant)
        return self._answers[instant]

    def candidates(self) -> set[int]:
        """Every instant at which the answer may change."""
        return getattr(self, f"_{self.kind}_candidates")()  # type: ignore[no-any-return]

    # --- Engagement ------------------------------------------------------------------------------------------------

    @cached_property
    def _let_through(self) -> list[tuple[Activity, int]]:
        """The activities all restrictions let through, and the seconds each counts."""
        return [(a, self._seconds(a)) for a in self.history.activities if self._is_let_through(a)]

    def _is_let_through(self, a: Activity) -> bool:
        p, kind = self.p, TYPES[a.type]
        if p["sides"] and kind.side not in p["sides"]:
            return False
        if p["types"] and a.type not in p["types"]:
            return False
        if p["categories"] and kind.category not in p["categories"]:
            return False
        if p["min_seniority"]:
            if a.seniority == "":  # unknown never counts
                return False
            if SENIORITIES.index(a.seniority) < SENIORITIES.index(p["min_seniority"]):
                return False
        if p["departments"] and a.department not in p["departments"]:
            return False
        if p["buying_roles"] and a.role not in p["buying_roles"]:
            return False
        if p.get("outcomes") and a.outcome not in p["outcomes"]:
            return False
        # Meetings are the types marked as such, unless types are named.
        return not (self.kind == "meeting_held" and not p["types"] and not kind.is_meeting)

    def _seconds(self, a: Activity) -> int:
        """Weighted by seniority, rounded half up to a second."""
        percent = self.weights.get(a.seniority, 100) if a.seniority else 100
        return math.floor(Fraction(a.seconds * percent, 100) + Fraction(1, 2))

    def _in_window(self, instant: int) -> Iterator[tuple[Activity, int]]:
        days = self.p["window_days"]
        for a, seconds in self._let_through:
            if a.time <= instant and (days is None or instant < a.time + days * DAY):
                yield a, seconds

    def _window_candidates(self) -> set[int]:
        times = {a.time for a in self.history.activities}
        if self.p["window_days"] is None:
            return times
        return times | {t + self.p["window_days"] * DAY for t in times}

    def _compare(self, seconds: float | Fraction, minutes: float) -> bool:
        """More than (or at least) so many minutes, as a person reads the decimal number."""
        needed = Fraction(Decimal(str(minutes))) * 60
        return seconds > needed if self.p["comparator"] == ">" else seconds >= needed

    def engaged_seconds(self, instant: int) -> int:
        return sum(seconds for _a, seconds in self._in_window(instant))

    def _engaged_minutes(self, instant: int) -> Answer:
        return self._compare(Fraction(self.engaged_seconds(instant)), self.p["minutes"])

    _engaged_minutes_candidates = _window_candidates

    def people(self, instant: int) -> int:
        """How many people (or personas) were each engaged for long enough."""
        sums: dict[Any, int] = {}
        personas = self.p["count"] == "persona"
        for a, seconds in self._in_window(instant):
            if a.contact is None or seconds == 0 or (personas and not a.role):
                continue
            who = (a.contact, a.role) if personas else a.contact
            sums[who] = sums.get(who, 0) + seconds
        enough = [who for who, seconds in sums.items() if self._compare(Fraction(seconds), self.p["minutes"])]
        return len({role for _contact, role in enough}) if personas else len(enough)

    def _engaged_people(self, instant: int) -> Answer:
        return self.people(instant) >= self.p["people"]

    _engaged_people_candidates = _window_candidates

    def times(self, instant: int) -> int:
        return sum(1 for _ in self._in_window(instant))

    def _activity_count(self, instant: int) -> Answer:
        return self.times(instant) >= self.p["times"]

    _meeting_held = _activity_count
    _activity_count_candidates = _window_candidates
    _meeting_held_candidates = _window_candidates

    def score(self, instant: int) -> float:
        """Sum of minutes x 2^(-age / half-life), ages in whole seconds."""
        half_life = self.p["half_life_days"] * 86_400
        now = instant // SECOND
        return math.fsum(
            seconds / 60 * 2.0 ** (-(now - a.time // SECOND) / half_life)
            for a, seconds in self._let_through
            if a.time <= instant
        )

    def _engagement_score(self, instant: int) -> Answer:
        score, needed = self.score(instant), self.p["score"]
        if abs(score - needed) > 1e-12 * needed:
            return score > needed
        # Certain so near the threshold only where exactly at it, every age being a whole number of half-lives.
        exact, half_life = Fraction(0), Fraction(Decimal(str(self.p["half_life_days"]))) * 86_400
        for a, seconds in self._let_through:
            if a.time <= instant and seconds:
                halvings = (instant // SECOND - a.time // SECOND) / half_life
                if halvings.denominator != 1:
                    raise TooCloseError
                exact += Fraction(seconds) / 2 ** int(halvings)
        if exact != Fraction(Decimal(str(needed))) * 60:
            raise TooCloseError
        return bool(self.p["comparator"] == ">=")

    def _engagement_score_candidates(self) -> set[int]:
        # Between activities the score only falls: look for the second at which the answer turns, by halving.
        times = sorted({a.time for a in self.history.activities})
        found = set(times)
        for t, following in zip(times, [*times[1:], None], strict=False):
            low, high = t // SECOND, following // SECOND if following is not None else t // SECOND + 10**9
            if not self.at(t) or self.at(high * SECOND - 1):
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self.at(middle * SECOND) else (low, middle)
            found.add(high * SECOND)
        return found

    # --- Fields, flags, stages of another journey ------------------------------------------------------------------

    def _field(self, instant: int) -> Answer:
        known = self.history.fields.get(self.p["field"])
        value = known.initial if known else None
        for time, changed in known.changes if known else ():
            if time <= instant:
                value = changed
        return _compare_field(value, self.p["operator"], self.p["value"])

    def _field_candidates(self) -> set[int]:
        known = self.history.fields.get(self.p["field"])
        return {time for time, _value in known.changes} if known else set()

    def _flag(self, instant: int) -> Answer:
        return any(p.key == self.p["flag"] and _in_force(p, instant) for p in self.history.flags)

    def _flag_candidates(self) -> set[int]:
        return _bounds(self.history.flags)

    def _list(self, instant: int) -> Answer:
        wanted = {(self.p["list"], state) for state in self.p["states"]}
        return any(p.key in wanted and _in_force(p, instant) for p in self.history.lists)

    def _list_candidates(self) -> set[int]:
        return _bounds(self.history.lists)

    def _segment(self, instant: int) -> Answer:
        for period in self.history.segments:
            if period.key[0] == self.p["segment"] and _in_force(period, instant):
                return True if period.key[1] else None
        return False

    def _segment_candidates(self) -> set[int]:
        return _bounds(self.history.segments)

    def _icp_fit(self, instant: int) -> Answer:
        known = self.history.fits.get(self.p["profile"])
        fit = known.initial if known else None
        for time, changed in known.changes if known else ():
            if time <= instant:
                fit = changed
        score, grade = fit or (None, "")
        answers: list[Answer] = []
        if self.p["grades"]:
            answers.append(grade in self.p["grades"] if grade else None)
        if self.p["score"] is not None:
            answers.append(score >= self.p["score"] if score is not None else None)
        return False if False in answers else None if None in answers else True

    def _icp_fit_candidates(self) -> set[int]:
        known = self.history.fits.get(self.p["profile"])
        return {time for time, _value in known.changes} if known else set()

    def _stage(self, instant: int) -> Answer:
        key = f"{self.p['journey']}/{self.p['stage']}"
        return any(p.key == key and _in_force(p, instant) for p in self.history.stages)

    def _stage_candidates(self) -> set[int]:
        return _bounds(self.history.stages)

    # --- Intent ----------------------------------------------------------------------------------------------------

    def signals(self, after: int | None, until: int) -> int:
        """How many signals the limits let through that came after one instant, until another."""
        p = self.p
        return sum(
            s.amount
            for s in self.history.signals
            if (after is None or s.time > after)
            and s.time <= until
            and (not p["topics"] or s.topic in p["topics"])
            and (not p["topic_kinds"] or TOPICS[s.topic] in p["topic_kinds"])
            and (not p["keywords"] or s.keyword in p["keywords"])
            and (p["origin"] is None or s.own == (p["origin"] == "own"))
            and (p["min_strength"] is None or (s.strength is not None and s.strength >= p["min_strength"]))
        )

    def _intent(self, instant: int) -> Answer:
        days = self.p["window_days"]
        return self.signals(None if days is None else instant - days * DAY, instant) >= self.p["times"]

    def _intent_candidates(self) -> set[int]:
        times = {s.time for s in self.history.signals}
        days = self.p["window_days"]
        return times if days is None else times | {t + days * DAY for t in times}

    def surge_figures(self, instant: int) -> tuple[int, int]:
        """The signals of the recent days, and those of the baseline before them."""
        between = instant - self.p["recent_days"] * DAY
        return self.signals(between, instant), self.signals(between - self.p["baseline_days"] * DAY, between)

    def _intent_surge(self, instant: int) -> Answer:
        recent, earlier = self.surge_figures(instant)
        days, before = self.p["recent_days"], self.p["baseline_days"]
        if recent < self.p["least"]:
            return False
        if Fraction(recent, days) < Fraction(Decimal(str(self.p["ratio"]))) * Fraction(earlier, before):
            return False
        # Of all signals each is recent with this probability; so many of them, or more, by chance alone:
        share, total = Fraction(days, days + before), recent + earlier
        by_chance = sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(recent, total + 1))
        return by_chance <= Fraction(Decimal(str(self.p["chance_percent"]))) / 100

    def _intent_surge_candidates(self) -> set[int]:
        days, before = self.p["recent_days"] * DAY, self.p["baseline_days"] * DAY
        return {s.time + shift for s in self.history.signals for shift in (0, days, days + before)}

    # --- Deals -----------------------------------------------------------------------------------------------------

    @cached_property
    def _moves(self) -> dict[int, list[DealChange]]:
        """By deal: the changes that named a CRM stage, in order."""
        moves: dict[int, list[DealChange]] = {}
        for c in sorted(self.history.deals, key=lambda c: (c.time, c.seq)):
            if c.stage is not None:
                moves.setdefault(c.deal, []).append(c)
        return moves

    def _deals(self, instant: int) -> dict[int, list[DealChange]]:
        """By deal: its moves until now; the last one says where it is."""
        until = {deal: [c for c in moves if c.time <= instant] for deal, moves in self._moves.items()}
        return {deal: moves for deal, moves in until.items() if moves}

    def _deal_candidates(self, *delays: int | None) -> set[int]:
        times = {c.time for c in self.history.deals}
        return times | {t + delay * DAY for t in times for delay in delays if delay is not None}

    def _opportunity_open(self, instant: int) -> Answer:
        now = [moves[-1].stage for moves in self._deals(instant).values()]
        if self.p["crm_stages"]:  # any deal that is not closed, in one of them
            return any(s in self.p["crm_stages"] and CRM_STAGES[s] not in ("won", "lost") for s in now if s)
        groups = [OPEN.index(CRM_STAGES[s]) for s in now if s and CRM_STAGES[s] in OPEN]
        if not groups:
            return None if any(s and CRM_STAGES[s] == "" for s in now) else False
        return not self.p["groups"] or OPEN[max(groups)] in self.p["groups"]

    def _opportunity_open_candidates(self) -> set[int]:
        return self._deal_candidates()

    def _opportunity_won(self, instant: int) -> Answer:
        days = self.p["within_days"]
        return any(
            _state(moves[-1]) == "won" and (days is None or instant < _since(moves).time + days * DAY)
            for moves in self._deals(instant).values()
        )

    def _opportunity_won_candidates(self) -> set[int]:
        return self._deal_candidates(self.p["within_days"])

    def _opportunity_lost(self, instant: int) -> Answer:
        deals = self._deals(instant).values()
        if any(_state(moves[-1]) in OPEN for moves in deals):
            return False
        closings = [_since(moves) for moves in deals if _state(moves[-1]) in ("won", "lost")]
        if not closings:
            return False
        last = max(closings, key=lambda c: (c.time, c.seq))
        days = self.p["within_days"]
        if _state(last) != "lost" or (days is not None and instant >= last.time + days * DAY):
            return False
        # A deal in a CRM stage without mapping may be open.
        return None if any(_state(moves[-1]) == "" for moves in deals) else True

    def _opportunity_lost_candidates(self) -> set[int]:
        return self._deal_candidates(self.p["within_days"])

    def _stalled(self, instant: int, days: int) -> Answer:
        deals = self._deals(instant)
        is_open = [deal for deal, moves in deals.items() if _state(moves[-1]) in OPEN]
        if not is_open:
            return None if any(_state(moves[-1]) == "" for moves in deals.values()) else False
        movements = [a.time for a in self.history.activities if _is_movement(a) and a.time <= instant]
        for deal in is_open:
            changes = [c.time for c in self.history.deals if c.deal == deal and c.time <= instant]
            if instant < max([*changes, *movements]) + days * DAY:
                return False
        return True

    def _stalled_candidates(self, days: int) -> set[int]:
        times = self._deal_candidates() | {a.time for a in self.history.activities}
        return times | {t + days * DAY for t in times}

    def _opportunity_stalled(self, instant: int) -> Answer:
        return self._stalled(instant, self.p["days"])

    def _opportunity_stalled_candidates(self) -> set[int]:
        return self._stalled_candidates(self.p["days"])

    def _former_customer(self, instant: int) -> Answer:
        if any(_in_force(p, instant) for p in self.history.customer):
            return False
        ends = [p.end for p in self.history.customer if p.end is not None and p.end <= instant]
        if not ends:
            return False
        # A win that was taken back is no win.
        return not any(
            _state(moves[-1]) == "won" and _since(moves).time >= max(ends) for moves in self._deals(instant).values()
        )

    def _former_customer_candidates(self) -> set[int]:
        return self._deal_candidates() | _bounds(self.history.customer)

    # --- Recycling: has a memory -----------------------------------------------------------------------------------

    @cached_property
    def _holds(self) -> list[tuple[int, int]]:
        """The holds, `[start, end)`: walk over all instants at which one may begin or end."""
        p = self.p
        waiting = sorted(self._recycle_causes())
        holds: list[tuple[int, int]] = []
        begun = until = None
        while waiting:
            t = heapq.heappop(waiting)
            while waiting and waiting[0] == t:
                heapq.heappop(waiting)
            ended = self._ends_hold(t)
            if until is not None and p["cooled_minutes"] is not None:
                ended = ended or (self._is_warm(t - 1) and not self._is_warm(t))
            if until is not None and begun is not None and (ended or t >= until):
                holds.append((begun, t))
                begun = until = None
            if self._begins_hold(t) and not ended:
                if begun is None:  # a hold that begins where another ends is the same hold going on
                    begun = holds.pop()[0] if holds and holds[-1][1] == t else t
                until = t + p["hold_days"] * DAY
                heapq.heappush(waiting, until)
        return holds

    def _recycle_causes(self) -> set[int]:
        times = self._deal_candidates() | {a.time for a in self.history.activities}
        if self.p["stalled_days"] is not None:
            times |= self._stalled_candidates(self.p["stalled_days"])
        if self.p["cooled_minutes"] is not None:
            times |= {a.time + self.p["cooled_days"] * DAY for a in self.history.activities}
        return times

    def _begins_hold(self, t: int) -> bool:
        """A loss from one of the wanted groups with nothing open, or every open deal becomes stalled."""
        days = self.p["stalled_days"]
        if days is not None and self._stalled(t, days) is True and self._stalled(t - 1, days) is not True:
            return True
        deals = self._deals(t)
        if any(_state(moves[-1]) in OPEN for moves in deals.values()):
            return False
        for moves in deals.values():
            if _state(moves[-1]) == "lost" and _since(moves).time == t:
                groups = [_state(c) for c in moves[: moves.index(_since(moves))] if _state(c) in OPEN]
                if groups and groups[-1] in self.p["lost_from"]:
                    return True
        return False

    def _ends_hold(self, t: int) -> bool:
        """A hot activity, a new, reopened or advancing deal, or a win. Of several changes of a deal the last counts."""
        if any(a.time == t and TYPES[a.type].is_hot for a in self.history.activities):
            return True
        for moves in self._deals(t).values():
            if moves[-1].time != t:
                continue
            before = [_state(c) for c in moves if c.time < t]
            now = _state(moves[-1])
            if now == "won" and (not before or before[-1] != "won"):
                return True
            if now in OPEN:
                mapped = [state for state in before if state]  # where it was when last seen in a mapped stage
                if not mapped or mapped[-1] not in OPEN or OPEN.index(now) > OPEN.index(mapped[-1]):
                    return True
        return False

    def _is_warm(self, instant: int) -> bool:
        seconds = sum(
            self._seconds(a)
            for a in self.history.activities
            if a.time <= instant < a.time + self.p["cooled_days"] * DAY
        )
        return seconds >= Fraction(Decimal(str(self.p["cooled_minutes"]))) * 60

    def _recycle(self, instant: int) -> Answer:
        return any(start <= instant < end for start, end in self._holds)

    def _recycle_candidates(self) -> set[int]:
        return self._recycle_causes() | {t for hold in self._holds for t in hold}


def _state(change: DealChange) -> str:
    """identified, active, intent, won, lost, or empty for a CRM stage without mapping."""
    assert change.stage is not None
    return CRM_STAGES[change.stage]


def _since(moves: list[DealChange]) -> DealChange:
    """The move with which the deal's present state began."""
    first = len(moves) - 1
    while first and _state(moves[first - 1]) == _state(moves[-1]):
        first -= 1
    return moves[first]


def _is_movement(a: Activity) -> bool:
    return TYPES[a.type].side == "sales" or TYPES[a.type].is_hot


def _in_force(period: Period, instant: int) -> bool:
    return period.start <= instant and (period.end is None or instant < period.end)


def _bounds(periods: Iterable[Period]) -> set[int]:
    return {t for p in periods for t in (p.start, p.end) if t is not None}


def _compare_field(value: Any, operator: str, wanted: Any) -> Answer:
    empty = value is None or value == "" or value == ()
    if operator == "known":
        return not empty
    if empty:
        return None

    def same(one: Any, other: Any) -> bool:
        return one.casefold() == other.casefold() if isinstance(one, str) and isinstance(other, str) else one == other

    if isinstance(value, tuple):  # a field with several values: any of them
        return any(same(v, w) for v in value for w in (wanted if operator == "in" else [wanted]))
    match operator:
        case "is":
            return same(value, wanted)
        case "in":
            return any(same(value, w) for w in wanted)
        case "contains":
            return str(wanted).casefold() in str(value).casefold()
        case "above":
            return bool(value > wanted)
        case "at_least":
            return bool(value >= wanted)
        case "below":
            return bool(value < wanted)
        case "at_most":
            return bool(value <= wanted)
    raise AssertionError(operator)


# --- Rules and stages ----------------------------------------------------------------------------------------------


class Reference:
    """A journey, given as its document, on one history."""

    def __init__(self, history: History, journey: Mapping[str, Any]):
        self.history = history
        self.weights = journey.get("seniority_weights") or {}
        self.stages = sorted(journey["stages"], key=lambda stage: stage["precedence"])
        self._criteria: dict[str, Criterion] = {}
        # Rules are numbered stage by stage, rules to enter before rules to stay.
        self._numbers: dict[int, int] = {}
        for stage in self.stages:
            for rule in (*stage.get("enter", ()), *stage.get("stay", ())):
                self._numbers[id(rule)] = len(self._numbers)
                for term in (*rule.get("scope", ()), *rule["criteria"]):
                    self.criterion(term)

    def criterion(self, term: Mapping[str, Any]) -> Criterion:
        key = repr((term["kind"], term.get("params", {})))
        if key not in self._criteria:
            self._criteria[key] = Criterion(self.history, term["kind"], term.get("params", {}), self.weights)
        return self._criteria[key]

    def candidates(self) -> set[int]:
        """Every instant at which a criterion may change."""
        return {self.history.start}.union(*(c.candidates() for c in self._criteria.values()))

    def term_at(self, term: Mapping[str, Any], instant: int) -> Answer:
        answer = self.criterion(term).at(instant)
        return answer if answer is None or not term.get("negate", False) else not answer

    def rule_at(self, rule: Mapping[str, Any], instant: int) -> Answer:
        """At least k of n, whatever the scope."""
        answers = [self.term_at(term, instant) for term in rule["criteria"]]
        needed = len(answers) if rule.get("at_least") is None else rule["at_least"]
        if answers.count(True) >= needed:
            return True
        return False if answers.count(True) + answers.count(None) < needed else None

    def in_scope(self, rule: Mapping[str, Any], instant: int) -> bool:
        return all(self.term_at(term, instant) is True for term in rule.get("scope", ()))

    def deciding_rule(self, rules: Iterable[Mapping[str, Any]], instant: int) -> Mapping[str, Any] | None:
        """Of the rules the first in scope, if it holds."""
        for rule in rules:
            if self.in_scope(rule, instant):
                return rule if self.rule_at(rule, instant) is True else None
        return None

    def walk(self, instants: Iterable[int]) -> list[tuple[int, int, int]]:
        """(instant, stage number, rule number) at each of the instants, in order, and wherever the stage may change.

        The rule is the one that began the stay, -1 for the stage without rules.
        """
        waiting = sorted({*instants, *self.candidates()})
        waiting = [t for t in waiting if t >= self.history.start]
        rows: list[tuple[int, int, int]] = []
        keeps: dict[int, Mapping[str, Any] | None] = {}  # by stage with rules to stay: the rule that last let it in
        stage = rule = None
        entered = self.history.start
        while waiting:
            t = heapq.heappop(waiting)
            if rows and rows[-1][0] == t:
                continue
            wanted, wanted_rule = 0, None
            for number, candidate in enumerate(self.stages):
                holds = self.deciding_rule(candidate.get("enter", ()), t)
                if candidate.get("stay"):
                    if holds is None and keeps.get(number) is not None and self.deciding_rule(candidate["stay"], t):
                        holds = keeps[number]
                    keeps[number] = holds
                if holds is not None:
                    wanted, wanted_rule = number, holds
            if stage is None:
                stage, rule, entered = wanted, wanted_rule, t
            elif wanted != stage:
                stays_until = entered + self.stages[stage].get("min_stay_days", 0) * DAY
                if wanted < stage and t < stays_until:
                    heapq.heappush(waiting, stays_until)
                else:
                    stage, rule, entered = wanted, wanted_rule, t
            rows.append((t, stage, -1 if rule is None else self._numbers[id(rule)]))
        return rows


def stage_at(history: History, journey: Mapping[str, Any], instant: int) -> str:
    """The key of the stage at an instant."""
    reference = Reference(history, journey)
    rows = [row for row in reference.walk([instant]) if row[0] <= instant]
    return str(reference.stages[rows[-1][1]]["key"])
