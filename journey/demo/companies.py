"""The accounts of the demo world: who they are, where, how big, and how they are worked."""

from dataclasses import dataclass

import numpy as np

from journey.demo.parameters import DAY, DemoParameters
from journey.demo.seasons import REGION_CLOCKS
from journey.demo.words import (
    CHINESE_SYLLABLES,
    COUNTRIES,
    ENGLISH_FIRST,
    ENGLISH_SECOND,
    INDUSTRIES,
    SOURCE_SHARES,
    TEAMS,
    UNITS_PER_DOLLAR,
    traditional,
)

NONE = -1
MONTHS_BEFORE_START = 18


@dataclass
class Companies:
    """One entry per account. Codes point into the lists of `words`; -1 is none, 0 is no tier."""

    created: np.ndarray
    recorded: np.ndarray
    industry: np.ndarray
    country: np.ndarray
    city: np.ndarray
    clock: np.ndarray
    is_chinese: np.ndarray
    employees: np.ndarray
    revenue: np.ndarray
    tier: np.ndarray
    source: np.ndarray
    business_unit: np.ndarray
    team: np.ndarray
    rep: np.ndarray
    parent: np.ndarray
    relationship: np.ndarray
    fit: np.ndarray
    name: list[str]
    short_name: list[str]
    other_name: list[str]
    domain: list[str]

    def __len__(self) -> int:
        return len(self.created)


def pick(rng: np.random.Generator, shares: tuple[float, ...] | list[float] | np.ndarray, size: int) -> np.ndarray:
    """Return codes drawn with these shares, which need not add up to 1."""
    limits = np.cumsum(np.asarray(shares, dtype=float))
    return np.searchsorted(limits / limits[-1], rng.random(size), side="right").astype(np.int64)


INDUSTRY_SHARE = 0.4  # of the variance of the hidden fit


