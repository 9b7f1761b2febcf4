"""Segments: parts, the segment above, subtraction, and what is not known."""

import random
from dataclasses import replace

import numpy as np

from scoring.engine.activities import ActivityWalk
from segmentation.engine.facts import Periods, Rows
from segmentation.engine.memberships import (
    MEMBER,
    SEGMENTS,
    UNSURE,
    MembershipTable,
    SegmentRules,
    in_order,
    membership_steps,
    nobody,
    spans,
)
from segmentation.engine.resolve import all_of, rule_steps, values_at
from segmentation.engine.rules import parse_rule
from segmentation.engine.steps import NO, UNKNOWN, YES
from tests.reference.histories import BASE, Activity, FieldHistory, History, Period, day, facts_of

TIER_1 = {"kind": "field", "params": {"field": "tier", "value": 1}}
NORTH = {"kind": "field", "params": {"field": "region", "value": "north"}}
WATCHED = {"kind": "flag", "params": {"flag": "watched"}}


def in_segment(key, negate=False):
    return {"kind": "segment", "params": {"segment": key}, "negate": negate}


def rule(*terms, at_least=None):
    return parse_rule({"criteria": list(terms), "at_least": at_least})


def member_of(history, *segments):
    """The answers of each segment for one history: first, then (instant, answer)."""
    facts = facts_of([history])
    facts.tables[SEGMENTS] = nobody(1)
    found = membership_steps(in_order(segments), facts)
    return {
        key: [int(steps.initial[0]), *((int(t), int(v)) for t, v in zip(steps.time, steps.value, strict=True))]
        for key, steps in found.items()
    }


HISTORY = History(
    fields={
        "tier": FieldHistory(initial=2, changes=((day(3), 1), (day(9), 2))),
        "region": FieldHistory(initial=None, changes=((day(5), "north"),)),
    },
    flags=(Period(key="watched", start=day(4), end=day(7)),),
)


def test_members_meet_every_part_and_a_part_that_is_not_known_leaves_it_open():
    parts = {"base": rule(TIER_1), "fit": rule(NORTH), "trigger": rule(WATCHED)}
    assert member_of(HISTORY, SegmentRules("big", parts)) == {
        # The tier alone says no at first; from day 4 only the region is missing.
        "big": [NO, (day(4), UNKNOWN), (day(5), YES), (day(7), NO)]
    }


def test_a_sub_segment_narrows_the_one_above_whatever_order_they_come_in():
    above = SegmentRules("big", {"base": rule(TIER_1)})
    below = SegmentRules("keen", {"trigger": rule(WATCHED)}, parent="big")
    expected = {"big": [NO, (day(3), YES), (day(9), NO)], "keen": [NO, (day(4), YES), (day(7), NO)]}
    assert member_of(HISTORY, below, above) == expected == member_of(HISTORY, above, below)


def test_in_one_and_not_in_the_other():
    big, keen = SegmentRules("big", {"base": rule(TIER_1)}), SegmentRules("keen", {"base": rule(WATCHED)})
    rest = SegmentRules("rest", {"base": rule(in_segment("big"), in_segment("keen", negate=True))})
    assert member_of(HISTORY, rest, big, keen)["rest"] == [
        NO, (day(3), YES), (day(4), NO), (day(7), YES), (day(9), NO),
    ]  # fmt: skip


def test_not_in_a_segment_that_is_not_known_is_not_known_either():
    keen = SegmentRules("keen", {"base": rule(NORTH)})
    rest = SegmentRules("rest", {"base": rule(in_segment("keen", negate=True))})
    assert member_of(HISTORY, rest, keen)["rest"] == [UNKNOWN, (day(5), NO)]


def test_a_segment_that_was_never_built_is_not_known():
    table = MembershipTable(nobody(1).periods)
    assert list(table.steps("big").initial) == [UNKNOWN]


def test_periods_begin_with_the_history_and_the_first_is_no_entry():
    facts = facts_of([History(start=day(4), fields=HISTORY.fields), HISTORY])
    facts.tables[SEGMENTS] = nobody(2)
    segment = SegmentRules("big", {"base": rule(TIER_1), "fit": rule(NORTH)})
    found = spans(membership_steps([segment], facts)["big"], facts.start)
    rows = list(
        zip(*(getattr(found, name).tolist() for name in ("entity", "state", "start", "end", "is_first")), strict=True)
    )
    assert rows == [
        (0, UNSURE, day(4), day(5), True),
        (0, MEMBER, day(5), day(9), False),
        (1, UNSURE, day(3), day(5), False),
        (1, MEMBER, day(5), day(9), False),
    ]


