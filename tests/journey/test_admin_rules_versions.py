"""Making, publishing, discarding and comparing versions, and making journeys, as the admin's pages do it."""

import datetime as dt
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from journey.admin.rules_editor import basis_of, without_refs
from journey.errors import JourneyError
from journey.models import Journey, JourneyVersion
from journey.selectors.comparisons import comparison
from journey.selectors.versions import published_version, version_document
from journey.services.replay import replay
from journey.services.versions import create_draft, discard_draft, publish_version, save_draft
from segmentation.errors import ConflictError
from segmentation.models import Job
from tests.journey import worlds

pytestmark = pytest.mark.django_db


@pytest.fixture
def standard():
    worlds.install()
    return Journey.objects.get(key="standard")


def test_a_draft_that_somebody_else_published_or_discarded_meanwhile(standard):
    """Each of two people has the version as it was when the page was opened."""
    mine, theirs = create_draft(journey=standard), JourneyVersion.objects.get(state="draft")
    publish_version(version=theirs)
    with pytest.raises(JourneyError, match="is published and never changes"):
        discard_draft(version=mine)
    assert JourneyVersion.objects.get(pk=mine.pk).stages.exists()
    mine, theirs = create_draft(journey=standard), JourneyVersion.objects.get(state="draft")
    discard_draft(version=theirs)
    for verb, more in ((discard_draft, {}), (publish_version, {}), (save_draft, {"document": {}})):
        with pytest.raises(ConflictError, match="was discarded meanwhile") as found:
            verb(version=mine, **more)
        assert found.value.code == "version_gone"


def version_page(version, name):
    return reverse(f"admin:journey_journeyversion_{name}", args=[version.pk])


def journey_page(journey, name="change"):
    return reverse(f"admin:journey_journey_{name}", args=[journey.pk])


def bare(version):
    return without_refs(version_document(version))


def said(response):
    return [str(message) for message in response.context["messages"]]


def changed(version, minutes):
    """A draft whose first rule for MQA asks for other minutes."""
    document = version_document(version)
    document["stages"][2]["enter"][0]["criteria"][0]["params"]["minutes"] = minutes
    return save_draft(version=version, document=document)


class TestDrafts:
    def test_one_is_made_of_the_published_version(self, admin_client, standard):
        response = admin_client.post(journey_page(standard, "draft"))
        draft = standard.versions.get(state="draft")
        assert response["Location"] == version_page(draft, "rules")
        assert bare(draft) == bare(published_version(standard))
        assert draft.created_by.username == "admin"

    def test_one_is_made_of_any_version(self, admin_client, standard):
        first = published_version(standard)
        publish_version(version=changed(create_draft(journey=standard), 5))
        admin_client.post(journey_page(standard, "draft"), {"version": first.pk})
        assert bare(standard.versions.get(state="draft")) == bare(first)

    def test_there_is_only_one_at_a_time(self, admin_client, standard):
        create_draft(journey=standard)
        response = admin_client.post(journey_page(standard, "draft"), follow=True)
        assert "has a draft already: version 2" in said(response)[0]
        assert standard.versions.count() == 2

    @pytest.mark.parametrize("version", ["0", "x", "99999999999999999999999"])
    def test_none_is_made_of_a_version_that_is_not_there(self, admin_client, standard, version):
        assert admin_client.post(journey_page(standard, "draft"), {"version": version}).status_code == 404

    def test_none_is_made_of_another_journeys_version(self, admin_client, standard):
        other = published_version("extended")
        assert admin_client.post(journey_page(standard, "draft"), {"version": other.pk}).status_code == 404

    def test_it_can_be_discarded_after_asking(self, admin_client, standard):
        draft = create_draft(journey=standard)
        assert admin_client.get(version_page(draft, "discard")).status_code == 200
        assert standard.versions.count() == 2
        response = admin_client.post(version_page(draft, "discard"), follow=True)
        assert said(response) == ["Standard journey v2 is discarded."]
        assert standard.versions.count() == 1

    def test_what_is_published_cannot_be_discarded(self, admin_client, standard):
        response = admin_client.post(version_page(published_version(standard), "discard"), follow=True)
        assert "only drafts" in said(response)[0]
        assert standard.versions.count() == 1


