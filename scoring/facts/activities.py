"""Reading activities into arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from scoring.engine.activities import ActivityTable, Classes, TypeFacts
from scoring.facts.kernels import arrange, classify, numbered
from scoring.models import ActivityType, Outcome
from segmentation.engine.facts import Rows
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.facts.copying import read_rows, stream_rows
from segmentation.models import BuyingRole, Department, Seniority

Owner = Literal["account", "contact"]

# Lowest first: “manager or above” is this place or a later one.
SENIORITIES = (Seniority.OTHER, Seniority.MANAGER, Seniority.DIRECTOR, Seniority.VP, Seniority.C_LEVEL)


# Each outcome there is, by one look into the index; DISTINCT would read the row of every meeting.
_OUTCOMES = """
WITH RECURSIVE found AS (
    (SELECT outcome FROM scoring_activity WHERE outcome <> '' ORDER BY outcome LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.outcome FROM scoring_activity a
        WHERE a.outcome <> '' AND a.outcome > found.outcome ORDER BY a.outcome LIMIT 1
    ) FROM found WHERE found.outcome IS NOT NULL
)
SELECT outcome FROM found WHERE outcome IS NOT NULL
"""


def outcomes() -> dict[str, str]:
    """Outcomes activities have or may have, with labels."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES)
        found = [row[0] for row in cursor.fetchall()]
    labels = {str(value): str(label) for value, label in Outcome.choices}
    return labels | {value: labels.get(value, value) for value in found}


@dataclass(frozen=True)
class Dimensions:
    """Everything needed to say what an activity is, besides its row: types, people, outcomes.

    classes: what class numbers mean. type_index, default_seconds: by primary key of the type, by its number.
    profile_of: int16 by primary key of the contact; known_of: int64, when it was first recorded. dated_*: profiles of
    people that changed.
    """

    classes: Classes
    type_index: NDArray[np.int32]
    default_seconds: NDArray[np.int32]
    profile_of: NDArray[np.int32]
    known_of: Int64s
    dated_of: NDArray[np.int32]
    dated_begin: Int64s
    dated_time: Int64s
    dated_profile: NDArray[np.int32]

    def fingerprint(self) -> dict[str, Any]:
        """What is baked into class numbers and seconds. Arrays made with another fingerprint cannot be used."""
        c = self.classes
        return {
            "types": [t.key for t in c.types],
            "default_seconds": self.default_seconds.tolist(),
            "outcomes": list(c.outcomes),
            "seniorities": list(c.seniorities),
            "departments": list(c.departments),
            "roles": list(c.roles),
        }


def read_dimensions(connection: Any, contacts: Sequence[int] | None = None) -> Dimensions:
    """Dimensions as they are now. contacts: read the profiles of these people only (None: of all)."""
    types = list(ActivityType.objects.order_by("id"))
    classes = Classes(
        types=tuple(TypeFacts(t.key, t.name, t.side, t.category, t.is_hot, t.is_meeting) for t in types),
        outcomes=tuple(outcomes()),
        seniorities=tuple(str(s) for s in SENIORITIES),
        departments=tuple(Department.values),
        roles=tuple(BuyingRole.values),
    )
    type_index = np.full(max((t.id for t in types), default=0) + 1, -1, dtype=np.int32)
    for i, t in enumerate(types):
        type_index[t.id] = i
    default = np.array([round(t.default_minutes * 60) for t in types], dtype=np.int32)
    where, params = ("", []) if contacts is None else (" WHERE {column} = ANY (%s)", [list(contacts)])
    profile = (
        "coalesce(array_position(%s, {row}.seniority), 0)::int4,"
        " coalesce(array_position(%s, {row}.department), 0)::int4,"
        " coalesce(array_position(%s, {row}.buying_role), 0)::int4"
    )
    lists = [[str(s) for s in SENIORITIES], list(Department.values), list(BuyingRole.values)]
    columns = {"seniority": "i4", "department": "i4", "role": "i4"}
    people = read_rows(
        connection,
        f"SELECT c.id, {profile.format(row='c')} FROM segmentation_contact c" + where.format(column="c.id"),
        {"id": "i8"} | columns,
        [*lists, *params],
    )
    changed = read_rows(
        connection,
        f"SELECT e.pgh_obj_id, e.pgh_created_at, e.pgh_id::int8, {profile.format(row='e')}"
        " FROM segmentation_contactevent e WHERE e.pgh_obj_id IN (SELECT pgh_obj_id FROM segmentation_contactevent"
        + where.format(column="pgh_obj_id")
        + " GROUP BY 1 HAVING count(*) > 1)",
        {"id": "i8", "time": "time", "event": "i8"} | columns,
        [*lists, *params],
    )
    first = read_rows(
        connection,
        "SELECT pgh_obj_id, min(pgh_created_at) FROM segmentation_contactevent"
        + where.format(column="pgh_obj_id")
        + " GROUP BY 1",
        {"id": "i8", "time": "time"},
        params,
    )
    profile_of = np.zeros(int(people["id"].max(initial=0)) + 1, dtype=np.int32)
    profile_of[people["id"]] = _profiles(classes, people)
    known_of = np.full(len(profile_of), FAR_FUTURE, dtype=np.int64)
    first = first[first["id"] < len(known_of)]
    known_of[first["id"]] = first["time"]
    dated_of = np.full(len(profile_of), -1, dtype=np.int32)
    changed = changed[changed["id"] < len(profile_of)]
    changed = changed[np.lexsort([changed["event"], changed["time"], changed["id"]])]
    ids, begin = np.unique(changed["id"], return_index=True)
    dated_of[ids] = np.arange(len(ids), dtype=np.int32)
    return Dimensions(
        classes=classes,
        type_index=type_index,
        default_seconds=default,
        profile_of=profile_of,
        known_of=known_of,
        dated_of=dated_of,
        dated_begin=np.append(begin, len(changed)).astype(np.int64),
        dated_time=np.ascontiguousarray(changed["time"]),
        dated_profile=_profiles(classes, changed),
    )


