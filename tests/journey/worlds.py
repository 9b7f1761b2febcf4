"""Small worlds for tests: accounts and what happened to them, in few words."""

import datetime as dt
import itertools
from typing import Any

from journey.documents import install_journeys
from journey.models import (
    Criterion,
    CrmStage,
    EntryRule,
    Journey,
    JourneyVersion,
    Opportunity,
    OpportunityChange,
    Stage,
    StageInterval,
)
from journey.selectors.histories import current_history
from scoring.models import Activity, ActivityType
from segmentation.models import Account, Contact, FlagType, IcpItem, IcpProfile, IcpVersion
from segmentation.ready_made import install_profile

_numbers = itertools.count(1)

DAY0 = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
TYPES = {
    "webinar": {"side": "marketing", "default_minutes": 30},
    "page_view": {"side": "marketing", "default_minutes": 1},
    "demo_request": {"side": "marketing", "default_minutes": 5, "is_hot": True},
    "sales_call": {"side": "sales", "default_minutes": 10},
    "meeting": {"side": "sales", "default_minutes": 45, "is_meeting": True},
}
CRM_STAGES = {
    "Discovery": "identified",
    "Proposal": "active",
    "Negotiation": "intent",
    "Won": "won",
    "Lost": "lost",
    "Parked": "",
}


def day(number: float) -> dt.datetime:
    """An instant so many days after the first of January 2025."""
    return DAY0 + dt.timedelta(days=number)


def install() -> None:
    """The settings every installation begins with, which tests that empty the tables must bring back."""
    install_journeys(Journey, JourneyVersion, Stage, EntryRule, Criterion)
    FlagType.objects.get_or_create(key="disqualified", defaults={"name": "Disqualified"})
    install_profile(IcpProfile, IcpVersion, IcpItem, published_at=DAY0)
    for key, values in TYPES.items():
        ActivityType.objects.get_or_create(key=key, defaults={"name": key, **values})
    for position, (name, meaning) in enumerate(CRM_STAGES.items()):
        CrmStage.objects.get_or_create(name=name, defaults={"meaning": meaning, "position": position})


def account(name: str = "", created: float = 0, **fields: Any) -> Account:
    number = next(_numbers)
    return Account.objects.create(
        name=name or f"Account {number}", external_id=f"A{number}", created_in_source_at=day(created), **fields
    )


def contact(of: Account, **fields: Any) -> Contact:
    number = next(_numbers)
    return Contact.objects.create(name=f"Contact {number}", external_id=f"C{number}", account=of, **fields)


def activity(of: Account | None, kind: str, at: float, by: Contact | None = None, **fields: Any) -> Activity:
    return Activity.objects.create(
        account=of,
        contact=by,
        type=ActivityType.objects.get(key=kind),
        occurred_at=day(at),
        source_key=fields.pop("source_key", f"k{next(_numbers)}"),
        **fields,
    )


def deal(of: Account | None, *changes: tuple[str, float | None], **fields: Any) -> Opportunity:
    """A deal with changes (CRM stage, day or None for unknown), in this order."""
    number = next(_numbers)
    opportunity = Opportunity.objects.create(account=of, external_id=f"O{number}", name=f"Deal {number}", **fields)
    for sequence, (stage, at) in enumerate(changes):
        change(opportunity, stage, at, sequence)
    return opportunity


def change(of: Opportunity, stage: str, at: float | None, sequence: int = 0) -> OpportunityChange:
    return OpportunityChange.objects.create(
        opportunity=of,
        crm_stage=CrmStage.objects.get(name=stage),
        occurred_at=None if at is None else day(at),
        sequence=sequence,
        source_key=f"c{next(_numbers)}",
    )


def stays(version: JourneyVersion, entity_id: int | None = None) -> list[tuple[Any, ...]]:
    """All stays of the present history, ordered: entity, stage key, from, until, rule, trust, first."""
    history = current_history(version)
    assert history is not None
    rows = StageInterval.objects.filter(history_id=history.pk).order_by("entity_id", "start_at")
    if entity_id is not None:
        rows = rows.filter(entity_id=entity_id)
    return list(rows.values_list("entity_id", "stage__key", "start_at", "end_at", "rule_id", "grade", "is_first"))


def path(version: JourneyVersion, of: Any) -> list[tuple[str, float]]:
    """The stages of one entity with the day each began (days after the first of January 2025)."""
    return [(key, (start - DAY0) / dt.timedelta(days=1)) for _e, key, start, *_ in stays(version, of.pk)]


def install_journeys_only() -> None:
    """The ready-made journeys and flags, without activity types or CRM stages: for tests that import their own."""
    install_journeys(Journey, JourneyVersion, Stage, EntryRule, Criterion)
    FlagType.objects.get_or_create(key="disqualified", defaults={"name": "Disqualified"})