class TestPublishing:
    def publish(self, client, version):
        return client.post(
            version_page(version, "publish"), {"basis": basis_of(version_document(version))}, follow=True
        )

    def test_it_is_final_and_asks_for_a_history(self, admin_client, standard):
        draft = changed(create_draft(journey=standard), 30)
        response = self.publish(admin_client, draft)
        assert "is published" in said(response)[0]
        draft.refresh_from_db()
        assert (draft.state, draft.published_by.username) == ("published", "admin")
        [job] = Job.objects.filter(kind="replay")
        assert (job.params["journey"], job.requested_by.username) == ("standard", "admin")
        assert LogEntry.objects.filter(object_id=str(draft.pk), change_message__contains="Published.").exists()

    def test_a_draft_that_changed_after_the_question_is_not_published(self, admin_client, standard):
        draft = create_draft(journey=standard)
        basis = basis_of(version_document(draft))
        changed(draft, 30)
        for given in (basis, ""):
            response = admin_client.post(version_page(draft, "publish"), {"basis": given}, follow=True)
            assert "has changed since" in said(response)[0]
        draft.refresh_from_db()
        assert draft.is_draft

    def test_publishing_twice_says_so(self, admin_client, standard):
        response = self.publish(admin_client, published_version(standard))
        assert "published already" in said(response)[0]
        assert not Job.objects.exists()

    def test_one_that_cannot_be_used_is_refused(self, admin_client, standard):
        draft = create_draft(journey=Journey.objects.create(key="bare", name="Bare"))
        response = self.publish(admin_client, draft)
        assert "at least two stages" in said(response)[0]
        draft.refresh_from_db()
        assert draft.is_draft


@pytest.mark.django_db(transaction=True)
class TestQuestion:
    def test_it_shows_what_would_change(self, admin_client, standard):
        today = (timezone.now() - worlds.DAY0).days
        for _number in range(3):
            account = worlds.account()
            worlds.activity(account, "webinar", today, worlds.contact(account))
        replay(journey=standard, full=True)
        draft = create_draft(journey=standard)
        document = version_document(draft)
        document["stages"] = [stage for stage in document["stages"] if stage["key"] != "aware"]
        save_draft(version=draft, document=document)
        response = admin_client.get(version_page(draft, "publish"))
        rows = {
            row["name"]: (row["published"], row["accounts"], row["gained"], row["lost"], row["change"])
            for row in response.context["rows"]
        }
        assert rows == {
            "No engagement": (0, 3, 3, 0, 3),
            "MQA": (0, 0, 0, 0, 0),
            "Open opportunity": (0, 0, 0, 0, 0),
            "Customer": (0, 0, 0, 0, 0),
            "Aware": (3, 0, 0, 3, -3),
        }
        [removed] = [stage for stage in response.context["compared"].stages if not stage.same]
        assert (removed.key, removed.other) == ("aware", None)

    def test_two_histories_stand_side_by_side(self, admin_client, standard):
        today = (timezone.now() - worlds.DAY0).days
        account = worlds.account()
        worlds.activity(account, "webinar", today, worlds.contact(account))
        replay(journey=standard, full=True)
        first = published_version(standard)
        draft = create_draft(journey=standard)
        document = version_document(draft)
        document["stages"][1]["enter"][0]["criteria"][0]["params"]["minutes"] = 100
        second = publish_version(version=save_draft(version=draft, document=document))
        replay(journey=standard, full=True)
        response = admin_client.get(version_page(second, "compare"), {"with": first.pk})
        counts = {row["stage"].key: (row["one"], row["two"], row["change"]) for row in response.context["counts"]}
        assert counts["aware"] == (1, 0, -1)
        assert counts["none"] == (0, 1, 1)
        assert all(source["history"] for source in response.context["sources"])
        text = response.content.decode()
        assert "more than 0 engaged minutes" in text
        assert "more than 100 engaged minutes" in text


