"""Duplicates, matching, groups of companies: commands, admin and API."""

import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.urls import reverse
from django.utils import timezone

from journey.models import Opportunity
from journey.selectors.groups import group_of
from segmentation.models import Account, AccountMerge, Contact, DuplicateCandidate, Job
from segmentation.services.duplicates import decline_duplicates, find_duplicates, reopen_duplicates
from segmentation.services.merging import merge_accounts
from segmentation.services.merging.relations import Relation, _is_unique, check_relations, put_back
from segmentation.services.records import upsert_records
from tests.journey import worlds
from tests.segmentation.api.support import Api, api, make_user  # noqa: F401 - fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    first = Account.objects.create(name="Acme GmbH", domain="acme.com", external_id="A1", country="Germany")
    second = Account.objects.create(name="ACME Inc.", domain="acme.com", external_id="A2", industry="Steel")
    Account.objects.create(name="Globex", domain="globex.com", external_id="A3")
    Contact.objects.create(account=second, name="Ada", email="ada@acme.com", external_id="C1")
    return first, second


def run(*words):
    """Return what a command prints as JSON."""
    from io import StringIO

    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


# Candidates ----------------------------------------------------------------------------------------------------------


def test_the_command_finds_pairs_with_reasons_and_finds_them_again_unchanged(pair):
    first = run("duplicates")
    assert (first["accounts"], first["new"], first["open"]) == (3, 1, 1)
    (found,) = first["pairs"]
    assert [account["external_id"] for account in found["accounts"]] == ["A1", "A2"]
    assert [reason["code"] for reason in found["reasons"]] == ["same_domain", "same_name"]
    again = run("duplicates")
    assert (again["new"], again["gone"], again["pairs"][0]["id"]) == (0, 0, found["id"])


def test_a_declined_pair_comes_back_when_its_reasons_change_and_not_before(pair, admin_user):
    find_duplicates()
    decline_duplicates(candidates=DuplicateCandidate.objects.all(), note=" two  plants ", user=admin_user)
    assert (find_duplicates().open, find_duplicates().declined) == (0, 1)
    row = DuplicateCandidate.objects.get()
    assert (row.state, row.note, row.decided_by) == ("declined", "two plants", admin_user)
    Account.objects.filter(pk=pair[1].pk).update(industry="Coal")
    assert find_duplicates().back == 0
    Account.objects.filter(pk=pair[1].pk).update(domain="acme.us")
    assert find_duplicates().back == 1
    row.refresh_from_db()
    assert (row.state, row.note, row.decided_at) == ("open", "", None)
    Account.objects.filter(pk=pair[1].pk).update(name="Umbrella", domain="")
    found = find_duplicates()
    assert (found.open, found.gone) == (1, 0)  # Ada still writes from acme.com
    Contact.objects.all().delete()
    assert find_duplicates().gone == 1


def test_reopened_pairs_wait_again(pair):
    find_duplicates()
    rows = DuplicateCandidate.objects.all()
    decline_duplicates(candidates=rows)
    assert [row.state for row in reopen_duplicates(candidates=rows)] == ["open"]
    assert reopen_duplicates(candidates=rows) == []


# Matching ------------------------------------------------------------------------------------------------------------


def test_a_file_is_matched_row_by_row(pair, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(
        "Company,Website,E-mail\nAcme,,x@globex.com\nGlobex Ltd,,\n,,x@gmail.com\nNobody,nobody.io,\n", "utf-16"
    )
    found = run("match", str(file))
    assert found["counts"] == {"match": 1, "ambiguous": 1, "none": 2}
    assert [(row["line"], row["status"], row["code"]) for row in found["rows"]] == [
        (2, "ambiguous", "contradiction"),
        (3, "match", "name"),
        (4, "none", "free_mail"),
        (5, "none", "not_found"),
    ]
    assert found["rows"][1]["account"]["external_id"] == "A3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("name,domain\n", "no row below its heading"),
        ("a,b\n1,2\n", "no column with names or domains"),
    ],
)
def test_a_file_without_companies_is_refused_with_the_reason(tmp_path, text, said):
    file = tmp_path / "bad.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(CommandError, match=said) as refused:
        call_command("match", str(file))
    assert refused.value.returncode == 1