def _profiles(classes: Classes, rows: np.ndarray[Any, Any]) -> NDArray[np.int32]:
    _seniorities, departments, roles = classes.profile_shape
    return ((rows["seniority"] * departments + rows["department"]) * roles + rows["role"]).astype(np.int32)


_COLUMNS = {"owner": "i8", "contact": "i8", "type": "i8", "time": "time", "seconds": "i4", "outcome": "i2"}


def _query(owner: Owner, some: bool, with_ids: bool) -> str:
    column = f"{owner}_id"
    return (
        f"SELECT {column}, coalesce(contact_id, -1), type_id, occurred_at, coalesce(seconds, -1),"
        " (CASE WHEN outcome = '' THEN 0 ELSE coalesce(array_position(%s, outcome::text), 0) END)::int2"
        + (", id" if with_ids else "")
        + f" FROM scoring_activity WHERE {column} "
        + ("= ANY (%s)" if some else "IS NOT NULL")
    )


def stream_activities(
    connection: Any, dimensions: Dimensions, owners: Int64s, owner: Owner
) -> Iterator[tuple[NDArray[np.int32], Int64s, NDArray[np.int32], Int64s, NDArray[np.int32]]]:
    """All activities in blocks: position of the owner in `owners` (-1: none), time, seconds, contact, class number (see
    `numbered`)."""
    position_of = _lookup(owners)
    for block in stream_rows(
        connection, _query(owner, some=False, with_ids=False), _COLUMNS, [list(dimensions.classes.outcomes)]
    ):
        position, number, seconds = _classified(block, position_of, dimensions)
        yield position, np.ascontiguousarray(block["time"]), seconds, np.ascontiguousarray(block["contact"]), number


def _lookup(owners: Int64s) -> NDArray[np.int32]:
    position_of = np.full(int(owners.max(initial=0)) + 1, -1, dtype=np.int32)
    position_of[owners] = np.arange(len(owners), dtype=np.int32)
    return position_of


def _classified(block: np.ndarray[Any, Any], position_of: NDArray[np.int32], d: Dimensions) -> Any:
    _types, outcome_count, seniorities, departments, roles = d.classes.shape
    return classify(
        np.ascontiguousarray(block["owner"]),
        np.ascontiguousarray(block["contact"]),
        np.ascontiguousarray(block["type"]),
        np.ascontiguousarray(block["time"]),
        np.ascontiguousarray(block["seconds"]),
        np.ascontiguousarray(block["outcome"]),
        position_of,
        d.type_index,
        d.default_seconds,
        d.profile_of,
        d.known_of,
        d.dated_of,
        d.dated_begin,
        d.dated_time,
        d.dated_profile,
        outcome_count,
        seniorities * departments * roles,
    )


def read_activities(connection: Any, owners: Int64s, owner: Owner = "account", with_ids: bool = False) -> ActivityTable:
    """The activities of a few accounts (or contacts), straight from the database.

    owners: int64[n], primary keys in the order of the entities. with_ids: also the activities' primary keys.
    """
    columns = _COLUMNS | ({"id": "i8"} if with_ids else {})
    keys = owners[owners >= 0]
    block = read_rows(
        connection,
        _query(owner, some=True, with_ids=with_ids),
        columns,
        [list(outcomes()), keys.tolist()],
    )
    contacts = np.unique(block["contact"][block["contact"] >= 0])
    dimensions = read_dimensions(connection, contacts.tolist())
    position, number, seconds = _classified(block, _lookup(keys), dimensions)
    ids = np.ascontiguousarray(block["id"]) if with_ids else np.empty(0, dtype=np.int64)
    seen = np.full(int(contacts.max(initial=0)) + 1, -1, dtype=np.int32)
    begin, time, seconds, contact, number, ids, contact_ids = arrange(
        position,
        np.ascontiguousarray(block["time"]),
        seconds,
        np.ascontiguousarray(block["contact"]),
        number,
        ids,
        0,
        len(keys),
        seen,
    )
    number, guessed = numbered(number)
    return ActivityTable(
        rows=Rows(begin[:-1], begin[1:]),
        time=time,
        seconds=seconds,
        contact=contact,
        number=number,
        contacts=len(contact_ids),
        classes=dimensions.classes,
        ids=ids if with_ids else None,
        contact_ids=contact_ids,
        guessed=guessed,
    )
