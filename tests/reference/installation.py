"""Tells the engine which types, fields, flags, CRM stages and journeys the test histories know."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import journey.engine.kinds
import journey.engine.lists
import scoring.engine.kinds
import scoring.engine.restrictions
import segmentation.engine.kinds
import segmentation.engine.kinds.field
import segmentation.engine.kinds.flag
import segmentation.engine.kinds.icp_fit
import segmentation.engine.kinds.segment
import segmentation.engine.kinds.target_list
from tests.reference.histories import (
    CRM_STAGES,
    DEPARTMENTS,
    FIELD_TYPES,
    FLAG_KEYS,
    KEYWORDS,
    LIST_KEYS,
    OTHER_STAGES,
    OUTCOMES,
    PROFILE_KEYS,
    ROLES,
    SEGMENT_KEYS,
    SENIORITIES,
    TOPICS,
    TYPES,
)


def _names(keys):  # type: ignore[no-untyped-def]
    known = {key: key for key in keys}
    return lambda: known


@contextmanager
def installed() -> Iterator[None]:
    """The lists of the histories instead of those of the database; the others come back afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            scoring.engine.restrictions,
            "_lists",
            {
                "sides": _names(("marketing", "sales", "product")),
                "types": _names(TYPES),
                "categories": _names(t.category for t in TYPES.values()),
                "seniorities": _names(SENIORITIES),
                "departments": _names(DEPARTMENTS),
                "buying_roles": _names(ROLES),
                "outcomes": _names(OUTCOMES),
                "topics": _names(TOPICS),
                "topic_kinds": _names(TOPICS.values()),
                "keywords": _names(k for k in KEYWORDS if k),
            },
        )
        patch.setattr(
            journey.engine.lists,
            "_lists",
            {
                "crm_stages": _names(CRM_STAGES),
                "journeys": _names(("other",)),
                "journey_stages": _names(OTHER_STAGES),
            },
        )
        patch.setattr(segmentation.engine.kinds.field, "_field_choices", _names(FIELD_TYPES))
        patch.setattr(segmentation.engine.kinds.field, "_field_types", lambda: FIELD_TYPES)
        patch.setattr(segmentation.engine.kinds.flag, "_flag_choices", _names(FLAG_KEYS))
        patch.setattr(segmentation.engine.kinds.target_list, "_list_choices", _names(LIST_KEYS))
        patch.setattr(segmentation.engine.kinds.segment, "_segment_choices", _names(SEGMENT_KEYS))
        patch.setattr(segmentation.engine.kinds.icp_fit, "_profile_choices", _names(PROFILE_KEYS))
        yield
