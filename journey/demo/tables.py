"""The rows of a demo world as columns ready for COPY, in the words of the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journey.demo.companies import Companies
from journey.demo.deals import KINDS
from journey.demo.interest import NEVER
from journey.demo.people import CONSENTS, ROLES, SENIORITIES
from journey.demo.staged import OUTCOMES
from journey.demo.words import (
    BUSINESS_UNITS,
    COUNTRIES,
    DISQUALIFIED_REASONS,
    INDUSTRIES,
    LOSS_REASONS,
    PRODUCTS,
    SOURCES,
    TEAMS,
    TITLES,
    traditional,
)
from journey.demo.world import World

SOURCE = "demo"
ROWS_AT_ONCE = 200_000

Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Ids:
    """Primary keys: those of the rows of the world count from a first one, those of settings are listed by code."""

    account: int
    contact: int
    opportunity: int
    teams: np.ndarray
    stages: np.ndarray
    types: np.ndarray
    disqualified: int


class WorldTables:
    """Turns the parts of a world into columns."""

    def __init__(self, world: World, ids: Ids):
        self.world, self.ids = world, ids
        self.start = int(world.parameters.start.timestamp())
        self.first_day = (world.parameters.start.date() - date(1970, 1, 1)).days
        self.product_sets = pa.array([_array_literal(PRODUCTS, bits) for bits in range(1 << len(PRODUCTS))])

    def accounts(self) -> Columns:
        """Return the accounts as they are at the end."""
        companies, history, n = self.world.companies, self.world.field_history, len(self.world.companies)
        last = history.last_of(n)
        return {
            "id": pa.array(self.ids.account + np.arange(n)),
            **self._sourced("A", n, companies.created, companies.recorded, history.at[last]),
            "name": pa.array(companies.name),
            "other_names": pa.array([f'{{"{name}"}}' if name else "{}" for name in companies.other_name]),
            "domain": pa.array(companies.domain),
            "other_domains": _same("{}", n),
            "industry": _words([industry.name for industry in INDUSTRIES], companies.industry),
            "region": _words([country.region for country in COUNTRIES], companies.country),
            "country": _words([country.name for country in COUNTRIES], companies.country),
            "city": self._cities(companies),
            "employees": _known(companies.employees, companies.employees >= 0),
            "revenue": _known(companies.revenue, companies.revenue >= 0),
            "revenue_currency": pc.if_else(
                pa.array(companies.revenue >= 0),
                _words([country.currency for country in COUNTRIES], companies.country),
                "",
            ),
            "tier": _known(history.tier[last], history.tier[last] > 0),
            "relationship": pa.array(history.relationship[last].tolist()),
            "business_unit": _words(BUSINESS_UNITS, companies.business_unit),
            "source": _words(SOURCES, companies.source),
            "owner": self._owners(companies.team, companies.rep),
            "products": self.product_sets.take(pa.array(history.products[last])),
            "custom": _same("{}", n),
            "parent_id": _known(companies.parent + self.ids.account, companies.parent >= 0),
            "team_id": _known(self.ids.teams[companies.team], companies.team >= 0),
        }

    def account_events(self, accounts: Columns) -> Columns:
        """Return the field history of the accounts."""
        history = self.world.field_history
        rows = pa.array(history.account)
        at = self._times(history.at)
        first = np.ones(len(history.account), dtype=bool)
        first[1:] = history.account[1:] != history.account[:-1]
        return {
            **{name: column.take(rows) for name, column in accounts.items()},
            "updated_at": at,
            "tier": _known(history.tier, history.tier > 0),
            "relationship": pa.array(history.relationship.tolist()),
            "products": self.product_sets.take(pa.array(history.products)),
            **_event(accounts["id"].take(rows), at, pc.if_else(pa.array(first), "insert", "update")),
        }

    def contacts(self) -> Columns:
        """Return the contacts."""
        people, companies, n = self.world.people, self.world.companies, len(self.world.people)
        chinese = companies.is_chinese[people.account]
        outside = chinese & (companies.country[people.account] > 0)
        titles = [title.english for title in TITLES]
        titles += [title.chinese for title in TITLES]
        titles += [traditional(title.chinese) for title in TITLES]
        language = chinese.astype(np.int64) + outside
        has_title = people.title >= 0
        return {
            "id": pa.array(self.ids.contact + np.arange(n)),
            **self._sourced("C", n, people.created, people.recorded, people.recorded),
            "name": pa.array(people.name),
            "email": pa.array(people.email),
            "phone": pa.array(people.phone),
            "job_title": _words([*titles, ""], np.where(has_title, language * len(TITLES) + people.title, -1)),
            "seniority": _words([*SENIORITIES, ""], people.seniority),
            "department": _words([*(title.department for title in TITLES), ""], people.title),
            "classified_by_hand": pa.array(np.zeros(n, dtype=bool)),
            "buying_role": _words([*ROLES, ""], people.role),
            "consent": _words(CONSENTS, people.consent),
            "custom": _same("{}", n),
            "account_id": pa.array(self.ids.account + people.account),
        }

    def contact_events(self, contacts: Columns) -> Columns:
        """Return the beginning of the contacts' field history."""
        label = _same("insert", len(self.world.people))
        return {**contacts, **_event(contacts["id"], contacts["recorded_at"], label)}

    def opportunities(self) -> Columns:
        """Return the opportunities as they are at the end."""
        deals, companies, n = self.world.opportunities, self.world.companies, len(self.world.opportunities)
        account = deals.account
        team = np.where(companies.team[account] >= 0, companies.team[account], len(TEAMS) - 1)
        product = _words(PRODUCTS, deals.product)
        short_names = pa.array(companies.short_name).take(pa.array(account))
        suffixes = {"new": "", "upsell": " (upsell)", "cross_sell": " (cross-sell)", "renewal": " (renewal)"}
        suffix = _words([suffixes[KINDS[code]] for code in sorted(KINDS)], deals.kind)
        return {
            "id": pa.array(self.ids.opportunity + np.arange(n)),
            **self._sourced("O", n, deals.opened, deals.recorded, deals.updated),
            "account_id": pa.array(self.ids.account + account),
            "account_reference": _same("", n),
            "contact_id": _known(self.ids.contact + deals.contact, deals.contact >= 0),
            "name": pc.binary_join_element_wise(pc.binary_join_element_wise(short_names, product, " – "), suffix, ""),
            "kind": _words([KINDS[code] for code in sorted(KINDS)], deals.kind),
            "product": product,
            "crm_stage_id": pa.array(self.ids.stages[deals.stage]),
            "amount": _known(deals.amount, deals.amount >= 0),
            "currency": _words([country.currency for country in COUNTRIES], companies.country[account]),
            "first_year_value": _known(deals.first_year_value, deals.first_year_value >= 0),
            "opened_at": self._times(deals.opened),
            "closed_at": self._times(deals.closed, deals.closed >= 0),
            "expected_close": self._dates(deals.expected_close, deals.expected_close >= 0),
            "loss_reason": _words([*LOSS_REASONS, ""], deals.loss_reason),
            "owner": self._owners(team, np.maximum(companies.rep[account], 0)),
            "team_id": pa.array(self.ids.teams[team]),
            "custom": _same("{}", n),
        }

    def changes(self) -> Columns:
        """Return the changes of the opportunities."""
        changes = self.world.changes
        keys = [
            f"demo:o:{opportunity:07d}:{sequence}"
            for opportunity, sequence in zip((changes.opportunity + 1).tolist(), changes.sequence.tolist(), strict=True)
        ]
        return {
            "opportunity_id": pa.array(self.ids.opportunity + changes.opportunity),
            "occurred_at": self._times(changes.occurred),
            "recorded_at": self._times(changes.recorded),
            "sequence": pa.array(changes.sequence),
            "crm_stage_id": _known(self.ids.stages[changes.stage], changes.stage >= 0),
            "amount": _known(changes.amount, changes.amount >= 0),
            "expected_close": self._dates(changes.expected_close, changes.expected_close >= 0),
            "source_key": pa.array(keys, pa.string()),
        }

    def customer_periods(self) -> Columns:
        """Return the periods as a customer."""
        customers = self.world.customers
        return {
            "account_id": pa.array(self.ids.account + customers.account),
            "product": _words(PRODUCTS, self.world.customer_products),
            "started_at": self._times(customers.since),
            "ended_at": self._times(customers.until, customers.until != NEVER),
        }

    def flags(self) -> Columns:
        """Return the disqualifications."""
        flags = self.world.disqualified
        n = len(flags.account)
        return {
            "account_id": pa.array(self.ids.account + flags.account),
            "flag_type_id": pa.array(np.full(n, self.ids.disqualified)),
            "start_at": self._times(flags.since),
            "end_at": self._times(flags.until, flags.until != NEVER),
            "reason": _words(DISQUALIFIED_REASONS, flags.reason),
            "recorded_at": self._times(flags.since),
        }

    def activities(self) -> Iterator[Columns]:
        """Yield the activities, some hundred thousand at a time, in the order in which they became known."""
        facts, catalogue = self.world.activities, self.world.catalogue
        campaigns, titles, urls = (pa.array(words) for words in (catalogue.campaigns, catalogue.titles, catalogue.urls))
        outcomes = pa.array(OUTCOMES)
        for begin in range(0, len(facts), ROWS_AT_ONCE):
            part = slice(begin, begin + ROWS_AT_ONCE)
            contact, seconds = facts.contact[part].astype(np.int64), facts.seconds[part]
            content = pa.array(facts.content[part])
            yield {
                "account_id": pa.array(self.ids.account + facts.account[part].astype(np.int64)),
                "contact_id": _known(self.ids.contact + contact, contact >= 0),
                "type_id": pa.array(self.ids.types[facts.type[part]]),
                "occurred_at": self._times(facts.occurred[part]),
                "recorded_at": self._times(facts.recorded[part]),
                "seconds": _known(seconds, seconds >= 0),
                "outcome": outcomes.take(pa.array(facts.outcome[part])),
                "campaign": campaigns.take(pa.array(facts.campaign[part])),
                "content": titles.take(content),
                "url": urls.take(content),
                "source_key": _numbered("demo:a:", begin + 1, len(seconds), 9),
            }

    def _sourced(
        self, letter: str, size: int, created: np.ndarray, recorded: np.ndarray, updated: np.ndarray
    ) -> Columns:
        return {
            "source_system": _same(SOURCE, size),
            "external_id": _numbered(letter, 1, size, 7),
            "created_in_source_at": self._times(created),
            "recorded_at": self._times(recorded),
            "updated_at": self._times(updated),
        }

    def _times(self, seconds: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
        values = np.where(True if known is None else known, seconds, 0).astype(np.int64) + self.start
        return pa.array(values, pa.timestamp("s", "UTC"), mask=None if known is None else ~known)

    def _dates(self, days: np.ndarray, known: np.ndarray) -> pa.Array:
        return pa.array((days + self.first_day).astype(np.int32), pa.int32(), mask=~known).cast(pa.date32())

    def _cities(self, companies: Companies) -> pa.Array:
        names = [city.name for country in COUNTRIES for city in country.cities]
        first = np.cumsum([0, *(len(country.cities) for country in COUNTRIES)])
        return _words(names, first[companies.country] + companies.city)

    def _owners(self, team: np.ndarray, rep: np.ndarray) -> pa.Array:
        names = [rep for team in TEAMS for rep in team.reps]
        first = np.cumsum([0, *(len(team.reps) for team in TEAMS)])
        return _words([*names, ""], np.where((team >= 0) & (rep >= 0), first[team] + rep, -1))


def _array_literal(words: tuple[str, ...], bits: int) -> str:
    """Return those of the words whose bit is set, as PostgreSQL writes an array."""
    return "{" + ",".join(f'"{word}"' for place, word in enumerate(words) if bits >> place & 1) + "}"


def _words(words: list[str] | tuple[str, ...], codes: np.ndarray) -> pa.Array:
    """Return the words of the codes; code -1 is the last word."""
    return pa.array(words).take(pa.array(np.where(codes < 0, len(words) + codes, codes)))


def _known(values: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~known)


def _same(word: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(word), size)


def _numbered(prefix: str, first: int, size: int, width: int) -> pa.Array:
    numbers = pa.array(np.arange(first, first + size)).cast(pa.string())
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(numbers, width, "0"), "")


def _event(pk: pa.Array, at: pa.Array, label: pa.Array) -> Columns:
    return {"pgh_obj_id": pk, "pgh_created_at": at, "pgh_label": label}
