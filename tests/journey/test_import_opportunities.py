import datetime as dt
from decimal import Decimal

import pytest

from journey.models import CrmStage, Opportunity, OpportunityChange
from journey.services.deal_states import derive_deals
from segmentation.errors import ProblemError
from segmentation.models import Account, FactTouch
from segmentation.services.records import upsert_records

pytestmark = pytest.mark.django_db

STAGES = {"crm_stages": {"New": "identified", "Offer": "active", "Contract": "intent", "Won": "won", "Lost": "lost"}}


@pytest.fixture(autouse=True)
def accounts():
    upsert_records("accounts", [{"external_id": "A1", "name": "Acme"}])


def deals(*records, spec=STAGES, **options):
    return upsert_records("opportunities", records, spec=spec, **options)


def changes(*records, spec=STAGES, **options):
    return upsert_records("opportunity-changes", records, spec=spec, **options)


def counts(report):
    return (report.inserted, report.updated, report.unchanged, report.duplicates, report.bad)


def codes(report):
    return [(error.index, error.field, error.code) for error in report.errors]


def day(number):
    return dt.datetime(2024, 3, number, tzinfo=dt.UTC)


def history(external_id="D1"):
    rows = OpportunityChange.objects.filter(opportunity__external_id=external_id).order_by("sequence", "id")
    return [(row.crm_stage.name if row.crm_stage else None, row.occurred_at, row.amount) for row in rows]


def state(external_id="D1"):
    deal = Opportunity.objects.select_related("crm_stage").get(external_id=external_id)
    return (deal.crm_stage.name if deal.crm_stage else None, deal.amount, deal.opened_at, deal.closed_at)


def change(number, stage, **fields):
    return {"opportunity": "D1", "occurred_at": f"2024-03-{number:02}", "crm_stage": stage, **fields}


def test_an_opportunity_is_made_with_its_fields_and_first_change():
    record = {
        "external_id": "D1",
        "account": "acme",
        "name": "Big deal",
        "kind": "Cross-sell",
        "product": "Pro",
        "crm_stage": "Offer",
        "stage_at": "2024-03-05",
        "amount": "1000.50",
        "currency": "EUR",
        "expected_close": "2024-06-30",
        "owner": "Zoe",
        "team": "North",
        "created_in_source_at": "2024-03-01",
    }
    report = deals(record)
    assert counts(report) == (1, 0, 0, 0, 0)
    deal = Opportunity.objects.get()
    assert (deal.account.external_id, deal.account_reference, deal.name, deal.kind, deal.product) == (
        "A1",
        "",
        "Big deal",
        "cross_sell",
        "Pro",
    )
    assert (deal.currency, deal.owner, deal.team.name, deal.expected_close) == (
        "EUR",
        "Zoe",
        "North",
        dt.date(2024, 6, 30),
    )
    assert state() == ("Offer", Decimal("1000.50"), day(5), None)
    assert history() == [("Offer", day(5), Decimal("1000.50"))]
    assert report.created == {"crm_stages": ["New", "Offer", "Contract", "Won", "Lost"], "teams": ["North"]}


def test_the_same_again_changes_nothing_at_all():
    records = [
        {"external_id": f"D{n}", "account": "Acme", "crm_stage": "Offer", "amount": n, "expected_close": "2024-06-30"}
        for n in range(9)
    ]
    deals(*records)
    before = (
        list(Opportunity.objects.order_by("id").values()),
        list(OpportunityChange.objects.order_by("id").values()),
    )
    FactTouch.objects.all().delete()
    assert counts(deals(*records)) == (0, 0, 9, 0, 0)
    assert (
        list(Opportunity.objects.order_by("id").values()),
        list(OpportunityChange.objects.order_by("id").values()),
    ) == before
    assert FactTouch.objects.count() == 0


def test_what_differs_from_the_latest_change_is_appended():
    deals({"external_id": "D1", "account": "A1", "crm_stage": "New", "stage_at": "2024-03-01", "amount": 10})
    assert counts(
        deals({"external_id": "D1", "account": "A1", "crm_stage": "Won", "stage_at": "2024-03-09", "amount": 10})
    ) == (0, 1, 0, 0, 0)
    deals({"external_id": "D1", "account": "A1", "crm_stage": "Won", "stage_at": "2024-03-09", "amount": 12})
    assert history() == [("New", day(1), Decimal(10)), ("Won", day(9), None), (None, None, Decimal(12))]
    assert state() == ("Won", Decimal(12), day(1), day(9))


