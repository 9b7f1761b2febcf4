"""Writing the demo data: whole, once, and like data that came in by any other way."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, F, Q

from journey.demo import load
from journey.demo.curated import assess_past
from journey.demo.curation import Curation
from journey.demo.load import DemoConflictError, DemoRequest, load_demo
from journey.demo.words import TEAMS
from journey.demo.world import build_world
from journey.models import Cost, CrmStage, CustomerPeriod, Opportunity, OpportunityChange
from scoring.models import Activity, ActivityType, IntentSignal
from scoring.ready_made import ACTIVITY_TYPES
from segmentation.models import (
    Account,
    AccountFlag,
    Contact,
    DisqualificationRequest,
    FactTouch,
    FlagType,
    IcpAnswer,
    IcpAssessment,
    IcpVersion,
    ImportRun,
    ListMembership,
    SalesQuota,
    SalesTeam,
)
from segmentation.models.choices import HOLDING_STATES

TODAY = date(2026, 9, 1)
REQUEST = DemoRequest(accounts=120, activities=4_000, seed=5)
TABLES = [model._meta.db_table for model in load.FILLED]

pytestmark = pytest.mark.django_db


def structure() -> list[tuple]:
    """Return indexes, constraints and triggers of the tables the load fills."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 'index', indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%(tables)s) "
            "UNION ALL SELECT 'constraint', conname, conrelid::regclass || pg_get_constraintdef(oid) || convalidated "
            "FROM pg_constraint WHERE conrelid::regclass::text = ANY(%(tables)s) "
            "UNION ALL SELECT 'trigger', tgname, tgenabled::text FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%(tables)s) ORDER BY 1, 2, 3",
            {"tables": TABLES},
        )
        return cursor.fetchall()


@contextmanager
def nothing_written() -> Iterator[None]:
    before = [model.objects.count() for model in (*load.FILLED, ImportRun, FactTouch)]
    yield
    assert [model.objects.count() for model in (*load.FILLED, ImportRun, FactTouch)] == before


def test_a_new_installation_has_the_activity_types_and_the_flag() -> None:
    stored = {(kind.key, kind.side, kind.is_hot, kind.is_meeting) for kind in ActivityType.objects.all()}
    assert stored == {(ready.key, ready.side, ready.is_hot, ready.is_meeting) for ready in ACTIVITY_TYPES}
    assert {key for key, _side, is_hot, _meeting in stored if is_hot} == {
        "demo_request", "trial_start", "price_request", "contact_sales",
    }  # fmt: skip
    assert [key for key, _side, _hot, is_meeting in stored if is_meeting] == ["meeting"]
    assert FlagType.objects.get(key="disqualified").name == "Disqualified"


@pytest.mark.parametrize("bulk_rows", [1, 10**9])
def test_all_rows_arrive_and_the_tables_stay_as_they_were(monkeypatch: pytest.MonkeyPatch, bulk_rows: int) -> None:
    monkeypatch.setattr(load, "BULK_ROWS", bulk_rows)
    before = structure()
    loaded = load_demo(REQUEST, today=TODAY)
    assert structure() == before
    counts = {
        "accounts": Account.objects.count(),
        "account_events": load.ACCOUNT_EVENTS.objects.count(),
        "contacts": Contact.objects.count(),
        "contact_events": load.CONTACT_EVENTS.objects.count(),
        "opportunities": Opportunity.objects.count(),
        "opportunity_changes": OpportunityChange.objects.count(),
        "customer_periods": CustomerPeriod.objects.count(),
        "disqualifications": AccountFlag.objects.count(),
        "activities": Activity.objects.count(),
        "costs": Cost.objects.count(),
        "intent_signals": IntentSignal.objects.count(),
        "list_memberships": ListMembership.objects.count(),
        "disqualification_requests": DisqualificationRequest.objects.count(),
        "profile_answers": IcpAnswer.objects.count(),
    }
    assert loaded.is_new
    assert loaded.rows == counts
    assert (counts["accounts"], counts["activities"]) == (120, 4_000)


