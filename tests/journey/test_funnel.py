"""The funnel as the command, the API and the page get it: small worlds, every figure by hand."""

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from journey.errors import JourneyError
from journey.models import Cost, ExchangeRate, Journey, Opportunity, OpportunityChange
from journey.selectors.funnel import funnel, funnel_query
from journey.selectors.funnel_charts import heat_map
from journey.selectors.journeys import find_journey
from journey.services.replay import replay
from scoring.models import Activity
from segmentation.errors import ProblemError
from segmentation.models import Account, ListMembership, TargetList
from tests.journey import worlds
from tests.journey.worlds import account, activity, day, deal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settings_of_the_journeys():
    worlds.install()


def ask(start=0, end=365, as_of=365, **more):
    """The report of the ready-made journey “standard”; days after the first of January 2025."""
    question = {"journey": find_journey("standard"), "start": day(start), "end": day(end)}
    if as_of is not None:
        question["as_of"] = day(as_of)
    return funnel(funnel_query(**question, **more))


def stage(report, key):
    return next(stage for stage in report.stages if stage.key == key)


def groups(report):
    return {" · ".join(group.labels): group for group in report.groups}


def history_from(of: Account, number: float, **was) -> None:
    """Let the recorded history of an account begin on a day, with other values until its last change."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segmentation_accountevent SET pgh_created_at = %s WHERE pgh_obj_id = %s", [day(number), of.pk]
        )
        for name, value in was.items():
            cursor.execute(f"UPDATE segmentation_accountevent SET {name} = %s WHERE pgh_obj_id = %s", [value, of.pk])


def command(*options):
    out = io.StringIO()
    call_command("funnel", "--journey", "standard", *options, stdout=out)
    return out.getvalue()


RANGE = ("--start", "2025-01-01", "--end", "2026-01-01", "--as-of", "2026-01-01")


def test_a_small_world_by_hand():
    won, open_, quiet = account(created=0), account(created=0), account(created=0)
    activity(won, "webinar", 10)
    deal(won, ("Discovery", 20), ("Won", 50))
    activity(open_, "webinar", 10)
    deal(open_, ("Discovery", 40))
    replay()
    found = json.loads(command(*RANGE, "--json"))
    rows = {row["key"]: row for row in found["stages"]}
    assert {key: (row["now"], row["volume"], row["accounts"], row["began"]) for key, row in rows.items()} == {
        "none": (1, 0, 0, 3),
        "aware": (0, 2, 2, 0),
        "mqa": (0, 0, 0, 0),
        "opportunity": (1, 2, 2, 0),
        "customer": (1, 1, 1, 0),
    }
    assert rows["none"]["share"] == pytest.approx(1 / 3)
    aware, deals = rows["aware"], rows["opportunity"]
    assert (aware["conversion"]["rate"], aware["conversion"]["direct"], aware["conversion"]["n"]) == (1.0, 0.0, 2)
    assert (aware["velocity"]["mean_days"], aware["velocity"]["median_days"]) == (20, 20)
    assert aware["velocity"]["reached"] == {"30": 0, "90": 0, "180": 0}  # mqa itself was never entered
    assert aware["velocity"]["reached_or_later"] == {"30": 1, "90": 1, "180": 1}
    assert (deals["conversion"]["rate"], deals["velocity"]["mean_days"]) == (0.5, 30)
    assert deals["velocity"]["stay_km_median_days"] == 30
    whole = found["overall"]
    assert (whole["from"], whole["to"], whole["conversion"]["rate"]) == ("aware", "customer", 0.5)
    assert whole["velocity"]["median_days"] == 40
    assert whole["trust"] == {"exact": 8, "derived": 0, "assumed": 0}
    assert set(rows["mqa"]["value"]) >= {"pipeline", "revenue", "currency", "investment_per_opportunity"}
    assert quiet.pk


def test_nothing_to_divide_by_is_null_and_json_holds_no_odd_number():
    account(created=0)
    replay()
    text = command(*RANGE, "--json", "--by", "region", "--by", "tier")
    found = json.loads(text)
    assert "NaN" not in text
    assert "Infinity" not in text
    customer = {row["key"]: row for row in found["stages"]}["mqa"]
    assert customer["conversion"] == {
        "rate": None, "direct": None, "low": None, "high": None, "n": 0, "converted": 0, "immature": None,
    }  # fmt: skip
    assert {customer["velocity"][name] for name in ("mean_days", "median_days", "stay_km_median_days")} == {None}
    assert {customer["value"][name] for name in ("pipeline", "revenue", "investment_per_opportunity")} == {None}
    assert found["groups"][0]["values"] == {"region": None, "tier": None}


def test_any_stage_may_be_the_goal_and_a_horizon_limits_what_counts():
    quick, slow = account(created=0), account(created=0)
    for acme, at in ((quick, 40), (slow, 80)):
        activity(acme, "webinar", 10)
        deal(acme, ("Discovery", 20), ("Won", at))
    replay()
    assert stage(ask(to="customer"), "aware").conversion.rate == 1
    within = stage(ask(to="customer", horizon_days=30), "aware").conversion
    assert (within.rate, within.immature) == (0.5, 0)
    early = ask(to="customer", horizon_days=100, as_of=60)
    assert stage(early, "aware").conversion.immature == 2
    assert [note.code for note in early.notes] == ["horizon_longer_than_data"]
    young = ask(to="customer", horizon_days=40, as_of=45)
    assert [note.code for note in young.notes] == ["immature"]
    # The one that is a customer already has nothing to wait for.
    asked = sum(row.conversion.immature for row in young.stages)
    assert young.notes[0].text.startswith(f"For {asked} beginnings")
    assert asked < sum(row.volume + row.began for row in young.stages if row.key != "none")


def test_a_value_is_found_letter_by_letter_before_any_case_and_any_case_finds_all():
    for region in ("North", "north", "NORTH", "South"):
        activity(account(created=0, region=region), "webinar", 10)
    replay()
    for name, group in groups(ask(by=["region"])).items():
        assert stage(ask(where={"region": [name]}), "aware").volume == stage(group, "aware").volume == 1
    assert stage(ask(where={"region": ["nORTH"]}), "aware").volume == 3
    assert stage(ask(where={"region": ["nORTH", "South", "north"]}), "aware").volume == 4


def test_bands_keep_their_order_down_and_across():
    for employees in (30, 60, 300, 2000, 9000, None):
        activity(account(created=0, region="North", employees=employees), "webinar", 10)
    replay()
    bands = ["< 50", "50 - < 250", "250 - < 1,000", "1,000 - < 5,000", "5,000+", "(none)"]
    assert heat_map(ask(by=["size", "region"]), "aware").down == bands
    assert heat_map(ask(by=["region", "size"]), "aware").across == bands


def test_a_name_that_looks_like_mark_up_is_shown_as_it_is():
    activity(account(created=0, region="[/b] [red]North"), "webinar", 10)
    replay()
    assert "[/b] [red]North" in command(*RANGE, "--by", "region")


def move(of: Account, number: float, region: str) -> None:
    """Let an account be in another region from a day on."""
    of.region = region
    of.save()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segmentation_accountevent SET pgh_created_at = %s WHERE pgh_obj_id = %s AND region = %s",
            [day(number), of.pk, region],
        )


def test_what_was_won_in_a_group_nobody_is_in_any_more_is_in_that_group():
    acme = account(created=0, region="North")
    deal(acme, ("Discovery", 12), ("Won", 15))
    second = deal(acme, ("Discovery", 30), ("Won", 50))
    Opportunity.objects.filter(pk=second.pk).update(amount=Decimal(700), currency="EUR")
    history_from(acme, 5)
    move(acme, 60, "South")
    replay()
    report = ask(start=45, by=["region"])
    found = groups(report)
    assert report.overall.value.revenue == 700
    assert stage(found["North"], "customer").value.revenue == found["North"].overall.value.revenue == 700
    assert (found["North"].overall.now, stage(found["North"], "customer").volume) == (0, 0)
    assert (found["South"].overall.now, found["South"].overall.value.revenue) == (1, None)


def test_groups_read_the_value_of_the_moment_and_say_where_it_is_assumed():
    acme = account(created=0, region="North")
    activity(acme, "webinar", 10)
    deal(acme, ("Discovery", 30))
    history_from(acme, 5)
    move(acme, 20, "South")
    replay()
    found = groups(ask(by=["region"]))
    assert stage(found["North"], "aware").volume == 1
    assert stage(found["South"], "opportunity").volume == 1
    assert (stage(found["North"], "opportunity").volume, stage(found["South"], "aware").volume) == (0, 0)
    assert stage(found["South"], "opportunity").now == 1
    # The value of day 0 is not recorded: today's stands in.
    assert stage(found["South"], "none").trust == {"exact": 0, "derived": 0, "assumed": 1}
    assert stage(found["North"], "aware").trust == {"exact": 1, "derived": 0, "assumed": 0}


def test_two_fields_lists_of_products_bands_and_first_activities():
    one = account(created=0, employees=49, products=["crm", "mail"], tier=1)
    two = account(created=0, employees=50, tier=1)
    activity(one, "webinar", 10)
    activity(one, "page_view", 11)
    activity(two, "page_view", 12)
    replay()
    assert {key: group.overall.now for key, group in groups(ask(by=["size", "tier"])).items()} == {
        "< 50 · 1: one-to-one": 1,
        "50 - < 250 · 1: one-to-one": 1,
    }
    report = ask(by=["product"])
    assert report.overlapping
    assert "groups_overlap" in [note.code for note in report.notes]
    assert {key: stage(group, "aware").volume for key, group in groups(report).items()} == {
        "crm": 1,
        "mail": 1,
        "(none)": 1,
    }
    first = groups(ask(by=["first_activity"]))
    assert (stage(first["webinar"], "aware").volume, stage(first["page_view"], "aware").volume) == (1, 1)
    assert stage(first["(none)"], "none").began == 2  # before there was any activity


def test_only_the_largest_groups_are_told_apart_and_the_rest_is_added_up():
    for number, region in enumerate(("North", "North", "North", "South", "South", "West", "")):
        activity(account(created=0, region=region), "webinar", 10 + number)
    replay()
    report = ask(by=["region"], most_groups=2)
    assert {key: stage(group, "aware").volume for key, group in groups(report).items()} == {
        "North": 3,
        "South": 2,
        "(others)": 2,
    }
    assert "groups_merged" in [note.code for note in report.notes]


def test_filters_by_value_count_what_held_at_the_moment():
    for region in ("North", "South"):
        activity(account(created=0, region=region), "webinar", 10)
    replay()
    assert stage(ask(where={"region": ["north"]}), "aware").volume == 1
    assert stage(ask(where={"region": ["North", "South"]}), "aware").volume == 2
    assert stage(ask(where={"region": ["(none)"]}), "aware").volume == 0
    with pytest.raises(JourneyError, match="There are: North, South"):
        ask(where={"region": ["Nort"]})
    # Who sees some accounts only does not learn what the others have.
    with pytest.raises(JourneyError, match="There are: –"):
        ask(where={"region": ["Nort"]}, accounts=Account.objects.filter(region="North"))


def test_a_list_counts_as_it_was_at_each_moment_as_it_is_or_as_a_cohort():
    target = TargetList.objects.create(key="focus", name="Focus")
    left, stayed, came = account(created=0), account(created=0), account(created=0)
    for acme in (left, stayed, came):
        activity(acme, "webinar", 10)
    for acme, start, end in ((left, 0, 20), (stayed, 0, None), (came, 15, None)):
        ListMembership.objects.create(
            target_list=target,
            account=acme,
            state="active",
            start_at=day(start),
            end_at=None if end is None else day(end),
        )
    replay()

    def counted(**more):
        aware = stage(ask(list_key="focus", as_of=30, end=30, **more), "aware")
        return aware.volume, aware.now

    assert counted() == (2, 2)  # left and stayed were on it on day 10; stayed and came are on day 30
    assert counted(list_mode="is") == (2, 2)  # stayed and came, also for day 10
    assert counted(list_mode="cohort") == (2, 2)  # left and stayed, also on day 30
    assert counted(list_mode="cohort", cohort_at=day(16)) == (3, 3)
    # A change of the list shows at once: lists are read again, without a replay.
    ListMembership.objects.filter(account=came).update(end_at=day(25))
    assert counted() == (2, 1)


def test_deals_in_currencies_with_and_without_rate_and_costs_for_each_opportunity():
    acme, other = account(created=0), account(created=0)
    worth = [
        (deal(acme, ("Discovery", 10), currency="EUR"), 100),
        (deal(acme, ("Discovery", 11), ("Won", 50), currency="EUR"), 1000),
        (deal(acme, ("Discovery", 12), currency="USD"), 200),
        (deal(other, ("Discovery", 13), currency="XXX"), 300),
        (deal(other, ("Discovery", 14), currency="EUR"), None),
        (deal(None, ("Discovery", 15), currency="EUR"), 40),
    ]
    for of, amount in worth:
        if amount is not None:
            OpportunityChange.objects.filter(opportunity=of, sequence=0).update(amount=amount)
    ExchangeRate.objects.create(currency="EUR", into="USD", day=day(0).date(), rate=2)
    ExchangeRate.objects.create(currency="XXX", into="EUR", day=day(400).date(), rate=1)  # too late to be known
    Cost.objects.create(kind="media", first_day=day(0).date(), last_day=day(9).date(), amount=50, currency="USD")
    Cost.objects.create(kind="labour", first_day=day(360).date(), last_day=day(369).date(), amount=100)
    replay()
    report = ask()
    assert stage(report, "customer").value.revenue == 1000
    # 100 EUR and 200 USD of the account that is a customer now; the other's is in a currency without rate.
    assert stage(report, "customer").value.pipeline == 200
    assert (stage(report, "opportunity").value.pipeline, stage(report, "opportunity").value.without_amount) == (None, 1)
    assert report.overall.value.pipeline == 240  # with the deal without account
    assert report.overall.value.currency == "EUR"
    (note,) = [note for note in report.notes if note.code == "no_rate"]
    assert "300.00 XXX" in note.text
    # 25 EUR of media, and half of the labour lies within the range; six deals were opened.
    assert report.overall.costs == {"media": 25, "labour": 50}
    assert (report.overall.investment, report.overall.opportunities) == (75, 6)
    assert report.overall.value.investment_per_opportunity == 12.5
    assert stage(report, "opportunity").value.cost_per_entry == 37.5
    assert ask(end=5, as_of=5).overall.costs == {"media": 12.5}
    limited = ask(where={"region": ["(none)"]})
    assert limited.overall.value.investment_per_opportunity is None
    assert limited.overall.value.pipeline == 200
    assert "costs_not_split" in [note.code for note in limited.notes]


def test_a_win_taken_back_is_no_revenue_and_the_past_shows_what_was_open_then():
    acme = account(created=0)
    made = deal(acme, ("Discovery", 10), ("Won", 20), ("Discovery", 30), currency="EUR")
    OpportunityChange.objects.filter(opportunity=made, sequence=0).update(amount=Decimal("10.50"))
    OpportunityChange.objects.filter(opportunity=made, sequence=2).update(amount=Decimal("99.99"))
    replay()
    assert ask(as_of=15).overall.value.pipeline == 10.5
    assert (ask(as_of=25).overall.value.revenue, ask(as_of=25).overall.value.pipeline) == (10.5, None)
    assert (ask().overall.value.revenue, ask().overall.value.pipeline) == (None, 99.99)


def test_known_at_holds_back_what_was_recorded_later():
    acme, later = account(created=0, region="North"), account(created=0)
    activity(acme, "webinar", 10)
    activity(acme, "webinar", 200)
    deal(acme, ("Discovery", 20), ("Won", 60))
    replay()
    Activity.objects.filter(occurred_at=day(10)).update(recorded_at=day(12))
    Activity.objects.filter(occurred_at=day(200)).update(recorded_at=day(200))
    Account.objects.filter(pk=acme.pk).update(recorded_at=day(5))
    Account.objects.filter(pk=later.pk).update(recorded_at=day(300))
    Opportunity.objects.update(recorded_at=day(20))
    OpportunityChange.objects.filter(sequence=0).update(recorded_at=day(20))
    OpportunityChange.objects.filter(sequence=1).update(recorded_at=day(150))
    replay()

    def now(known, as_of=None):
        report = ask(known_at=day(known), as_of=as_of)
        return {stage.key: stage.now for stage in report.stages if stage.now}

    assert now(8) == {"none": 1}  # the webinar of day 10 was not known, the other account neither
    assert now(12) == {"aware": 1}
    assert now(11, as_of=11) == {"none": 1}  # it had happened, but was recorded a day later
    assert now(100) == {"opportunity": 1}  # won on day 60, learnt on day 150
    assert now(150) == {"customer": 1}
    assert now(301) == {"customer": 1, "none": 1}
    assert ask(known_at=day(4), as_of=None).notes[0].code == "no_data"
    assert {stage.key: stage.now for stage in ask(as_of=100).stages if stage.now} == {"customer": 1, "none": 1}


def test_what_is_in_memory_follows_the_history():
    acme = account(created=0)
    replay()
    assert stage(ask(), "aware").volume == 0
    activity(acme, "webinar", 10)
    assert [note.code for note in ask().notes if note.code == "behind"] == ["behind"]
    replay()
    assert stage(ask(), "aware").volume == 1
    acme.refresh_from_db()
    Account.objects.filter(pk=acme.pk).update(region="North")
    assert list(groups(ask(by=["region"]))) == ["North"]


def test_deals_and_people_are_counted_as_accounts_are():
    from journey.services.versions import create_journey, publish_version
    from journey.starting_points import SIMPLE

    acme = account(created=0, industry="Retail")
    deal(acme, ("Discovery", 5), ("Proposal", 10), ("Won", 30), product="Orbit", owner="Ann")
    deal(acme, ("Discovery", 5), ("Lost", 30), product="Luna", owner="Bob")
    publish_version(version=create_journey(key="deals", name="Deals", document=SIMPLE["opportunity"]))
    replay()
    question = {"journey": Journey.objects.get(key="deals"), "start": day(0), "end": day(90), "as_of": day(90)}
    report = funnel(funnel_query(**question))
    assert {
        found.key: (found.now, found.began, found.volume) for found in report.stages if found.began or found.now
    } == {
        "identified": (0, 2, 0),
        "won": (1, 0, 1),
        "lost": (1, 0, 1),
    }
    assert stage(report, "identified").conversion.rate == 0.5
    by_product = groups(funnel(funnel_query(**question, by=["product", "account.industry"][:1])))
    assert {key: stage(group, "identified").conversion.rate for key, group in by_product.items()} == {
        "Luna": 0,
        "Orbit": 1,
    }
    assert list(groups(funnel(funnel_query(**question, by=["industry"])))) == ["Retail"]


def test_csv_has_a_row_for_each_stage_and_group_and_no_formula():
    activity(account(created=0, region="=1+1"), "webinar", 10)
    replay()
    rows = list(csv.DictReader(io.StringIO(command(*RANGE, "--csv", "--by", "region"))))
    assert [(row["region"], row["stage"], row["volume"]) for row in rows if row["stage"] in ("aware", "(all)")] == [
        ("(all)", "aware", "1"),
        ("(all)", "(all)", ""),
        ("'=1+1", "aware", "1"),
        ("'=1+1", "(all)", ""),
    ]
    assert {row["conversion"] for row in rows if row["stage"] == "customer"} == {""}


BAD = (
    (["--start", "2025-02-01", "--end", "2025-01-01"], "ends before it starts"),
    (["--start", "2025-02-01", "--end", "2025-02-01"], "for one day give the day after"),
    ([*RANGE[:4], "--as-of", "2099-01-01"], "lies in the future"),
    ([*RANGE, "--known-at", "2099-01-01"], "lies in the future"),
    ([*RANGE[:3], "9999-12-31", "--compare", "previous"], "too far in the future"),
    ([*RANGE, "--groups", "0"], "into 0 groups"),
    ([*RANGE, "--horizon", "0"], "horizon of 0 days"),
    ([*RANGE, "--horizon", "nan"], "horizon of nan days"),
    ([*RANGE, "--by", "regoin"], "Did you mean “region”"),
    ([*RANGE, "--by", "region", "--by", "tier", "--by", "city"], "two fields at once"),
    ([*RANGE, "--to", "custmer"], "Did you mean “customer”"),
    ([*RANGE, "--list", "nolist"], "There is no target account list “nolist”"),
    ([*RANGE, "--list-mode", "is"], "needs a list"),
    ([*RANGE, "--by", "region", "--by", "region"], "by “region” twice"),
    ([*RANGE, "--where", "region"], "Write field=value"),
    ([*RANGE, "--where", "regoin=x"], "Did you mean “region”"),
    ([*RANGE, "--days", "-1"], "no number of days"),
    ([*RANGE, "--compare", "list"], "Choose the list to compare with"),
    ([*RANGE, "--compare", "version", "--compare-version", "7"], "no published version “7”"),
    ([*RANGE, "--version-number", "x"], "no published version “x”"),
)


def test_the_command_compares_with_the_time_before():
    activity(account(created=0), "webinar", 20)
    replay()
    march = ("--start", "2025-02-01", "--end", "2025-03-01", "--as-of", "2025-03-01", "--compare", "previous")
    found = json.loads(command(*march, "--json"))
    assert found["compared"]["end"] == found["start"]
    assert [next(s["volume"] for s in r["stages"] if s["key"] == "aware") for r in (found, found["compared"])] == [0, 1]
    assert command(*march, "--csv").startswith("question,")
    assert "Compared with" in command(*march)


def test_bad_input_is_told_with_its_remedy():
    account(created=0)
    replay()
    for options, words in BAD:
        with pytest.raises(CommandError, match=words):
            command(*options)


def test_a_journey_without_history_says_so():
    with pytest.raises(ProblemError, match="has no history yet"):
        ask()
    Journey.objects.create(key="mine", name="Mine")
    with pytest.raises(ProblemError, match=r"manage\.py replay"):
        funnel(funnel_query(journey=Journey.objects.get(key="mine"), start=day(0), end=day(1)))


def test_a_range_before_all_data_and_one_without_beginnings_have_no_data():
    account(created=0)
    replay()
    early = ask(start=-100, end=-50, as_of=-50)
    assert early.notes[0].code == "no_data"
    assert {stage.share for stage in early.stages} == {None}
    assert [note.code for note in ask(start=100).notes] == ["nothing_began"]
    assert timezone.now() - ask(as_of=None).query.as_of < dt.timedelta(seconds=60)
