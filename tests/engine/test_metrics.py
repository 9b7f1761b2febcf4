"""The figures of the funnel: small cases by hand, random histories against the definitions in plain Python."""

import random
import statistics
from fractions import Fraction

import numpy as np
import pytest

from journey.engine.metrics.figures import Question, figures, follow
from journey.engine.metrics.flows import cohorts, direction, entries_over_time, moves, stuck
from journey.engine.metrics.rates import wilson
from journey.engine.metrics.survival import bucketed, curve, estimates, packed
from journey.engine.metrics.table import DAY, Funnel, make_table
from tests.reference import metrics as reference

FOREVER = reference.FOREVER
# Stages: a, b, c, d are the funnel; p and q are parking.
FUNNEL = Funnel(("a", "b", "c", "d", "p", "q"), 4)
A, B, C, D, P, Q = range(6)


def history(*begins, until=FOREVER):
    """Seamless stays from (stage, day) pairs."""
    ends = [*(int(day * DAY) for _s, day in begins[1:]), until]
    return [(stage, int(day * DAY), end) for (stage, day), end in zip(begins, ends, strict=True)]


def table_of(histories):
    """A table from stays for each entity, numbered from 1; each is its own account."""
    rows = [(e, e, *stay, k == 0) for e, stays in enumerate(histories, start=1) for k, stay in enumerate(stays)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    ids, accounts, stage, start, end, first = (np.array(column, dtype=np.int64) for column in columns)
    grade = np.ones(len(ids), dtype=np.int8)
    return make_table(ids, accounts, stage.astype(np.int16), start, end, grade, first.astype(np.bool_))


def asked(histories, start=0, end=1000, as_of=1000, horizon=None, target=None, reached=(30, 90, 180), groups=None):
    table = table_of(histories)
    question = Question(
        int(start * DAY),
        int(end * DAY),
        int(as_of * DAY),
        None if horizon is None else int(horizon * DAY),
        target,
        tuple(int(day * DAY) for day in reached),
    )
    rows = table.began(question.start, question.end, question.as_of)
    group = np.zeros(len(rows), dtype=np.int64) if groups is None else np.array(groups)[table.entity[rows]]
    return figures(table, FUNNEL, question, follow(table, FUNNEL, question), rows, group, int(group.max(initial=0)) + 1)


def test_the_first_stay_is_no_entry_and_re_entries_count():
    found = asked([history((A, 0), (B, 10), (A, 20), (B, 30)), history((B, 5))])
    assert found.volume[0].tolist() == [1, 2, 0, 0, 0, 0]
    assert found.began[0].tolist() == [1, 1, 0, 0, 0, 0]
    assert found.entities[0].tolist() == [1, 1, 0, 0, 0, 0]


def test_the_range_is_half_open_and_what_happens_exactly_as_of_is_known():
    histories = [history((A, 0), (B, 10), (C, 20))]
    assert asked(histories, start=10, end=20).volume[0].tolist() == [0, 1, 0, 0, 0, 0]
    assert asked(histories, end=21, as_of=20).volume[0].tolist() == [0, 1, 1, 0, 0, 0]
    assert asked(histories, as_of=20).converted[0][B] == 1
    before = asked(histories, as_of=20 - 1 / DAY)
    assert (before.volume[0][C], before.converted[0][B]) == (0, 0)


def test_conversion_is_to_the_next_stage_or_a_later_one_and_direct_to_exactly_the_next():
    found = asked(
        [
            history((A, 0), (B, 1), (C, 11)),  # directly after 10 days
            history((A, 0), (B, 1), (D, 21)),  # skips c after 20 days
            history((A, 0), (B, 1), (A, 5), (C, 31)),  # goes back first: 30 days
            history((A, 0), (B, 1), (P, 5)),  # lost: an end
            history((A, 0), (B, 1)),  # waits
        ]
    )
    assert (found.n[0][B], found.converted[0][B], found.direct[0][B]) == (5, 3, 2)
    assert (found.mean[0][B], found.median[0][B]) == (20, 20)
    # The stays in b end after 10, 20, 4 and 4 days, one lasts.
    assert found.km_median[0][B] == 10
    assert found.reached[0][B] == pytest.approx([1 / 5] * 3)
    assert found.reached_or_later[0][B] == pytest.approx([2 / 5] * 3)


def test_a_horizon_limits_conversions_and_names_what_is_immature():
    histories = [history((A, 0), (B, 100), (C, 140)), history((A, 0), (B, 100), (C, 141)), history((A, 0), (B, 970))]
    found = asked(histories, horizon=40)
    assert (found.n[0][B], found.converted[0][B], found.immature[0][B]) == (3, 1, 1)
    assert found.mean[0][B] == 40
    assert asked(histories, horizon=30).immature[0][B] == 0  # exactly 30 days have passed: mature
    assert asked(histories).immature[0][B] == 0


def test_any_stage_may_be_asked_for_also_from_a_parking_stage():
    histories = [history((A, 0), (B, 1), (P, 5), (C, 8), (D, 10)), history((A, 0), (D, 4)), history((A, 0), (P, 3))]
    found = asked(histories, target=D)
    assert found.n[0].tolist() == [3, 1, 1, 0, 2, 0]
    assert found.converted[0].tolist() == [2, 1, 1, 0, 1, 0]
    # Who leaves the funnel first is an end of the wait, though the conversion counts in the end.
    assert found.reached_or_later[0][A] == pytest.approx([1 / 3] * 3)
    lost = asked(histories, target=P)
    assert lost.converted[0].tolist() == [2, 1, 0, 0, 0, 0]


def test_no_data_is_not_a_number_and_never_zero():
    found = asked([history((A, 0))])
    assert found.n[0][B] == 0
    for figure in (found.mean, found.median, found.km_median, found.reached_or_later, found.reached):
        assert np.isnan(figure[0][B]).all()
    assert np.isnan(found.reached_or_later[0][D]).all()  # the end of the funnel leads nowhere
    assert np.isnan(found.km_median[0][A])  # nobody has left: no median
    assert found.reached_or_later[0][A].tolist() == [0, 0, 0]  # somebody waits, nobody moved on: that is a 0
    assert wilson(0, 0) is None


def test_aalen_johansen_and_kaplan_meier_on_a_case_worked_out_by_hand():
    # At risk 6: day 1 one moves on and one is lost; day 2 one is censored; day 3 two move on at once (of 3), 1 is left.
    waits = [(1, 1), (1, 3), (2, 0), (3, 1), (3, 1), (4, 0)]
    values, begin = bucketed(
        packed(np.array([d * DAY for d, _c in waits]), np.array([c for _d, c in waits], dtype=np.int8)),
        np.zeros(6, dtype=np.int64),
        1,
    )
    found = estimates(values, begin, [DAY - 1, DAY, 3 * DAY])
    assert found.incidence[0, :, 0] == pytest.approx([0, 1 / 6, 1 / 6 + 4 / 6 * 2 / 3])
    assert found.incidence[0, :, 2] == pytest.approx([0, 1 / 6, 1 / 6])
    assert found.median[0] == 3 * DAY  # S: 4/6 after day 1, 4/6 * 1/3 after day 3
    course = curve(values)
    assert (course.time / DAY).tolist() == [0, 1, 3]
    assert course.survival == pytest.approx([1, 4 / 6, 4 / 18])
    assert course.at_risk.tolist() == [6, 6, 3]
    assert ((course.low <= course.survival) & (course.survival <= course.high)).all()


def test_the_kaplan_meier_example_of_the_text_books():
    """Remission times of 21 patients under 6-MP (Freireich and others, 1963): median 23 weeks, S(10) = 0.7529."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    values = np.sort(
        packed(
            np.array([*ended, *censored], dtype=np.int64),
            np.array([3] * len(ended) + [0] * len(censored), dtype=np.int8),
        )
    )
    assert estimates(values, np.array([0, 21]), [10]).median[0] == 23
    course = curve(values)
    assert dict(zip(course.time.tolist(), course.survival.round(4).tolist(), strict=True)) == {
        0: 1.0, 6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482,
    }  # fmt: skip


def test_half_is_half_however_the_product_of_shares_is_rounded():
    """One censored at once, then 24 one by one: S is 1/2 after the 12th, which rounding makes 0.5000000000000001."""
    duration, cause = np.arange(25, dtype=np.int64) * DAY, np.array([0] + [1] * 24, dtype=np.int8)
    values = np.sort(packed(duration, cause))
    assert np.prod(1 - 1 / np.arange(24, 12, -1)) != 0.5
    assert estimates(values, np.array([0, 25]), [DAY]).median[0] == 12 * DAY
    assert curve(values).median == 12 * DAY


def test_wilson_matches_published_limits():
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29 at 95 %."""
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(hits, n)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def random_history(rng):
    """Few days, so that ties are the rule; sometimes a microsecond beside them; the last stays lie in the future."""
    instants = sorted({rng.randrange(0, 25) * DAY + rng.choice((0, 0, 0, 1, -1)) for _ in range(rng.randint(1, 7))})
    stages = [rng.randrange(6)]
    while len(stages) < len(instants):
        stages.append(rng.choice([s for s in range(6) if s != stages[-1]]))
    return [(s, a, b) for s, a, b in zip(stages, instants, [*instants[1:], FOREVER], strict=True)]


def near(found, expected):
    return np.isnan(found) if expected is None else found == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_random_histories_give_what_the_definitions_say(seed):
    rng = random.Random(seed)
    histories = [random_history(rng) for _ in range(rng.randint(1, 25))]
    groups = [rng.randrange(2) for _ in histories]
    start, as_of = rng.randrange(-1, 12), rng.randrange(8, 26)
    end = start + rng.randrange(1, 25)
    horizon, target = rng.choice((None, 0, 2, 5)), rng.choice((None, None, 0, 1, 2, 3, 4))
    times = (1, 3, 10)
    found = asked(histories, start, end, as_of, horizon, target, times, groups)
    limit = None if horizon is None else horizon * DAY
    for g in range(found.volume.shape[0]):
        mine = [h for h, group in zip(histories, groups, strict=True) if group == g]
        span = (start * DAY, end * DAY, as_of * DAY)
        for stage in range(6):
            entries, entities, began = reference.volume(mine, stage, *span)
            assert (found.volume[g, stage], found.entities[g, stage], found.began[g, stage]) == (
                entries,
                entities,
                began,
            )
            expected = reference.conversion(mine, stage, 4, *span, limit, target)
            for name in ("n", "converted", "direct", "immature"):
                assert getattr(found, name)[g, stage] == expected[name], (name, stage)
            days = [Fraction(t, DAY) for t in expected["times"]]
            assert near(found.mean[g, stage], statistics.mean(days) if days else None)
            assert near(found.median[g, stage], statistics.median(days) if days else None)
            own = reference.own_waits(mine, stage, 4, *span)
            median = reference.km_median(own)
            assert near(found.km_median[g, stage], None if median is None else Fraction(median, DAY))
            waits = own if target is None else reference.passage_waits(mine, stage, 4, *span, target)
            if not expected["n"]:
                waits = []
            for k, day in enumerate(times):
                both, exact = ("exact", "later"), ("exact",)
                assert near(found.reached_or_later[g, stage, k], reference.incidence(waits, both, day * DAY))
                assert near(found.reached[g, stage, k], reference.incidence(waits, exact, day * DAY))
    for hits, n in ((int(c), int(n)) for c, n in zip(found.converted.flat, found.n.flat, strict=True) if n):
        limits = wilson(hits, n)
        assert (limits.low, limits.high) == pytest.approx(reference.wilson_limits(hits, n), abs=1e-9)


def test_moves_are_told_by_their_direction():
    table = table_of([history((A, 0), (B, 1), (D, 2), (P, 3), (B, 4), (A, 5))])
    found = moves(table, FUNNEL, table.began(0, 5 * DAY, 10 * DAY))
    assert {(int(i), int(j)): int(found[i, j]) for i, j in zip(*np.nonzero(found), strict=True)} == {
        (A, B): 1, (B, D): 1, (D, P): 1, (P, B): 1,
    }  # fmt: skip
    kinds = [direction(FUNNEL, *pair) for pair in ((A, B), (B, D), (D, P), (P, B), (B, A), (P, Q))]
    assert kinds == ["forward", "skipped", "parked", "returned", "back", "parked"]


def test_entries_over_time_and_cohorts_say_what_is_not_ripe_yet():
    histories = [
        history((A, 0), (B, 1), (C, 3)),
        history((A, 0), (B, 1), (A, 2), (B, 3)),
        history((A, 1), (B, 11), (C, 30)),
    ]
    table = table_of(histories)
    question = Question(0, 100 * DAY, 40 * DAY)
    rows = table.began(0, 100 * DAY, 40 * DAY)
    edges = np.array([0, 10, 20, 30], dtype=np.int64) * DAY
    entries, entities = entries_over_time(table, FUNNEL, rows, edges)
    assert entries[:, B].tolist() == [3, 1, 0]
    assert entities[:, B].tolist() == [2, 1, 0]
    of_b = rows[table.stage[rows] == B]
    found = cohorts(table, follow(table, FUNNEL, question), of_b, edges, np.array([2, 19, 25]) * DAY, 40 * DAY)
    assert found.n.tolist() == [3, 1, 0]
    assert found.converted.tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 0]]
    assert found.mature.tolist() == [[True, True, True], [True, True, False], [True, False, False]]


def test_who_is_stuck_is_measured_against_the_stage_itself():
    quick = [history((A, 0), (B, 1), (C, 1 + days)) for days in (1, 2, 3, 4)]
    table = table_of([*quick, history((A, 0), (B, 6)), history((A, 0), (B, 9))])
    question = Question(0, 100 * DAY, 10 * DAY)
    found = stuck(table, FUNNEL, follow(table, FUNNEL, question).exits, table.at(10 * DAY), 10 * DAY, [B])
    assert (found.waited / DAY).tolist() == [4, 1]
    # Durations 1, 2, 3, 4 and, still going on, 4 and 1: S(1) = 5/6, S(2) = 5/6 * 3/4, S(3) = .. * 2/3, S(4) = .. * 1/2.
    assert found.longer == pytest.approx([1 - 5 / 6 * 3 / 4 * 2 / 3 * 1 / 2, 1 - 5 / 6])
