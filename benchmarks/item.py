"""What is measured: one class each, run in a process of its own."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
from django.db import connection

from benchmarks.scratch import END, YEARS, Scratch
from benchmarks.stays import Stays, differences, load, read_stays, stays_of
from journey.facts.loading import Needs, all_facts, load_facts, weighted
from journey.facts.threads import THREADS
from journey.models import JourneyVersion
from journey.ready_made import EXTENDED
from journey.selectors.histories import current_history
from journey.selectors.versions import published_version, version_document, version_rules
from segmentation.engine.facts import Facts
from segmentation.engine.resolve import compile_journey, evaluate
from segmentation.models import Account
from segmentation.services.snapshots import one_snapshot

BEGIN = datetime(END.year, END.month, END.day, tzinfo=UTC) - timedelta(days=365 * YEARS)


class Item(ABC):
    """One thing that is measured: `prepare` and `check` take no part in its time and memory, `run` does."""

    name: ClassVar[str]

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch

    def prepare(self) -> None:
        """Bring everything to where the clock starts; by default, compiled code into memory."""
        warm_up()

    @abstractmethod
    def run(self) -> Any:
        """What the clock runs for."""

    def check(self, _result: Any) -> bool:
        """Whether the result is what it must be."""
        return True

    def clean(self) -> None:  # noqa: B027 - most leave nothing behind
        """Undo what `run` did to the database."""

    def rows(self) -> int | None:
        """How many rows `run` handled, where their rate is of interest."""
        return None


def extended() -> JourneyVersion:
    """The published version of the journey all this is about. Raises ValueError when its rules are others."""
    version = published_version("extended")
    if version is None:
        raise ValueError("The journey “extended” is not published.")
    stages = version_document(version)["stages"]
    rules = {stage["key"]: [(rule["scope"], rule["criteria"]) for rule in stage["enter"]] for stage in stages}
    ready = {
        stage["key"]: [(rule["scope"], rule["criteria"]) for rule in stage["enter"]] for stage in EXTENDED["stages"]
    }
    if _kinds(rules) != _kinds(ready):
        raise ValueError(
            "The journey “extended” has other rules than the ready-made one, and the alternatives know only those."
        )
    return version


def _kinds(rules: dict[str, Any]) -> Any:
    return {
        key: [[[(term["kind"], term["negate"]) for term in part] for part in rule] for rule in found]
        for key, found in rules.items()
    }


def warm_up() -> None:
    """Load the compiled kernels: a few accounts from the database to their stages."""
    rules = version_rules(extended())
    few = np.array(Account.objects.order_by("id").values_list("id", flat=True)[:3], dtype=np.int64)
    with one_snapshot() as reading:
        evaluate(compile_journey(rules), weighted(load_facts(reading, rules.unit, few, Needs.of(rules)), rules))


def stored_stays() -> Stays:
    """The history in force."""
    history = current_history(extended())
    if history is None:
        raise ValueError("There is no history.")
    return read_stays(connection, f"journey_stays_h{history.pk}")


@dataclass(frozen=True)
class Loaded:
    """All facts and the rules, in memory."""

    batches: list[Facts]
    rules: Any
    program: Any

    @classmethod
    def now(cls, version: JourneyVersion) -> "Loaded":
        """Read everything, through the cache of facts."""
        rules = version_rules(version)
        with one_snapshot() as reading:
            batches = [weighted(facts, rules) for facts in all_facts(reading, rules.unit, Needs.of(rules))]
        return cls(batches, rules, compile_journey(rules))

    def stays(self) -> list[Any]:
        """What the engine makes of them, on as many threads as a replay has."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda facts: evaluate(self.program, facts), self.batches))

    def table(self, stays: list[Any]) -> Stays:
        """The same in the form for comparisons."""
        refs = np.array([stage.ref for stage in self.rules.stages], dtype=np.int64)
        parts = [
            (facts.ids[found.entity], refs[found.stage], found.start, found.end)
            for facts, found in zip(self.batches, stays, strict=True)
        ]
        return stays_of(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class OfEngine(Item):
    """Anything that ends with the stays of all accounts, compared with the reference."""

    def made(self, result: Any) -> Stays:
        """The stays `run` made; by default those stored."""
        return stored_stays()

    def check(self, result: Any) -> bool:
        return differences(self.made(result), load(self.scratch.reference)) == 0
