"""Criterion kinds: one class each, found by its `kind`; see CONTRIBUTING for the checklist of a new one."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.errors import RuleError, suggestion
from segmentation.engine.facts import Facts
from segmentation.engine.params import Param, clean_params
from segmentation.engine.steps import Bools, Int32s, Int64s, Steps
from segmentation.engine.text import _


@dataclass(frozen=True)
class Measure:
    """The figure behind a verdict at one instant, for people.

    value, needed: the figure and the threshold in the same unit (None where there is none). found: the figure in
    words. missing: in words, what is missing until the criterion holds (empty when it holds). gap: 0 when it holds,
    else how far away it is as a share of what is needed (1: nothing there yet). rows: row numbers in the activity or
    deal table the figure comes from.
    """

    found: str
    missing: str = ""
    value: float | None = None
    needed: float | None = None
    gap: float = 0.0
    rows: tuple[int, ...] = field(default=())


class Criterion(ABC):
    """A yes/no (or unknown) function of time, defined by its kind and parameters.

    Constructed with parameters as people give them; raises RuleError naming the parameter, its value and the remedy.
    Two criteria with the same kind and parameters are equal and are evaluated once.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    help: ClassVar[str] = ""
    params: ClassVar[tuple[Param, ...]] = ()
    # Fact tables the kind reads; the loader fetches no others.
    tables: ClassVar[frozenset[str]] = frozenset()
    # Kinds that may limit a rule to some accounts.
    is_scope: ClassVar[bool] = False
    # Kinds whose steps take so long that it pays to ask for those of few entities (`steps_of`).
    is_costly: ClassVar[bool] = False
    # Kinds that can be nearly met: the gap of their measure lies between 0 and 1.
    is_gradual: ClassVar[bool] = False

    def __init__(self, **given: Any) -> None:
        self.values: dict[str, Any] = clean_params(self.params, given)
        self.check()

    def check(self) -> None:  # noqa: B027 - most kinds have nothing to refuse
        """Refuse parameters that are wrong only together. Raises RuleError."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Criterion) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """What makes two criteria the same."""
        return (self.kind, *self.values.items())

    @abstractmethod
    def steps(self, facts: Facts) -> Steps:
        """When the criterion holds, for every entity of the batch."""

    def steps_of(self, facts: Facts, wanted: Bools) -> Steps:
        """The steps where only those of some entities count: what it says of the others means nothing.

        wanted: bool[n].
        """
        return self.steps(facts)

    @abstractmethod
    def measure(self, facts: Facts, entity: int, instant: int) -> Measure:
        """The figure behind the verdict for one entity at an instant (microseconds UTC)."""

    def gaps(self, facts: Facts, entities: Int64s, instant: int) -> NDArray[np.float64]:
        """float64[k]: how far each of these entities is, as `measure` has it. For entities it does not hold for.

        Kinds that can say it of many at once do so; a kind that only holds or does not is at 1 (`is_gradual`).
        """
        if not self.is_gradual:
            return np.ones(len(entities))
        return np.array([self.measure(facts, entity, instant).gap for entity in entities.tolist()], dtype=np.float64)

    @abstractmethod
    def sentence(self) -> str:
        """The criterion in words, translated: “more than 60 engaged minutes within 90 days, marketing only”."""

    def fields(self) -> Iterable[str]:
        """Dated fields the criterion reads; the loader fetches no others."""
        return ()

    def known_from(self, facts: Facts) -> Int64s | None:
        """int64[n], when the recorded history of what it reads begins: before it a present value stands in.

        None for kinds whose facts are dated themselves.
        """
        return None

    def assumed(self, facts: Facts, entities: Int32s, instants: Int64s) -> NDArray[np.bool_]:
        """bool[k]: whether a present value stood in for a past one, for pairs of entity and instant."""
        since = self.known_from(facts)
        return np.zeros(len(entities), dtype=np.bool_) if since is None else instants < since[entities]

    def depends_on(self) -> Iterable[str]:
        """Names of other rules the criterion reads (`journey:standard`), for the check that no rule needs itself."""
        return ()


_kinds: dict[str, type[Criterion]] = {}


def register(kind: type[Criterion]) -> type[Criterion]:
    """Class decorator: makes a kind known under its `kind`."""
    if _kinds.get(kind.kind, kind) is not kind:
        raise RuntimeError(f"Two criterion kinds are called {kind.kind!r}.")
    _kinds[kind.kind] = kind
    return kind


def kinds() -> Mapping[str, type[Criterion]]:
    """All known kinds by name."""
    return _kinds


def make_criterion(kind: str, params: Mapping[str, Any] | None = None) -> Criterion:
    """A criterion from its stored form. Raises RuleError for an unknown kind or a wrong parameter."""
    if not isinstance(kind, str) or kind not in _kinds:
        raise RuleError(
            "unknown_kind",
            "kind",
            kind,
            _("There is no criterion kind “%(kind)s”.") % {"kind": kind},
            suggestion(kind, _kinds),
        )
    given = params if params is not None else {}
    if not isinstance(given, Mapping):
        raise RuleError(
            "wrong_type", "params", given, _("Parameters are not an object."), _("Give them as {name: value}.")
        )
    clean_params(_kinds[kind].params, given)  # names first: an unknown one must not become a Python error
    return _kinds[kind](**given)
