"""Which accounts look like those that became customers: a logistic regression on attributes, and how good it is.

A score is only as good as its test, so a model comes with figures of customers it had not seen: each fifth of the
accounts is scored by a model of the other four, which has not seen it in any way. Everything is deterministic: the same
accounts in the same order give the same model, digit by digit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.steps import Int32s, Int64s
from segmentation.engine.text import _

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_CUSTOMERS = 30  # fewer say nothing about accounts in general: their model would describe these few
LEAST_OTHERS = 30
LEAST_ACCOUNTS = 10  # a value fewer accounts have is taken together with other rare ones
MOST_VALUES = 30  # of one attribute
FOLDS = 5
SEED = 20_260
# How far weights may go from the average: C of the logistic regression, the variance of their normal prior. Little
# evidence needs a narrow prior, or the model promises more than it keeps; which one is chosen by cross-validation.
PRIORS = (0.01, 0.03, 0.1, 0.3, 1.0)
CHOICE_FOLDS = 3
MOST_FOR_CHOICE = 20_000  # accounts by which the prior is chosen; more change nothing but the time
Z = 1.959964  # of a two-sided interval of 95 %
TENTHS = 10
SHORT_LISTS = (25, 50, 100, 250)  # sizes of lists of which the share of customers is told


class CannotLearnError(Exception):
    """No model can be made of these accounts. code: why; numbers: what there is and what is needed, by name."""

    def __init__(self, code: str, **numbers: Any) -> None:
        super().__init__(code, numbers)
        self.code, self.numbers = code, numbers


class LibraryMissingError(Exception):
    """scikit-learn is not installed."""

    def __str__(self) -> str:
        return _(
            "Look-alike suggestions need scikit-learn, which is not installed."
            " Run: pip install “account-journey[predict]”."
        )


@dataclass(frozen=True)
class Attribute:
    """One attribute of all accounts. values: what it may be; code: int32 per account, place in `values`, -1 unknown."""

    key: str
    values: Sequence[Any]
    code: Int32s


@dataclass(frozen=True)
class Level:
    """A value of an attribute as the model knows it. value: None for all rare ones together.

    share, customers: of the accounts (of the customers) whose attribute is known, how many have it. factor: by how much
    it multiplies the odds, against the average account and with all other attributes equal.
    """

    attribute: str
    value: Any
    accounts: int
    share: float
    customers: float
    factor: float

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Evaluation:
    """How a model does with accounts it was not made of.

    auc: the chance that a customer is ranked before another account, with its 95 % interval (DeLong). lift: how many
    times as many customers as in all accounts are in the first tenth. precision: share of customers in the first k.
    tenths: for each tenth of the ranking its accounts, its customers, and how many were expected. Accounts with equal
    scores share their customers evenly.
    """

    accounts: int
    customers: int
    auc: float
    low: float
    high: float
    lift: float
    precision: dict[int, float]
    tenths: list[dict[str, float]]

    @property
    def base(self) -> float:
        return self.customers / self.accounts

    def as_dict(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in ("accounts", "customers", "auc", "low", "high", "lift")}
        precision = {str(k): share for k, share in self.precision.items()}
        return {**shown, "base": round(self.base, 6), "precision": precision, "tenths": self.tenths}


@dataclass(frozen=True)
class Model:
    """A model of all accounts. levels: by attribute; weights: per level against the average; chance: per account."""

    keys: tuple[str, ...]
    levels: tuple[Level, ...]
    weights: Floats
    level_of: Int32s  # per account and attribute; -1 unknown
    chance: Floats
    prior: float
    evaluation: Evaluation

    def effects(self, row: int) -> list[tuple[str, Any, float]]:
        """Attribute, value (None: a rare one) and factor of the odds, for what is known of an account."""
        found = [self.levels[number] for number in self.level_of[row] if number >= 0]
        return [(level.attribute, level.value, level.factor) for level in found]


def learn(attributes: Sequence[Attribute], customer: Bools, least_customers: int = LEAST_CUSTOMERS) -> Model:
    """Make a model of which accounts became customers, and test it on held-back ones.

    customer: per account. least_customers: fewer are refused, as are fewer than `LEAST_CUSTOMERS`. Raises
    CannotLearnError (too_few_customers, too_few_others, nothing_known, no_better_than_chance) and LibraryMissingError.
    """
    have, others = int(customer.sum()), int((~customer).sum())
    needed = max(least_customers, LEAST_CUSTOMERS)
    if have < needed:
        raise CannotLearnError("too_few_customers", customers=have, needed=needed, missing=needed - have)
    if others < LEAST_OTHERS:
        raise CannotLearnError("too_few_others", others=others, needed=LEAST_OTHERS)
    keys, level_of, names = _levels(attributes)
    if not names:
        raise CannotLearnError("nothing_known", attributes=[attribute.key for attribute in attributes])
    matrix, share = _matrix(level_of, names, len(keys))
    held_back, fitted = _fits(matrix, customer)
    evaluation = _evaluated(held_back, customer)
    if evaluation.low <= 0.5:
        raise CannotLearnError(
            "no_better_than_chance",
            auc=evaluation.auc,
            low=evaluation.low,
            high=evaluation.high,
            customers=have,
            evaluation=evaluation.as_dict(),
        )
    intercept, coefficients, prior = fitted
    weights = np.empty(len(names))
    levels = []
    block = np.array([attribute for attribute, _value in names])
    for number in range(len(keys)):
        mine = np.flatnonzero(block == number)
        weights[mine] = coefficients[mine] - share[mine] @ coefficients[mine]
    for number, (attribute, value) in enumerate(names):
        has, known = level_of[:, attribute] == number, level_of[:, attribute] >= 0
        among = customer & known
        levels.append(
            Level(
                attribute=keys[attribute],
                value=value,
                accounts=int(has.sum()),
                share=round(float(share[number]), 4),
                customers=round(float((customer & has).sum() / max(among.sum(), 1)), 4),
                factor=round(math.exp(weights[number]), 3),
            )
        )
    chance = np.round(1 / (1 + np.exp(-(intercept + matrix @ coefficients))), 6)
    return Model(tuple(keys), tuple(levels), np.round(weights, 6), level_of, chance, prior, evaluation)


def _levels(attributes: Sequence[Attribute]) -> tuple[list[str], Int32s, list[tuple[int, Any]]]:
    """Attributes that tell accounts apart, the number of each account's level in each, and what the levels are."""
    keys: list[str] = []
    columns: list[Int32s] = []
    names: list[tuple[int, Any]] = []
    for attribute in attributes:
        counts = np.bincount(attribute.code[attribute.code >= 0], minlength=len(attribute.values))
        order = sorted(range(len(counts)), key=lambda code: (-int(counts[code]), str(attribute.values[code])))
        common = [code for code in order if counts[code] >= LEAST_ACCOUNTS][:MOST_VALUES]
        rare = [code for code in order if counts[code] and code not in set(common)]
        lumped = int(counts[rare].sum()) >= LEAST_ACCOUNTS
        if len(common) + lumped < 2:
            continue
        place = np.full(len(attribute.values) + 1, -1, dtype=np.int32)  # the last one is for -1: unknown
        for code in common:
            place[code] = len(names)
            names.append((len(keys), attribute.values[code]))
        if lumped:
            place[rare] = len(names)
            names.append((len(keys), None))
        keys.append(attribute.key)
        columns.append(place[attribute.code])
    shape = (len(attributes[0].code) if attributes else 0, 0)
    return keys, np.stack(columns, axis=1) if columns else np.empty(shape, dtype=np.int32), names


