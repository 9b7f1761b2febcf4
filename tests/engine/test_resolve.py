"""From rules to stays: precedence, scopes, k of n, rules to stay, minimum stays."""

from typing import Any

import numpy as np
import pytest

from segmentation.engine.resolve import compile_journey, evaluate, rule_steps
from segmentation.engine.rules import parse_journey, parse_rule
from segmentation.engine.steps import FAR_FUTURE
from tests.reference.comparison import answer_of, engine_stays, stage_rows
from tests.reference.histories import Activity, DealChange, FieldHistory, History, Period, day, facts_of

FLOOR = {"key": "none", "precedence": 0}


def minutes(number: float, days: int = 10, **more: Any) -> dict[str, Any]:
    return {"kind": "engaged_minutes", "params": {"minutes": number, "window_days": days, **more}}


def count(times: int = 1, days: int = 10, **more: Any) -> dict[str, Any]:
    return {"kind": "activity_count", "params": {"times": times, "window_days": days, **more}}


def tier(number: int) -> dict[str, Any]:
    return {"kind": "field", "params": {"field": "tier", "value": number}}


def rule(*criteria: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"criteria": list(criteria), **more}


def stage(key: str, precedence: int, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"key": key, "precedence": precedence, "enter": list(rules), **more}


def journey(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"stages": [FLOOR, *stages]}


def acts(*days: float, **more: Any) -> tuple[Activity, ...]:
    return tuple(Activity(time=day(d), seconds=600, **more) for d in days)


def flagged(*periods: tuple[float, float | None], key: str = "watched") -> tuple[Period, ...]:
    return tuple(Period(key=key, start=day(a), end=None if b is None else day(b)) for a, b in periods)


FLAG = {"kind": "flag", "params": {"flag": "watched"}}
DISQUALIFIED = {"kind": "flag", "params": {"flag": "disqualified"}}


class TestPrecedence:
    def test_without_facts_the_floor_from_the_start_to_the_end_of_time(self) -> None:
        rows = engine_stays([History(start=day(3))], journey(stage("aware", 1, rule(count()))))
        assert rows == [[(0, -1, day(3), FAR_FUTURE)]]

    def test_the_highest_stage_that_applies_wins(self) -> None:
        history = History(activities=acts(1, 3))
        document = journey(stage("aware", 1, rule(count())), stage("mqa", 2, rule(count(2))))
        assert stage_rows(history, document) == [("none", 0), ("aware", 1), ("mqa", 3), ("aware", 11), ("none", 13)]

    def test_precedence_decides_not_the_order_of_writing_or_the_position(self) -> None:
        history = History(activities=acts(1))
        document = journey(stage("customer", 9, rule(count()), position=1), stage("mqa", 2, rule(count()), position=2))
        assert stage_rows(history, document) == [("none", 0), ("customer", 1), ("none", 11)]

    def test_stages_may_be_skipped_in_both_directions(self) -> None:
        history = History(activities=acts(1, 1))
        document = journey(stage("aware", 1, rule(count())), stage("mqa", 2, rule(count(2))))
        assert stage_rows(history, document) == [("none", 0), ("mqa", 1), ("none", 11)]

    def test_neighbours_of_one_stage_are_one_stay_and_keep_the_rule_that_began_it(self) -> None:
        history = History(activities=acts(1), flags=flagged((5, 30)))
        document = journey(stage("aware", 1, rule(count()), name="by activity"), stage("hot", 2, rule(FLAG)))
        either = journey(stage("aware", 1, rule(count(), FLAG, at_least=1)))
        assert stage_rows(history, document) == [("none", 0), ("aware", 1), ("hot", 5), ("none", 30)]
        assert stage_rows(history, either) == [("none", 0), ("aware", 1), ("none", 30)]

    def test_everything_of_one_instant_applies_before_the_rules_are_evaluated(self) -> None:
        # The window of the first activity ends as the flag is set and the deal opens: one change, no stay in between.
        history = History(
            activities=acts(1), flags=flagged((11, 20)), deals=(DealChange(time=day(11), stage="Prospecting"),)
        )
        document = journey(
            stage("aware", 1, rule(count())),
            stage("watched", 2, rule(FLAG)),
            stage("opportunity", 3, rule({"kind": "opportunity_open"})),
        )
        assert stage_rows(history, document) == [("none", 0), ("aware", 1), ("opportunity", 11)]

    def test_facts_before_the_start_of_the_history_count_at_its_start(self) -> None:
        history = History(start=day(4), activities=acts(1))
        assert stage_rows(history, journey(stage("aware", 1, rule(count())))) == [("aware", 0), ("none", 7)]


