"""The start page: where the accounts are, what is missing, where to click."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from journey.models import CrmStage, History, Journey, JourneyVersion, Opportunity, StageInterval
from journey.selectors.overview import Gap, first_shown, freshness, gaps, overview
from scoring.models import Activity, ActivityType
from segmentation.models import Account, Contact, FactTouch, ImportRun, Job
from segmentation.selectors.touches import current_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def history():
    """A journey that stands before the ready-made ones: two places in the funnel and a parking stage."""
    journey = Journey.objects.create(key="ours", name="Ours", order=0)
    version = JourneyVersion.objects.create(journey=journey, number=1)
    for place, (key, position) in enumerate([("none", 0), ("aware", 1), ("lost", None)]):
        version.stages.create(key=key, name=key.title(), precedence=place, position=position)
    JourneyVersion.objects.filter(pk=version.pk).update(state="published")
    history = History.objects.create(version=version, state="current", built_at=timezone.now())
    with connection.cursor() as cursor:
        table = f"journey_stageinterval_{history.pk}"
        cursor.execute(f"CREATE TABLE {table} PARTITION OF journey_stageinterval FOR VALUES IN ({history.pk})")
    return history


@pytest.fixture
def three(history):
    """Two accounts that are aware and one that was lost."""
    stages = {stage.key: stage for stage in history.version.stages.all()}
    for number, key in enumerate(("aware", "aware", "lost")):
        account = Account.objects.create(name=f"Company {number}")
        StageInterval.objects.create(
            history=history,
            entity_id=account.pk,
            account=account,
            stage=stages[key],
            start_at=timezone.now(),
            is_first=True,
        )


def start_page(client):
    return client.get(reverse("admin:index"))


class TestFunnel:
    def test_it_counts_the_accounts_of_each_stage(self, three):
        found = overview()
        assert [(row.stage.key, row.number, round(row.share, 3)) for row in found.funnel] == [
            ("none", 0, 0),
            ("aware", 2, 0.667),
        ]
        assert [(row.stage.key, row.number, round(row.share, 3)) for row in found.parking] == [("lost", 1, 0.333)]
        assert found.total == 3

    def test_a_stage_leads_to_its_accounts(self, admin_client, three):
        response = start_page(admin_client)
        [aware] = [bar for bar in response.context["funnel"] if bar["stage"].key == "aware"]
        assert aware["url"] in response.content.decode()
        assert len(admin_client.get(aware["url"]).context["cl"].result_list) == 2

    def test_the_newest_published_version_is_shown_once_it_has_a_history(self, history):
        version = JourneyVersion.objects.create(journey=history.version.journey, number=2)
        assert first_shown().version.number == 1
        JourneyVersion.objects.filter(pk=version.pk).update(state="published")
        # Publishing hides nothing: until the new history is built the old one is shown.
        assert (first_shown().version.number, first_shown().history) == (1, history)
        fresh = History.objects.create(version=version, state=History.State.CURRENT)
        assert (first_shown().version.number, first_shown().history) == (2, fresh)

    def test_any_past_day_can_be_shown_and_compared(self, admin_client, three):
        StageInterval.objects.all().update(start_at=timezone.now() - dt.timedelta(days=10))
        day = (timezone.now() - dt.timedelta(days=5)).date().isoformat()
        before = (timezone.now() - dt.timedelta(days=30)).date().isoformat()
        context = admin_client.get(reverse("admin:index"), {"as_of": day, "against": before}).context
        assert context["total"] == 3
        assert [(bar["number"], bar["change"], bar["url"]) for bar in context["funnel"]] == [(0, 0, ""), (2, 2, "")]
        empty = admin_client.get(reverse("admin:index"), {"as_of": before})
        assert empty.context["total"] == 0
        assert "No history had begun by then" in empty.content.decode()

    @pytest.mark.parametrize("text", ["2999-01-01", "yesterday", "1066-10-14", "2026-02-30", "<script>"])
    def test_a_day_that_cannot_be_used_is_named_and_today_shown(self, admin_client, three, text):
        response = admin_client.get(reverse("admin:index"), {"as_of": text})
        assert response.status_code == 200
        assert response.context["total"] == 3
        [problem] = response.context["moment_problems"]
        assert text in problem
        assert "<script>" not in response.content.decode().split('class="aj-moments"')[1].split("</form>")[0]

    def test_few_queries_make_the_page(self, admin_client, three):
        with CaptureQueriesContext(connection) as queries:
            assert start_page(admin_client).status_code == 200
        assert len(queries) <= 28


class TestWhatIsMissing:
    def found(self):
        shown = first_shown()
        return gaps(shown, freshness(shown.history if shown else None))

    def test_an_empty_installation_lacks_accounts_first(self, admin_client):
        assert self.found()[0] == Gap("no_accounts")
        assert "load_demo" in start_page(admin_client).content.decode()

    def test_each_thing_is_counted(self, history):
        account = Account.objects.create(name="Acme")
        Contact.objects.create(name="Ann", job_title="Wizard")
        Contact.objects.create(name="Bob", account=account)
        CrmStage.objects.create(name="Odd")
        CrmStage.objects.create(name="Won", meaning="won")
        Opportunity.objects.create(name="Lonely")
        used = ActivityType.objects.create(key="used", name="Used", side="sales")
        Activity.objects.create(account=account, type=used, occurred_at=timezone.now(), source_key="1")
        unused = ActivityType.objects.filter(active=True).exclude(key="used").count()
        assert self.found() == [
            Gap("unmapped_stages", 1),
            Gap("opportunities_without_account", 1),
            Gap("contacts_without_account", 1),
            Gap("titles_not_recognised", 1),
            *([Gap("unused_types", unused)] if unused else []),
        ]

    def test_every_line_leads_to_exactly_what_it_counts(self, admin_client, history):
        self.test_each_thing_is_counted(history)
        rows = start_page(admin_client).context["gaps"]
        assert len(rows) >= 4
        for gap, row in zip(self.found(), rows, strict=True):
            response = admin_client.get(row["url"])
            assert response.status_code == 200, row
            assert response.context["cl"].result_count == gap.number

    def test_a_journey_without_history_says_so(self):
        Account.objects.create(name="Acme")
        History.objects.all().delete()
        assert Gap("history_not_built") in self.found()

    def test_no_published_journey_says_so(self):
        Account.objects.create(name="Acme")
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE journey_journey CASCADE")
        assert Gap("no_published_journey") in self.found()

    def test_facts_younger_than_the_history_say_so(self, history, django_db_blocker):
        Account.objects.create(name="Acme")
        history.snapshot = current_snapshot(connection)
        assert FactTouch.objects.exists()
        assert freshness(history).waiting is True  # the touch belongs to a transaction that snapshot cannot see
        with connection.cursor() as cursor:
            cursor.execute("SELECT (pg_current_xact_id()::text::bigint + 9)::text")
            [beyond] = cursor.fetchone()
        history.snapshot = f"{beyond}:{beyond}:"
        assert freshness(history).waiting is False

    def test_a_clerk_sees_only_what_he_may_open(self, client, history):
        self.test_each_thing_is_counted(history)
        user = get_user_model().objects.create_user("clerk", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_contact"))
        client.force_login(user)
        assert [row["key"] for row in start_page(client).context["gaps"]] == [
            "contacts_without_account",
            "titles_not_recognised",
        ]


class TestRebuild:
    url = property(lambda self: reverse("admin:journey_history_rebuild"))

    @pytest.fixture
    def asked(self, monkeypatch):
        """Who asked for a replay."""
        people = []
        monkeypatch.setattr("journey.admin.journeys.request_replay", lambda *, user: people.append(user))
        return people

    def test_a_click_asks_for_a_replay(self, admin_client, admin_user, asked):
        response = admin_client.post(self.url, follow=True)
        assert asked == [admin_user]
        assert "in the background" in str(*response.context["messages"])

    def test_a_link_does_not(self, admin_client, asked):
        assert admin_client.get(self.url).status_code == 405
        assert asked == []

    def test_it_needs_the_right_to_make_histories(self, client, asked):
        client.force_login(get_user_model().objects.create_user("clerk", is_staff=True))
        assert client.post(self.url).status_code == 403
        assert asked == []

    def test_a_form_of_another_site_is_refused(self, admin_user, asked):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert client.post(self.url).status_code == 403
        assert asked == []


class TestJobsAndImports:
    def test_a_running_job_keeps_the_page_up_to_date(self, admin_client):
        assert "every 3s" not in start_page(admin_client).content.decode()
        Job.objects.create(kind="replay", title="Rebuild", state="running", progress=0.42, step="computing stays")
        text = start_page(admin_client).content.decode()
        assert "every 3s" in text
        assert "width: 42%" in text
        assert "computing stays" in text

    def test_previews_are_no_imports(self, admin_client):
        ImportRun.objects.create(target="accounts", file_name="looked-at.csv", state="preview")
        ImportRun.objects.create(target="accounts", file_name="stored.csv", state="done")
        text = start_page(admin_client).content.decode()
        assert "stored.csv" in text
        assert "looked-at.csv" not in text


class TestStaticFiles:
    def test_plotly_is_found_and_nothing_else_of_its_package(self):
        assert finders.find("plotly/plotly.min.js").endswith("package_data/plotly.min.js")
        assert finders.find("plotly/widgetbundle.js") is None
        [finder] = [finder for finder in finders.get_finders() if type(finder).__name__ == "PlotlyFinder"]
        assert [path for path, _storage in finder.list([])] == ["plotly.min.js"]

    @pytest.mark.parametrize("name", ["journey/admin.css", "journey/figures.js", "journey/favicon.svg"])
    def test_own_files_are_found(self, name):
        assert finders.find(name)
