"""Plain histories: what happened to one account, fact by fact, and the same facts in the engine's arrays.

A history is a handful of small records anybody can read. `facts_of` is the only place where they become arrays; it
may shuffle the order in which facts arrive and the numbers things are given, neither of which may matter.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from journey.engine.deals import CUSTOMER_PERIODS, DEALS, STATES, DealTable
from journey.engine.kinds.stage import STAGES
from scoring.engine.activities import ACTIVITIES, ActivityTable, Classes, TypeFacts
from scoring.engine.intent import INTENT, IntentTable, SignalClass
from segmentation.engine.facts import NEVER, DatedField, Facts, Periods, Rows
from segmentation.engine.kinds.field import FIELDS
from segmentation.engine.kinds.flag import FLAGS
from segmentation.engine.kinds.icp_fit import ASSESSMENTS
from segmentation.engine.kinds.target_list import STATES as LIST_STATES
from segmentation.engine.kinds.target_list import TARGET_LISTS
from segmentation.engine.memberships import SEGMENTS, MembershipTable

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
BASE = 1_704_067_200 * SECOND  # 2024-01-01 00:00 UTC


def day(number: float, micro: int = 0) -> int:
    """Midnight of a day counted from 2024-01-01, plus microseconds."""
    return BASE + round(number * DAY) + micro


@dataclass(frozen=True)
class ActivityType:
    side: str
    category: str
    is_hot: bool = False
    is_meeting: bool = False


# The installation the histories live in.
TYPES = {
    "page": ActivityType("marketing", "web"),
    "webinar": ActivityType("marketing", "event"),
    "demo": ActivityType("marketing", "request", is_hot=True),
    "mail": ActivityType("sales", "mail"),
    "call": ActivityType("sales", "call", is_hot=True),
    "meeting": ActivityType("sales", "meeting", is_meeting=True),
    "login": ActivityType("product", "usage"),
}
OUTCOMES = ("held", "no_show")
SENIORITIES = ("other", "manager", "director", "vp", "c_level")  # lowest first
DEPARTMENTS = ("finance", "it")
ROLES = ("decision_maker", "influencer", "user")
# What each CRM stage means; an empty text: nobody has said yet.
CRM_STAGES = {
    "Prospecting": "identified",
    "Qualifying": "active",
    "Proposal": "active",
    "Negotiation": "intent",
    "Closed won": "won",
    "Closed lost": "lost",
    "Mystery": "",
    "Riddle": "",
}
FIELD_TYPES = {"tier": "number", "region": "text", "reference": "yes_no", "products": "list"}
FLAG_KEYS = ("disqualified", "watched")
LIST_KEYS = ("named", "newcomers")
MEMBERSHIPS = tuple((key, state) for key in LIST_KEYS for state in LIST_STATES)
SEGMENT_KEYS = ("big", "keen")
# Members, and those of whom it is not known, in the order the engine numbers them.
SEGMENT_STATES = tuple((key, sure) for key in SEGMENT_KEYS for sure in (True, False))
PROFILE_KEYS = ("default", "second")
OTHER_STAGES = ("other/aware", "other/mqa")
# Topics of intent with their kinds, and keywords, which any of them may have.
TOPICS = {"erp": "category", "rival": "competitor"}
KEYWORDS = ("", "cloud erp", "price")


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Somebody (or nobody known) did something for so many seconds."""

    time: int
    seconds: int = 60
    contact: int | None = None
    type: str = "page"
    outcome: str = ""
    seniority: str = ""
    department: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class DealChange:
    """A deal moved to a CRM stage; without stage only its amount changed. `seq` orders changes of one instant."""

    time: int
    deal: int = 1
    stage: str | None = None
    seq: int = 0


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The account looked into a topic, so many times; strength None is not known. own: made of an activity."""

    time: int
    topic: str = "erp"
    keyword: str = ""
    amount: int = 1
    strength: int | None = None
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class FieldHistory:
    """A field's first known value and (time, value) of each change; None is an empty field."""

    initial: Any = None
    changes: tuple[tuple[int, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Period:
    """Something in force from `start` until `end` (None: still)."""

    key: Any
    start: int
    end: int | None = None


@dataclass(frozen=True, kw_only=True)
class History:
    """All that is known of one account. `start` is when its history begins."""

    start: int = BASE
    activities: tuple[Activity, ...] = ()
    deals: tuple[DealChange, ...] = ()
    fields: dict[str, FieldHistory] = field(default_factory=dict)
    flags: tuple[Period, ...] = ()
    lists: tuple[Period, ...] = ()  # keys are pairs of list and state
    customer: tuple[Period, ...] = ()
    stages: tuple[Period, ...] = ()
    segments: tuple[Period, ...] = ()  # keys are pairs of segment and whether membership is known
    fits: dict[str, FieldHistory] = field(default_factory=dict)  # by profile, pairs of score and grade
    signals: tuple[Signal, ...] = ()


# --- Into arrays ---------------------------------------------------------------------------------------------------


def facts_of(histories: Sequence[History], rng: random.Random | None = None) -> Facts:
    """The facts of several histories as the engine reads them.

    With `rng`, facts arrive in another order and types, contacts, deals and values are numbered differently.
    """

    def arrange(items: Iterable[Any]) -> list[Any]:
        listed = list(items)
        if rng:
            rng.shuffle(listed)
        return listed

    n = len(histories)
    return Facts(
        ids=np.arange(1, n + 1, dtype=np.int64),
        accounts=np.arange(1, n + 1, dtype=np.int64),
        start=np.array([h.start for h in histories], dtype=np.int64),
        start_assumed=np.zeros(n, dtype=np.bool_),
        tables={
            ACTIVITIES: _activity_table(histories, arrange),
            DEALS: _deal_table(histories, arrange),
            INTENT: _intent_table(histories, arrange),
            FIELDS: {name: _dated_field([h.fields.get(name) for h in histories], arrange) for name in FIELD_TYPES},
            ASSESSMENTS: {key: _dated_field([h.fits.get(key) for h in histories], arrange) for key in PROFILE_KEYS},
            SEGMENTS: MembershipTable(_periods([h.segments for h in histories], SEGMENT_STATES, list)[0], SEGMENT_KEYS),
            FLAGS: _periods([h.flags for h in histories], FLAG_KEYS, arrange),
            TARGET_LISTS: _periods([h.lists for h in histories], MEMBERSHIPS, arrange),
            CUSTOMER_PERIODS: _periods([h.customer for h in histories], ("customer",), arrange)[0],
            STAGES: _periods([h.stages for h in histories], OTHER_STAGES, arrange),
        },
    )


Arrange = Callable[[Iterable[Any]], list[Any]]


def _activity_table(histories: Sequence[History], arrange: Arrange) -> ActivityTable:
    types, outcomes, departments, roles = (arrange(x) for x in (TYPES, OUTCOMES, DEPARTMENTS, ROLES))
    classes = Classes(
        types=tuple(
            TypeFacts(key, key, t.side, t.category, t.is_hot, t.is_meeting) for key in types if (t := TYPES[key])
        ),
        outcomes=tuple(outcomes),
        seniorities=SENIORITIES,
        departments=tuple(departments),
        roles=tuple(roles),
    )
    contacts = arrange({a.contact for h in histories for a in h.activities if a.contact is not None})
    columns: dict[str, list[int]] = {"time": [], "seconds": [], "contact": [], "number": []}
    begin, end = [], []
    # Histories with the very same activities (the deals of one account) share their rows.
    shared: dict[int, tuple[int, int]] = {}
    for history in histories:
        if id(history.activities) not in shared:
            first = len(columns["time"])
            for a in sorted(arrange(history.activities), key=lambda a: a.time):
                columns["time"].append(a.time)
                columns["seconds"].append(a.seconds)
                columns["contact"].append(-1 if a.contact is None else contacts.index(a.contact))
                columns["number"].append(
                    int(
                        np.ravel_multi_index(
                            (
                                types.index(a.type),
                                ["", *outcomes].index(a.outcome),
                                ["", *SENIORITIES].index(a.seniority),
                                ["", *departments].index(a.department),
                                ["", *roles].index(a.role),
                            ),
                            classes.shape,
                        )
                    )
                )
            shared[id(history.activities)] = (first, len(columns["time"]))
        begin.append(shared[id(history.activities)][0])
        end.append(shared[id(history.activities)][1])
    return ActivityTable(
        rows=_rows(begin, end),
        time=np.array(columns["time"], dtype=np.int64),
        seconds=np.array(columns["seconds"], dtype=np.int32),
        contact=np.array(columns["contact"], dtype=np.int32),
        number=np.array(columns["number"], dtype=np.int32),
        contacts=len(contacts),
        classes=classes,
    )


def _deal_table(histories: Sequence[History], arrange: Arrange) -> DealTable:
    names = arrange(CRM_STAGES)
    time, deal, state, stage, ids, begin, end = [], [], [], [], [], [], []
    most = 0
    for history in histories:
        begin.append(len(time))
        numbers = arrange({c.deal for c in history.deals})
        most = max(most, len(numbers))
        for c in sorted(arrange(history.deals), key=lambda c: (c.time, c.seq)):
            time.append(c.time)
            deal.append(numbers.index(c.deal))
            state.append(-1 if c.stage is None else STATES[CRM_STAGES[c.stage]])
            stage.append(-1 if c.stage is None else names.index(c.stage))
            ids.append(c.deal)
        end.append(len(time))
    return DealTable(
        rows=_rows(begin, end),
        time=np.array(time, dtype=np.int64),
        deal=np.array(deal, dtype=np.int32),
        state=np.array(state, dtype=np.int8),
        stage=np.array(stage, dtype=np.int32),
        dated=np.ones(len(time), dtype=np.bool_),
        deal_ids=np.array(ids, dtype=np.int64),
        stage_names=tuple(names),
        most_deals=most,
    )


def _intent_table(histories: Sequence[History], arrange: Arrange) -> IntentTable:
    classes = arrange(
        SignalClass(topic, kind, keyword, own)
        for topic, kind in TOPICS.items()
        for keyword in KEYWORDS
        for own in (True, False)
    )
    columns: dict[str, list[int]] = {"time": [], "amount": [], "strength": [], "number": []}
    begin, end = [], []
    for history in histories:
        begin.append(len(columns["time"]))
        for s in sorted(arrange(history.signals), key=lambda s: s.time):
            columns["time"].append(s.time)
            columns["amount"].append(s.amount)
            columns["strength"].append(-1 if s.strength is None else s.strength)
            columns["number"].append(classes.index(SignalClass(s.topic, TOPICS[s.topic], s.keyword, s.own)))
        end.append(len(columns["time"]))
    return IntentTable(
        rows=_rows(begin, end),
        time=np.array(columns["time"], dtype=np.int64),
        amount=np.array(columns["amount"], dtype=np.int64),
        strength=np.array(columns["strength"], dtype=np.int32),
        number=np.array(columns["number"], dtype=np.int32),
        classes=tuple(classes),
    )


def _dated_field(given: Sequence[FieldHistory | None], arrange: Arrange) -> DatedField:
    values: list[Any] = []
    for known in given:
        if known is not None:
            seen = (known.initial, *(v for _t, v in known.changes))
            values += [v for v in dict.fromkeys(seen) if v is not None and v not in values]
    values = arrange(values)
    time, code, begin, end, initial = [], [], [], [], []
    for found in given:
        known = found or FieldHistory()
        initial.append(-1 if known.initial is None else values.index(known.initial))
        begin.append(len(time))
        for t, value in known.changes:  # their order is what happened, never shuffled
            time.append(t)
            code.append(-1 if value is None else values.index(value))
        end.append(len(time))
    return DatedField(
        values=tuple(values),
        initial=np.array(initial, dtype=np.int32),
        known_from=np.zeros(len(given), dtype=np.int64),
        rows=_rows(begin, end),
        time=np.array(time, dtype=np.int64),
        code=np.array(code, dtype=np.int32),
    )


def _periods(given: Sequence[Sequence[Period]], keys: Sequence[str], arrange: Arrange) -> tuple[Periods, list[str]]:
    numbers = arrange(keys)
    start, stop, kind, begin, end = [], [], [], [], []
    for periods in given:
        begin.append(len(start))
        for p in sorted(arrange(periods), key=lambda p: p.start):
            start.append(p.start)
            stop.append(NEVER if p.end is None else p.end)
            kind.append(numbers.index(p.key))
        end.append(len(start))
    table = Periods(
        rows=_rows(begin, end),
        start=np.array(start, dtype=np.int64),
        end=np.array(stop, dtype=np.int64),
        kind=np.array(kind, dtype=np.int32),
    )
    return table, numbers


def _rows(begin: Sequence[int], end: Sequence[int]) -> Rows:
    return Rows(np.array(begin, dtype=np.int64), np.array(end, dtype=np.int64))
