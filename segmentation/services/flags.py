"""Setting and ending the flags of accounts: the only code that writes them."""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from segmentation.errors import ConflictError, InvalidValueError
from segmentation.models import Account, AccountFlag, FlagType
from segmentation.services.target_lists import end_memberships
from segmentation.services.target_lists.rows import locked_accounts
from segmentation.services.times import checked_past
from segmentation.services.users import Actor, author


class FlagConflictError(ConflictError):
    """The flags that are there leave no room for the change."""

    code = "flag_conflict"


def _checked_time(at: dt.datetime | None) -> dt.datetime:
    return checked_past(at, _("%(value)s is no time a flag can begin or end at."))


def _checked_reason(reason: str) -> str:
    reason = " ".join(reason.split())
    most: int = AccountFlag._meta.get_field("reason").max_length  # type: ignore[assignment]
    if not reason:
        raise InvalidValueError(
            _("The reason is missing."),
            code="reason_missing",
            field="reason",
            remedy=_("Give one: it is shown wherever the flag is the answer to “why”."),
        )
    if len(reason) > most:
        raise InvalidValueError(
            _("The reason “%(value)s” has %(length)d characters."),
            code="reason_too_long",
            field="reason",
            value=reason,
            remedy=_("Shorten it to %(most)d."),
            params={"length": len(reason), "most": most},
        )
    return reason


def disqualified_type() -> FlagType:
    """Return the ready-made flag that the stage Disqualified reads."""
    flag_type, _made = FlagType.objects.get_or_create(
        key=FlagType.DISQUALIFIED, defaults={"name": gettext_noop("Disqualified")}
    )
    return flag_type


@transaction.atomic
def disqualify_accounts(
    *,
    accounts: Iterable[Account],
    reason: str,
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[AccountFlag]:
    """Disqualify accounts from `at` on, which ends their membership of every target account list.

    Those that are disqualified then already stay as they are.

    Args:
        accounts: a batch; one account is a batch of one.
        reason: why, in a person's words.
        user: who decided it.
        at: from when; now when left out.

    Returns:
        The flags that were set.

    Raises:
        InvalidValueError: the reason or the time cannot be used.
        FlagConflictError: an account was disqualified later than `at`; nothing was changed for any account.
    """
    reason, at = _checked_reason(reason), _checked_time(at)
    locked, flag_type = locked_accounts(account.pk for account in accounts), disqualified_type()
    flags = AccountFlag.objects.filter(account__in=locked, flag_type=flag_type)
    in_force = set(flags.filter(start_at__lte=at).exclude(end_at__lte=at).values_list("account", flat=True))
    later = flags.filter(start_at__gt=at).exclude(account__in=in_force).order_by("start_at").first()
    if later:
        raise FlagConflictError(
            _("%(account)s was disqualified on %(value)s, which is later."),
            code="flag_overlaps",
            field="at",
            value=f"{later.start_at:%Y-%m-%d %H:%M}",
            remedy=_("Choose a time after which no disqualification begins."),
            params={"account": locked[later.account_id]},
        )
    flagged = [account for pk, account in locked.items() if pk not in in_force]
    end_memberships(accounts=flagged, note=reason, user=user, at=at)
    return AccountFlag.objects.bulk_create(
        AccountFlag(account=account, flag_type=flag_type, start_at=at, reason=reason, set_by=author(user))
        for account in flagged
    )


@transaction.atomic
def reinstate_accounts(
    *,
    accounts: Iterable[Account],
    user: Actor = None,
    at: dt.datetime | None = None,
) -> list[AccountFlag]:
    """End the disqualification of accounts at `at`. Those that are not disqualified stay as they are.

    Returns:
        The flags that were ended; they are kept, for history reads them.

    Raises:
        InvalidValueError: `at` is in the future or before 1990.
        FlagConflictError: a disqualification began at `at` or later; nothing was changed for any account.
    """
    at = _checked_time(at)
    locked = locked_accounts(account.pk for account in accounts)
    ended = list(AccountFlag.objects.disqualifying().select_for_update().filter(account__in=locked).order_by("pk"))
    for flag in ended:
        if flag.start_at >= at:
            raise FlagConflictError(
                _("%(account)s was disqualified on %(value)s only."),
                code="flag_not_yet_set",
                field="at",
                value=f"{flag.start_at:%Y-%m-%d %H:%M}",
                remedy=_("Choose a later time for the end."),
                params={"account": locked[flag.account_id]},
            )
        flag.end_at, flag.ended_by = at, author(user)
    AccountFlag.objects.bulk_update(ended, ["end_at", "ended_by"])
    return ended
