"""What the activities of many entities add up to at one instant. Times are microseconds UTC; sums are integers."""

import numpy as np

from scoring.engine.kernels import SECOND, decayed
from segmentation.engine.resolve import jit


@jit
def sums_at(begin, end, time, seconds, number, weights, count, window, entities, instant):  # type: ignore[no-untyped-def]
    """int64[k]: the sum over a rolling window for each of `entities`; parameters as in `window_sum`."""
    out = np.zeros(len(entities), dtype=np.int64)
    for place in range(len(entities)):
        low, high = begin[entities[place]], end[entities[place]]
        k = low + np.searchsorted(time[low:high], instant, side="right") - 1
        while k >= low and (window == 0 or time[k] + window > instant):
            w = np.int64(weights[number[k]])
            if w > 0:
                out[place] += 1 if count else (np.int64(seconds[k]) * w + 50) // 100
            k -= 1
    return out


@jit
def people_at(  # type: ignore[no-untyped-def]
    begin, end, time, seconds, number, contact, contacts, weights, role_of, roles, by_role, window, threshold,
    entities, instant,
):  # fmt: skip
    """int64[k]: how many persons (or roles) each of `entities` has with more than `threshold` seconds in the window;
    parameters as in `window_people`."""
    out = np.zeros(len(entities), dtype=np.int64)
    lanes = roles if by_role else 1
    sums = np.zeros(contacts * lanes, dtype=np.int64)
    in_role = np.zeros(roles, dtype=np.bool_)
    for place in range(len(entities)):
        low, high = begin[entities[place]], end[entities[place]]
        last = low + np.searchsorted(time[low:high], instant, side="right") - 1
        first = last + 1
        while first > low and (window == 0 or time[first - 1] + window > instant):
            first -= 1
        for k in range(first, last + 1):
            w = np.int64(weights[number[k]])
            role = role_of[number[k]] if by_role else 0
            if w > 0 and contact[k] >= 0 and (not by_role or role > 0):
                lane = contact[k] * lanes + role
                before = sums[lane] > threshold
                sums[lane] += (np.int64(seconds[k]) * w + 50) // 100
                if not before and sums[lane] > threshold and not (by_role and in_role[role]):
                    out[place] += 1
                    in_role[role] = by_role
        for k in range(first, last + 1):
            if contact[k] >= 0:
                role = role_of[number[k]] if by_role else 0
                sums[contact[k] * lanes + role] = 0
                in_role[role] = False
    return out


@jit
def scores_at(begin, end, time, seconds, number, weights, half_life, entities, instant):  # type: ignore[no-untyped-def]
    """float64[k]: the faded sum in seconds for each of `entities`; parameters as in `decayed_score`."""
    out = np.zeros(len(entities), dtype=np.float64)
    for place in range(len(entities)):
        low, high = begin[entities[place]], end[entities[place]]
        last = low + np.searchsorted(time[low:high], instant, side="right")
        base, pending, since, seen = 0.0, np.int64(0), np.int64(0), False
        for k in range(low, last):
            amount = (np.int64(seconds[k]) * np.int64(weights[number[k]]) + 50) // 100
            if amount == 0:
                continue
            second = time[k] // SECOND
            if seen and second != since:
                base, pending = decayed(base + pending, np.float64(second - since), half_life), np.int64(0)
            since, seen = second, True
            pending += amount
        if seen:
            out[place] = decayed(base + pending, np.float64(instant // SECOND - since), half_life)
    return out


@jit
def guessed_at(begin, end, time, number, guessed, mask, window, entities, instants):  # type: ignore[no-untyped-def]
    """bool[k]: whether an activity that is let through (mask by class number) and `guessed` lies in the window of each
    pair of entity and instant."""
    out = np.zeros(len(entities), dtype=np.bool_)
    for place in range(len(entities)):
        low, high = begin[entities[place]], end[entities[place]]
        k = low + np.searchsorted(time[low:high], instants[place], side="right") - 1
        while k >= low and (window == 0 or time[k] + window > instants[place]):
            if guessed[k] and mask[number[k]]:
                out[place] = True
                break
            k -= 1
    return out
