import datetime as dt

import pytest
from django.db import connection

from scoring.models import Activity, ActivityType
from segmentation.errors import ProblemError
from segmentation.imports import bulk
from segmentation.models import Account, Contact, FactTouch
from segmentation.services.records import upsert_records

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people():
    upsert_records("accounts", [{"external_id": "A1", "name": "Acme"}, {"external_id": "A2", "name": "Beta"}])
    upsert_records(
        "contacts",
        [
            {"external_id": "C1", "account": "A1", "email": "ann@acme.example"},
            {"external_id": "C2", "account": "A2", "email": "bob@beta.example"},
        ],
    )
    FactTouch.objects.all().delete()


def upsert(*records, **options):
    return upsert_records("activities", records, **options)


def counts(report):
    return (report.inserted, report.updated, report.unchanged, report.duplicates, report.bad)


def codes(report):
    return [(error.index, error.field, error.code) for error in report.errors]


def visit(day, **fields):
    return {"type": "page_view", "occurred_at": f"2024-03-{day:02}T10:00:00Z", **fields}


def test_an_activity_is_made_with_all_its_fields():
    record = visit(
        1,
        external_id="E1",
        account="A1",
        contact="C1",
        seconds=90,
        outcome="No show",
        campaign="Spring",
        content="Prices",
        url="/p",
    )
    assert counts(upsert(record)) == (1, 0, 0, 0, 0)
    activity = Activity.objects.get()
    assert (activity.account.external_id, activity.contact.external_id, activity.type.key) == ("A1", "C1", "page_view")
    assert activity.occurred_at == dt.datetime(2024, 3, 1, 10, tzinfo=dt.UTC)
    assert (activity.seconds, activity.outcome, activity.campaign, activity.content, activity.url) == (
        90,
        "no_show",
        "Spring",
        "Prices",
        "/p",
    )
    assert activity.source_key == "crm:E1"


def test_the_same_again_changes_nothing_at_all():
    records = [visit(n, external_id=f"E{n}", contact="C1", seconds=n) for n in range(1, 20)]
    records += [visit(n, contact="C2") for n in range(1, 20)]
    assert counts(upsert(*records)) == (38, 0, 0, 0, 0)
    before = list(Activity.objects.order_by("id").values())
    FactTouch.objects.all().delete()
    assert counts(upsert(*records)) == (0, 0, 38, 0, 0)
    assert list(Activity.objects.order_by("id").values()) == before
    assert FactTouch.objects.count() == 0


def test_without_external_id_equal_rows_are_one_fact():
    report = upsert(
        visit(1, contact="C1", content="A"), visit(1, contact="C1", content="A"), visit(1, contact="C1", content="B")
    )
    assert counts(report) == (2, 0, 0, 1, 0)
    assert report.flagged == {"duplicate": 1}


def test_a_correction_with_the_same_external_id_is_written_and_touches_both_accounts():
    upsert(visit(1, external_id="E1", account="A1", seconds=60))
    FactTouch.objects.all().delete()
    assert counts(upsert(visit(1, external_id="E1", account="A2", seconds=90))) == (0, 1, 0, 0, 0)
    activity = Activity.objects.get()
    assert (activity.account.external_id, activity.seconds) == ("A2", 90)
    assert set(FactTouch.objects.values_list("account_id", flat=True)) == set(
        Account.objects.values_list("id", flat=True)
    )


def test_the_account_of_a_person_is_the_one_at_the_time_of_import_and_stays():
    upsert(visit(1, external_id="E1", contact="ANN@acme.example"))
    upsert_records("contacts", [{"external_id": "C1", "account": "A2"}])
    assert counts(upsert(visit(1, external_id="E1", contact="ANN@acme.example"))) == (0, 0, 1, 0, 0)
    upsert(visit(2, external_id="E2", contact="C1"))
    assert dict(Activity.objects.values_list("source_key", "account__external_id")) == {"crm:E1": "A1", "crm:E2": "A2"}


def test_without_account_and_person_it_is_kept_and_flagged():
    report = upsert(visit(1, external_id="E1"))
    assert (counts(report), report.flagged) == ((1, 0, 0, 0, 0), {"no_account": 1})
    assert Activity.objects.get().account is None


def test_unknown_accounts_people_and_types_are_refused_with_a_remedy():
    report = upsert(
        visit(1, account="Nobody"),
        visit(1, contact="C9"),
        visit(1, contact="C1") | {"type": "page_veiw"},
        visit(1, contact="C1") | {"type": ""},
        visit(1, contact="C1") | {"occurred_at": None},
        {"type": "page_view", "contact": "C1"},
        visit(1, contact="C1", seconds=-5),
        visit(1, contact="C1", seconds=31_536_001),
    )
    assert codes(report) == [
        (0, "account", "unknown_account"),
        (1, "contact", "unknown_contact"),
        (2, "type", "unknown_type"),
        (3, "type", "required"),
        (4, "occurred_at", "required"),
        (5, "occurred_at", "required"),
        (6, "seconds", "negative"),
        (7, "seconds", "too_large"),
    ]
    assert "“page_view”" in report.errors[2].message
    assert counts(report) == (0, 0, 0, 0, 8)


