"""Storing target account lists and the reasons people choose from."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from segmentation.errors import InvalidValueError
from segmentation.models import MembershipReason, TargetList

Row = TypeVar("Row", TargetList, MembershipReason)


@transaction.atomic
def store_list(*, values: Mapping[str, Any], target_list: TargetList | None = None) -> TargetList:
    """Make a target account list, or change one. Raises InvalidValueError naming the first column that is wrong."""
    return _stored(target_list or TargetList(), values)


@transaction.atomic
def store_reason(*, values: Mapping[str, Any], reason: MembershipReason | None = None) -> MembershipReason:
    """Make a reason for list decisions, or change one. Raises InvalidValueError naming the first column."""
    return _stored(reason or MembershipReason(), values)


def _stored(row: Row, values: Mapping[str, Any]) -> Row:
    for name, value in values.items():
        setattr(row, name, value)
    try:
        row.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        field = "" if field == "__all__" else field
        raise InvalidValueError("%(text)s", field=field, value=values.get(field), params={"text": texts[0]}) from None
    row.save()
    return row