def test_an_older_file_once_more_adds_nothing():
    old = {"external_id": "D1", "account": "A1", "crm_stage": "New", "stage_at": "2024-03-01"}
    deals(old)
    deals({"external_id": "D1", "account": "A1", "crm_stage": "Won", "stage_at": "2024-03-09"})
    assert counts(deals(old)) == (0, 0, 1, 0, 0)
    assert state()[0] == "Won"


def test_a_deal_may_return_to_a_stage_without_dates():
    for stage in ("New", "Offer", "New"):
        deals({"external_id": "D1", "account": "A1", "crm_stage": stage})
    assert [stage for stage, _at, _amount in history()] == ["New", "Offer", "New"]
    assert state()[0] == "New"


def test_a_date_that_comes_later_dates_the_stage():
    deals({"external_id": "D1", "account": "A1", "crm_stage": "Offer"})
    report = deals({"external_id": "D1", "account": "A1", "crm_stage": "Offer", "stage_at": "2024-03-05"})
    assert counts(report) == (0, 1, 0, 0, 0)
    assert history() == [("Offer", None, None), ("Offer", day(5), None)]
    assert state()[2] == day(5)


def test_the_close_date_of_an_open_deal_is_the_expected_one():
    deals(
        {"external_id": "D1", "account": "A1", "crm_stage": "Offer", "close_date": "2024-03-20"},
        {"external_id": "D2", "account": "A1", "crm_stage": "Won", "close_date": "2024-03-20"},
    )
    opened, closed = Opportunity.objects.order_by("external_id")
    assert (opened.expected_close, opened.closed_at) == (dt.date(2024, 3, 20), None)
    assert (closed.expected_close, closed.closed_at) == (None, day(20))


def test_an_opportunity_of_an_unknown_account_is_kept_and_matched_later():
    records = [
        {"external_id": "D1", "account": "Gamma"},
        {"external_id": "D2", "account": ""},
        {"external_id": "D3", "account": "A1"},
    ]
    report = deals(*records)
    assert report.flagged == {"no_account": 2}
    assert dict(Opportunity.objects.values_list("external_id", "account_reference")) == {
        "D1": "Gamma",
        "D2": "",
        "D3": "",
    }
    upsert_records("accounts", [{"external_id": "A2", "name": "Gamma"}])
    report = deals(*records)
    assert (counts(report), report.flagged) == ((0, 1, 2, 0, 0), {"no_account": 1})
    deal = Opportunity.objects.get(external_id="D1")
    assert (deal.account.external_id, deal.account_reference) == ("A2", "")


def test_an_account_set_by_a_person_is_not_cut_by_an_empty_cell():
    deals({"external_id": "D1", "account": ""})
    Opportunity.objects.update(account=Account.objects.get())
    assert counts(deals({"external_id": "D1", "account": ""})) == (0, 0, 1, 0, 0)
    assert Opportunity.objects.get().account is not None


def test_an_unknown_stage_is_made_without_meaning_and_flagged():
    report = deals({"external_id": "D1", "account": "A1", "crm_stage": "Haggling"}, spec=None)
    assert report.flagged == {"unmapped_stage": 1, "no_date": 1}
    assert report.created == {"crm_stages": ["Haggling"]}
    assert CrmStage.objects.get().meaning == ""


def test_the_mapping_gives_meaning_only_to_stages_without_one():
    CrmStage.objects.create(name="Offer", meaning="intent")
    CrmStage.objects.create(name="Won")
    deals({"external_id": "D1", "account": "A1", "crm_stage": "won", "stage_at": "2024-03-09"}, spec=None)
    assert state()[3] is None
    changes(spec=STAGES)
    assert dict(CrmStage.objects.values_list("name", "meaning"))["Offer"] == "intent"
    assert dict(CrmStage.objects.values_list("name", "meaning"))["Won"] == "won"
    assert state()[3] == day(9)


def test_a_meaning_that_does_not_exist_is_refused_with_the_one_meant():
    with pytest.raises(ProblemError, match="“identified”"):
        deals({"external_id": "D1"}, spec={"crm_stages": {"New": "identifed"}})


def test_an_opportunity_needs_its_external_id():
    assert codes(deals({"account": "A1"})) == [(0, "external_id", "required")]


