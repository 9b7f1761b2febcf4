"""Recycling holds: accounts that came close to a deal and did not buy."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes, stage_rows
from tests.reference.histories import Activity, DealChange, History, day

LOSS = {"stalled_days": None, "hold_days": 90}


def story(*facts: tuple[float, str] | tuple[float, str, int]) -> History:
    """(day, CRM stage or activity type, deal 1 unless given), in order of their sequence."""
    moves, activities = [], []
    for seq, (at, what, *deal) in enumerate(facts):
        if what[0].isupper():
            moves.append(DealChange(time=day(at), stage=what, deal=deal[0] if deal else 1, seq=seq))
        else:
            activities.append(Activity(time=day(at), type=what))
    return History(deals=tuple(moves), activities=tuple(activities))


def test_a_loss_from_intent_holds_for_ninety_days() -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"))
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(100), False)]


def test_a_loss_from_another_group_was_not_close() -> None:
    history = story((1, "Negotiation"), (5, "Proposal"), (10, "Closed lost"))
    assert changes(history, "recycle", **LOSS) == [False]
    held = changes(history, "recycle", lost_from=["active"], **LOSS)
    assert held == [False, (day(10), True), (day(100), False)]


def test_with_another_deal_open_nothing_is_recycled() -> None:
    history = story((1, "Negotiation"), (2, "Prospecting", 2), (10, "Closed lost"))
    assert changes(history, "recycle", **LOSS) == [False]


@pytest.mark.parametrize(
    "ending",
    [(30, "demo"), (30, "Prospecting", 2), (30, "Prospecting"), (30, "Closed won", 2), (30, "Closed won")],
    ids=["hot activity", "new deal", "reopened", "win", "the loss was a win"],
)
def test_ended_at_once_by(ending: tuple[float, str]) -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"), ending)
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(30), False)]


@pytest.mark.parametrize("nothing", [(30, "page"), (30, "mail"), (30, "Mystery", 2), (30, "Closed lost", 2)])
def test_not_ended_by(nothing: tuple[float, str]) -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"), nothing)
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(100), False)]


def test_lost_and_hot_at_one_instant_is_not_held() -> None:
    assert changes(story((1, "Negotiation"), (10, "Closed lost"), (10, "demo")), "recycle", **LOSS) == [False]


def test_intent_and_loss_on_one_date_is_a_loss_from_intent() -> None:
    # Sources that know only days date both changes alike; the last one counts, the advance before it does not.
    history = story((1, "Prospecting"), (10, "Negotiation"), (10, "Closed lost"))
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(100), False)]


def test_won_by_mistake_and_lost_at_one_instant_is_held() -> None:
    history = story((1, "Negotiation"), (10, "Closed won"), (10, "Closed lost"))
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(100), False)]


def test_lost_by_mistake_and_open_at_one_instant_is_not_held() -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"), (10, "Negotiation"))
    assert changes(history, "recycle", **LOSS) == [False]


def test_a_new_deal_ends_the_hold_once_its_crm_stage_is_mapped() -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"), (20, "Mystery", 2), (30, "Prospecting", 2))
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(30), False)]


def test_a_second_loss_begins_a_new_hold() -> None:
    history = story((1, "Negotiation", 1), (10, "Closed lost", 1), (20, "Negotiation", 2), (30, "Closed lost", 2))
    assert changes(history, "recycle", **LOSS) == [
        False,
        (day(10), True),
        (day(20), False),
        (day(30), True),
        (day(120), False),
    ]


def test_a_loss_at_the_instant_a_hold_ends_goes_on_without_a_gap() -> None:
    # The second deal is lost without ever having been open in between: it was in intent before the first loss.
    history = story(
        (1, "Negotiation", 1),
        (1, "Negotiation", 2),
        (2, "Mystery", 2),
        (10, "Closed lost", 1),
        (100, "Closed lost", 2),
    )
    assert changes(history, "recycle", **LOSS) == [False, (day(10), True), (day(190), False)]


def test_stalled_deals_recycle_the_account() -> None:
    history = story((1, "Prospecting"))
    rows = [False, (day(31), True), (day(121), False)]
    assert changes(history, "recycle", lost_from=[], stalled_days=30, hold_days=90) == rows


def test_an_advancing_deal_ends_the_hold_of_a_stall_and_a_receding_one_does_not() -> None:
    params = {"lost_from": [], "stalled_days": 30, "hold_days": 90}
    advancing = story((1, "Prospecting"), (50, "Proposal"))
    receding = story((1, "Proposal"), (50, "Prospecting"))
    assert changes(advancing, "recycle", **params) == [
        False,
        (day(31), True),
        (day(50), False),
        (day(80), True),
        (day(170), False),
    ]
    # It stalls anew while held: the hold is counted from then.
    assert changes(receding, "recycle", **params) == [False, (day(31), True), (day(170), False)]


def test_cooling_down_during_the_hold_ends_it() -> None:
    history = History(
        deals=(DealChange(time=day(1), stage="Negotiation"), DealChange(time=day(10), stage="Closed lost", seq=1)),
        activities=(Activity(time=day(15), seconds=600), Activity(time=day(20), seconds=600)),
    )
    params = {**LOSS, "cooled_minutes": 5, "cooled_days": 30}
    assert changes(history, "recycle", **params) == [False, (day(10), True), (day(50), False)]


def test_having_been_cool_before_does_not_end_the_hold() -> None:
    history = story((1, "Negotiation"), (10, "Closed lost"))
    rows = [False, (day(10), True), (day(100), False)]
    assert changes(history, "recycle", **LOSS, cooled_minutes=5) == rows


def test_held_accounts_do_not_fall_back_to_marketing_stages() -> None:
    journey = {
        "stages": [
            {"key": "none", "precedence": 0},
            {
                "key": "mqa",
                "precedence": 1,
                "enter": [{"criteria": [{"kind": "engaged_minutes", "params": {"minutes": 10}}]}],
            },
            {"key": "opportunity", "precedence": 2, "enter": [{"criteria": [{"kind": "opportunity_open"}]}]},
            {"key": "recycle", "precedence": 3, "enter": [{"criteria": [{"kind": "recycle", "params": LOSS}]}]},
        ]
    }
    history = History(
        deals=(DealChange(time=day(5), stage="Negotiation"), DealChange(time=day(10), stage="Closed lost", seq=1)),
        activities=(
            Activity(time=day(2), seconds=3600),
            Activity(time=day(60), seconds=3600),
            Activity(time=day(70), seconds=0, type="demo"),
        ),
    )
    assert stage_rows(history, journey) == [
        ("none", 0),
        ("mqa", 2),
        ("opportunity", 5),
        ("recycle", 10),
        ("mqa", 70),
        ("none", 150),
    ]


def test_a_hold_that_nothing_could_begin_is_refused() -> None:
    with pytest.raises(RuleError) as caught:
        make_criterion("recycle", {"lost_from": [], "stalled_days": None})
    assert caught.value.field == "lost_from"
