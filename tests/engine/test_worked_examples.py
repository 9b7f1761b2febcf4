"""The two worked examples of an MQA rule, fact by fact, and both limits of every number in them.

Tier 1: more than 60 minutes in the last 3 months, at least two people with more than 10 minutes each, marketing
activities only, manager or above. All others: at least 3 personas engaged in the last 3 months, one of them VP or above
with 60 minutes.
"""

from typing import Any

import pytest

from tests.reference.comparison import stage_rows
from tests.reference.histories import Activity, FieldHistory, History, day

LIMITS = {"sides": ["marketing"], "min_seniority": "manager", "window_days": 90}
MQA = {
    "key": "mqa",
    "precedence": 1,
    "enter": [
        {
            "name": "Tier 1",
            "scope": [{"kind": "field", "params": {"field": "tier", "operator": "is", "value": 1}}],
            "criteria": [
                {"kind": "engaged_minutes", "params": {"minutes": 60, "comparator": ">", **LIMITS}},
                {"kind": "engaged_people", "params": {"people": 2, "minutes": 10, "comparator": ">", **LIMITS}},
            ],
        },
        {
            "name": "All others",
            "criteria": [
                {
                    "kind": "engaged_people",
                    "params": {"people": 3, "count": "persona", "minutes": 0, "window_days": 90},
                },
                {
                    "kind": "engaged_people",
                    "params": {
                        "people": 1,
                        "count": "persona",
                        "minutes": 60,
                        "comparator": ">=",
                        "window_days": 90,
                        "min_seniority": "vp",
                    },
                },
            ],
        },
    ],
}
JOURNEY: dict[str, Any] = {"stages": [{"key": "none", "precedence": 0}, MQA]}


def account(tier: int | None, *activities: Activity) -> History:
    return History(activities=activities, fields={"tier": FieldHistory(initial=tier)})


def did(
    at: float, contact: int | None, seconds: int, seniority: str = "", kind: str = "webinar", role: str = ""
) -> Activity:
    return Activity(time=day(at), contact=contact, seconds=seconds, seniority=seniority, type=kind, role=role)


class TestTierOne:
    def test_qualifies_with_the_second_person_until_the_first_leaves_the_window(self) -> None:
        history = account(
            1,
            did(0, 1, 50 * 60, "manager"),  # Anna, 50 minutes
            did(20, 2, 10 * 60, "vp"),  # Bert, 10 minutes: 60 in all, not more
            did(30, 2, 60, "vp"),  # Bert again: 61 minutes, both above 10
        )
        assert stage_rows(history, JOURNEY) == [("none", 0), ("mqa", 30), ("none", 90)]

    @pytest.mark.parametrize(("more", "rows"), [(0, [("none", 0)]), (1, [("none", 0), ("mqa", 1), ("none", 90)])])
    def test_sixty_minutes_and_one_second_more(self, more: int, rows: list[tuple[str, int]]) -> None:
        history = account(1, did(0, 1, 45 * 60, "manager"), did(1, 2, 15 * 60 + more, "director"))
        assert stage_rows(history, JOURNEY) == rows

    @pytest.mark.parametrize(("more", "rows"), [(0, [("none", 0)]), (1, [("none", 0), ("mqa", 1), ("none", 90)])])
    def test_ten_minutes_of_the_second_person_and_one_second_more(self, more: int, rows: list[tuple[str, int]]) -> None:
        history = account(1, did(0, 1, 90 * 60, "manager"), did(1, 2, 10 * 60 + more, "director"))
        assert stage_rows(history, JOURNEY) == rows

    @pytest.mark.parametrize(
        ("seniority", "qualifies"), [("", False), ("other", False), ("manager", True), ("c_level", True)]
    )
    def test_title_manager_or_above(self, seniority: str, qualifies: bool) -> None:
        history = account(1, did(0, 1, 90 * 60, "manager"), did(1, 2, 90 * 60, seniority))
        assert (len(stage_rows(history, JOURNEY)) > 1) is qualifies

    @pytest.mark.parametrize(
        ("type_", "qualifies"), [("webinar", True), ("page", True), ("mail", False), ("login", False)]
    )
    def test_marketing_activities_only(self, type_: str, qualifies: bool) -> None:
        history = account(1, did(0, 1, 90 * 60, "manager"), did(1, 2, 90 * 60, "manager", kind=type_))
        assert (len(stage_rows(history, JOURNEY)) > 1) is qualifies

    @pytest.mark.parametrize(("at", "rows"), [(89, [("none", 0), ("mqa", 89), ("none", 90)]), (90, [("none", 0)])])
    def test_three_months_are_ninety_days_and_the_ninetieth_is_too_late(
        self, at: int, rows: list[tuple[str, int]]
    ) -> None:
        history = account(1, did(0, 1, 50 * 60, "manager"), did(at, 2, 50 * 60, "manager"))
        assert stage_rows(history, JOURNEY) == rows

    def test_one_person_is_not_enough_and_anonymous_minutes_make_no_second(self) -> None:
        history = account(1, did(0, 1, 500 * 60, "c_level"), did(1, None, 500 * 60))
        assert stage_rows(history, JOURNEY) == [("none", 0)]

    def test_the_rule_of_the_others_does_not_count_for_tier_one(self) -> None:
        people = [
            did(0, n, 3600, "other" if n else "vp", role=role)
            for n, role in enumerate(("user", "influencer", "decision_maker"))
        ]
        assert stage_rows(account(1, *people), JOURNEY) == [("none", 0)]
        assert stage_rows(account(2, *people), JOURNEY) == [("mqa", 0), ("none", 90)]