class TestScopes:
    def test_the_first_rule_whose_scope_matches_is_used_even_if_a_later_one_would_hold(self) -> None:
        document = journey(stage("mqa", 1, rule(count(2), scope=[tier(1)]), rule(count())))
        one, other = ({"tier": FieldHistory(initial=n)} for n in (1, 2))
        assert stage_rows(History(activities=acts(1), fields=one), document) == [("none", 0)]
        assert stage_rows(History(activities=acts(1), fields=other), document) == [
            ("none", 0),
            ("mqa", 1),
            ("none", 11),
        ]

    def test_no_scope_that_matches_is_no_verdict(self) -> None:
        document = journey(stage("mqa", 1, rule(count(), scope=[tier(1)]), rule(count(), scope=[tier(2)])))
        assert stage_rows(History(activities=acts(1), fields={"tier": FieldHistory(initial=3)}), document) == [
            ("none", 0)
        ]

    def test_an_unknown_field_matches_no_scope_not_even_a_negated_one(self) -> None:
        negated = rule(count(), scope=[{**tier(1), "negate": True}])
        assert stage_rows(History(activities=acts(1)), journey(stage("mqa", 1, negated))) == [("none", 0)]

    def test_the_field_of_that_instant_decides(self) -> None:
        history = History(
            activities=acts(1), fields={"tier": FieldHistory(initial=1, changes=((day(4), 2), (day(8), 1)))}
        )
        document = journey(stage("mqa", 1, rule(count(), scope=[tier(2)])))
        assert stage_rows(history, document) == [("none", 0), ("mqa", 4), ("none", 8)]

    def test_all_terms_of_a_scope_must_hold(self) -> None:
        region = {"kind": "field", "params": {"field": "region", "value": "north"}}
        document = journey(stage("mqa", 1, rule(count(), scope=[tier(1), region])))
        fields = {
            "tier": FieldHistory(initial=1),
            "region": FieldHistory(initial="south", changes=((day(3), "north"),)),
        }
        assert stage_rows(History(activities=acts(1), fields=fields), document) == [
            ("none", 0),
            ("mqa", 3),
            ("none", 11),
        ]

    def test_the_stay_names_the_rule_that_began_it(self) -> None:
        document = journey(stage("mqa", 1, rule(count(9), scope=[tier(1)]), rule(count())))
        history = History(activities=acts(1), fields={"tier": FieldHistory(initial=2)})
        rows = engine_stays([history], document)[0]
        assert [row[1] for row in rows] == [-1, 1, -1]


class TestKOfN:
    # Unknown is a field that was never filled in.
    UNKNOWN = tier(1)

    def verdict(self, history: History, *criteria: dict[str, Any], at_least: int | None = None) -> list[Any]:
        steps = rule_steps(parse_rule(rule(*criteria, at_least=at_least)), facts_of([history]))
        initial, times, values = steps.of(0)
        return [answer_of(initial), *((int(t), answer_of(int(v))) for t, v in zip(times, values, strict=True))]

    def test_held_is_enough_whatever_is_unknown(self) -> None:
        history = History(flags=flagged((2, 5)))
        assert self.verdict(history, FLAG, self.UNKNOWN, at_least=1) == [None, (day(2), True), (day(5), None)]

    def test_fails_when_the_unknown_could_not_help(self) -> None:
        assert self.verdict(History(), FLAG, DISQUALIFIED, self.UNKNOWN, at_least=2) == [False]

    def test_unknown_when_the_unknown_decides(self) -> None:
        history = History(flags=flagged((2, 5)))
        assert self.verdict(history, FLAG, DISQUALIFIED, self.UNKNOWN, at_least=2) == [
            False,
            (day(2), None),
            (day(5), False),
        ]

    def test_not_unknown_is_unknown(self) -> None:
        assert self.verdict(History(), {**self.UNKNOWN, "negate": True}) == [None]

    def test_unknown_enters_nothing(self) -> None:
        document = journey(stage("mqa", 1, rule(self.UNKNOWN)), stage("top", 2, rule({**self.UNKNOWN, "negate": True})))
        assert stage_rows(History(), document) == [("none", 0)]

    @pytest.mark.parametrize(("k", "rows"), [(1, [(2, 9)]), (2, [(3, 6)]), (3, [])])
    def test_at_least_k(self, k: int, rows: list[tuple[int, int]]) -> None:
        history = History(flags=(*flagged((2, 6)), *flagged((3, 9), key="disqualified")))
        never = count(5)
        found = self.verdict(history, FLAG, DISQUALIFIED, never, at_least=k)
        assert found == [False, *(row for a, b in rows for row in ((day(a), True), (day(b), False)))]

    def test_no_scope_that_matches_is_unknown_for_a_rule_of_its_own(self) -> None:
        facts = facts_of(
            [History(fields={"tier": FieldHistory(initial=2, changes=((day(3), 1),))}, flags=flagged((1, 5)))]
        )
        steps = rule_steps(parse_rule(rule(FLAG, scope=[tier(1)])), facts)
        assert [answer_of(steps.at(0, day(d))) for d in (0, 1, 2, 3, 4, 5)] == [None, None, None, True, True, False]


