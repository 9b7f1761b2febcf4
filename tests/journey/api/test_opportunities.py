import pytest

from journey.models import CrmStage, Opportunity, OpportunityChange
from tests.segmentation.api.support import check_problem, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def deal(api):
    for position, (name, meaning) in enumerate([("Lead", "identified"), ("Proposal", "active"), ("Won", "won")]):
        CrmStage.objects.get_or_create(name=name, defaults={"meaning": meaning, "position": position})
    store("accounts", {"external_id": "A-1", "name": "One"})
    record = {
        "external_id": "O-1",
        "account": "A-1",
        "name": "Deal",
        "crm_stage": "Lead",
        "stage_at": "2026-01-01",
        "amount": 100,
    }
    return api.post("opportunities/", record).json()


def state(api, deal):
    shown = api.get(f"opportunities/{deal['id']}/").json()
    return shown["crm_stage"], shown["amount"], shown["closed_at"]


def test_a_new_deal_has_its_first_change(api, deal):
    changes = api.get("opportunity-changes/?opportunity__external_id=O-1").json()["results"]
    assert [(row["crm_stage"], row["amount"], row["occurred_at"]) for row in changes] == [
        ("Lead", "100.00", "2026-01-01T00:00:00Z")
    ]


def test_a_change_of_stage_or_amount_becomes_a_change_of_the_history(api, deal):
    api.patch(f"opportunities/{deal['id']}/", {"crm_stage": "Proposal", "stage_at": "2026-02-01", "amount": "120.50"})
    changes = api.get(f"opportunity-changes/?opportunity={deal['id']}").json()["results"]
    assert [(row["crm_stage"], row["amount"]) for row in changes] == [("Lead", "100.00"), ("Proposal", "120.50")]
    assert state(api, deal) == ("Proposal", "120.50", None)


def test_a_dated_change_moves_the_deal(api, deal):
    answer = api.post(
        "opportunity-changes/",
        {"external_id": "H-1", "opportunity": "O-1", "crm_stage": "Won", "occurred_at": "2026-03-01"},
    )
    assert answer.status_code == 201
    assert state(api, deal) == ("Won", "100.00", "2026-03-01T00:00:00Z")


def test_a_change_that_is_taken_back_leaves_the_deal_as_it_was(api, deal):
    change = api.post(
        "opportunity-changes/",
        {"external_id": "H-1", "opportunity": "O-1", "crm_stage": "Won", "occurred_at": "2026-03-01"},
    ).json()
    assert api.delete(f"opportunity-changes/{change['id']}/").status_code == 204
    assert state(api, deal) == ("Lead", "100.00", None)


def test_a_deal_whose_only_change_is_taken_back_has_no_stage(api, deal):
    change = OpportunityChange.objects.get()
    assert api.delete(f"opportunity-changes/{change.pk}/").status_code == 204
    assert state(api, deal) == (None, None, None)


def test_a_correction_of_a_change_keeps_what_it_does_not_name(api, deal):
    change = api.post(
        "opportunity-changes/",
        {"external_id": "H-1", "opportunity": "O-1", "crm_stage": "Proposal", "occurred_at": "2026-02-01"},
    ).json()
    shown = api.patch(f"opportunity-changes/{change['id']}/", {"amount": 70}).json()
    assert (shown["crm_stage"], shown["amount"], shown["occurred_at"]) == ("Proposal", "70.00", "2026-02-01T00:00:00Z")
    assert state(api, deal) == ("Proposal", "70.00", None)


def test_a_change_of_an_unknown_deal_is_refused(api):
    problem = check_problem(api.post("opportunity-changes/", {"external_id": "H-1", "opportunity": "O-9", "amount": 1}))
    assert (problem["errors"][0]["field"], problem["errors"][0]["code"]) == ("opportunity", "unknown_opportunity")


def test_a_deal_without_its_account_is_kept_and_flagged(api):
    answer = api.post("opportunities/upsert/", {"records": [{"external_id": "O-7", "account": "Nobody Inc"}]})
    assert (answer.status_code, answer.json()["flagged"]) == (200, {"no_account": 1})
    found = api.get("opportunities/?account__isempty=true").json()["results"]
    assert [(row["external_id"], row["account_reference"]) for row in found] == [("O-7", "Nobody Inc")]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("crm_stage=Lead", 1),
        ("crm_stage=Proposal", 0),
        ("amount__gte=100&amount__lt=101", 1),
        ("closed_at__isempty=true", 1),
        ("kind=new", 1),
        ("kind=renewal", 0),
        ("search=dea", 1),
        ("account__external_id=A-1", 1),
        ("opened_at__gte=2026-01-02", 0),
    ],
)
def test_a_filter_finds_these_and_no_others(api, deal, query, number):
    assert len(api.get(f"opportunities/?{query}").json()["results"]) == number


def test_an_unknown_stage_names_the_one_that_was_meant(api, deal):
    assert "“Proposal”" in check_problem(api.get("opportunities/?crm_stage=Propsal"))["detail"]


def test_stages_of_the_crm_are_listed_and_not_written(api, deal):
    found = api.get("crm-stages/?meaning=won").json()["results"]
    assert "Won" in [row["name"] for row in found]
    assert api.get(f"crm-stages/{found[0]['id']}/").json() == found[0]
    assert api.post("crm-stages/", {"name": "x"}).status_code == 405


def test_a_deal_is_deleted_with_its_history(api, deal):
    assert api.delete(f"opportunities/{deal['id']}/").status_code == 204
    assert not Opportunity.objects.exists()
    assert not OpportunityChange.objects.exists()
