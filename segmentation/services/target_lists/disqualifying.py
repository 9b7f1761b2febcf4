"""Requests of sales to disqualify accounts of a list, and what marketing decides about them."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.models import (
    Account,
    DisqualificationRequest,
    MembershipReason,
    MembershipState,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.target_lists import rows
from segmentation.services.target_lists.errors import MembershipConflictError
from segmentation.services.target_lists.given import Use, Why, checked_time, checked_why
from segmentation.services.target_lists.rows import Decision
from segmentation.services.users import Actor


@transaction.atomic
def propose_disqualification(
    *,
    target_list: TargetList,
    accounts: Iterable[Account],
    team: SalesTeam | None = None,
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
) -> list[DisqualificationRequest]:
    """Ask marketing to disqualify accounts of a list. Takes no place; the membership stays until it is decided.

    Raises:
        InvalidValueError: reason or note cannot be used.
        MembershipConflictError: an account belongs to another team, is not on the list, or is asked for already;
            nothing was changed for any account.
    """
    why = checked_why(reason, note, user, use=Use.DISQUALIFY)
    locked = rows.locked_accounts(account.pk for account in accounts)
    if team is not None:
        rows.refuse_other_team(locked, team)
    _refuse_strangers(target_list, locked)
    now = timezone.now()
    return DisqualificationRequest.objects.bulk_create(
        DisqualificationRequest(
            target_list=target_list,
            account=account,
            team=team,
            reason=why.reason,
            note=why.note,
            asked_by=why.who,
            asked_at=now,
        )
        for account in locked.values()
    )


def _refuse_strangers(target_list: TargetList, accounts: dict[int, Account]) -> None:
    """Refuse accounts that are not on the list or are asked for already."""
    latest = rows.latest_rows(target_list, accounts)
    open_requests = DisqualificationRequest.objects.filter(decision=Decision.OPEN)
    waiting = set(open_requests.filter(target_list=target_list, account__in=accounts).values_list("account", flat=True))
    for pk, account in accounts.items():
        if not rows.is_in_force(latest.get(pk), HOLDING_STATES):
            raise MembershipConflictError(
                _("%(value)s is not on this list."),
                code="not_member",
                field="account",
                value=str(account),
                remedy=_("Only accounts of the list can be disqualified on it."),
            )
        if pk in waiting:
            raise MembershipConflictError(
                _("For %(value)s a request is waiting for review already."),
                code="already_asked",
                field="account",
                value=str(account),
                remedy=_("Wait for the review."),
            )


@transaction.atomic
def review_disqualifications(
    *, requests: Iterable[DisqualificationRequest], accept: bool, note: str = "", user: Actor = None
) -> list[DisqualificationRequest]:
    """Accept requests to disqualify, which ends the memberships and frees the places, or refuse them.

    Returns:
        The requests as decided.

    Raises:
        InvalidValueError: a refusal has no note, or the note is too long.
        MembershipConflictError: one was decided meanwhile; nothing was changed.
    """
    why = checked_why(None, note, user, use=Use.REFUSE, required=not accept)
    found = _answered(requests, Decision.ACCEPTED if accept else Decision.REFUSED, why)
    if accept:
        for request in found:
            asked = Why(request.reason, request.note, why.who)
            row = rows.latest_rows(request.target_list, [request.account_id])[request.account_id]
            rows.move_rows([row], HOLDING_STATES, MembershipState.DISQUALIFIED, asked, None, decided=True)
    return found


@transaction.atomic
def withdraw_disqualifications(
    *, requests: Iterable[DisqualificationRequest], note: str = "", user: Actor = None
) -> list[DisqualificationRequest]:
    """Take requests to disqualify back before they are decided; the accounts stay on their list.

    Returns:
        The requests, withdrawn.

    Raises:
        InvalidValueError: the note is too long.
        MembershipConflictError: one was decided meanwhile; nothing was changed.
    """
    return _answered(requests, Decision.WITHDRAWN, checked_why(None, note, user, use=Use.REFUSE, required=False))


def _answered(
    requests: Iterable[DisqualificationRequest], answer: DisqualificationRequest.Decision, why: Why
) -> list[DisqualificationRequest]:
    """Store what became of open requests, the accounts locked first."""
    ids = {request.pk for request in requests}
    locked = rows.locked_accounts(DisqualificationRequest.objects.filter(pk__in=ids).values_list("account", flat=True))
    found = list(
        DisqualificationRequest.objects.filter(pk__in=ids).order_by("pk").select_related("target_list", "reason")
    )
    now = checked_time(None)
    for request in found:
        rows.refuse_moved(request, locked)
        if request.decision != Decision.OPEN:
            raise MembershipConflictError(
                _("The request to disqualify %(value)s was decided meanwhile."),
                code="decided_already",
                field="request",
                value=str(locked[request.account_id]),
                remedy=_("Look at the requests again."),
            )
        request.decision = answer
        request.decided_by, request.decided_at, request.decision_note = why.who, now, why.note
    DisqualificationRequest.objects.bulk_update(found, ["decision", "decided_by", "decided_at", "decision_note"])
    return found
