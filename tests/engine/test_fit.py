"""The fit of an account to a checklist: its formula, the limits of grades and coverage, knock-outs, nothing known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.engine.fit import GRADES, NO_VERDICT, FitItem, fit, scale_points

UNKNOWN = -1


def one(items, *points):
    """Score, grade and coverage of one account."""
    found = fit(items, np.array(points, dtype=np.int16).reshape(len(items), 1))
    score = int(found.score[0])
    return (None if score == NO_VERDICT else score / 100), GRADES[found.grade[0]], found.coverage[0] / 100


def plain(*weights):
    return [FitItem(weight) for weight in weights]


@pytest.mark.parametrize(
    ("share", "grade"),
    [(100, "A"), (80, "A"), (79, "B"), (60, "B"), (59, "C"), (40, "C"), (39, "D"), (0, "D")],
)
def test_the_grade_changes_exactly_at_its_limit(share, grade):
    assert one(plain(share, 100 - share), 100, 0) == (share, grade, 100)


def test_one_part_in_ten_thousand_below_80_is_a_b_and_is_not_shown_as_80():
    assert one(plain(799, 1, 200), 100, 75, 0) == (79.97, "B", 100)


def test_unknown_items_are_left_out_of_the_score_and_lower_the_coverage():
    assert one(plain(3, 1, 2), 100, 0, UNKNOWN) == (75, "B", 66.66)


@pytest.mark.parametrize(("known", "grade"), [(50, "A"), (49, "")])
def test_there_is_no_grade_below_half_of_the_weight(known, grade):
    assert one(plain(known, 100 - known), 100, UNKNOWN) == (100, grade, known)


def test_coverage_is_of_the_weight_and_not_of_the_number_of_items():
    assert one(plain(10, 1, 1, 1), 100, UNKNOWN, UNKNOWN, UNKNOWN)[1:] == ("A", 76.92)


def test_a_failed_knock_out_gives_0_whatever_else_holds():
    assert one([FitItem(1, knock_out=True), FitItem(9)], 0, 100) == (0, "D", 100)


def test_a_knock_out_that_holds_or_is_not_known_does_nothing():
    assert one([FitItem(1, knock_out=True), FitItem(1)], 100, 100)[0] == 100
    assert one([FitItem(1, knock_out=True), FitItem(1)], UNKNOWN, 100)[0] == 100


def test_a_failed_knock_out_with_little_known_gives_0_without_a_grade():
    assert one([FitItem(1, knock_out=True), FitItem(9)], 0, UNKNOWN) == (0, "", 10)


def test_a_knock_out_without_weight_only_knocks_out():
    assert one([FitItem(0, knock_out=True), FitItem(2)], 0, 100) == (0, "D", 100)
    assert one([FitItem(0, knock_out=True), FitItem(2)], 100, 0) == (0, "D", 100)


def test_the_lowest_step_but_not_the_second_of_a_scale_fails_a_knock_out():
    item = [FitItem(1, knock_out=True)]
    assert one(item, scale_points(1))[0] == 0
    assert one(item, scale_points(2))[0] == 25


def test_unknown_may_count_as_no_or_as_yes_and_stays_unknown_to_the_coverage():
    assert one([FitItem(1, unknown="as_no"), FitItem(1)], UNKNOWN, 100) == (50, "C", 50)
    assert one([FitItem(1, unknown="as_yes"), FitItem(1)], UNKNOWN, 0) == (50, "C", 50)


def test_a_knock_out_whose_unknown_counts_as_no_fails_without_an_answer():
    assert one([FitItem(1, knock_out=True, unknown="as_no"), FitItem(1)], UNKNOWN, 100)[0] == 0


def test_a_checklist_without_items_gives_no_verdict():
    found = fit([], np.empty((0, 3), dtype=np.int16))
    assert found.score.tolist() == [NO_VERDICT] * 3
    assert found.grade.tolist() == [0] * 3
    assert found.coverage.tolist() == [0] * 3


def test_nothing_known_gives_no_verdict_even_where_unknown_counts():
    assert one([FitItem(1, unknown="as_yes"), FitItem(1)], UNKNOWN, UNKNOWN) == (None, "", 0)


def test_items_without_weight_give_no_verdict():
    assert one(plain(0, 0), 100, 100) == (None, "", 0)


def test_a_scale_goes_from_1_to_5_in_even_steps():
    assert [scale_points(value) for value in range(1, 6)] == [0, 25, 50, 75, 100]
    for value in (0, 6):
        with pytest.raises(ValueError, match=str(value)):
            scale_points(value)


def test_answers_must_be_there_for_every_item():
    with pytest.raises(ValueError, match="1 rows of answers for 2 items"):
        fit(plain(1, 1), np.zeros((1, 1), dtype=np.int16))


item = st.builds(FitItem, st.integers(0, 1000), st.booleans(), st.sampled_from(["leave_out", "as_no", "as_yes"]))
rows = st.lists(st.tuples(item, st.sampled_from([UNKNOWN, 0, 25, 50, 75, 100])), min_size=1, max_size=20)


@given(rows)
def test_the_fit_is_that_of_the_formula_in_exact_fractions(rows):
    items, points = [row[0] for row in rows], [row[1] for row in rows]
    total = sum(item.weight for item in items)
    known = sum(item.weight for item, value in rows if value != UNKNOWN)
    as_what = {"as_no": 0, "as_yes": 100, "leave_out": None}
    counted = [(item, value if value != UNKNOWN else as_what[item.unknown]) for item, value in rows]
    counted = [(item, value) for item, value in counted if value is not None]
    weight = sum(item.weight for item, _value in counted)
    failed = any(item.knock_out and value == 0 for item, value in counted)
    score, grade, coverage = one(items, *points)
    if failed:
        assert score == 0
        exact = Fraction(0)
    elif not weight or not known:
        assert (score, grade) == (None, "")
        return
    else:
        exact = Fraction(sum(item.weight * value for item, value in counted), weight)
        assert 0 <= exact - Fraction(round(score * 100), 100) < Fraction(1, 100)
    if not known or Fraction(known, total) < Fraction(1, 2):
        assert grade == ""
    else:
        assert grade == ("A" if exact >= 80 else "B" if exact >= 60 else "C" if exact >= 40 else "D")
    assert coverage == (int(Fraction(known * 10000, total)) / 100 if total else 0)


@given(rows, st.integers(1, 5))
def test_an_account_fits_the_same_alone_and_in_a_batch(rows, n):
    items, points = [row[0] for row in rows], np.array([row[1] for row in rows], dtype=np.int16)
    alone, batch = fit(items, points.reshape(-1, 1)), fit(items, np.repeat(points.reshape(-1, 1), n, axis=1))
    for name in ("score", "grade", "coverage"):
        assert getattr(batch, name).tolist() == getattr(alone, name).tolist() * n


@given(rows, st.data())
def test_a_better_answer_never_lowers_the_score(rows, data):
    items, points = [row[0] for row in rows], [row[1] for row in rows]
    which = data.draw(st.integers(0, len(rows) - 1))
    if points[which] == UNKNOWN:
        return
    better = [*points]
    better[which] = 100
    assert (one(items, *better)[0] or 0) >= (one(items, *points)[0] or 0)
