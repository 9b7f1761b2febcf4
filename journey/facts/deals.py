"""Reading opportunity changes, customer periods and stages of other journeys."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from journey.engine.deals import STATES, DealTable
from journey.facts.changes import EFFECTIVE_CHANGES
from journey.models import CrmStage
from segmentation.engine.facts import Periods, Rows
from segmentation.engine.steps import Int64s
from segmentation.facts.accounts import periods
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows

_GROUPED_BY = {"account": "o.account_id", "contact": "o.contact_id", "opportunity": "o.id"}

_CHANGES = """
SELECT {owner}, c.opportunity_id, c.effective, c.sequence, coalesce(c.crm_stage_id, -1), c.occurred_at IS NOT NULL
FROM ({changes}) c JOIN journey_opportunity o ON o.id = c.opportunity_id
WHERE c.effective IS NOT NULL
"""


def read_deals(connection: Any, owners: Int64s, unit: str, some: bool) -> DealTable:
    """Changes of the deals of accounts, contacts or single opportunities, in the order of `owners`.

    some: only those of `owners` are read from the database (for few).
    """
    owner = _GROUPED_BY[unit]
    which = f"SELECT o.id FROM journey_opportunity o WHERE {owner} " + ("= ANY (%s)" if some else "IS NOT NULL")
    query = _CHANGES.format(owner=owner, changes=EFFECTIVE_CHANGES.format(which=which))
    columns = {"owner": "i8", "deal": "i8", "time": "time", "sequence": "i4", "stage": "i8", "dated": "b1"}
    rows = read_rows(connection, query, columns, [owners.tolist()] if some else [])
    stages = list(CrmStage.objects.order_by("id"))
    number = Positions(np.array([stage.id for stage in stages], dtype=np.int64)).of(rows["stage"])
    meaning = np.array([*(STATES[stage.meaning] for stage in stages), -1], dtype=np.int8)
    state = meaning[number]  # number -1, a change without stage, is the last entry
    # Of changes with one time and sequence the most advanced counts, whatever order they came in.
    order, entity_rows = grouped(
        Positions(owners).of(rows["owner"]), len(owners), rows["time"], rows["sequence"], state, rows["deal"]
    )
    deal, most = _numbered(rows["deal"][order], entity_rows)
    return DealTable(
        rows=entity_rows,
        time=np.ascontiguousarray(rows["time"][order]),
        deal=deal,
        state=np.ascontiguousarray(state[order]),
        stage=np.ascontiguousarray(number[order].astype(np.int32)),
        dated=np.ascontiguousarray(rows["dated"][order]),
        deal_ids=np.ascontiguousarray(rows["deal"][order]),
        stage_names=tuple(stage.name for stage in stages),
        most_deals=most,
    )


def _numbered(deals: Int64s, rows: Rows) -> tuple[np.ndarray[Any, np.dtype[np.int32]], int]:
    """Numbers the deals of each entity from 0, in order of appearance. The kernels meet numbers in increasing order."""
    if not len(deals):
        return np.empty(0, dtype=np.int32), 0
    entity = np.repeat(np.arange(len(rows.begin)), rows.end - rows.begin)
    _ids, first, inverse = np.unique(deals, return_index=True, return_inverse=True)
    # A deal belongs to one entity, so its first row orders it among the entity's deals.
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    appearance = rank[inverse]
    lowest = np.full(len(rows.begin), np.iinfo(np.int64).max)
    np.minimum.at(lowest, entity, appearance)
    number = (appearance - lowest[entity]).astype(np.int32)
    return number, int(number.max()) + 1


def read_customer_periods(connection: Any, accounts: Int64s, some: bool) -> Periods:
    """Customer periods of accounts in the given order."""
    where, params = ("WHERE account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    rows = read_rows(
        connection,
        "SELECT account_id, started_at, coalesce(ended_at, '9999-01-01+00') FROM journey_customerperiod " + where,
        {"account": "i8", "start": "time", "end": "time"},
        params,
    )
    return periods(rows["account"], accounts, rows["start"], rows["end"], np.zeros(len(rows), dtype=np.int32))


def read_stages(
    connection: Any, accounts: Int64s, wanted: Sequence[str], some: bool
) -> tuple[Periods, tuple[str, ...]]:
    """Stays of accounts in stages of other journeys, by their published versions' present histories.

    wanted: `journey/stage` keys, which number the kinds of the periods.
    """
    where, params = ("AND i.account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    rows = read_rows(
        connection,
        "SELECT i.account_id, i.start_at, coalesce(i.end_at, '9999-01-01+00'),"
        "   array_position(%s, j.key || '/' || s.key)::int4"
        " FROM journey_stageinterval i JOIN journey_history h ON h.id = i.history_id AND h.state = 'current'"
        " JOIN journey_journeyversion v ON v.id = h.version_id AND v.number = ("
        "   SELECT max(p.number) FROM journey_journeyversion p"
        "   JOIN journey_history c ON c.version_id = p.id AND c.state = 'current'"
        "   WHERE p.journey_id = v.journey_id AND p.state = 'published')"
        " JOIN journey_journey j ON j.id = v.journey_id JOIN journey_stage s ON s.id = i.stage_id"
        " WHERE i.account_id IS NOT NULL AND j.key || '/' || s.key = ANY (%s) " + where,
        {"account": "i8", "start": "time", "end": "time", "kind": "i4"},
        [list(wanted), list(wanted), *params],
    )
    return periods(rows["account"], accounts, rows["start"], rows["end"], rows["kind"] - 1), tuple(wanted)
