"""A score of engaged minutes that fades: each minute counts half after every half-life."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ACTIVITIES, ActivityTable, Restriction
from scoring.engine.instants import scores_at
from scoring.engine.kernels import decayed_score
from scoring.engine.kinds.engaged_minutes import exactly
from scoring.engine.people import ReadsActivities
from scoring.engine.restrictions import RESTRICTIONS, restriction_of, restriction_words
from segmentation.engine.criteria import Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.params import COMPARATORS, DAY_SECONDS, Number, Param, comparator
from segmentation.engine.steps import Int64s, Steps
from segmentation.engine.text import _, gettext_noop


@register
class EngagementScore(ReadsActivities):
    """Engaged minutes, each halved with every half-life since: score(t) = sum of minutes x 2^(-age / half-life).

    Ages count in whole seconds.
    """

    kind = "engagement_score"
    label = gettext_noop("Engagement score")
    help = gettext_noop("Engaged minutes that fade: after one half-life a minute counts half, after two a quarter.")
    params: ClassVar[tuple[Param, ...]] = (
        comparator(">="),
        Number(name="score", label=gettext_noop("score"), whole=False, minimum=0.01, maximum=1e7, required=True),
        Number(
            name="half_life_days",
            label=gettext_noop("half-life in days"),
            whole=False,
            minimum=0.01,
            maximum=3650,
            default=30.0,
        ),
        *RESTRICTIONS,
    )

    def _threshold(self) -> float:
        return float(exactly(self.values["score"], 60))  # sums are kept in seconds

    def steps(self, facts: Facts) -> Steps:
        table: ActivityTable = facts.table(ACTIVITIES)
        offsets, time, value = decayed_score(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.seconds,
            table.number,
            table.classes.weights(self.restriction()),
            self.values["half_life_days"] * DAY_SECONDS,
            self._threshold(),
            self.values["comparator"] == ">",
        )
        return Steps(np.zeros(len(facts), dtype=np.int8), offsets, time, value)

    def _totals(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        """float64[k]: the faded sums in seconds."""
        table: ActivityTable = facts.table(ACTIVITIES)
        weights = table.classes.weights(self.restriction())
        half_life = self.values["half_life_days"] * DAY_SECONDS
        found: NDArray[np.float64] = scores_at(*table.walked, weights, half_life, entities, instant)
        return found

    def _gap(self, total: Any) -> Any:
        # Exactly at a limit that must be exceeded there is still something missing.
        return np.maximum((self._threshold() - total) / self._threshold(), 1e-9)

    def restriction(self) -> Restriction:
        return restriction_of(self.values)

    def gaps(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._gap(self._totals(facts, entities, instant))
        return found

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: ActivityTable = facts.table(ACTIVITIES)
        low, high = int(table.rows.begin[entity]), int(table.rows.end[entity])
        last = low + int(np.searchsorted(table.time[low:high], instant, side="right"))
        seconds = table.effective_seconds(slice(low, last), table.classes.weights(self.restriction()))
        total = float(self._totals(facts, np.array([entity], dtype=np.int64), instant)[0])
        threshold = self._threshold()
        score, needed = total / 60, self.values["score"]
        found = _("engagement score %(score)s") % {"score": f"{score:.1f}"}
        evidence = tuple(int(k) for k in low + np.flatnonzero(seconds > 0))
        if total > threshold or (total == threshold and self.values["comparator"] == ">="):
            return Measure(found=found, value=score, needed=needed, rows=evidence)
        missing = _("%(points)s more points") % {"points": f"{max(needed - score, 0.1):.1f}"}
        return Measure(found, missing, score, needed, gap=float(self._gap(total)), rows=evidence)

    def sentence(self) -> str:
        return _("engagement score %(compare)s %(score)s (half-life %(days)s days)%(limits)s") % {
            "compare": _(COMPARATORS[self.values["comparator"]]),
            "score": f"{self.values['score']:g}",
            "days": f"{self.values['half_life_days']:g}",
            "limits": restriction_words(self.values),
        }