def test_types_are_found_by_name_and_new_ones_made_where_the_mapping_says_so():
    records = [
        visit(1, contact="C1") | {"type": "web page viewed"},
        visit(2, contact="C1") | {"type": "Trade Fair Talk"},
    ]
    assert codes(upsert(*records)) == [(1, "type", "unknown_type")]
    report = upsert(*records, spec={"new_types": "sales"})
    assert report.created == {"activity_types": ["Trade Fair Talk"]}
    made = ActivityType.objects.get(name="Trade Fair Talk")
    assert (made.key, made.side) == ("trade_fair_talk", "sales")
    with pytest.raises(ProblemError, match="sales"):
        upsert(*records, spec={"new_types": "sails"})


def test_minutes_are_stored_as_seconds():
    upsert(visit(1, external_id="E1", minutes="1.5"), visit(2, external_id="E2", seconds=7))
    assert dict(Activity.objects.values_list("source_key", "seconds")) == {"crm:E1": 90, "crm:E2": 7}


def test_naive_times_are_of_the_zone_of_the_mapping():
    record = {"external_id": "E1", "type": "page_view", "occurred_at": "2024-03-01 08:00"}
    upsert(record, spec={"time_zone": "Asia/Shanghai"})
    assert Activity.objects.get().occurred_at == dt.datetime(2024, 3, 1, tzinfo=dt.UTC)


def test_late_and_out_of_order_facts_are_accepted_and_flagged():
    upsert(visit(10, external_id="E1", account="A1"))
    report = upsert(
        visit(5, external_id="E2", account="A1"),
        visit(20, external_id="E3", account="A2"),
        visit(19, external_id="E4", account="A2"),
        visit(21, external_id="E5", account="A1"),
        visit(1, external_id="E6", account="A1") | {"occurred_at": "2150-01-01"},
    )
    assert counts(report) == (5, 0, 0, 0, 0)
    assert report.flagged == {"late": 1, "out_of_order": 1, "future": 1}
    assert report.examples == {"late": [0], "out_of_order": [2], "future": [4]}


def test_accounts_of_new_activities_are_touched():
    upsert(visit(1, contact="C1"), visit(2, contact="C1"))
    assert list(FactTouch.objects.values_list("account_id", flat=True)) == [Account.objects.get(external_id="A1").pk]


@pytest.mark.parametrize("allowed", [True, False], ids=["checked at once", "checked one by one"])
def test_many_rows_are_written_and_touched_alike_on_either_path(monkeypatch, allowed):
    seen = []
    real = bulk._may_skip
    monkeypatch.setattr(bulk, "MANY_ROWS", 3)
    monkeypatch.setattr(bulk, "_may_skip", lambda run, table: (seen.append(real(run, table)), allowed and seen[-1])[1])
    assert counts(upsert(*(visit(n, external_id=f"E{n}", contact=f"C{n % 2 + 1}") for n in range(1, 9)))) == (
        8,
        0,
        0,
        0,
        0,
    )
    assert seen == [True]  # the embedded server allows it, and the triggers of activities fire always
    assert Activity.objects.filter(account__external_id="A1").count() == 4
    assert set(FactTouch.objects.values_list("account_id", flat=True)) == set(
        Account.objects.values_list("id", flat=True)
    )
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)


def indexes():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'scoring_activity' ORDER BY indexname")
        found = cursor.fetchall()
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'scoring_activity'::regclass ORDER BY conname"
        )
        return found, cursor.fetchall()


def test_an_empty_table_is_filled_without_its_indexes_which_are_all_there_afterwards(monkeypatch):
    monkeypatch.setattr(bulk, "FIRST_ROWS", 3)
    seen = []
    real = bulk._is_ours_alone
    monkeypatch.setattr(bulk, "_is_ours_alone", lambda run, table: seen.append(real(run, table)) or seen[-1])
    before = indexes()
    records = [visit(n, external_id=f"E{n}", contact="C1") for n in range(1, 9)]
    upsert(*records, dry_run=True)
    assert seen == []  # a trial takes no locks
    assert counts(upsert(*records)) == (8, 0, 0, 0, 0)
    assert seen == [True]
    assert indexes() == before
    assert counts(upsert(*records)) == (0, 0, 8, 0, 0)
    upsert(*(visit(n, external_id=f"F{n}", contact="C1") for n in range(1, 9)))
    assert seen == [True, False]  # there is something in it now
    assert indexes() == before


def test_the_bulk_path_is_left_alone_when_a_trigger_would_be_left_out(monkeypatch):
    monkeypatch.setattr(bulk, "MANY_ROWS", 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'scoring_activity'::regclass AND tgname LIKE %s",
            ["%touch_insert%"],
        )
        (name,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE scoring_activity ENABLE TRIGGER {name}")
    upsert(visit(1, contact="C1"), visit(2, contact="C2"))
    assert FactTouch.objects.count() == 2


def test_a_person_without_account_is_found_by_the_person():
    upsert_records("contacts", [{"external_id": "C3", "email": "lone@x.example"}])
    report = upsert(visit(1, external_id="E1", contact="C3"))
    assert report.flagged == {"no_account": 1}
    assert Activity.objects.get().contact == Contact.objects.get(external_id="C3")
