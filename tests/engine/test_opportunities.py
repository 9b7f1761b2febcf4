"""Open, won, lost and stalled opportunities."""

import pytest

from segmentation.engine.criteria import make_criterion
from segmentation.engine.errors import RuleError
from tests.reference.comparison import changes
from tests.reference.histories import Activity, DealChange, History, day, facts_of

Move = tuple[float, str | None] | tuple[float, str | None, int]


def deals(*moves: Move, activities: tuple[Activity, ...] = ()) -> History:
    """(day, CRM stage or None for a changed amount, deal 1 unless given), in order of their sequence."""
    return History(
        deals=tuple(
            DealChange(time=day(move[0]), stage=move[1], deal=move[2] if len(move) > 2 else 1, seq=seq)  # type: ignore[misc]
            for seq, move in enumerate(moves)
        ),
        activities=activities,
    )


class TestOpen:
    def test_open_from_the_first_change_until_closed(self) -> None:
        history = deals((1, "Prospecting"), (4, "Proposal"), (9, "Closed lost"))
        assert changes(history, "opportunity_open") == [False, (day(1), True), (day(9), False)]

    def test_the_most_advanced_deal_counts_for_groups(self) -> None:
        history = deals((1, "Prospecting", 1), (3, "Negotiation", 2), (5, "Closed lost", 2))
        assert changes(history, "opportunity_open", groups=["identified"]) == [
            False,
            (day(1), True),
            (day(3), False),
            (day(5), True),
        ]
        assert changes(history, "opportunity_open", groups=["intent"]) == [False, (day(3), True), (day(5), False)]
        assert changes(history, "opportunity_open", groups=["intent", "identified"]) == [False, (day(1), True)]

    def test_a_deal_may_fall_back_to_an_earlier_group(self) -> None:
        history = deals((1, "Negotiation"), (3, "Prospecting"))
        assert changes(history, "opportunity_open", groups=["intent"]) == [False, (day(1), True), (day(3), False)]

    def test_with_crm_stages_any_open_deal_counts(self) -> None:
        history = deals((1, "Prospecting", 1), (3, "Negotiation", 2), (5, "Proposal", 1))
        assert changes(history, "opportunity_open", crm_stages=["Prospecting"]) == [
            False,
            (day(1), True),
            (day(5), False),
        ]

    def test_a_closed_deal_is_not_open_in_its_crm_stage(self) -> None:
        history = deals((1, "Closed won"))
        assert changes(history, "opportunity_open", crm_stages=["Closed won"]) == [False]

    def test_only_a_deal_without_mapping_gives_no_verdict(self) -> None:
        history = deals((1, "Mystery", 1), (3, "Prospecting", 2), (5, "Closed lost", 2), (7, "Closed lost", 1))
        assert changes(history, "opportunity_open") == [
            False,
            (day(1), None),
            (day(3), True),
            (day(5), None),
            (day(7), False),
        ]

    def test_of_several_changes_at_one_instant_the_last_wins(self) -> None:
        assert changes(deals((1, "Prospecting"), (1, "Closed lost")), "opportunity_open") == [False]
        back = deals((1, "Closed lost"), (1, "Prospecting"))
        assert changes(back, "opportunity_open") == [False, (day(1), True)]

    def test_a_changed_amount_changes_nothing(self) -> None:
        assert changes(deals((1, None), (2, "Prospecting"), (3, None)), "opportunity_open") == [False, (day(2), True)]

    def test_closed_until_the_reopening_and_open_after(self) -> None:
        history = deals((1, "Proposal"), (3, "Closed lost"), (6, "Proposal"))
        assert changes(history, "opportunity_open") == [False, (day(1), True), (day(3), False), (day(6), True)]

    def test_groups_and_crm_stages_together_are_refused(self) -> None:
        with pytest.raises(RuleError) as caught:
            make_criterion("opportunity_open", {"groups": ["intent"], "crm_stages": ["Proposal"]})
        assert (caught.value.code, caught.value.field) == ("too_many_parameters", "crm_stages")


class TestWon:
    def test_won_for_ever(self) -> None:
        assert changes(deals((1, "Proposal"), (4, "Closed won")), "opportunity_won") == [False, (day(4), True)]

    def test_won_within_days_ends_exactly_then(self) -> None:
        history = deals((4, "Closed won"))
        assert changes(history, "opportunity_won", within_days=10) == [False, (day(4), True), (day(14), False)]

    def test_a_win_taken_back_counts_no_longer_from_then_on(self) -> None:
        history = deals((4, "Closed won"), (6, "Negotiation"))
        assert changes(history, "opportunity_won") == [False, (day(4), True), (day(6), False)]

    def test_a_change_that_repeats_the_win_does_not_prolong_it(self) -> None:
        history = deals((4, "Closed won"), (8, "Closed won"), (9, None))
        assert changes(history, "opportunity_won", within_days=10) == [False, (day(4), True), (day(14), False)]

    def test_another_win_as_the_first_expires_leaves_no_gap(self) -> None:
        history = deals((4, "Closed won", 1), (14, "Closed won", 2))
        assert changes(history, "opportunity_won", within_days=10) == [False, (day(4), True), (day(24), False)]


