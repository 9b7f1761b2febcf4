"""Former customers: the customer period ended and nothing was won since."""

from tests.reference.comparison import changes, stage_rows
from tests.reference.histories import DealChange, History, Period, day


def customer(*periods: tuple[float, float | None], wins: tuple[tuple[float, str | None, int], ...] = ()) -> History:
    return History(
        customer=tuple(Period(key="customer", start=day(a), end=None if b is None else day(b)) for a, b in periods),
        deals=tuple(DealChange(time=day(t), stage=stage, deal=deal, seq=i) for i, (t, stage, deal) in enumerate(wins)),
    )


def test_from_the_end_of_the_period() -> None:
    assert changes(customer((1, 50)), "former_customer") == [False, (day(50), True)]


def test_not_while_another_period_is_in_force() -> None:
    assert changes(customer((1, 50), (40, 70)), "former_customer") == [False, (day(70), True)]
    assert changes(customer((1, 50), (60, None)), "former_customer") == [False, (day(50), True), (day(60), False)]


def test_customer_again_at_the_next_win() -> None:
    history = customer((1, 50), wins=((1, "Closed won", 1), (60, "Closed won", 2)))
    assert changes(history, "former_customer") == [False, (day(50), True), (day(60), False)]


def test_a_win_at_the_very_end_of_the_period_keeps_the_customer() -> None:
    history = customer((1, 50), wins=((50, "Closed won", 2),))
    assert changes(history, "former_customer") == [False]


def test_a_win_before_the_end_does_not() -> None:
    history = customer((1, 50), wins=((49, "Closed won", 2),))
    assert changes(history, "former_customer") == [False, (day(50), True)]


def test_a_win_taken_back_is_no_win() -> None:
    history = customer((1, 50), wins=((60, "Closed won", 2), (65, "Negotiation", 2)))
    assert changes(history, "former_customer") == [False, (day(50), True), (day(60), False), (day(65), True)]


def test_a_change_that_repeats_an_old_win_wins_nothing() -> None:
    history = customer((1, 50), wins=((1, "Closed won", 1), (60, "Closed won", 1), (61, None, 1)))
    assert changes(history, "former_customer") == [False, (day(50), True)]


def test_the_stage_customer_ends_and_begins_with_it() -> None:
    journey = {
        "stages": [
            {"key": "none", "precedence": 0},
            {
                "key": "customer",
                "precedence": 1,
                "enter": [{"criteria": [{"kind": "opportunity_won"}, {"kind": "former_customer", "negate": True}]}],
            },
        ]
    }
    history = customer(
        (5, 50), wins=((5, "Closed won", 1), (60, "Closed won", 2), (65, "Closed lost", 2), (80, "Closed won", 3))
    )
    assert stage_rows(history, journey) == [
        ("none", 0),
        ("customer", 5),
        ("none", 50),
        ("customer", 60),
        ("none", 65),
        ("customer", 80),
    ]
