"""Arranging activities: what each one is, and by account and time."""

import numpy as np
from numpy.typing import NDArray

from scoring.engine.activities import ActivityTable
from segmentation.engine.resolve import jit


@jit
def classify(
    owner, contact, type_id, time, seconds, outcome,
    position_of, type_index, default_seconds, profile_of, known_of, dated_of, dated_begin, dated_time, dated_profile,
    outcomes, profiles,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Position of the owner, class number and engaged seconds of each activity.

    position_of, type_index, profile_of, dated_of: look-ups by primary key (-1: none). dated_*: profiles of people
    whose seniority, department or role changed, in compressed rows by time; before the first the present one counts.
    known_of: when people were first recorded. An activity of somebody before that, to whom today's profile lends
    itself, has the number -1 - number (see `numbered`).
    outcomes, profiles: sizes of those axes. Owners that are not looked for get position -1.
    """
    n = len(owner)
    position = np.empty(n, dtype=np.int32)
    number = np.empty(n, dtype=np.int32)
    engaged = np.empty(n, dtype=np.int32)
    for i in range(n):
        o = owner[i]
        position[i] = position_of[o] if o < len(position_of) else -1
        t = type_index[type_id[i]]
        profile = np.int32(0)
        c = contact[i]
        if 0 <= c < len(profile_of):
            profile = profile_of[c]
            d = dated_of[c]
            if d >= 0:
                low = dated_begin[d]
                k = low + np.searchsorted(dated_time[low : dated_begin[d + 1]], time[i], side="right")
                if k > low:
                    profile = dated_profile[k - 1]
        number[i] = (np.int32(t) * outcomes + outcome[i]) * profiles + profile
        if 0 <= c < len(known_of) and time[i] < known_of[c]:
            number[i] = -1 - number[i]
        engaged[i] = seconds[i] if seconds[i] >= 0 else default_seconds[t]
    return position, number, engaged


def numbered(number: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Class numbers, and whether today's profile of the person stands in, out of the numbers of `classify`."""
    guessed = number < 0
    return np.where(guessed, -1 - number, number), guessed


def marked(table: ActivityTable) -> NDArray[np.int32]:
    """The other way round: one number for both."""
    return table.number if table.guessed is None else np.where(table.guessed, -1 - table.number, table.number)


@jit
def split(position, shard_of, shards):  # type: ignore[no-untyped-def]
    """Order of rows by shard of their owner, and where each shard begins (int64[shards + 1]); others are left out."""
    begin = np.zeros(shards + 1, dtype=np.int64)
    for i in range(len(position)):
        if position[i] >= 0:
            begin[shard_of[position[i]] + 1] += 1
    for s in range(shards):
        begin[s + 1] += begin[s]
    at = begin[:-1].copy()
    order = np.empty(begin[shards], dtype=np.int64)
    for i in range(len(position)):
        if position[i] >= 0:
            s = shard_of[position[i]]
            order[at[s]] = i
            at[s] += 1
    return order, begin


@jit
def arrange(position, time, seconds, contact, number, key, first, n, seen):  # type: ignore[no-untyped-def]
    """Rows by owner, then time. `position - first` is the owner's place among `n`; `seen` is scratch of -1 by contact.

    Returns begin[n + 1], time, seconds, contact (numbered from 0 within this batch, -1 none), number, key, contact ids.
    """
    m = len(position)
    begin = np.zeros(n + 1, dtype=np.int64)
    for i in range(m):
        begin[position[i] - first + 1] += 1
    for e in range(n):
        begin[e + 1] += begin[e]
    at = begin[:-1].copy()
    order = np.empty(m, dtype=np.int64)
    for i in range(m):
        e = position[i] - first
        order[at[e]] = i
        at[e] += 1
    for e in range(n):
        low, high = begin[e], begin[e + 1]
        in_order = True
        for k in range(low + 1, high):
            if time[order[k]] < time[order[k - 1]]:
                in_order = False
                break
        if not in_order:
            part = order[low:high].copy()
            order[low:high] = part[np.argsort(time[part], kind="mergesort")]
    out_time = np.empty(m, dtype=np.int64)
    out_seconds = np.empty(m, dtype=np.int32)
    out_contact = np.empty(m, dtype=np.int32)
    out_number = np.empty(m, dtype=np.int32)
    out_key = np.empty(len(key), dtype=np.int64)
    contact_ids = np.empty(m, dtype=np.int64)
    contacts = 0
    for k in range(m):
        i = order[k]
        out_time[k] = time[i]
        out_seconds[k] = seconds[i]
        out_number[k] = number[i]
        if len(key):
            out_key[k] = key[i]
        c = contact[i]
        if c < 0:
            out_contact[k] = -1
        else:
            if seen[c] < 0:
                seen[c] = contacts
                contact_ids[contacts] = c
                contacts += 1
            out_contact[k] = seen[c]
    for k in range(contacts):
        seen[contact_ids[k]] = -1
    return begin, out_time, out_seconds, out_contact, out_number, out_key, contact_ids[:contacts].copy()
