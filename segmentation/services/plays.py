"""Plays and their suggestions: the only code that writes them."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError, closest
from segmentation.models import AccountFlag, Play, PlaySuggestion, Segment
from segmentation.selectors.segments import current_segment_history, memberships_at, version_in_force
from segmentation.services.columns import checked_note, refuse_bad_fields
from segmentation.services.keys import refuse_new_key
from segmentation.services.merging.relations import Merging
from segmentation.services.users import Actor, author

_LOCK = 73_012
FIELDS = (
    *("name", "trigger", "observed", "wanted", "action", "content", "goal", "owner"),
    *("cool_down_days", "include_present", "active"),
)
State, Result = PlaySuggestion.State, PlaySuggestion.Result


# --- Plays ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def save_play(*, play: Play | None = None, now: dt.datetime | None = None, **values: Any) -> Play:
    """Make a play, or change one. One that becomes active is started: triggers count that begin from then on.

    Args:
        play: the one to change; None makes a new one, which needs key, name, trigger and action.
        now: when it is started.
        values: key (of a new one) and the fields of a play.

    Raises:
        ConflictError: the key is taken.
        InvalidValueError: a value cannot be stored; nothing is changed then.
    """
    row = play or Play()
    if play is None:
        refuse_new_key(Play, values.get("key"))
    unknown = [name for name in values if name not in (*FIELDS, *(() if play else ("key",)))]
    if unknown:
        raise InvalidValueError(
            _("A play has no “%(field)s”."),
            code="unknown_key",
            field=unknown[0],
            value=values[unknown[0]],
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(FIELDS)},
        )
    was_active = bool(play and play.active)
    for name, value in values.items():
        setattr(row, name, value)
    if row.trigger_id is None:
        raise InvalidValueError(
            _("A play needs a trigger."),
            code="required",
            field="trigger",
            remedy=_("Choose the segment whose rule says when to act, or make one."),
        )
    if row.active and not was_active:
        row.started_at = now or timezone.now()
    refuse_bad_fields(row, values, exclude=["started_at", "owner", "trigger"])
    row.save()
    return row


@transaction.atomic
def delete_play(*, play: Play) -> None:
    """Remove a play that never made a suggestion. Raises ConflictError for another: its figures are worth keeping."""
    number = play.suggestions.count()
    if number:
        raise ConflictError(
            _("The play “%(value)s” has made %(number)s suggestions, which are kept."),
            code="in_use",
            field="play",
            value=play.key,
            remedy=_("Switch it off instead."),
            params={"number": number},
        )
    play.delete()


# --- Making suggestions --------------------------------------------------------------------------------------------


@dataclass
class Suggested:
    """What a run did, by key of the play: suggestions made, and open ones that lapsed. waiting: not worked out yet."""

    made: dict[str, int] = field(default_factory=dict)
    lapsed: dict[str, int] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"made": self.made, "lapsed": self.lapsed, "waiting": self.waiting}


@transaction.atomic
def suggest_actions(*, now: dt.datetime) -> Suggested:
    """Make the suggestions that are due by the stored memberships of the triggers, and let lapse what no longer holds.

    Running it again changes nothing. An account gets one when a period of the trigger began after the play was started
    (any period, where present accounts are included) and still holds, no suggestion of the play was made since it
    began, none is live, and the last one is as old as the cool-down. So a trigger that begins again during a cool-down
    is suggested when that has passed, if it still holds then. Nothing is to be done about accounts that are
    disqualified: what is open lapses.
    """
    with connection.cursor() as cursor:  # one run at a time
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])
    done = Suggested()
    disqualified = AccountFlag.objects.disqualifying().values("account")
    for play in Play.objects.select_related("trigger").order_by("pk"):
        history = current_segment_history(play.trigger)
        if history is None or history.version_id != version_in_force(play.trigger).pk:
            done.waiting += [play.key] if play.active else []
            continue
        rows = memberships_at(play.trigger, now).exclude(account__in=disqualified)
        held = dict(rows.values_list("account_id", "start_at"))
        lapsed = play.suggestions.filter(state=State.OPEN).exclude(account__in=list(held))
        number = lapsed.update(state=State.LAPSED, closed_at=now)
        done.lapsed |= {play.key: number} if number else {}
        if play.active and (new := _due(play, held, now)):
            rows = [PlaySuggestion(play=play, account_id=of, trigger_at=held[of], made_at=now) for of in new]
            PlaySuggestion.objects.bulk_create(rows, batch_size=1000)
            done.made[play.key] = len(rows)
    return done


def _due(play: Play, held: Mapping[int, dt.datetime], now: dt.datetime) -> list[int]:
    """The accounts that get a suggestion. held: since when the trigger holds, by account."""
    live = set(play.suggestions.filter(state__in=PlaySuggestion.LIVE).values_list("account_id", flat=True))
    last = dict(play.suggestions.order_by().values_list("account_id").annotate(last=Max("made_at")))
    cool = dt.timedelta(days=play.cool_down_days)
    return [
        account
        for account, since in sorted(held.items())
        if account not in live
        and (play.include_present or (play.started_at is not None and since >= play.started_at))
        and (account not in last or (last[account] < since and last[account] + cool <= now))
    ]


# --- What becomes of them ------------------------------------------------------------------------------------------


def accept_suggestions(*, suggestions: Any, user: Actor = None, note: str = "") -> list[PlaySuggestion]:
    """Somebody will act on these open suggestions. All or none; raises ConflictError for one that is not open."""

    def change(row: PlaySuggestion, now: dt.datetime) -> None:
        row.state, row.accepted_at = State.ACCEPTED, now

    return _decide(suggestions, (State.OPEN,), change, user, note)


def finish_suggestions(*, suggestions: Any, result: str, user: Actor = None, note: str = "") -> list[PlaySuggestion]:
    """These were acted on, with a result (a value of `PlaySuggestion.Result`). All or none.

    The result of one that is done may be corrected. Raises InvalidValueError for an unknown result, ConflictError for a
    suggestion that was dismissed or has lapsed.
    """
    if result not in Result.values:
        guess = closest(str(result), Result.values)
        raise InvalidValueError(
            _("“%(value)s” is no result."),
            code="unknown_choice",
            field="result",
            value=result,
            remedy=_("Did you mean “%(guess)s”?") if guess else _("Use one of %(known)s."),
            params={"guess": guess, "known": ", ".join(Result.values)},
        )

    def change(row: PlaySuggestion, now: dt.datetime) -> None:
        row.accepted_at = row.accepted_at or now
        row.closed_at = row.closed_at or now
        row.state, row.result = State.DONE, result

    return _decide(suggestions, (*PlaySuggestion.LIVE, State.DONE), change, user, note)


def dismiss_suggestions(*, suggestions: Any, user: Actor = None, note: str = "") -> list[PlaySuggestion]:
    """These are not acted on, and why. All or none.

    Raises InvalidValueError without a reason, ConflictError for one that is decided already.
    """
    if not note.strip():
        raise InvalidValueError(
            _("A suggestion is dismissed with a reason."),
            code="required",
            field="note",
            value=note,
            remedy=_("Say why: the play gets better by it."),
        )

    def change(row: PlaySuggestion, now: dt.datetime) -> None:
        row.state, row.closed_at = State.DISMISSED, now

    return _decide(suggestions, PlaySuggestion.LIVE, change, user, note)


@transaction.atomic
def _decide(
    suggestions: Any,
    states: tuple[str, ...],
    change: Callable[[PlaySuggestion, dt.datetime], None],
    user: Actor,
    note: str,
) -> list[PlaySuggestion]:
    text = checked_note(PlaySuggestion, note)
    now = timezone.now()
    keys = [row.pk for row in suggestions]
    rows = list(
        PlaySuggestion.objects.select_for_update(of=("self",))
        .select_related("play", "account")
        .filter(pk__in=keys)
        .order_by("pk")  # one order, so that two requests take turns
    )
    for row in rows:
        if row.state not in states:
            raise ConflictError(
                _("“%(value)s” is %(state)s already."),
                code="decided",
                field="suggestion",
                value=str(row),
                remedy=_("Reload the page; somebody else may have decided, or the trigger no longer holds."),
                params={"state": row.get_state_display().lower()},
            )
    for row in rows:
        change(row, now)
        row.decided_by = author(user)
        row.note = text or row.note
        row.save()
    return rows


def join_suggestions(merging: Merging) -> None:
    """Of two live suggestions of one play the survivor's stays; the other one lapses. All are kept."""
    mine = PlaySuggestion.objects.filter(account=merging.survivor, state__in=PlaySuggestion.LIVE)
    theirs = PlaySuggestion.objects.filter(account=merging.absorbed)
    twice = theirs.filter(state__in=PlaySuggestion.LIVE, play__in=mine.values("play"))
    twice.update(state=State.LAPSED, closed_at=timezone.now())
    theirs.update(account=merging.survivor)


def trigger_choices() -> Any:
    """The segments a play may be triggered by: those made for it first."""
    return Segment.objects.order_by("-purpose", "order", "name")
