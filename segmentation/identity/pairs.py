"""Accounts that may be the same company: pairs with the reasons and a score.

No pair is compared with every other. Equal keys bring accounts together at once; names that are only alike are brought
together by the rarest runs of letters they share, within one country or region.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

from segmentation.identity.domains import company_domain
from segmentation.identity.names import Name, normalised

MIN_SCORE = 0.5
COMMON = 20  # a mail domain or person that more accounts share says nothing about any two of them
ALIKE, ALIKE_ANYWHERE = 0.88, 0.94  # least similarity of names in one place, and where no place is known
SHORTEST = 4  # letters of a name that may be alike and not equal
_RAREST = 8  # runs of letters by which a name is looked up
_NEIGHBOURS = 40  # names compared with each one under a run of letters, in alphabetical order

SAME_DOMAIN, SAME_NAME, SIMILAR_NAME, MAIL_DOMAIN, SHARED_PEOPLE = (
    "same_domain",
    "same_name",
    "similar_name",
    "mail_domain",
    "shared_people",
)

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Identity:
    """What an account is known by.

    Attributes:
        id: its primary key, or the number of a row of a file.
        names, domains: as written, the main one first.
        place: country and region, in small letters; empty where not known.
        parent: primary key of the parent company, 0 for none.
    """

    id: int
    names: tuple[str, ...]
    domains: tuple[str, ...] = ()
    country: str = ""
    region: str = ""
    parent: int = 0

    @cached_property
    def keys(self) -> tuple[Name, ...]:
        """The names in one form, without those that say nothing."""
        return tuple(dict.fromkeys(found for name in self.names if name and (found := normalised(name)).full))

    @cached_property
    def companies(self) -> tuple[str, ...]:
        """The domains that can tell a company."""
        return tuple(dict.fromkeys(found for text in self.domains if text and (found := company_domain(text))))


@dataclass
class Pair:
    """Two accounts that may be one, `first` < `second`.

    Attributes:
        score: from 0 to 1, how likely it is that they are the same.
        reasons: code and value of each, for example ("same_domain", "acme.com").
        similarity: of their names, from 0 to 1.
    """

    first: int
    second: int
    reasons: list[tuple[str, str]] = field(default_factory=list)
    score: float = 0.0
    similarity: float = 0.0

    @property
    def fingerprint(self) -> int:
        """A number for the reasons: another one means that something changed since somebody decided."""
        text = "\n".join(f"{code}:{value}" for code, value in sorted(self.reasons))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def find_pairs(
    identities: Sequence[Identity],
    mails: Iterable[tuple[int, str]] = (),
    *,
    min_score: float = MIN_SCORE,
    progress: Callable[[float], None] = lambda _share: None,
) -> list[Pair]:
    """Find accounts that may be the same company, the most likely first.

    Args:
        identities: all accounts.
        mails: (account, mail address) of their contacts.
        min_score: less likely pairs are left out.
        progress: called with the share that is done.
    """
    known = {identity.id: identity for identity in identities}
    pairs = _Pairs()
    _by_key(pairs, SAME_DOMAIN, ((domain, one.id) for one in identities for domain in one.companies))
    _by_key(pairs, SAME_NAME, ((name.full, one.id) for one in identities for name in one.keys))
    progress(0.3)
    _by_mail(pairs, identities, mails)
    progress(0.5)
    for first, second, text in similar_names(identities):
        pairs.add(first, second, SIMILAR_NAME, text)
    progress(0.8)
    found = []
    for pair in pairs:
        one, other = known[pair.first], known[pair.second]
        if one.parent == other.id or other.parent == one.id:  # a subsidiary is no duplicate of its parent
            continue
        if _chinese_differs(one, other):  # “Longyuan” is how many names sound that are written otherwise
            pair.reasons = [reason for reason in pair.reasons if reason[0] != SIMILAR_NAME]
        pair.similarity = similarity(one, other)
        pair.score = _score(pair, one, other)
        if pair.score >= min_score:
            found.append(pair)
    found.sort(key=lambda pair: (-pair.score, pair.first, pair.second))
    progress(1.0)
    return found


class _Pairs:
    """Pairs by their accounts; reasons are gathered on the way."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], Pair] = {}

    def add(self, one: int, other: int, code: str, value: str) -> None:
        if one == other:
            return
        key = (one, other) if one < other else (other, one)
        pair = self.found.get(key)
        if pair is None:
            pair = self.found[key] = Pair(*key)
        if (code, value) not in pair.reasons:
            pair.reasons.append((code, value))

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.found.values())


