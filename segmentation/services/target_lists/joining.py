"""Onto a list: added by marketing, or proposed by sales and reviewed."""

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from segmentation.models import Account, ListMembership, MembershipReason, MembershipState, SalesTeam, TargetList
from segmentation.services.target_lists import quotas, rows
from segmentation.services.target_lists.given import Use, Why, checked_tier, checked_time, checked_why, refuse_inactive
from segmentation.services.users import Actor


@transaction.atomic
def add_accounts(
    *,
    target_list: TargetList,
    accounts: Iterable[Account],
    reason: MembershipReason | None = None,
    note: str = "",
    tier: int | None = None,
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Put accounts on a list by a decision of marketing: active at once, no quota is touched.

    Args:
        target_list: an active list.
        accounts: a batch; one account is a batch of one.
        reason: why, chosen from the reasons to add; it or the note must be given.
        note: why, in a person's words.
        tier: on this list; None takes the list's.
        user: who decided it.
        at: from when; now when left out.

    Returns:
        The rows that began, in the order of the accounts' primary keys.

    Raises:
        InvalidValueError: reason, note, tier or time cannot be used.
        ConflictError: the list is inactive, an account is on it already, is disqualified, or has a state that began
            later than `at`; nothing was changed for any account.
    """
    why, tier = checked_why(reason, note, user, use=Use.ADD), checked_tier(tier)
    refuse_inactive(target_list)
    locked = rows.locked_accounts(account.pk for account in accounts)
    latest = rows.latest_rows(target_list, locked)
    rows.refuse_flagged(locked)
    rows.refuse_members(locked, latest)
    return _joined(target_list, locked, latest, MembershipState.ACTIVE, why, tier, checked_time(at))


@transaction.atomic
def propose_accounts(
    *,
    target_list: TargetList,
    accounts: Iterable[Account],
    team: SalesTeam,
    rep: User | None = None,
    reason: MembershipReason | None = None,
    note: str = "",
    tier: int | None = None,
    user: Actor = None,
) -> list[ListMembership]:
    """Propose accounts for a list on behalf of a sales team. Each takes a place of its quota until it is refused.

    Args:
        target_list, accounts, reason, note, tier: as for `add_accounts`; accounts of the team, or of no team.
        team: whose places are taken.
        rep: the rep of the team whose places are taken as well.
        user: who proposes.

    Returns:
        The rows that began, waiting for review.

    Raises:
        InvalidValueError: reason, note or tier cannot be used.
        QuotaExceededError: fewer places are left than accounts are proposed.
        ConflictError: the team has no quota, the list is inactive, an account belongs to another team, is on the list
            already or is disqualified. Nothing was changed for any account.
    """
    why, tier = checked_why(reason, note, user, use=Use.ADD), checked_tier(tier)
    refuse_inactive(target_list)
    limits = quotas.locked_quotas(team, rep)
    locked = rows.locked_accounts(account.pk for account in accounts)
    latest = rows.latest_rows(target_list, locked)
    rows.refuse_other_team(locked, team)
    rows.refuse_flagged(locked)
    rows.refuse_disqualified(locked, latest)
    rows.refuse_members(locked, latest)
    quotas.refuse_beyond(limits, team, locked)
    return _joined(
        target_list, locked, latest, MembershipState.PROPOSED, why, tier, checked_time(None), team=team, rep=rep
    )


def _joined(
    target_list: TargetList,
    accounts: dict[int, Account],
    latest: dict[int, ListMembership],
    state: MembershipState,
    why: Why,
    tier: int | None,
    at: dt.datetime,
    **places: SalesTeam | User | None,
) -> list[ListMembership]:
    """Begin the first state of accounts that are not on the list."""
    begun = [
        ListMembership(
            target_list=target_list,
            account=account,
            state=state,
            tier=tier,
            start_at=at,
            reason=why.reason,
            note=why.note,
            set_by=why.who,
            **places,
        )
        for account in accounts.values()
    ]
    return rows.replace_rows(begun, latest, why.who, accounts)


@transaction.atomic
def review_proposals(
    *,
    memberships: Iterable[ListMembership],
    accept: bool,
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
) -> list[ListMembership]:
    """Accept proposals, which makes them active, or refuse them, which gives their place back.

    Args:
        memberships: the proposals.
        accept: whether they come onto the list.
        reason: why; for a refusal it or the note must be given.
        note: why, in a person's words.
        user: who decides.

    Returns:
        The rows that began.

    Raises:
        InvalidValueError: reason or note cannot be used.
        MembershipConflictError: one is no open proposal any more, or its account is disqualified; nothing was changed.
    """
    why = checked_why(reason, note, user, use=Use.ADD if accept else Use.REFUSE, required=not accept)
    state = MembershipState.ACTIVE if accept else MembershipState.REJECTED
    return rows.move_rows(memberships, [MembershipState.PROPOSED], state, why, None, decided=True)