class TestLost:
    def test_lost_with_nothing_open_for_so_many_days(self) -> None:
        history = deals((1, "Proposal"), (5, "Closed lost"))
        assert changes(history, "opportunity_lost", within_days=90) == [False, (day(5), True), (day(95), False)]

    def test_another_open_deal_prevents_it_until_it_closes(self) -> None:
        history = deals((1, "Proposal", 1), (1, "Proposal", 2), (5, "Closed lost", 1), (8, "Closed lost", 2))
        assert changes(history, "opportunity_lost", within_days=90) == [False, (day(8), True), (day(98), False)]

    def test_the_deal_closed_last_decides(self) -> None:
        history = deals((1, "Proposal", 1), (1, "Proposal", 2), (5, "Closed lost", 1), (8, "Closed won", 2))
        assert changes(history, "opportunity_lost") == [False]

    def test_of_two_closed_at_one_instant_the_later_change_decides(self) -> None:
        won_last = deals((1, "Proposal", 1), (1, "Proposal", 2), (5, "Closed lost", 1), (5, "Closed won", 2))
        lost_last = deals((1, "Proposal", 1), (1, "Proposal", 2), (5, "Closed won", 2), (5, "Closed lost", 1))
        assert changes(won_last, "opportunity_lost") == [False]
        assert changes(lost_last, "opportunity_lost") == [False, (day(5), True)]

    def test_reopening_ends_it(self) -> None:
        history = deals((1, "Proposal"), (5, "Closed lost"), (7, "Proposal"))
        assert changes(history, "opportunity_lost") == [False, (day(5), True), (day(7), False)]

    def test_a_deal_without_mapping_may_be_open(self) -> None:
        history = deals((5, "Closed lost", 1), (7, "Mystery", 2), (9, "Closed lost", 2))
        assert changes(history, "opportunity_lost") == [False, (day(5), True), (day(7), None), (day(9), True)]


class TestStalled:
    def test_begins_at_the_last_movement_and_so_many_days(self) -> None:
        assert changes(deals((1, "Proposal")), "opportunity_stalled", days=30) == [False, (day(31), True)]

    def test_a_changed_amount_is_a_movement(self) -> None:
        history = deals((1, "Proposal"), (20, None))
        assert changes(history, "opportunity_stalled", days=30) == [False, (day(50), True)]

    def test_a_sales_activity_unstalls(self) -> None:
        history = deals((1, "Proposal"), activities=(Activity(time=day(40), type="mail"),))
        assert changes(history, "opportunity_stalled", days=30) == [
            False,
            (day(31), True),
            (day(40), False),
            (day(70), True),
        ]

    def test_a_page_view_does_not_unstall_but_a_hot_activity_does(self) -> None:
        page = deals((1, "Proposal"), activities=(Activity(time=day(40), type="page"),))
        hot = deals((1, "Proposal"), activities=(Activity(time=day(40), type="demo"),))
        assert changes(page, "opportunity_stalled", days=30) == [False, (day(31), True)]
        assert changes(hot, "opportunity_stalled", days=30)[2] == (day(40), False)

    def test_a_movement_at_the_very_instant_prevents_it(self) -> None:
        history = deals((1, "Proposal"), activities=(Activity(time=day(31), type="mail"),))
        assert changes(history, "opportunity_stalled", days=30) == [False, (day(61), True)]

    def test_every_open_deal_must_be_stalled(self) -> None:
        history = deals((1, "Proposal", 1), (10, "Proposal", 2), (35, "Closed lost", 2))
        assert changes(history, "opportunity_stalled", days=30) == [False, (day(35), True)]

    def test_closing_ends_it(self) -> None:
        history = deals((1, "Proposal"), (40, "Closed won"))
        assert changes(history, "opportunity_stalled", days=30) == [False, (day(31), True), (day(40), False)]

    def test_only_deals_without_mapping_give_no_verdict(self) -> None:
        assert changes(deals((1, "Mystery")), "opportunity_stalled", days=30) == [False, (day(1), None)]

    def test_measure_counts_the_days_that_are_missing(self) -> None:
        facts = facts_of([deals((1, "Proposal"))])
        measure = make_criterion("opportunity_stalled", {"days": 30}).measure(facts, 0, day(11))
        assert (measure.value, measure.missing) == (10, "20 more days without movement")
