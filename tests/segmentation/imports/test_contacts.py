import pytest

from segmentation.models import Account, Contact, FactTouch, TitleRule
from segmentation.services.records import upsert_records
from segmentation.services.titles import reclassify_contacts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def accounts():
    upsert_records(
        "accounts",
        [{"external_id": "A1", "name": "Acme", "domain": "acme.example"}, {"external_id": "A2", "name": "Beta"}],
    )
    FactTouch.objects.all().delete()


def upsert(*records, **options):
    return upsert_records("contacts", records, **options)


def counts(report):
    return (report.inserted, report.updated, report.unchanged, report.duplicates, report.bad)


@pytest.mark.parametrize("reference", ["A1", "acme", "ACME.example"])
def test_the_account_is_found_by_id_name_and_domain(reference):
    upsert({"external_id": "1", "account": reference})
    assert Contact.objects.get().account.external_id == "A1"


def test_a_name_shared_by_two_accounts_is_refused():
    upsert_records("accounts", [{"external_id": "A3", "name": "ACME"}])
    report = upsert({"external_id": "1", "account": "Acme"}, {"external_id": "2", "account": "A1"})
    assert [(error.index, error.field, error.code) for error in report.errors] == [(0, "account", "ambiguous")]
    assert report.inserted == 1


def test_a_contact_of_an_unknown_account_is_kept_and_finds_it_later():
    report = upsert({"external_id": "1", "account": "Gamma"})
    assert (counts(report), report.flagged) == ((1, 0, 0, 0, 0), {"no_account": 1})
    upsert_records("accounts", [{"external_id": "A3", "name": "Gamma"}])
    assert counts(upsert({"external_id": "1", "account": "Gamma"})) == (0, 1, 0, 0, 0)
    assert Contact.objects.get().account.external_id == "A3"


def test_a_contact_that_moves_is_flagged_and_both_accounts_are_touched():
    upsert({"external_id": "1", "account": "A1"})
    FactTouch.objects.all().delete()
    report = upsert({"external_id": "1", "account": "A2"})
    assert (counts(report), report.flagged) == ((0, 1, 0, 0, 0), {"contact_moved": 1})
    assert set(FactTouch.objects.values_list("account_id", flat=True)) == set(
        Account.objects.values_list("id", flat=True)
    )


def test_an_unknown_account_leaves_a_contact_where_it_is():
    upsert({"external_id": "1", "account": "A1"})
    assert counts(upsert({"external_id": "1", "account": "Nobody"})) == (0, 0, 1, 0, 0)
    assert Contact.objects.get().account.external_id == "A1"


def test_titles_give_seniority_and_department():
    upsert(
        {"external_id": "1", "job_title": "VP Marketing"},
        {"external_id": "2", "job_title": "销售总监"},
        {"external_id": "3"},
    )
    found = {contact.external_id: (contact.seniority, contact.department) for contact in Contact.objects.all()}
    assert found == {"1": ("vp", "marketing"), "2": ("director", "sales"), "3": ("", "")}


def test_a_new_title_is_read_again_unless_somebody_fixed_the_person():
    upsert({"external_id": "1", "job_title": "VP Marketing"}, {"external_id": "2", "job_title": "VP Marketing"})
    Contact.objects.filter(external_id="2").update(seniority="manager", department="it", classified_by_hand=True)
    upsert({"external_id": "1", "job_title": "CFO"}, {"external_id": "2", "job_title": "CFO"})
    found = {
        contact.external_id: (contact.job_title, contact.seniority, contact.department)
        for contact in Contact.objects.all()
    }
    assert found == {"1": ("CFO", "c_level", "finance"), "2": ("CFO", "manager", "it")}


def test_what_the_source_says_counts_before_the_title():
    report = upsert({"external_id": "1", "job_title": "VP Marketing", "seniority": "Director"})
    contact = Contact.objects.get()
    assert (contact.seniority, contact.department, contact.classified_by_hand) == ("director", "marketing", True)
    assert counts(report) == (1, 0, 0, 0, 0)
    assert counts(upsert({"external_id": "1", "job_title": "VP Marketing", "seniority": "Director"})) == (0, 0, 1, 0, 0)
    assert reclassify_contacts() == 0


def test_a_record_without_title_leaves_the_classes_alone():
    upsert({"external_id": "1", "job_title": "CEO"})
    upsert({"external_id": "1", "phone": "1"}, {"external_id": "2", "job_title": "CFO"})
    assert Contact.objects.get(external_id="1").seniority == "c_level"


def test_without_external_id_a_contact_is_recognised_by_mail():
    upsert({"email": "Ann@acme.example", "name": "Ann"})
    report = upsert({"email": "ann@ACME.example", "name": "Ann B."})
    assert counts(report) == (0, 1, 0, 0, 0)
    assert Contact.objects.get().name == "Ann B."


def test_a_mail_address_that_looks_wrong_is_kept_and_flagged():
    report = upsert({"external_id": "1", "email": "n/a"}, {"external_id": "2", "email": "a@b.example"})
    assert (report.inserted, report.flagged) == (2, {"email_invalid": 1})


def test_the_same_contacts_again_change_nothing():
    records = [
        {"external_id": str(n), "account": "A1", "job_title": "CEO", "email": f"{n}@acme.example"} for n in range(5)
    ]
    upsert(*records)
    FactTouch.objects.all().delete()
    history = Contact.pgh_event_model.objects.count()
    assert counts(upsert(*records)) == (0, 0, 5, 0, 0)
    assert (FactTouch.objects.count(), Contact.pgh_event_model.objects.count()) == (0, history)


def test_edited_rules_are_applied_to_all_that_nobody_fixed():
    upsert(
        {"external_id": "1", "job_title": "Growth Hacker"},
        {"external_id": "2", "job_title": "Growth Hacker"},
        {"external_id": "3", "job_title": "CEO"},
    )
    Contact.objects.filter(external_id="2").update(classified_by_hand=True)
    TitleRule.objects.create(sets="seniority", match="word", pattern="hacker", value="director", order=1)
    assert reclassify_contacts() == 1
    assert dict(Contact.objects.values_list("external_id", "seniority")) == {"1": "director", "2": "", "3": "c_level"}
    assert reclassify_contacts() == 0


def test_a_title_that_no_rule_fits_any_more_becomes_unknown():
    upsert({"external_id": "1", "job_title": "Director"})
    TitleRule.objects.update(active=False)
    assert reclassify_contacts() == 1
    assert Contact.objects.get().seniority == ""
