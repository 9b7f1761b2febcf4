"""What the tabs of the funnel page have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.utils.translation import gettext

from journey.admin.funnel.address import moment_text
from journey.admin.funnel.cards import Card, Look
from journey.facts.dimensions import dimensions
from journey.selectors.funnel_compare import Rows, both_rows
from journey.selectors.funnel_query import FunnelQuery
from journey.selectors.funnel_report import Note
from segmentation.admin.base import admin_url
from segmentation.errors import ProblemError

MOST_LISTED = 50


@dataclass
class Part:
    """The cards of a tab, what must be said beside them, and the rows of each card for its CSV. rates: which amounts
    are left out because no exchange rate is known."""

    cards: list[Card] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    csv: dict[str, Callable[[], Rows]] = field(default_factory=dict)


def add_notes(part: Part, notes: list[Note]) -> None:
    """Take over what must be said; of missing rates, often one for each currency, the first and how many more."""
    rates = [note.text for note in notes if note.code.startswith("no_rate")]
    part.notes += [note.text for note in notes if not note.code.startswith("no_rate")]
    part.rates = rates


T = TypeVar("T")


@dataclass(frozen=True)
class Other(Generic[T]):
    """What a tab is compared with: nothing where nobody asked, or where it cannot be (which `notes` say)."""

    found: T | None = None
    label: str = ""
    notes: list[str] = field(default_factory=list)

    def rows(self, asked: T, rows: Callable[[T], Rows]) -> Callable[[], Rows]:
        """The rows of a card for its CSV, of both where there are two."""
        return lambda: both_rows(rows(asked), None if self.found is None else rows(self.found))


def compared_with(look: Look, ask: Callable[[FunnelQuery], T]) -> Other[T]:
    """The same of the question the page is compared with."""
    try:
        other = look.address.compared(look.query)
        if other is None:
            return Other()
        note = gettext("Compared with %(what)s, as of %(moment)s: the small figures are the differences.")
        filled = note % {"what": other.label, "moment": moment_text(other.query.as_of)}
        return Other(ask(other.query), other.label, [filled])
    except ProblemError as problem:
        return Other(notes=[gettext("Nothing to compare with: %(problem)s") % {"problem": problem}])


def link_of(look: Look, stage: str, where: list[str] | None = None) -> Callable[[str, float | None], str]:
    more = {} if where is None else {"where": where}
    return lambda what, n: look.members(what, n, stage=stage, **more)


def no_link(_what: str, _n: float | None) -> str:
    return ""


_CHANGE_PAGES = {
    "account": "segmentation_account_change",
    "contact": "segmentation_contact_change",
    "opportunity": "journey_opportunity_change",
}


def entity_url(unit: str, pk: int) -> str:
    """The page of an account, a contact or an opportunity."""
    return admin_url(_CHANGE_PAGES[unit], pk) or ""


def field_options(unit: str) -> list[tuple[str, str]]:
    """What figures can be broken down by, by name."""
    found = [(key, capitalised(dimension.label)) for key, dimension in dimensions(unit).items()]
    return sorted(found, key=lambda pair: pair[1].casefold())


def capitalised(text: Any) -> str:
    """A text that begins with a capital letter, whatever the rest is."""
    return str(text)[:1].upper() + str(text)[1:]