# Groups --------------------------------------------------------------------------------------------------------------


def test_no_company_comes_to_be_among_its_own_parents_whatever_writes_it(pair):
    first, second = pair
    Account.objects.filter(pk=second.pk).update(parent=first)
    with pytest.raises(IntegrityError, match="own parents"), transaction.atomic():
        Account.objects.filter(pk=first.pk).update(parent=second)
    report = upsert_records("accounts", [{"external_id": "A1", "parent": "A2"}, {"external_id": "A3", "parent": "A2"}])
    assert ([error.code for error in report.errors], report.updated) == (["parent_circle"], 1)
    report = upsert_records(
        "accounts",
        [{"external_id": "N1", "name": "N1", "parent": "N2"}, {"external_id": "N2", "name": "N2", "parent": "N1"}],
    )
    assert ([error.code for error in report.errors], report.inserted) == (["parent_circle"] * 2, 0)
    assert Account.objects.get(pk=second.pk).parent_id == first.pk
    turned = [
        {"external_id": "A2", "parent": "A3"},
        {"external_id": "A3", "parent": "A1"},
    ]  # no circle once both are done
    assert (upsert_records("accounts", turned).errors, upsert_records("accounts", turned).unchanged) == ([], 2)


def test_the_form_of_the_admin_refuses_a_circle_in_words(pair, admin_client):
    first, second = pair
    Account.objects.filter(pk=second.pk).update(parent=first)
    url = reverse("admin:segmentation_account_change", args=[first.pk])
    form = admin_client.get(url).context["adminform"].form
    data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: "" if value is None or value == [] else value for name, value in data.items()} | {"parent": second.pk}
    data |= {f"{inline.formset.prefix}-{name}": 0 for inline in admin_client.get(url).context["inline_admin_formsets"]
             for name in ("TOTAL_FORMS", "INITIAL_FORMS")}  # fmt: skip
    page = admin_client.post(url, data)
    assert page.status_code == 200
    assert "is below this company" in page.content.decode()


def test_a_parent_shows_its_own_figures_and_those_with_all_below(pair):
    worlds.install()
    top, middle = pair
    low = Account.objects.get(external_id="A3")
    Account.objects.filter(pk=middle.pk).update(parent=top)
    Account.objects.filter(pk=low.pk).update(parent=middle)
    stage = {"crm_stage_id": Opportunity._meta.get_field("crm_stage").related_model.objects.get(name="Proposal").pk}
    for account, amount, currency in ((top, 5, "EUR"), (low, 7, "EUR"), (low, 100, "CNY")):
        Opportunity.objects.create(account=account, amount=amount, currency=currency, **stage)
    group = group_of(low, timezone.now())
    assert [(row.account.pk, row.depth, row.total.companies) for row in group.companies] == [
        (top.pk, 0, 3),
        (middle.pk, 1, 2),
        (low.pk, 2, 1),
    ]
    first = group.companies[0]
    assert (first.own.open, first.total.open, first.own.contacts, first.total.contacts) == (1, 3, 0, 1)
    assert first.total.open_amounts == {"CNY": Decimal(100), "EUR": Decimal(12)}


# Registration --------------------------------------------------------------------------------------------------------


def test_a_table_that_is_unique_for_each_account_must_say_what_a_merge_does():
    assert check_relations() == []

    class Rating(models.Model):
        account = models.ForeignKey(Account, models.CASCADE)
        year = models.IntegerField()

        class Meta:
            app_label = "elsewhere"
            constraints = [models.UniqueConstraint(fields=["account", "year"], name="rating_once")]

    assert _is_unique(Relation(Rating, Rating._meta.get_field("account")))
    assert not _is_unique(Relation(Contact, Contact._meta.get_field("account")))


