"""Lists of accounts that were merged: at any time before the merge, what each of them had then.

A merge writes what both had into the survivor. From then on its own value is all there is; before, the histories
of both are read together, so that the past is what it would be had they always been one account.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.engine.steps import Int64s

BEGINNING = -(2**62)  # before everything
Values = list[tuple[int, Any]]  # from when which value, in order of time


@dataclass(frozen=True)
class MergedHistory:
    """The values a merged account had until it was merged; the first stands in for all the time before."""

    until: int
    values: Values

    def at(self, instant: int) -> tuple[str, ...]:
        if instant >= self.until:
            return ()
        before = [value for time, value in self.values if time <= instant]
        return tuple((before[-1] if before else self.values[0][1] if self.values else None) or ())


def read_merged(
    connection: Any, accounts: Int64s, sql: Sequence[str], some: bool
) -> dict[int, list[list[MergedHistory]]]:
    """Histories of the accounts that were merged into others, by the account they belong to now.

    Args:
        accounts: primary keys.
        sql: the fields, in each of which `{row}` stands for a row of the history.
        some: only these accounts are asked for; otherwise all are read.

    Returns:
        account -> a list for each field, in the order of `sql`.
    """
    where, params = (" AND m.account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    columns = ", ".join(field.format(row="e") for field in sql)
    found: dict[int, dict[int, list[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(list))
    ends: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.account_id, m.absorbed_key, (extract(epoch FROM m.merged_at) * 1000000)::bigint,"
            f" (extract(epoch FROM e.pgh_created_at) * 1000000)::bigint, {columns}"
            " FROM segmentation_accountmerge m JOIN segmentation_accountevent e ON e.pgh_obj_id = m.absorbed_key"
            " WHERE m.undone_at IS NULL AND m.account_id IS NOT NULL AND e.pgh_created_at < m.merged_at"
            f"{where} ORDER BY e.pgh_created_at, e.pgh_id",
            params or None,
        )
        for account, absorbed, until, *row in cursor.fetchall():
            found[account][absorbed].append(tuple(row))
            ends[absorbed] = until
    return {
        account: [
            [
                MergedHistory(ends[absorbed], [(time, row[place]) for time, *row in rows])
                for absorbed, rows in histories.items()
            ]
            for place in range(len(sql))
        ]
        for account, histories in found.items()
    }


def together(own: Values, today: Any, merged: Sequence[MergedHistory]) -> tuple[Any, Values]:
    """The values of an account with those of the accounts merged into it: what stood first, and what followed when.

    Args:
        own: its own recorded values, in order of time; before them its value of `today` stands in.
    """
    instants = {time for time, _value in own}
    for history in merged:
        instants |= {time for time, _value in history.values} | {history.until}
    line: Values = []
    for instant in (BEGINNING, *sorted(instants)):
        before = [value for time, value in own if time <= instant]
        mine = before[-1] if before else today
        others = (item for history in merged for item in history.at(instant))
        line.append((instant, list(dict.fromkeys([*(mine or ()), *others]))))
    return line[0][1], line[1:]


__all__ = ["MergedHistory", "read_merged", "together"]
