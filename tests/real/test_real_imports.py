"""The mapping files of docs/examples on the real files: all of it arrives, nothing is dropped or bent in silence."""

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings

from journey.models import CrmStage, Opportunity, OpportunityChange
from segmentation.models import Account, Contact, FactTouch
from segmentation.services.imports import import_file, load_spec

DATA = Path(os.environ.get("DATA_DIR", settings.BASE_DIR.parent / "shared" / "data"))
EXAMPLES = settings.BASE_DIR / "docs" / "examples"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here; name its folder by DATA_DIR"),
]

MAVEN = (
    ("accounts", "maven_crm/accounts.csv", "maven/accounts.json"),
    ("opportunities", "maven_crm/sales_pipeline.csv", "maven/opportunities.json"),
    ("opportunity-changes", "maven_crm/sales_pipeline.csv", "maven/opportunity-changes.json"),
)
OLIST = (
    ("contacts", "olist/olist_marketing_qualified_leads_dataset.csv", "olist/contacts.json"),
    ("opportunities", "olist/olist_marketing_qualified_leads_dataset.csv", "olist/opportunities.json"),
    ("opportunity-changes", "olist/olist_closed_deals_dataset.csv", "olist/opportunity-changes.json"),
)


def load(files):
    """Import files with their mappings; returns the reports by target."""
    return {
        target: import_file(target, DATA / file, spec=load_spec(str(EXAMPLES / mapping)))
        for target, file, mapping in files
    }


def rows(name):
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(report):
    return (report.rows, report.inserted, report.updated, report.unchanged, report.duplicates, report.bad)


def by_stage():
    return Counter(Opportunity.objects.values_list("crm_stage__name", flat=True))


def test_maven_arrives_in_full():
    reports = load(MAVEN)
    assert counts(reports["accounts"]) == (85, 85, 0, 0, 0, 0)
    assert counts(reports["opportunities"]) == (8800, 8800, 0, 0, 0, 0)
    assert counts(reports["opportunity-changes"]) == (8800, 15511, 0, 0, 0, 0)
    assert by_stage() == {"Won": 4238, "Lost": 2473, "Engaging": 1589, "Prospecting": 500}
    won = Opportunity.objects.filter(crm_stage__name="Won")
    assert sum(won.values_list("amount", flat=True)) == Decimal(10_005_534)
    assert OpportunityChange.objects.filter(occurred_at=None, crm_stage__name="Prospecting").count() == 500
    assert Opportunity.objects.filter(account=None).count() == 1425
    assert not Opportunity.objects.filter(account=None).filter(crm_stage__name__in=["Won", "Lost"]).exists()
    assert dict(CrmStage.objects.values_list("name", "meaning")) == {
        "Prospecting": "identified",
        "Engaging": "active",
        "Won": "won",
        "Lost": "lost",
    }


def test_what_was_bent_or_missing_in_maven_is_reported():
    reports = load(MAVEN)
    assert {(item.old, item.new, item.rows) for item in reports["accounts"].replaced} == {
        ("technolgy", "technology", 12),
        ("Philipines", "Philippines", 1),
    }
    deals = reports["opportunities"]
    assert [(item.old, item.new, item.rows) for item in deals.replaced] == [("GTXPro", "GTX Pro", 1480)]
    assert deals.unexpected == []
    assert deals.flagged == {"no_account": 1425, "replaced_value": 1480}
    assert reports["opportunity-changes"].flagged == {"no_account": 1425, "no_date": 500}
    assert all(report.unused_columns == [] for report in reports.values())


def test_maven_accounts_have_the_values_of_the_file():
    load(MAVEN[:1])
    found = {account.name: account for account in Account.objects.select_related("parent")}
    for row in rows("maven_crm/accounts.csv"):
        account = found[row["account"]]
        assert account.revenue == Decimal(row["revenue"]) * 1_000_000
        assert account.employees == int(row["employees"])
        assert account.custom == {"year_established": int(row["year_established"])}
        assert (account.parent.name if account.parent else "") == row["subsidiary_of"]
    assert sum(account.parent is not None for account in found.values()) == 15


