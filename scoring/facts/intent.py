"""Intent signals: those that were reported, and those that follow from the texts of activities."""

import datetime as dt
from typing import Any

import numpy as np

from scoring.engine.intent import IntentTable, SignalClass
from scoring.engine.keywords import Matcher, plain, rough_patterns
from scoring.models import IntentTopic
from segmentation.engine.params import remembered
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows

_COLUMNS = {"account": "i8", "time": "time", "amount": "i4", "strength": "i4", "topic": "i8", "keyword": "i4"}


def _topics() -> list[tuple[str, str, list[str]]]:
    return list(IntentTopic.objects.values_list("key", "name", "keywords"))


def topic_names() -> dict[str, str]:
    """Every topic: name by key."""
    return {key: name for key, name, _keywords in remembered(_topics)}


def keyword_names() -> dict[str, str]:
    """Every keyword of a topic."""
    return {word: word for _key, _name, keywords in remembered(_topics) for word in keywords}


def read_intent(
    connection: Any, accounts: Int64s, some: bool, within: tuple[dt.datetime, dt.datetime] | None = None
) -> IntentTable:
    """The intent signals of accounts, which are in the given order.

    some: only these accounts are read from the database (for few); otherwise all are. within: after the first moment,
    until the second; None reads all there ever were.
    """
    topics = list(IntentTopic.objects.order_by("id"))
    where, ids = ("= ANY (%s)", [accounts.tolist()]) if some else ("IS NOT NULL", [])
    if within:
        where, ids = f"{where} AND occurred_at > %s AND occurred_at <= %s", [*ids, *within]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT keyword FROM scoring_intentsignal WHERE keyword <> '' AND account_id {where}", ids
        )
        said = {keyword: plain(keyword) for (keyword,) in cursor.fetchall()}
    words = [*dict.fromkeys([*(plain(word) for topic in topics for word in topic.keywords), *said.values()])]
    number_of = {word: place for place, word in enumerate(words, start=1)}
    reported = read_rows(
        connection,
        "SELECT s.account_id, s.occurred_at, s.number, coalesce(s.strength, -1)::int4, s.topic_id,"
        " coalesce(k.number, 0)::int4 FROM scoring_intentsignal s"
        f" LEFT JOIN unnest(%s::text[], %s::int4[]) AS k (word, number) ON k.word = s.keyword WHERE account_id {where}",
        _COLUMNS,
        [list(said), [number_of[word] for word in said.values()], *ids],
    )
    made = _made_of_activities(connection, topics, words, where, ids)
    rows = np.concatenate([reported, made]) if len(made) else reported
    own = np.arange(len(rows)) >= len(reported)
    topic = Positions(np.array([t.pk for t in topics], dtype=np.int64)).of(rows["topic"])
    order, owned = grouped(Positions(accounts).of(rows["account"]), len(accounts), rows["time"])
    # Of all combinations of topic, keyword and origin those that occur.
    code, number = np.unique((topic * (len(words) + 1) + rows["keyword"]) * 2 + own, return_inverse=True)
    return IntentTable(
        rows=owned,
        time=np.ascontiguousarray(rows["time"][order]),
        amount=rows["amount"][order].astype(np.int64),
        strength=np.ascontiguousarray(rows["strength"][order]).astype(np.int32),
        number=number.reshape(-1)[order].astype(np.int32),
        classes=tuple(_class(int(c), topics, ["", *words]) for c in code),
    )


def _class(code: int, topics: list[IntentTopic], words: list[str]) -> SignalClass:
    rest, own = divmod(code, 2)
    topic, word = divmod(rest, len(words))
    return SignalClass(topics[topic].key, topics[topic].kind, words[word], bool(own))


def _made_of_activities(
    connection: Any, topics: list[IntentTopic], words: list[str], where: str, ids: list[Any]
) -> np.ndarray[Any, Any]:
    """Signals of the activities that hold keywords, one for each topic.

    A rough pattern finds the few texts that may hold one, `Matcher` decides about each of them once, and a join brings
    back who and when.
    """
    matched = {topic.key: topic.keywords for topic in topics if topic.match_activities and topic.keywords}
    nothing = np.empty(0, dtype=[("account", "i8"), ("time", "i8"), ("amount", "i4"), ("strength", "i4"),
                                 ("topic", "i8"), ("keyword", "i4")])  # fmt: skip
    if not matched:
        return nothing
    rough = rough_patterns([word for kept in matched.values() for word in kept])
    pattern = "|".join("".join(c if c.isalnum() else f"\\{c}" for c in text) for text in rough)
    with connection.cursor() as cursor:
        # Texts repeat themselves: each is looked at once.
        cursor.execute(
            "WITH texts AS MATERIALIZED (SELECT DISTINCT campaign, content, url FROM scoring_activity"
            f" WHERE (campaign <> '' OR content <> '' OR url <> '') AND account_id {where})"
            " SELECT campaign, content, url FROM texts"
            " WHERE normalize(campaign || ' ' || content || ' ' || url, NFKC) ~* %s",
            [*ids, pattern],
        )
        texts = cursor.fetchall()
    matcher, by_key = Matcher(matched), {topic.key: topic.pk for topic in topics}
    found = [
        (*text, by_key[key], words.index(plain(word)) + 1)
        for text in texts
        for key, word in matcher.found(*text).items()
    ]
    if not found:
        return nothing
    return read_rows(
        connection,
        "SELECT a.account_id, a.occurred_at, 1, -1, m.topic, m.keyword"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::int8[], %s::int4[])"
        " AS m (campaign, content, url, topic, keyword)"
        " JOIN scoring_activity a ON a.campaign = m.campaign AND a.content = m.content AND a.url = m.url"
        f" WHERE a.account_id {where}",
        _COLUMNS,
        [*(list(column) for column in zip(*found, strict=True)), *ids],
    )


def first_signals(connection: Any, accounts: Int64s, some: bool) -> Int64s:
    """int64[len(accounts)], when the first reported signal of each account was; the far future without any."""
    where, ids = ("= ANY (%s)", [accounts.tolist()]) if some else ("IS NOT NULL", [])
    rows = read_rows(
        connection,
        f"SELECT account_id, min(occurred_at) FROM scoring_intentsignal WHERE account_id {where} GROUP BY 1",
        {"account": "i8", "time": "time"},
        ids,
    )
    first = np.full(len(accounts), np.iinfo(np.int64).max)
    place = Positions(accounts).of(rows["account"])
    first[place[place >= 0]] = rows["time"][place >= 0]
    return first
