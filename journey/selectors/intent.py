"""Which accounts surge now, about which topic and why; and what one account looks into."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from journey.selectors.explanations import instant_of
from scoring.engine.intent import INTENT, IntentTable
from scoring.engine.kinds.intent import IntentSurge
from scoring.facts.intent import read_intent
from scoring.models import IntentTopic
from segmentation.engine.facts import NEVER, Facts
from segmentation.engine.resolve import values_at
from segmentation.engine.steps import YES, Int64s, Steps
from segmentation.models import Account
from segmentation.selectors.access import visible_accounts
from segmentation.services.snapshots import one_snapshot


@dataclass(frozen=True)
class Interest:
    """What an account's signals about a topic come to at a moment.

    is_surge: whether they are a surge; since, until: from when until when, if nothing else happens. recent, earlier:
    signals of the recent window and of the baseline. expected: how many the baseline lets expect. chance: how likely
    that many are at a steady rate. words: all of it in a sentence. keywords: of the recent signals, the most
    frequent first. own: how many of the recent ones were made of activities. last_at: the last signal.
    """

    account_id: int
    topic: IntentTopic
    is_surge: bool
    recent: int
    earlier: int
    expected: float
    chance: float
    words: str
    keywords: tuple[str, ...]
    own: int
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    last_at: dt.datetime | None = None


def surge_of(topic: IntentTopic) -> IntentSurge:
    """The criterion pages show surges by: the defaults of the kind, for one topic."""
    return IntentSurge(topics=[topic.key])


def surges(
    at: dt.datetime, user: Any = None, topics: Iterable[IntentTopic] | None = None
) -> dict[IntentTopic, list[Interest]]:
    """The accounts in surge at a moment that a user may see, by topic, the least likely by chance first.

    Only signals of the windows before the moment are read, so the answer takes no longer as history grows.
    """
    asked = list(IntentTopic.objects.all() if topics is None else topics)
    if not asked:
        return {}
    accounts: QuerySet[Account] | None = visible_accounts(user)
    ids = (Account.objects.all() if accounts is None else accounts).order_by("pk").values_list("pk", flat=True)
    facts = _facts(np.array(list(ids), dtype=np.int64), at, some=accounts is not None)
    found = {}
    for topic in asked:
        criterion = surge_of(topic)
        steps, instant = criterion.steps(facts), instant_of(at)
        surging = np.flatnonzero(values_at(steps, instant) == YES)
        rows = [_interest(topic, criterion, steps, facts, int(e), instant) for e in surging]
        found[topic] = sorted(rows, key=lambda row: (row.chance, -row.recent, row.account_id))
    return found


def interests(account: Account, at: dt.datetime) -> list[Interest]:
    """What an account looks into: every topic with signals in the windows before a moment, surges first."""
    facts = _facts(np.array([account.pk], dtype=np.int64), at, some=True)
    found = []
    for topic in IntentTopic.objects.all():
        criterion = surge_of(topic)
        found.append(_interest(topic, criterion, criterion.steps(facts), facts, 0, instant_of(at)))
    return sorted(
        (row for row in found if row.recent or row.earlier), key=lambda row: (not row.is_surge, -row.recent, row.chance)
    )


def _facts(ids: Int64s, at: dt.datetime, *, some: bool) -> Facts:
    """The signals of accounts in twice the windows of a surge before a moment."""
    widths = IntentSurge().values
    begin = at - dt.timedelta(days=2 * (widths["recent_days"] + widths["baseline_days"]))
    with one_snapshot() as read:
        table = read_intent(read, ids, some, (begin, at))
    nothing = np.zeros(len(ids), dtype=np.int64)
    return Facts(ids, ids, nothing, nothing.astype(np.bool_), {INTENT: table})


def _interest(
    topic: IntentTopic, criterion: IntentSurge, steps: Steps, facts: Facts, entity: int, instant: int
) -> Interest:
    table: IntentTable = facts.table(INTENT)
    recent, earlier, rows = criterion.figures(facts, entity, instant)
    counts: dict[str, int] = {}
    own = 0
    for row in rows:
        signal = table.classes[table.number[row]]
        own += int(table.amount[row]) if signal.own else 0
        if signal.keyword:
            counts[signal.keyword] = counts.get(signal.keyword, 0) + int(table.amount[row])
    since, until = _stretch(steps, entity, instant)
    return Interest(
        account_id=int(facts.ids[entity]),
        topic=topic,
        is_surge=since is not None,
        recent=recent,
        earlier=earlier,
        expected=criterion.surge().expected(earlier),
        chance=criterion.surge().probability(recent, earlier) if recent else 1.0,
        words=criterion.figures_in_words(recent, earlier),
        keywords=tuple(sorted(counts, key=lambda word: (-counts[word], word))),
        own=own,
        since=_moment(since),
        until=_moment(until),
        last_at=_moment(int(table.time[rows[-1]])) if rows else None,
    )


def _stretch(steps: Steps, entity: int, instant: int) -> tuple[int | None, int | None]:
    """From when until when steps hold around an instant; nothing where they do not hold then."""
    _initial, times, values = steps.of(entity)
    k = int(np.searchsorted(times, instant, side="right"))
    if k == 0 or values[k - 1] != YES:
        return None, None
    return int(times[k - 1]), int(times[k]) if k < len(times) else None


def _moment(instant: int | None) -> dt.datetime | None:
    if instant is None or instant == NEVER:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant)
