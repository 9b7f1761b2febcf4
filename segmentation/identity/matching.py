"""Names and domains from elsewhere against the accounts there are: which one is meant, or why that cannot be said."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from segmentation.identity.domains import company_domain, is_free_mail, registered_domain
from segmentation.identity.names import normalised
from segmentation.identity.pairs import ALIKE, Identity, similar_names, similarity

MATCH, AMBIGUOUS, NONE = "match", "ambiguous", "none"
# Why; `segmentation.selectors.matching` has the sentences.
BY_DOMAIN, BY_NAME, BY_BOTH = "domain", "name", "domain_and_name"
SEVERAL, CONTRADICTION, OTHER_COUNTRY, SIMILAR = "several", "contradiction", "other_country", "similar"
NOTHING_FOUND, NOTHING_GIVEN, FREE_MAIL = "not_found", "nothing_given", "free_mail"
MOST_NAMED = 5


@dataclass(frozen=True)
class Asked:
    """Who is looked for, as written; what is not known is empty."""

    name: str = ""
    domain: str = ""
    email: str = ""
    country: str = ""


@dataclass(frozen=True)
class Answer:
    """Whether an account is meant, by which evidence, and the accounts (primary keys) it may be."""

    status: str
    reason: str
    accounts: tuple[int, ...] = ()
    values: tuple[str, ...] = field(default_factory=tuple)


class Matcher:
    """Accounts by what they are known by."""

    def __init__(self, identities: Sequence[Identity]):
        self.identities = identities
        self.by_id = {one.id: one for one in identities}
        self.domains: dict[str, dict[int, None]] = defaultdict(dict)
        self.names: dict[str, dict[int, None]] = defaultdict(dict)
        for one in identities:
            for domain in one.companies:
                self.domains[domain][one.id] = None
            for name in one.keys:
                self.names[name.full][one.id] = None

    def match(self, asked: Sequence[Asked]) -> list[Answer]:
        """Answer for each, in their order."""
        answers = [self._by_keys(one) for one in asked]
        open_ = [place for place, answer in enumerate(answers) if answer.reason == NOTHING_FOUND and asked[place].name]
        for place, accounts in self._similar([asked[place] for place in open_]).items():
            where = open_[place]
            answers[where] = Answer(AMBIGUOUS, SIMILAR, accounts[:MOST_NAMED], (asked[where].name,))
        return answers

    def _by_keys(self, asked: Asked) -> Answer:
        domain = company_domain(asked.domain) or company_domain(asked.email)
        name = normalised(asked.name).full
        by_domain = self.domains.get(domain, {}) if domain else {}
        by_name = self.names.get(name, {}) if name else {}
        if by_domain and by_name:
            both = [pk for pk in by_domain if pk in by_name]
            if len(both) == 1:
                return Answer(MATCH, BY_BOTH, (both[0],), (domain, name))
            if both:
                return self._several(both, (domain, name))
            return Answer(AMBIGUOUS, CONTRADICTION, (*by_domain, *by_name)[:MOST_NAMED], (domain, name))
        if by_domain:
            if len(by_domain) == 1:
                return Answer(MATCH, BY_DOMAIN, tuple(by_domain), (domain,))
            return self._several(list(by_domain), (domain,))
        if by_name:
            return self._by_name(list(by_name), name, asked.country.strip().casefold())
        if not name and not domain:
            free = registered_domain(asked.domain) or registered_domain(asked.email)
            return Answer(NONE, FREE_MAIL, (), (free,)) if free and is_free_mail(free) else Answer(NONE, NOTHING_GIVEN)
        return Answer(NONE, NOTHING_FOUND, (), tuple(text for text in (domain, name) if text))

    def _by_name(self, accounts: list[int], name: str, country: str) -> Answer:
        """A name may be borne in several countries: it counts within the one asked for, if that is known."""
        known = {pk: self.by_id[pk].country for pk in accounts}
        here = [pk for pk in accounts if country and known[pk] == country]
        if len(here) == 1:
            return Answer(MATCH, BY_NAME, (here[0],), (name,))
        possible = here or [pk for pk in accounts if not country or not known[pk]]
        if not possible:
            return Answer(AMBIGUOUS, OTHER_COUNTRY, tuple(accounts[:MOST_NAMED]), (name,))
        if len(possible) > 1:
            return self._several(possible, (name,))
        return Answer(MATCH, BY_NAME, (possible[0],), (name,))

    @staticmethod
    def _several(accounts: Iterable[int], values: tuple[str, ...]) -> Answer:
        return Answer(AMBIGUOUS, SEVERAL, tuple(accounts)[:MOST_NAMED], values)

    def _similar(self, asked: Sequence[Asked]) -> dict[int, tuple[int, ...]]:
        """Accounts whose names are alike, the most alike first, by the place of what is asked."""
        if not asked:
            return {}
        first = max((one.id for one in self.identities), default=0) + 1
        questions = [
            Identity(id=first + place, names=(one.name,), country=one.country.strip().casefold())
            for place, one in enumerate(asked)
        ]
        every = [*self.identities, *questions]
        is_asked = np.array([0] * len(self.identities) + [1] * len(questions), dtype=np.int64)
        found: dict[int, dict[int, float]] = defaultdict(dict)
        for one, other, _names in similar_names(every, is_asked, anywhere=ALIKE):
            account, question = min(one, other), max(one, other) - first
            found[question][account] = similarity(self.by_id[account], questions[question])
        return {place: tuple(sorted(accounts, key=lambda pk: (-accounts[pk], pk))) for place, accounts in found.items()}


__all__ = ["Answer", "Asked", "Matcher"]
