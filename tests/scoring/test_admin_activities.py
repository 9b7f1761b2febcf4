"""Activities in the admin: nothing reads the whole of a table that may have ten million rows."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from scoring.models import Activity, ActivityType
from segmentation.admin import base
from segmentation.models import Account, Contact

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
LIST = "admin:scoring_activity_changelist"


@pytest.fixture
def kind():
    return ActivityType.objects.create(key="called_us", name="Called us", side="sales", default_minutes=10)


@pytest.fixture
def acme(kind):
    acme = Account.objects.create(name="Acme")
    ann = Contact.objects.create(account=acme, name="Ann")
    for days in (1, 100, 400):
        when = timezone.now() - days * DAY
        Activity.objects.create(account=acme, contact=ann, type=kind, occurred_at=when, source_key=f"{days} days")
    return acme


def days_found(client, **query):
    rows = client.get(reverse(LIST), query).context["cl"].result_list
    return [int(row.source_key.split()[0]) for row in rows]


class TestList:
    def test_the_newest_come_first(self, admin_client, acme):
        assert days_found(admin_client) == [1, 100, 400]

    @pytest.mark.parametrize(("period", "found"), [("7", [1]), ("365", [1, 100]), ("all", [1, 100, 400])])
    def test_a_period_limits_them(self, admin_client, acme, period, found):
        assert days_found(admin_client, period=period) == found

    @pytest.mark.parametrize("query", [{"side": "sales"}, {"type": "type"}])
    def test_a_filter_no_index_serves_looks_back_90_days_and_says_so(self, admin_client, acme, kind, query):
        query = {name: kind.pk if value == "type" else value for name, value in query.items()}
        assert days_found(admin_client, **query) == [1]
        assert "last 90 days" in admin_client.get(reverse(LIST), query).content.decode()
        assert days_found(admin_client, **query, period="all") == [1, 100, 400]
        assert days_found(admin_client, **query, account__id__exact=acme.pk) == [1, 100, 400]

    def test_another_side_finds_nothing(self, admin_client, acme):
        assert days_found(admin_client, side="product", period="all") == []

    @pytest.mark.parametrize(
        ("words", "found"), [("acme", [1, 100, 400]), ("Ann", [1, 100, 400]), ("100 days", [100]), ("x", [])]
    )
    def test_they_are_found_by_account_person_and_source_key(self, admin_client, acme, words, found):
        assert days_found(admin_client, q=words) == found

    def test_counting_stops(self, admin_client, acme, kind, monkeypatch):
        monkeypatch.setattr(base, "MOST_COUNTED", 2)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(reverse(LIST))
        assert "the first 2" in response.content.decode()
        counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "scoring_activity" in query["sql"]]
        assert counts
        assert all("LIMIT 3" in sql for sql in counts)

    def test_queries_do_not_grow_with_the_rows(self, admin_client, acme, kind):
        counts = []
        for number in (0, 20):
            Activity.objects.bulk_create(
                Activity(account=acme, type=kind, occurred_at=timezone.now(), source_key=f"{i} more")
                for i in range(number)
            )
            with CaptureQueriesContext(connection) as queries:
                admin_client.get(reverse(LIST))
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 7


class TestForms:
    def test_a_typed_in_activity_gets_a_source_key(self, admin_client, kind):
        form = admin_client.get(reverse("admin:scoring_activity_add")).context["adminform"].form
        assert form.get_initial_for_field(form.fields["source_key"], "source_key").startswith("admin:")

    def test_the_account_page_fills_in_the_account(self, admin_client, acme):
        response = admin_client.get(reverse("admin:scoring_activity_add"), {"account": acme.pk})
        assert response.context["adminform"].form.initial["account"] == str(acme.pk)

    def test_key_of_a_type_stays(self, admin_client, kind):
        url = reverse("admin:scoring_activitytype_change", args=[kind.pk])
        admin_client.post(url, {"name": "Phoned", "key": "other", "side": "sales", "default_minutes": "5"})
        kind.refresh_from_db()
        assert (kind.key, kind.name, kind.default_minutes) == ("called_us", "Phoned", 5)

    def test_a_type_with_activities_cannot_be_deleted(self, admin_client, acme, kind):
        admin_client.post(reverse("admin:scoring_activitytype_delete", args=[kind.pk]), {"post": "yes"})
        assert ActivityType.objects.filter(pk=kind.pk).exists()


class TestDeleting:
    def test_a_type_in_use_is_kept_and_its_activities_are_counted_not_named(self, admin_client, acme, kind):
        url = reverse("admin:scoring_activitytype_delete", args=[kind.pk])
        page = admin_client.get(url).content.decode()
        assert "3 activities" in page
        assert "Activity: Called us" not in page
        admin_client.post(url, {"post": "yes"})
        assert ActivityType.objects.filter(pk=kind.pk).exists()

    def test_counting_them_ends_early(self, admin_client, acme, kind, monkeypatch):
        monkeypatch.setattr(base, "MOST_COUNTED", 2)
        page = admin_client.get(reverse("admin:scoring_activitytype_delete", args=[kind.pk])).content.decode()
        assert "2+ activities" in page

    def test_a_type_without_activities_can_be_deleted(self, admin_client, kind):
        admin_client.post(reverse("admin:scoring_activitytype_delete", args=[kind.pk]), {"post": "yes"})
        assert not ActivityType.objects.filter(pk=kind.pk).exists()

    def test_only_some_of_what_goes_with_an_account_is_named(self, admin_client, acme, monkeypatch):
        monkeypatch.setattr(base, "MOST_NAMED", 2)
        url = reverse("admin:segmentation_account_delete", args=[acme.pk])
        page = admin_client.get(url).content.decode()
        assert "Activities: 3" in page
        assert page.count("Activity: ") == 1
        assert "…" in page
        admin_client.post(url, {"post": "yes"})
        assert not Activity.objects.exists()


def test_the_names_of_a_long_list_end_with_an_ellipsis():
    assert base.shortened(["a", ["b", "c"], "d"], 4) == (["a", ["b", "c"], "d"], 0)
    assert base.shortened(["a", ["b", "c"], "d"], 2) == (["a", ["b", "…"], "…"], 0)
