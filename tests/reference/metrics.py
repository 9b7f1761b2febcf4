"""The definitions of the metrics in plain Python, by looking at all stays again for each figure.

Shares no code with the engine.

A history is a list of (stage, start, end); stages are numbered, the first `funnel` of them are the funnel in order.
"""

import math
from fractions import Fraction

FOREVER = 2**63 - 1

History = list[tuple[int, int, int]]


def known(history: History, as_of: int) -> History:
    """What is known of a history at an instant; a stay still going on ends never."""
    return [(s, a, b if b <= as_of else FOREVER) for s, a, b in history if a <= as_of]


def next_stage(stage: int, funnel: int) -> int | None:
    return stage + 1 if stage + 1 < funnel else None


def wanted(stage: int, funnel: int, target: int | None) -> tuple[int, set[int]] | None:
    """Exactly which stage is asked for, and which count as reaching it; None where nothing can be asked."""
    if target is None:
        exactly = next_stage(stage, funnel)
        return None if exactly is None else (exactly, set(range(exactly, funnel)))
    if target >= funnel:
        return None if stage == target else (target, {target})
    return None if target <= stage < funnel else (target, set(range(target, funnel)))


def beginnings(histories: list[History], start: int, end: int, as_of: int) -> list[tuple[int, int]]:
    """(entity, place of the stay) of everything that began in the range and is known."""
    return [
        (e, k)
        for e, history in enumerate(histories)
        for k, (_s, a, _b) in enumerate(known(history, as_of))
        if start <= a < end
    ]


def conversion(
    histories: list[History],
    stage: int,
    funnel: int,
    start: int,
    end: int,
    as_of: int,
    horizon: int | None,
    target: int | None,
) -> dict:
    """n, converted, direct, immature and the times to conversion of one stage."""
    asked = wanted(stage, funnel, target)
    result: dict = {"n": 0, "converted": 0, "direct": 0, "immature": 0, "times": []}
    if asked is None:
        return result
    exactly, counting = asked
    for e, k in beginnings(histories, start, end, as_of):
        history = known(histories[e], as_of)
        here, begin, _end = history[k]
        if here != stage:
            continue
        result["n"] += 1
        times = [a - begin for s, a, _b in history[k + 1 :] if s in counting]
        exact = [a - begin for s, a, _b in history[k + 1 :] if s == exactly]
        limit = FOREVER if horizon is None else horizon
        if times and times[0] <= limit:
            result["converted"] += 1
            result["times"].append(times[0])
        if exact and exact[0] <= limit:
            result["direct"] += 1
        if horizon is not None and begin + horizon > as_of:
            result["immature"] += 1
    return result


def volume(histories: list[History], stage: int, start: int, end: int, as_of: int) -> tuple[int, int, int]:
    """Entries, distinct entities among them, and histories that begin in the stage."""
    found = [(e, k) for e, k in beginnings(histories, start, end, as_of) if histories[e][k][0] == stage]
    entries = [(e, k) for e, k in found if k > 0]
    return len(entries), len({e for e, _k in entries}), len(found) - len(entries)


def own_waits(histories: list[History], stage: int, funnel: int, start: int, end: int, as_of: int) -> list:
    """(duration, how it ended) of each stay in a stage: None, "exact", "later", "elsewhere"."""
    waits = []
    for e, k in beginnings(histories, start, end, as_of):
        history = known(histories[e], as_of)
        here, begin, until = history[k]
        if here != stage:
            continue
        if until == FOREVER:
            waits.append((as_of - begin, None))
            continue
        then = history[k + 1][0]
        following = next_stage(stage, funnel)
        if following is not None and then == following:
            how = "exact"
        elif following is not None and following < then < funnel:
            how = "later"
        else:
            how = "elsewhere"
        waits.append((until - begin, how))
    return waits


def passage_waits(
    histories: list[History], stage: int, funnel: int, start: int, end: int, as_of: int, target: int
) -> list:
    """(duration, how it ended) until the target or a later stage is entered, or the funnel is left before that."""
    waits = []
    asked = wanted(stage, funnel, target)
    if asked is None:
        return waits
    exactly, counting = asked
    for e, k in beginnings(histories, start, end, as_of):
        history = known(histories[e], as_of)
        here, begin, _until = history[k]
        if here != stage:
            continue
        for s, a, _b in history[k + 1 :]:
            if s in counting:
                waits.append((a - begin, "exact" if s == exactly else "later"))
                break
            if s >= funnel:
                waits.append((a - begin, "elsewhere"))
                break
        else:
            waits.append((as_of - begin, None))
    return waits


def incidence(waits: list, causes: tuple[str, ...], at: int) -> Fraction | None:
    """Aalen-Johansen in fractions: the share that ended by one of the causes after at most `at`."""
    if not waits:
        return None
    survival, reached = Fraction(1), Fraction(0)
    for time in sorted({t for t, _how in waits if t <= at}):
        at_risk = sum(t >= time for t, _how in waits)
        ended = [how for t, how in waits if t == time and how is not None]
        reached += survival * Fraction(sum(how in causes for how in ended), at_risk)
        survival *= 1 - Fraction(len(ended), at_risk)
    return reached


def km_median(waits: list) -> int | None:
    """The first time at which at most half are estimated to wait still; None if that is never reached."""
    survival = Fraction(1)
    for time in sorted({t for t, how in waits if how is not None}):
        at_risk = sum(t >= time for t, _how in waits)
        ended = sum(t == time and how is not None for t, how in waits)
        survival *= 1 - Fraction(ended, at_risk)
        if survival <= Fraction(1, 2):
            return time
    return None


def wilson_limits(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The two shares p whose own standard error puts the observed share z of them away: roots of a quadratic."""
    a, b, c = n + z * z, -(2 * hits + z * z), hits * hits / n
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)
