"""Ideal customer profiles in the admin: editing a draft, publishing, answering in bulk, the fit of an account."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from journey.services.assessments import assess
from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpVersion, Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    return Account.objects.create(name="Acme", relationship="prospect")


@pytest.fixture
def globex():
    return Account.objects.create(name="Globex")


@pytest.fixture
def published():
    return IcpVersion.objects.get(profile__key="default")


@pytest.fixture
def draft(admin_client, published):
    response = admin_client.post(reverse("admin:segmentation_icpprofile_draft", args=[published.profile_id]))
    version = IcpVersion.objects.get(state="draft")
    assert response.url == reverse("admin:segmentation_icpversion_change", args=[version.pk])
    return version


def reader(client, *codenames):
    user = get_user_model().objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def page(client, name, *args):
    response = client.get(reverse(f"admin:{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


def form_of(version, **changes):
    """What the page of a draft posts, with fields of the first item changed."""
    items = list(version.items.order_by("order", "id"))
    data = {"note": "", "items-TOTAL_FORMS": len(items), "items-INITIAL_FORMS": len(items)}
    for i, item in enumerate(items):
        fields = {
            "id": item.pk,
            "version": version.pk,
            "section": item.section,
            "key": item.key,
            "text": item.text,
            "kind": item.kind,
            "rule": "null" if item.rule is None else json.dumps(item.rule),
            "weight": item.weight,
            "unknown": item.unknown,
            "help": item.help,
            "order": item.order,
        }
        if item.knock_out:
            fields["knock_out"] = "on"
        if i == 0:
            fields |= changes
        data |= {f"items-{i}-{name}": value for name, value in fields.items()}
    return data


def test_the_pages_are_in_the_side_bar_and_open(admin_client, published, acme):
    assess()
    start = page(admin_client, "index")
    for name in ("icpprofile", "icpversion", "icpassessment", "icpanswer"):
        assert reverse(f"admin:segmentation_{name}_changelist") in start
        page(admin_client, f"segmentation_{name}_changelist")
    assert "v1" in page(admin_client, "segmentation_icpprofile_change", published.profile_id)
    text = page(admin_client, "segmentation_icpversion_change", published.pk)
    assert "It works in one of our ideal industries" in text
    assert 'name="items-0-text"' not in text


def test_a_draft_is_edited_in_rows(admin_client, draft):
    url = reverse("admin:segmentation_icpversion_change", args=[draft.pk])
    assert 'name="items-0-text"' in admin_client.get(url).content.decode()
    response = admin_client.post(url, form_of(draft, weight=7, text="Not ours yet"))
    assert response.status_code == 302, response.context["errors"]
    item = draft.items.get(key="not-yet-customer")
    assert (item.weight, item.text) == (7, "Not ours yet")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"rule": '{"criteria": []}'}, "rule", "no criterion"),
        ({"rule": '{"criteria": [{"kind": "feild"}]}'}, "rule", "criteria.0.kind"),
        ({"rule": ""}, "rule", "there is none"),
        ({"kind": "yes_no"}, "rule", "A person answers"),
        ({"weight": "heavy"}, "weight", "whole number"),
    ],
)
def test_an_item_that_could_not_be_used_is_refused_in_its_row(admin_client, draft, changes, field, words):
    url = reverse("admin:segmentation_icpversion_change", args=[draft.pk])
    response = admin_client.post(url, form_of(draft, **changes))
    assert response.status_code == 200
    errors = response.context["inline_admin_formsets"][0].formset.errors[0]
    assert words in str(errors[field])
    assert draft.items.get(key="not-yet-customer").weight == 1


def test_a_published_version_cannot_be_posted_to(admin_client, published):
    url = reverse("admin:segmentation_icpversion_change", args=[published.pk])
    admin_client.post(url, form_of(published, weight=7))
    assert published.items.get(key="not-yet-customer").weight == 1


def test_publishing_asks_for_the_assessment_of_all_accounts(admin_client, draft):
    admin_client.post(reverse("admin:segmentation_icpversion_publish", args=[draft.pk]))
    draft.refresh_from_db()
    assert draft.state == "published"
    assert Job.objects.get(kind="assess").params == {"profile": "default"}


def test_publishing_a_draft_without_items_says_why_not(admin_client):
    profile = IcpProfile.objects.create(key="empty", name="Empty")
    version = IcpVersion.objects.create(profile=profile, number=1)
    url = reverse("admin:segmentation_icpversion_publish", args=[version.pk])
    assert "no item that counts" in admin_client.post(url, follow=True).content.decode()
    version.refresh_from_db()
    assert version.is_draft


def test_what_would_change_is_shown_before_publishing(admin_client, draft, acme):
    draft.items.exclude(key="not-yet-customer").delete()
    text = page(admin_client, "segmentation_icpversion_compare", draft.pk)
    assert "1 change their grade" in text
    assert "Acme" in text
    assert not IcpAssessment.objects.exists()


class TestAnswering:
    def post(self, client, accounts, **fields):
        data = {
            "action": "answer_selected",
            "_selected_action": [account.pk for account in accounts],
            "_form_submitted": "1",
            **fields,
        }
        return client.post(reverse("admin:segmentation_account_changelist"), data)

    def test_an_item_is_answered_for_all_selected_accounts_which_are_assessed(
        self, admin_client, admin_user, published, acme, globex
    ):
        response = self.post(admin_client, [acme, globex], item=f"{published.pk}:need", value="yes", note="they asked")
        assert response.status_code == 302
        answers = IcpAnswer.objects.order_by("account__name")
        assert [(a.account.name, a.item_key, a.value, a.note, a.answered_by) for a in answers] == [
            ("Acme", "need", 1, "they asked", admin_user),
            ("Globex", "need", 1, "they asked", admin_user),
        ]
        assert "need" in IcpAssessment.objects.get(account=acme).reasons["met"]

    def test_the_form_is_shown_first(self, admin_client, published, acme):
        response = admin_client.post(
            reverse("admin:segmentation_account_changelist"),
            {"action": "answer_selected", "_selected_action": [acme.pk]},
        )
        assert "It serves customers like theirs" in response.content.decode()
        assert not IcpAnswer.objects.exists()

    def test_a_scale_answer_to_a_yes_or_no_is_refused(self, admin_client, published, acme):
        response = self.post(admin_client, [acme], item=f"{published.pk}:need", value="4")
        assert "is no answer to" in response.content.decode()
        assert not IcpAnswer.objects.exists()

    def test_a_rule_or_an_unknown_item_is_not_offered(self, admin_client, published, acme):
        for item in (f"{published.pk}:not-yet-customer", "999:need", "x"):
            assert self.post(admin_client, [acme], item=item, value="yes").status_code == 200
        assert not IcpAnswer.objects.exists()

    def test_who_may_not_answer_does_not(self, client, published, acme):
        reader(client, "view_account", "change_account")
        self.post(client, [acme], item=f"{published.pk}:need", value="yes")
        assert not IcpAnswer.objects.exists()


class TestPageOfAnAccount:
    def test_it_shows_the_fit_with_its_reasons(self, admin_client, published, acme):
        TestAnswering().post(admin_client, [acme], item=f"{published.pk}:sellable", value="no", note="embargo")
        text = page(admin_client, "segmentation_account_change", acme.pk)
        for words in ("Fit to the ideal customer", "fit 0", "knock-out", "embargo", "not: a won opportunity"):
            assert words in text

    def test_before_the_first_assessment_it_says_what_to_do(self, admin_client, acme):
        assert "Not assessed yet" in page(admin_client, "segmentation_account_change", acme.pk)

    def test_it_is_hidden_from_who_may_not_see_assessments(self, client, acme):
        assess()
        reader(client, "view_account")
        assert "Fit to the ideal customer" not in page(client, "segmentation_account_change", acme.pk)


def test_who_may_only_look_cannot_publish_or_draft(client, published):
    version = IcpVersion.objects.create(profile=published.profile, number=2)
    IcpItem.objects.create(version=version, key="a", text="a")
    reader(client, "view_icpprofile", "view_icpversion")
    page(client, "segmentation_icpversion_change", version.pk)
    assert client.post(reverse("admin:segmentation_icpversion_publish", args=[version.pk])).status_code == 403
    assert client.post(reverse("admin:segmentation_icpprofile_draft", args=[published.profile_id])).status_code == 403
    url = reverse("admin:segmentation_icpversion_change", args=[version.pk])
    assert client.post(url, form_of(version, weight=9)).status_code == 403
    assert version.items.get().weight == 1
