"""Reading the stored stays of a history into arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from journey.engine.metrics.table import Funnel, StayTable, make_table
from journey.models import Stage
from segmentation.engine.steps import FAR_FUTURE
from segmentation.facts.accounts import OPEN_END
from segmentation.facts.arrays import Positions, in_order
from segmentation.facts.copying import read_rows

_STAYS = """
SELECT entity_id, coalesce(account_id, -1), stage_id, start_at, coalesce(end_at, '9999-01-01+00'), grade, is_first
FROM journey_stageinterval WHERE history_id = %s
"""
_COLUMNS = {
    "entity": "i8",
    "account": "i8",
    "stage": "i8",
    "start": "time",
    "end": "time",
    "grade": "i2",
    "first": "b1",
}


def funnel_order(stages: Sequence[Stage]) -> list[Stage]:
    """Stages as figures show them: the funnel by position, then parking stages by precedence."""
    return sorted(stages, key=lambda s: (s.position is None, s.position or 0, s.precedence))


def funnel_of(stages: Sequence[Stage]) -> Funnel:
    """Stages in the order of figures, as the engine of the metrics wants them."""
    return Funnel(tuple(stage.key for stage in stages), sum(stage.position is not None for stage in stages))


def read_stays(connection: Any, history_id: int, stages: Sequence[Stage]) -> StayTable:
    """All stays of a history; `stages` in the order of figures."""
    rows = read_rows(connection, _STAYS, _COLUMNS, [history_id])
    rows = rows[in_order(rows["entity"], rows["start"])]
    number = Positions(np.array([stage.pk for stage in stages], dtype=np.int64)).of(rows["stage"])
    end = np.where(rows["end"] > OPEN_END, FAR_FUTURE, rows["end"])
    return make_table(
        rows["entity"], rows["account"], number.astype(np.int16), rows["start"], end, rows["grade"], rows["first"]
    )