def test_the_rows_say_what_they_should() -> None:
    load_demo(REQUEST, today=TODAY)
    start, end = datetime(2024, 9, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    assert not Activity.objects.exclude(occurred_at__range=(start, end)).exists()
    assert not Activity.objects.filter(recorded_at__lt=F("occurred_at")).exists()
    assert not Activity.objects.filter(occurred_at__lt=F("account__created_in_source_at")).exists()
    assert not Activity.objects.exclude(contact=None).exclude(contact__account=F("account")).exists()
    assert Activity.objects.filter(contact=None).exists()
    assert Activity.objects.order_by("id").first().source_key == "demo:a:000000001"
    assert Account.objects.filter(source_system="demo", external_id="A0000001").count() == 1
    assert SalesTeam.objects.filter(key="key-accounts", manager="Sophie Laurent").exists()
    assert list(CrmStage.objects.values_list("name", "meaning", "position")) == [
        ("Discovery", "identified", 1),
        ("Solution fit", "active", 2),
        ("Proposal", "active", 3),
        ("Negotiation", "intent", 4),
        ("Closed won", "won", 5),
        ("Closed lost", "lost", 6),
    ]
    for account in Account.objects.all()[:20]:
        account.full_clean()
    for contact in Contact.objects.all()[:50]:
        contact.full_clean()
    for opportunity in Opportunity.objects.all():
        opportunity.full_clean()


def test_an_opportunity_holds_the_sum_of_its_changes() -> None:
    load_demo(REQUEST, today=TODAY)
    assert Opportunity.objects.exists()
    for opportunity in Opportunity.objects.prefetch_related("changes"):
        changes = sorted(opportunity.changes.all(), key=lambda change: (change.occurred_at, change.sequence))
        state = {"crm_stage_id": None, "amount": None, "expected_close": None}
        for change in changes:
            state |= {name: getattr(change, name) for name in state if getattr(change, name) is not None}
        assert {name: getattr(opportunity, name) for name in state} == state
        assert opportunity.opened_at == changes[0].occurred_at
        is_closed = opportunity.crm_stage.meaning in ("won", "lost")
        assert opportunity.closed_at == (changes[-1].occurred_at if is_closed else None)


def test_the_field_history_of_an_account_leads_to_what_it_is_now() -> None:
    load_demo(DemoRequest(accounts=400, activities=500, seed=5), today=TODAY)
    events = load.ACCOUNT_EVENTS.objects
    for account in Account.objects.all():
        rows = list(events.filter(pgh_obj_id=account.pk).order_by("pgh_created_at", "pgh_id"))
        assert [row.pgh_label for row in rows] == ["insert"] + ["update"] * (len(rows) - 1)
        assert rows[0].pgh_created_at == account.recorded_at
        last = rows[-1]
        now = (account.name, account.tier, account.relationship, account.products, account.updated_at)
        assert (last.name, last.tier, last.relationship, last.products, last.updated_at) == now
    tiers = events.values("pgh_obj_id").annotate(tiers=Count("tier", distinct=True))
    assert tiers.filter(tiers__gt=1).exists()


def test_the_same_request_again_changes_nothing_and_says_so() -> None:
    first = load_demo(REQUEST, today=TODAY)
    with nothing_written():
        again = load_demo(REQUEST, today=TODAY)
        next_day = load_demo(REQUEST, today=TODAY + timedelta(days=1))
        no_wish = load_demo(DemoRequest(), today=TODAY)
    assert not again.is_new
    for other in (again, next_day, no_wish):
        assert (other.parameters, other.rows, other.digest) == (first.parameters, first.rows, first.digest)


@pytest.mark.parametrize(
    "other",
    [
        DemoRequest(accounts=121),
        DemoRequest(activities=4_001),
        DemoRequest(accounts=120, seed=6),
        DemoRequest(years=1),
        DemoRequest(end_date=date(2026, 8, 31)),
    ],
)
def test_other_parameters_are_refused_with_the_remedy(other: DemoRequest) -> None:
    load_demo(REQUEST, today=TODAY)
    with nothing_written(), pytest.raises(DemoConflictError, match="reset_demo"):
        load_demo(other, today=TODAY)


def test_demo_accounts_without_the_record_of_their_load_are_refused() -> None:
    Account.objects.create(source_system="demo", external_id="A0000001", name="Left over")
    with nothing_written(), pytest.raises(DemoConflictError, match="part of some demo data"):
        load_demo(REQUEST, today=TODAY)


def test_data_that_is_there_stays_and_changes_are_announced() -> None:
    kind = ActivityType.objects.get(key="page_view")
    mine = Account.objects.create(name="Mine", external_id="1")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    activity = Activity.objects.create(account=mine, type=kind, occurred_at=now, source_key="mine:1")
    stage = CrmStage.objects.create(name="Proposal", meaning="intent", position=9)
    touches = FactTouch.objects.count()
    load_demo(REQUEST, today=TODAY)
    assert Account.objects.count() == 121
    assert Activity.objects.get(pk=activity.pk).account == mine
    stage.refresh_from_db()
    assert stage.meaning == "intent", "a mapping somebody made is not touched"
    everything = Q(account_id=None, contact_id=None, opportunity_id=None)
    assert FactTouch.objects.filter(everything).count() > 0
    assert FactTouch.objects.count() > touches
    # The sequences went on: what is added by hand afterwards gets a key of its own.
    assert Account.objects.create(name="Later").pk > Account.objects.filter(source_system="demo").last().pk


def test_two_loads_of_the_same_request_give_the_same_rows() -> None:
    def content() -> list[tuple]:
        return list(
            Activity.objects.order_by("source_key").values_list(
                "source_key",
                "account__external_id",
                "contact__external_id",
                "type__key",
                "occurred_at",
                "seconds",
                "url",
            )
        )

    first = load_demo(REQUEST, today=TODAY)
    before = content()
    Account.objects.all().delete()
    Contact.objects.all().delete()
    Opportunity.objects.all().delete()
    ImportRun.objects.all().delete()
    second = load_demo(REQUEST, today=TODAY)
    assert second.digest == first.digest
    assert content() == before


def test_a_failure_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "BULK_ROWS", 1)
    before = structure()

    def broken(self: object) -> Iterator[dict]:
        raise OSError("disk full")

    monkeypatch.setattr("journey.demo.tables.WorldTables.activities", broken)
    with nothing_written(), pytest.raises(OSError, match="disk full"):
        load_demo(REQUEST, today=TODAY)
    assert structure() == before


