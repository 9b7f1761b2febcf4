"""Walks over one entity's activities that give change points. Times are microseconds UTC; sums are integers."""

import numpy as np

from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, NO, YES


@jit
def _longest(begin, end):  # type: ignore[no-untyped-def]
    """The most rows any entity has, and all rows together."""
    longest = 0
    total = 0
    for e in range(len(begin)):
        longest = max(longest, end[e] - begin[e])
        total += end[e] - begin[e]
    return longest, total


@jit
def window_sum(begin, end, time, seconds, number, weights, count, window, threshold):  # type: ignore[no-untyped-def]
    """Where the sum over a rolling window is above a threshold.

    weights: int32 per class, 0 keeps an activity out. count: sum activities instead of weighted seconds. window:
    length in microseconds; an activity counts in [t, t + window), or for ever when the window is 0. threshold: the sum
    must be greater. Returns offsets[n + 1], time[m], value[m].
    """
    n = len(begin)
    longest, total = _longest(begin, end)
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(2 * total, dtype=np.int64)
    out_value = np.empty(2 * total, dtype=np.int8)
    # What counts of one entity: most criteria leave most activities out.
    at = np.empty(longest, dtype=np.int64)
    amount = np.empty(longest, dtype=np.int64)
    m = 0
    for e in range(n):
        stop = 0
        for k in range(begin[e], end[e]):
            w = np.int64(weights[number[k]])
            if w > 0:
                at[stop] = time[k]
                amount[stop] = 1 if count else (np.int64(seconds[k]) * w + 50) // 100
                stop += amount[stop] > 0
        i = 0
        j = 0
        held = np.int64(0)
        above = False
        while i < stop or (j < i and window > 0):
            t = at[i] if i < stop else FAR_FUTURE
            if window > 0 and j < i and at[j] + window < t:
                t = at[j] + window
            while i < stop and at[i] == t:
                held += amount[i]
                i += 1
            if window > 0:
                while j < i and at[j] + window == t:
                    held -= amount[j]
                    j += 1
            now = held > threshold
            if now != above:
                above = now
                out_time[m] = t
                out_value[m] = YES if now else NO
                m += 1
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def window_people(  # type: ignore[no-untyped-def]
    begin, end, time, seconds, number, contact, contacts, weights, role_of, roles, by_role, window, threshold, people
):
    """Where at least `people` persons each have more than `threshold` seconds in the window.

    by_role: count distinct buying roles of such persons instead; a person without role is none. A person is summed
    for each role held at the time.
    """
    n = len(begin)
    longest, total = _longest(begin, end)
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(2 * total, dtype=np.int64)
    out_value = np.empty(2 * total, dtype=np.int8)
    lanes = roles if by_role else 1
    sums = np.zeros(contacts * lanes, dtype=np.int64)  # by person and, where it matters, role
    in_role = np.zeros(roles, dtype=np.int64)
    at = np.empty(longest, dtype=np.int64)
    amount = np.empty(longest, dtype=np.int64)
    lane = np.empty(longest, dtype=np.int64)
    m = 0
    for e in range(n):
        stop = 0
        for k in range(begin[e], end[e]):
            w = np.int64(weights[number[k]])
            if w > 0 and contact[k] >= 0:
                role = role_of[number[k]] if by_role else 0
                if not by_role or role > 0:
                    at[stop] = time[k]
                    amount[stop] = (np.int64(seconds[k]) * w + 50) // 100
                    lane[stop] = contact[k] * lanes + role
                    stop += amount[stop] > 0
        i = 0
        j = 0
        qualified = 0
        above = False
        while i < stop or (j < i and window > 0):
            t = at[i] if i < stop else FAR_FUTURE
            if window > 0 and j < i and at[j] + window < t:
                t = at[j] + window
            while i < stop and at[i] == t:
                k = lane[i]
                before = sums[k] > threshold
                sums[k] += amount[i]
                if not before and sums[k] > threshold:
                    if by_role:
                        in_role[k % lanes] += 1
                        if in_role[k % lanes] == 1:
                            qualified += 1
                    else:
                        qualified += 1
                i += 1
            if window > 0:
                while j < i and at[j] + window == t:
                    k = lane[j]
                    before = sums[k] > threshold
                    sums[k] -= amount[j]
                    if before and not sums[k] > threshold:
                        if by_role:
                            in_role[k % lanes] -= 1
                            if in_role[k % lanes] == 0:
                                qualified -= 1
                        else:
                            qualified -= 1
                    j += 1
            now = qualified >= people
            if now != above:
                above = now
                out_time[m] = t
                out_value[m] = YES if now else NO
                m += 1
        if window == 0:  # nobody left the window: clear what this entity summed
            for k in range(stop):
                sums[lane[k]] = 0
            in_role[:] = 0
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


SECOND = 1_000_000


@jit
def decayed(base, seconds, half_life):  # type: ignore[no-untyped-def]
    """A sum of seconds after `seconds` more of waiting; both whole seconds."""
    return base * 2.0 ** (-seconds / half_life)


@jit
def decayed_score(begin, end, time, seconds, number, weights, half_life, threshold, strict):  # type: ignore[no-untyped-def]
    """Where a score that halves every `half_life` seconds is above (or at, unless strict) a threshold in seconds.

    The age of an activity counts in whole seconds, so the score changes when one arrives and at whole seconds. The
    crossing downwards is the first whole second at which `decayed` is below, found in closed form and corrected.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += 2 * (end[e] - begin[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    m = 0
    for e in range(n):
        above = False
        base = 0.0  # score of all before second `since`, as of `since`
        pending = np.int64(0)  # what arrived within second `since`
        since = np.int64(0)
        i = begin[e]
        stop = end[e]
        seen = False
        while i < stop:
            t = time[i]
            amount = np.int64(0)
            while i < stop and time[i] == t:
                w = np.int64(weights[number[i]])
                if w > 0:
                    amount += (np.int64(seconds[i]) * w + 50) // 100
                i += 1
            if amount == 0:
                continue  # what does not count leaves no trace in the floating-point sum
            second = t // SECOND
            if seen and second != since:
                base = decayed(base + np.float64(pending), np.float64(second - since), half_life)
                pending = np.int64(0)
            seen = True
            since = second
            pending += amount
            score = base + np.float64(pending)
            now = score > threshold or (not strict and score == threshold)
            if now and not above:
                above = True
                out_time[m] = t
                out_value[m] = YES
                m += 1
            elif above and not now:
                above = False
                out_time[m] = t
                out_value[m] = NO
                m += 1
            if above:
                # First whole second below the threshold if nothing else comes.
                k = np.int64(np.floor(half_life * np.log2(score / threshold)))
                k = max(k, np.int64(1))
                while k > 1:
                    s = decayed(score, np.float64(k - 1), half_life)
                    if s > threshold or (not strict and s == threshold):
                        break
                    k -= 1
                while True:
                    s = decayed(score, np.float64(k), half_life)
                    if not (s > threshold or (not strict and s == threshold)):
                        break
                    k += 1
                falls = (since + k) * SECOND
                j = i
                while j < stop and time[j] <= falls and (np.int64(seconds[j]) * weights[number[j]] + 50) // 100 <= 0:
                    j += 1
                if j == stop or falls < time[j]:
                    above = False
                    out_time[m] = falls
                    out_value[m] = NO
                    m += 1
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()
