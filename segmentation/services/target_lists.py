"""Who comes onto a target account list and who leaves it: the only code that writes memberships.

Every verb takes a batch, changes all of it or nothing, ends the row in force and begins another. Locks are taken in one
order, quotas before accounts, each by primary key, so that simultaneous requests take turns and never deadlock.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError, ProblemError
from segmentation.models import (
    Account,
    AccountFlag,
    DisqualificationRequest,
    FlagType,
    ListMembership,
    MembershipReason,
    MembershipState,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import HOLDING_STATES, USUAL_PLACES, QuotaKind
from segmentation.selectors.target_lists import places_held
from segmentation.services.users import Actor, author

EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
Use = MembershipReason.Use
Decision = DisqualificationRequest.Decision


class MembershipConflictError(ConflictError):
    """What is on the list leaves no room for the change."""

    code = "membership_conflict"


class QuotaExceededError(ConflictError):
    """The sales team, or the rep, has no place left."""

    code = "quota_exceeded"


# --- What is given -------------------------------------------------------------------------------------------------


def _checked_time(at: dt.datetime | None) -> dt.datetime:
    """Return when the change takes effect. Called after the locks: what others did before us lies before now."""
    now = timezone.now()
    if at is None:
        return now
    if timezone.is_naive(at) or not EARLIEST <= at <= now:
        raise InvalidValueError(
            _("%(value)s is no time a membership can begin or end at."),
            code="time_not_usable",
            field="at",
            value=f"{at:%Y-%m-%d %H:%M}",
            remedy=_("Give a time from 1990 on that is not in the future."),
        )
    return at


def _checked_why(reason: MembershipReason | None, note: str, use: str, required: bool = True) -> str:
    """Return the note in its stored form; the reason must fit the decision."""
    note = " ".join(note.split())
    most: int = ListMembership._meta.get_field("note").max_length  # type: ignore[assignment]
    if len(note) > most:
        raise InvalidValueError(
            _("The note “%(value)s” has %(length)d characters."),
            code="note_too_long",
            field="note",
            value=note,
            remedy=_("Shorten it to %(most)d."),
            params={"length": len(note), "most": most},
        )
    if required and reason is None and not note:
        raise InvalidValueError(
            _("The reason is missing."),
            code="reason_missing",
            field="reason",
            remedy=_("Choose a reason or write a note: it is shown wherever somebody asks why."),
        )
    if reason is not None and (not reason.active or reason.use not in ("", use)):
        raise InvalidValueError(
            _("The reason “%(value)s” does not fit this decision."),
            code="reason_not_fitting",
            field="reason",
            value=reason.name,
            remedy=_("Choose an active one that is meant to: %(use)s."),
            params={"use": Use(use).label},
        )
    return note


def _checked_tier(tier: int | None) -> int | None:
    if tier is not None and (isinstance(tier, bool) or tier not in (1, 2, 3)):
        raise InvalidValueError(
            _("%(value)s is no tier."), code="unknown_tier", field="tier", value=tier, remedy=_("Use 1, 2 or 3.")
        )
    return tier


def _checked_open(target_list: TargetList) -> None:
    if not target_list.active:
        raise ConflictError(
            _("The list “%(value)s” is not active."),
            code="list_not_active",
            field="list",
            value=target_list.key,
            remedy=_("Make it active again or choose another list."),
        )


# --- What is there -------------------------------------------------------------------------------------------------


def _locked_accounts(ids: Iterable[int]) -> dict[int, Account]:
    """Return the accounts that still exist, locked in one order, so that two requests take turns."""
    rows = Account.objects.select_for_update(no_key=True).filter(pk__in=set(ids)).order_by("pk")
    return {row.pk: row for row in rows}


def _locked_quotas(team: SalesTeam, rep: User | None) -> list[SalesQuota]:
    """Return the quotas a request for places must keep, locked until it is committed or rolled back.

    Whoever comes next waits here and then counts what was taken meanwhile: this lock is what keeps the quota.
    """
    quotas = SalesQuota.objects.select_for_update().filter(team=team).order_by("pk")
    return [quota for quota in quotas if quota.rep_id is None or (rep is not None and quota.rep_id == rep.pk)]


def _latest(target_list: TargetList, accounts: Iterable[int]) -> dict[int, ListMembership]:
    """Return the last row of each account on the list: its state now."""
    rows = (
        ListMembership.objects.filter(target_list=target_list, account__in=list(accounts))
        .order_by("account_id", "-start_at")
        .distinct("account_id")
    )
    return {row.account_id: row for row in rows}


def _in_force(row: ListMembership | None, states: Collection[str]) -> bool:
    return row is not None and row.end_at is None and row.state in states


def _refuse_disqualified(accounts: dict[int, Account], latest: dict[int, ListMembership], on_list: bool) -> None:
    """Refuse accounts with a disqualification in force, of the account or (on_list) on this list."""
    flag = (
        AccountFlag.objects.filter(account__in=accounts, flag_type__key=FlagType.DISQUALIFIED, end_at__isnull=True)
        .order_by("account_id")
        .first()
    )
    if flag:
        raise MembershipConflictError(
            _("%(value)s is disqualified: %(reason)s"),
            code="account_disqualified",
            field="account",
            value=str(accounts[flag.account_id]),
            remedy=_("Take the account back before it goes onto a list."),
            params={"reason": flag.reason},
        )
    for pk, account in accounts.items():
        if on_list and _in_force(latest.get(pk), [MembershipState.DISQUALIFIED]):
            raise MembershipConflictError(
                _("%(value)s was disqualified on this list on %(day)s."),
                code="disqualified_on_list",
                field="account",
                value=str(account),
                remedy=_("Ask marketing to add it again."),
                params={"day": f"{latest[pk].start_at:%Y-%m-%d}"},
            )


def _refuse_members(accounts: dict[int, Account], latest: dict[int, ListMembership]) -> None:
    for pk, account in accounts.items():
        if _in_force(latest.get(pk), HOLDING_STATES):
            raise MembershipConflictError(
                _("%(value)s is on this list already: %(state)s."),
                code="already_member",
                field="account",
                value=str(account),
                remedy=_("Change its state instead of adding it again."),
                params={"state": latest[pk].get_state_display()},
            )


def _replaced(
    rows: Sequence[ListMembership], before: dict[int, ListMembership], user: Actor, accounts: dict[int, Account]
) -> list[ListMembership]:
    """Store rows, each ending the one of its account that was in force."""
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
            last.end_at, last.ended_by = row.start_at, author(user)
            ended.append(last)
    ListMembership.objects.bulk_update(ended, ["end_at", "ended_by"])
    return ListMembership.objects.bulk_create(rows)


# --- Onto the list -------------------------------------------------------------------------------------------------


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
    note, tier = _checked_why(reason, note, Use.ADD), _checked_tier(tier)
    _checked_open(target_list)
    locked = _locked_accounts(account.pk for account in accounts)
    latest, at = _latest(target_list, locked), _checked_time(at)
    _refuse_disqualified(locked, latest, on_list=False)
    _refuse_members(locked, latest)
    rows = [
        ListMembership(
            target_list=target_list,
            account=account,
            state=MembershipState.ACTIVE,
            tier=tier,
            start_at=at,
            reason=reason,
            note=note,
            set_by=author(user),
        )
        for account in locked.values()
    ]
    return _replaced(rows, latest, user, locked)


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
        target_list: an active list.
        accounts: a batch of accounts of the team, or of no team.
        team: whose places are taken.
        rep: the rep of the team whose places are taken as well.
        reason: why, chosen from the reasons to add; it or the note must be given.
        note: why, in a person's words.
        tier: on this list; None takes the list's.
        user: who proposes.

    Returns:
        The rows that began, waiting for review.

    Raises:
        InvalidValueError: reason, note or tier cannot be used.
        QuotaExceededError: fewer places are left than accounts are proposed.
        ConflictError: the team has no quota, the list is inactive, an account belongs to another team, is on the list
            already or is disqualified. Nothing was changed for any account.
    """
    note, tier = _checked_why(reason, note, Use.ADD), _checked_tier(tier)
    _checked_open(target_list)
    quotas = _locked_quotas(team, rep)
    if all(quota.rep_id is not None for quota in quotas):
        raise ConflictError(
            _("The sales team “%(value)s” has no quota."),
            code="quota_missing",
            field="team",
            value=team.key,
            remedy=_("Give it one: 15 places are usual for key accounts, 30 for mid market."),
        )
    locked = _locked_accounts(account.pk for account in accounts)
    for account in locked.values():
        if account.team_id not in (None, team.pk):
            raise MembershipConflictError(
                _("%(value)s belongs to another sales team."),
                code="other_team",
                field="account",
                value=str(account),
                remedy=_("Propose accounts of your own team."),
            )
    latest, at = _latest(target_list, locked), _checked_time(None)
    _refuse_disqualified(locked, latest, on_list=True)
    _refuse_members(locked, latest)
    rows = [
        ListMembership(
            target_list=target_list,
            account=account,
            state=MembershipState.PROPOSED,
            tier=tier,
            start_at=at,
            reason=reason,
            note=note,
            team=team,
            rep=rep,
            set_by=author(user),
        )
        for account in locked.values()
    ]
    _refuse_beyond(quotas, team, locked)
    return _replaced(rows, latest, user, locked)


