"""Shares and their uncertainty."""

import math
from dataclasses import dataclass

Z = 1.959963984540054  # of a two-sided interval of 95 %


@dataclass(frozen=True)
class Interval:
    """A share from 0 to 1 with the limits of its interval."""

    rate: float
    low: float
    high: float


def wilson(hits: int, n: int, z: float = Z) -> Interval | None:
    """The share `hits / n` with Wilson's score interval; None when there is nothing to divide by.

    centre = (p + z^2 / 2n) / (1 + z^2 / n), half width = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2).
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if n <= 0:
        return None
    p = hits / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and n the limit is the share itself, which rounding must not cross.
    return Interval(p, 0.0 if hits == 0 else max(centre - half, 0.0), 1.0 if hits == n else min(centre + half, 1.0))