# API -----------------------------------------------------------------------------------------------------------------


def test_the_api_finds_compares_merges_and_undoes(api, pair):  # noqa: F811
    first, second = pair
    find_duplicates()
    (found,) = api.get("duplicates/?state=open").json()["results"]
    assert (found["first"]["external_id"], found["reasons"][0]["code"]) == ("A1", "same_domain")
    compared = api.get("merges/preview/?first=id:A1&second=id:A2").json()
    itself = api.get("merges/preview/?first=id:A1&second=id:A1")
    assert (itself.status_code, itself.json()["code"]) == (400, "merge_with_itself")
    assert {"what": "contacts", "numbers": [0, 1]} in compared["facts"]
    answer = api.post("merges/", {"survivor": first.pk, "absorbed": "id:A2", "take": ["industry"], "note": "one"})
    assert answer.status_code == 201
    merge = answer.json()
    assert (merge["counts"]["segmentation.contact.account"], merge["account"]["id"]) == (1, first.pk)
    assert api.get(f"accounts/{first.pk}/").json()["industry"] == "Steel"
    stored = api.post("accounts/", {"external_id": "A2", "name": "ACME Incorporated"})
    assert (stored.status_code, stored.json()["id"], stored.json()["name"]) == (200, first.pk, "Acme GmbH")
    undone = api.post(f"merges/{merge['id']}/undo/", {"keep_newer": False})
    assert undone.json()["undone_at"]
    assert api.get(f"accounts/{second.pk}/").json()["external_id"] == "A2"
    again = api.post(f"merges/{merge['id']}/undo/", {})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "undone_already")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"survivor": "id:A1", "absorbed": "id:A1"}, 400, "merge_with_itself"),
        ({"survivor": "id:A1", "absorbed": "id:B9"}, 404, "unknown_account"),
        ({"survivor": "id:A1", "absorbed": "id:A2", "take": ["nothing"]}, 400, "unknown_field"),
        ({"survivor": "id:A1", "absorbed": "id:A3"}, 409, "merge_with_parent"),
        ({"survivor": "id:A1"}, 400, "required"),
        ({"survivor": "acme.com", "absorbed": "id:A3"}, 409, "ambiguous"),
    ],
)
def test_the_api_refuses_with_a_reason_and_changes_nothing(api, pair, body, status, code):  # noqa: F811
    Account.objects.filter(external_id="A3").update(parent=pair[0])
    answer = api.post("merges/", body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert not AccountMerge.objects.exists()
    assert Account.objects.count() == 3


def test_the_api_declines_reopens_and_queues_a_search(api, pair):  # noqa: F811
    find_duplicates()
    key = DuplicateCandidate.objects.get().pk
    (declined,) = api.post("duplicates/decline/", {"duplicates": [key], "note": "two"}).json()["changed"]
    assert (declined["state"], declined["decided_by"]) == ("declined", "boss")
    assert api.post("duplicates/reopen/", {"duplicates": [key]}).json()["changed"][0]["state"] == "open"
    assert api.post("duplicates/decline/", {"duplicates": [key + 1]}).status_code == 404
    answer = api.post("duplicates/search/")
    assert (answer.status_code, Job.objects.get(pk=answer.json()["job"]).kind) == (202, "duplicates")


def test_the_api_matches_and_shows_groups(api, pair):  # noqa: F811
    Account.objects.filter(external_id="A3").update(parent=pair[0])
    answer = api.post("matches/", {"records": [{"name": "Globex"}, {"domain": "acme.com"}, {}]}).json()
    assert answer["counts"] == {"match": 1, "ambiguous": 1, "none": 1}
    assert answer["results"][0]["account"]["external_id"] == "A3"
    assert len(answer["results"][1]["candidates"]) == 2
    assert api.post("matches/", {"records": []}).status_code == 400
    assert api.post("matches/", {"records": [{"nam": "x"}]}).status_code == 400
    rows = api.get(f"account-groups/{pair[0].pk}/").json()
    assert [(row["depth"], row["total"]["companies"]) for row in rows] == [(0, 2), (1, 1)]


def test_rights_are_needed_and_sales_reps_are_kept_to_their_teams(pair):
    viewer = Api(make_user("viewer", "segmentation.view_account", "segmentation.view_accountmerge"))
    assert viewer.post("merges/", {"survivor": "id:A1", "absorbed": "id:A2"}).status_code == 403
    rep = Api(
        make_user(
            "rep", "segmentation.own_teams_only", "segmentation.view_account", "segmentation.view_duplicatecandidate"
        )
    )
    find_duplicates()
    assert rep.get("duplicates/").json()["results"] == []
    answer = rep.post("matches/", {"records": [{"name": "Globex"}]}).json()
    assert answer["results"][0]["status"] == "none"


# Admin ---------------------------------------------------------------------------------------------------------------


def test_the_pages_lead_from_the_queue_to_the_merge_and_back(admin_client, pair):
    first, second = pair
    queue = reverse("admin:segmentation_duplicatecandidate_changelist")
    assert "Possible duplicates" in admin_client.get(queue).content.decode()
    find_duplicates()
    assert "Same domain: acme.com" in admin_client.get(queue).content.decode()
    compare = f"{reverse('admin:segmentation_accountmerge_compare')}?first={first.pk}&second={second.pk}"
    page = admin_client.get(compare).content.decode()
    assert "Same name: acme" in page
    answer = admin_client.post(
        compare, {"survivor": "first", "take-name": "first", "take-industry": "second", "note": "one"}, follow=True
    )
    assert "is part of Acme GmbH now" in answer.content.decode()
    assert "The merged account as it was" in answer.content.decode()
    first.refresh_from_db()
    assert (first.name, first.industry) == ("Acme GmbH", "Steel")
    merge = AccountMerge.objects.get()
    undo = reverse("admin:segmentation_accountmerge_undo", args=[merge.pk])
    admin_client.post(undo, {"_form_submitted": "1"}, headers={"HX-Request": "true"})
    assert Account.objects.filter(pk=second.pk).exists()


def test_a_pair_is_declined_from_the_page_that_compares_it(admin_client, pair):
    find_duplicates()
    row = DuplicateCandidate.objects.get()
    url = reverse("admin:segmentation_duplicatecandidate_decline", args=[row.pk])
    assert admin_client.get(url).status_code == 403
    admin_client.post(url, {"note": "two plants"})
    row.refresh_from_db()
    assert (row.state, row.note) == ("declined", "two plants")


def test_without_the_right_the_page_compares_and_cannot_merge(client, pair):
    viewer = make_user("viewer", "segmentation.view_account", "segmentation.view_accountmerge")
    viewer.is_staff = True
    viewer.save()
    client.force_login(viewer)
    url = f"{reverse('admin:segmentation_accountmerge_compare')}?first={pair[0].pk}&second={pair[1].pk}"
    assert "Merge: they are one" not in client.get(url).content.decode()
    assert client.post(url, {"survivor": "first"}).status_code == 403


def test_a_merge_of_many_activities_takes_few_queries(pair, django_assert_max_num_queries):
    worlds.install()
    for number in range(50):
        worlds.activity(pair[1], "webinar", number)
    with django_assert_max_num_queries(140):
        merge_accounts(survivor=pair[0], absorbed=pair[1])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_rows_are_put_back_with_defaults_for_columns_that_came_later(pair):
    put_back(
        Account, "SELECT %s::jsonb", [json.dumps([{"id": 999_999, "name": "Old", "team_id": 12, "parent_id": None}])]
    )
    old = Account.objects.get(pk=999_999)
    assert (old.name, old.source_system, old.domain, old.other_names, old.custom) == ("Old", "crm", "", [], {})
    assert old.team_id is None  # that team is gone
    assert old.recorded_at is not None
