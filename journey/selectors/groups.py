"""Groups of companies: a parent with all its subsidiaries, and the figures of all of them together."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from journey.models import Opportunity, StageMeaning
from scoring.selectors.engagement import RECENT_DAYS, recent_engagement
from segmentation.models import Account, Contact
from segmentation.selectors.access import is_limited, visible_to
from segmentation.selectors.hierarchy import ancestors, families

OPEN = (StageMeaning.IDENTIFIED, StageMeaning.ACTIVE, StageMeaning.INTENT)


@dataclass
class Figures:
    """Figures of one company or of a group.

    Attributes:
        companies: how many companies they are of.
        seconds: engaged time of the last 90 days; people: who had part in it, counted once for each company.
        open, won: number of deals; their amounts by currency, for amounts are not converted.
    """

    companies: int = 1
    contacts: int = 0
    seconds: int = 0
    people: int = 0
    open: int = 0
    won: int = 0
    open_amounts: dict[str, Decimal] = field(default_factory=dict)
    won_amounts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def minutes(self) -> float:
        return round(self.seconds / 60, 1)

    def plus(self, other: "Figures") -> "Figures":
        def added(one: dict[str, Decimal], two: dict[str, Decimal]) -> dict[str, Decimal]:
            return {key: one.get(key, Decimal(0)) + two.get(key, Decimal(0)) for key in sorted({*one, *two})}

        return Figures(
            self.companies + other.companies,
            self.contacts + other.contacts,
            self.seconds + other.seconds,
            self.people + other.people,
            self.open + other.open,
            self.won + other.won,
            added(self.open_amounts, other.open_amounts),
            added(self.won_amounts, other.won_amounts),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "companies": self.companies,
            "contacts": self.contacts,
            "engaged_minutes": self.minutes,
            "engaged_people": self.people,
            "open_opportunities": self.open,
            "open_amounts": {key: str(value) for key, value in self.open_amounts.items()},
            "won_opportunities": self.won,
            "won_amounts": {key: str(value) for key, value in self.won_amounts.items()},
        }


@dataclass
class Company:
    """A company in its group: how deep below the top, its own figures and those with all below it."""

    account: Account
    depth: int
    own: Figures
    total: Figures


@dataclass
class Group:
    """The top company the one who asks may see, and everything below it, each under its parent."""

    companies: list[Company]
    days: int = RECENT_DAYS


def figures_of(accounts: Collection[int], at: dt.datetime, user: Any = None) -> dict[int, Figures]:
    """The figures of single companies, in a few queries whatever their number."""
    found: dict[int, Figures] = {pk: Figures() for pk in accounts}
    contacts = visible_to(Contact.objects.filter(account__in=accounts), user).order_by()
    for pk, number in contacts.values_list("account").annotate(n=Count("pk")):
        found[pk].contacts = number
    for pk, engagement in recent_engagement(accounts, at).items():
        found[pk].seconds, found[pk].people = engagement.seconds, engagement.people
    deals = visible_to(Opportunity.objects.filter(account__in=accounts), user).order_by()
    counted = deals.values_list("account", "currency").annotate(
        open=Count("pk", filter=Q(crm_stage__meaning__in=OPEN)),
        won=Count("pk", filter=Q(crm_stage__meaning=StageMeaning.WON)),
        open_amount=Sum("amount", filter=Q(crm_stage__meaning__in=OPEN)),
        won_amount=Sum("amount", filter=Q(crm_stage__meaning=StageMeaning.WON)),
    )
    for pk, currency, open_, won, open_amount, won_amount in counted:
        one = found[pk]
        one.open, one.won = one.open + open_, one.won + won
        if open_amount is not None:
            one.open_amounts[currency] = open_amount
        if won_amount is not None:
            one.won_amounts[currency] = won_amount
    return found


def group_of(account: Account, at: dt.datetime, user: Any = None) -> Group:
    """The whole group an account belongs to, as far as the one who asks may see it."""
    line = [account.pk, *ancestors(account.pk)]
    seen = set(visible_to(Account.objects.filter(pk__in=line), user).values_list("pk", flat=True))
    top = account.pk
    for pk in line:  # up to the highest that is reached without a gap
        if pk not in seen:
            break
        top = pk
    below = families([top]).get(top, {})
    rows = visible_to(Account.objects.filter(pk__in=[top, *below]), user).in_bulk()
    figures = figures_of(list(rows), at, user)
    children: dict[int, list[int]] = defaultdict(list)
    for pk in sorted(below.keys() & rows.keys(), key=lambda pk: (rows[pk].name, pk)):
        children[below[pk]].append(pk)
    companies: list[Company] = []

    def visit(pk: int, depth: int) -> Figures:
        company = Company(rows[pk], depth, figures[pk], figures[pk])
        companies.append(company)
        for child in children[pk]:
            company.total = company.total.plus(visit(child, depth + 1))
        return company.total

    if top in rows:
        visit(top, 0)
    return Group(companies)


def group_sizes(accounts: Iterable[int], user: Any = None) -> dict[int, int]:
    """How many subsidiaries, theirs included, each account has that the one who asks may see; none: left out."""
    found = families(accounts)
    if is_limited(user):
        every = {pk for below in found.values() for pk in below}
        seen = set(visible_to(Account.objects.filter(pk__in=every), user).values_list("pk", flat=True))
        found = {top: {pk: parent for pk, parent in below.items() if pk in seen} for top, below in found.items()}
    return {top: len(below) for top, below in found.items() if below}


__all__ = ["Company", "Figures", "Group", "figures_of", "group_of", "group_sizes"]
