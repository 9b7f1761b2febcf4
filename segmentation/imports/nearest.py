"""The names nearest to one that nobody has."""

from collections import defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher

import numpy as np

MOST = 3
LOOKED_AT = 30  # names compared letter by letter: those that share the most triples of letters
LIKE_ENOUGH = 0.5


class NearestNames:
    """Names by their triples of letters, so that a hundred thousand of them are searched in a moment."""

    def __init__(self, names: Iterable[tuple[int, str]]):
        self.rows = list(names)
        found: dict[str, list[int]] = defaultdict(list)
        for place, (_key, name) in enumerate(self.rows):
            for triple in _triples(name):
                found[triple].append(place)
        self.places = {triple: np.array(places, dtype=np.int32) for triple, places in found.items()}

    def of(self, name: str) -> list[str]:
        """Return up to three names like this one, the nearest first, each with its primary key."""
        lists = [self.places[triple] for triple in _triples(name) if triple in self.places]
        if not lists:
            return []
        places, shared = np.unique(np.concatenate(lists), return_counts=True)
        best = places[np.argsort(-shared, kind="stable")[:LOOKED_AT]]
        low = name.casefold()
        likeness = {
            place: SequenceMatcher(None, low, self.rows[place][1].casefold()).ratio() for place in best.tolist()
        }
        nearest = sorted(
            (place for place in likeness if likeness[place] >= LIKE_ENOUGH), key=lambda one: -likeness[one]
        )
        return [f"{self.rows[place][1]} (#{self.rows[place][0]})" for place in nearest[:MOST]]


def _triples(name: str) -> set[str]:
    text = f"  {name.casefold()} "
    return {text[i : i + 3] for i in range(len(text) - 2)}