def _groups(keyed: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Accounts by key, of keys that several have. An empty key is no key."""
    groups: dict[str, dict[int, None]] = defaultdict(dict)
    for key, account in keyed:
        if key:
            groups[key][account] = None
    return {key: list(some) for key, some in groups.items() if len(some) > 1}


def _by_key(pairs: _Pairs, code: str, keyed: Iterable[tuple[str, int]]) -> None:
    for key, some in _groups(keyed).items():
        some.sort()
        # Of very many each is paired with the oldest only: thousands would make millions of pairs.
        two = combinations(some, 2) if len(some) <= COMMON else ((some[0], other) for other in some[1:])
        for one, other in two:
            pairs.add(one, other, code, key)


def _by_mail(pairs: _Pairs, identities: Sequence[Identity], mails: Iterable[tuple[int, str]]) -> None:
    """Accounts whose people write from one domain, or from the other's, and accounts that share people."""
    people: dict[str, dict[int, None]] = defaultdict(dict)
    domains: dict[str, dict[int, None]] = defaultdict(dict)
    for one in identities:
        for domain in one.companies:
            domains[domain][one.id] = None
    own = {domain: frozenset(some) for domain, some in domains.items()}
    for account, mail in mails:
        mail = mail.strip().casefold()
        if "@" not in mail:
            continue
        people[mail][account] = None
        if domain := company_domain(mail):
            domains[domain][account] = None
    for domain, some in domains.items():
        if 1 < len(some) <= COMMON:
            for low, high in combinations(sorted(some), 2):
                if not {low, high} <= own.get(domain, frozenset()):
                    pairs.add(low, high, MAIL_DOMAIN, domain)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for some in people.values():
        if 1 < len(some) <= COMMON:
            for two in combinations(sorted(some), 2):
                shared[two] += 1
    for (low, high), number in shared.items():
        pairs.add(low, high, SHARED_PEOPLE, str(number))


# Names that are alike ------------------------------------------------------------------------------------------------


def similar_names(
    identities: Sequence[Identity], is_asked: Ints | None = None, *, anywhere: float = ALIKE_ANYWHERE
) -> Iterator[tuple[int, int, str]]:
    """Yield the ids of two whose names are alike and not equal, in one country or region, and the names compared.

    Args:
        identities: accounts (and what is asked).
        is_asked: per identity 1 for what is asked and 0 for what is known; then only pairs across are yielded.
        anywhere: least similarity where one of them says no place.
    """
    owner, names = _named(identities)
    if len(names) < 2:
        return
    table = _Table(identities, owner, names, None if is_asked is None else is_asked[owner])
    low, high = _candidates(table)
    here = table.are_together(low, high)
    alike = np.maximum(_ratios(table.cores, low, high), _ratios(table.ordered, low, high))
    for place in np.flatnonzero(alike >= np.where(here, ALIKE, anywhere)).tolist():
        one, other = sorted((names[low[place]].full, names[high[place]].full))
        yield identities[owner[low[place]]].id, identities[owner[high[place]]].id, f"{one} ~ {other}"


class _Table:
    """Names as columns: what can be told of two without looking at their letters one by one."""

    def __init__(self, identities: Sequence[Identity], owner: Ints, names: Sequence[Name], asked: Ints | None):
        self.owner, self.asked = owner, asked
        self.cores = [name.core for name in names]
        self.ordered = [" ".join(sorted(core.split())) for core in self.cores]
        self.full = np.array([hash(name.full) for name in names], dtype=np.int64)
        self.numbers = np.array([hash(name.numbers) for name in names], dtype=np.int64)
        self.length = np.array([len(core) for core in self.cores], dtype=np.int64)
        self.once, self.twice = np.array([_letters(core) for core in self.cores], dtype=np.uint64).T
        self.country, self.region = _places(identities, owner)

    def __len__(self) -> int:
        return len(self.cores)

    def are_together(self, low: Ints, high: Ints) -> Any:
        """Whether both are in one country or region."""
        country, region = self.country, self.region
        return ((country[low] == country[high]) & (country[low] > 0)) | (
            (region[low] == region[high]) & (region[low] > 0)
        )

    def may_be_alike(self, low: Ints, high: Ints) -> Any:
        """Whether two can be alike at all: most letters in common, the same numbers, no other country.

        Texts at a distance of d letters put in or left out differ in at most d of the marks for letters.
        """
        possible = self.owner[low] != self.owner[high]
        if self.asked is not None:
            possible &= self.asked[low] != self.asked[high]
        other = np.bitwise_count(self.once[low] ^ self.once[high]).astype(np.int64)
        other += np.bitwise_count(self.twice[low] ^ self.twice[high])
        possible &= other <= (1 - ALIKE) * (self.length[low] + self.length[high])
        low, high = low[possible], high[possible]
        left = (self.full[low] != self.full[high]) & (self.numbers[low] == self.numbers[high])
        left &= self.are_together(low, high) | (self.country[low] == 0) | (self.country[high] == 0)
        possible[possible] = left
        return possible


def _letters(text: str) -> tuple[int, int]:
    """Which letters occur at all, and which at least twice, as marks in 64 bits each."""
    once = twice = 0
    for letter in text:
        mark = 1 << (ord(letter) & 63)
        twice |= once & mark
        once |= mark
    return once, twice


def _named(identities: Sequence[Identity]) -> tuple[Ints, list[Name]]:
    """All names long enough to be alike, and whose they are."""
    owner, names = [], []
    for place, one in enumerate(identities):
        for name in one.keys:
            if len(name.core) >= SHORTEST:
                owner.append(place)
                names.append(name)
    return np.array(owner, dtype=np.int64), names


def _places(identities: Sequence[Identity], owner: Ints) -> tuple[Ints, Ints]:
    """Country and region of each name as numbers, 0 for not known."""
    codes: dict[str, int] = {"": 0}
    numbered = [
        (codes.setdefault(one.country, len(codes)), codes.setdefault(one.region, len(codes))) for one in identities
    ]
    table = np.array(numbered, dtype=np.int64).reshape(-1, 2)[owner]
    return table[:, 0].copy(), table[:, 1].copy()


def _runs(core: str) -> set[str]:
    """The runs of letters of a name: two for Chinese, three for others."""
    size = 3 if core.isascii() else 2
    text = f" {core} " if size == 3 else core
    return {text[i : i + size] for i in range(len(text) - size + 1)}


def _candidates(table: _Table) -> tuple[Ints, Ints]:
    """Return positions of names that share one of their rarest runs of letters in one place, each pair once."""
    numbers: dict[str, int] = {}
    lists = [[numbers.setdefault(run, len(numbers)) for run in _runs(core)] for core in table.cores]
    sizes = np.array([len(some) for some in lists], dtype=np.int64)
    run = np.concatenate([np.array(some, dtype=np.int64) for some in lists])
    name = np.repeat(np.arange(len(table), dtype=np.int64), sizes)
    often = np.bincount(run, minlength=len(numbers))
    order = np.lexsort([run, often[run], name])
    run, name = run[order], name[order]
    rank = np.arange(len(name)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rare = (rank < _RAREST) & (often[run] > 1)
    run, name = run[rare], name[rare]
    # One key for the country and one for the region; those without a country are compared with everybody.
    width = int(max(table.country.max(), table.region.max())) + 1
    placed = table.region[name] > 0
    parts = [(run * width + table.country[name]) * 3, (run * width + table.region[name])[placed] * 3 + 1]
    whose = [name, name[placed]]
    nowhere = table.country == 0
    if nowhere.any() and not nowhere.all():
        wanted = np.isin(run, np.unique(run[nowhere[name]]))
        parts.append(run[wanted] * width * 3 + 2)
        whose.append(name[wanted])
    key, who = np.concatenate(parts), np.concatenate(whose)
    alphabetical = np.empty(len(table), dtype=np.int64)
    alphabetical[np.array(sorted(range(len(table)), key=table.ordered.__getitem__))] = np.arange(len(table))
    order = np.lexsort([alphabetical[who], key])
    key, who = key[order], who[order]
    found = [np.empty(0, dtype=np.int64)]
    for step in range(1, _NEIGHBOURS + 1):
        together = np.flatnonzero(key[step:] == key[:-step])
        low, high = who[together], who[together + step]
        keep = table.may_be_alike(low, high)
        low, high = low[keep], high[keep]
        found.append(np.minimum(low, high) * len(table) + np.maximum(low, high))
    pairs = np.unique(np.concatenate(found))
    return pairs // len(table), pairs % len(table)


def _ratios(texts: Sequence[str], low: Ints, high: Ints) -> Any:
    """How alike texts are, from 0 to 1, pair by pair; below the least that counts it is 0."""
    return (
        process.cpdist(
            [texts[i] for i in low.tolist()],
            [texts[i] for i in high.tolist()],
            scorer=fuzz.ratio,
            score_cutoff=100 * ALIKE,
            workers=2,
        )
        / 100.0
    )


# How likely ----------------------------------------------------------------------------------------------------------


def similarity(one: Identity, other: Identity) -> float:
    """Return how alike the names of two are at best, from 0 to 1; one that begins with the other counts as alike."""
    best = 0.0
    for mine in one.keys:
        for theirs in other.keys:
            if mine.full == theirs.full:
                return 1.0
            alike = max(fuzz.ratio(mine.core, theirs.core), fuzz.token_sort_ratio(mine.core, theirs.core)) / 100
            short, long = sorted((mine.core, theirs.core), key=len)
            if len(short) >= 2 and (long.startswith(f"{short} ") or (not short.isascii() and long.startswith(short))):
                alike = max(alike, 0.8)
            best = max(best, alike)
    return best


def _chinese_differs(one: Identity, other: Identity) -> bool:
    """Whether both have Chinese names and none of the one is like any of the other's."""
    mine, theirs = ([name.core for name in side.keys if not name.core.isascii()] for side in (one, other))
    return bool(mine and theirs) and all(fuzz.ratio(a, b) < 100 * ALIKE for a in mine for b in theirs)


_WEIGHTS: Mapping[str, Callable[[Pair, str], float]] = {
    SAME_DOMAIN: lambda pair, _value: 0.9 if pair.similarity >= 0.6 else 0.55,
    SAME_NAME: lambda _pair, _value: 0.85,
    SIMILAR_NAME: lambda pair, _value: 0.5 + 0.35 * max(pair.similarity - ALIKE, 0) / (1 - ALIKE),
    MAIL_DOMAIN: lambda _pair, _value: 0.5,
    SHARED_PEOPLE: lambda _pair, value: 0.4 if int(value) == 1 else 0.6,
}


def _score(pair: Pair, one: Identity, other: Identity) -> float:
    """Reasons add up as independent ones do; what speaks against it takes its share off.

    score = (1 - product of (1 - weight of each kind of reason)) x (0.75 if both have domains and none in common)
    x (0.75 if the countries differ) x (0.6 if both are subsidiaries of one parent).
    """
    weights: dict[str, float] = {}
    for code, value in pair.reasons:
        weights[code] = max(weights.get(code, 0.0), _WEIGHTS[code](pair, value))
    score = 1.0 - float(np.prod([1 - weight for weight in weights.values()]))
    if one.companies and other.companies and not set(one.companies) & set(other.companies):
        score *= 0.75
    if one.country and other.country and one.country != other.country:
        score *= 0.75
    if one.parent and one.parent == other.parent:
        score *= 0.6
    return round(score, 2)


__all__ = [
    "MAIL_DOMAIN",
    "MIN_SCORE",
    "SAME_DOMAIN",
    "SAME_NAME",
    "SHARED_PEOPLE",
    "SIMILAR_NAME",
    "Identity",
    "Pair",
    "find_pairs",
    "similar_names",
    "similarity",
]