def _refuse_beyond(quotas: Iterable[SalesQuota], team: SalesTeam, accounts: dict[int, Account]) -> None:
    """Refuse when the accounts do not fit into the places that are left. One on two lists takes one place."""
    holding = ListMembership.objects.filter(
        team=team, end_at__isnull=True, state__in=HOLDING_STATES, account__in=accounts
    )
    for quota in quotas:
        mine = holding if quota.rep_id is None else holding.filter(rep=quota.rep_id)
        wanted = len(accounts) - mine.order_by().values("account").distinct().count()
        left = quota.places - places_held(team, quota.rep_id)
        if wanted > left:
            raise QuotaExceededError(
                _("%(wanted)d places are asked for and %(left)d of %(value)s are left to %(who)s."),
                field="rep" if quota.rep_id else "team",
                value=quota.places,
                remedy=_("Wait for a review, remove an account, or ask for a larger quota."),
                params={"wanted": wanted, "left": max(left, 0), "who": quota.rep if quota.rep_id else team},
            )


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
    note = _checked_why(reason, note, Use.ADD if accept else Use.REFUSE, required=not accept)
    state = MembershipState.ACTIVE if accept else MembershipState.REJECTED
    return _moved(
        memberships, {MembershipState.PROPOSED}, state, reason, note, user, None, decided=True, refuse_flagged=accept
    )


