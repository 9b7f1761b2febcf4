"""What became of the suggestions of plays, in figures."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from journey.engine.metrics.rates import Interval, wilson
from segmentation.models import Play, PlaySuggestion
from segmentation.selectors.access import visible_to

State, Result = PlaySuggestion.State, PlaySuggestion.Result


@dataclass(frozen=True)
class PlayFigures:
    """Suggestions of a play by what became of them.

    suggested: all of them. open: nobody has answered yet. taken: accepted or done. done: of these, finished. reached,
    not_reached: finished with that result; the others are not known yet.
    acceptance: taken of those that are not open any more (lapsed ones nobody answered count as not taken).
    outcome: goal reached of those with a known result. Both with Wilson's interval of 95 %; None without any.
    """

    suggested: int = 0
    open: int = 0
    accepted: int = 0
    done: int = 0
    dismissed: int = 0
    lapsed: int = 0
    reached: int = 0
    not_reached: int = 0

    @property
    def taken(self) -> int:
        return self.accepted + self.done

    @property
    def acceptance(self) -> Interval | None:
        return wilson(self.taken, self.suggested - self.open)

    @property
    def outcome(self) -> Interval | None:
        return wilson(self.reached, self.reached + self.not_reached)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; rates from 0 to 1 with their limits."""
        return {
            "suggested": self.suggested,
            "open": self.open,
            "accepted": self.accepted,
            "done": self.done,
            "dismissed": self.dismissed,
            "lapsed": self.lapsed,
            "reached": self.reached,
            "not_reached": self.not_reached,
            "acceptance_rate": _rate(self.acceptance),
            "outcome_rate": _rate(self.outcome),
        }


def _rate(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"rate": interval.rate, "low": interval.low, "high": interval.high}


def play_figures(plays: Collection[Play], user: Any = None, since: dt.datetime | None = None) -> dict[int, PlayFigures]:
    """The figures of plays by primary key, of the suggestions a user may see. since: of those made since then."""
    rows = visible_to(PlaySuggestion.objects.filter(play__in=list(plays)), user)
    if since is not None:
        rows = rows.filter(made_at__gte=since)
    counts: dict[int, dict[str, int]] = {play.pk: {} for play in plays}
    for play, state, result, number in rows.order_by().values_list("play", "state", "result").annotate(n=Count("pk")):
        mine = counts[play]
        for name in ("suggested", state, *([result] if result in (Result.REACHED, Result.NOT_REACHED) else [])):
            mine[str(name)] = mine.get(str(name), 0) + number
    return {play: PlayFigures(**mine) for play, mine in counts.items()}
