"""Intent signals of a batch of entities in arrays, and the restrictions criteria put on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.engine.keywords import plain
from scoring.engine.restrictions import known
from segmentation.engine.facts import Rows
from segmentation.engine.params import Choice, Number, Param, Several
from segmentation.engine.steps import Int32s, Int64s
from segmentation.engine.text import _, gettext_noop

INTENT = "intent"
OWN, OTHER = "own", "other"
ORIGINS = {
    OWN: gettext_noop("your own activities"),
    OTHER: gettext_noop("other sources"),
}


@dataclass(frozen=True)
class SignalClass:
    """What a signal is about. keyword: in its plain form, empty where none is known. own: made of an activity."""

    topic: str
    kind: str
    keyword: str = ""
    own: bool = False


@dataclass(frozen=True)
class IntentTable:
    """Signals ordered by entity, then time.

    rows: which belong to which entity. time: int64, microseconds UTC. amount: int64, how many signals a row stands for.
    strength: int32, 0 to 100 or -1 where not known. number: int32 into `classes`.
    """

    rows: Rows
    time: Int64s
    amount: Int64s
    strength: Int32s
    number: Int32s
    classes: tuple[SignalClass, ...]

    def counted(self, values: Mapping[str, Any], rows: slice = slice(None)) -> Int64s:
        """int64[rows]: how many signals each row counts under the limits of a criterion; 0 where they keep it out."""
        words = {plain(word) for word in values["keywords"]}
        keep: NDArray[np.bool_] = np.array(
            [
                (not values["topics"] or c.topic in values["topics"])
                and (not values["topic_kinds"] or c.kind in values["topic_kinds"])
                and (not words or c.keyword in words)
                and (not values["origin"] or c.own == (values["origin"] == OWN))
                for c in self.classes
            ]
            + [False],
            dtype=np.bool_,
        )
        let_through = keep[self.number[rows]]
        if values["min_strength"] is not None:
            let_through = let_through & (self.strength[rows] >= values["min_strength"])
        return np.where(let_through, self.amount[rows], 0)


LIMITS: tuple[Param, ...] = (
    Several(
        name="topics",
        label=gettext_noop("topics"),
        choices=lambda: known("topics"),
        help=gettext_noop("Empty: all topics, added up."),
    ),
    Several(name="topic_kinds", label=gettext_noop("only topics that are"), choices=lambda: known("topic_kinds")),
    Several(
        name="keywords",
        label=gettext_noop("only the keywords"),
        choices=lambda: known("keywords"),
        help=gettext_noop("Of an activity the longest keyword that it holds counts."),
    ),
    Choice(
        name="origin",
        label=gettext_noop("only from"),
        choices=ORIGINS,
        help=gettext_noop("Own activities give signals where their texts hold a keyword."),
    ),
    Number(
        name="min_strength",
        label=gettext_noop("of a strength of at least"),
        minimum=0,
        maximum=100,
        clearable=True,
        help=gettext_noop("From 0 to 100, as the source says. Signals without strength do not count then."),
    ),
)


def topics_read(values: Mapping[str, Any]) -> list[str]:
    """Names of the topics a criterion names, as other rules would call them."""
    return [topic_name(key) for key in values["topics"]]


def topic_name(key: str) -> str:
    """What a topic is called among the rules that read each other."""
    return f"topic:{key}"


def limit_words(values: Mapping[str, Any]) -> str:
    """The limits of a criterion in words, beginning with a comma; empty when there are none."""
    words = []
    for name, sentence in (
        ("topics", _("about %(list)s")),
        ("topic_kinds", _("about topics that are %(list)s")),
        ("keywords", _("with the keyword %(list)s")),
    ):
        if values[name]:
            labels = known(name)
            words.append(sentence % {"list": ", ".join(str(labels.get(key, key)) for key in values[name])})
    if values["origin"]:
        words.append(_("only from %(origin)s") % {"origin": _(ORIGINS[values["origin"]])})
    if values["min_strength"] is not None:
        words.append(_("of a strength of at least %(strength)s") % {"strength": values["min_strength"]})
    return "".join(f", {word}" for word in words)
