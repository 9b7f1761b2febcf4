"""Rules and journeys from their documents: what is refused, and where the message points."""

from typing import Any

import pytest

from scoring.engine.restrictions import RESTRICTIONS
from segmentation.engine.criteria import kinds, make_criterion
from segmentation.engine.errors import RuleError
from segmentation.engine.params import MAX_DAYS
from segmentation.engine.rules import find_loop, parse_journey, parse_rule

MINUTES = {"kind": "engaged_minutes", "params": {"minutes": 60}}
FLOOR = {"key": "none", "precedence": 0}


def refused(journey_or_stages: Any) -> RuleError:
    document = journey_or_stages if isinstance(journey_or_stages, dict) else {"stages": journey_or_stages}
    with pytest.raises(RuleError) as caught:
        parse_journey(document)
    assert caught.value.message
    assert caught.value.remedy
    assert caught.value.field in str(caught.value)
    return caught.value


def refused_criterion(kind: str, **params: Any) -> RuleError:
    with pytest.raises(RuleError) as caught:
        make_criterion(kind, params)
    return caught.value


def stage(key: str, precedence: int, *criteria: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"key": key, "precedence": precedence, "enter": [{"criteria": list(criteria)}], **more}


class TestCriteria:
    def test_unknown_kind_names_its_place_and_what_may_be_meant(self) -> None:
        error = refused([FLOOR, stage("mqa", 1, MINUTES, {"kind": "engaged_minute"})])
        assert (error.code, error.field) == ("unknown_kind", "stages.mqa.enter.0.criteria.1.kind")
        assert error.remedy == "Did you mean “engaged_minutes”?"

    def test_kind_that_is_no_text(self) -> None:
        assert refused([FLOOR, stage("mqa", 1, {"kind": 7})]).code == "unknown_kind"

    def test_unknown_parameter_names_its_place_and_what_may_be_meant(self) -> None:
        error = refused([FLOOR, stage("mqa", 1, {"kind": "engaged_minutes", "params": {"minuets": 60}})])
        assert (error.code, error.field) == ("unknown_parameter", "stages.mqa.enter.0.criteria.0.params.minuets")
        assert error.remedy == "Did you mean “minutes”?"

    def test_missing_parameter(self) -> None:
        error = refused([FLOOR, stage("mqa", 1, {"kind": "engaged_minutes"})])
        assert (error.code, error.field) == ("missing_parameter", "stages.mqa.enter.0.criteria.0.params.minutes")

    def test_parameters_that_are_no_object(self) -> None:
        error = refused([FLOOR, stage("mqa", 1, {"kind": "engaged_minutes", "params": [60]})])
        assert (error.code, error.field) == ("wrong_type", "stages.mqa.enter.0.criteria.0.params")

    @pytest.mark.parametrize("value", ["60", True, [60], {"at": 60}])
    def test_threshold_of_the_wrong_type(self, value: Any) -> None:
        error = refused_criterion("engaged_minutes", minutes=value)
        assert (error.code, error.field, error.value) == ("wrong_type", "minutes", value)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize(
        ("kind", "name"), [("engaged_minutes", "minutes"), ("activity_count", "times"), ("engagement_score", "score")]
    )
    def test_threshold_that_is_not_finite(self, kind: str, name: str, value: float) -> None:
        error = refused_criterion(kind, **{name: value})
        assert (error.code, error.field) == ("not_finite", name)

    @pytest.mark.parametrize(
        ("value", "code"),
        [(0, "out_of_range"), (MAX_DAYS + 1, "out_of_range"), (1.5, "not_whole"), (-1, "out_of_range")],
    )
    def test_window_out_of_range(self, value: float, code: str) -> None:
        error = refused_criterion("engaged_minutes", minutes=1, window_days=value)
        assert (error.code, error.field) == (code, "window_days")

    @pytest.mark.parametrize("value", [1, MAX_DAYS])
    def test_window_at_the_limits(self, value: int) -> None:
        assert make_criterion("engaged_minutes", {"minutes": 1, "window_days": value}).values["window_days"] == value

    def test_an_emptied_window_is_ever_and_other_emptied_numbers_are_the_default(self) -> None:
        assert make_criterion("activity_count", {"window_days": None, "times": None}).values["window_days"] is None
        assert make_criterion("activity_count", {"times": None}).values["times"] == 1
        recycle = make_criterion("recycle", {"stalled_days": None, "hold_days": None, "cooled_days": None})
        assert (recycle.values["stalled_days"], recycle.values["hold_days"]) == (None, 90)

    @pytest.mark.parametrize("kind", sorted(kinds()))
    def test_every_emptied_parameter_gives_a_usable_criterion_or_is_refused(self, kind: str) -> None:
        needed = {
            "engaged_minutes": {"minutes": 1},
            "engaged_people": {"people": 1},
            "engagement_score": {"score": 1},
            "field": {"field": "tier", "value": 1},
            "flag": {"flag": "watched"},
            "icp_fit": {"profile": "default", "grades": ["A"]},
            "list": {"list": "named"},
            "segment": {"segment": "big"},
            "stage": {"journey": "other", "stage": "mqa"},
        }.get(kind, {})
        for param in kinds()[kind].params:
            if param.name in needed or param.name == "value":
                continue
            criterion = make_criterion(kind, {**needed, param.name: None})
            if param.input == "number" and not param.clearable:
                assert criterion.values[param.name] == param.default
            assert criterion.sentence()

    def test_unknown_choice_lists_what_is_known(self) -> None:
        error = refused_criterion("engaged_minutes", minutes=1, sides=["markting"])
        assert (error.code, error.field, error.remedy) == ("unknown_choice", "sides", "Did you mean “marketing”?")

    def test_a_text_where_a_list_is_needed(self) -> None:
        assert refused_criterion("engaged_minutes", minutes=1, types="page").code == "wrong_type"

    def test_order_and_repetition_in_a_list_make_no_other_criterion(self) -> None:
        one = make_criterion("activity_count", {"types": ["page", "demo", "page"]})
        assert one == make_criterion("activity_count", {"types": ["demo", "page"], "times": 1, "window_days": 90})
        assert one.values["types"] == ("demo", "page")

    def test_what_a_criterion_holds_gives_the_same_one_again(self) -> None:
        one = make_criterion("engaged_minutes", {"minutes": 4.1, "min_seniority": "vp", "window_days": None})
        assert make_criterion(one.kind, one.values) == one

    def test_every_kind_of_engagement_knows_all_restrictions(self) -> None:
        for kind in ("engaged_minutes", "engaged_people", "activity_count", "meeting_held", "engagement_score"):
            assert {p.name for p in RESTRICTIONS} <= {p.name for p in kinds()[kind].params}