class TestRulesToStay:
    STAY = journey(stage("mqa", 1, rule(count(3)), stay=[rule(count(1))]))

    def test_enters_by_the_hard_rule_and_leaves_by_the_easy_one(self) -> None:
        assert stage_rows(History(activities=acts(1, 2, 3)), self.STAY) == [("none", 0), ("mqa", 3), ("none", 13)]

    def test_the_easy_rule_lets_nobody_in(self) -> None:
        assert stage_rows(History(activities=acts(1, 2)), self.STAY) == [("none", 0)]

    def test_once_out_the_hard_rule_counts_again(self) -> None:
        history = History(activities=acts(1, 2, 3, 20))
        assert stage_rows(history, self.STAY) == [("none", 0), ("mqa", 3), ("none", 13)]

    def test_an_activity_at_the_instant_the_easy_rule_ends_keeps_the_stage(self) -> None:
        history = History(activities=acts(1, 2, 3, 13))
        assert stage_rows(history, self.STAY) == [("none", 0), ("mqa", 3), ("none", 23)]

    def test_a_higher_stage_in_between_does_not_forget_the_lower_one(self) -> None:
        document = journey(*self.STAY["stages"][1:], stage("top", 2, rule(FLAG)))
        history = History(activities=acts(1, 2, 3), flags=flagged((5, 12)))
        assert stage_rows(history, document) == [("none", 0), ("mqa", 3), ("top", 5), ("mqa", 12), ("none", 13)]

    def test_a_stage_met_under_a_higher_one_is_kept_too(self) -> None:
        document = journey(*self.STAY["stages"][1:], stage("top", 2, rule(FLAG)))
        history = History(activities=acts(1, 2, 3), flags=flagged((0, 12)))
        assert stage_rows(history, document) == [("top", 0), ("mqa", 12), ("none", 13)]

    def test_the_rule_that_entered_is_named_while_the_easy_one_keeps(self) -> None:
        document = journey(*self.STAY["stages"][1:], stage("top", 2, rule(FLAG)))
        history = History(activities=acts(1, 2, 3), flags=flagged((5, 12)))
        assert [row[1] for row in engine_stays([history], document)[0]] == [-1, 0, 2, 0, -1]


class TestMinimumStay:
    def test_falling_back_waits_for_it(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        assert stage_rows(History(flags=flagged((2, 4))), document) == [("none", 0), ("mqa", 2), ("none", 9)]

    def test_at_the_limit_nothing_waits(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        assert stage_rows(History(flags=flagged((2, 9))), document) == [("none", 0), ("mqa", 2), ("none", 9)]

    def test_a_microsecond_before_the_limit_waits_for_it(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        history = History(flags=(Period(key="watched", start=day(2), end=day(9, micro=-1)),))
        assert stage_rows(history, document) == [("none", 0), ("mqa", 2), ("none", 9)]

    def test_advancing_never_waits_and_neither_does_disqualification(self) -> None:
        document = journey(
            stage("mqa", 1, rule(FLAG), min_stay_days=30),
            stage("disqualified", 9, rule(DISQUALIFIED)),
        )
        history = History(flags=(*flagged((2, 4)), *flagged((5, 6), key="disqualified")))
        assert stage_rows(history, document) == [("none", 0), ("mqa", 2), ("disqualified", 5), ("none", 6)]

    def test_applies_again_before_it_ends_as_if_nothing_had_been(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        assert stage_rows(History(flags=flagged((2, 4), (6, 20))), document) == [("none", 0), ("mqa", 2), ("none", 20)]

    def test_falls_to_where_the_account_is_by_then(self) -> None:
        document = journey(stage("aware", 1, rule(count())), stage("mqa", 2, rule(FLAG), min_stay_days=7))
        history = History(activities=acts(1, 5), flags=flagged((2, 4)))
        assert stage_rows(history, document) == [("none", 0), ("aware", 1), ("mqa", 2), ("aware", 9), ("none", 15)]

    def test_counts_from_the_entry_not_from_the_last_time_the_rule_held(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        assert stage_rows(History(flags=flagged((2, 4), (8, 10))), document) == [("none", 0), ("mqa", 2), ("none", 10)]

    def test_counts_from_the_start_of_the_history(self) -> None:
        document = journey(stage("mqa", 1, rule(FLAG), min_stay_days=7))
        history = History(start=day(3), flags=flagged((1, 4)))
        assert stage_rows(history, document) == [("mqa", 0), ("none", 7)]


class TestBatches:
    def test_nobody_at_all(self) -> None:
        document = parse_journey(journey(stage("mqa", 1, rule(count(), FLAG, tier(1)))))
        stays = evaluate(compile_journey(document), facts_of([]))
        assert len(stays) == 0

    def test_arrays_have_the_types_that_are_promised(self) -> None:
        document = parse_journey(journey(stage("mqa", 1, rule(count()))))
        stays = evaluate(compile_journey(document), facts_of([History(activities=acts(1))]))
        assert [a.dtype for a in (stays.entity, stays.stage, stays.rule)] == [np.int32] * 3
        assert [a.dtype for a in (stays.start, stays.end)] == [np.int64] * 2
