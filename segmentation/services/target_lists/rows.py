"""The rows of memberships: found under lock, compared with what is asked, ended and begun."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.models import (
    Account,
    AccountFlag,
    DisqualificationRequest,
    ListMembership,
    MembershipState,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.target_lists.errors import MembershipConflictError
from segmentation.services.target_lists.given import Why, checked_time

Decision = DisqualificationRequest.Decision


def locked_accounts(ids: Iterable[int]) -> dict[int, Account]:
    """Return the accounts that still exist, locked in one order, so that two requests take turns."""
    rows = Account.objects.select_for_update(no_key=True).filter(pk__in=set(ids)).order_by("pk")
    return {row.pk: row for row in rows}


def refuse_moved(row: ListMembership | DisqualificationRequest, accounts: dict[int, Account]) -> None:
    """Raise MembershipConflictError when the account of a row is not the one that was locked: it was merged meanwhile.

    Args:
        row: read under the lock, with its list.
        accounts: those that are locked.
    """
    if row.account_id not in accounts:
        raise MembershipConflictError(
            _("The state of %(value)s on “%(list)s” has changed meanwhile."),
            code="state_changed",
            field="account",
            value=str(row.account),
            remedy=_("Look at the list again."),
            params={"list": row.target_list},
        )


def latest_rows(target_list: TargetList, accounts: Iterable[int]) -> dict[int, ListMembership]:
    """Return the last row of each account on the list: its state now."""
    rows = (
        ListMembership.objects.filter(target_list=target_list, account__in=list(accounts))
        .order_by("account_id", "-start_at")
        .distinct("account_id")
    )
    return {row.account_id: row for row in rows}


def is_in_force(row: ListMembership | None, states: Collection[str]) -> bool:
    """Whether the row has not ended and is in one of the states."""
    return row is not None and row.end_at is None and row.state in states


def refuse_flagged(accounts: dict[int, Account]) -> None:
    """Raise MembershipConflictError when an account is disqualified as such."""
    flag = AccountFlag.objects.disqualifying().filter(account__in=accounts).order_by("account_id").first()
    if flag:
        raise MembershipConflictError(
            _("%(value)s is disqualified: %(reason)s"),
            code="account_disqualified",
            field="account",
            value=str(accounts[flag.account_id]),
            remedy=_("Take the account back before it goes onto a list."),
            params={"reason": flag.reason},
        )


def refuse_disqualified(accounts: dict[int, Account], latest: dict[int, ListMembership]) -> None:
    """Raise MembershipConflictError when an account is disqualified on the list these rows are of."""
    for pk, account in accounts.items():
        if is_in_force(latest.get(pk), [MembershipState.DISQUALIFIED]):
            raise MembershipConflictError(
                _("%(value)s was disqualified on this list on %(day)s."),
                code="disqualified_on_list",
                field="account",
                value=str(account),
                remedy=_("Ask marketing to add it again."),
                params={"day": f"{latest[pk].start_at:%Y-%m-%d}"},
            )


def refuse_members(accounts: dict[int, Account], latest: dict[int, ListMembership]) -> None:
    """Raise MembershipConflictError when an account is on the list these rows are of."""
    for pk, account in accounts.items():
        if is_in_force(latest.get(pk), HOLDING_STATES):
            raise MembershipConflictError(
                _("%(value)s is on this list already: %(state)s."),
                code="already_member",
                field="account",
                value=str(account),
                remedy=_("Change its state instead of adding it again."),
                params={"state": latest[pk].get_state_display()},
            )


def refuse_other_team(accounts: dict[int, Account], team: SalesTeam) -> None:
    """Raise MembershipConflictError when an account is another sales team's."""
    for account in accounts.values():
        if account.team_id not in (None, team.pk):
            raise MembershipConflictError(
                _("%(value)s belongs to another sales team."),
                code="other_team",
                field="account",
                value=str(account),
                remedy=_("Propose accounts of your own team."),
            )