class TestRules:
    def test_an_empty_rule_is_refused(self) -> None:
        error = refused([FLOOR, {"key": "mqa", "precedence": 1, "enter": [{"criteria": []}]}])
        assert (error.code, error.field) == ("empty_rule", "stages.mqa.enter.0.criteria")

    def test_a_rule_of_scope_alone_is_empty_too(self) -> None:
        scope = [{"kind": "field", "params": {"field": "tier", "value": 1}}]
        assert refused([FLOOR, {"key": "mqa", "precedence": 1, "enter": [{"scope": scope}]}]).code == "empty_rule"

    @pytest.mark.parametrize("k", [0, 3, -1, True, 1.0, "1"])
    def test_impossible_k_of_n(self, k: Any) -> None:
        error = refused([FLOOR, {"key": "m", "precedence": 1, "enter": [{"at_least": k, "criteria": [MINUTES] * 2}]}])
        assert (error.code, error.field) == ("bad_at_least", "stages.m.enter.0.at_least")

    def test_no_number_means_all(self) -> None:
        assert parse_rule({"criteria": [MINUTES, MINUTES]}).needed == 2
        assert parse_rule({"criteria": [MINUTES, MINUTES], "at_least": 1}).needed == 1

    def test_only_fields_say_for_whom_a_rule_counts(self) -> None:
        rule = {"scope": [MINUTES], "criteria": [MINUTES]}
        error = refused([FLOOR, {"key": "mqa", "precedence": 1, "enter": [rule]}])
        assert (error.code, error.field) == ("not_a_scope", "stages.mqa.enter.0.scope.0.kind")

    @pytest.mark.parametrize("negate", ["yes", 1, None])
    def test_negate_is_true_or_false(self, negate: Any) -> None:
        error = refused([FLOOR, stage("mqa", 1, {**MINUTES, "negate": negate})])
        assert (error.code, error.field) == ("wrong_type", "stages.mqa.enter.0.criteria.0.negate")

    def test_unknown_key_of_a_criterion(self) -> None:
        error = refused([FLOOR, stage("mqa", 1, {**MINUTES, "negated": True})])
        assert (error.code, error.field) == ("unknown_key", "stages.mqa.enter.0.criteria.0.negated")

    def test_a_criterion_that_is_no_object(self) -> None:
        error = refused([FLOOR, {"key": "mqa", "precedence": 1, "enter": [{"criteria": ["engaged_minutes"]}]}])
        assert (error.code, error.field) == ("wrong_type", "stages.mqa.enter.0.criteria.0")

    def test_words_of_a_rule(self) -> None:
        rule = parse_rule({"criteria": [{**MINUTES, "negate": True}]})
        assert rule.terms[0].sentence() == "not: more than 60 engaged minutes within 90 days"