class TestComparison:
    def test_equal_documents_are_the_same(self, standard):
        document = version_document(published_version(standard))
        assert comparison(document, document).same

    def test_only_what_differs_is_marked(self, standard):
        one = version_document(published_version(standard))
        two = json.loads(json.dumps(one))
        two["stages"][2]["enter"][0]["at_least"] = 1
        [stage] = [stage for stage in comparison(one, two).stages if not stage.same]
        assert stage.key == "mqa"
        [pair] = [pair for pair in stage.lines if not pair.same]
        assert (pair.one, pair.other) == ("To enter, “Tier 1”: all of", "To enter, “Tier 1”: at least one of")

    def test_another_order_is_told(self, standard):
        one = version_document(published_version(standard))
        two = json.loads(json.dumps(one))
        two["stages"][3]["precedence"], two["stages"][4]["precedence"] = 40, 30
        order = comparison(one, two).order
        assert order.one.startswith("Customer > Open opportunity")
        assert order.other.startswith("Open opportunity > Customer")

    def test_a_stage_that_is_inserted_changes_no_other(self, standard):
        one = version_document(published_version(standard))
        two = json.loads(json.dumps(one))
        for stage in two["stages"][2:]:
            stage["position"] += 1
        two["stages"].insert(2, {**two["stages"][1], "key": "new", "name": "New", "precedence": 15, "position": 2})
        result = comparison(one, two)
        assert [stage.key for stage in result.stages if not stage.same] == ["new"]
        assert result.order is result.funnel is None

    def test_another_order_of_the_funnel_is_told(self, standard):
        one = version_document(published_version(standard))
        two = json.loads(json.dumps(one))
        two["stages"][1]["position"], two["stages"][2]["position"] = 2, 1
        result = comparison(one, two)
        assert not result.same
        assert result.funnel.one == "No engagement → Aware → MQA → Open opportunity → Customer"
        assert result.funnel.other == "No engagement → MQA → Aware → Open opportunity → Customer"

    def test_weights_are_compared(self, standard):
        one = version_document(published_version(standard))
        two = {**one, "seniority_weights": {"vp": 150}}
        result = comparison(one, two)
        assert not result.same
        assert [pair.other for pair in result.weights] == ["Vice president: 150 %"]

    def test_a_journey_with_one_version_has_nothing_to_compare(self, admin_client, standard):
        response = admin_client.get(version_page(published_version(standard), "compare"))
        assert "only one version" in response.content.decode()


class TestJourneyPage:
    def test_it_lists_all_versions_with_what_can_be_done(self, admin_client, standard):
        draft = create_draft(journey=standard)
        JourneyVersion.objects.filter(pk=draft.pk).update(note="Less is enough")
        text = admin_client.get(journey_page(standard)).content.decode()
        for words in (
            "Less is enough",
            "Edit rules",
            "Publish",
            "Discard draft",
            "Compare",
            "Build history",
            "not built",
        ):
            assert words in text
        assert "Make a draft" not in text

    def test_without_a_draft_one_can_be_made_of_each(self, admin_client, standard):
        text = admin_client.get(journey_page(standard)).content.decode()
        assert "Make a draft of this" in text
        assert version_page(published_version(standard), "rules") in text

    def test_a_journey_without_versions_says_what_to_do(self, admin_client):
        journey = Journey.objects.create(key="bare", name="Bare")
        text = admin_client.get(journey_page(journey)).content.decode()
        assert "no version yet" in text
        assert "Build history" not in text

    def test_published_but_not_built_is_told(self, admin_client, standard):
        response = admin_client.get(journey_page(standard))
        assert response.context["waiting_version"] == published_version(standard)
        assert response.context["shown_number"] is None


