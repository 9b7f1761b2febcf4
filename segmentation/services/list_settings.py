"""Storing target account lists and the reasons people choose from."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from segmentation.errors import InvalidValueError
from segmentation.models import MembershipReason, TargetList

Row = TypeVar("Row", bound=Model)


@transaction.atomic
def store_list(*, values: Mapping[str, Any], target_list: TargetList | None = None) -> TargetList:
    """Make a target account list, or change one. Raises InvalidValueError naming the first column that is wrong."""
    return store_row(target_list or TargetList(), values)


@transaction.atomic
def store_reason(*, values: Mapping[str, Any], reason: MembershipReason | None = None) -> MembershipReason:
    """Make a reason for list decisions, or change one. Raises InvalidValueError naming the first column."""
    return store_row(reason or MembershipReason(), values)


def store_row(row: Row, values: Mapping[str, Any]) -> Row:
    """Set columns and save, if the row is good. Raises InvalidValueError naming the first column that is wrong."""
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
