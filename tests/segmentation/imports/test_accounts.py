from decimal import Decimal

import pytest
from django.db import connection

from segmentation.errors import ProblemError
from segmentation.models import Account, CustomField, FactTouch, SalesTeam
from segmentation.services.imports import import_file
from segmentation.services.records import upsert_records

pytestmark = pytest.mark.django_db


def upsert(*records, **options):
    return upsert_records("accounts", records, **options)


def counts(report):
    return (report.inserted, report.updated, report.unchanged, report.duplicates, report.bad)


def codes(report):
    return [(error.index, error.field, error.code) for error in report.errors]


ACME = {
    "external_id": "A1",
    "name": "Acme",
    "domain": "https://www.acme.example/",
    "employees": 1200,
    "revenue": "1,500.505",
    "tier": 1,
    "relationship": "prospect",
    "products": ["Basic", "Pro"],
    "team": "Key accounts",
    "created_in_source_at": "2023-05-01T10:00:00+08:00",
}


def test_an_account_is_made_with_all_its_fields():
    report = upsert(ACME)
    assert counts(report) == (1, 0, 0, 0, 0)
    account = Account.objects.get()
    assert (account.source_system, account.external_id, account.name, account.domain) == (
        "crm",
        "A1",
        "Acme",
        "acme.example",
    )
    assert (account.employees, account.revenue, account.tier, account.relationship) == (
        1200,
        Decimal("1500.51"),
        1,
        "prospect",
    )
    assert (account.products, account.other_names, account.custom, account.industry) == (["Basic", "Pro"], [], {}, "")
    assert account.team.name == "Key accounts"
    assert account.created_in_source_at.isoformat() == "2023-05-01T02:00:00+00:00"
    assert report.created == {"teams": ["Key accounts"]}


def test_the_same_records_again_change_nothing_at_all():
    upsert(ACME, {"external_id": "A2", "name": "Beta", "parent": "Acme"})
    before = list(Account.objects.order_by("id").values())
    FactTouch.objects.all().delete()
    history = Account.pgh_event_model.objects.count()
    report = upsert(ACME, {"external_id": "A2", "name": "Beta", "parent": "Acme"})
    assert counts(report) == (0, 0, 2, 0, 0)
    assert list(Account.objects.order_by("id").values()) == before
    assert Account.pgh_event_model.objects.count() == history
    assert FactTouch.objects.count() == 0


def test_a_change_is_written_with_its_history_and_the_others_are_left_alone():
    upsert(ACME, {"external_id": "A2", "name": "Beta"})
    FactTouch.objects.all().delete()
    report = upsert({**ACME, "tier": 2}, {"external_id": "A2", "name": "Beta"})
    assert counts(report) == (0, 1, 1, 0, 0)
    acme = Account.objects.get(external_id="A1")
    assert acme.tier == 2
    assert set(FactTouch.objects.values_list("account_id", flat=True)) == {acme.pk}
    events = Account.pgh_event_model.objects.filter(pgh_obj_id=acme.pk).order_by("pgh_id")
    assert [(event.pgh_label, event.tier) for event in events] == [("insert", 1), ("update", 2)]
    assert events.last().pgh_context.metadata["import"] == "accounts"


def test_a_field_left_out_stays_and_an_empty_one_is_emptied():
    upsert(ACME)
    upsert(
        {"external_id": "A1", "employees": None, "relationship": ""},
        {"external_id": "A2", "name": "B", "domain": "b.example"},
    )
    acme = Account.objects.get(external_id="A1")
    assert (acme.employees, acme.relationship) == (None, "")
    assert (acme.name, acme.domain, acme.tier, acme.revenue) == ("Acme", "acme.example", 1, Decimal("1500.51"))
    assert acme.team is not None


def test_source_systems_are_apart():
    upsert({"external_id": "1", "name": "A"}, source_system="hubspot")
    upsert({"external_id": "1", "name": "B"}, source_system="salesforce")
    assert set(Account.objects.values_list("source_system", "name")) == {("hubspot", "A"), ("salesforce", "B")}


