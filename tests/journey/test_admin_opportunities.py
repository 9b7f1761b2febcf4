"""Deals in the admin: changes are added and never edited; the mapping of CRM stages; journeys and their versions."""

import datetime as dt

import pytest
from django.urls import reverse

from journey.models import CrmStage, Journey, JourneyVersion, Opportunity, OpportunityChange
from segmentation.errors import InvalidValueError
from segmentation.models import Account

pytestmark = pytest.mark.django_db


def at(day):
    return dt.datetime(2026, 1, day, tzinfo=dt.UTC)


@pytest.fixture
def stages():
    meanings = {"First": "identified", "Middle": "active", "Signed": "won", "Gone": "lost", "Odd": ""}
    return {name: CrmStage.objects.create(name=name, meaning=meaning) for name, meaning in meanings.items()}


@pytest.fixture
def deal(stages):
    from journey.services.deals import add_change

    deal = Opportunity.objects.create(account=Account.objects.create(name="Acme"), name="Big deal", currency="EUR")
    add_change(opportunity=deal, crm_stage=stages["First"], amount=100, occurred_at=at(5))
    return deal


def page(deal):
    return reverse("admin:journey_opportunity_change", args=[deal.pk])


def form_of(client, deal, *changes, **fields):
    """What the browser would send: the form as it is, with new changes."""
    form = client.get(page(deal)).context["adminform"].form
    data = {name: value if value is not None else "" for name, value in form.initial.items()} | fields
    data |= {"created_in_source_at_0": "", "created_in_source_at_1": ""}
    existing = list(deal.changes.all())
    data |= {"changes-TOTAL_FORMS": len(existing) + len(changes), "changes-INITIAL_FORMS": len(existing)}
    for i, change in enumerate(existing):
        data |= {f"changes-{i}-id": change.pk, f"changes-{i}-opportunity": deal.pk, f"changes-{i}-amount": "999999"}
    for i, change in enumerate(changes, len(existing)):
        data |= {f"changes-{i}-opportunity": deal.pk} | {f"changes-{i}-{name}": value for name, value in change.items()}
    return data


class TestChanges:
    def test_a_new_change_moves_the_deal(self, admin_client, deal, stages):
        change = {
            "occurred_at_0": "2026-01-20",
            "occurred_at_1": "00:00",
            "crm_stage": stages["Signed"].pk,
            "amount": "150",
        }
        response = admin_client.post(page(deal), form_of(admin_client, deal, change))
        assert response.status_code == 302, response.context["errors"]
        deal.refresh_from_db()
        assert (deal.crm_stage, deal.amount, deal.opened_at, deal.closed_at) == (stages["Signed"], 150, at(5), at(20))
        assert [(c.sequence, c.crm_stage.name) for c in deal.changes.order_by("sequence")] == [
            (0, "First"),
            (1, "Signed"),
        ]

    def test_changes_that_are_there_cannot_be_edited(self, admin_client, deal):
        admin_client.post(page(deal), form_of(admin_client, deal))
        assert deal.changes.get().amount == 100

    def test_stage_and_amount_cannot_be_typed_in(self, admin_client, deal, stages):
        admin_client.post(
            page(deal), form_of(admin_client, deal, crm_stage=stages["Gone"].pk, amount="7", closed_at="2026-01-01")
        )
        deal.refresh_from_db()
        assert (deal.crm_stage, deal.amount, deal.closed_at) == (stages["First"], 100, None)

    def test_a_change_that_says_nothing_is_refused_on_the_page(self, admin_client, deal):
        change = {"occurred_at_0": "2026-01-20", "occurred_at_1": "00:00", "crm_stage": "", "amount": ""}
        response = admin_client.post(page(deal), form_of(admin_client, deal, change))
        assert "The change says nothing" in response.content.decode()
        assert deal.changes.count() == 1

    def test_a_change_in_the_future_is_refused_on_the_page(self, admin_client, deal, stages):
        change = {"occurred_at_0": "2999-01-20", "occurred_at_1": "00:00", "crm_stage": stages["Gone"].pk}
        response = admin_client.post(page(deal), form_of(admin_client, deal, change))
        assert response.status_code == 200
        assert "not in the future" in response.content.decode()
        assert deal.changes.count() == 1

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({}, "empty_change"),
            ({"amount": 5, "occurred_at": dt.datetime(1989, 1, 1, tzinfo=dt.UTC)}, "time_not_usable"),
            ({"amount": 5, "occurred_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}, "time_not_usable"),
            ({"amount": 5, "occurred_at": dt.datetime(2024, 1, 1)}, "time_not_usable"),  # noqa: DTZ001 - of no zone
        ],
    )
    def test_the_service_refuses_what_cannot_be(self, deal, given, code):
        from journey.services.deals import add_change

        with pytest.raises(InvalidValueError) as error:
            add_change(opportunity=deal, **given)
        assert error.value.code == code

    def test_a_new_deal_begins_with_its_first_change(self, admin_client, stages):
        data = {
            "name": "New", "kind": "new", "source_system": "crm", "changes-TOTAL_FORMS": 1, "changes-INITIAL_FORMS": 0,
            "changes-0-crm_stage": stages["First"].pk, "changes-0-amount": "10",
            "changes-0-occurred_at_0": "2026-01-02", "changes-0-occurred_at_1": "00:00",
        }  # fmt: skip
        response = admin_client.post(reverse("admin:journey_opportunity_add"), data)
        assert response.status_code == 302, response.context["errors"]
        deal = Opportunity.objects.get(name="New")
        assert (deal.crm_stage, deal.amount, deal.opened_at) == (stages["First"], 10, at(2))


