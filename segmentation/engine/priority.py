"""Priority of segments: considerations with weights, each scored or unknown, and what each adds to the whole."""

from collections.abc import Mapping
from dataclasses import dataclass

LEAST_KNOWN = 0.5  # of the weight, for a place in the ranking


@dataclass(frozen=True)
class Priority:
    """points: 0 to 100, the weighted mean of what is known, None when nothing is. contributions: by consideration what
    it adds to the points, None where it is unknown; they sum to the points. coverage: the share of the weight that is
    known. low, high: the points if all that is unknown were 0, or 100."""

    points: float | None
    contributions: Mapping[str, float | None]
    coverage: float
    low: float
    high: float

    @property
    def is_ranked(self) -> bool:
        """Whether enough is known to compare it with others."""
        return self.points is not None and self.coverage >= LEAST_KNOWN


def priority(scores: Mapping[str, float | None], weights: Mapping[str, int]) -> Priority:
    """The priority of one segment.

    scores: 0 to 100 by consideration, None unknown. weights: at least one is above 0.
    """
    total = sum(weights.values())
    known = sum(weight for key, weight in weights.items() if scores.get(key) is not None)
    reached = {key: None if (score := scores.get(key)) is None else weight * score for key, weight in weights.items()}
    gained = sum(part for part in reached.values() if part is not None)
    return Priority(
        points=gained / known if known else None,
        contributions={key: None if part is None or not known else part / known for key, part in reached.items()},
        coverage=known / total,
        low=gained / total,
        high=(gained + 100 * (total - known)) / total,
    )


def ranks(found: Mapping[str, Priority]) -> dict[str, int | None]:
    """The place of each, from 1 for the most points; equal points share a place. None where too little is known."""
    points = sorted((one.points or 0.0 for one in found.values() if one.is_ranked), reverse=True)
    return {key: points.index(one.points or 0.0) + 1 if one.is_ranked else None for key, one in found.items()}
