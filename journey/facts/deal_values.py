"""What deals were worth and in which state, over time: the amounts behind pipeline and revenue."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from journey.engine.deals import IDENTIFIED, INTENT, LOST, STATES, WON
from journey.engine.metrics.table import Bools
from journey.facts.changes import EFFECTIVE_CHANGES
from journey.models import CrmStage
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, FAR_PAST, Int8s, Int32s, Int64s
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows

NO_AMOUNT = -1
_CHANGES = """
SELECT c.opportunity_id, coalesce(c.effective, '1900-01-01+00'), c.sequence, coalesce(c.crm_stage_id, -1),
       coalesce((c.amount * 100)::bigint, -1), c.effective IS NOT NULL
FROM ({changes}) c
"""
_DEALS = """
SELECT id, coalesce(account_id, -1), coalesce(contact_id, -1), coalesce((amount * 100)::bigint, -1),
       (array_position(%s, currency::text))::int4
FROM journey_opportunity
"""


@dataclass(frozen=True)
class DealValues:
    """All deals.

    Per deal: ids, accounts, contacts int64 (-1: none); own int64, the amount on the deal itself, in cents (-1 unknown);
    currency int32, place in `currencies`; begin int64[n + 1] into the changes. Per change, ordered by time: time int64,
    state int8 (-1: leaves it), cents int64 (-1: leaves it).
    """

    ids: Int64s
    accounts: Int64s
    contacts: Int64s
    own: Int64s
    currency: Int32s
    currencies: tuple[str, ...]
    begin: Int64s
    time: Int64s
    state: Int8s
    cents: Int64s

    def at(self, as_of: int) -> "DealsAt":
        """Every deal as it was at an instant (what happens exactly then is known)."""
        return DealsAt(*_at(self.begin, self.time, self.state, self.cents, self.own, as_of))


@dataclass(frozen=True)
class DealsAt:
    """Deals at an instant. state: int8, 0 before it existed. cents: int64, -1 unknown. opened: int64, its first change
    of stage (FAR_FUTURE: none yet). won, lost: int64, since when it has been so without a break (FAR_FUTURE: it is
    not)."""

    state: Int8s
    cents: Int64s
    opened: Int64s
    won: Int64s
    lost: Int64s

    @property
    def is_open(self) -> Bools:
        return (self.state >= IDENTIFIED) & (self.state <= INTENT)


def read_deal_values(connection: Any) -> DealValues:
    """All deals with their changes, including deals without account."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT currency FROM journey_opportunity ORDER BY 1")
        currencies = [row[0] for row in cursor.fetchall()]
    deals = read_rows(
        connection,
        _DEALS,
        {"id": "i8", "account": "i8", "contact": "i8", "own": "i8", "currency": "i4"},
        [currencies],
    )
    rows = read_rows(
        connection,
        _CHANGES.format(changes=EFFECTIVE_CHANGES.format(which="SELECT id FROM journey_opportunity")),
        {"deal": "i8", "time": "time", "sequence": "i4", "stage": "i8", "cents": "i8", "counts": "b1"},
    )
    stages = list(CrmStage.objects.order_by("id"))
    meaning = np.array([*(STATES[stage.meaning] for stage in stages), -1], dtype=np.int8)
    state = meaning[Positions(np.array([stage.pk for stage in stages], dtype=np.int64)).of(rows["stage"])]
    # A change that takes no time of its own says what the deal was worth before, but not where it stood.
    state = np.where(rows["counts"], state, -1).astype(np.int8)
    time = np.where(rows["counts"], rows["time"], FAR_PAST)
    order, of_deal = grouped(Positions(deals["id"]).of(rows["deal"]), len(deals), time, rows["sequence"], state)
    return DealValues(
        ids=np.ascontiguousarray(deals["id"]),
        accounts=np.ascontiguousarray(deals["account"]),
        contacts=np.ascontiguousarray(deals["contact"]),
        own=np.ascontiguousarray(deals["own"]),
        currency=np.ascontiguousarray(deals["currency"] - 1, dtype=np.int32),
        currencies=tuple(currencies),
        begin=np.concatenate([np.zeros(1, dtype=np.int64), of_deal.end]).astype(np.int64),
        time=np.ascontiguousarray(time[order]),
        state=np.ascontiguousarray(state[order]),
        cents=np.ascontiguousarray(rows["cents"][order]),
    )


@jit
def _at(begin, time, state, cents, own, as_of):  # type: ignore[no-untyped-def]
    n = len(begin) - 1
    now = np.zeros(n, dtype=np.int8)
    worth = np.full(n, np.int64(-1))
    opened = np.full(n, FAR_FUTURE)
    won = np.full(n, FAR_FUTURE)
    lost = np.full(n, FAR_FUTURE)
    for d in range(n):
        told = False
        for i in range(begin[d], begin[d + 1]):
            told = told or cents[i] >= 0
            if time[i] > as_of:
                continue
            if cents[i] >= 0:
                worth[d] = cents[i]
            if state[i] < 0:
                continue
            opened[d] = min(opened[d], time[i])
            # Of all changes of one instant the last one with a stage counts.
            final = True
            for j in range(i + 1, begin[d + 1]):
                if time[j] != time[i]:
                    break
                if state[j] >= 0:
                    final = False
                    break
            if not final:
                continue
            if state[i] != WON:
                won[d] = FAR_FUTURE
            elif now[d] != WON:
                won[d] = time[i]
            if state[i] != LOST:
                lost[d] = FAR_FUTURE
            elif now[d] != LOST:
                lost[d] = time[i]
            now[d] = state[i]
        if not told:
            worth[d] = own[d]
    return now, worth, opened, won, lost