def test_the_command_prints_a_table_then_json_then_refuses() -> None:
    size = {"accounts": 30, "activities": 200, "end_date": "2026-09-01"}
    out = io.StringIO()
    call_command("load_demo", **size, stdout=out)
    assert "Demo data loaded in" in out.getvalue()
    assert "2026-09-01" in out.getvalue()
    assert "200" in out.getvalue()

    out = io.StringIO()
    call_command("load_demo", **size, stdout=out)
    assert "Nothing was changed." in out.getvalue()

    out = io.StringIO()
    call_command("load_demo", **size, json=True, stdout=out)
    said = json.loads(out.getvalue())
    assert said["loaded"] is False
    assert said["parameters"] == {**size, "seed": 7, "years": 2}
    assert said["rows"]["activities"] == 200

    with pytest.raises(CommandError, match="The database holds other demo data"):
        call_command("load_demo", accounts=31)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accounts": 0}, "accounts 0 cannot be used. Use a whole number from 1 to 100000."),
        ({"activities": -5}, "activities -5 cannot be used. Use a whole number from 0 to 10000000."),
        ({"accounts": 10**9}, "accounts 1000000000 cannot be used."),
        ({"end_date": "soon"}, "end-date soon is no day: write it as 2026-12-31."),
        ({"end_date": "1996-01-01"}, "end-date 1996-01-01 cannot be used."),
    ],
)
def test_the_command_refuses_what_cannot_be(options: dict, message: str) -> None:
    with nothing_written(), pytest.raises(CommandError, match=message):
        call_command("load_demo", **options)


def test_lists_have_a_past_and_proposals_that_wait() -> None:
    load_demo(DemoRequest(accounts=600, activities=2_000, seed=5), today=TODAY)
    rows = ListMembership.objects.all()
    assert {row.target_list.tier for row in rows.select_related("target_list")} == {1, 2, 3}
    states = {"proposed", "active", "recycling", "rejected", "removed", "disqualified"}
    assert set(rows.values_list("state", flat=True)) == states
    assert rows.filter(state="proposed", end_at=None, team__isnull=False, rep__isnull=False).exists()
    assert DisqualificationRequest.objects.filter(decision="open", asked_by__isnull=False).exists()
    for state in ("rejected", "removed", "disqualified"):
        assert not rows.filter(state=state, reason=None).exists()
    assert rows.filter(start_at__lt=datetime(2025, 1, 1, tzinfo=UTC), end_at__isnull=False).exists()
    assert not rows.filter(start_at__lt=F("account__created_in_source_at")).exists()
    assert not rows.filter(account__flags__isnull=False).exists()
    for row in rows:
        row.clean_fields()
    quotas = {quota.team.key: quota for quota in SalesQuota.objects.select_related("team")}
    assert {key: quota.places for key, quota in quotas.items()} == {
        team.key: 15 if team.key == "key-accounts" else 30 for team in TEAMS
    }
    for quota in quotas.values():
        held = rows.filter(team=quota.team, end_at=None, state__in=HOLDING_STATES).values("account").distinct().count()
        assert held <= quota.places


def test_the_profile_has_two_versions_and_people_who_differ() -> None:
    load_demo(REQUEST, today=TODAY)
    first, second = IcpVersion.objects.filter(profile__key="default").order_by("number")
    assert (first.state, second.state) == ("published", "published")
    assert first.published_at < second.published_at < datetime.combine(TODAY, datetime.min.time(), UTC)
    assert second.items.filter(kind="rule").count() == 5
    said = IcpAnswer.objects.order_by().values("account", "item_key").annotate(values=Count("value", distinct=True))
    assert said.filter(values__gt=1).exists()
    assert not IcpAnswer.objects.exclude(item_key__in=second.items.values("key")).exists()
    assess_past()
    assert {row.version.number for row in IcpAssessment.objects.select_related("version")} == {1, 2}
    days = IcpAssessment.objects.count()
    assert assess_past() == 0
    assert IcpAssessment.objects.count() == days


def test_equal_parameters_decide_the_same() -> None:
    def decided(seed: int) -> Curation:
        return build_world(DemoRequest(accounts=300, activities=0, seed=seed).parameters(TODAY)).curation

    assert decided(5) == decided(5)
    assert decided(5).memberships != decided(6).memberships