class TestAllOthers:
    def personas(self, *roles: str, vp_seconds: int = 3600, seniority: str = "vp") -> list[Activity]:
        return [
            did(index, index, vp_seconds if index == 0 else 1, seniority if index == 0 else "", role=role)
            for index, role in enumerate(roles)
        ]

    def test_qualifies_with_the_third_persona_until_the_first_leaves(self) -> None:
        history = account(2, *self.personas("decision_maker", "influencer", "user"))
        assert stage_rows(history, JOURNEY) == [("none", 0), ("mqa", 2), ("none", 90)]

    def test_three_people_of_two_roles_are_two_personas(self) -> None:
        history = account(2, *self.personas("decision_maker", "influencer", "influencer"))
        assert stage_rows(history, JOURNEY) == [("none", 0)]

    def test_people_without_role_are_no_personas(self) -> None:
        assert stage_rows(account(2, *self.personas("decision_maker", "influencer", "")), JOURNEY) == [("none", 0)]

    @pytest.mark.parametrize(("seconds", "qualifies"), [(3599, False), (3600, True)])
    def test_sixty_minutes_of_the_vp_and_one_second_less(self, seconds: int, qualifies: bool) -> None:
        history = account(3, *self.personas("decision_maker", "influencer", "user", vp_seconds=seconds))
        assert (len(stage_rows(history, JOURNEY)) > 1) is qualifies

    @pytest.mark.parametrize(
        ("seniority", "qualifies"), [("director", False), ("vp", True), ("c_level", True), ("", False)]
    )
    def test_vp_or_above(self, seniority: str, qualifies: bool) -> None:
        history = account(3, *self.personas("decision_maker", "influencer", "user", seniority=seniority))
        assert (len(stage_rows(history, JOURNEY)) > 1) is qualifies

    def test_the_sixty_minutes_are_of_one_person(self) -> None:
        activities = [
            *self.personas("decision_maker", "influencer", "user", vp_seconds=1800),
            did(0, 7, 1800, "vp", role="decision_maker"),
        ]
        assert stage_rows(account(2, *activities), JOURNEY) == [("none", 0)]

    def test_an_account_of_unknown_tier_is_one_of_the_others(self) -> None:
        history = account(None, *self.personas("decision_maker", "influencer", "user"))
        assert stage_rows(history, JOURNEY) == [("none", 0), ("mqa", 2), ("none", 90)]

    def test_a_new_tier_brings_the_other_rule_at_that_instant(self) -> None:
        history = History(
            activities=tuple(self.personas("decision_maker", "influencer", "user")),
            fields={"tier": FieldHistory(initial=2, changes=((day(10), 1), (day(40), 3)))},
        )
        assert stage_rows(history, JOURNEY) == [("none", 0), ("mqa", 2), ("none", 10), ("mqa", 40), ("none", 90)]
