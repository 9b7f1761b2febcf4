"""Memberships of segments and assessments of the fit, for rules that read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from segmentation.engine.facts import NEVER, DatedField
from segmentation.engine.memberships import MEMBER, MembershipTable
from segmentation.engine.steps import FAR_PAST, Int32s, Int64s
from segmentation.facts.accounts import OPEN_END, periods
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows
from segmentation.facts.lists import running_sets
from segmentation.models import IcpAssessment, IcpProfile, IcpVersion, Segment, SegmentHistory


def segment_names() -> dict[str, str]:
    """Every segment: name by key."""
    return dict(Segment.objects.values_list("key", "name"))


def profile_names() -> dict[str, str]:
    """Every ideal customer profile: name by key."""
    return dict(IcpProfile.objects.values_list("key", "name"))


@dataclass(frozen=True)
class MembershipRows:
    """Periods of accounts in segments, in any order.

    segment: place in `keys`. state: member or not known, as stored. end: after `OPEN_END` where open.
    """

    keys: tuple[str, ...]
    account: Int64s
    segment: Int64s
    state: Any
    start: Int64s
    end: Int64s
    assumed: NDArray[np.bool_]

    def table(self, accounts: Int64s) -> MembershipTable:
        """The periods of accounts, in this order, for rules that read them."""
        kind = (2 * self.segment + self.state - 1).astype(np.int32)
        order, _rows = grouped(Positions(accounts).of(self.account), len(accounts), self.start)
        return MembershipTable(
            periods=periods(self.account, accounts, self.start, self.end, kind),
            keys=self.keys,
            assumed=np.ascontiguousarray(self.assumed[order]),
        )


def read_membership_rows(
    connection: Any, wanted: Sequence[str] | None = None, accounts: Int64s | None = None
) -> MembershipRows:
    """Memberships by the present histories of the segments `wanted` (None: of all); accounts: only of these."""
    current = SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT)
    if wanted is not None:
        current = current.filter(segment__key__in=list(wanted))
    built = list(current.order_by("pk").values_list("pk", "build", "segment__key"))
    where, params = "build_id = ANY (%s)", [sorted({build for _pk, build, _key in built})]
    if wanted is not None:  # where all are, asking for each would only keep the server from reading straight through
        where, params = where + " AND history_id = ANY (%s)", [*params, [pk for pk, _build, _key in built]]
    if accounts is not None:
        where, params = where + " AND account_id = ANY (%s)", [*params, accounts.tolist()]
    rows = read_rows(
        connection,
        # Three small numbers in one column: every column costs a row as much as its bytes do.
        "SELECT account_id, history_id * 8 + state * 2 + (grade = 3)::int4, start_at,"
        " coalesce(end_at, '9999-01-01+00') FROM segmentation_segmentmembership WHERE " + where,
        {"account": "i8", "packed": "i8", "start": "time", "end": "time"},
        params,
    )
    number = Positions(np.array([pk for pk, _build, _key in built], dtype=np.int64)).of(rows["packed"] >> 3)
    if (number < 0).any():
        rows, number = rows[number >= 0], number[number >= 0]
    return MembershipRows(
        keys=tuple(key for _pk, _build, key in built),
        account=rows["account"],
        segment=number,
        state=(rows["packed"] >> 1 & 3).astype(np.int32),
        start=rows["start"],
        end=rows["end"],
        assumed=(rows["packed"] & 1).astype(np.bool_),
    )


def assessed_version(profile: str) -> int | None:
    """Primary key of the version of a profile whose assessments count: the newest published one that has any."""
    versions = IcpVersion.objects.filter(profile__key=profile, state=IcpVersion.State.PUBLISHED)
    has_any = Exists(IcpAssessment.objects.filter(version=OuterRef("pk")))
    return versions.filter(has_any).order_by("-number").values_list("pk", flat=True).first()


def read_assessments(connection: Any, accounts: Int64s, profiles: Iterable[str], some: bool) -> dict[str, DatedField]:
    """The fit of accounts to profiles over time (see `assessed_version`), as (score, grade).

    Before its first assessment that one stands in.
    """
    where, params = ("AND account_id = ANY (%s)", [accounts.tolist()]) if some else ("", [])
    found = {}
    for key in sorted(set(profiles)):
        rows = read_rows(
            connection,
            "SELECT account_id, made_at, coalesce((score * 100)::int4, -1), ascii(grade)"
            " FROM segmentation_icpassessment WHERE version_id = %s " + where,
            {"account": "i8", "time": "time", "score": "i4", "grade": "i4"},
            [assessed_version(key) or -1, *params],
        )
        order, owned = grouped(Positions(accounts).of(rows["account"]), len(accounts), rows["time"])
        pairs, code = np.unique(
            np.stack([rows["score"][order], rows["grade"][order]], axis=1), axis=0, return_inverse=True
        )
        values = tuple((None if s < 0 else s / 100, chr(g) if g else "") for s, g in pairs.tolist())
        codes: Int32s = np.ascontiguousarray(code.reshape(-1), dtype=np.int32)
        time = np.ascontiguousarray(rows["time"][order])
        has = owned.begin < owned.end
        first = np.minimum(owned.begin, max(len(codes) - 1, 0))
        found[key] = DatedField(
            values=values,
            initial=np.where(has, codes[first], -1).astype(np.int32) if len(codes) else np.full(len(has), -1, np.int32),
            known_from=np.where(has, time[first], NEVER) if len(codes) else np.full(len(has), NEVER, np.int64),
            rows=owned,
            time=time,
            code=codes,
        )
    return found


def segment_sets(members: MembershipRows, accounts: Int64s) -> DatedField:
    """Which segments accounts were members of over time, as lists of keys, to break figures down by and to filter.

    accounts: in this order. An account in no segment has no value then.
    """
    n = len(accounts)
    mine = members.state == MEMBER
    in_order = np.argsort(np.array(members.keys, dtype=str), kind="stable")
    rank = np.argsort(in_order, kind="stable")
    place, number = Positions(accounts).of(members.account[mine]), rank[members.segment[mine]]
    start, end = members.start[mine], members.end[mine]
    ends = end <= OPEN_END
    # Every beginning and end is a change of the set; at one instant the ends come first.
    owner, time = np.concatenate([place, place[ends]]), np.concatenate([start, end[ends]])
    number = np.concatenate([number, number[ends]])
    sign = np.repeat(np.array([1, -1], dtype=np.int8), [len(start), int(ends.sum())])
    order, owned = grouped(owner, n, time, sign)
    keys = [members.keys[k] for k in in_order.tolist()]
    lists, rows, time, code = running_sets(keys, owned, time[order], number[order], sign[order])
    return DatedField(
        values=lists,
        initial=np.full(n, -1, dtype=np.int32),
        known_from=np.full(n, FAR_PAST, dtype=np.int64),
        rows=rows,
        time=time,
        code=code,
    )
