"""Writing stays: by COPY, in whole histories or for the entities that changed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from journey.engine.grading import grades
from segmentation.engine.facts import Facts
from segmentation.engine.resolve import Stays
from segmentation.engine.rules import JourneyRules
from segmentation.engine.steps import FAR_FUTURE
from segmentation.facts.copying import POSTGRES_EPOCH
from segmentation.facts.writing import binary_rows

COLUMNS = "history_id, entity_id, account_id, stage_id, start_at, end_at, rule_id, grade, is_first"
_WIDTHS = {
    "history_id": ">i8",
    "entity_id": ">i8",
    "account_id": ">i8",
    "stage_id": ">i8",
    "start_at": ">i8",
    "end_at": ">i8",
    "rule_id": ">i8",
    "grade": ">i2",
    "is_first": "u1",
}
_NULLABLE = ("account_id", "end_at", "rule_id")


def copy_rows(history_id: int, journey: JourneyRules, facts: Facts, stays: Stays) -> Iterator[bytes]:
    """Stays as rows for `COPY (COLUMNS) FROM STDIN (FORMAT binary)`, without header and trailer."""
    rules = np.array([rule.ref or 0 for rule in journey.rules()] or [0], dtype=np.int64)
    stages = np.array([stage.ref or 0 for stage in journey.stages], dtype=np.int64)
    values: dict[str, Any] = {
        "history_id": np.full(len(stays), history_id, dtype=np.int64),
        "entity_id": facts.ids[stays.entity],
        "account_id": facts.accounts[stays.entity],
        "stage_id": stages[stays.stage],
        "start_at": stays.start - POSTGRES_EPOCH,
        "end_at": stays.end - POSTGRES_EPOCH,
        "rule_id": rules[stays.rule],
        "grade": grades(journey, facts, stays),
        "is_first": np.diff(stays.entity, prepend=-1) != 0,
    }
    null = {"account_id": values["account_id"] < 0, "end_at": stays.end == FAR_FUTURE, "rule_id": stays.rule < 0}
    yield from binary_rows(_WIDTHS, values, _NULLABLE, null)
