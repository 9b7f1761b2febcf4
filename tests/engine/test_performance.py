"""Figures of deals and customers: spreads with their intervals, velocity, what differs clearly."""

import math

import numpy as np
import pytest

from journey.engine.metrics.performance import DealFacts, apart, performance, spread, velocity
from journey.engine.metrics.rates import wilson
from journey.engine.metrics.table import DAY

NAN = float("nan")


@pytest.mark.parametrize(
    ("n", "rank"),
    # Ranks of the limits of a 95 % interval of the median, as printed in tables (Conover; Hahn and Meeker).
    [(5, None), (6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18), (100, 40)],
)
def test_the_interval_of_the_median_has_the_ranks_of_the_tables(n, rank):
    found = spread(np.arange(1.0, n + 1)[::-1].copy())
    assert (found.low, found.high) == ((None, None) if rank is None else (rank, n + 1 - rank))
    assert (found.n, found.mean, found.median) == (n, (n + 1) / 2, (n + 1) / 2)


def test_large_numbers_use_the_normal_approximation_which_meets_the_exact_one():
    exact = next(j for j in range(400, 500) if 40 * sum(math.comb(1001, i) for i in range(j)) > 2**1001) - 1
    assert exact - 1 <= spread(np.arange(1.0, 1002)).low <= exact  # never too narrow


def deals(*rows):
    """Deals from (state, opened day, closed day, amount)."""
    state, opened, closed, worth = zip(*rows, strict=True)
    return DealFacts(
        won=np.array([s == "won" for s in state]),
        lost=np.array([s == "lost" for s in state]),
        is_open=np.array([s == "open" for s in state]),
        opened=np.array(opened) * DAY,
        closed=np.array(closed) * DAY,
        worth=np.array(worth, dtype=float),
    )


def test_the_figures_of_some_deals_and_customers():
    facts = deals(
        ("won", 0, 10, 100), ("won", 0, 30, 300), ("won", 5, 25, NAN), ("lost", 0, 5, 50), ("open", 8, 90, 80),
        ("won", 0, 1, 9999),
    )  # fmt: skip
    mine = np.array([True] * 5 + [False])
    found = performance(facts, mine, np.array([True, True, False]), np.array([True, False, True]))
    assert (found.won, found.lost, found.open, found.revenue, found.pipeline) == (3, 1, 1, 400, 80)
    assert (found.win_rate, found.retention) == (wilson(3, 4), wilson(1, 2))
    assert (found.size.n, found.size.mean, found.size.median) == (2, 200, 200)
    assert (found.cycle.n, found.cycle.mean, found.cycle.median) == (3, 20, 20)
    assert found.velocity == pytest.approx(1 * 0.75 * 200 / 20)
    assert found.few == ("win_rate", "size", "cycle", "velocity", "retention")


def test_nothing_to_divide_by_gives_no_figure():
    found = performance(deals(("open", 0, 9, NAN)), np.array([True]), np.array([], bool), np.array([], bool))
    assert (found.win_rate, found.size.mean, found.revenue, found.pipeline, found.velocity, found.retention) == (
        None,
    ) * 6
    assert (found.open, found.few) == (1, ())
    assert velocity(3, 0.5, 100.0, 0.0) is None  # won on the day it was opened
    assert velocity(0, 0.5, 100.0, 20.0) == 0


def test_only_intervals_that_do_not_touch_differ_clearly():
    assert apart(wilson(90, 100), wilson(10, 100)) == 1
    assert apart(wilson(10, 100), wilson(90, 100)) == -1
    assert apart(wilson(5, 10), wilson(6, 10)) == 0
    assert apart(wilson(0, 0), wilson(1, 2)) is None
    assert apart(spread(np.ones(3)), spread(np.ones(30))) is None