class TestRebuilding:
    def test_it_is_asked_for_once(self, admin_client, standard):
        for _time in range(2):
            admin_client.post(journey_page(standard, "rebuild"))
        [job] = Job.objects.all()
        assert job.params == {"journey": "standard", "full": True}

    def test_progress_is_told_while_it_runs(self, admin_client, standard):
        url = journey_page(standard, "progress")
        assert admin_client.get(url).json()["busy"] is False
        admin_client.post(journey_page(standard, "rebuild"))
        state = admin_client.get(url).json()
        assert (state["busy"], state["state"], state["text"]) == (True, "queued", "Waiting to begin")
        Job.objects.update(state="running", progress=0.4, step="computing stages")
        state = admin_client.get(url).json()
        assert (state["busy"], state["progress"], state["text"]) == (True, 0.4, "computing stages")
        Job.objects.update(state="failed", error="No room left.\n\nTraceback")
        state = admin_client.get(url).json()
        assert (state["busy"], state["error"]) == (False, "No room left.")
        assert "No room left." in admin_client.get(journey_page(standard)).content.decode()

    def test_a_job_that_does_not_begin_gets_a_hint(self, admin_client, standard):
        admin_client.post(journey_page(standard, "rebuild"))
        Job.objects.update(created_at=timezone.now() - dt.timedelta(minutes=1))
        assert "manage.py jobs" in admin_client.get(journey_page(standard, "progress")).json()["text"]

    def test_a_replay_of_all_journeys_concerns_each(self, admin_client, standard):
        Job.objects.create(kind="replay", title="All", params={"journey": None, "full": False}, state="running")
        Job.objects.create(kind="replay", title="Other", params={"journey": "extended", "full": True}, state="done")
        assert admin_client.get(journey_page(standard, "progress")).json()["busy"] is True

    def test_without_a_published_version_there_is_nothing_to_build(self, admin_client):
        journey = Journey.objects.create(key="bare", name="Bare")
        response = admin_client.post(journey_page(journey, "rebuild"), follow=True)
        assert "nothing" in said(response)[0].lower() or "no history" in said(response)[0]
        assert not Job.objects.exists()


class TestNewJourney:
    URL = "admin:journey_journey_add"

    def make(self, client, **given):
        return client.post(reverse(self.URL), {"name": "Leads", "unit": "contact", "start": "simple", **given})

    @pytest.mark.parametrize("start", ["simple", "smallest"])
    @pytest.mark.parametrize("unit", ["account", "contact", "opportunity"])
    def test_it_begins_as_a_draft(self, admin_client, standard, unit, start):
        response = self.make(admin_client, unit=unit, start=start)
        journey = Journey.objects.get(key="leads")
        draft = journey.versions.get()
        assert response["Location"] == version_page(draft, "rules")
        assert (journey.unit, draft.state, draft.created_by.username) == (unit, "draft", "admin")

    def test_it_may_copy_another(self, admin_client, standard):
        version = published_version("extended")
        self.make(admin_client, key="own", unit="account", start=f"copy:{version.pk}")
        copy = Journey.objects.get(key="own").versions.get()
        assert bare(copy) == bare(version)

    def test_a_name_without_latin_letters_gets_a_key(self, admin_client, standard):
        for _time in range(2):
            self.make(admin_client, name="线索旅程")
        assert set(Journey.objects.filter(name="线索旅程").values_list("key", flat=True)) == {"journey-1", "journey-2"}

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": "x" * 121}, "name"),
            ({"key": "standard"}, "key"),
            ({"key": "Big Key"}, "key"),
            ({"key": "UPPER"}, "key"),
            ({"unit": "planet"}, "unit"),
            ({"start": "copy:0"}, "start"),
        ],
    )
    def test_what_is_wrong_is_told_at_its_field(self, admin_client, standard, given, field):
        before = Journey.objects.count()
        response = self.make(admin_client, **given)
        assert response.status_code == 200
        assert list(response.context["form"].errors) == [field]
        assert Journey.objects.count() == before

    def test_it_needs_the_right_to_add_journeys(self, client, standard):
        user = get_user_model().objects.create_user("clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_journey"))
        client.force_login(user)
        assert client.get(reverse(self.URL)).status_code == 403
        assert self.make(client).status_code == 403
