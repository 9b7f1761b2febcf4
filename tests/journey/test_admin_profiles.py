"""Ideal customer profiles in the admin: editing a draft, publishing, answering in bulk, the fit of an account."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from journey.services.assessments import assess
from segmentation.models import (
    Account,
    IcpAnswer,
    IcpAssessment,
    IcpItem,
    IcpProfile,
    IcpVersion,
    Job,
    SalesTeam,
)
from segmentation.selectors.profiles import profile_document
from segmentation.services.profiles import record_answers
from segmentation.services.roles import REP

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


def url_of(version, page="change"):
    return reverse(f"admin:segmentation_icpversion_{page}", args=[version.pk])


def post(client, url, document, **more):
    return client.post(url, json.dumps({"document": document, **more}), content_type="application/json")


def document_of(version, **changes):
    """The items of a version, with fields of the first one changed."""
    document = profile_document(version)
    document["items"][0] |= changes
    return document


RULE = {"criteria": [{"kind": "field", "params": {"field": "relationship", "operator": "is", "value": "prospect"}}]}


def test_the_pages_are_in_the_side_bar_and_open(admin_client, published, acme):
    assess()
    start = page(admin_client, "index")
    for name in ("icpprofile", "icpversion", "icpassessment", "icpanswer"):
        assert reverse(f"admin:segmentation_{name}_changelist") in start
        page(admin_client, f"segmentation_{name}_changelist")
    assert "v1" in page(admin_client, "segmentation_icpprofile_change", published.profile_id)
    text = page(admin_client, "segmentation_icpversion_change", published.pk)
    assert "It works in one of our ideal industries" in text
    assert 'id="ajr-save"' not in text


def test_the_page_of_a_draft_is_the_rule_editor(admin_client, draft, acme):
    state = admin_client.get(url_of(draft)).context["state"]
    assert state["editable"]
    assert state["document"] == profile_document(draft)
    assert "field" in state["schema"]["kinds"]
    assert state["sentences"][0]["criteria"] == ["not: a won opportunity", "not: relationship is customer"]
    assert state["sentences"][1] is None
    assert state["problems"] == []


def test_items_are_saved_as_they_were_sent(admin_client, draft):
    basis = admin_client.get(url_of(draft)).context["state"]["basis"]
    document = document_of(draft, weight=7, text="Not ours yet")
    document["items"].append({"key": "prospect", "text": "A prospect", "kind": "rule", "rule": RULE})
    response = post(admin_client, url_of(draft), document, note="why", basis=basis)
    assert response.status_code == 200, response.json()
    draft.refresh_from_db()
    stored = profile_document(draft)["items"]
    assert (stored[0]["weight"], stored[0]["text"], draft.note) == (7, "Not ours yet", "why")
    assert [item["key"] for item in stored] == [item["key"] for item in document["items"]]
    assert stored[-1]["rule"]["criteria"] == [{**RULE["criteria"][0], "negate": False}]
    late = post(admin_client, url_of(draft), document, note="", basis=basis)
    assert late.status_code == 409
    assert "Somebody else has saved" in late.json()["problems"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"rule": {"criteria": []}}, "items.0.rule.criteria", "no criterion"),
        ({"rule": {"criteria": [{"kind": "feild"}]}}, "items.0.rule.criteria.0.kind", "no criterion kind"),
        ({"rule": None}, "items.0.rule", "there is none"),
        ({"kind": "yes_no"}, "items.0.rule", "A person answers"),
        ({"weight": "heavy"}, "items.0.weight", "is no weight"),
        ({"weight": "7"}, "items.0.weight", "is no weight"),
        ({"weight": 1001}, "items.0.weight", "is no weight"),
        ({"weight": True}, "items.0.weight", "is no weight"),
        ({"key": "need"}, "items.7.key", "Two items have the key"),
        ({"key": "no good"}, "items.0.key", "cannot be the key"),
        ({"text": " "}, "items.0.text", "says nothing"),
        ({"text": "a\x00"}, "items.0.text", "no text that can be stored"),
        ({"help": "x" * 501}, "items.0.help", "501 characters"),
        ({"section": "else"}, "items.0.section", "cannot be chosen"),
        ({"knock_out": "yes"}, "items.0.knock_out", "neither yes nor no"),
        ({"colour": "red"}, "items.0.colour", "There is no"),
    ],
)
def test_an_item_that_could_not_be_used_is_refused_with_its_place(admin_client, draft, changes, field, words):
    before = profile_document(draft)
    for page in ("change", "preview"):
        response = post(admin_client, url_of(draft, page), document_of(draft, **changes))
        [problem] = response.json()["problems"]
        assert problem["field"] == field
        assert words in problem["message"]
    assert profile_document(draft) == before


@pytest.mark.parametrize("document", [None, [], {"items": 3}, {"items": [7]}, "x"])
def test_what_is_no_checklist_is_refused(admin_client, draft, document):
    before = profile_document(draft)
    response = post(admin_client, url_of(draft), document)
    assert response.status_code == 400
    assert response.json()["problems"]
    assert profile_document(draft) == before


def test_the_counts_beside_the_items_are_those_of_the_engine_before_anything_is_saved(
    admin_client, draft, acme, globex
):
    record_answers(version=draft, item_key="need", accounts=[acme], value=True)
    document = document_of(draft)
    document["items"] = [
        {"key": "prospect", "text": "A prospect", "kind": "rule", "rule": RULE, "knock_out": True},
        *[item for item in document["items"] if item["key"] == "need"],
    ]
    counts = post(admin_client, url_of(draft, "preview"), document).json()["counts"]
    assert counts["accounts"] == 2
    assert counts["items"] == [
        {"met": 1, "partly": 0, "unmet": 0, "unknown": 1},
        {"met": 1, "partly": 0, "unmet": 0, "unknown": 1},
    ]
    assert counts["grades"] == {"": 1, "A": 1, "B": 0, "C": 0, "D": 0}
    assert counts["published"] is None
    assert draft.items.count() == 19


def test_a_published_version_cannot_be_posted_to(admin_client, published):
    response = post(admin_client, url_of(published), document_of(published, weight=7))
    assert response.status_code == 409
    assert published.items.get(key="not-yet-customer").weight == 1


def test_values_of_a_field_are_offered(admin_client, draft, acme):
    Account.objects.filter(pk=acme.pk).update(industry="Software")
    url = url_of(draft, "values")
    assert admin_client.get(url, {"field": "industry"}).json() == {"values": ["Software"]}
    assert admin_client.get(url, {"field": "password"}).json() == {"values": []}


def test_a_new_profile_begins_with_the_ready_made_checklist_or_with_none(admin_client):
    for key, data, items in (("full", {}, 19), ("bare", {"empty": "1"}, 0)):
        admin_client.post(reverse("admin:segmentation_icpprofile_add"), {"name": key, "key": key, "description": ""})
        profile = IcpProfile.objects.get(key=key)
        assert "no checklist yet" in page(admin_client, "segmentation_icpprofile_change", profile.pk)
        admin_client.post(reverse("admin:segmentation_icpprofile_draft", args=[profile.pk]), data)
        assert profile.versions.get().items.count() == items


def test_a_draft_is_discarded_after_asking(admin_client, draft, published):
    assert "removed for good" in page(admin_client, "segmentation_icpversion_discard", draft.pk)
    admin_client.post(url_of(draft, "discard"))
    assert not IcpVersion.objects.filter(pk=draft.pk).exists()
    admin_client.post(url_of(published, "discard"))
    assert IcpVersion.objects.filter(pk=published.pk).exists()


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


def test_what_would_change_is_shown_before_publishing(admin_client, draft, acme, published):
    draft.items.exclude(key="not-yet-customer").delete()
    response = admin_client.get(url_of(draft, "compare"))
    text = response.content.decode()
    for words in (
        "1 of 1 accounts changes its grade",
        "Acme",
        "not there",
        "All accounts as CSV",
        url_of(draft, "publish"),
    ):
        assert words in text
    context = response.context
    assert context["totals"] == [1, 0, 0, 0, 0]
    assert [trace["y"] for trace in context["figures"]["grades"]["data"]] == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    assert [sum(trace["y"]) for trace in context["figures"]["scores"]["data"]] == [1, 1]
    assert not IcpAssessment.objects.exists()
    rows = admin_client.get(url_of(draft, "compare") + f"?with={published.pk}&csv").content.decode("utf-8-sig")
    assert rows.splitlines()[1:] == [f"{acme.pk},Acme,100.0,,100.0,A"]


def test_a_draft_that_changed_since_it_was_looked_at_is_not_published(admin_client, draft):
    admin_client.post(url_of(draft, "publish"), {"basis": "of another"})
    draft.refresh_from_db()
    assert draft.is_draft


def test_versions_that_cannot_be_compared_say_why(admin_client, draft, acme, published):
    draft.items.filter(key="need").update(kind="rule", rule={"criteria": [{"kind": "gone"}]})
    assert "cannot be compared yet" in page(admin_client, "segmentation_icpversion_compare", draft.pk)
    assert admin_client.get(url_of(draft, "compare") + "?with=999").status_code == 404
    draft.delete()
    assert "only one version" in page(admin_client, "segmentation_icpversion_compare", published.pk)


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

    def test_the_list_of_answers_words_the_item_as_the_latest_version_does(self, admin_client, draft, published, acme):
        record_answers(version=published, item_key="need", accounts=[acme], value=True)
        draft.items.filter(key="need").update(text="They asked for help.")
        response = admin_client.get(reverse("admin:segmentation_icpanswer_changelist"))
        (answer,) = response.context["cl"].result_list
        assert response.context["cl"].model_admin.asked(answer) == "They asked for help."

    def test_who_may_not_answer_does_not(self, client, published, acme):
        reader(client, "view_account", "change_account")
        self.post(client, [acme], item=f"{published.pk}:need", value="yes")
        assert not IcpAnswer.objects.exists()


class TestPageOfAnAccount:
    def test_it_shows_the_fit_in_short(self, admin_client, published, acme):
        TestAnswering().post(admin_client, [acme], item=f"{published.pk}:sellable", value="no", note="embargo")
        text = page(admin_client, "segmentation_account_change", acme.pk)
        for words in ("Fit to the ideal customer", "fit 0", "Knock-out: We are able and allowed", "not met"):
            assert words in text

    def test_before_the_first_assessment_it_says_so(self, admin_client, acme):
        assert "not assessed yet" in page(admin_client, "segmentation_account_change", acme.pk)

    def test_it_is_hidden_from_who_may_not_see_assessments(self, client, acme):
        assess()
        reader(client, "view_account")
        assert "Fit to the ideal customer" not in page(client, "segmentation_account_change", acme.pk)


class TestPageOfTheFit:
    @pytest.fixture
    def url(self, acme):
        return reverse("admin:segmentation_account_fit", args=[acme.pk])

    def test_every_item_has_its_state_and_its_figures(self, admin_client, url):
        response = admin_client.get(url)
        [fit] = response.context["fits"]
        assert [(group["state"], len(group["items"])) for group in fit["groups"]] == [("met", 1), ("unknown", 18)]
        [item] = fit["groups"][0]["items"]
        assert [(figure["mark"], figure["found"]) for figure in item["figures"]] == [
            ("✓", "0 won opportunities"),
            ("✓", "relationship is prospect"),
        ]
        assert "Nothing is stored yet" in response.content.decode()

    def test_items_are_answered_in_place_and_people_who_differ_are_both_shown(
        self, admin_client, admin_user, url, published, acme, django_user_model
    ):
        bob = django_user_model.objects.create_user("bob")
        record_answers(version=published, item_key="need", accounts=[acme], value=False, user=bob, note="no budget")
        response = admin_client.post(url, {"item": f"{published.pk}:need", "value": "yes", "note": "they asked"})
        assert response.url == f"{url}#item-need"
        assert "need" in IcpAssessment.objects.get(account=acme, ended_at=None).reasons["met"]
        text = admin_client.get(url).content.decode()
        for words in ("people differ", "no budget", "bob", "they asked", "admin"):
            assert words in text
        admin_client.post(url, {"item": f"{published.pk}:need", "value": ""})
        assert IcpAnswer.objects.count() == 3
        [fit] = admin_client.get(url).context["fits"]
        [need] = [item for group in fit["groups"] for item in group["items"] if item["key"] == "need"]
        assert (need["state"], need["answer"], len(need["earlier"])) == ("unknown", "not known", 2)

    @pytest.mark.parametrize("value", ["maybe", "4", "-1", "１", "9" * 30])
    def test_a_text_that_is_no_answer_is_refused_with_a_reason(self, admin_client, url, published, value):
        response = admin_client.post(url, {"item": f"{published.pk}:need", "value": value}, follow=True)
        assert "is no answer to" in response.content.decode()
        assert not IcpAnswer.objects.exists()

    def test_the_history_names_the_version_of_the_checklist(self, admin_client, url, draft, acme):
        assess()
        draft.items.exclude(key="not-yet-customer").delete()
        admin_client.post(url_of(draft, "publish"))
        assess()
        response = admin_client.get(url)
        [(new, open_end, _), (old, until, _)] = response.context["history"]
        assert [(row.version.number, row.grade) for row in (new, old)] == [(2, "A"), (1, "")]
        assert (open_end, until) == (None, new.made_at)
        listed = reverse("admin:segmentation_icpassessment_changelist")
        for when, versions in (("", [2]), ("past", [1]), ("all", [2, 1])):
            rows = admin_client.get(listed, {"when": when} if when else {}).context["cl"].result_list
            assert [row.version.number for row in rows] == versions
        [trace] = response.context["figures"]["history"]["data"]
        assert trace["y"] == [100, 100, 100, 100]

    def test_without_a_published_profile_it_says_what_to_do_first(self, admin_client, url, monkeypatch):
        monkeypatch.setattr("journey.selectors.assessments.published_profile_versions", list)
        assert "No profile is published yet" in admin_client.get(url).content.decode()

    def test_a_rule_that_is_broken_is_told_and_the_page_opens(self, admin_client, url, acme):
        profile = IcpProfile.objects.create(key="broken", name="Broken")
        version = IcpVersion.objects.create(profile=profile, number=1)
        IcpItem.objects.create(version=version, key="a", text="a", kind="rule", rule={"criteria": [{"kind": "gone"}]})
        IcpVersion.objects.filter(pk=version.pk).update(state="published")
        assert "It cannot be assessed now" in admin_client.get(url).content.decode()

    def test_rights_are_those_of_assessments_and_answers(self, client, url, published):
        reader(client, "view_account")
        assert client.get(url).status_code == 403
        client.logout()
        get_user_model().objects.all().delete()
        reader(client, "view_account", "view_icpassessment")
        text = client.get(url).content.decode()
        assert "Description, if you like" not in text
        assert url_of(published) not in text
        assert client.post(url, {"item": f"{published.pk}:need", "value": "yes"}).status_code == 403

    def test_a_rep_finds_only_accounts_of_own_teams(self, client, url, acme):
        team = SalesTeam.objects.create(key="a", name="A")
        rep = get_user_model().objects.create_user("rep", is_staff=True)
        rep.groups.add(Group.objects.get(name=REP))
        team.members.add(rep)
        client.force_login(rep)
        assert client.get(url).status_code == 404
        Account.objects.filter(pk=acme.pk).update(team=team)
        assert client.get(url).status_code == 200


def test_who_may_only_look_cannot_publish_or_draft(client, published):
    version = IcpVersion.objects.create(profile=published.profile, number=2)
    IcpItem.objects.create(version=version, key="a", text="a")
    reader(client, "view_icpprofile", "view_icpversion")
    page(client, "segmentation_icpversion_change", version.pk)
    assert client.post(reverse("admin:segmentation_icpversion_publish", args=[version.pk])).status_code == 403
    assert client.post(reverse("admin:segmentation_icpprofile_draft", args=[published.profile_id])).status_code == 403
    for name in ("change", "preview"):
        assert post(client, url_of(version, name), document_of(version, weight=9)).status_code == 403
    assert client.get(url_of(version, "discard")).status_code == 403
    assert not client.get(url_of(version)).context["state"]["editable"]
    assert version.items.get().weight == 1
