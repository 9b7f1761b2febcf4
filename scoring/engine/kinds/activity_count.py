"""How often something happened in a rolling window; meetings are a special case."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ACTIVITIES, ActivityTable, Restriction
from scoring.engine.instants import sums_at
from scoring.engine.kernels import window_sum
from scoring.engine.kinds.engaged_minutes import rows_in_window
from scoring.engine.people import ReadsActivities
from scoring.engine.restrictions import RESTRICTIONS, known, restriction_of, restriction_words, window_words
from segmentation.engine.criteria import Measure, register
from segmentation.engine.facts import Facts
from segmentation.engine.params import DAY, Number, Param, Several, window_days
from segmentation.engine.steps import Int64s, Steps
from segmentation.engine.text import _, gettext_noop, ngettext

OUTCOMES = Several(
    name="outcomes",
    label=gettext_noop("with the outcome"),
    choices=lambda: known("outcomes"),
    help=gettext_noop("Empty: any outcome, also none."),
)
TIMES = Number(name="times", label=gettext_noop("at least"), minimum=1, maximum=1_000_000, default=1)


@register
class ActivityCount(ReadsActivities):
    """At least so many activities within the window."""

    kind = "activity_count"
    label = gettext_noop("Number of activities")
    help = gettext_noop("Counts activities in the window that the limits below let through, however long they took.")
    params: ClassVar[tuple[Param, ...]] = (TIMES, window_days(), OUTCOMES, *RESTRICTIONS)

    def restriction(self) -> Restriction:
        return restriction_of(self.values, outcomes=self.values["outcomes"])

    def weighs(self, table: ActivityTable) -> bool:
        return False  # they are counted, however long they took

    def steps(self, facts: Facts) -> Steps:
        table: ActivityTable = facts.table(ACTIVITIES)
        offsets, time, value = window_sum(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.seconds,
            table.number,
            table.classes.mask(self.restriction()).astype(np.int32),
            True,
            (self.values["window_days"] or 0) * DAY,
            self.values["times"] - 1,
        )
        return Steps(np.zeros(len(facts), dtype=np.int8), offsets, time, value)

    def gaps(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        table: ActivityTable = facts.table(ACTIVITIES)
        mask = table.classes.mask(self.restriction()).astype(np.int32)
        window = (self.values["window_days"] or 0) * DAY
        held = sums_at(*table.walked, mask, True, window, entities, instant)
        found: NDArray[np.float64] = (self.values["times"] - held) / self.values["times"]
        return found

    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        table: ActivityTable = facts.table(ACTIVITIES)
        rows = rows_in_window(table, entity, instant, self.values["window_days"])
        counted = np.flatnonzero(table.classes.mask(self.restriction())[table.number[rows]])
        held, needed = len(counted), self.values["times"]
        found = self.times(held) + window_words(self.values["window_days"])
        evidence = tuple(int(k) for k in rows.start + counted)
        if held >= needed:
            return Measure(found=found, value=held, needed=needed, rows=evidence)
        missing = _("%(times)s more") % {"times": self.times(needed - held)}
        return Measure(found, missing, held, needed, gap=(needed - held) / needed, rows=evidence)

    def times(self, number: int) -> str:
        return ngettext("%(n)s activity", "%(n)s activities", number) % {"n": number}

    def outcome_words(self) -> str:
        if not self.values["outcomes"]:
            return ""
        labels = known("outcomes")
        return ", " + _("outcome %(list)s") % {
            "list": ", ".join(str(labels.get(key, key)) for key in self.values["outcomes"])
        }

    def sentence(self) -> str:
        return _("at least %(times)s%(window)s%(limits)s") % {
            "times": self.times(self.values["times"]),
            "window": window_words(self.values["window_days"]),
            "limits": self.outcome_words() + restriction_words(self.values),
        }


@register
class MeetingHeld(ActivityCount):
    """Meetings as sales counts them: activities of the meeting types with one of the given outcomes."""

    kind = "meeting_held"
    label = gettext_noop("Meeting held")
    help = gettext_noop(
        "Counts the activity types marked as meetings (or those named here) whose outcome is one of the given ones."
    )
    params: ClassVar[tuple[Param, ...]] = (
        TIMES,
        window_days(),
        Several(
            name="outcomes",
            label=gettext_noop("with the outcome"),
            choices=lambda: known("outcomes"),
            default=("held",),
            required=True,
        ),
        *(param for param in RESTRICTIONS),
    )

    def restriction(self) -> Restriction:
        more: dict[str, Any] = {} if self.values["types"] else {"meetings_only": True}
        return restriction_of(self.values, outcomes=self.values["outcomes"], **more)

    def times(self, number: int) -> str:
        return ngettext("%(n)s meeting", "%(n)s meetings", number) % {"n": number}
