"""Storing target account lists and the reasons people choose from."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from segmentation.models import MembershipReason, TargetList
from segmentation.services.columns import store_row


@transaction.atomic
def store_list(*, values: Mapping[str, Any], target_list: TargetList | None = None) -> TargetList:
    """Make a target account list, or change one. Raises InvalidValueError naming the first column that is wrong."""
    return store_row(target_list or TargetList(), values)


@transaction.atomic
def store_reason(*, values: Mapping[str, Any], reason: MembershipReason | None = None) -> MembershipReason:
    """Make a reason for list decisions, or change one. Raises InvalidValueError naming the first column."""
    return store_row(reason or MembershipReason(), values)
