"""Adding to the history of a deal by hand."""

import datetime as dt
import uuid
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from journey.models import CrmStage, Opportunity, OpportunityChange
from journey.services.deal_states import derive_deals
from segmentation.errors import InvalidValueError
from segmentation.services.times import checked_past


def check_change(
    *,
    crm_stage: CrmStage | None = None,
    amount: Decimal | None = None,
    expected_close: dt.date | None = None,
    occurred_at: dt.datetime | None = None,
) -> None:
    """Refuse a change that cannot be.

    Raises:
        InvalidValueError: nothing changed, or the time has no zone or lies before 1990 or in the future.
    """
    if crm_stage is None and amount is None and expected_close is None:
        raise InvalidValueError(
            _("The change says nothing."),
            code="empty_change",
            field="crm_stage",
            remedy=_("Give a stage, an amount or an expected close."),
        )
    checked_past(occurred_at, _("%(value)s is no time a change can have happened at."), "occurred_at")


@transaction.atomic
def add_change(
    *,
    opportunity: Opportunity,
    crm_stage: CrmStage | None = None,
    amount: Decimal | None = None,
    expected_close: dt.date | None = None,
    occurred_at: dt.datetime | None = None,
    source_key: str = "",
) -> OpportunityChange:
    """Add a change to a deal and write the state that follows from all its changes.

    Args:
        opportunity: the deal.
        crm_stage: the stage it moved to; left out when only the amount or the expected close changed.
        amount: the new amount.
        expected_close: the new expected close.
        occurred_at: when it happened; not known when left out.
        source_key: identifies the change; made up when left out.

    Raises:
        InvalidValueError: nothing changed, or the time lies before 1990 or in the future.
    """
    check_change(crm_stage=crm_stage, amount=amount, expected_close=expected_close, occurred_at=occurred_at)
    locked = Opportunity.objects.select_for_update(no_key=True).get(pk=opportunity.pk)
    last = locked.changes.order_by("-sequence").values_list("sequence", flat=True).first()
    change = OpportunityChange.objects.create(
        opportunity=locked,
        crm_stage=crm_stage,
        amount=amount,
        expected_close=expected_close,
        occurred_at=occurred_at,
        sequence=0 if last is None else last + 1,
        source_key=source_key or f"admin:{uuid.uuid4()}",
    )
    derive_deals("SELECT %(deal)s::bigint", {"deal": locked.pk})
    opportunity.refresh_from_db()
    return change


def remap_stage(*, stage: CrmStage) -> int:
    """Work out anew the deals that were ever in a stage, after its meaning was edited.

    Returns:
        The number of deals whose opening or closing changed.
    """
    which = "SELECT opportunity_id FROM journey_opportunitychange WHERE crm_stage_id = %(stage)s"
    return derive_deals(which, {"stage": stage.pk})
