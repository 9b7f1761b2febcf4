"""The dated states of two accounts made those of one: flags, list memberships, requests."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from django.db import models

from segmentation.identity.lines import Stretch, one_line
from segmentation.models import AccountFlag, DisqualificationRequest, ListMembership, MembershipState
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.merging.relations import Merging
from segmentation.services.target_lists import end_memberships

# Where both are on a list at a time, the state that is worked more actively counts.
_RANKS = {
    state: rank
    for rank, state in enumerate(
        [
            MembershipState.REMOVED,
            MembershipState.REJECTED,
            MembershipState.DISQUALIFIED,
            MembershipState.PROPOSED,
            MembershipState.RECYCLING,
            MembershipState.ACTIVE,
        ]
    )
}


def join_flags(merging: Merging) -> None:
    """A flag is in force whenever it was in force on one of the two."""
    _join(AccountFlag, "flag_type_id", lambda _row: 0, merging)


def join_memberships(merging: Merging) -> None:
    """Of two states on one list the active one counts. A disqualification in force ends what is left."""
    _join(ListMembership, "target_list_id", lambda row: _RANKS[row.state], merging)
    flag = AccountFlag.objects.disqualifying().filter(account=merging.survivor).first()
    holding = ListMembership.objects.filter(
        account=merging.survivor, end_at__isnull=True, state__in=HOLDING_STATES
    ).exists()
    if flag and holding:
        end_memberships(accounts=[flag.account], note=flag.reason, user=merging.user, at=flag.start_at)


def join_requests(merging: Merging) -> None:
    """Of two open requests to disqualify on one list the survivor's stays; answered ones are history and move."""
    open_ = DisqualificationRequest.objects.filter(decision=DisqualificationRequest.Decision.OPEN)
    lists = open_.filter(account=merging.survivor).values("target_list")
    open_.filter(account=merging.absorbed, target_list__in=lists).delete()
    DisqualificationRequest.objects.filter(account=merging.absorbed).update(account=merging.survivor)


def _join(model: type[models.Model], group: str, rank: Callable[[Any], int], merging: Merging) -> None:
    groups: dict[int, list[Any]] = defaultdict(list)
    rows: Any = model._default_manager.filter(account__in=[merging.survivor, merging.absorbed])
    for row in rows.order_by("start_at", "pk"):
        groups[getattr(row, group)].append(row)
    for some in groups.values():
        some.sort(key=lambda row: row.account_id != merging.survivor)  # of equal states the survivor's counts
        of_both = len({row.account_id for row in some}) == 2
        parts = _parts(some, rank, merging.survivor) if of_both else None
        keys = [row.pk for row in some]
        if parts is None:
            model._default_manager.filter(pk__in=keys).update(account=merging.survivor)
        else:
            model._default_manager.filter(pk__in=keys).delete()
            model._default_manager.bulk_create(parts)


def _parts(rows: Sequence[Any], rank: Callable[[Any], int], survivor: int) -> list[Any]:
    """What is left of each row; the first part of a row keeps its primary key."""
    line = one_line([Stretch(row.start_at, row.end_at, rank(row)) for row in rows])
    parts, used = [], set()
    for place, start, end in line:
        part = copy(rows[place])
        part.account_id, part.start_at = survivor, start
        if end != part.end_at:
            part.end_at, part.ended_by_id = end, None
        if part.pk in used:
            part.pk = None
        used.add(rows[place].pk)
        parts.append(part)
    return parts


__all__ = ["join_flags", "join_memberships", "join_requests"]
