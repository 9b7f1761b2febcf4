"""Dated fields of the account."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import answer_of, changes
from tests.reference.histories import FieldHistory, History, day, facts_of


def tier(initial: float | None, *then: tuple[int, float | None]) -> History:
    return History(fields={"tier": FieldHistory(initial=initial, changes=then)})


def test_the_value_of_that_moment_counts() -> None:
    history = tier(2, (day(3), 1), (day(5), 3))
    assert changes(history, "field", field="tier", value=1) == [False, (day(3), True), (day(5), False)]


def test_a_change_that_does_not_change_the_answer_is_no_step() -> None:
    assert changes(tier(2, (day(3), 3), (day(4), 1)), "field", field="tier", value=1) == [False, (day(4), True)]


def test_empty_is_unknown_until_it_is_filled() -> None:
    history = tier(None, (day(3), 1), (day(5), None))
    assert changes(history, "field", field="tier", value=1) == [None, (day(3), True), (day(5), None)]


def test_is_known_answers_for_an_empty_field() -> None:
    assert changes(tier(None, (day(3), 1)), "field", field="tier", operator="known") == [False, (day(3), True)]


def test_no_history_at_all_is_unknown() -> None:
    assert changes(History(), "field", field="tier", value=1) == [None]
    assert changes(History(), "field", field="tier", operator="known") == [False]


def test_of_several_changes_at_one_instant_the_last_counts() -> None:
    history = tier(2, (day(3), 1), (day(3), 3), (day(4), None), (day(4), 1))
    assert changes(history, "field", field="tier", value=1) == [False, (day(4), True)]


@pytest.mark.parametrize(
    ("operator", "answers"),
    [
        ("is", [False, True, False]),
        ("above", [False, False, True]),
        ("at_least", [False, True, True]),
        ("below", [True, False, False]),
        ("at_most", [True, True, False]),
    ],
)
def test_sizes_compare_below_at_and_above_the_limit(operator: str, answers: list[bool]) -> None:
    for value, answer in zip((1, 2, 3), answers, strict=True):
        assert changes(tier(value), "field", field="tier", operator=operator, value=2) == [answer]


def test_texts_compare_without_case() -> None:
    history = History(fields={"region": FieldHistory(initial="North")})
    assert changes(history, "field", field="region", value="NORTH") == [True]
    assert changes(history, "field", field="region", operator="in", value=["south", "north"]) == [True]
    assert changes(history, "field", field="region", operator="contains", value="ORT") == [True]
    assert changes(history, "field", field="region", value="nort") == [False]


def test_empty_text_and_empty_list_are_unknown() -> None:
    history = History(fields={"region": FieldHistory(initial=""), "products": FieldHistory(initial=())})
    assert changes(history, "field", field="region", value="north") == [None]
    assert changes(history, "field", field="products", value="crm") == [None]


def test_a_list_is_what_any_of_its_values_is() -> None:
    history = History(fields={"products": FieldHistory(initial=("CRM", "mail"))})
    assert changes(history, "field", field="products", value="crm") == [True]
    assert changes(history, "field", field="products", operator="in", value=["erp", "Mail"]) == [True]
    assert changes(history, "field", field="products", operator="in", value=["erp"]) == [False]


def test_yes_and_no_are_both_answers() -> None:
    history = History(fields={"reference": FieldHistory(initial=False)})
    assert changes(history, "field", field="reference", value=False) == [True]
    assert changes(history, "field", field="reference", value=True) == [False]


def test_a_value_that_has_no_size_is_unknown_to_a_comparison_by_size() -> None:
    # Custom fields are JSON: a number field may hold a text.
    history = tier(2, (day(3), "many"), (day(5), True), (day(7), 3))  # type: ignore[arg-type]
    steps = make_criterion("field", {"field": "tier", "operator": "above", "value": 1}).steps(facts_of([history]))
    assert [answer_of(steps.at(0, day(d))) for d in (2, 3, 5, 7)] == [True, None, None, True]


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"field": "teir", "value": 1}, "unknown_choice", "field"),
        ({"field": "tier", "operator": "is", "value": "one"}, "wrong_type", "value"),
        ({"field": "tier", "operator": "is", "value": True}, "wrong_type", "value"),
        ({"field": "tier", "operator": "in", "value": 1}, "wrong_type", "value"),
        ({"field": "tier", "operator": "is", "value": [1]}, "wrong_type", "value"),
        ({"field": "region", "operator": "above", "value": 1}, "wrong_type", "value"),
        ({"field": "tier", "operator": "above", "value": float("nan")}, "not_finite", "value"),
        ({"field": "tier"}, "missing_parameter", "value"),
        ({"field": "tier", "operator": "in", "value": []}, "missing_parameter", "value"),
        ({"field": "tier", "operator": "known", "value": 1}, "needless_value", "value"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(RuleError) as caught:
        make_criterion("field", params)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.remedy
