"""A whole demo world in memory, made from its parameters and nothing else."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from django.utils.translation import gettext as _

from journey.demo.catalogue import Catalogue, make_catalogue
from journey.demo.companies import Companies, make_companies
from journey.demo.curation import Curation, make_curation
from journey.demo.deals import Changes, Opportunities, choose_products, make_opportunities
from journey.demo.histories import FieldHistory, make_field_history
from journey.demo.interest import (
    NEVER,
    Customers,
    Disqualifications,
    make_customers,
    make_disqualifications,
    make_episodes,
)
from journey.demo.parameters import HOUR, DemoParameters
from journey.demo.people import People, make_people
from journey.demo.seasons import Seasons
from journey.demo.spans import make_spans
from journey.demo.staged import make_staged
from journey.demo.touches import Activities, make_activities


@dataclass
class World:
    """All facts of a demo world. Accounts, contacts and opportunities refer to each other by their position."""

    parameters: DemoParameters
    companies: Companies
    people: People
    opportunities: Opportunities
    changes: Changes
    customers: Customers
    customer_products: np.ndarray
    disqualified: Disqualifications
    field_history: FieldHistory
    catalogue: Catalogue
    activities: Activities
    curation: Curation

    def digest(self) -> str:
        """Return a checksum of everything; equal worlds have equal ones."""
        checksum = hashlib.sha256()
        for table in vars(self).values():
            if isinstance(table, DemoParameters):
                continue
            columns = (
                [table] if isinstance(table, np.ndarray) else [getattr(table, field.name) for field in fields(table)]
            )
            for column in columns:
                if isinstance(column, list) and column and not isinstance(column[0], str):
                    checksum.update(repr(column).encode())
                elif isinstance(column, np.ndarray):
                    checksum.update(
                        np.ascontiguousarray(column).data if column.dtype.kind in "if" else column.tobytes()
                    )
                else:
                    checksum.update("\x1f".join(column).encode())
        return checksum.hexdigest()


def build_world(parameters: DemoParameters, said: Callable[[str], None] = lambda step: None) -> World:
    """Return the world of these parameters.

    Args:
        parameters: size, seed and period.
        said: is told of each step as it begins.
    """
    said(_("Inventing accounts and what becomes of them"))
    companies = make_companies(parameters)
    episodes, new_deals = make_episodes(parameters, companies)
    customers, deals = make_customers(parameters, companies, new_deals)
    disqualified = make_disqualifications(parameters, companies, deals)
    said(_("Inventing contacts"))
    people = make_people(parameters, companies, episodes)
    said(_("Inventing opportunities"))
    products = choose_products(parameters, deals)
    opportunities, changes = make_opportunities(parameters, companies, deals, products)
    said(_("Inventing activities"))
    seasons, catalogue = Seasons(parameters), make_catalogue(parameters)
    spans = make_spans(parameters, companies, episodes, deals, customers, disqualified)
    staged = make_staged(parameters, companies, people, episodes, deals)
    activities = make_activities(parameters, companies, people, spans, staged, catalogue, seasons)
    _introduce(people, companies, activities)
    _name_main_contacts(people, opportunities)
    return World(
        parameters=parameters,
        companies=companies,
        people=people,
        opportunities=opportunities,
        changes=changes,
        customers=customers,
        customer_products=products[customers.deal],
        disqualified=disqualified,
        field_history=make_field_history(parameters, companies, customers, products[customers.deal]),
        catalogue=catalogue,
        activities=activities,
        curation=make_curation(parameters, companies, customers, disqualified),
    )


def _introduce(people: People, companies: Companies, activities: Activities) -> None:
    """Make every contact known before its first activity."""
    first = np.full(len(people), NEVER)
    named = np.flatnonzero(activities.contact >= 0)
    np.minimum.at(first, activities.contact[named], activities.occurred[named])
    seen = np.flatnonzero(first != NEVER)
    introduced = np.maximum(companies.created[people.account[seen]], first[seen] - HOUR // 2)
    earlier = introduced < people.created[seen]
    people.created[seen[earlier]] = introduced[earlier]
    delay = np.minimum(people.recorded[seen] - people.created[seen], HOUR // 4)
    people.recorded[seen] = people.created[seen] + np.maximum(delay, 1)


def _name_main_contacts(people: People, opportunities: Opportunities) -> None:
    """Give each opportunity the account's first person who was known when it was opened, if any."""
    if not len(people):
        return
    account = opportunities.account
    known = people.count(account) > 0
    candidate = np.minimum(people.first[account], len(people) - 1)
    known &= people.created[candidate] <= opportunities.opened
    opportunities.contact = np.where(known, candidate, -1)