def test_expected_closes_past_and_to_come_are_flagged():
    report = deals(
        {"external_id": "D1", "account": "A1", "crm_stage": "Offer", "expected_close": "2020-01-01"},
        {"external_id": "D2", "account": "A1", "crm_stage": "Offer", "expected_close": "2150-01-01"},
        {"external_id": "D3", "account": "A1", "crm_stage": "Won", "expected_close": "2020-01-01"},
    )
    assert report.flagged == {"expected_close_past": 1, "expected_close_future": 1, "no_date": 3}


def test_changes_make_the_state_whatever_their_order():
    deals({"external_id": "D1", "account": "A1"})
    report = changes(change(9, "Won", amount=12), change(1, "New", amount=10), change(5, "Offer"))
    assert counts(report) == (3, 0, 0, 0, 0)
    assert report.flagged == {"out_of_order": 2}
    assert state() == ("Won", Decimal(12), day(1), day(9))
    report = changes(change(7, "Contract", expected_close="2024-03-08"))
    assert report.flagged == {"late": 1}
    assert state() == ("Won", Decimal(12), day(1), day(9))
    assert Opportunity.objects.get().expected_close == dt.date(2024, 3, 8)


def test_the_same_changes_again_change_nothing_and_doubles_are_one():
    deals({"external_id": "D1", "account": "A1"})
    records = [change(1, "New"), change(5, "Offer", amount=10), change(5, "Offer", amount=10)]
    assert counts(changes(*records)) == (2, 0, 0, 1, 0)
    FactTouch.objects.all().delete()
    assert counts(changes(*records)) == (0, 0, 2, 1, 0)
    assert FactTouch.objects.count() == 0


def test_a_correction_by_external_id_moves_the_change_and_rewrites_both_deals():
    deals({"external_id": "D1", "account": "A1"}, {"external_id": "D2", "account": "A1"})
    changes(change(1, "New", external_id="H1"), change(9, "Won", external_id="H2"))
    assert counts(changes({**change(9, "Won", external_id="H2"), "opportunity": "D2"})) == (0, 1, 0, 0, 0)
    assert state("D1") == ("New", None, day(1), None)
    assert state("D2") == ("Won", None, None, day(9))


def test_a_win_taken_back_and_closed_again():
    deals({"external_id": "D1", "account": "A1"})
    changes(change(1, "New"), change(5, "Won"), change(6, "Offer"))
    assert state() == ("Offer", None, day(1), None)
    changes(change(8, "Lost"), change(9, "Lost"))
    assert state() == ("Lost", None, day(1), day(8))


def test_a_close_before_the_opening_is_kept_flagged_and_still_a_close():
    deals({"external_id": "D1", "account": "A1"})
    report = changes(change(8, "New"), change(6, "Won", sequence=1))
    assert report.flagged["close_before_opening"] == 1
    assert state() == ("Won", None, day(8), day(6))


def test_an_undated_change_counts_from_when_it_was_learnt_unless_a_later_one_is_dated():
    deals({"external_id": "D1", "account": "A1"}, {"external_id": "D2", "account": "A1"})
    report = changes(
        {"opportunity": "D1", "crm_stage": "New", "sequence": 0},
        {"opportunity": "D1", "crm_stage": "Offer", "sequence": 1, "occurred_at": "2024-03-05"},
        {"opportunity": "D2", "crm_stage": "Offer", "occurred_at": "2024-03-05"},
        {"opportunity": "D2", "crm_stage": "Contract"},
    )
    assert report.flagged["no_date"] == 2
    assert (state("D1")[0], state("D2")[0]) == ("Offer", "Contract")


def test_changes_of_unknown_deals_and_empty_ones_are_refused():
    deals({"external_id": "D1", "account": "A1"})
    report = changes(
        change(1, "New") | {"opportunity": "D9"}, change(1, ""), change(2, "New", amount="-1"), change(3, "New")
    )
    assert codes(report) == [
        (0, "opportunity", "unknown_opportunity"),
        (1, "crm_stage", "no_change"),
        (2, "amount", "negative"),
    ]
    assert report.inserted == 1


def test_deriving_again_changes_nothing():
    deals({"external_id": "D1", "account": "A1", "amount": 5, "created_in_source_at": "2024-03-02"})
    changes(change(9, "Won"))
    assert state() == ("Won", Decimal(5), day(2), day(9))
    assert derive_deals() == 0


def test_bad_rows_of_a_deal_leave_no_stage_of_theirs_behind_in_a_strict_import():
    report = deals({"external_id": "D1", "crm_stage": "Odd"}, {"external_id": "D2", "amount": "x"}, strict=True)
    assert (report.stored, Opportunity.objects.count(), CrmStage.objects.count()) == (False, 0, 0)
