"""The demo world: equal for equal parameters, believable, and without contradictions. No database here."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from journey.demo.catalogue import CODE, TYPES
from journey.demo.interest import DISCOVERY, LOST, NEVER, WON
from journey.demo.parameters import DAY, DemoParameters
from journey.demo.seasons import CHINA, Seasons
from journey.demo.words import TITLES, traditional
from journey.demo.world import World, build_world
from segmentation.engine.titles import DEFAULT_RULES, TitleClassifier
from segmentation.errors import InvalidValueError

PARAMETERS = DemoParameters(accounts=1_500, activities=90_000, seed=11, years=2, end_date=date(2026, 9, 1))
SMALL = DemoParameters(accounts=40, activities=1_000, seed=3, years=1, end_date=date(2025, 4, 1))


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(PARAMETERS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accounts": 0}, "accounts"),
        ({"accounts": 100_001}, "accounts"),
        ({"activities": -1}, "activities"),
        ({"activities": 10_000_001}, "activities"),
        ({"seed": -1}, "seed"),
        ({"years": 0}, "years"),
        ({"years": 11}, "years"),
        ({"end_date": date(1990, 1, 1)}, "end-date"),
        ({"end_date": date(2100, 1, 2)}, "end-date"),
    ],
)
def test_a_size_out_of_bounds_is_refused_with_its_name_and_value(change: dict, field: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        replace(SMALL, **change)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field} {next(iter(change.values()))} cannot be used.")


def test_equal_parameters_make_equal_worlds_and_another_seed_another_world() -> None:
    digest = build_world(SMALL).digest()
    assert build_world(SMALL).digest() == digest
    assert build_world(replace(SMALL, seed=4)).digest() != digest
    assert build_world(replace(SMALL, end_date=date(2025, 4, 2))).digest() != digest


@pytest.mark.parametrize(
    ("accounts", "activities"), [(1, 0), (1, 1), (1, 5_000), (2, 3), (300, 0), (300, 7), (7, 20_000)]
)
def test_exactly_as_many_accounts_and_activities_as_asked_for(accounts: int, activities: int) -> None:
    for seed in range(4):
        made = build_world(replace(SMALL, accounts=accounts, activities=activities, seed=seed))
        assert (len(made.companies), len(made.activities)) == (accounts, activities)


def test_every_fact_lies_within_the_history_and_is_learnt_after_it_happened(world: World) -> None:
    end = PARAMETERS.seconds
    for facts in (world.activities, world.changes):
        assert facts.occurred.min() >= 0
        assert facts.occurred.max() < end
        assert (facts.recorded >= facts.occurred).all()
        assert facts.recorded.max() < end
    assert world.companies.created.max() < end
    assert world.people.created.max() < end
    assert (world.customers.since < end).all()
    assert (world.disqualified.until > world.disqualified.since).all()


def test_nothing_happens_before_those_it_happens_to_are_there(world: World) -> None:
    people, companies, activities = world.people, world.companies, world.activities
    assert (activities.occurred >= companies.created[activities.account]).all()
    named = activities.contact >= 0
    assert (activities.occurred[named] >= people.created[activities.contact[named]]).all()
    assert (people.created >= companies.created[people.account]).all()
    assert (world.opportunities.opened >= companies.created[world.opportunities.account]).all()
    assert (world.disqualified.since >= companies.created[world.disqualified.account]).all()
    with_contact = world.opportunities.contact >= 0
    assert (people.created[world.opportunities.contact] <= world.opportunities.opened)[with_contact].all()


def test_references_stay_within_the_account(world: World) -> None:
    named = world.activities.contact >= 0
    assert (world.people.account[world.activities.contact[named]] == world.activities.account[named]).all()
    with_contact = world.opportunities.contact >= 0
    owner = world.people.account[world.opportunities.contact[with_contact]]
    assert (owner == world.opportunities.account[with_contact]).all()
    parents = world.companies.parent[world.companies.parent >= 0]
    assert len(parents)
    assert (world.companies.parent[parents] == -1).all(), "a parent has no parent: no loops"


def test_names_are_unique_and_in_both_languages(world: World) -> None:
    names = world.companies.name
    assert len(set(names)) == len(names)
    domains = [domain for domain in world.companies.domain if domain]
    assert len(set(domains)) == len(domains)
    assert all(domain.endswith(".example") for domain in domains)
    for form in (" Inc", " GmbH", "有限公司", "股份有限公司"):
        assert any(name.endswith(form) for name in names), form
    for city in ("北京", "上海", "深圳", "台北"):
        assert any(name.startswith(city) for name in names), city
    assert 0.3 < np.mean(["\u4e00" <= name[0] <= "\u9fff" for name in names]) < 0.55


def test_an_opportunity_says_what_its_changes_add_up_to(world: World) -> None:
    opportunities, changes = world.opportunities, world.changes
    for number in range(len(opportunities)):
        rows = np.flatnonzero(changes.opportunity == number)
        assert (np.diff(changes.occurred[rows]) >= 0).all()
        assert changes.sequence[rows].tolist() == list(range(len(rows)))

        def last(values: np.ndarray, rows: np.ndarray = rows) -> float:
            known = values[rows][values[rows] != -1]
            return known[-1] if len(known) else -1

        assert opportunities.stage[number] == last(changes.stage)
        assert opportunities.amount[number] == last(changes.amount)
        assert opportunities.expected_close[number] == last(changes.expected_close)
        assert opportunities.opened[number] == changes.occurred[rows[0]]
        is_closed = opportunities.stage[number] >= WON
        assert opportunities.closed[number] == (changes.occurred[rows[-1]] if is_closed else -1)
        assert (opportunities.loss_reason[number] >= 0) == (opportunities.stage[number] == LOST)
        stages = changes.stage[rows][changes.stage[rows] >= 0]
        assert (np.diff(stages) > 0).all()


def test_deals_of_every_kind_and_outcome_occur(world: World) -> None:
    assert set(world.opportunities.kind) == {0, 1, 2, 3}
    assert set(world.opportunities.stage) == {0, 1, 2, 3, 4, 5}
    new = world.opportunities.kind == 0
    won = (world.opportunities.stage == WON)[new].sum()
    lost = (world.opportunities.stage == LOST)[new].sum()
    assert 0.2 < won / (won + lost) < 0.5
    days = (world.opportunities.closed - world.opportunities.opened)[new & (world.opportunities.stage == WON)] / DAY
    assert 45 < np.median(days) < 160


def test_a_customer_period_begins_with_a_won_deal_and_products_show_it(world: World) -> None:
    opportunities = world.opportunities
    won = opportunities.stage == WON
    closes = set(zip(opportunities.account[won].tolist(), opportunities.closed[won].tolist(), strict=True))
    periods = zip(world.customers.account.tolist(), world.customers.since.tolist(), strict=True)
    assert all(period in closes for period in periods)
    ended = world.customers.until != NEVER
    assert 0 < ended.sum() < len(ended) / 2
    assert (world.customers.until > world.customers.since).all()

    last = world.field_history.last_of(PARAMETERS.accounts)
    current = np.zeros(PARAMETERS.accounts, dtype=bool)
    current[world.customers.account[~ended]] = True
    assert ((world.field_history.products[last] > 0) == current).all()
    assert ((world.field_history.relationship[last] == "customer") == current).all()


def test_the_field_history_ends_in_todays_tier_and_some_tiers_changed(world: World) -> None:
    history = world.field_history
    last = history.last_of(PARAMETERS.accounts)
    assert (history.tier[last] == world.companies.tier).all()
    assert (np.diff(history.at)[np.diff(history.account) == 0] >= 0).all()
    first = np.searchsorted(history.account, np.arange(PARAMETERS.accounts))
    assert (history.at[first] == world.companies.recorded).all()
    assert 0.05 < (history.tier[first] != history.tier[last]).mean() < 0.2


def test_committees_know_ranks_and_roles_and_leave_some_unknown(world: World) -> None:
    assert set(world.people.seniority) == {-1, 0, 1, 2, 3, 4}
    assert set(world.people.role) == {-1, 0, 1, 2, 3}
    assert 0.05 < (world.people.role < 0).mean() < 0.3


@pytest.mark.parametrize("write", [lambda t: t.english, lambda t: t.chinese, lambda t: traditional(t.chinese)])
def test_the_title_rules_read_the_demo_titles_as_they_are_meant(write: Callable) -> None:
    classifier = TitleClassifier(DEFAULT_RULES)
    for title in TITLES:
        read = classifier.classify(write(title))
        assert (read.seniority, read.department) == (title.seniority, title.department), write(title)


def test_activity_is_spread_unevenly_and_weekends_are_quiet(world: World) -> None:
    per_account = np.sort(np.bincount(world.activities.account, minlength=PARAMETERS.accounts))[::-1]
    assert (per_account == 0).mean() > 0.1
    assert per_account[: PARAMETERS.accounts // 10].sum() > 0.35 * PARAMETERS.activities
    weekday = (world.activities.occurred // DAY + PARAMETERS.start.weekday()) % 7
    assert (weekday >= 5).mean() < 0.12
    assert {TYPES[code] for code in set(world.activities.type)} >= {
        "page_view", "price_page_view", "webinar", "event", "meeting", "demo_request", "product_login", "wechat_read",
    }  # fmt: skip


def test_a_meeting_is_held_missed_or_cancelled_and_one_hour_has_all_its_people(world: World) -> None:
    activities = world.activities
    meetings = activities.type == CODE["meeting"]
    assert set(activities.outcome[meetings]) == {1, 2, 3}
    held = meetings & (activities.outcome == 1)
    together = np.unique(np.stack([activities.account[held], activities.occurred[held]]), axis=1).shape[1]
    assert together < 0.7 * held.sum()


def test_the_chinese_new_year_is_quiet_in_china_and_times_invert_the_mass() -> None:
    parameters = DemoParameters(accounts=1, activities=0, seed=1, years=1, end_date=date(2026, 6, 1))
    seasons = Seasons(parameters)
    clock = np.full(2, CHINA)

    def busy(first: date, last: date) -> float:
        bounds = [datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for day in (first, last)]
        low, high = seasons.mass(clock, np.array(bounds) - parameters.start.timestamp())
        return high - low

    assert busy(date(2026, 2, 16), date(2026, 2, 23)) < 0.3 * busy(date(2026, 3, 16), date(2026, 3, 23))
    wanted = np.linspace(0.001, parameters.days - 0.001, 5_000)
    clocks = np.arange(5_000) % 4
    assert np.abs(seasons.mass(clocks, seasons.times(clocks, wanted)) - wanted).max() < 0.001


def test_deals_lost_late_sometimes_come_back_by_a_demo_request(world: World) -> None:
    activities, opportunities = world.activities, world.opportunities
    requests = activities.type == CODE["demo_request"]
    lost = np.flatnonzero((opportunities.stage == LOST) & (opportunities.kind == 0))
    came_back = 0
    for number in lost:
        account, closed = opportunities.account[number], opportunities.closed[number]
        later = activities.occurred[requests & (activities.account == account)]
        came_back += bool((later > closed).any())
    assert came_back >= 5
    assert (opportunities.stage == DISCOVERY).any()