class TestMapping:
    url = property(lambda self: reverse("admin:journey_crmstage_changelist"))

    def test_stages_without_meaning_stand_out_and_are_counted(self, admin_client, stages):
        text = admin_client.get(self.url).content.decode()
        assert "1 stage is not mapped" in text
        assert "not mapped: its deals give no verdict" in text

    def test_it_is_edited_in_the_list_and_moves_the_deals(self, admin_client, deal, stages):
        from journey.services.deals import add_change

        add_change(opportunity=deal, crm_stage=stages["Odd"], occurred_at=at(9))
        assert deal.closed_at is None
        rows = list(admin_client.get(self.url).context["cl"].result_list)
        data = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
        for i, row in enumerate(rows):
            meaning = "lost" if row == stages["Odd"] else row.meaning
            data |= {f"form-{i}-id": row.pk, f"form-{i}-meaning": meaning, f"form-{i}-position": row.position}
        assert admin_client.post(self.url, data).status_code == 302
        deal.refresh_from_db()
        assert CrmStage.objects.get(name="Odd").meaning == "lost"
        assert deal.closed_at == at(9)


class TestLists:
    def test_deals_without_account_are_found_and_show_what_the_crm_called_it(self, admin_client, deal):
        Opportunity.objects.create(name="Lonely", account_reference="Akme Inc")
        response = admin_client.get(reverse("admin:journey_opportunity_changelist"), {"with_account": "no"})
        assert [str(row) for row in response.context["cl"].result_list] == ["Lonely"]
        assert "Akme Inc" in response.content.decode()

    @pytest.mark.parametrize(
        ("state", "names"), [("open", ["Big deal"]), ("won", []), ("unmapped", ["Strange"]), ("lost", [])]
    )
    def test_deals_are_found_by_what_their_stage_means(self, admin_client, deal, stages, state, names):
        Opportunity.objects.create(name="Strange", crm_stage=stages["Odd"])
        response = admin_client.get(reverse("admin:journey_opportunity_changelist"), {"state": state})
        assert [str(row) for row in response.context["cl"].result_list] == names


class TestJourneys:
    @pytest.fixture
    def version(self):
        return JourneyVersion.objects.filter(state="published").order_by("pk").first()

    def test_a_version_tells_its_rules_in_sentences(self, admin_client, version):
        response = admin_client.get(reverse("admin:journey_journeyversion_change", args=[version.pk]))
        rules = [rule for stage in response.context["stages"] for rule in stage.enter]
        assert rules
        for rule in rules:
            for sentence in rule.tests:
                assert "There is no criterion kind" not in sentence
                assert len(sentence) > 5
        assert [row.stage.precedence for row in response.context["stages"]] == sorted(
            (row.stage.precedence for row in response.context["stages"]), reverse=True
        )

    def test_a_published_version_is_neither_edited_nor_deleted(self, admin_client, version):
        change = reverse("admin:journey_journeyversion_change", args=[version.pk])
        admin_client.post(change, {"note": "better words", "number": 9, "state": "draft"})
        version.refresh_from_db()
        assert (version.note, version.number, version.state) == ("better words", 1, "published")
        assert (
            admin_client.post(
                reverse("admin:journey_journeyversion_delete", args=[version.pk]), {"post": "yes"}
            ).status_code
            == 403
        )

    def test_a_journey_with_a_published_version_stays(self, admin_client, version):
        url = reverse("admin:journey_journey_delete", args=[version.journey.pk])
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
        assert Journey.objects.filter(pk=version.journey.pk).exists()

    def test_a_journey_lists_all_its_versions(self, admin_client, version):
        JourneyVersion.objects.create(journey=version.journey, number=2, note="tried out")
        text = admin_client.get(reverse("admin:journey_journey_change", args=[version.journey.pk])).content.decode()
        assert "tried out" in text
        assert "v1" in text


def test_an_undated_change_is_shown_as_such(admin_client, deal, stages):
    OpportunityChange.objects.create(opportunity=deal, crm_stage=stages["Odd"], sequence=9, source_key="undated")
    text = admin_client.get(reverse("admin:segmentation_account_change", args=[deal.account_id])).content.decode()
    assert "Not known when it happened" in text


def test_a_change_without_stage_is_named_by_what_it_changes(deal):
    change = OpportunityChange(opportunity=deal, expected_close=dt.date(2026, 5, 1))
    assert str(change) == f"{deal}: 2026-05-01"
    assert str(OpportunityChange(opportunity=deal, amount=7)) == f"{deal}: 7"
