"""The people of the accounts: buying committees of known and unknown roles, and who they are."""

from dataclasses import dataclass

import numpy as np

from journey.demo.companies import Companies, pick
from journey.demo.interest import BROWSE, Episodes
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.words import (
    CHINESE_GIVEN,
    CHINESE_SURNAMES,
    COUNTRIES,
    FIRST_NAMES,
    INDIAN_FIRST,
    INDIAN_LAST,
    JAPANESE_FIRST,
    JAPANESE_LAST,
    LAST_NAMES,
    TITLES,
    traditional,
)

NONE = -1
SENIORITIES = ("c_level", "vp", "director", "manager", "other")
BY_SENIORITY = (0.09, 0.14, 0.21, 0.30, 0.26)
ROLES = ("decision_maker", "influencer", "evaluator", "user")
# Rows as SENIORITIES, columns as ROLES.
ROLE_SHARES = np.array(
    [
        [0.75, 0.22, 0.03, 0.00],
        [0.45, 0.35, 0.20, 0.00],
        [0.15, 0.35, 0.40, 0.10],
        [0.03, 0.22, 0.45, 0.30],
        [0.00, 0.10, 0.25, 0.65],
    ]
)
UNKNOWN_ROLE, UNKNOWN_TITLE = 0.14, 0.06
CONSENTS = ("given", "withdrawn", "")
MOST_PEOPLE = 40


@dataclass
class People:
    """One entry per contact, by account; account a has `first[a]` to `first[a + 1]`, those known longest first."""

    account: np.ndarray
    first: np.ndarray
    created: np.ndarray
    recorded: np.ndarray
    title: np.ndarray
    seniority: np.ndarray
    role: np.ndarray
    consent: np.ndarray
    name: list[str]
    email: list[str]
    phone: list[str]

    def __len__(self) -> int:
        return len(self.account)

    def count(self, account: np.ndarray) -> np.ndarray:
        """Return how many people are known of each account."""
        return self.first[account + 1] - self.first[account]


def make_people(parameters: DemoParameters, companies: Companies, episodes: Episodes) -> People:
    """Return the contacts. An account that once evaluated has a committee with somebody of rank in front."""
    rng = parameters.stream("people")
    n = len(companies)
    deep = np.zeros(n, dtype=bool)
    deep[episodes.account[episodes.kind != BROWSE]] = True
    shallow = np.zeros(n, dtype=bool)
    shallow[episodes.account] = True
    mean = np.array([1.2, 5.5, 2.8, 1.2])[companies.tier] + 4.5 * deep
    count = np.minimum(rng.poisson(mean * rng.gamma(4.0, 0.25, n)), MOST_PEOPLE)
    count = np.maximum(count, np.where(deep, 5, np.where(shallow, 1, 0)))
    first = np.concatenate([[0], np.cumsum(count)])
    account = np.repeat(np.arange(n), count)
    size = len(account)
    place = np.arange(size) - first[account]

    seniority = pick(rng, BY_SENIORITY, size)
    # In most committees one of the first two is a vice president or above.
    leads = deep[account] & (place == (account % 3 == 0)) & (rng.random(size) < 0.9)
    seniority[leads] = np.where(rng.random(int(leads.sum())) < 0.35, 0, 1)
    title = np.zeros(size, dtype=np.int64)
    for rank, name in enumerate(SENIORITIES):
        choices = np.array([code for code, each in enumerate(TITLES) if each.seniority == name])
        chosen = np.flatnonzero(seniority == rank)
        title[chosen] = choices[rng.integers(0, len(choices), len(chosen))]
    limits = np.cumsum(ROLE_SHARES, axis=1)
    role = (rng.random(size)[:, None] >= limits[seniority]).sum(axis=1).clip(max=len(ROLES) - 1)
    role[rng.random(size) < UNKNOWN_ROLE] = NONE
    unknown = rng.random(size) < UNKNOWN_TITLE
    title[unknown], seniority[unknown] = NONE, NONE

    # The first is as old as the account, the others become known over time.
    begin = companies.created[account]
    span = np.maximum(parameters.seconds - DAY - begin, 1)
    created = begin + np.where(
        place == 0, rng.integers(0, 3_600, size), (span * rng.random(size) ** 1.6).astype(np.int64)
    )
    created = np.sort(created + account * (1 << 40)) - account * (1 << 40)
    names, emails = _names(parameters, companies, account)
    american = np.array([country.region == "North America" for country in COUNTRIES])[companies.country[account]]
    numbers = rng.integers(0, 100, size)
    areas = rng.integers(0, 6, size)
    has_phone = american & (rng.random(size) < 0.6)
    return People(
        account=account,
        first=first,
        created=created,
        recorded=np.minimum(created + rng.integers(5, 7_200, size), parameters.seconds - 1),
        title=title,
        seniority=seniority,
        role=role,
        consent=pick(rng, (0.62, 0.05, 0.33), size),
        name=names,
        email=emails,
        # Numbers kept free for fiction.
        phone=[
            f"+1 {(212, 312, 415, 512, 617, 206)[area]} 555 01{number:02d}" if known else ""
            for area, number, known in zip(areas.tolist(), numbers.tolist(), has_phone.tolist(), strict=True)
        ],
    )


def _names(parameters: DemoParameters, companies: Companies, account: np.ndarray) -> tuple[list[str], list[str]]:
    rng = parameters.stream("person names")
    size = len(account)
    draws = rng.integers(0, 1 << 30, size=(size, 2)).tolist()
    mailing = rng.random(size).tolist()
    names, emails = [], []
    people = [country.people for country in COUNTRIES]
    for owner, (one, two), chance in zip(account.tolist(), draws, mailing, strict=True):
        country = int(companies.country[owner])
        name, local = _person(people[country], one, two)
        if COUNTRIES[country].name in ("Hong Kong", "Taiwan"):
            name = traditional(name)
        domain = companies.domain[owner]
        names.append(name)
        if chance < 0.05 or (not domain and chance < 0.5):
            emails.append("")
        elif chance > 0.96 or not domain:
            emails.append(f"{local}{one % 90 + 10}@freemail.example")
        else:
            emails.append(f"{local}@{domain}")
    return names, emails


def _person(people: str, one: int, two: int) -> tuple[str, str]:
    if people == "mixed":
        people = ("chinese", "western", "indian")[one % 3]
    if people == "chinese":
        surname, surname_latin = CHINESE_SURNAMES[one % len(CHINESE_SURNAMES)]
        given, given_latin = CHINESE_GIVEN[two % len(CHINESE_GIVEN)]
        return f"{surname}{given}", f"{given_latin}.{surname_latin}"
    firsts, lasts = {
        "western": (FIRST_NAMES, LAST_NAMES),
        "japanese": (JAPANESE_FIRST, JAPANESE_LAST),
        "indian": (INDIAN_FIRST, INDIAN_LAST),
    }[people]
    given, surname = firsts[one % len(firsts)], lasts[two % len(lasts)]
    return f"{given} {surname}", f"{given}.{surname}".replace(" ", "").lower()
