"""How far criteria that read activities can be trusted: today's rank of a person may stand in for a past one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ACTIVITIES, ActivityTable, ActivityWalk, Restriction
from scoring.engine.instants import guessed_at
from segmentation.engine.facts import Facts
from segmentation.engine.params import DAY
from segmentation.engine.steps import Int32s, Int64s


class ReadsActivities(ActivityWalk):
    """A criterion over activities in a window, which `restriction` may limit to some people."""

    is_gradual = True

    def restriction(self) -> Restriction:
        raise NotImplementedError

    def reads_people(self, table: ActivityTable) -> bool:
        """Whether rank, department or role of people decide which activities count, or how much."""
        asked = self.restriction()
        return bool(asked.min_seniority or asked.departments or asked.buying_roles or self.weighs(table))

    def weighs(self, table: ActivityTable) -> bool:
        """Whether engagement counts by the rank of people."""
        return any(percent != 100 for percent in table.classes.percent.values())

    def assumed(self, facts: Facts, entities: Int32s, instants: Int64s) -> NDArray[np.bool_]:
        """An activity in the window whose person was recorded only later, whether it was let through or kept out."""
        table: ActivityTable = facts.table(ACTIVITIES)
        if table.guessed is None or not self.reads_people(table):
            return np.zeros(len(entities), dtype=np.bool_)
        anybody = replace(self.restriction(), min_seniority=None, departments=(), buying_roles=())
        found: NDArray[np.bool_] = guessed_at(
            table.rows.begin,
            table.rows.end,
            table.time,
            table.number,
            table.guessed,
            table.classes.mask(anybody),
            (self.values.get("window_days") or 0) * DAY,
            entities,
            instants,
        )
        return found
