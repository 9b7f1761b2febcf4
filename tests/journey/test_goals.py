"""Goals through the database: what each kind counts, whose results, baselines, and what is refused."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, transaction

from journey.demo.goals import period
from journey.models import ExchangeRate, Opportunity
from journey.selectors.goal_kinds import goal_kinds
from journey.selectors.goals import goal_reports, goals_due, is_provisional
from journey.services.goals import change_goal, create_goal, review_goal, settle_baselines
from journey.services.memberships import update_memberships
from scoring.models import ActivityType
from segmentation.errors import ProblemError
from segmentation.models import GoalReview, SalesTeam, SegmentGoal
from segmentation.services.roles import REP, sync_roles
from tests.journey import worlds
from tests.journey.test_segments import field, segment, term
from tests.journey.worlds import account, activity, contact, day, deal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    ActivityType.objects.filter(key="page_view").update(category="web", default_minutes=1)
    ActivityType.objects.filter(key="webinar").update(default_minutes=30)


def goal(of, kind, target, first=100, last=199, now=150, **more):
    days = {"first_day": day(first).date(), "last_day": day(last).date()}
    return create_goal(segment=of, kind=kind, target=target, now=day(now), **days, **more)


def report(of, now, **more):
    [found] = goal_reports([of], day(now), **more)
    return found


def north(*names):
    made = segment("north", field("region", "north"))
    return made, [account(name, created=0, region="north") for name in names]


class TestKinds:
    """Each counts what it says, of members, within its days; and its baseline in as many days before."""

    def test_revenue_and_pipeline_are_amounts_won_and_opened(self):
        made, [one] = north("One")
        other = account(created=0, region="west")
        deal(one, ("Discovery", 0))  # how far deals reach back
        deal(one, ("Discovery", 20), ("Won", 50), amount=100, currency="EUR")
        deal(one, ("Discovery", 90), ("Won", 120), amount=250, currency="EUR")
        deal(one, ("Discovery", 110), ("Lost", 130), amount=70, currency="EUR")
        deal(one, ("Discovery", 111), ("Won", 130), ("Lost", 140), amount=9, currency="EUR")
        deal(other, ("Discovery", 110), ("Won", 120), amount=5000, currency="EUR")
        update_memberships()
        revenue, pipeline = goal(made, "revenue", 500), goal(made, "pipeline", 500)
        assert (revenue.currency, revenue.baseline, revenue.baseline_source) == ("EUR", 100, "recorded")
        assert (revenue.baseline_first_day, revenue.baseline_last_day) == (day(0).date(), day(99).date())
        assert pipeline.baseline == 350
        assert (report(revenue, 150).counted, report(pipeline, 150).counted) == (250, 79)
        assert report(revenue, 119).counted == 0
        assert report(revenue, 150).progress.expected == pytest.approx(250)

    def test_additional_sales_are_upsell_and_cross_sell_of_a_product(self):
        made, [one] = north("One")
        deal(one, ("Discovery", 0))
        for kind, product, amount in (
            ("upsell", "B", 10), ("cross_sell", "B", 20), ("new", "B", 40), ("upsell", "A", 80), ("renewal", "B", 160),
        ):  # fmt: skip
            deal(one, ("Discovery", 110), ("Won", 120), kind=kind, product=product, amount=amount, currency="EUR")
        update_memberships()
        assert report(goal(made, "upsell", 500), 150).counted == 110
        assert report(goal(made, "upsell_pipeline", 500, product="B"), 150).counted == 30

    def test_engagement_and_visits_rise_from_their_baseline(self):
        made, [one] = north("One")
        ann = contact(one)
        activity(one, "webinar", 0)  # 30 minutes
        for at in (50, 50.01, 50.05):  # 14 minutes after the other, then 58: two visits
            activity(one, "page_view", at, ann)
        activity(one, "page_view", 50.01)  # somebody unknown: a visit of its own
        activity(one, "webinar", 120, seconds=2400)
        activity(one, "page_view", 130, ann)
        activity(account(created=0, region="west"), "webinar", 120)
        update_memberships()
        engagement, visits = goal(made, "engagement", 25), goal(made, "visits", 100)
        assert (engagement.baseline, visits.baseline) == (34, 3)
        found = report(engagement, 150)
        assert (found.counted, found.aim.target) == (41, 42.5)
        assert found.progress.value == pytest.approx(41 + 17)
        assert report(visits, 150).counted == 1

    def test_new_customers_won_for_the_first_time_and_are_counted_although_winning_takes_them_out(self):
        prospects = segment("prospects", term("opportunity_won", negate=True))
        one, two, old = account(created=0), account(created=0), account(created=0)
        deal(one, ("Discovery", 0), ("Won", 120))
        deal(one, ("Discovery", 125), ("Won", 130))  # not for the first time
        deal(two, ("Discovery", 100), ("Won", 160))
        deal(old, ("Won", 40))
        update_memberships()
        made = goal(prospects, "new_logos", 5)
        assert made.baseline == 1
        assert [report(made, now).counted for now in (119, 120, 159, 160)] == [0, 1, 1, 2]

    def test_accounts_new_in_the_segment_were_never_in_it_before(self):
        busy = segment("busy", term("activity_count", times=1, window_days=10))
        one, two = account(created=0), account(created=0)
        activity(one, "webinar", 110), activity(one, "webinar", 150)  # comes, leaves, comes back
        activity(two, "webinar", 30), activity(two, "webinar", 140)  # was there before
        everyone = segment("everyone", term("field", field="region", operator="known"))
        account(created=120, region="north")  # its history begins in the segment on a known day
        update_memberships()
        assert report(goal(busy, "new_accounts", 5), 160).counted == 1
        assert report(goal(everyone, "new_accounts", 5), 160).counted == 1

    def test_every_kind_is_explained(self):
        assert all(kind.label and kind.help and kind.unit and kind.source for kind in goal_kinds().values())
        assert len(goal_kinds()) == 8


def test_members_at_the_time_or_those_of_the_first_day():
    busy = segment("busy", term("activity_count", times=1, window_days=30))
    stayed, came, left = (account(created=0) for _ in range(3))
    for one, at in ((stayed, 80), (stayed, 105), (came, 110), (left, 90)):
        activity(one, "webinar", at)
    deal(stayed, ("Discovery", 0))
    for one, amount in ((stayed, 1), (came, 10), (left, 100)):
        deal(one, ("Discovery", 125), amount=amount, currency="EUR")
    update_memberships()
    assert report(goal(busy, "pipeline", 500), 150).counted == 11  # the one that left is out by then
    started = segment("same", term("segment", segment="busy"))
    update_memberships()
    assert report(goal(started, "pipeline", 500, members="start"), 150).counted == 101


def test_a_late_fact_changes_what_is_counted_and_not_the_baseline():
    made, [one] = north("One")
    deal(one, ("Discovery", 0))
    update_memberships()
    revenue = goal(made, "revenue", 500)
    deal(one, ("Discovery", 20), ("Won", 50), amount=100, currency="EUR")
    deal(one, ("Discovery", 20), ("Won", 120), amount=30, currency="EUR")
    assert report(revenue, 150).counted == 30
    revenue.refresh_from_db()
    assert revenue.baseline == 0
    assert change_goal(goal=revenue, baseline=None, now=day(150)).baseline == 100


def test_amounts_are_in_the_currency_of_the_goal_and_what_has_no_rate_is_said():
    made, [one] = north("One")
    deal(one, ("Discovery", 0))
    for currency in ("EUR", "EUR", "USD", "JPY"):
        deal(one, ("Discovery", 110), amount=100, currency=currency)
    ExchangeRate.objects.create(currency="USD", into="EUR", day=day(0).date(), rate=Decimal("0.5"))
    update_memberships()
    in_dollars = goal(made, "pipeline", 500, currency="USD")
    found = report(in_dollars, 150)
    assert found.counted == 100 + 2 * 200
    assert "JPY" in found.notes["no_rate"]
    assert "(1)" in found.notes["no_rate"]


class TestBaselines:
    """Taken from history, or given with a reason; never made up."""

    @pytest.fixture
    def made(self):
        made, [one] = north("One")
        activity(one, "webinar", 40), activity(one, "webinar", 120)
        update_memberships()
        return made

    def test_history_that_does_not_reach_back_gives_none(self, made):
        with pytest.raises(ProblemError) as caught:
            goal(made, "engagement", 25)
        assert (caught.value.code, caught.value.field) == ("no_baseline", "baseline")
        assert "Give a baseline and the reason" in str(caught.value)
        assert goal(made, "engagement", 25, first=100, last=129, baseline=60, baseline_reason="Survey").baseline == 60

    def test_no_history_and_per_cents_of_nothing_give_none(self, made):
        with pytest.raises(ProblemError, match="no recorded history"):
            goal(made, "revenue", 25)
        with pytest.raises(ProblemError, match="per cents of nothing"):
            goal(made, "engagement", 25, first=100, last=129)
        with pytest.raises(ProblemError, match="not worked out yet"):
            goal(segment("later", field("region", "x")), "engagement", 25, first=100, last=129)

    def test_a_given_one_counts_and_needs_a_reason(self, made):
        with pytest.raises(ProblemError) as caught:
            goal(made, "engagement", 25, baseline=60)
        assert (caught.value.code, caught.value.field) == ("no_reason", "baseline_reason")
        given = goal(made, "engagement", 50, baseline=60, baseline_reason="The pilot in spring")
        assert (given.baseline_source, given.baseline_first_day) == ("given", None)
        found = report(given, 150)
        assert (found.aim.target, found.progress.value) == (90, pytest.approx(30 + 30))
        assert change_goal(goal=given, last_day=day(180).date(), now=day(150)).baseline == 60

    def test_one_of_the_future_is_taken_again_when_it_starts(self, made):
        planned = goal(made, "engagement", 25, first=130, last=149, now=125)
        assert (planned.baseline, planned.baseline_last_day) == (30, day(124).date())
        assert is_provisional(planned)
        assert "provisional_baseline" in report(planned, 126).notes
        activity(made.histories.first().memberships.model.objects.first().account, "webinar", 127)
        assert settle_baselines(day(129)) == []
        assert settle_baselines(day(131)) == [planned]
        planned.refresh_from_db()
        assert (planned.baseline, planned.baseline_last_day) == (60, day(129).date())
        assert settle_baselines(day(132)) == []

    def test_other_days_take_another_baseline(self, made):
        first = goal(made, "engagement", 25, first=125, last=134)
        assert first.baseline == 30
        with pytest.raises(ProblemError, match="per cents of nothing"):
            change_goal(goal=first, first_day=day(140).date(), last_day=day(149).date(), now=day(150))
        first.refresh_from_db()
        assert first.first_day == day(125).date()


class TestRefused:
    """Said with field, value and remedy, and nothing is changed."""

    @pytest.fixture
    def made(self):
        made, [one] = north("One")
        deal(one, ("Discovery", 0), amount=5, currency="EUR", product="Orbit")
        update_memberships()
        goal(made, "revenue", 500)
        return made

    CASES = (
        ({"kind": "revenu"}, "unknown_kind", "kind"),
        ({"first": 200, "last": 199}, "ends_before_start", "last_day"),
        ({"first": 0, "last": 4000}, "too_long", "last_day"),
        ({"first_day": "soon"}, "bad_day", "first_day"),
        ({"target": float("nan")}, "not_finite", "target"),
        ({"target": float("inf")}, "not_finite", "target"),
        ({"target": "much"}, "not_finite", "target"),
        ({"target": None}, "not_finite", "target"),
        ({"target": True}, "not_finite", "target"),
        ({"target": 0}, "out_of_range", "target"),
        ({"target": -5}, "out_of_range", "target"),
        ({"target": 10**16}, "out_of_range", "target"),
        ({"currency": "GBP"}, "no_rate", "currency"),
        ({"currency": "E"}, "bad_currency", "currency"),
        ({"kind": "visits", "currency": "EUR"}, "no_currency", "currency"),
        ({"kind": "visits", "product": "Orbit"}, "no_product", "product"),
        ({"product": "Orbti"}, "unknown_product", "product"),
        ({"members": "all"}, "invalid", "members"),
        ({"review_days": 0}, "invalid", "review_days"),
        ({"name": "x" * 121}, "invalid", "name"),
        ({"note": "a\x00b"}, "invalid", "note"),
        ({"baseline": float("nan"), "baseline_reason": "x"}, "not_finite", "baseline"),
        ({"baseline": -1, "baseline_reason": "x"}, "out_of_range", "baseline"),
        ({"colour": "red"}, "unknown_key", "colour"),
        ({"first": 199, "last": 250}, "overlapping_goals", "first_day"),
        ({"first": 0, "last": 100}, "overlapping_goals", "first_day"),
    )

    def test_what_cannot_be_a_goal(self, made):
        for change, code, at in self.CASES:
            given = {"kind": "revenue", "target": 5, "first": 300, "last": 320, **change}
            days = {name: given.pop(name) for name in ("first", "last")}
            given = {"first_day": day(days["first"]).date(), "last_day": day(days["last"]).date(), **given}
            with pytest.raises(ProblemError) as caught:
                create_goal(segment=made, now=day(150), **given)
            assert (caught.value.code, caught.value.field) == (code, at)
            assert caught.value.remedy, code
        assert SegmentGoal.objects.count() == 1

    def test_neighbours_and_other_kinds_do_not_overlap(self, made):
        goal(made, "revenue", 5, first=200, last=220, baseline=1, baseline_reason="x")
        goal(made, "pipeline", 5, baseline=1, baseline_reason="x")
        assert SegmentGoal.objects.count() == 3

    def test_a_change_that_overlaps_or_moves_what_is_fixed(self, made):
        later = goal(made, "revenue", 5, first=200, last=220, baseline=1, baseline_reason="x")
        for change, code in (
            ({"first_day": day(199).date()}, "overlapping_goals"),
            ({"kind": "pipeline"}, "fixed"),
            ({"last_day": day(1).date()}, "ends_before_start"),
        ):
            with pytest.raises(ProblemError) as caught:
                change_goal(goal=later, now=day(150), **change)
            assert caught.value.code == code
        later.refresh_from_db()
        assert (later.first_day, later.kind) == (day(200).date(), "revenue")

    def test_the_database_refuses_an_overlap_too(self, made):
        first = SegmentGoal.objects.get()
        first.pk = None
        with pytest.raises(IntegrityError, match="segmentgoal_one_of_a_kind_at_a_time"), transaction.atomic():
            first.save(force_insert=True)


def test_a_review_is_kept_with_the_figures_and_puts_off_the_next():
    made, [one] = north("One")
    deal(one, ("Discovery", 0))
    update_memberships()
    of = goal(made, "revenue", 500, review_days=20)
    assert (report(of, 119).is_due, report(of, 120).is_due) == (False, True)
    assert [found.pk for found in goals_due(day(120))] == [of.pk]
    with pytest.raises(ProblemError) as caught:
        review_goal(goal=of, note="  ", now=day(120))
    assert caught.value.code == "bad_note"
    review_goal(goal=of, note="Two deals slipped.", now=day(120))
    GoalReview.objects.all().delete()
    review = GoalReview.objects.create(goal=of, note="x", reviewed_at=day(120))
    assert [report(of, now).is_due for now in (139, 140)] == [False, True]
    assert report(of, 201).is_due  # it ended, and nobody looked since
    review.delete()
    GoalReview.objects.create(goal=of, note="x", reviewed_at=day(201))
    assert report(of, 900).due_at is None
    assert review_goal(goal=of, note="Done.", now=day(150)).figures["status"] == "behind"


def test_a_limited_user_learns_what_own_accounts_brought_and_nothing_else():
    sync_roles()
    team = SalesTeam.objects.create(key="own", name="Own")
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    team.members.add(rep)
    made, [mine, theirs] = north("Mine", "Theirs")
    type(mine).objects.filter(pk=mine.pk).update(team=team)
    deal(mine, ("Discovery", 0))
    for one, amount in ((mine, 30), (theirs, 1000)):
        deal(one, ("Discovery", 110), ("Won", 120), amount=amount, currency="EUR")
    update_memberships()
    found = report(goal(made, "revenue", 500), 150, user=rep, with_course=True)
    shown = found.as_dict()
    assert (found.counted, found.points, found.notes) == (30, [], {})
    assert {name for name, value in shown.items() if value in (None, [], False)} >= {
        "status", "value", "expected", "progress", "forecast", "baseline", "notes", "review_due_at",
    }  # fmt: skip
    assert shown["target"] == 500


def test_the_command_tells_how_goals_stand(capsys):
    made, [one] = north("One")
    deal(one, ("Discovery", 0))
    Opportunity.objects.update(currency="EUR")
    update_memberships()
    goal(made, "revenue", 500)
    call_command("goals", "--as-of", "2025-05-31", "--json")
    [found] = json.loads(capsys.readouterr().out)
    assert (found["segment"], found["status"], found["expected"]) == ("north", "behind", pytest.approx(250))
    call_command("goals", "--segment", "north")
    assert "Revenue" in capsys.readouterr().out


def test_the_periods_of_the_demo_are_quarters_and_half_years():
    today = dt.date(2026, 11, 22)
    assert period(today, 3, 0) == (dt.date(2026, 10, 1), dt.date(2026, 12, 31))
    assert period(today, 3, 1) == (dt.date(2026, 7, 1), dt.date(2026, 9, 30))
    assert period(today, 6, -1) == (dt.date(2027, 1, 1), dt.date(2027, 6, 30))
