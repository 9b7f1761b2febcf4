"""Custom fields, job title rules, import mappings and jobs in the admin."""

import pytest
from django.urls import reverse

from segmentation.models import Account, Contact, CustomField, ImportMapping, Job, TitleRule
from segmentation.selectors.title_rules import contacts_decided

pytestmark = pytest.mark.django_db


class TestCustomFields:
    @pytest.fixture(autouse=True)
    def declared(self):
        for key, kind in (("erp", "text"), ("seats", "number"), ("since", "date"), ("partner", "yes_no")):
            CustomField.objects.create(of="contact", key=key, label=key.upper(), type=kind)

    def send(self, client, contact, **fields):
        data = {
            "name": "Ann",
            "source_system": "crm",
            "created_in_source_at_0": "",
            "created_in_source_at_1": "",
            **fields,
        }
        return client.post(reverse("admin:segmentation_contact_change", args=[contact.pk]), data)

    def test_values_are_kept_in_the_form_of_their_type(self, admin_client):
        contact = Contact.objects.create(name="Ann", custom={"undeclared": 1, "erp": "old"})
        given = {"custom__erp": "SAP", "custom__seats": "12", "custom__since": "2026-02-03", "custom__partner": "true"}
        response = self.send(admin_client, contact, **given)
        assert response.status_code == 302, response.context["errors"]
        contact.refresh_from_db()
        assert contact.custom == {"undeclared": 1, "erp": "SAP", "seats": 12, "since": "2026-02-03", "partner": True}

    def test_an_emptied_field_is_gone_and_zero_is_kept(self, admin_client):
        contact = Contact.objects.create(name="Ann", custom={"erp": "SAP"})
        self.send(admin_client, contact, custom__erp="", custom__seats="0", custom__since="", custom__partner="unknown")
        contact.refresh_from_db()
        assert contact.custom == {"seats": 0}

    def test_a_value_of_another_type_is_refused_on_the_field(self, admin_client):
        contact = Contact.objects.create(name="Ann")
        response = self.send(admin_client, contact, custom__seats="many")
        assert "custom__seats" in response.context["adminform"].form.errors

    def test_stored_values_come_back_in_the_form(self, admin_client):
        contact = Contact.objects.create(name="Ann", custom={"erp": "SAP", "since": "2026-02-03"})
        form = (
            admin_client.get(reverse("admin:segmentation_contact_change", args=[contact.pk])).context["adminform"].form
        )
        assert (form.initial["custom__erp"], form.initial["custom__since"]) == ("SAP", "2026-02-03")

    def test_key_and_type_stay_once_declared(self, admin_client):
        field = CustomField.objects.get(key="erp")
        url = reverse("admin:segmentation_customfield_change", args=[field.pk])
        admin_client.post(url, {"of": "account", "key": "other", "type": "number", "label": "Suite", "help_text": ""})
        field.refresh_from_db()
        assert (field.of, field.key, field.type, field.label) == ("contact", "erp", "text", "Suite")


class TestTitleRules:
    url = property(lambda self: reverse("admin:segmentation_titlerule_add"))

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"sets": "seniority", "value": "sales", "match": "word", "pattern": "x"}, "value"),
            ({"sets": "department", "value": "vp", "match": "word", "pattern": "x"}, "value"),
            ({"sets": "seniority", "value": "nonsense", "match": "word", "pattern": "x"}, "value"),
            ({"sets": "seniority", "value": "vp", "match": "regex", "pattern": "(x"}, "pattern"),
        ],
    )
    def test_a_rule_that_cannot_work_is_refused_on_its_field(self, admin_client, given, field):
        response = admin_client.post(self.url, {**given, "order": 1, "active": "on"})
        assert list(response.context["adminform"].form.errors) == [field]

    def test_the_list_shows_how_many_contacts_each_rule_decides(self, admin_client):
        TitleRule.objects.all().delete()
        first = TitleRule.objects.create(sets="seniority", pattern="wizard", value="vp", order=1)
        second = TitleRule.objects.create(sets="seniority", pattern="chief", value="c_level", order=2)
        off = TitleRule.objects.create(sets="seniority", pattern="scribe", value="other", order=3, active=False)
        for title in ("Chief wizard", "Chief", "Wizard", "wizard", "scribe", ""):
            Contact.objects.create(job_title=title)
        Contact.objects.create(job_title="Chief", classified_by_hand=True)
        assert contacts_decided() == {first.pk: 3, second.pk: 1}
        assert off.pk not in contacts_decided()
        assert admin_client.get(reverse("admin:segmentation_titlerule_changelist")).context["unread"] == 5

    def test_applying_them_needs_a_post(self, admin_client):
        TitleRule.objects.all().delete()
        TitleRule.objects.create(sets="seniority", pattern="wizard", value="vp")
        contact = Contact.objects.create(job_title="Wizard")
        url = reverse("admin:segmentation_titlerule_apply")
        assert admin_client.get(url).status_code == 200
        contact.refresh_from_db()
        assert contact.seniority == ""
        admin_client.post(url, {"_form_submitted": "True"})
        contact.refresh_from_db()
        assert contact.seniority == "vp"


class TestReadOnly:
    def test_a_mapping_is_renamed_and_not_rewritten(self, admin_client):
        mapping = ImportMapping.objects.create(key="m", name="Old", target="accounts", spec={"a": 1})
        url = reverse("admin:segmentation_importmapping_change", args=[mapping.pk])
        admin_client.post(url, {"name": "New", "key": "m", "target": "contacts", "spec": "{}"})
        mapping.refresh_from_db()
        assert (mapping.name, mapping.target, mapping.spec) == ("New", "accounts", {"a": 1})

    def test_jobs_are_looked_at_only(self, admin_client):
        job = Job.objects.create(kind="replay", title="Rebuild", state="running", progress=0.25)
        url = reverse("admin:segmentation_job_change", args=[job.pk])
        assert "width: 25%" in admin_client.get(url).content.decode()
        assert admin_client.post(url, {"state": "done"}).status_code == 403
        assert (
            admin_client.post(reverse("admin:segmentation_job_delete", args=[job.pk]), {"post": "yes"}).status_code
            == 403
        )


class TestLists:
    def test_a_page_has_25_rows(self, admin_client):
        Account.objects.bulk_create(Account(name=f"Company {i:02}") for i in range(30))
        response = admin_client.get(reverse("admin:segmentation_account_changelist"))
        assert len(response.context["cl"].result_list) == 25

    def test_accounts_are_found_by_name_domain_and_whole_external_id(self, admin_client):
        Account.objects.create(name="Acme", domain="acme.example", external_id="A-17")
        Account.objects.create(name="Globex", domain="globex.example", external_id="A-1")
        for words, names in (("cme", ["Acme"]), ("globex.ex", ["Globex"]), ("A-1", ["Globex"]), ("nobody", [])):
            response = admin_client.get(reverse("admin:segmentation_account_changelist"), {"q": words})
            assert [str(row) for row in response.context["cl"].result_list] == names
