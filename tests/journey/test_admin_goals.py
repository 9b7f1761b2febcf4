"""Goals and priority in the admin: pages, forms, reviews, the start page's reminder, and who may do what."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from journey.selectors.priorities import weights
from journey.services.goals import create_goal
from journey.services.memberships import update_memberships
from segmentation.models import PriorityAnswer, SalesTeam, Segment, SegmentGoal
from segmentation.services.roles import ANALYST, MARKETER, REP, sync_roles
from tests.journey import worlds
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, deal

pytestmark = pytest.mark.django_db

TODAY = timezone.localdate()


@pytest.fixture(autouse=True)
def north():
    worlds.install()
    sync_roles()
    made = segment("north", field("region", "north"))
    one = account("Acme", region="north")
    ago = (timezone.now() - worlds.DAY0) / dt.timedelta(days=1)
    deal(one, ("Discovery", 0))
    deal(one, ("Discovery", ago - 100), ("Won", ago - 50), amount=80, currency="EUR")
    deal(one, ("Discovery", ago - 30), ("Won", ago - 5), amount=250, currency="EUR")
    update_memberships()
    return made


def url(page, *args, model="segmentgoal"):
    return reverse(f"admin:segmentation_{model}_{page}", args=args)


def form(of, **more):
    given = {
        "segment": of.pk, "kind": "revenue", "target": "500", "first_day": TODAY - dt.timedelta(days=40),
        "last_day": TODAY + dt.timedelta(days=10), "members": "was", "review_days": "30", "currency": "", "product": "",
        "name": "", "note": "", "baseline": "", "baseline_reason": "",
    }  # fmt: skip
    return {**given, **more}


def signed_in(client, role, *, team=False):
    user = get_user_model().objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if team:
        user.sales_teams.add(SalesTeam.objects.create(key="own", name="Own"))
    client.force_login(user)
    return client


def test_two_clicks_from_the_side_bar_helpful_when_empty_and_from_the_segment(admin_client, north):
    start = admin_client.get(reverse("admin:index")).content.decode()
    assert url("changelist") in start
    assert url("priority", model="segment") in start
    assert "Its baseline comes from your history" in admin_client.get(url("changelist")).content.decode()
    assert (
        f"{url('add')}?segment={north.pk}"
        in admin_client.get(url("change", north.pk, model="segment")).content.decode()
    )
    Segment.objects.all().delete()
    assert "Make a segment first" in admin_client.get(url("changelist")).content.decode()
    assert "There is nothing to rank yet" in admin_client.get(url("priority", model="segment")).content.decode()


def test_a_goal_is_set_in_the_form_looked_at_changed_reviewed_and_removed(admin_client, north):
    answer = admin_client.post(url("add"), form(north))
    goal = SegmentGoal.objects.get()
    assert answer.headers["Location"] == url("change", goal.pk)
    assert (goal.baseline, goal.currency, goal.created_by.username) == (80, "EUR", "admin")
    page = admin_client.get(url("change", goal.pk))
    text = page.content.decode()
    assert "Revenue: 500 EUR" in text
    assert page.context["row"]["value"] == "250 EUR"
    assert {trace["name"] for trace in page.context["figures"]["course"]["data"]} == {"Expected", "So far"}
    assert "no data" in text  # two events are too few for a forecast
    csv = admin_client.get(url("csv", goal.pk)).content.decode().splitlines()
    assert csv[0] == "at,value,expected,unit"
    assert csv[-1].split(",")[1] == "250.0"
    edit = admin_client.get(url("edit", goal.pk)).content.decode()
    assert 'name="kind"' not in edit
    changed = form(north, target="600", name="Big one")
    assert admin_client.post(url("edit", goal.pk), changed).status_code == 302
    goal.refresh_from_db()
    assert (goal.target, goal.name, goal.baseline_source) == (600, "Big one", "recorded")
    assert "The review of 1 goal" in admin_client.get(reverse("admin:index")).content.decode()
    admin_client.post(url("review", goal.pk), {"note": "Two more to come"})
    assert goal.reviews.get().figures["status"] == "behind"
    assert "The review of 1 goal" not in admin_client.get(reverse("admin:index")).content.decode()
    rows = admin_client.get(url("changelist")).context["rows"]
    assert [(row["title"], row["status"], row["percent"]) for row in rows] == [("Big one", "behind", "42 %")]
    assert "Big one" in admin_client.get(url("change", north.pk, model="segment")).content.decode()
    assert "1 goal goes with it" in admin_client.get(url("delete", north.pk, model="segment")).content.decode()
    admin_client.post(url("delete", goal.pk), {"post": "yes"})
    assert not SegmentGoal.objects.exists()


def test_the_form_names_field_and_remedy_and_stores_nothing(admin_client, north):
    create_goal(segment=north, kind="revenue", target=5, first_day=TODAY - dt.timedelta(days=9), last_day=TODAY)
    for change, at, words in (
        ({}, "first_day", "already from"),
        ({"kind": "visits"}, "baseline", "Give a baseline"),
        ({"kind": "pipeline", "last_day": TODAY - dt.timedelta(days=99)}, "last_day", "before it starts"),
        ({"kind": "pipeline", "currency": "GBP"}, "currency", "exchange rate"),
        ({"kind": "pipeline", "target": "NaN"}, "target", "number"),
        ({"kind": "pipeline", "baseline": "5"}, "baseline_reason", "not where it is from"),
    ):
        answer = admin_client.post(url("add"), form(north, **change))
        errors = answer.context["adminform"].form.errors
        assert list(errors) == [at], errors
        assert words in str(errors)
    assert SegmentGoal.objects.count() == 1
    goal = SegmentGoal.objects.get()
    answer = admin_client.post(url("edit", goal.pk), form(north, target="0"))
    assert "above 0" in str(answer.context["adminform"].form.errors)
    assert admin_client.post(url("review", goal.pk), {"note": " "}).status_code == 302
    assert not goal.reviews.exists()


def test_tabs_and_the_segment_narrow_the_list(admin_client, north):
    west = segment("west", field("region", "west"))
    given = {"baseline": 1, "baseline_reason": "x", "target": 5}
    for of, start, kind in ((north, -5, "revenue"), (north, 40, "revenue"), (west, -99, "pipeline")):
        first = TODAY + dt.timedelta(days=start)
        create_goal(segment=of, kind=kind, first_day=first, last_day=first + dt.timedelta(days=10), **given)

    def shown(query):
        return len(admin_client.get(url("changelist") + query).context["rows"])

    found = {query: shown(query) for query in ("", "?show=planned", "?show=ended", "?show=all", "?segment=west")}
    assert found == {"": 1, "?show=planned": 1, "?show=ended": 1, "?show=all": 3, "?segment=west": 1}


def test_the_ranking_shows_points_weights_and_takes_answers(admin_client, north):
    page = admin_client.get(url("priority", model="segment"))
    assert [row["segment"].key for row in page.context["rows"]] == ["north"]
    assert next(one["name"] for one in page.context["figures"]["ranking"]["data"]) == "Revenue potential"
    assert admin_client.get(url("priority_csv", model="segment")).content.decode().count("north") == 7
    admin_client.post(url("weights", model="segment"), {"fit": "55", "intent": "0"})
    assert (weights()["fit"], weights()["intent"], weights()["revenue"]) == (55, 0, 20)
    answer = admin_client.post(url("weights", model="segment"), {"fit": "1", "intent": "many"}, follow=True)
    assert "Intent: “many” is no weight" in answer.content.decode()
    assert weights()["fit"] == 55
    judge = url("judge", north.pk, model="segment")
    assert "Not measured:" in admin_client.get(judge).content.decode()
    admin_client.post(judge, {"consideration": "fit", "score": "4", "reason": "Asked them"})
    assert PriorityAnswer.objects.get().score == 4
    for bad in ({"score": "9", "reason": "x"}, {"score": "4", "reason": ""}, {"score": "x", "reason": "x"}):
        assert admin_client.post(judge, {"consideration": "fit", **bad}).status_code == 302
    assert (PriorityAnswer.objects.get().score, PriorityAnswer.objects.get().reason) == (4, "Asked them")
    admin_client.post(judge, {"consideration": "fit", "score": ""})
    assert not PriorityAnswer.objects.exists()


def test_roles_marketers_set_analysts_look_and_reps_see_own_figures_only(client, north):
    goal = create_goal(
        segment=north, kind="revenue", target=500, first_day=TODAY - dt.timedelta(days=40), last_day=TODAY,
        baseline=77, baseline_reason="Secret AG", note="Secret AG",
    )  # fmt: skip
    judge, weigh = url("judge", north.pk, model="segment"), url("weights", model="segment")
    signed_in(client, MARKETER)
    assert [client.get(address).status_code for address in (url("add"), url("edit", goal.pk), judge)] == [200] * 3
    signed_in(client, ANALYST)
    assert client.get(url("change", goal.pk)).status_code == 200
    assert [client.get(address).status_code for address in (url("add"), url("edit", goal.pk), judge)] == [403] * 3
    assert client.post(weigh, {"fit": "1"}).status_code == 403
    signed_in(client, REP, team=True)
    page = client.get(url("change", goal.pk))
    text = page.content.decode()
    assert (page.context["counted"], "Secret" in text, "77" in text.split("<main")[-1]) == ("0 EUR", False, False)
    assert client.get(url("changelist")).context["rows"][0]["status"] == ""
    assert client.get(url("priority", model="segment")).status_code == 200
    for address in (url("add"), url("edit", goal.pk), url("csv", goal.pk), judge):
        assert client.get(address).status_code == 403
    assert client.post(url("review", goal.pk), {"note": "x"}).status_code == 403
    assert client.post(weigh, {"fit": "1"}).status_code == 403