def replace_rows(
    rows: Sequence[ListMembership], before: dict[int, ListMembership], who: User | None, accounts: dict[int, Account]
) -> list[ListMembership]:
    """Store rows of one list, each ending the one of its account that was in force (`before`, by account)."""
    ended = []
    for row in rows:
        last = before.get(row.account_id)
        if last is None:
            continue
        if last.start_at >= row.start_at or (last.end_at is not None and last.end_at > row.start_at):
            raise MembershipConflictError(
                _("%(account)s has a state on this list from %(value)s on, which is not before."),
                code="membership_overlaps",
                field="at",
                value=f"{last.start_at:%Y-%m-%d %H:%M}",
                remedy=_("Choose a later time: what is recorded is not changed afterwards."),
                params={"account": accounts[row.account_id]},
            )
        if last.end_at is None:
            last.end_at, last.ended_by = row.start_at, who
            ended.append(last)
    ListMembership.objects.bulk_update(ended, ["end_at", "ended_by"])
    return ListMembership.objects.bulk_create(rows)


def move_rows(
    memberships: Iterable[ListMembership],
    allowed: Collection[MembershipState],
    state: MembershipState,
    why: Why,
    at: dt.datetime | None,
    *,
    decided: bool = False,
    **changed: int | None,
) -> list[ListMembership]:
    """End rows that are in one of the allowed states and begin the next state, with tier, team and rep carried on.

    Args:
        changed: the tier, where it is another one from now on.
        decided: whether it is the decision on a proposal or a request; then who decided stands on the new rows.
    """
    ids = {row.pk for row in memberships}
    # The accounts first, in the order every verb locks them; then the rows as they are now.
    accounts = locked_accounts(ListMembership.objects.filter(pk__in=ids).values_list("account", flat=True))
    before = list(ListMembership.objects.filter(pk__in=ids).order_by("pk").select_related("target_list", "decided_by"))
    at = checked_time(at)
    for row in before:
        refuse_moved(row, accounts)
        if not is_in_force(row, allowed):
            raise MembershipConflictError(
                _("%(value)s is %(state)s on “%(list)s” and cannot become %(next)s.")
                if row.end_at is None
                else _("The state of %(value)s on “%(list)s” has changed meanwhile."),
                code="state_changed",
                field="membership",
                value=str(accounts[row.account_id]),
                remedy=_("Look at the list again."),
                params={"state": row.get_state_display(), "list": row.target_list, "next": state.label},
            )
    if decided and state == MembershipState.ACTIVE:
        refuse_flagged(accounts)
    began: list[ListMembership] = []
    for target_list in {row.target_list for row in before}:
        mine = {row.account_id: row for row in before if row.target_list_id == target_list.pk}
        rows = [_next_row(row, accounts[pk], state, why, at, decided, changed) for pk, row in mine.items()]
        began += replace_rows(rows, mine, why.who, accounts)
        if state not in HOLDING_STATES:
            _answer_requests(target_list, mine, state, why)
    return began


def _next_row(
    row: ListMembership,
    account: Account,
    state: MembershipState,
    why: Why,
    at: dt.datetime,
    decided: bool,
    changed: Mapping[str, int | None],
) -> ListMembership:
    return ListMembership(
        target_list=row.target_list,
        account=account,
        state=state,
        tier=changed.get("tier", row.tier),
        start_at=at,
        reason=why.reason,
        note=why.note,
        team_id=row.team_id,
        rep_id=row.rep_id,
        set_by=why.who,
        decided_by=why.who if decided else row.decided_by,
    )


def _answer_requests(target_list: TargetList, accounts: Iterable[int], state: MembershipState, why: Why) -> None:
    """Close open requests to disqualify accounts that left the list: nothing is left to be disqualified."""
    answer = Decision.ACCEPTED if state == MembershipState.DISQUALIFIED else Decision.REFUSED
    DisqualificationRequest.objects.filter(
        target_list=target_list, account__in=accounts, decision=Decision.OPEN
    ).update(decision=answer, decided_by=why.who, decided_at=timezone.now(), decision_note=why.note)
