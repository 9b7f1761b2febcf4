"""Look-alike models: what they learn, how they are tested, when they are refused, and what brings accounts back."""

import sys

import numpy as np
import pytest

from segmentation.engine.lookalike import (
    Attribute,
    CannotLearnError,
    LibraryMissingError,
    attributes_changed,
    auc_with_interval,
    behaviour_changed,
    learn,
)


def attribute(key, codes, *values):
    return Attribute(key, values, np.asarray(codes, dtype=np.int32))


def market(n=700, seed=3, effect=1.7):
    """Accounts of five industries of which one buys more often, a size that means nothing, and who is a customer."""
    dice = np.random.default_rng(seed)
    industry, size = dice.integers(0, 5, n), dice.integers(-1, 3, n)
    customer = dice.random(n) < 1 / (1 + np.exp(2.2 - effect * (industry == 2)))
    return [attribute("industry", industry, *"abcde"), attribute("size", size, "s", "m", "l")], customer


def test_it_finds_what_customers_have_in_common_and_is_calibrated():
    attributes, customer = market(1200, effect=1.5)
    model = learn(attributes, customer)
    factors = {(level.attribute, level.value): level.factor for level in model.levels}
    assert max(factors, key=factors.get) == ("industry", "c")
    assert factors["industry", "c"] > 2
    assert all(0.8 < factor < 1.25 for (key, _value), factor in factors.items() if key == "size")
    assert model.chance.mean() == pytest.approx(customer.mean(), abs=0.002)
    told = model.evaluation
    assert (told.accounts, told.customers) == (1200, customer.sum())
    assert 0.5 < told.low < told.auc < told.high < 1
    assert told.lift > 1.5
    assert sum(tenth["customers"] for tenth in told.tenths) == pytest.approx(customer.sum(), abs=0.1)
    first = told.tenths[0]
    assert first["expected"] == pytest.approx(first["customers"], rel=0.35)
    assert told.precision[100] > 1.5 * told.base


def test_held_back_customers_tell_nothing_of_themselves():
    """With a field of thirty values at random a model can describe its customers, and predicts nothing."""
    _attributes, customer = market(600, effect=0.0)
    names = np.random.default_rng(5).integers(0, 30, 600)
    with pytest.raises(CannotLearnError) as refused:
        learn([attribute("name", names, *map(str, range(30)))], customer)
    assert refused.value.code == "no_better_than_chance"
    assert refused.value.numbers["low"] <= 0.5


def test_the_same_accounts_give_the_same_model_digit_by_digit():
    one, other = learn(*market()), learn(*market())
    assert one.levels == other.levels
    assert one.evaluation == other.evaluation
    assert one.chance.tobytes() == other.chance.tobytes()


def test_what_is_not_known_speaks_neither_for_nor_against():
    attributes, customer = market()
    codes = attributes[0].code.copy()
    codes[:50] = -1
    model = learn([attribute("industry", codes, *"abcde")], customer)
    assert model.effects(0) == []
    average = np.log(customer.mean() / (1 - customer.mean()))
    assert np.log(model.chance[0] / (1 - model.chance[0])) == pytest.approx(average, abs=0.25)


def test_rare_values_are_taken_together():
    attributes, customer = market()
    codes = attributes[0].code.copy()
    codes[:12] = [5, 6, 7, 8] * 3
    model = learn([attribute("industry", codes, *"abcdefghi")], customer)
    assert [level.value for level in model.levels if level.accounts == 12] == [None]


@pytest.mark.parametrize(
    ("customers", "least", "numbers"),
    [
        (5, 30, {"customers": 5, "needed": 30, "missing": 25}),
        (29, 5, {"customers": 29, "needed": 30, "missing": 1}),
        (40, 50, {"customers": 40, "needed": 50, "missing": 10}),
    ],
)
def test_too_few_customers_are_refused_with_the_number_that_is_missing(customers, least, numbers):
    attributes, _customer = market(400)
    with pytest.raises(CannotLearnError) as refused:
        learn(attributes, np.arange(400) < customers, least)
    assert (refused.value.code, refused.value.numbers) == ("too_few_customers", numbers)


def test_without_others_or_anything_known_there_is_no_model():
    attributes, _customer = market(400)
    with pytest.raises(CannotLearnError, match="too_few_others"):
        learn(attributes, np.arange(400) < 380)
    with pytest.raises(CannotLearnError, match="nothing_known"):
        learn([attribute("industry", np.full(400, -1)), attribute("size", np.zeros(400), "s")], np.arange(400) < 100)
    with pytest.raises(CannotLearnError, match="nothing_known"):
        learn([attribute("industry", np.full(400, -1))], np.arange(400) < 100)


def test_without_the_library_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(LibraryMissingError, match=r"pip install “account-journey\[predict\]”"):
        learn(*market(400))


def test_the_interval_of_the_auc_is_delongs():
    """Against the definition by pairs, and the area as scikit-learn has it."""
    from sklearn.metrics import roc_auc_score

    dice = np.random.default_rng(2)
    score = np.round(dice.normal(size=90) + 0.7 * (np.arange(90) < 30), 1)  # with ties
    positive = np.arange(90) < 30
    wins = (score[positive][:, None] > score[~positive]) + 0.5 * (score[positive][:, None] == score[~positive])
    spread = np.sqrt(wins.mean(1).var(ddof=1) / 30 + wins.mean(0).var(ddof=1) / 60)
    auc, low, high = auc_with_interval(score, positive)
    assert auc == pytest.approx(roc_auc_score(positive, score))
    assert (low, high) == pytest.approx((auc - 1.959964 * spread, auc + 1.959964 * spread))


THEN = {"attributes": {"industry": "Retail", "city": None}, "lift": 2.0}


@pytest.mark.parametrize(
    ("now", "back"),
    [
        ({"attributes": {"industry": "Retail", "city": None}, "lift": 2.9}, False),
        ({"attributes": {"industry": "Retail", "city": None}, "lift": 3.0}, True),
        ({"attributes": {"industry": "Energy", "city": None}, "lift": 1.5}, True),
        ({"attributes": {"industry": "Retail", "city": "Graz"}, "lift": 2.0}, True),
        ({"attributes": {"industry": "Retail", "region": "North"}, "lift": 2.0}, False),  # the model reads more now
    ],
)
def test_an_account_declined_for_its_looks_comes_back_when_they_change(now, back):
    assert attributes_changed(THEN, now) is back


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ({}, False),
        ({"held": ["a"], "minutes": 0.0}, False),
        ({"held": ["a", "b", "c"]}, True),
        ({"minutes": 59.9}, False),
        ({"minutes": 60.0}, True),
        ({"since": 101}, True),
        ({"since": 100}, False),
    ],
)
def test_an_account_declined_for_what_it_did_comes_back_when_it_does_more(change, back):
    then = {"held": ["a", "b"], "minutes": 40.0, "since": 50}
    assert behaviour_changed(then, then | change, 100) is back