def make_companies(parameters: DemoParameters) -> Companies:
    """Return the accounts. What they do later follows from their size and their hidden fit."""
    n = parameters.accounts
    rng = parameters.stream("companies")
    country = pick(rng, [country.share for country in COUNTRIES], n)
    city = np.zeros(n, dtype=np.int64)
    for code, place in enumerate(COUNTRIES):
        here = country == code
        city[here] = pick(rng, [town.share for town in place.cities], int(here.sum()))
    industry = pick(rng, [industry.share for industry in INDUSTRIES], n)

    # What is sold suits some industries more than others, whatever else makes a company need it.
    suits = np.array([industry.suits for industry in INDUSTRIES])[industry]
    fit = np.sqrt(1 - INDUSTRY_SHARE) * rng.standard_normal(n) + np.sqrt(INDUSTRY_SHARE) * suits
    size = 0.35 * fit + np.sqrt(1 - 0.35**2) * rng.standard_normal(n)
    employees = _rounded(np.clip(np.exp(5.1 + 1.55 * size), 5, 250_000))
    rate = np.array([UNITS_PER_DOLLAR[place.currency] for place in COUNTRIES])[country]
    revenue = _rounded(employees * 130_000.0 * rate * np.exp(0.5 * rng.standard_normal(n)))
    employees[rng.random(n) < 0.04] = NONE
    revenue[rng.random(n) < 0.09] = NONE

    worth = 0.7 * size + 0.5 * fit + 0.4 * rng.standard_normal(n)
    tier = np.where(worth > 1.62, 1, np.where(worth > 0.62, 2, 3))
    tier[(rng.random(n) < 0.05) & (tier == 3)] = 0

    # Half of the accounts were in the CRM before the history begins, the others came in over time.
    before = rng.random(n) < 0.55
    created = np.where(
        before,
        -rng.integers(2 * DAY, MONTHS_BEFORE_START * 30 * DAY, n),
        (rng.random(n) * 0.97 * parameters.seconds).astype(np.int64),
    )
    recorded = np.minimum(created + rng.integers(5, 4 * 3_600, n), parameters.seconds - 1)

    kinds = pick(rng, (0.96, 0.02, 0.008, 0.012), n)
    relationship = np.where(kinds == 0, "prospect", np.array(["", "partner", "competitor", "other"])[kinds])
    team, rep = _owners(rng, country, tier)
    names = _Names(parameters)
    made = [names.make(int(c), int(t), int(i)) for c, t, i in zip(country, city, industry, strict=True)]
    domains = [domain if known else "" for (_, _, _, domain), known in zip(made, rng.random(n) >= 0.05, strict=True)]
    return Companies(
        created=created,
        recorded=recorded,
        industry=industry,
        country=country,
        city=city,
        clock=np.array([REGION_CLOCKS[place.region] for place in COUNTRIES])[country],
        is_chinese=np.array([place.people == "chinese" for place in COUNTRIES])[country],
        employees=employees,
        revenue=revenue,
        tier=tier,
        source=pick(rng, SOURCE_SHARES, n),
        business_unit=np.where(industry == 7, 2, np.where(tier == 1, 0, 1)),
        team=team,
        rep=rep,
        parent=_parents(rng, tier),
        relationship=relationship,
        fit=fit,
        name=[name for name, _, _, _ in made],
        short_name=[short for _, short, _, _ in made],
        other_name=[other for _, _, other, _ in made],
        domain=domains,
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return whole numbers with two figures that mean something, as people enter them."""
    step = 10.0 ** np.maximum(np.floor(np.log10(values)) - 1, 0)
    return (np.round(values / step) * step).astype(np.int64)


def _owners(rng: np.random.Generator, country: np.ndarray, tier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    by_region = {team.region: code for code, team in enumerate(TEAMS) if team.region}
    key_accounts, mid_market = 0, len(TEAMS) - 1
    team = np.array([by_region[place.region] for place in COUNTRIES])[country]
    team[(tier == 3) & (rng.random(len(tier)) < 0.55)] = mid_market
    team[tier == 1] = key_accounts
    rep = np.floor(rng.random(len(tier)) * np.array([len(each.reps) for each in TEAMS])[team]).astype(np.int64)
    unassigned = (tier == 0) | ((tier == 3) & (rng.random(len(tier)) < 0.12))
    rep[unassigned] = NONE
    team[tier == 0] = NONE
    return team, rep


def _parents(rng: np.random.Generator, tier: np.ndarray) -> np.ndarray:
    """Return the parent of one account in twenty: some big account, which has no parent itself."""
    parent = np.full(len(tier), NONE, dtype=np.int64)
    heads = np.flatnonzero((tier == 1) | (tier == 2))
    children = np.flatnonzero((tier == 3) & (rng.random(len(tier)) < 0.07))
    if len(heads):
        parent[children] = heads[rng.integers(0, len(heads), len(children))]
    return parent


class _Names:
    """Names and domains that occur once."""

    def __init__(self, parameters: DemoParameters):
        rng = parameters.stream("names")
        self._english = rng.permutation(len(ENGLISH_FIRST) * len(ENGLISH_SECOND))
        self._chinese = rng.permutation(len(CHINESE_SYLLABLES) ** 2)
        self._words = rng.integers(0, 1 << 30, size=parameters.accounts)
        self._count = 0
        self._count_of = {True: 0, False: 0}
        self._names: set[str] = set()
        self._domains: set[str] = set()

    def make(self, country: int, city: int, industry: int) -> tuple[str, str, str, str]:
        """Return name, short name, other name (may be empty) and domain."""
        place, trade = COUNTRIES[country], INDUSTRIES[industry]
        draw = int(self._words[self._count])
        self._count += 1
        is_chinese = place.people == "chinese"
        while True:
            number = self._count_of[is_chinese]
            self._count_of[is_chinese] += 1
            made = (
                self._in_chinese(number, draw, place.name, city, place.forms, trade.chinese)
                if is_chinese
                else self._in_english(number, draw, place.forms, trade.english)
            )
            if made[0] not in self._names:
                break
        name, short, other, stem = made
        domain, suffix = f"{stem}.example", 1
        while domain in self._domains:
            suffix += 1
            domain = f"{stem}{suffix}.example"
        self._names.add(name)
        self._domains.add(domain)
        return name, short, other, domain

    def _in_english(
        self, number: int, draw: int, forms: tuple[str, ...], words: tuple[str, ...]
    ) -> tuple[str, str, str, str]:
        pair = int(self._english[number % len(self._english)])
        brand = ENGLISH_FIRST[pair // len(ENGLISH_SECOND)] + ENGLISH_SECOND[pair % len(ENGLISH_SECOND)]
        word = words[(draw + number // len(self._english)) % len(words)]
        form = forms[(draw >> 8) % len(forms)]
        return f"{brand} {word} {form}", f"{brand} {word}", "", f"{brand}{word}".replace(" ", "").lower()

    def _in_chinese(
        self,
        number: int,
        draw: int,
        country: str,
        city: int,
        forms: tuple[str, ...],
        words: tuple[tuple[str, str], ...],
    ) -> tuple[str, str, str, str]:
        pair = int(self._chinese[number % len(self._chinese)])
        first, second = divmod(pair, len(CHINESE_SYLLABLES))
        (one, one_latin), (two, two_latin) = CHINESE_SYLLABLES[first], CHINESE_SYLLABLES[second]
        word, word_latin = words[(draw + number // len(self._chinese)) % len(words)]
        town = next(place for place in COUNTRIES if place.name == country).cities[city]
        brand = one + two
        name = f"{town.chinese}{brand}{word}{forms[(draw >> 8) % len(forms)]}"
        if country != "China":
            name, brand = traditional(name), traditional(brand)
        latin = (one_latin + two_latin).capitalize()
        other = f"{latin} ({town.name}) Co., Ltd." if (draw >> 16) % 10 < 4 else ""
        return name, f"{brand}{word}" if country == "China" else brand, other, f"{latin.lower()}{word_latin}"
