"""Small worlds for tests: accounts and what happened to them, in few words."""

import datetime as dt
import itertools
import random
from typing import Any

from django.db import connection

from journey.documents import install_journeys
from journey.models import (
    Criterion,
    CrmStage,
    EntryRule,
    Journey,
    JourneyVersion,
    MarketLevel,
    Opportunity,
    OpportunityChange,
    Stage,
    StageInterval,
)
from journey.ready_made_markets import install_markets
from journey.selectors.histories import current_history
from scoring.models import Activity, ActivityType
from segmentation.models import Account, AccountFlag, Contact, FlagType, IcpItem, IcpProfile, IcpVersion
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


def snapshot_of_all() -> str:
    """A snapshot that sees every transaction so far, whichever others (of tests run beside this one) are still open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        [end] = cursor.fetchone()
    return f"{end}:{end}:"


def install() -> None:
    """The settings every installation begins with, which tests that empty the tables must bring back."""
    install_journeys(Journey, JourneyVersion, Stage, EntryRule, Criterion)
    FlagType.objects.get_or_create(key="disqualified", defaults={"name": "Disqualified"})
    install_profile(IcpProfile, IcpVersion, IcpItem, published_at=DAY0)
    install_markets(MarketLevel)
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


class RandomWorld:
    """Random facts in the database, changed step by step in every way facts change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.accounts = [account(tier=self.random.choice([1, 2, 3, None])) for _n in range(12)]
        self.contacts = [
            contact(
                self.random.choice(self.accounts),
                seniority=self.random.choice(["vp", "manager", "other", "c_level", ""]),
                buying_role=self.random.choice(["user", "evaluator", "decision_maker", ""]),
            )
            for _n in range(30)
        ]
        self.deals = [deal(self.random.choice([*self.accounts, None])) for _n in range(15)]

    def step(self) -> None:
        r = self.random
        kind = r.choice(
            ["activity"] * 6 + ["change"] * 3 + ["move", "remove", "contact", "tier", "flag", "deal", "removed change"]
        )
        person = r.choice(self.contacts)
        if kind == "activity":
            by = r.choice([person, None])
            of = r.choice(self.accounts) if by is None or r.random() < 0.2 else by.account
            when = r.choice([r.randrange(200), r.uniform(0, 200)])
            activity(
                of,
                r.choice(list(TYPES)),
                when,
                by,
                seconds=r.choice([None, 0, 600, 3600]),
                outcome=r.choice(["", "held"]),
            )
        elif kind == "change":
            change(
                r.choice(self.deals),
                r.choice(list(CRM_STAGES)),
                r.choice([None, *([r.randrange(200)] * 6)]),
                r.randrange(3),
            )
        elif kind == "move" and Activity.objects.exists():
            row = r.choice(list(Activity.objects.all()))
            Activity.objects.filter(pk=row.pk).update(account=r.choice(self.accounts))
        elif kind == "remove" and Activity.objects.exists():
            r.choice(list(Activity.objects.all())).delete()
        elif kind == "contact":
            Contact.objects.filter(pk=person.pk).update(
                seniority=r.choice(["vp", "manager", ""]), account=r.choice(self.accounts)
            )
            person.refresh_from_db()
        elif kind == "tier":
            Account.objects.filter(pk=r.choice(self.accounts).pk).update(tier=r.choice([1, 2, 3]))
        elif kind == "flag":
            flag = FlagType.objects.get(key="disqualified")
            of, begin = r.choice(self.accounts), r.randrange(200)
            if not AccountFlag.objects.filter(account=of).exists():
                AccountFlag.objects.create(
                    account=of, flag_type=flag, start_at=day(begin), end_at=day(begin + 20), reason="test"
                )
        elif kind == "deal":
            row = r.choice(self.deals)
            row.account = r.choice([*self.accounts, None])
            row.save()
        elif kind == "removed change":
            row = r.choice(self.deals).changes.first()
            if row:
                row.delete()
