"""Rows in the order of entities, and lists of items over time, against the plainest way to say the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.engine.facts import Rows
from segmentation.facts.arrays import FEW, Positions, grouped, in_order
from segmentation.facts.lists import Lists, running_sets

small = st.integers(-2, 3)
rows_of_keys = st.lists(st.tuples(st.integers(-1, 4), small, small), max_size=4 * FEW)


def columns(rows, width):
    return [np.array([row[k] for row in rows], dtype=np.int64) for k in range(width)]


@given(rows_of_keys)
def test_rows_come_by_entity_and_keys_and_those_alike_keep_their_order(rows):
    position, one, other = columns(rows, 3)
    order, owned = grouped(position, 5, one, other)
    kept = [k for k in range(len(rows)) if rows[k][0] >= 0]
    assert order.tolist() == sorted(kept, key=lambda k: rows[k])
    assert [order[a:b].tolist() for a, b in zip(owned.begin, owned.end, strict=True)] == [
        [k for k in order.tolist() if rows[k][0] == e] for e in range(5)
    ]


def test_an_entity_of_many_rows_is_put_in_order_like_one_of_few():
    rng = np.random.default_rng(5)
    position, key = rng.integers(0, 2, 20 * FEW), rng.integers(0, 5, 20 * FEW)
    order, _owned = grouped(position, 2, key)
    assert order.tolist() == np.lexsort([key, position]).tolist()


def test_there_may_be_no_entities_and_no_rows():
    none = np.empty(0, dtype=np.int64)
    order, owned = grouped(none, 0)
    assert not len(order)
    assert not len(owned.begin)
    assert grouped(none, 2)[1].end.tolist() == [0, 0]


@pytest.mark.parametrize("apart", [1, 1_000_000])
@given(ids=st.lists(st.integers(-50, 50), unique=True), keys=st.lists(st.integers(-60, 60)))
def test_keys_are_found_whether_they_lie_close_or_far_apart(apart, ids, keys):
    found = Positions(np.array(ids, dtype=np.int64) * apart).of(np.array(keys, dtype=np.int64) * apart)
    assert found.tolist() == [ids.index(key) if key in ids else -1 for key in keys]


@pytest.mark.parametrize("apart", [1, 1_000_000])
@given(rows=st.lists(st.tuples(st.integers(-5, 5), small)))
def test_rows_are_put_in_order_whether_their_keys_lie_close_or_far_apart(apart, rows):
    ids, key = columns(rows, 2)
    assert in_order(ids * apart, key).tolist() == sorted(range(len(rows)), key=lambda k: rows[k])


items = st.sampled_from("abcdef")


@given(st.lists(st.lists(items, unique=True).map(tuple)), st.sets(items), st.data())
def test_lists_are_spread_into_their_items(values, wanted, data):
    lists = Lists.of(values)
    assert list(lists) == [tuple(sorted(value)) for value in values]
    chosen = lists.only(wanted)
    assert list(chosen) == [tuple(item for item in sorted(value) if item in wanted) for value in values]
    code = data.draw(st.lists(st.integers(-1, len(values) - 1)))
    place, item = chosen.spread(np.array(code, dtype=np.int32))
    assert [(at, chosen.items[k] if k >= 0 else None) for at, k in zip(place.tolist(), item.tolist(), strict=True)] == [
        (at, part) for at, k in enumerate(code) for part in (chosen[k] if k >= 0 else ()) or (None,)
    ]


@given(
    st.sampled_from([1, 5, 63, 64, 200]),
    st.lists(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 30), st.integers(1, 9)), max_size=12), max_size=6),
)
def test_sets_over_time_are_what_the_periods_say_at_each_instant(count, entities):
    names = [f"{k:03}" for k in range(count)]
    # Periods of one item do not overlap, but one may begin when another ends.
    periods = []
    for some in entities:
        asked = {(k % count, a, b) for k, start, days in some for a, b in ((start, start + days), (start + days, 40))}
        periods.append(
            {
                p
                for p in asked
                if p[1] < p[2] and not any(q != p and q[0] == p[0] and q[1] <= p[1] < q[2] for q in asked)
            }
        )
    rows = [(e, t, s, k) for e, some in enumerate(periods) for k, a, b in some for t, s in ((a, 1), (b, -1))]
    owner, time, sign, item = columns(rows, 4)
    order, changes = grouped(owner, len(entities), time, sign)
    lists, instants, when, code = running_sets(names, changes, time[order], item[order], sign[order].astype(np.int8))
    assert len(set(lists)) == len(lists)
    assert set(lists.items) == {item for part in lists for item in part}
    for e, some in enumerate(periods):
        mine = range(instants.begin[e], instants.end[e])
        assert [when[k] for k in mine] == sorted({t for _k, a, b in some for t in (a, b)})
        for k in mine:
            there = tuple(sorted(names[n] for n, a, b in some if a <= when[k] < b))
            assert (lists[code[k]] if code[k] >= 0 else ()) == there


def test_many_different_sets_are_told_apart():
    count = 12
    numbers = np.arange(1, 1 << count)
    rows = [(e, 0, k) for e, bits in enumerate(numbers.tolist()) for k in range(count) if bits >> k & 1]
    owner, time, item = columns(rows, 3)
    begin = np.searchsorted(owner, np.arange(len(numbers)))
    changes = Rows(begin, np.append(begin[1:], len(rows)))
    lists, _instants, _when, code = running_sets(range(count), changes, time, item, np.ones(len(rows), dtype=np.int8))
    assert len(lists) == len(numbers)
    assert [sum(1 << k for k in lists[c]) for c in code.tolist()] == numbers.tolist()
