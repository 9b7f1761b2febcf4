"""Weights of considerations and judgements of segments: the only code that writes them."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError, closest
from segmentation.models import PriorityAnswer, PriorityWeight, Segment
from segmentation.services.users import Actor, author

MOST_WEIGHT = 100


def known_consideration(key: str, known: Collection[str]) -> str:
    """The key, if there is such a consideration. Raises InvalidValueError with the nearest one."""
    if key in known:
        return key
    close = closest(str(key), known)
    raise InvalidValueError(
        _("There is no consideration “%(value)s”."),
        code="unknown_consideration",
        field="consideration",
        value=key,
        remedy=_("Did you mean “%(close)s”? There are: %(known)s.") if close else _("There are: %(known)s."),
        params={"close": close, "known": ", ".join(known)},
    )


@transaction.atomic
def set_weights(*, weights: Mapping[str, Any], present: Mapping[str, int]) -> dict[str, int]:
    """Change weights; those left out stay. Returns all of them.

    Args:
        weights: whole numbers from 0 to 100 by key of the consideration.
        present: the weights of all considerations as they are.

    Raises:
        InvalidValueError: a consideration or a weight that cannot be, or nothing would count any more; nothing is
            changed then.
    """
    for key, weight in weights.items():
        known_consideration(key, present)
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= MOST_WEIGHT:
            raise InvalidValueError(
                _("“%(value)s” is no weight."),
                code="bad_weight",
                field=key,
                value=weight,
                remedy=_("Give a whole number from 0 to %(most)s."),
                params={"most": MOST_WEIGHT},
            )
    wanted = {**present, **weights}
    if not any(wanted.values()):
        raise InvalidValueError(
            _("All weights would be 0, so that nothing counts."),
            code="no_weight",
            field="weights",
            value=0,
            remedy=_("Give one consideration a weight at least."),
        )
    for key, weight in weights.items():
        PriorityWeight.objects.update_or_create(consideration=key, defaults={"weight": weight})
    return wanted


@transaction.atomic
def answer_consideration(
    *, segment: Segment, consideration: str, score: Any, reason: str, known: Collection[str], user: Actor = None
) -> PriorityAnswer:
    """Keep how a person judges a segment; a new answer replaces the one before.

    Args:
        score: 1 to 5, 5 speaks most for the segment.
        reason: what it rests on.
        known: the keys of all considerations.

    Raises:
        InvalidValueError: an unknown consideration, a score that is none, no reason; nothing is changed then.
    """
    known_consideration(consideration, known)
    if isinstance(score, bool) or score not in PriorityAnswer.Score.values:
        raise InvalidValueError(
            _("“%(value)s” is no answer."),
            code="bad_score",
            field="score",
            value=score,
            remedy=_("Answer from 1 (much speaks against it) to 5 (much speaks for it)."),
        )
    most: int = PriorityAnswer._meta.get_field("reason").max_length  # type: ignore[assignment]
    reason = " ".join(reason.split())
    if not reason or len(reason) > most or "\x00" in reason:
        raise InvalidValueError(
            _("An answer needs a reason of 1 to %(most)s characters; this one has %(length)s."),
            code="bad_reason",
            field="reason",
            value=reason,
            remedy=_("Say what it rests on."),
            params={"most": most, "length": len(reason)},
        )
    answer, _made = PriorityAnswer.objects.update_or_create(
        segment=segment,
        consideration=consideration,
        defaults={
            "score": score, "reason": reason, "answered_at": timezone.now(), "answered_by": author(user),
        },
    )  # fmt: skip
    return answer


@transaction.atomic
def withdraw_answer(*, answer: PriorityAnswer) -> None:
    """Take a judgement back: what was measured counts again."""
    answer.delete()