def test_without_external_id_an_account_is_recognised_by_domain_then_name():
    upsert({"name": "Acme", "domain": "acme.example"})
    assert counts(upsert({"name": "Acme Incorporated", "domain": "acme.example"})) == (0, 1, 0, 0, 0)
    assert counts(upsert({"name": "ACME incorporated", "city": "Rome"})) == (0, 1, 0, 0, 0)
    assert list(Account.objects.values_list("name", "city")) == [("ACME incorporated", "Rome")]


def test_an_ambiguous_name_is_refused():
    upsert({"external_id": "1", "name": "Twin"}, {"external_id": "2", "name": "twin"})
    report = upsert({"name": "TWIN", "city": "Rome"})
    assert codes(report) == [(0, "name", "ambiguous")]
    assert not Account.objects.exclude(city="").exists()


def test_a_new_account_needs_a_name_and_a_known_one_does_not():
    upsert({"external_id": "1", "name": "A"})
    report = upsert({"external_id": "1", "tier": 1}, {"external_id": "2", "tier": 1}, {"external_id": "3", "name": " "})
    assert counts(report) == (0, 1, 0, 0, 2)
    assert codes(report) == [(1, "name", "required"), (2, "name", "required")]


def test_a_record_by_which_nothing_can_be_recognised_is_refused():
    assert codes(upsert({"tier": 1})) == [(0, "external_id", "no_identity")]


def test_the_last_of_several_records_of_one_account_counts():
    report = upsert({"external_id": "1", "name": "A", "city": "Rome"}, {"external_id": "1", "name": "B"})
    assert counts(report) == (1, 0, 0, 1, 0)
    assert report.flagged == {"duplicate": 1}
    account = Account.objects.get()
    assert (account.name, account.city) == ("B", "Rome")


def test_parents_are_found_in_the_same_batch_before_and_after_them():
    report = upsert(
        {"external_id": "1", "name": "Child", "parent": "group ag"},
        {"external_id": "2", "name": "Group AG"},
        {"external_id": "3", "name": "Other child", "parent": "2"},
        {"external_id": "4", "name": "Orphan", "parent": "Nobody"},
    )
    group = Account.objects.get(external_id="2")
    assert dict(Account.objects.values_list("external_id", "parent")) == {
        "1": group.pk,
        "2": None,
        "3": group.pk,
        "4": None,
    }
    assert report.flagged == {"unknown_parent": 1}


def test_no_account_is_its_own_parent():
    report = upsert({"external_id": "1", "name": "A", "parent": "A"})
    assert codes(report) == [(0, "parent", "own_parent")]


def test_an_empty_parent_cuts_no_link():
    upsert({"external_id": "1", "name": "A"}, {"external_id": "2", "name": "B", "parent": "A"})
    report = upsert({"external_id": "2", "name": "B", "parent": ""})
    assert counts(report) == (0, 0, 1, 0, 0)
    assert Account.objects.get(external_id="2").parent is not None


def test_teams_are_found_by_key_and_name():
    SalesTeam.objects.create(key="north", name="Team North")
    report = upsert(
        {"external_id": "1", "name": "A", "team": "NORTH"}, {"external_id": "2", "name": "B", "team": "team north"}
    )
    assert report.created == {}
    assert set(Account.objects.values_list("team__key", flat=True)) == {"north"}


def test_custom_fields_take_their_declared_types():
    CustomField.objects.create(of="account", key="founded", label="Founded", type="number")
    CustomField.objects.create(of="account", key="listed", label="Listed", type="yes_no")
    report = upsert(
        {"external_id": "1", "name": "A", "custom": {"founded": 1996, "listed": "yes"}},
        {"external_id": "2", "name": "B", "custom": {"founded": "old"}},
        {"external_id": "3", "name": "C", "custom.founded": "1.50"},
        {"external_id": "4", "name": "D", "custom": {"size": 1}},
    )
    assert codes(report) == [(1, "custom.founded", "not_a_number"), (3, "custom.size", "unknown_field")]
    assert dict(Account.objects.values_list("external_id", "custom")) == {
        "1": {"founded": 1996, "listed": True},
        "3": {"founded": 1.5},
    }
    report = upsert({"external_id": "1", "custom": {"founded": ""}}, {"external_id": "3", "custom": {"founded": 1.5}})
    assert counts(report) == (0, 1, 1, 0, 0)
    assert Account.objects.get(external_id="1").custom == {"listed": True}


