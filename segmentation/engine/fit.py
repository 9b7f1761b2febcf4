"""How well accounts fit a checklist: pure arithmetic on answers, exact, for a batch at once.

Fit = 100 x sum(weight x answer) / sum(weight of known). Answers are whole points from 0 (no) to 100 (yes) and weights
are whole, so grades are decided in integers: an account at exactly 80 is an A, and no rounding shows 80 beside a B.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Unknown = Literal["leave_out", "as_no", "as_yes"]

NO_ANSWER = -1  # points of an item that nobody answered
NO_VERDICT = -1  # score of an account of which nothing counts
MOST = 100  # points of a full yes
WHOLE = 100 * MOST  # hundredths of a per cent: 100.00
GRADES = ("", "A", "B", "C", "D")
LIMITS = (80, 60, 40)  # of A, B and C; everything else is a D
NEEDED_COVERAGE = 50  # per cent of the weight that must be known for a grade
SCALE = (1, 5)

Int16s = NDArray[np.int16]
Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class FitItem:
    """What the arithmetic needs to know of an item."""

    weight: int = 1
    knock_out: bool = False
    unknown: Unknown = "leave_out"


@dataclass(frozen=True)
class Fits:
    """The fit of n accounts.

    score: int64[n], hundredths of a point, 0 to 10,000, rounded down; NO_VERDICT where nothing counts.
    grade: int8[n], index into GRADES. coverage: int64[n], hundredths of a per cent of the weight that is known.
    knocked_out: bool[items, n], the knock-outs that failed.
    """

    score: Int64s
    grade: NDArray[np.int8]
    coverage: Int64s
    knocked_out: NDArray[np.bool_]


def scale_points(value: int) -> int:
    """Points of an answer on the scale: 1 is 0, 5 is 100."""
    low, high = SCALE
    if not low <= value <= high:
        raise ValueError(value)
    return (value - low) * MOST // (high - low)


def fit(items: Sequence[FitItem], points: Int16s) -> Fits:
    """The fit of every account of a batch.

    points: int16[items, n], 0 to 100, NO_ANSWER where not known. An item without answer is left out, or counts as no or
    yes where it says so; the coverage knows it as unknown in any case. A failed knock-out (0 points) makes the fit 0;
    it does not make up for coverage: with less than half of the weight known there is no grade. Without items, and
    where nothing is known, there is no verdict.
    """
    points = np.asarray(points, dtype=np.int16)
    n = points.shape[1]
    if points.shape[0] != len(items):
        raise ValueError(f"{points.shape[0]} rows of answers for {len(items)} items")
    total = sum(item.weight for item in items)
    gained = np.zeros(n, dtype=np.int64)
    counted = np.zeros(n, dtype=np.int64)
    known_weight = np.zeros(n, dtype=np.int64)
    knocked_out = np.zeros((len(items), n), dtype=np.bool_)
    for i, item in enumerate(items):
        known = points[i] != NO_ANSWER
        known_weight += item.weight * known
        counts, value = known, np.where(known, points[i], 0)
        if item.unknown != "leave_out":
            counts = np.ones(n, dtype=np.bool_)
            value = np.where(known, points[i], MOST if item.unknown == "as_yes" else 0)
        gained += item.weight * value.astype(np.int64)
        counted += item.weight * counts
        if item.knock_out:
            knocked_out[i] = counts & (value == 0)
    failed = knocked_out.any(axis=0)
    gained[failed] = 0
    # Where every item is unknown, what unknown counts as is no knowledge of the account.
    verdict = ((counted > 0) & (known_weight > 0)) | failed
    divisor = np.maximum(counted, 1)
    score = np.where(verdict, gained * (WHOLE // MOST) // divisor, NO_VERDICT)
    coverage = known_weight * WHOLE // max(total, 1)
    grade = np.full(n, len(GRADES) - 1, dtype=np.int8)
    for number, limit in reversed(list(enumerate(LIMITS, start=1))):
        grade[gained >= limit * counted] = number
    grade[failed] = len(GRADES) - 1
    grade[~verdict | (known_weight * 100 < NEEDED_COVERAGE * total) | (known_weight == 0)] = 0
    return Fits(score=score, grade=grade, coverage=coverage, knocked_out=knocked_out)
