"""The account in the admin: its stage in the list, its time line on the page."""

import datetime as dt
import json
import re

import plotly.graph_objects as go
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from journey.admin.timeline import figure
from journey.models import CrmStage, History, Journey, JourneyVersion, Opportunity, OpportunityChange, StageInterval
from journey.selectors.timeline import SINGLE_POINTS, field_changes, timeline
from scoring.models import Activity, ActivityType
from segmentation.models import Account, Contact, SalesTeam

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
LIST = "admin:segmentation_account_changelist"


@pytest.fixture
def now():
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def shown(now):
    """A published journey of three stages that stands before the ready-made ones, with an empty history."""
    journey = Journey.objects.create(key="ours", name="Ours", order=0)
    version = JourneyVersion.objects.create(journey=journey, number=1)
    for place, (key, name, colour) in enumerate(
        [("none", "Nothing yet", "#94a3b8"), ("aware", "Aware of us", "#38bdf8"), ("customer", "Buys", "#22c55e")]
    ):
        version.stages.create(key=key, name=name, precedence=place, position=place, color=colour)
    JourneyVersion.objects.filter(pk=version.pk).update(state="published", published_at=now)
    history = History.objects.create(version=version, state="current", built_at=now)
    with connection.cursor() as cursor:
        table = f"journey_stageinterval_{history.pk}"
        cursor.execute(f"CREATE TABLE {table} PARTITION OF journey_stageinterval FOR VALUES IN ({history.pk})")
    return history


def stay_in(history, account, *stays):
    """Give an account its stays: (stage key, begins); each lasts until the next."""
    stages = {stage.key: stage for stage in history.version.stages.all()}
    ends = [begin for _key, begin in stays[1:]] + [None]
    StageInterval.objects.bulk_create(
        StageInterval(
            history=history, entity_id=account.pk, account=account, stage=stages[key], start_at=begin, end_at=end,
            grade=1, is_first=not i,
        )
        for i, ((key, begin), end) in enumerate(zip(stays, ends, strict=True))
    )  # fmt: skip


def make_activities(account, number, **fields):
    kind, _made = ActivityType.objects.get_or_create(key="visit_us", defaults={"name": "Visit", "side": "marketing"})
    begin = timezone.now() - 400 * DAY
    Activity.objects.bulk_create(
        Activity(account=account, type=kind, occurred_at=begin + i * DAY / 4, source_key=f"{account.pk}-{i}", **fields)
        for i in range(number)
    )


class TestList:
    def test_it_shows_the_stage_of_now(self, admin_client, shown, now):
        acme = Account.objects.create(name="Acme")
        stay_in(shown, acme, ("none", now - 90 * DAY), ("aware", now - 5 * DAY), ("none", now + 85 * DAY))
        text = admin_client.get(reverse(LIST)).content.decode()
        assert re.search(r'class="aj-chip" style="--chip: #38bdf8">Aware of us<', text)
        assert "Nothing yet<" not in text.split('id="changelist-form"')[1].split("changelist-filter")[0]

    def test_the_filter_by_stage_reads_the_stays_of_now(self, admin_client, shown, now):
        acme, globex = Account.objects.create(name="Acme"), Account.objects.create(name="Globex")
        stay_in(shown, acme, ("none", now - 90 * DAY), ("aware", now - 5 * DAY), ("customer", now + 5 * DAY))
        stay_in(shown, globex, ("aware", now - 90 * DAY), ("customer", now - 5 * DAY))
        found = {
            key: [str(account) for account in admin_client.get(reverse(LIST), {"stage": key}).context["cl"].result_list]
            for key in ("none", "aware", "customer", "unknown")
        }
        assert found == {"none": [], "aware": ["Acme"], "customer": ["Globex"], "unknown": []}

    def test_the_number_of_queries_does_not_grow_with_the_rows(self, admin_client, shown, now):
        team = SalesTeam.objects.create(key="north", name="North")
        counts = []
        for rows in (2, 23):
            for i in range(rows):
                account = Account.objects.create(name=f"Company {rows}-{i}", team=team, tier=1)
                stay_in(shown, account, ("none", now - 90 * DAY), ("aware", now - 5 * DAY))
            admin_client.get(reverse(LIST))  # the values of the filters are kept for a minute
            with CaptureQueriesContext(connection) as queries:
                assert len(admin_client.get(reverse(LIST)).context["cl"].result_list) == min(25, 2 if rows == 2 else 25)
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 12

    def test_without_published_history_it_still_opens(self, admin_client):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE journey_journey CASCADE")
        Account.objects.create(name="Acme")
        response = admin_client.get(reverse(LIST), {"stage": "mqa"})
        assert response.status_code == 200


