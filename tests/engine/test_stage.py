"""The stage in another journey."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import History, Period, day


def test_holds_while_in_that_stage_of_the_other_journey() -> None:
    history = History(
        stages=(
            Period(key="other/aware", start=day(1), end=day(4)),
            Period(key="other/mqa", start=day(4), end=day(6)),
            Period(key="other/aware", start=day(6)),
        )
    )
    assert changes(history, "stage", journey="other", stage="mqa") == [False, (day(4), True), (day(6), False)]
    assert changes(history, "stage", journey="other", stage="aware") == [
        False,
        (day(1), True),
        (day(4), False),
        (day(6), True),
    ]


def test_names_the_journey_it_depends_on() -> None:
    assert list(make_criterion("stage", {"journey": "other", "stage": "mqa"}).depends_on()) == ["journey:other"]


@pytest.mark.parametrize(
    ("params", "field"),
    [({"journey": "othr", "stage": "mqa"}, "journey"), ({"journey": "other", "stage": "mqq"}, "stage")],
)
def test_what_does_not_exist_is_refused(params: dict[str, str], field: str) -> None:
    with pytest.raises(RuleError, match="Did you mean") as caught:
        make_criterion("stage", params)
    assert caught.value.field == field
