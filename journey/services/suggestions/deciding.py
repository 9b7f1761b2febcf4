"""What people say to suggestions: onto the list, no, or look again."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from journey.models import Suggestion
from journey.selectors.suggestions import State, reasons_of
from segmentation.errors import ConflictError, InvalidValueError
from segmentation.models import ListMembership, MembershipReason, TargetList
from segmentation.services.target_lists import add_accounts
from segmentation.services.target_lists.given import Use, checked_why
from segmentation.services.users import Actor

MOST_NOTE = 300
_DECISION = ["state", "target_list", "reason", "note", "decided_by", "decided_at"]


def _locked(suggestions: Iterable[Suggestion], state: str) -> list[Suggestion]:
    """The suggestions of this state about the accounts of those given, from whichever source: a person decides about an
    account. Raises ConflictError when one given is in another state by now."""
    ids = {row.pk for row in suggestions}
    given = {row.pk: row for row in Suggestion.objects.filter(pk__in=ids).select_related("account")}
    rows = list(
        Suggestion.objects.select_for_update(of=("self",))
        .filter(account__in={row.account_id for row in given.values()}, state=state)
        .select_related("account", "source__target_list", "source__segment")
        .order_by("pk")
    )
    for pk in sorted(ids - {row.pk for row in rows}):
        row = given.get(pk)
        raise ConflictError(
            _("The suggestion of %(value)s was decided or taken back meanwhile."),
            code="state_changed",
            field="suggestions",
            value=row.account if row else pk,
            remedy=_("Look at the suggestions again."),
        )
    return rows


@transaction.atomic
def accept_suggestions(
    *,
    suggestions: Iterable[Suggestion],
    target_list: TargetList | None = None,
    reason: MembershipReason | None = None,
    note: str = "",
    tier: int | None = None,
    user: Actor = None,
) -> list[ListMembership]:
    """Put suggested accounts onto a target account list: active at once, as if marketing had added them.

    Args:
        suggestions: open ones; what other sources say of the same accounts is accepted with them.
        target_list: where to; the list of the source when left out.
        reason: why, chosen from the reasons to add.
        note: why, in a person's words; when neither is given, what the suggestion rests on.
        tier: on the list; None takes the list's.
        user: who decided it.

    Returns:
        The memberships that began.

    Raises:
        InvalidValueError: reason, note or tier cannot be used, or no list is named.
        ConflictError: a suggestion was decided meanwhile, or the list does not take an account. Nothing was changed.
    """
    given = list(suggestions)
    rows = _locked(given, State.OPEN)
    chosen = {row.pk for row in given}
    meant: dict[int, Suggestion] = {}
    for row in sorted(rows, key=lambda row: (row.account_id, row.place, row.pk)):
        if row.pk in chosen:
            meant.setdefault(row.account_id, row)
    onto: dict[int, TargetList] = {}
    for pk, row in meant.items():
        where = target_list or row.source.target_list
        if where is None:
            raise InvalidValueError(
                _("Onto which target account list is %(value)s to go?"),
                code="list_missing",
                field="list",
                value=row.account,
                remedy=_("Choose a list, or give the source one of its own."),
            )
        onto[pk] = where
    began: list[ListMembership] = []
    if reason is not None or note.strip():
        for where in sorted(set(onto.values()), key=lambda where: where.pk):
            accounts = [row.account for pk, row in meant.items() if onto[pk] == where]
            began += add_accounts(target_list=where, accounts=accounts, reason=reason, note=note, tier=tier, user=user)
    else:
        texts = reasons_of(meant.values(), timezone.now())
        for pk, row in meant.items():
            told = Truncator(f"{row.source}: {texts[row.pk]['text']}").chars(MOST_NOTE)
            began += add_accounts(target_list=onto[pk], accounts=[row.account], note=told, tier=tier, user=user)
    why = checked_why(reason, note, user, use=Use.ADD, required=False)
    for row in rows:
        row.state, row.target_list = State.ACCEPTED, onto[row.account_id]
        row.reason, row.note, row.decided_by, row.decided_at = why.reason, why.note, why.who, timezone.now()
    Suggestion.objects.bulk_update(rows, _DECISION)
    return began


@transaction.atomic
def decline_suggestions(
    *,
    suggestions: Iterable[Suggestion],
    reason: MembershipReason | None = None,
    note: str = "",
    user: Actor = None,
) -> list[Suggestion]:
    """Say no to suggested accounts. They come back only when something about them has changed.

    Args:
        suggestions: open ones; what other sources say of the same accounts is declined with them.
        reason, note: why; one of them is needed.

    Returns:
        Those that are declined now.

    Raises:
        InvalidValueError: reason or note is missing or cannot be used.
        ConflictError: a suggestion was decided meanwhile; nothing was changed.
    """
    why = checked_why(reason, note, user, use=Use.REFUSE)
    rows = _locked(suggestions, State.OPEN)
    for row in rows:
        row.state, row.reason, row.note = State.DECLINED, why.reason, why.note
        row.decided_by, row.decided_at = why.who, timezone.now()
    Suggestion.objects.bulk_update(rows, _DECISION)
    return rows


@transaction.atomic
def reopen_suggestions(*, suggestions: Iterable[Suggestion], user: Actor = None) -> list[Suggestion]:
    """Let declined accounts wait for a decision again. Returns the suggestions that were declined.

    Raises ConflictError when one is not declined any more; nothing was changed.
    """
    rows = _locked(suggestions, State.DECLINED)
    for row in rows:
        row.state, row.reason, row.note, row.decided_by, row.decided_at = State.OPEN, None, "", None, None
    Suggestion.objects.bulk_update(rows, _DECISION)
    return rows