def page(account):
    return reverse("admin:segmentation_account_change", args=[account.pk])


def figures(response):
    return json.loads(
        re.search(r'<script id="figures" type="application/json">(.*?)</script>', response.content.decode(), re.DOTALL)[
            1
        ]
    )


class TestTimeLine:
    def test_stays_stand_in_the_picture_and_in_the_table(self, admin_client, shown, now):
        acme = Account.objects.create(name="Acme")
        stay_in(shown, acme, ("none", now - 90 * DAY), ("aware", now - 5 * DAY), ("none", now + 85 * DAY))
        response = admin_client.get(page(acme))
        line = response.context["line"]
        track = next(track for track in line["tracks"] if track["journey"].key == "ours")
        assert [(str(row["stage"]), row["days"], row["is_current"], row["is_future"]) for row in track["rows"]] == [
            ("Nothing yet", "", False, True),
            ("Aware of us", "5 days", True, False),
            ("Nothing yet", "85 days", False, False),
        ]
        [bars] = [trace for trace in figures(response)["timeline"]["data"] if trace["type"] == "bar"]
        # The present stay is cut at now: what is sure, and what comes if nothing else happens.
        assert bars["text"] == ["Nothing yet", "Aware of us", "Aware of us", "Nothing yet"]
        assert bars["marker"]["pattern"]["shape"] == ["", "", "/", "/"]
        assert "If nothing else happens" in response.content.decode()

    def test_plotly_accepts_the_picture(self, shown, now):
        acme = Account.objects.create(name="Acme")
        stay_in(shown, acme, ("none", now - 90 * DAY), ("aware", now - 5 * DAY))
        hot = ActivityType.objects.create(key="demo_now", name="Demo", side="marketing", is_hot=True)
        make_activities(acme, 3, seconds=600)
        Activity.objects.create(account=acme, type=hot, occurred_at=now - DAY, source_key="hot")
        stage = CrmStage.objects.create(name="Signed", meaning="won")
        for i in range(6):
            deal = Opportunity.objects.create(account=acme, name=f"Deal {i}")
            OpportunityChange.objects.create(
                opportunity=deal, crm_stage=stage, occurred_at=now - i * DAY, source_key=f"o{i}"
            )
        made = figure(timeline(acme, now=now))
        go.Figure(made)  # refuses what the schema of plotly does not know
        assert {trace["type"] for trace in made["data"]} == {"bar", "scatter"}
        symbols = [trace["marker"]["symbol"] for trace in made["data"] if "symbol" in trace.get("marker", {})]
        assert symbols == ["diamond", "circle", "star"]

    def test_names_with_tags_are_shown_as_they_are_typed(self, shown, now):
        acme = Account.objects.create(name="Acme")
        kind = ActivityType.objects.create(key="evil", name='<a href="//x">y</a>', side="sales")
        Activity.objects.create(account=acme, type=kind, occurred_at=now, content="<b>bold", source_key="e")
        text = json.dumps(figure(timeline(acme, now=now)))
        assert "<a href" not in text
        assert "&lt;b&gt;bold" in text

    def test_many_activities_are_drawn_by_week_and_counted_all(self, now):
        acme = Account.objects.create(name="Acme")
        make_activities(acme, SINGLE_POINTS + 1)
        line = timeline(acme, now=now)
        assert (line.grouped_by, line.activity_number) == ("day", SINGLE_POINTS + 1)
        assert sum(point.number for point in line.points) == SINGLE_POINTS + 1
        Activity.objects.create(
            account=acme, type=ActivityType.objects.first(), occurred_at=now - 900 * DAY, source_key="old"
        )
        assert timeline(acme, now=now).grouped_by == "week"

    def test_minutes_not_recorded_are_those_of_the_type(self, now):
        acme = Account.objects.create(name="Acme")
        kind = ActivityType.objects.create(key="call_us", name="Call", side="sales", default_minutes="2.5")
        for seconds in (None, 60):
            Activity.objects.create(account=acme, type=kind, seconds=seconds, occurred_at=now, source_key=str(seconds))
        assert [point.seconds for point in timeline(acme, now=now).points] == [150, 60]

    def test_the_number_of_queries_does_not_grow_with_the_facts(self, admin_client, shown, now):
        few, many = Account.objects.create(name="Few"), Account.objects.create(name="Many")
        stay_in(shown, few, ("none", now - 90 * DAY))
        stay_in(shown, many, *((("none", "aware")[i % 2], now - (90 - i) * DAY) for i in range(40)))
        stage = CrmStage.objects.create(name="Signed", meaning="won")
        for account, number in ((few, 1), (many, 30)):
            make_activities(account, number)
            for i in range(number):
                Contact.objects.create(account=account, name=f"Person {i}")
                deal = Opportunity.objects.create(account=account, name=f"Deal {i}", crm_stage=stage)
                key = f"{account.pk}-{i}"
                OpportunityChange.objects.create(opportunity=deal, crm_stage=stage, occurred_at=now, source_key=key)
        counts = []
        for account in (few, many):
            admin_client.get(page(account))
            with CaptureQueriesContext(connection) as queries:
                admin_client.get(page(account))
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 39

    def test_an_account_without_facts_says_what_to_do(self, admin_client):
        text = admin_client.get(page(Account.objects.create(name="Acme"))).content.decode()
        assert "Nothing is known about this account yet." in text
        assert reverse("admin:scoring_activity_add") in text
        assert "plotly" not in text

    def test_deals_and_activities_are_hidden_from_those_who_may_not_see_them(self, client, now):
        acme = Account.objects.create(name="Acme")
        make_activities(acme, 2)
        deal = Opportunity.objects.create(account=acme, name="Secret deal")
        OpportunityChange.objects.create(opportunity=deal, amount=5, occurred_at=now, source_key="s")
        user = get_user_model().objects.create_user("rep", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_account"))
        client.force_login(user)
        text = client.get(page(acme)).content.decode()
        assert "Secret deal" not in text
        assert "Visit" not in text


class TestFieldHistory:
    def test_a_change_in_the_admin_is_kept_with_its_person(self, admin_client, admin_user):
        acme = Account.objects.create(name="Acme", owner="Ann")
        form = admin_client.get(page(acme)).context["adminform"].form
        data = {name: value if value is not None else "" for name, value in form.initial.items()}
        data |= {
            "owner": "Bob",
            "tier": "1",
            "other_names": "Acme Ltd\n\nACME\nAcme Ltd",
            "other_domains": "",
            "products": "",
        }
        data |= {"created_in_source_at_0": "", "created_in_source_at_1": ""}
        for prefix in (
            "contacts",
            "customer_periods",
            "opportunities",
            "intent_signals",
            "play_suggestions",
            "flags",
            "list_memberships",
        ):
            data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
        response = admin_client.post(page(acme), data)
        assert response.status_code == 302, response.context["errors"]
        acme.refresh_from_db()
        assert acme.other_names == ["Acme Ltd", "ACME"]
        changes = {change.field: (change.before, change.after, change.by) for change in field_changes(acme)}
        assert changes == {
            "owner": ("Ann", "Bob", "admin"),
            "tier": (None, 1, "admin"),
            "other_names": ([], ["Acme Ltd", "ACME"], "admin"),
        }
        assert "Bob" in admin_client.get(page(acme)).content.decode()

    def test_a_team_is_shown_by_its_name(self, admin_client):
        north = SalesTeam.objects.create(key="north", name="Team North")
        acme = Account.objects.create(name="Acme")
        acme.team = north
        acme.save()
        [row] = admin_client.get(page(acme)).context["line"]["field_changes"]
        assert (row["before"], row["after"], row["by"]) == ("–", "Team North", "")
