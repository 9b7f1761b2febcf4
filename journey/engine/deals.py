"""Opportunity changes of a batch of entities in arrays, and the walk over the state of an entity's deals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.engine.facts import Periods, Rows
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, FAR_PAST, NO, UNKNOWN, YES, Int8s, Int32s, Int64s

DEALS = "deals"
CUSTOMER_PERIODS = "customer_periods"

# State of a deal. The three open groups are in order of advancement.
NONE, IDENTIFIED, ACTIVE, INTENT, WON, LOST, UNMAPPED = range(7)
STATES = {"identified": IDENTIFIED, "active": ACTIVE, "intent": INTENT, "won": WON, "lost": LOST, "": UNMAPPED}
GROUPS = ("identified", "active", "intent")


@dataclass(frozen=True)
class DealTable:
    """Changes of deals ordered by entity, time and sequence.

    rows: which belong to which entity. time: int64, microseconds UTC (of an undated change: when it was learnt).
    deal: int32, number of the deal within its entity from 0. state: int8, the deal's state from then on, -1 where the
    change leaves it. stage: int32, number of the CRM stage in `stage_names`, -1 for none. dated: bool, false where
    only the day it was learnt is known. deal_ids: int64, primary key of each row's deal.
    """

    rows: Rows
    time: Int64s
    deal: Int32s
    state: Int8s
    stage: Int32s
    dated: NDArray[np.bool_]
    deal_ids: Int64s
    stage_names: tuple[str, ...]
    most_deals: int


@jit
def open_deals(begin, end, time, deal, state, stage, most_deals, groups, stages):  # type: ignore[no-untyped-def]
    """Where an open deal is in one of the wanted groups or CRM stages.

    groups: bool[7] by state; stages: bool by CRM stage number. With stages given, any open deal in one of them; with
    groups, the most advanced mapped open deal decides; with neither, any open deal. Only unmapped open deals: unknown.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += end[e] - begin[e]
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    by_stage = stages.any()
    by_group = groups.any()
    states = np.zeros(max(most_deals, 1), dtype=np.int8)
    where = np.zeros(max(most_deals, 1), dtype=np.int32)
    m = 0
    for e in range(n):
        deals = 0
        last = NO
        i = begin[e]
        while i < end[e]:
            t = time[i]
            while i < end[e] and time[i] == t:
                while deals <= deal[i]:
                    states[deals] = NONE
                    where[deals] = -1
                    deals += 1
                if state[i] >= 0:
                    states[deal[i]] = state[i]
                    where[deal[i]] = stage[i]
                i += 1
            best = NONE
            unmapped = False
            hit = False
            for d in range(deals):
                s = states[d]
                if s == UNMAPPED:
                    unmapped = True
                    if by_stage and where[d] >= 0 and stages[where[d]]:
                        hit = True
                elif IDENTIFIED <= s <= INTENT:
                    best = max(best, s)
                    if by_stage and where[d] >= 0 and stages[where[d]]:
                        hit = True
            if by_stage:
                now = YES if hit else NO
            elif best == NONE:
                now = UNKNOWN if unmapped else NO
            elif by_group:
                now = YES if groups[best] else NO
            else:
                now = YES
            if now != last:
                out_time[m] = t
                out_value[m] = now
                m += 1
                last = now
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def won_deals(begin, end, time, deal, state, most_deals, window):  # type: ignore[no-untyped-def]
    """Where a deal is won, within `window` microseconds of its win (0: ever). A win taken back no longer counts."""
    n = len(begin)
    most = 0
    for e in range(n):
        most += 3 * (end[e] - begin[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    won_at = np.empty(max(most_deals, 1), dtype=np.int64)
    m = 0
    for e in range(n):
        deals = 0
        last = NO
        i = begin[e]
        expires = FAR_FUTURE
        while i < end[e] or expires < FAR_FUTURE:
            t = time[i] if i < end[e] else FAR_FUTURE
            t = min(t, expires)
            while i < end[e] and time[i] == t:
                while deals <= deal[i]:
                    won_at[deals] = -1
                    deals += 1
                d = deal[i]
                if state[i] == WON:
                    if won_at[d] == -1:
                        won_at[d] = t
                elif state[i] >= 0:
                    won_at[d] = -1
                i += 1
            now = NO
            expires = FAR_FUTURE
            for d in range(deals):
                if won_at[d] != -1:
                    if window == 0:
                        now = YES
                    elif t < won_at[d] + window:
                        now = YES
                        expires = min(expires, won_at[d] + window)
            if now != last:
                out_time[m] = t
                out_value[m] = now
                m += 1
                last = now
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def lost_deals(begin, end, time, deal, state, most_deals, window):  # type: ignore[no-untyped-def]
    """Where no deal is open and the last one closed was lost within `window` microseconds (0: ever).

    A deal in an unmapped CRM stage may be open: unknown.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += 3 * (end[e] - begin[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    states = np.zeros(max(most_deals, 1), dtype=np.int8)
    closed_at = np.zeros(max(most_deals, 1), dtype=np.int64)
    closing = np.zeros(max(most_deals, 1), dtype=np.int64)  # order of closings, for those of one instant
    m = 0
    for e in range(n):
        deals = 0
        last = NO
        i = begin[e]
        expires = FAR_FUTURE
        while i < end[e] or expires < FAR_FUTURE:
            t = time[i] if i < end[e] else FAR_FUTURE
            t = min(t, expires)
            while i < end[e] and time[i] == t:
                while deals <= deal[i]:
                    states[deals] = NONE
                    deals += 1
                d = deal[i]
                if state[i] >= 0:
                    if (state[i] == WON or state[i] == LOST) and states[d] != state[i]:
                        closed_at[d] = t
                        closing[d] = i
                    states[d] = state[i]
                i += 1
            is_open = False
            unmapped = False
            latest = -1
            for d in range(deals):
                s = states[d]
                if IDENTIFIED <= s <= INTENT:
                    is_open = True
                elif s == UNMAPPED:
                    unmapped = True
                elif s in (WON, LOST) and (latest < 0 or closing[d] > closing[latest]):
                    latest = d
            now = NO
            expires = FAR_FUTURE
            if not is_open and latest >= 0 and states[latest] == LOST:
                if window == 0:
                    now = YES
                elif t < closed_at[latest] + window:
                    now = YES
                    expires = closed_at[latest] + window
                if now == YES and unmapped:
                    now = UNKNOWN
            if now != last:
                out_time[m] = t
                out_value[m] = now
                m += 1
                last = now
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def stalled_deals(begin, end, time, deal, state, most_deals, moves_begin, moves_end, move_time, moving, idle):  # type: ignore[no-untyped-def]
    """Where there are open deals and every one of them is stalled: nothing moved it for `idle` microseconds.

    Deals in unmapped CRM stages are left out; with no others it is unknown.

    moving: bool per activity, whether it is a movement (sales side or hot). It moves every open deal of the entity.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += 2 * (end[e] - begin[e] + moves_end[e] - moves_begin[e]) + 2
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    states = np.zeros(max(most_deals, 1), dtype=np.int8)
    changed = np.zeros(max(most_deals, 1), dtype=np.int64)
    m = 0
    for e in range(n):
        if begin[e] == end[e]:
            offsets[e + 1] = m
            continue
        deals = 0
        last = NO
        i = begin[e]
        j = moves_begin[e]
        moved = np.iinfo(np.int64).min
        while j < moves_end[e] and not moving[j]:
            j += 1
        falls = FAR_FUTURE
        while i < end[e] or j < moves_end[e] or falls < FAR_FUTURE:
            t = time[i] if i < end[e] else FAR_FUTURE
            if j < moves_end[e]:
                t = min(t, move_time[j])
            t = min(t, falls)
            while i < end[e] and time[i] == t:
                while deals <= deal[i]:
                    states[deals] = NONE
                    deals += 1
                d = deal[i]
                if state[i] >= 0:
                    states[d] = state[i]
                changed[d] = t
                i += 1
            while j < moves_end[e] and (not moving[j] or move_time[j] == t):
                if moving[j]:
                    moved = t
                j += 1
            # The deal that moved last decides when all are stalled.
            latest = np.iinfo(np.int64).min
            some = False
            unmapped = False
            for d in range(deals):
                if IDENTIFIED <= states[d] <= INTENT:
                    some = True
                    latest = max(latest, max(changed[d], moved))
                elif states[d] == UNMAPPED:
                    unmapped = True
            falls = FAR_FUTURE
            now = UNKNOWN if unmapped else NO
            if some:
                now = NO
                if t >= latest + idle:
                    now = YES
                else:
                    falls = latest + idle
            if now != last:
                out_time[m] = t
                out_value[m] = now
                m += 1
                last = now
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def recycle_holds(  # type: ignore[no-untyped-def]
    begin, end, time, deal, state, most_deals,
    stall_offsets, stall_time, stall_value, use_stall,
    hot_begin, hot_end, hot_time, hot,
    warm_offsets, warm_time, warm_value, use_warm,
    from_groups, hold,
):  # fmt: skip
    """Holds of accounts that came close and did not buy.

    A hold begins when a deal is lost from one of `from_groups` (bool[7]) and none is open, and, with `use_stall`, when
    every open deal becomes stalled (`stall_*`: steps). It lasts `hold` microseconds unless ended at once by a hot
    activity, a new, reopened or advancing deal or a win; with `use_warm`, also when engagement (`warm_*`: steps of
    being engaged enough) falls below its limit during the hold.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += 2 * (end[e] - begin[e]) + 2 * (stall_offsets[e + 1] - stall_offsets[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    states = np.zeros(max(most_deals, 1), dtype=np.int8)
    mapped = np.zeros(max(most_deals, 1), dtype=np.int8)  # last state in a CRM stage with mapping
    group = np.zeros(max(most_deals, 1), dtype=np.int8)  # last open group
    lost_from = np.zeros(max(most_deals, 1), dtype=np.int8)
    lost_at = np.zeros(max(most_deals, 1), dtype=np.int64)
    # What was before the instant at hand, for the deals that change at it (`seen`).
    was = np.zeros(max(most_deals, 1), dtype=np.int8)
    was_mapped = np.zeros(max(most_deals, 1), dtype=np.int8)
    seen = np.zeros(max(most_deals, 1), dtype=np.int64)
    m = 0
    for e in range(n):
        if begin[e] == end[e]:
            offsets[e + 1] = m
            continue
        deals = 0
        i = begin[e]
        j = hot_begin[e]
        while j < hot_end[e] and not hot[j]:
            j += 1
        k = stall_offsets[e]
        w = warm_offsets[e]
        until = np.iinfo(np.int64).min  # end of the hold in force; in the past when there is none
        holding = False
        while True:
            t = FAR_FUTURE
            if i < end[e]:
                t = min(t, time[i])
            if j < hot_end[e]:
                t = min(t, hot_time[j])
            if use_stall and k < stall_offsets[e + 1]:
                t = min(t, stall_time[k])
            if use_warm and w < warm_offsets[e + 1]:
                t = min(t, warm_time[w])
            if holding:
                t = min(t, until)
            if t == FAR_FUTURE:
                break
            ended = False
            triggered = False
            lost_now = False
            first = i
            while i < end[e] and time[i] == t:
                while deals <= deal[i]:
                    states[deals] = NONE
                    mapped[deals] = NONE
                    group[deals] = NONE
                    seen[deals] = FAR_PAST
                    lost_at[deals] = FAR_PAST
                    deals += 1
                d = deal[i]
                if seen[d] != t:
                    seen[d] = t
                    was[d] = states[d]
                    was_mapped[d] = mapped[d]
                new = state[i]
                if new >= 0:
                    if IDENTIFIED <= new <= INTENT:
                        group[d] = new
                    elif new == LOST and states[d] != LOST:
                        lost_at[d] = t
                        lost_from[d] = group[d]
                    states[d] = new
                    if new != UNMAPPED:
                        mapped[d] = new
                i += 1
            # Of several changes of a deal at one instant the last counts. A CRM stage without mapping says nothing of
            # advancing: the deal is compared with where it was before that.
            for k_deal in range(first, i):
                d = deal[k_deal]
                if states[d] == WON:
                    if was[d] != WON:
                        ended = True
                elif IDENTIFIED <= states[d] <= INTENT:
                    if was_mapped[d] < IDENTIFIED or was_mapped[d] > INTENT or states[d] > was_mapped[d]:
                        ended = True
                elif states[d] == LOST and lost_at[d] == t and from_groups[lost_from[d]]:
                    lost_now = True
            if lost_now:
                triggered = True
                for d in range(deals):
                    if IDENTIFIED <= states[d] <= INTENT:
                        triggered = False
            while j < hot_end[e] and (not hot[j] or hot_time[j] == t):
                if hot[j]:
                    ended = True
                j += 1
            if use_stall:
                while k < stall_offsets[e + 1] and stall_time[k] == t:
                    if stall_value[k] == YES:
                        triggered = True
                    k += 1
            if use_warm:
                while w < warm_offsets[e + 1] and warm_time[w] == t:
                    if warm_value[w] == NO and holding:
                        ended = True
                    w += 1
            now = holding
            if holding and (t >= until or ended):
                now = False
            if triggered and not ended:
                now = True
                until = t + hold
            if now != holding:
                holding = now
                out_time[m] = t
                out_value[m] = YES if now else NO
                m += 1
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


@jit
def former_customers(p_begin, p_end, p_start, p_stop, begin, end, time, deal, state):  # type: ignore[no-untyped-def]
    """Where a customer period has ended, none is in force and nothing was won at or after its end.

    A deal counts from the change that won it until it is taken back; a change that repeats “won” wins nothing.
    """
    n = len(begin)
    most = 0
    for e in range(n):
        most += 2 * (p_end[e] - p_begin[e]) + 2 * (end[e] - begin[e])
    offsets = np.zeros(n + 1, dtype=np.int64)
    out_time = np.empty(most, dtype=np.int64)
    out_value = np.empty(most, dtype=np.int8)
    won_until = np.empty(len(time), dtype=np.int64)  # FAR_PAST where a change wins nothing
    m = 0
    for e in range(n):
        last = NO
        if p_begin[e] < p_end[e]:
            for i in range(begin[e], end[e]):
                won_until[i] = FAR_PAST
                if state[i] != WON:
                    continue
                again = False
                for j in range(begin[e], i):
                    if deal[j] == deal[i] and state[j] >= 0:
                        again = state[j] == WON
                if again:
                    continue
                won_until[i] = FAR_FUTURE
                for j in range(i + 1, end[e]):
                    if deal[j] == deal[i] and state[j] >= 0 and state[j] != WON:
                        won_until[i] = time[j]
                        break
            t = FAR_PAST
            while True:
                # Next instant at which anything changes.
                upcoming = FAR_FUTURE
                for k in range(p_begin[e], p_end[e]):
                    if t < p_start[k] < upcoming:
                        upcoming = p_start[k]
                    if t < p_stop[k] < upcoming:
                        upcoming = p_stop[k]
                for i in range(begin[e], end[e]):
                    if won_until[i] != FAR_PAST:
                        if t < time[i] < upcoming:
                            upcoming = time[i]
                        if t < won_until[i] < upcoming:
                            upcoming = won_until[i]
                if upcoming == FAR_FUTURE:
                    break
                t = upcoming
                ended = FAR_PAST
                in_force = False
                for k in range(p_begin[e], p_end[e]):
                    if p_start[k] <= t < p_stop[k]:
                        in_force = True
                    if p_stop[k] <= t:
                        ended = max(ended, p_stop[k])
                now = NO
                if not in_force and ended > FAR_PAST:
                    now = YES
                    for i in range(begin[e], end[e]):
                        if ended <= time[i] <= t < won_until[i]:
                            now = NO
                if now != last:
                    out_time[m] = t
                    out_value[m] = now
                    m += 1
                    last = now
        offsets[e + 1] = m
    return offsets, out_time[:m].copy(), out_value[:m].copy()


def state_at(table: DealTable, entity: int, instant: int) -> dict[int, dict[str, Any]]:
    """The deals of one entity at an instant: number -> state, since, last change, CRM stage, row. For explanations."""
    deals: dict[int, dict[str, Any]] = {}
    for i in range(int(table.rows.begin[entity]), int(table.rows.end[entity])):
        if table.time[i] > instant:
            break
        row = deals.setdefault(
            int(table.deal[i]), {"state": NONE, "since": None, "changed": None, "stage": -1, "row": i}
        )
        row["changed"] = int(table.time[i])
        if table.state[i] >= 0:
            if row["state"] != table.state[i]:
                row["since"] = int(table.time[i])
            row |= {"state": int(table.state[i]), "stage": int(table.stage[i]), "row": i}
    return deals


__all__ = ["CUSTOMER_PERIODS", "DEALS", "GROUPS", "STATES", "DealTable", "Int32s", "Periods"]
