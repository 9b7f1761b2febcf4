"""What the tabs of the funnel page are made of: cards with a picture, its table, its CSV and its definitions."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from journey.admin.funnel.address import Address
from journey.admin.funnel.words import DEFINITIONS, Definition
from journey.models import Stage
from journey.selectors.funnel_query import FunnelQuery
from segmentation.admin.base import GREY, HEX_COLOUR


@dataclass(frozen=True)
class Cell:
    """A cell. sub: a second, smaller line; shade: 0 to 1, how strongly it is coloured; pale: not final."""

    text: Any
    url: str = ""
    sub: Any = ""
    title: Any = ""
    shade: float | None = None
    pale: bool = False

    @property
    def percent(self) -> int:
        return round(55 * min(max(self.shade or 0.0, 0.0), 1.0))


@dataclass(frozen=True)
class Column:
    """A heading; words stand left, figures right. wide: the words are sentences."""

    label: Any
    words: bool = False
    title: Any = ""
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """The first cell of every row is its heading."""

    columns: list[Column]
    rows: list[list[Cell]]

    @property
    def lines(self) -> list[list[tuple[Cell, Column]]]:
        """The rows, each cell with its column."""
        return [list(zip(row, self.columns, strict=False)) for row in self.rows]


@dataclass(frozen=True)
class Choice:
    """A parameter of the address that one card offers to change."""

    name: str
    label: Any
    options: list[tuple[str, Any]]
    value: str


@dataclass(frozen=True)
class Tile:
    """One figure by itself."""

    label: Any
    text: Any
    sub: Any = ""
    url: str = ""


@dataclass(frozen=True)
class Bar:
    """A stage of the funnel as bars: how many are in it, how many entered it, and how many went on."""

    stage: Stage
    colour: str
    now: Cell
    entries: Cell
    now_width: float
    entries_width: float
    before_width: float | None
    on: str
    is_parking: bool = False


@dataclass
class Card:
    """One part of a tab. open: the table is the picture itself, not behind it."""

    key: str
    title: Any
    lead: Any = ""
    figure: dict[str, Any] | None = None
    table: Table | None = None
    open: bool = False
    csv: str = ""
    choices: list[Choice] = field(default_factory=list)
    terms: tuple[str, ...] = ()
    tiles: list[Tile] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    empty: Any = ""
    alt: Any = ""

    @property
    def definitions(self) -> list[Definition]:
        return [DEFINITIONS[term] for term in self.terms]

    @property
    def figure_id(self) -> str:
        return f"figure-{self.key}"


@dataclass
class Look:
    """Who looks at which question, and the addresses of the pages that answer it."""

    address: Address
    query: FunnelQuery
    user: Any
    page_url: str
    part_url: str
    members_url: str

    @cached_property
    def stages(self) -> dict[str, Stage]:
        return {stage.key: stage for stage in self.query.stages}

    @property
    def in_funnel(self) -> list[Stage]:
        """The stages with a place in the funnel, in order."""
        return [stage for stage in self.query.stages if stage.position is not None]

    def name(self, key: str | None) -> str:
        return str(self.stages[key]) if key in self.stages else "–"

    def colour(self, key: str) -> str:
        return colour_of(self.stages[key])

    def members(self, what: str, n: float | None, **more: Any) -> str:
        """The address of the list behind a number; nothing where there is nobody."""
        if not n:
            return ""
        return self.address.url(
            self.members_url, what=what, **{"stage": None, "source": None, "grade": None, "p": None, **more}
        )

    def csv(self, key: str) -> str:
        """The address of a card as CSV."""
        return f"{self.address.url(self.part_url)}&csv={key}"

    @property
    def stage(self) -> Stage:
        """The stage a card is about: the one asked for, else the first after the floor."""
        asked = self.address.get("stage")
        if asked in self.stages:
            return self.stages[asked]
        stages = self.in_funnel or list(self.query.stages)
        return stages[min(1, len(stages) - 1)]

    def stage_choice(self, label: Any, only_funnel: bool = False) -> Choice:
        stages = self.in_funnel if only_funnel else self.query.stages
        return Choice("stage", label, [(stage.key, stage) for stage in stages], self.stage.key)


def colour_of(stage: Stage) -> str:
    """The colour of a stage, safe in a style attribute and in a picture."""
    return stage.color if HEX_COLOUR.fullmatch(stage.color or "") else GREY
