"""Goals and priorities over the API: set, changed, read at any date, reviewed, ranked, and refused with a reason."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from journey.services.memberships import update_memberships
from segmentation.models import SalesTeam, SegmentGoal
from segmentation.services.roles import REP, sync_roles
from tests.journey import worlds
from tests.journey.test_segments import field, segment
from tests.journey.worlds import account, deal
from tests.segmentation.api.support import Api

pytestmark = pytest.mark.django_db

GOAL = {"segment": "north", "kind": "revenue", "first_day": "2025-04-11", "last_day": "2025-07-19", "target": 500}


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    sync_roles()
    segment("north", field("region", "north"))
    one = account(region="north")
    deal(one, ("Discovery", 0), ("Won", 50), amount=80, currency="EUR")
    deal(one, ("Discovery", 110), ("Won", 120), amount=250, currency="EUR")
    update_memberships()


def test_a_goal_is_set_read_at_a_date_changed_reviewed_and_removed(api):
    made = api.post("segment-goals/", GOAL)
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert (made.json()["baseline"], made.json()["currency"], made.json()["created_by"]) == (80, "EUR", "boss")
    found = api.get(f"segment-goals/{key}/figures/?as_of=2025-05-31T00:00:00Z").json()
    assert (found["counted"], found["expected"], found["status"]) == (250, pytest.approx(250), "on_track")
    assert api.get("segment-goals/figures/").json()[0]["status"] == "missed"
    assert api.get("segment-goals/figures/?segment=west").json() == []
    points = api.get(f"segment-goals/{key}/course/?as_of=2025-05-31T00:00:00Z").json()["points"]
    assert (points[0]["value"], points[-1]["value"]) == (0, 250)
    changed = api.patch(f"segment-goals/{key}/", {"target": 250, "baseline": 90, "baseline_reason": "Plan"})
    assert (changed.json()["target"], changed.json()["baseline_source"]) == (250, "given")
    assert api.get(f"segment-goals/{key}/figures/").json()["reached_at"].startswith("2025-05-01")
    assert api.patch(f"segment-goals/{key}/", {"baseline": None}).json()["baseline"] == 80
    assert api.post(f"segment-goals/{key}/review/", {"note": "Done"}).status_code == 201
    assert api.get(f"segment-goals/{key}/reviews/").json()[0]["figures"]["status"] == "reached"
    assert {row["kind"] for row in api.get("segment-goals/kinds/").json()} >= {"revenue", "engagement"}
    assert api.get("segment-goals/?segment=north&kind=revenue").json()["results"][0]["id"] == key
    assert api.delete(f"segment-goals/{key}/").status_code == 204
    assert not SegmentGoal.objects.exists()


def test_what_cannot_be_is_refused_and_nothing_is_changed(api):
    key = api.post("segment-goals/", GOAL).json()["id"]
    before = api.get("segment-goals/").json()
    given = {"baseline": 5, "baseline_reason": "x"}
    later = {**GOAL, "first_day": "2026-01-01", "last_day": "2026-03-31"}
    for method, path, body, code in (
        ("post", "segment-goals/", GOAL, "overlapping_goals"),
        ("post", "segment-goals/", {**later, "kind": "revenu", **given}, "unknown_kind"),
        ("post", "segment-goals/", {**later, "kind": "visits"}, "no_baseline"),
        ("post", "segment-goals/", {**later, "last_day": "2025-12-31"}, "ends_before_start"),
        ("post", "segment-goals/", {**later, "target": "NaN"}, "invalid"),
        ("post", "segment-goals/", {**later, "currency": "GBP"}, "no_rate"),
        ("post", "segment-goals/", {**later, "segment": "nroth"}, "unknown_segment"),
        ("post", "segment-goals/", {**later, "colour": "red"}, "unknown_field"),
        ("patch", f"segment-goals/{key}/", {"kind": "pipeline"}, "read_only"),
        ("patch", f"segment-goals/{key}/", {"last_day": "2025-01-01"}, "ends_before_start"),
        ("get", f"segment-goals/{key}/figures/?as_of=soon", None, "as_of"),
        ("post", f"segment-goals/{key}/review/", {"note": " "}, "note"),
    ):
        answer = getattr(api, method)(path, body) if body is not None else getattr(api, method)(path)
        assert 400 <= answer.status_code < 500, (body, answer.content)
        assert code in answer.content.decode(), (code, answer.content)
        assert api.get("segment-goals/").json() == before


def test_segments_are_ranked_judged_and_weighed(api):
    ranking = api.get("segments/priority/").json()
    [row] = ranking["segments"]
    assert (row["segment"], len(row["considerations"])) == ("north", 7)
    answer = {"segment": "north", "consideration": "resources", "score": 4, "reason": "Covered"}
    made = api.post("priority-answers/", answer)
    assert made.status_code == 201, made.content
    [row] = api.get("segments/priority/").json()["segments"]
    judged = {one["consideration"]: one for one in row["considerations"]}["resources"]
    assert (judged["source"], judged["score"], judged["reason"]) == ("answered", 75, "Covered")
    assert api.patch(f"priority-answers/{made.json()['id']}/", {"score": 2}).json()["score"] == 2
    for method, path, body, code in (
        ("post", "priority-answers/", {**answer, "score": 9}, "bad_score"),
        ("post", "priority-answers/", {**answer, "consideration": "luck"}, "unknown_consideration"),
        ("patch", f"priority-answers/{made.json()['id']}/", {"consideration": "fit"}, "read_only"),
        ("post", "segments/priority/weights/", {"weights": {"fit": 101}}, "bad_weight"),
        ("post", "segments/priority/weights/", {"weights": {"luck": 1}}, "unknown_consideration"),
    ):
        refused = getattr(api, method)(path, body)
        assert refused.status_code == 400, refused.content
        assert code in refused.content.decode()
    assert api.delete(f"priority-answers/{made.json()['id']}/").status_code == 204
    weighed = api.post("segments/priority/weights/", {"weights": {"fit": 50}}).json()["weights"]
    assert (weighed["fit"], weighed["revenue"]) == (50, 20)
    assert api.get("segments/priority/").json()["weights"]["fit"] == 50


def test_a_rep_sees_what_own_accounts_brought_and_changes_nothing(api):
    key = api.post("segment-goals/", {**GOAL, "baseline": 77, "baseline_reason": "Secret AG"}).json()["id"]
    answer = {"segment": "north", "consideration": "fit", "score": 4, "reason": "Secret AG"}
    judged = api.post("priority-answers/", answer).json()["id"]
    user = get_user_model().objects.create_user("rep", is_staff=True)
    user.groups.add(Group.objects.get(name=REP))
    user.sales_teams.add(SalesTeam.objects.create(key="own", name="Own"))
    rep = Api(user)
    shown = rep.get(f"segment-goals/{key}/").json()
    assert (shown["target"], shown["baseline"], shown["baseline_reason"]) == (500, None, None)
    found = rep.get(f"segment-goals/{key}/figures/").json()
    assert (found["counted"], found["value"], found["status"]) == (0, None, None)
    assert "Secret" not in rep.get("segments/priority/").content.decode()
    for method, path, body in (
        ("get", f"segment-goals/{key}/course/", None),
        ("get", f"segment-goals/{key}/reviews/", None),
        ("patch", f"segment-goals/{key}/", {"target": 1}),
        ("post", "segment-goals/", GOAL),
        ("get", "priority-answers/", None),
        ("get", f"priority-answers/{judged}/", None),
        ("post", "segments/priority/weights/", {"weights": {"fit": 1}}),
    ):
        refused = getattr(rep, method)(path, body) if body is not None else getattr(rep, method)(path)
        assert refused.status_code == 403, (path, refused.status_code)