def test_maven_deals_open_and_close_on_the_days_of_the_file():
    load(MAVEN)
    found = {deal.external_id: deal for deal in Opportunity.objects.select_related("account")}
    for row in rows("maven_crm/sales_pipeline.csv"):
        deal = found[row["opportunity_id"]]
        assert (deal.account.name if deal.account else "") == row["account"]
        assert (f"{deal.opened_at:%Y-%m-%d}" if deal.opened_at else "") == row["engage_date"]
        assert (f"{deal.closed_at:%Y-%m-%d}" if deal.closed_at else "") == row["close_date"]


def test_olist_arrives_in_full():
    reports = load(OLIST)
    assert counts(reports["contacts"]) == (8000, 8000, 0, 0, 0, 0)
    assert counts(reports["opportunities"]) == (8000, 8000, 0, 0, 0, 0)
    assert counts(reports["opportunity-changes"]) == (842, 842, 0, 0, 0, 0)
    assert by_stage() == {"Lead": 7158, "Won": 842}
    assert Contact.objects.exclude(custom__has_key="origin").count() == 60
    assert Counter(Contact.objects.values_list("custom__origin", flat=True))["organic_search"] == 2296


def test_the_deal_won_before_its_first_contact_is_kept_and_flagged():
    reports = load(OLIST)
    assert reports["opportunity-changes"].flagged["close_before_opening"] == 1
    early = [deal for deal in Opportunity.objects.exclude(closed_at=None) if deal.closed_at < deal.opened_at]
    assert len(early) == 1
    assert early[0].crm_stage.name == "Won"
    assert (early[0].opened_at.date() - early[0].closed_at.date()).days == 2


@pytest.mark.parametrize("files", [MAVEN, OLIST], ids=["maven", "olist"])
def test_the_same_files_again_change_nothing(files):
    load(files)
    FactTouch.objects.all().delete()
    events = Account.pgh_event_model.objects.count() + Contact.pgh_event_model.objects.count()
    for report in load(files).values():
        assert (report.inserted, report.updated, report.bad) == (0, 0, 0)
        assert report.unchanged == report.records
    assert FactTouch.objects.count() == 0
    assert Account.pgh_event_model.objects.count() + Contact.pgh_event_model.objects.count() == events


def test_companies_in_utf_16_with_spaces_and_dollars():
    path = DATA / "companies" / "fortune500_2019.csv"
    spec = {
        "source_system": "fortune",
        "columns": {
            "external_id": "rank",
            "name": "company_name",
            "revenue": {"column": "revenue ($M)", "scale": 1000000},
            "employees": "employees",
            "domain": "website",
            "industry": "industry",
        },
    }
    report = import_file("accounts", path, spec=spec)
    assert counts(report) == (500, 500, 0, 0, 0, 0)
    walmart = Account.objects.get(external_id="1")
    assert (walmart.name, walmart.domain, walmart.employees) == ("Walmart", "walmart.com", 2_200_000)
    assert walmart.revenue == Decimal(514_405_000_000)


def test_messy_chinese_companies_are_stored_or_told():
    path = DATA / "companies" / "zh_companies_standup_coder.csv"
    spec = {
        "columns": {
            "external_id": "id",
            "name": "name",
            "other_names": {"column": "alias", "values": {"-": ""}},
            "domain": {"column": "website", "values": {"-": ""}},
            "city": "city",
            "industry": "industry",
        }
    }
    report = import_file("accounts", path, spec=spec)
    assert report.rows == 4486
    assert report.inserted + report.duplicates + report.bad == 4486
    assert Counter(error.code for error in report.errors) == {"not_a_domain": report.bad}
    assert all(error.line and error.value and error.message for error in report.errors)
    domains = set(Account.objects.exclude(domain="").values_list("domain", flat=True))
    assert "abb.com" in domains
    assert not [domain for domain in domains if "[" in domain or "/" in domain]