def _matrix(level_of: Int32s, names: Sequence[tuple[int, Any]], width: int) -> tuple[Floats, Floats]:
    """A column per level, centred, in which what is not known is the average; and the share of each level."""
    n = len(level_of)
    matrix = np.zeros((n, len(names)))
    share = np.zeros(len(names))
    for attribute in range(width):
        column = level_of[:, attribute]
        known = np.flatnonzero(column >= 0)
        mine = np.array([number for number, (of, _value) in enumerate(names) if of == attribute], dtype=np.int64)
        share[mine] = np.bincount(column[known], minlength=len(names))[mine] / len(known)
        matrix[np.ix_(known, mine)] = -share[mine]
        matrix[known, column[known]] += 1
    return matrix, share


def _fits(matrix: Floats, customer: Bools) -> tuple[Floats, tuple[float, Floats, float]]:
    """Chances of accounts by models that had not seen them; and intercept, weights and prior of the model of all."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss
        from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise LibraryMissingError from None

    def fitted(rows: Any, prior: float) -> Any:
        model = LogisticRegression(C=prior, solver="newton-cholesky", max_iter=100, tol=1e-8)
        return model.fit(matrix[rows], customer[rows])

    def chances(train: Any, test: Any, prior: float) -> Floats:
        return np.asarray(fitted(train, prior).predict_proba(matrix[test])[:, 1], dtype=np.float64)

    def folds(rows: Any, number: int) -> list[tuple[Any, Any]]:
        parts = StratifiedKFold(number, shuffle=True, random_state=SEED).split(rows, customer[rows])
        return [(rows[train], rows[test]) for train, test in parts]

    def chosen(rows: Any) -> float:
        if len(rows) > MOST_FOR_CHOICE:
            sample = StratifiedShuffleSplit(1, train_size=MOST_FOR_CHOICE, random_state=SEED)
            rows = rows[next(sample.split(rows, customer[rows]))[0]]
        parts = folds(rows, CHOICE_FOLDS)
        losses = [
            round(sum(log_loss(customer[test], chances(train, test, prior)) for train, test in parts), 9)
            for prior in PRIORS
        ]
        return PRIORS[losses.index(min(losses))]

    every = np.arange(len(customer))
    held_back = np.empty(len(customer))
    # Sums over several threads are not added in one order: one thread makes every run give the same digits.
    with threadpool_limits(limits=1):
        for train, test in folds(every, FOLDS):
            held_back[test] = chances(train, test, chosen(train))
        prior = chosen(every)
        whole = fitted(every, prior)
    return np.round(held_back, 9), (float(whole.intercept_[0]), whole.coef_[0], prior)


def _evaluated(score: Floats, customer: Bools) -> Evaluation:
    auc, low, high = auc_with_interval(score, customer)
    n, base = len(score), float(customer.mean())
    order = np.argsort(-score, kind="stable")
    _distinct, tie = np.unique(score, return_inverse=True)
    even = (np.bincount(tie, weights=customer) / np.bincount(tie))[tie][order]
    found = np.concatenate([[0.0], np.cumsum(even)])
    expected = np.concatenate([[0.0], np.cumsum(score[order])])
    cuts = [round(n * k / TENTHS) for k in range(TENTHS + 1)]
    tenths = [
        {
            "accounts": high_cut - low_cut,
            "customers": round(float(found[high_cut] - found[low_cut]), 2),
            "expected": round(float(expected[high_cut] - expected[low_cut]), 2),
        }
        for low_cut, high_cut in pairwise(cuts)
    ]
    first = max(cuts[1], 1)
    return Evaluation(
        accounts=n,
        customers=int(customer.sum()),
        auc=round(auc, 4),
        low=round(low, 4),
        high=round(high, 4),
        lift=round(float(found[first] / first / base), 2),
        precision={k: round(float(found[k] / k), 4) for k in SHORT_LISTS if k <= n},
        tenths=tenths,
    )


def auc_with_interval(score: Floats, positive: Bools) -> tuple[float, float, float]:
    """The area under the ROC curve with its 95 % interval by DeLong, DeLong and Clarke-Pearson (1988), cut to 0 and 1.

    score: higher means sooner positive; equal scores count half. Needs two of each kind.
    """
    mine, others = score[positive], score[~positive]
    m, n = len(mine), len(others)
    every = _midranks(score)
    above = (every[positive] - _midranks(mine)) / n  # of each positive, the share of the others it beats
    below = 1 - (every[~positive] - _midranks(others)) / m
    auc = float(above.mean())
    spread = math.sqrt(float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / n)
    return auc, max(auc - Z * spread, 0.0), min(auc + Z * spread, 1.0)


def _midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], dtype=np.float64)


# --- What brings a declined account back ---------------------------------------------------------------------------

MORE = 1.5  # so many times as strong as when it was declined


def attributes_changed(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether an attribute the model reads has another value, or the account is `MORE` times as likely as then."""
    before, after = then.get("attributes", {}), now["attributes"]
    return any(key in before and before[key] != value for key, value in after.items()) or now[
        "lift"
    ] >= MORE * then.get("lift", 0.0)


LEAST_MINUTES = 10  # more engaged minutes than then, beside `MORE` times as many


def behaviour_changed(then: dict[str, Any], now: dict[str, Any], declined_at: Int64s | int) -> bool:
    """Whether a criterion holds that did not, the rule began to hold anew, or there is `MORE` times the engagement."""
    if now["since"] > declined_at or set(now["held"]) - set(then.get("held", ())):
        return True
    before = then.get("minutes", 0.0)
    return bool(now["minutes"] >= max(MORE * before, before + LEAST_MINUTES))


__all__ = [
    "LEAST_CUSTOMERS",
    "Attribute",
    "CannotLearnError",
    "Evaluation",
    "Level",
    "LibraryMissingError",
    "Model",
    "attributes_changed",
    "auc_with_interval",
    "behaviour_changed",
    "learn",
]
