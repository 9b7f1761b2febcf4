"""Moves between stages, entries over time, cohorts, and who has been where for unusually long."""

from dataclasses import dataclass

import numpy as np

from journey.engine.metrics.figures import Followed
from journey.engine.metrics.passages import Exits
from journey.engine.metrics.survival import Floats, packed, surviving
from journey.engine.metrics.table import Funnel, StayTable
from segmentation.engine.steps import Int64s


def moves(table: StayTable, funnel: Funnel, rows: Int64s) -> Int64s:
    """int64[stages, stages]: moves from one stage into another that happened at the beginning of `rows`."""
    rows = rows[~table.first[rows]]
    pairs = table.stage[rows - 1].astype(np.int64) * len(funnel) + table.stage[rows]
    return np.bincount(pairs, minlength=len(funnel) ** 2).reshape(len(funnel), len(funnel)).astype(np.int64)


def direction(funnel: Funnel, of: int, to: int) -> str:
    """What a move is: forward, skipped (over at least one stage), back, parked, or returned from a parking stage."""
    if to >= funnel.funnel:
        return "parked"
    if of >= funnel.funnel:
        return "returned"
    if to < of:
        return "back"
    return "forward" if to == of + 1 else "skipped"


def entries_over_time(table: StayTable, funnel: Funnel, rows: Int64s, edges: Int64s) -> tuple[Int64s, Int64s]:
    """int64[periods, stages] twice: entries and distinct entities in `[edges[p], edges[p + 1])`."""
    rows = rows[~table.first[rows]]
    period = np.searchsorted(edges, table.start[rows], side="right") - 1
    rows, period = rows[(period >= 0) & (period < len(edges) - 1)], period[(period >= 0) & (period < len(edges) - 1)]
    size = (len(edges) - 1) * len(funnel)
    bucket = period * len(funnel) + table.stage[rows]
    entries = np.bincount(bucket, minlength=size)
    pairs = np.unique(bucket * np.int64(len(table.entities)) + table.entity[rows])
    entities = np.bincount(pairs // max(len(table.entities), 1), minlength=size)
    shape = (len(edges) - 1, len(funnel))
    return entries.reshape(shape).astype(np.int64), entities.reshape(shape).astype(np.int64)


@dataclass(frozen=True)
class Triangle:
    """Cohorts by period. n: int64[periods]; converted: int64[periods, ages], how many had moved on at most so long
    after their beginning; mature: bool[periods, ages], whether that long has passed for all of them."""

    n: Int64s
    converted: Int64s
    mature: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def cohorts(table: StayTable, followed: Followed, rows: Int64s, edges: Int64s, ages: Int64s, as_of: int) -> Triangle:
    """The beginnings in `rows` by the period they lie in (`edges`), and how many had moved on at each age."""
    rows = rows[followed.passages.asked[rows]]
    period = np.searchsorted(edges, table.start[rows], side="right") - 1
    inside = (period >= 0) & (period < len(edges) - 1)
    rows, period = rows[inside], period[inside]
    took = followed.passages.reached[rows] - table.start[rows]
    done = followed.passages.reached[rows] <= as_of
    place = np.searchsorted(ages, took[done], side="left")
    counts = np.zeros((len(edges) - 1, len(ages) + 1), dtype=np.int64)
    np.add.at(counts, (period[done], place), 1)
    return Triangle(
        n=np.bincount(period, minlength=len(edges) - 1).astype(np.int64),
        converted=np.cumsum(counts[:, :-1], axis=1),
        mature=edges[1:, None] + ages[None, :] <= as_of,
    )


@dataclass(frozen=True)
class Stuck:
    """Entities by how unusually long they have been in their stage. rows of the table; longer: the estimated share of
    stays in that stage that end sooner."""

    rows: Int64s
    waited: Int64s
    longer: Floats


def stuck(table: StayTable, funnel: Funnel, own: Exits, here: Int64s, as_of: int, stages: list[int]) -> Stuck:
    """Of the rows in force (`here`) those in `stages`, the most unusual first.

    Each is compared with all stays in its stage up to `as_of`, by Kaplan-Meier: those still inside are censored.
    """
    kept, share = [], []
    known = table.start <= as_of
    for stage in stages:
        mine = here[table.stage[here] == stage]
        values = np.flatnonzero(known & (table.stage == stage))
        if len(mine):
            course = np.sort(packed(own.duration[values], own.cause[values]))
            kept.append(mine)
            share.append(1.0 - surviving(course, as_of - table.start[mine]))
    if not kept:
        none = np.empty(0, dtype=np.int64)
        return Stuck(none, none, np.empty(0))
    rows, longer = np.concatenate(kept), np.concatenate(share)
    waited = as_of - table.start[rows]
    order = np.lexsort([rows, -waited, -longer])
    return Stuck(rows[order], waited[order], longer[order])
