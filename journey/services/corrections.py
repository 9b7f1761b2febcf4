"""Taking back what a source said wrongly about a deal."""

from django.db import transaction
from django.db.models import F

from journey.models import Opportunity, OpportunityChange
from journey.services.deal_states import derive_deals


@transaction.atomic
def remove_change(*, change: OpportunityChange) -> None:
    """Delete a change of a deal and write the state that follows from those that stay.

    Args:
        change: the wrong one; corrections of a right one are stored under its external id instead.
    """
    deal = Opportunity.objects.select_for_update(no_key=True).get(pk=change.opportunity_id)
    change.delete()
    # Derivation leaves alone what no change speaks of any more.
    gone = {name: None for name in ("crm_stage", "amount", "expected_close") if getattr(change, name) is not None}
    Opportunity.objects.filter(pk=deal.pk).update(**gone, closed_at=None, opened_at=F("created_in_source_at"))
    derive_deals("SELECT %(deal)s::bigint", {"deal": deal.pk})