def test_criteria_that_cost_much_are_asked_of_few_entities_and_nothing_changes(monkeypatch):
    monkeypatch.setattr("segmentation.engine.kinds.segment._segment_choices", lambda: {f"s{n}": "" for n in range(6)})
    dice = random.Random(8)
    costly = [
        {"kind": "engaged_minutes", "params": {"minutes": 1, "window_days": 3}},
        {"kind": "activity_count", "params": {"times": 2, "window_days": 4}, "negate": True},
        {"kind": "engaged_people", "params": {"people": 2, "window_days": 5}},
    ]
    cheap = [TIER_1, NORTH, WATCHED]

    def history():
        acts = [Activity(time=day(dice.random() * 9), seconds=60, contact=dice.randrange(3)) for _ in range(8)]
        tiers = FieldHistory(initial=dice.choice([1, 2, None]), changes=((day(5), dice.choice([1, 2])),))
        flags = (Period(key="watched", start=day(2), end=day(6)),) if dice.random() < 0.3 else ()
        region = FieldHistory(initial=dice.choice(["north", "south", None]))
        return History(activities=tuple(acts), fields={"tier": tiers, "region": region}, flags=flags)

    def mixed(keys, number):
        terms = dice.sample([*costly, *cheap, *(in_segment(key, dice.random() < 0.5) for key in keys[:2])], 3)
        parts = {"base": rule(*terms, at_least=dice.choice([None, None, 1, 2]))}
        if dice.random() < 0.7:
            parts["trigger"] = rule(*dice.sample(costly, 2), at_least=dice.choice([1, 2]))
        if dice.random() < 0.5:
            parts["fit"] = rule(dice.choice(cheap))
        return SegmentRules(f"s{number}", parts, parent=dice.choice([None, *keys]) if keys else None)

    asked = []
    real = ActivityWalk.steps_of
    monkeypatch.setattr(ActivityWalk, "steps_of", lambda c, f, w: asked.append(w.mean()) or real(c, f, w))
    for _world in range(25):
        facts = facts_of([history() for _ in range(30)])
        segments = []
        for number in range(6):
            segments.append(mixed([segment.key for segment in segments], number))
        segments = in_order(segments)
        found, plain = ({**facts.tables, SEGMENTS: nobody(30)} for _ in range(2))
        found = membership_steps(segments, replace(facts, tables=found))
        table = plain[SEGMENTS]
        for one in segments:  # one after another, every criterion of every entity
            whole = [rule_steps(part, replace(facts, tables=plain)) for part in one.parts.values()]
            above = [table.steps(one.parent)] if one.parent else []
            table.computed[one.key] = all_of([*above, *whole])
        for key, steps in table.computed.items():
            for name in ("initial", "offsets", "time", "value"):
                assert np.array_equal(getattr(found[key], name), getattr(steps, name)), key
    assert 0 < np.mean(asked) < 0.8, "nobody was left out"


def test_stored_periods_read_back_are_the_steps_they_were_made_of():
    dice = random.Random(5)

    def tiers():
        changes = tuple((day(at), dice.choice([1, 2, None])) for at in sorted(dice.sample(range(9), 4)))
        return {"tier": FieldHistory(initial=dice.choice([1, 2, None]), changes=changes)}

    facts = facts_of([History(start=BASE - 1, fields=tiers()) for _ in range(200)])
    facts.tables[SEGMENTS] = nobody(200)
    steps = membership_steps([SegmentRules("big", {"base": rule(TIER_1)})], facts)["big"]
    found = spans(steps, facts.start)
    counts = np.bincount(found.entity, minlength=200)
    ends = np.cumsum(counts)
    periods = Periods(Rows(ends - counts, ends), found.start, found.end, found.state.astype(np.int32) - 1)
    again = MembershipTable(periods, ("big",)).steps("big")
    for instant in [BASE - 1, *(day(d) + e for d in range(10) for e in (-1, 0, 1))]:
        assert values_at(again, instant).tolist() == values_at(steps, instant).tolist()
