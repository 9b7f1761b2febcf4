"""Figures of the funnel, from the database and from memory."""

import time
from datetime import timedelta

import numpy as np

from benchmarks.item import BEGIN, Item, extended, stored_stays
from benchmarks.scratch import YEARS
from journey.facts.dimensions import dimensions
from journey.selectors.funnel import FunnelQuery, FunnelReport, funnel, funnel_query
from journey.selectors.funnel_data import forget


def funnel_question(*by: str) -> FunnelQuery:
    """Three years of the journey, broken down by these fields."""
    return funnel_query(
        journey=extended().journey,
        start=BEGIN,
        end=BEGIN + timedelta(days=365 * YEARS),
        as_of=BEGIN + timedelta(days=365 * YEARS),
        by=by,
    )


class FunnelCold(Item):
    """The funnel of three years by region, with nothing of it in the memory of the process."""

    name = "funnel_cold"

    def prepare(self) -> None:
        funnel(funnel_question("region"))  # loads the compiled code
        forget()

    def run(self) -> FunnelReport:
        return funnel(funnel_question("region"))

    def check(self, result: FunnelReport) -> bool:
        """Every stay of the history that began is in one stage, and in one group, or in several where those overlap."""
        stored = stored_stays()
        first, last = (int((BEGIN + timedelta(days=days)).timestamp() * 1_000_000) for days in (0, 365 * YEARS))
        began = int(np.sum((stored["start"] >= first) & (stored["start"] < last)))
        counted = sum(stage.volume + stage.began for stage in result.stages)
        grouped = sum(stage.volume + stage.began for group in result.groups for stage in group.stages)
        return began == counted and (grouped > counted if result.overlapping else grouped == counted)


class FunnelBreakdown(FunnelCold):
    """The slowest of all breakdowns, once the history and the field are in memory."""

    name = "funnel_breakdown"

    def prepare(self) -> None:
        took = {}
        for field in dimensions(extended().journey.unit):
            funnel(funnel_question(field))
            begin = time.perf_counter()
            funnel(funnel_question(field))
            took[field] = time.perf_counter() - begin
        self.slowest = max(took, key=lambda field: took[field])

    def run(self) -> FunnelReport:
        return funnel(funnel_question(self.slowest))


class FunnelFirstTime(FunnelCold):
    """A breakdown by a field that has not been read yet, the slowest of all, with the history in memory."""

    name = "funnel_new_field"

    def prepare(self) -> None:
        took = {}
        for field in dimensions(extended().journey.unit):
            begin = time.perf_counter()
            funnel(funnel_question(field))
            took[field] = time.perf_counter() - begin
        del took[next(iter(took))]  # which loaded the history itself
        self.slowest = max(took, key=lambda field: took[field])
        forget()
        funnel(funnel_question())

    def run(self) -> FunnelReport:
        return funnel(funnel_question(self.slowest))


class FunnelNewHeatMap(FunnelCold):
    """A breakdown by two fields that have not been read yet, with the history in memory."""

    name = "funnel_new_heat_map"
    fields = ("industry", "country")

    def prepare(self) -> None:
        funnel(funnel_question(*self.fields))  # loads the compiled code
        forget()
        funnel(funnel_question())

    def run(self) -> FunnelReport:
        return funnel(funnel_question(*self.fields))