class TestJourneys:
    def test_two_stages_with_one_precedence(self) -> None:
        error = refused([FLOOR, stage("mqa", 5, MINUTES), stage("aware", 5, MINUTES)])
        assert (error.code, error.field, error.value) == ("same_precedence", "stages.aware.precedence", 5)
        assert "mqa" in error.message

    def test_two_stages_with_one_key(self) -> None:
        error = refused([FLOOR, stage("mqa", 5, MINUTES), stage("mqa", 6, MINUTES)])
        assert (error.code, error.field) == ("same_key", "stages.mqa.key")

    def test_two_stages_with_one_place_in_the_funnel(self) -> None:
        error = refused([FLOOR, stage("mqa", 5, MINUTES, position=1), stage("aware", 6, MINUTES, position=1)])
        assert (error.code, error.field) == ("same_position", "stages.aware.position")

    def test_the_floor_goes_without_rule(self) -> None:
        error = refused([stage("none", 0, MINUTES), stage("mqa", 1, MINUTES)])
        assert (error.code, error.field) == ("floor_with_rule", "stages.none.rules")

    def test_the_floor_has_no_rule_to_stay_either(self) -> None:
        floor = {**FLOOR, "stay": [{"criteria": [MINUTES]}]}
        assert refused([floor, stage("mqa", 1, MINUTES)]).code == "floor_with_rule"

    def test_every_other_stage_has_a_rule_to_enter(self) -> None:
        error = refused([FLOOR, {"key": "mqa", "precedence": 1}])
        assert (error.code, error.field) == ("stage_without_rule", "stages.mqa.rules")

    @pytest.mark.parametrize("stages", [[], [FLOOR], None])
    def test_a_journey_has_two_stages_at_least(self, stages: Any) -> None:
        assert refused({"stages": stages}).code == "too_few_stages"

    @pytest.mark.parametrize("days", [-1, 0.5, True, "7", MAX_DAYS + 1])
    def test_bad_minimum_stay(self, days: Any) -> None:
        error = refused([FLOOR, stage("mqa", 1, MINUTES, min_stay_days=days)])
        assert (error.code, error.field) == ("bad_minimum_stay", "stages.mqa.min_stay_days")

    @pytest.mark.parametrize("percent", [-1, 1001, 1.5, True, "100"])
    def test_bad_weight(self, percent: Any) -> None:
        error = refused({"stages": [FLOOR, stage("mqa", 1, MINUTES)], "seniority_weights": {"vp": percent}})
        assert (error.code, error.field) == ("bad_weight", "seniority_weights.vp")

    def test_unknown_unit(self) -> None:
        error = refused({"stages": [FLOOR, stage("mqa", 1, MINUTES)], "unit": "acount"})
        assert (error.code, error.remedy) == ("unknown_unit", "Did you mean “account”?")

    def test_stages_are_ordered_by_precedence_however_they_are_written(self) -> None:
        journey = parse_journey({"stages": [stage("mqa", 9, MINUTES), FLOOR, stage("aware", 3, MINUTES)]})
        assert [s.key for s in journey.stages] == ["none", "aware", "mqa"]

    def test_the_funnel_is_ordered_by_position_and_leaves_parking_stages_out(self) -> None:
        journey = parse_journey(
            {
                "stages": [
                    {**FLOOR, "position": 0},
                    stage("customer", 5, MINUTES, position=2),
                    stage("lost", 3, MINUTES),
                    stage("mqa", 2, MINUTES, position=1),
                ]
            }
        )
        assert [s.key for s in journey.funnel()] == ["none", "mqa", "customer"]

    def test_a_criterion_used_twice_is_one(self) -> None:
        journey = parse_journey({"stages": [FLOOR, stage("a", 1, MINUTES), stage("b", 2, {**MINUTES, "negate": True})]})
        assert len(journey.criteria()) == 1


class TestLoops:
    def test_the_path_is_named_from_the_first_to_its_return(self) -> None:
        needs = {
            "segment:hot": ["journey:standard"],
            "journey:standard": ["segment:big"],
            "segment:big": ["segment:hot"],
        }
        assert find_loop(needs) == ["segment:hot", "journey:standard", "segment:big", "segment:hot"]

    def test_the_way_into_the_loop_is_left_out(self) -> None:
        assert find_loop({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]

    def test_a_rule_that_needs_itself(self) -> None:
        assert find_loop({"journey:standard": ["journey:standard"]}) == ["journey:standard", "journey:standard"]

    def test_two_ways_to_one_rule_are_no_loop(self) -> None:
        assert find_loop({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) is None

    def test_a_name_nobody_defines_is_no_loop(self) -> None:
        assert find_loop({"a": ["gone"]}) is None
