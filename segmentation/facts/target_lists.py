"""Memberships of target account lists."""

from typing import Any

import numpy as np

from segmentation.engine.facts import Periods
from segmentation.engine.steps import Int64s
from segmentation.facts.accounts import periods
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import MembershipState, TargetList

STATES: tuple[str, ...] = tuple(MembershipState.values)


def list_names() -> dict[str, str]:
    """Every target account list: name by key."""
    return dict(TargetList.objects.values_list("key", "name"))


def read_memberships(connection: Any, accounts: Int64s, some: bool) -> tuple[Periods, tuple[tuple[str, str], ...]]:
    """Membership periods of accounts in the given order, and the pairs (list, state) their kinds number.

    some: only these accounts are read from the database (for few); otherwise all are.
    """
    lists: dict[int, str] = dict(TargetList.objects.order_by("id").values_list("id", "key"))
    where, ids = ("WHERE account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    known = ", ".join(f"'{state}'" for state in STATES)
    found = read_rows(
        connection,
        f"SELECT account_id, target_list_id, array_position(ARRAY[{known}], state::text)::bigint - 1, start_at,"
        f" coalesce(end_at, '9999-01-01+00') FROM segmentation_listmembership {where}",
        {"account": "i8", "list": "i8", "state": "i8", "start": "time", "end": "time"},
        ids,
    )
    place = Positions(np.array(list(lists), dtype=np.int64)).of(found["list"])
    kind = (place * len(STATES) + found["state"]).astype(np.int32)
    pairs = tuple((key, state) for key in lists.values() for state in STATES)
    return periods(found["account"], accounts, found["start"], found["end"], kind), pairs
