"""That somebody went through a list."""

from django.db import transaction
from django.utils import timezone

from segmentation.models import ListReview, TargetList
from segmentation.services.columns import checked_note
from segmentation.services.users import Actor, author


@transaction.atomic
def record_list_review(*, target_list: TargetList, note: str = "", user: Actor = None) -> ListReview:
    """Record that a list was reviewed now: its next review is due a cadence later.

    Args:
        note: what was found and changed.
        user: who went through it.

    Raises:
        InvalidValueError: the note is too long.
    """
    return ListReview.objects.create(
        target_list=target_list,
        reviewed_at=timezone.now(),
        reviewed_by=author(user),
        note=checked_note(ListReview, note),
    )
