"""What people answered for accounts, and where they do not agree."""

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q, QuerySet

from segmentation.models import IcpAnswer, IcpProfile


def with_currency(answers: QuerySet[IcpAnswer]) -> QuerySet[IcpAnswer]:
    """Add to each answer `is_current`: whether it is the last one to its item, and so the one that counts."""
    later = IcpAnswer.objects.filter(
        Q(answered_at__gt=OuterRef("answered_at")) | Q(answered_at=OuterRef("answered_at"), pk__gt=OuterRef("pk")),
        profile=OuterRef("profile"),
        account=OuterRef("account"),
        item_key=OuterRef("item_key"),
        kind=OuterRef("kind"),
    )
    return answers.annotate(is_current=~Exists(later))


def other_answers(
    profile: IcpProfile, item_key: str, kind: str, account_ids: Collection[int], value: int | None
) -> list[IcpAnswer]:
    """Return the last answers to an item for these accounts that say something else than `value`."""
    last = (
        IcpAnswer.objects.filter(profile=profile, item_key=item_key, kind=kind, account__in=account_ids)
        .order_by("account_id", "-answered_at", "-id")
        .distinct("account_id")
        .select_related("account", "answered_by", "profile")
    )
    return [answer for answer in last if answer.value is not None and answer.value != value]