def test_bad_values_are_told_and_the_good_records_stored():
    report = upsert(
        {"external_id": "1", "name": "A", "employees": "many", "tier": 9},
        {"external_id": "2", "name": "B", "employees": -1},
        {"external_id": "3", "name": "C", "revenue": "NaN"},
        {"external_id": "4", "name": "D", "relationship": "custmer"},
        {"external_id": "5", "name": "E\x00"},
        {"external_id": "6", "name": "F", "created_in_source_at": "1989-12-31"},
        {"external_id": "7", "name": "G" * 301},
        {"external_id": "8", "name": "H", "city": "x" * 10_000_000},
        {"external_id": "9", "name": "I", "employes": 1},
        "nonsense",
        {"external_id": "10", "name": "J", "city": {"a": 1}},
        {"external_id": "11", "name": "Fine"},
    )
    assert codes(report) == [
        (0, "employees", "not_a_number"),
        (0, "tier", "unknown_choice"),
        (1, "employees", "negative"),
        (2, "revenue", "not_finite"),
        (3, "relationship", "unknown_choice"),
        (4, "name", "nul"),
        (5, "created_in_source_at", "date_too_early"),
        (6, "name", "too_long"),
        (7, "city", "cell_too_big"),
        (8, "employes", "unknown_field"),
        (9, "", "not_an_object"),
        (10, "city", "not_a_value"),
    ]
    assert counts(report) == (1, 0, 0, 0, 11)
    assert list(Account.objects.values_list("name", flat=True)) == ["Fine"]
    by_index = {error.index: error for error in report.errors}
    assert "“customer”" in by_index[3].message
    assert "“employees”" in by_index[8].message
    assert len(by_index[7].value) < 100


def test_strict_stores_nothing_when_a_record_is_bad():
    report = upsert({"external_id": "1", "name": "A"}, {"external_id": "2", "name": "B", "tier": 7}, strict=True)
    assert (report.stored, report.bad, Account.objects.count()) == (False, 1, 0)
    report = upsert({"external_id": "1", "name": "A"}, strict=True)
    assert (report.stored, Account.objects.count()) == (True, 1)


def test_a_dry_run_counts_and_stores_nothing():
    upsert({"external_id": "1", "name": "A"})
    report = upsert(
        {"external_id": "1", "name": "A2"}, {"external_id": "2", "name": "B", "team": "New team"}, dry_run=True
    )
    assert counts(report) == (1, 1, 0, 0, 0)
    assert not report.stored
    assert list(Account.objects.values_list("name", flat=True)) == ["A"]
    assert not SalesTeam.objects.exists()


def test_no_records_are_no_problem():
    assert counts(upsert()) == (0, 0, 0, 0, 0)


def test_an_unknown_target_is_refused_with_the_one_meant():
    with pytest.raises(ProblemError, match="“accounts”"):
        upsert_records("acounts", [])


def test_a_file_without_names_is_refused_when_its_accounts_are_new(tmp_path):
    path = tmp_path / "tiers.csv"
    path.write_text("external_id,tier\n1,2\n", encoding="utf-8")
    with pytest.raises(ProblemError) as caught:
        import_file("accounts", path)
    assert (caught.value.code, caught.value.field) == ("missing_column", "name")
    upsert({"external_id": "1", "name": "A"})
    assert counts(import_file("accounts", path)) == (0, 1, 0, 0, 0)


def test_references_find_other_names_and_domains(tmp_path):
    upsert({"external_id": "1", "name": "A", "other_names": ["Alpha", "阿尔法"], "other_domains": ["alpha.example"]})
    upsert(
        *(
            {"external_id": f"c{n}", "name": f"C{n}", "parent": ref}
            for n, ref in enumerate(["alpha", "阿尔法", "ALPHA.example"])
        )
    )
    assert Account.objects.filter(parent__external_id="1").count() == 3


def test_nothing_of_an_import_is_left_in_the_session():
    upsert(ACME)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'import_rows'")
        assert cursor.fetchone() == (0,)