# --- On the list and off it ----------------------------------------------------------------------------------------


@transaction.atomic
def recycle_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Pause active members. They keep their place. Returns the rows that began; raises as `add_accounts`."""
    note = _checked_why(reason, note, Use.RECYCLE)
    return _moved(memberships, {MembershipState.ACTIVE}, MembershipState.RECYCLING, reason, note, user, at)


@transaction.atomic
def resume_members(
    *,
    memberships: Iterable[ListMembership],
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Make paused members active again. Returns the rows that began; raises as `add_accounts`."""
    note = _checked_why(None, note, Use.ADD, required=False)
    return _moved(memberships, {MembershipState.RECYCLING}, MembershipState.ACTIVE, None, note, user, at)


@transaction.atomic
def remove_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Take accounts off a list; a place they held is free again. Returns the rows that began; raises as above."""
    note = _checked_why(reason, note, Use.REMOVE)
    return _moved(memberships, set(HOLDING_STATES), MembershipState.REMOVED, reason, note, user, at)


@transaction.atomic
def disqualify_members(
    *,
    memberships: Iterable[ListMembership],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[ListMembership]:
    """Disqualify accounts on their list by a decision of marketing; a place they held is free again.

    Open requests to disqualify them are accepted by it. The account itself is not disqualified: that is
    `segmentation.services.flags.disqualify_accounts`. Returns the rows that began; raises as `add_accounts`.
    """
    note = _checked_why(reason, note, Use.DISQUALIFY)
    return _moved(memberships, set(HOLDING_STATES), MembershipState.DISQUALIFIED, reason, note, user, at)


def _moved(
    memberships: Iterable[ListMembership],
    allowed: set[MembershipState],
    state: MembershipState,
    reason: MembershipReason | None,
    note: str,
    user: Actor,
    at: dt.datetime | None,
    decided: bool = False,
    refuse_flagged: bool = False,
) -> list[ListMembership]:
    """End rows that are in one of the allowed states and begin the next state, with team and rep carried on."""
    ids = {row.pk for row in memberships}
    # The accounts first, in the order every verb locks them; then the rows as they are now.
    accounts = _locked_accounts(ListMembership.objects.filter(pk__in=ids).values_list("account", flat=True))
    before = list(ListMembership.objects.filter(pk__in=ids).order_by("pk").select_related("target_list"))
    at = _checked_time(at)
    for row in before:
        if row.end_at is not None or row.state not in allowed:
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
    if refuse_flagged:
        _refuse_disqualified(accounts, {}, on_list=False)
    began: list[ListMembership] = []
    for target_list in {row.target_list for row in before}:
        mine = {row.account_id: row for row in before if row.target_list_id == target_list.pk}
        rows = [
            ListMembership(
                target_list=target_list,
                account=accounts[pk],
                state=state,
                tier=row.tier,
                start_at=at,
                reason=reason,
                note=note,
                team=row.team,
                rep=row.rep,
                set_by=author(user),
                decided_by=author(user) if decided else row.decided_by,
            )
            for pk, row in mine.items()
        ]
        began += _replaced(rows, mine, user, accounts)
        if state not in HOLDING_STATES:  # nothing is left to be disqualified
            answer = Decision.ACCEPTED if state == MembershipState.DISQUALIFIED else Decision.REFUSED
            DisqualificationRequest.objects.filter(
                target_list=target_list, account__in=mine, decision=Decision.OPEN
            ).update(decision=answer, decided_by=author(user), decided_at=timezone.now(), decision_note=note)
    return began


# --- Requests to disqualify ----------------------------------------------------------------------------------------


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
    note = _checked_why(reason, note, Use.DISQUALIFY)
    locked = _locked_accounts(account.pk for account in accounts)
    latest = _latest(target_list, locked)
    waiting = set(
        DisqualificationRequest.objects.filter(
            target_list=target_list, account__in=locked, decision=Decision.OPEN
        ).values_list("account", flat=True)
    )
    for pk, account in locked.items():
        problem: ProblemError | None = None
        if team is not None and account.team_id not in (None, team.pk):
            problem = MembershipConflictError(
                _("%(value)s belongs to another sales team."),
                code="other_team",
                field="account",
                value=str(account),
                remedy=_("Propose accounts of your own team."),
            )
        elif not _in_force(latest.get(pk), HOLDING_STATES):
            problem = MembershipConflictError(
                _("%(value)s is not on this list."),
                code="not_member",
                field="account",
                value=str(account),
                remedy=_("Only accounts of the list can be disqualified on it."),
            )
        elif pk in waiting:
            problem = MembershipConflictError(
                _("For %(value)s a request is waiting for review already."),
                code="already_asked",
                field="account",
                value=str(account),
                remedy=_("Wait for the review."),
            )
        if problem:
            raise problem
    now = timezone.now()
    return DisqualificationRequest.objects.bulk_create(
        DisqualificationRequest(
            target_list=target_list,
            account=account,
            team=team,
            reason=reason,
            note=note,
            asked_by=author(user),
            asked_at=now,
        )
        for account in locked.values()
    )


@transaction.atomic
def review_disqualifications(
    *,
    requests: Iterable[DisqualificationRequest],
    accept: bool,
    note: str = "",
    user: Actor = None,
) -> list[DisqualificationRequest]:
    """Accept requests to disqualify, which ends the memberships and frees the places, or refuse them.

    Returns:
        The requests as decided.

    Raises:
        InvalidValueError: a refusal has no note, or the note is too long.
        MembershipConflictError: one was decided meanwhile; nothing was changed.
    """
    note = _checked_why(None, note, Use.REFUSE, required=not accept)
    ids = {request.pk for request in requests}
    locked = _locked_accounts(DisqualificationRequest.objects.filter(pk__in=ids).values_list("account", flat=True))
    found = list(
        DisqualificationRequest.objects.filter(pk__in=ids).order_by("pk").select_related("target_list", "reason")
    )
    now = _checked_time(None)
    for request in found:
        if request.decision != Decision.OPEN:
            raise MembershipConflictError(
                _("The request to disqualify %(value)s was decided meanwhile."),
                code="decided_already",
                field="request",
                value=str(locked[request.account_id]),
                remedy=_("Look at the requests again."),
            )
        request.decision = Decision.ACCEPTED if accept else Decision.REFUSED
        request.decided_by, request.decided_at, request.decision_note = author(user), now, note
    DisqualificationRequest.objects.bulk_update(found, ["decision", "decided_by", "decided_at", "decision_note"])
    if accept:
        for request in found:
            row = _latest(request.target_list, [request.account_id])[request.account_id]
            _moved(
                [row],
                set(HOLDING_STATES),
                MembershipState.DISQUALIFIED,
                request.reason,
                request.note,
                user,
                None,
                decided=True,
            )
    return found


@transaction.atomic
def end_memberships(
    *, accounts: Iterable[Account], note: str, user: Actor = None, at: dt.datetime | None = None
) -> list[ListMembership]:
    """End every membership of accounts that were disqualified as such, on all lists.

    From `at` on; a membership that began later than that, for the disqualification is dated back, ends now.
    """
    locked = _locked_accounts(account.pk for account in accounts)
    rows = list(
        ListMembership.objects.filter(account__in=locked, end_at__isnull=True, state__in=HOLDING_STATES).order_by("pk")
    )
    began: list[ListMembership] = []
    for when, chosen in (
        (at, [row for row in rows if at is None or row.start_at < at]),
        (None, [row for row in rows if at is not None and row.start_at >= at]),
    ):
        if chosen:
            began += _moved(chosen, set(HOLDING_STATES), MembershipState.DISQUALIFIED, None, note, user, when)
    return began


# --- Quotas --------------------------------------------------------------------------------------------------------


@transaction.atomic
def set_quota(
    *, team: SalesTeam, rep: User | None = None, kind: str = QuotaKind.MID_MARKET, places: int | None = None
) -> SalesQuota:
    """Give a team, or one of its reps, so many places. None takes what is usual: 15 key accounts, 30 mid market.

    Fewer places than are held take nobody off a list: nothing can be added until enough are free.

    Raises:
        InvalidValueError: the number is no whole number of at least one.
    """
    if places is None:
        places = USUAL_PLACES[QuotaKind(kind)]
    if isinstance(places, bool) or not isinstance(places, int) or not 1 <= places <= 2_147_483_647:
        raise InvalidValueError(
            _("%(value)s is no number of places."),
            code="quota_not_positive",
            field="places",
            value=places,
            remedy=_("Give a whole number from 1 on."),
        )
    quota, _made = SalesQuota.objects.update_or_create(team=team, rep=rep, defaults={"kind": kind, "places": places})
    return quota
