"""The rule editor: who may do what, what is saved, what is refused and where, and that its counts are the engine's."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import timezone

from journey.admin.checklist_editor import checklist_words
from journey.admin.rules_editor import without_refs
from journey.admin.rules_schema import editor_schema, editor_words
from journey.admin.segment_editor import editor_words as segment_words
from journey.models import Criterion, EntryRule, Journey, JourneyVersion, Stage
from journey.selectors.previews import preview
from journey.selectors.stages import stage_counts
from journey.selectors.versions import published_version, version_document
from journey.services.replay import replay
from journey.services.versions import create_draft, create_journey, publish_version, save_draft
from journey.starting_points import SIMPLE, SMALLEST
from segmentation.engine.criteria import kinds
from tests.journey import worlds

pytestmark = pytest.mark.django_db

User = get_user_model()
EVIL = '<script>alert("x")</script>'
MQA = "stages.mqa.enter.0"


@pytest.fixture
def standard():
    worlds.install()
    return Journey.objects.get(key="standard")


@pytest.fixture
def draft(standard):
    return create_draft(journey=standard)


MODULES = Path(finders.find("journey/rules/journey.js")).parent


def words_asked_for(entry):
    """What a page's script and everything it imports show."""
    found, waiting = {}, [entry]
    while waiting:
        name = waiting.pop()
        found[name] = (MODULES / f"{name}.js").read_text()
        waiting += set(re.findall(r'from "\./(\w+)\.js";', found[name])) - set(found) - set(waiting)
    return {a or b for a, b in re.findall(r'\bwords\.([a-z_]+)|\bsay\("([a-z_]+)"', "".join(found.values()))}


def page(version, name="rules"):
    return reverse(f"admin:journey_journeyversion_{name}", args=[version.pk])


def document_of(version):
    return without_refs(version_document(version))


def stage_of(document, key):
    return next(stage for stage in document["stages"] if stage["key"] == key)


def post(client, url, document, **more):
    return client.post(url, json.dumps({"document": document, **more}), content_type="application/json")


def saved(client, version, document, **more):
    return post(client, page(version), document, **more)


def fields_of(response):
    return [problem["field"] for problem in response.json()["problems"]]


def user_with(*permissions):
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="journey", codename__in=permissions))
    return user


class TestWhoMay:
    PAGES = ("rules", "publish", "discard", "compare", "preview")

    def test_all_pages_of_a_draft_answer(self, admin_client, draft):
        for name in self.PAGES:
            assert admin_client.get(page(draft, name)).status_code == 200, name

    def test_staff_without_rights_get_none_of_them(self, client, draft):
        client.force_login(user_with())
        for name in (*self.PAGES, "values"):
            assert client.get(page(draft, name)).status_code == 403, name
        assert saved(client, draft, document_of(draft)).status_code == 403

    def test_who_may_only_look_reads_the_rules_and_changes_nothing(self, client, draft):
        client.force_login(user_with("view_journeyversion"))
        before = document_of(draft)
        response = client.get(page(draft))
        assert response.status_code == 200
        assert response.context["state"]["editable"] is False
        assert 'id="ajr-save"' not in response.content.decode()
        assert saved(client, draft, {**before, "seniority_weights": {"vp": 150}}).status_code == 403
        assert post(client, page(draft, "preview"), before).status_code == 403
        assert client.get(page(draft, "preview")).status_code == 200
        for name in ("publish", "discard"):
            assert client.get(page(draft, name)).status_code == 403, name
            assert client.post(page(draft, name)).status_code == 403, name
        assert document_of(draft) == before

    def test_each_button_has_its_own_right(self, client, draft, standard):
        client.force_login(user_with("view_journey", "view_journeyversion"))
        for name in ("draft", "rebuild"):
            assert client.post(reverse(f"admin:journey_journey_{name}", args=[standard.pk])).status_code == 403
        text = client.get(reverse("admin:journey_journey_change", args=[standard.pk])).content.decode()
        for words in ("Rebuild history", "Build history", "Discard draft", "Edit rules", "Make a draft"):
            assert words not in text

    def test_nothing_is_changed_by_a_link(self, admin_client, standard):
        for name in ("draft", "rebuild"):
            assert admin_client.get(reverse(f"admin:journey_journey_{name}", args=[standard.pk])).status_code == 405
        assert standard.versions.count() == 1

    def test_a_post_from_elsewhere_is_refused(self, draft, admin_user):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert saved(client, draft, document_of(draft)).status_code == 403

    def test_versions_that_do_not_exist_are_not_found(self, admin_client, draft):
        for name in self.PAGES:
            assert admin_client.get(reverse(f"admin:journey_journeyversion_{name}", args=[999_999])).status_code == 404
        assert admin_client.get(page(draft, "compare") + "?with=999999").status_code == 404
        assert admin_client.get(page(draft, "compare") + "?with=x").status_code == 404


class TestSaving:
    def test_a_document_saved_unchanged_stays_identical(self, admin_client):
        worlds.install()
        for journey in Journey.objects.all():
            version = create_draft(journey=journey)
            state = admin_client.get(page(version)).context["state"]
            response = saved(admin_client, version, state["document"], basis=state["basis"], note=state["note"])
            assert response.json() == {"saved": True, "basis": state["basis"]}
            assert document_of(version) == state["document"] == document_of(published_version(journey))

    def test_it_changes_the_draft_and_only_the_draft(self, admin_client, draft, standard):
        others = {v.pk: version_document(v) for v in JourneyVersion.objects.exclude(pk=draft.pk)}
        document = document_of(draft)
        stage_of(document, "mqa")["enter"][0]["criteria"][0]["params"]["minutes"] = 45
        stage_of(document, "mqa")["stay"] = [
            {
                "name": "",
                "at_least": None,
                "scope": [],
                "criteria": [{"kind": "engaged_minutes", "params": {"minutes": 5}, "negate": True}],
            }
        ]
        document["seniority_weights"] = {"vp": 150}
        response = saved(admin_client, draft, document, note="Less is enough")
        assert response.status_code == 200
        draft.refresh_from_db()
        assert draft.note == "Less is enough"
        assert document_of(draft) == document
        assert {pk: version_document(JourneyVersion.objects.get(pk=pk)) for pk in others} == others

    def test_a_published_version_is_refused(self, admin_client, standard):
        version = published_version(standard)
        before = version_document(version)
        document = document_of(version)
        stage_of(document, "mqa")["name"] = "Other"
        response = saved(admin_client, version, document)
        assert response.status_code == 409
        assert response.json()["problems"][0]["code"] == "published"
        assert version_document(version) == before
        assert admin_client.get(page(version)).context["state"]["editable"] is False

    def test_somebody_elses_save_is_noticed_and_not_overwritten_unasked(self, admin_client, draft):
        state = admin_client.get(page(draft)).context["state"]
        theirs = document_of(draft)
        stage_of(theirs, "mqa")["name"] = "Theirs"
        save_draft(version=draft, document=theirs)
        mine = state["document"]
        stage_of(mine, "mqa")["name"] = "Mine"
        refused = saved(admin_client, draft, mine, basis=state["basis"])
        assert refused.status_code == 409
        assert stage_of(document_of(draft), "mqa")["name"] == "Theirs"
        assert saved(admin_client, draft, mine, basis=refused.json()["basis"]).status_code == 200
        assert stage_of(document_of(draft), "mqa")["name"] == "Mine"

    def test_refs_of_other_rules_are_ignored(self, admin_client, draft, standard):
        document = version_document(published_version(standard))
        assert saved(admin_client, draft, document).status_code == 200
        assert Stage.objects.filter(version=published_version(standard)).count() == 5

    def test_the_change_is_in_the_log(self, admin_client, draft):
        saved(admin_client, draft, document_of(draft))
        assert (
            "Rules changed."
            in admin_client.get(reverse("admin:journey_journeyversion_history", args=[draft.pk])).content.decode()
        )


def change(path, value):
    """A function that changes one place of a document."""

    def apply(document):
        *way, last = path.split("/")
        place = document
        for step in way:
            if step.startswith("@"):
                place = stage_of(document, step[1:])
            else:
                place = place[int(step)] if isinstance(place, list) else place[step]
        if value is ...:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value

    return apply


FIRST = "@mqa/enter/0/criteria/0"
REFUSED = {
    "unknown kind": (change(f"{FIRST}/kind", "telepathy"), f"{MQA}.criteria.0.kind", "unknown_kind"),
    "no kind": (change(f"{FIRST}/kind", ...), f"{MQA}.criteria.0.kind", "unknown_kind"),
    "unknown parameter": (change(f"{FIRST}/params/minuts", 5), f"{MQA}.criteria.0.params.minuts", "unknown_parameter"),
    "empty rule": (change("@mqa/enter/0/criteria", []), f"{MQA}.criteria", "empty_rule"),
    "text as a threshold": (change(f"{FIRST}/params/minutes", "60"), f"{MQA}.criteria.0.params.minutes", "wrong_type"),
    "yes as a threshold": (change(f"{FIRST}/params/minutes", True), f"{MQA}.criteria.0.params.minutes", "wrong_type"),
    "not a number": (change(f"{FIRST}/params/minutes", float("nan")), f"{MQA}.criteria.0.params.minutes", "not_finite"),
    "infinite": (change(f"{FIRST}/params/minutes", float("inf")), f"{MQA}.criteria.0.params.minutes", "not_finite"),
    "huge": (change(f"{FIRST}/params/minutes", 10**400), f"{MQA}.criteria.0.params.minutes", "not_finite"),
    "negative": (change(f"{FIRST}/params/minutes", -1), f"{MQA}.criteria.0.params.minutes", "out_of_range"),
    "half a day": (change(f"{FIRST}/params/window_days", 1.5), f"{MQA}.criteria.0.params.window_days", "not_whole"),
    "missing": (change(f"{FIRST}/params/minutes", ...), f"{MQA}.criteria.0.params.minutes", "missing_parameter"),
    "unknown choice": (change(f"{FIRST}/params/sides", ["dark"]), f"{MQA}.criteria.0.params.sides", "unknown_choice"),
    "parameters as a list": (change(f"{FIRST}/params", []), f"{MQA}.criteria.0.params", "wrong_type"),
    "maybe not": (change(f"{FIRST}/negate", "yes"), f"{MQA}.criteria.0.negate", "wrong_type"),
    "criterion as text": (change(FIRST, "engaged"), f"{MQA}.criteria.0", "wrong_type"),
    "five of two": (change("@mqa/enter/0/at_least", 5), f"{MQA}.at_least", "bad_at_least"),
    "none of two": (change("@mqa/enter/0/at_least", 0), f"{MQA}.at_least", "bad_at_least"),
    "no scope": (
        change("@mqa/enter/0/scope/0", {"kind": "opportunity_open", "params": {}, "negate": False}),
        f"{MQA}.scope.0.kind",
        "not_a_scope",
    ),
    "text in a number field": (
        change("@mqa/enter/0/scope/0/params/value", "1"),
        f"{MQA}.scope.0.params.value",
        "wrong_type",
    ),
    "criteria as text": (change("@mqa/enter/0/criteria", "all"), f"{MQA}.criteria", "wrong_type"),
    "rules as a number": (change("@mqa/enter", 7), "stages.mqa.enter", "wrong_type"),
    "no rule": (change("@mqa/enter", []), "stages.mqa.rules", "stage_without_rule"),
    "two with one precedence": (change("@mqa/precedence", 10), "stages.mqa.precedence", "same_precedence"),
    "precedence as text": (change("@mqa/precedence", "10"), "stages.mqa.precedence", "bad_number"),
    "precedence beyond the column": (change("@mqa/precedence", 99_999), "stages.mqa.precedence", "bad_number"),
    "no precedence": (change("@mqa/precedence", ...), "stages.mqa.precedence", "bad_number"),
    "two in one place": (change("@mqa/position", 1), "stages.mqa.position", "same_position"),
    "place as a fraction": (change("@mqa/position", 1.5), "stages.mqa.position", "bad_number"),
    "two with one key": (change("@mqa/key", "aware"), "stages.aware.key", "same_key"),
    "key with spaces": (change("@mqa/key", "a b"), "stages.2.key", "bad_key"),
    "name too long": (change("@mqa/name", "x" * 121), "stages.mqa.name", "too_long"),
    "no name": (change("@mqa/name", " "), "stages.mqa.name", "empty"),
    "name as a number": (change("@mqa/name", 5), "stages.mqa.name", "wrong_type"),
    "NUL in a name": (change("@mqa/name", "M\x00QA"), "stages.mqa.name", "bad_character"),
    "NUL in a value": (
        change("@mqa/enter/0/scope/0/params", {"field": "region", "value": "a\x00"}),
        f"{MQA}.scope.0.params.value",
        "wrong_type",
    ),
    "colour that is none": (change("@mqa/color", "red;x:y"), "stages.mqa.color", "bad_colour"),
    "negative stay": (change("@mqa/min_stay_days", -1), "stages.mqa.min_stay_days", "bad_minimum_stay"),
    "stay as text": (change("@mqa/min_stay_days", "9"), "stages.mqa.min_stay_days", "bad_minimum_stay"),
    "unknown key of a stage": (change("@mqa/colour", "#ffffff"), "stages.mqa.colour", "unknown_key"),
    "stage as text": (change("stages/2", "mqa"), "stages.2", "wrong_type"),
    "stages as text": (change("stages", "all"), "stages", "wrong_type"),
    "one stage": (lambda document: document["stages"].__delitem__(slice(1, None)), "stages", "too_few_stages"),
    "floor with a rule": (lambda document: document["stages"].pop(0), "stages.aware.rules", "floor_with_rule"),
    "weight as text": (change("seniority_weights", {"vp": "150"}), "seniority_weights.vp", "bad_weight"),
    "weights as a list": (change("seniority_weights", [1]), "seniority_weights", "wrong_type"),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    def test_what_is_wrong_is_told_at_its_place_and_nothing_is_stored(self, admin_client, draft, name):
        apply, field, code = REFUSED[name]
        before = document_of(draft)
        document = document_of(draft)
        apply(document)
        for url in (page(draft), page(draft, "preview")):
            response = post(admin_client, url, document)
            [problem] = response.json()["problems"]
            assert (problem["field"], problem["code"]) == (field, code)
            assert problem["message"]
            assert problem["remedy"]
        assert saved(admin_client, draft, document).status_code == 400
        assert document_of(draft) == before

    def test_everything_that_is_wrong_is_told_at_once(self, admin_client, draft):
        document = document_of(draft)
        for name in ("text as a threshold", "two in one place", "no name"):
            REFUSED[name][0](document)
        stage_of(document, "aware")["enter"][0]["criteria"] = []
        response = saved(admin_client, draft, document)
        assert fields_of(response) == [
            "stages.aware.enter.0.criteria",
            "stages.mqa.name",
            f"{MQA}.criteria.0.params.minutes",
        ]

    @pytest.mark.parametrize(
        "body",
        ["", "no", "[]", "{}", "null", '"x"', "[" * 100_000, '{"document": "\\ud800"}', '{"document": 1'],
        ids=["nothing", "words", "list", "empty", "null", "text", "deep", "surrogate", "half"],
    )
    def test_what_is_no_document_is_refused(self, admin_client, draft, body):
        before = document_of(draft)
        for url in (page(draft), page(draft, "preview")):
            response = admin_client.post(url, body, content_type="application/json")
            assert response.status_code == 400
            assert response.json()["problems"][0]["message"]
        assert document_of(draft) == before

    @pytest.mark.parametrize("document", [None, 1, "x", [], True])
    def test_documents_of_another_type_are_refused(self, admin_client, draft, document):
        assert saved(admin_client, draft, document).status_code == 400

    @pytest.mark.parametrize("note", [5, None, "x" * 301, "a\x00b"])
    def test_a_note_that_cannot_be_stored_is_refused(self, admin_client, draft, note):
        response = saved(admin_client, draft, document_of(draft), note=note)
        assert response.status_code == 400
        assert fields_of(response) == ["note"]

    def test_a_document_that_is_too_large_is_refused(self, admin_client, draft, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        response = saved(admin_client, draft, document_of(draft))
        assert response.status_code == 400
        assert response.json()["problems"][0]["code"] == "too_large"

    def test_a_loop_of_rules_shows_its_path_at_the_criterion_that_closes_it(self, admin_client, standard):
        reading = dict(SMALLEST["account"])
        reads_standard = {"kind": "stage", "params": {"journey": "standard", "stage": "mqa"}, "negate": False}
        reading["stages"] = [reading["stages"][0], {**reading["stages"][1], "enter": [{"criteria": [reads_standard]}]}]
        other = create_journey(key="other", name="Other", document=reading)
        publish_version(version=other)
        draft = create_draft(journey=standard)
        document = document_of(draft)
        reads_other = {"kind": "stage", "params": {"journey": "other", "stage": "engaged"}, "negate": False}
        stage_of(document, "mqa")["enter"][1]["criteria"].append(reads_other)
        response = saved(admin_client, draft, document)
        [problem] = response.json()["problems"]
        assert problem["field"] == "stages.mqa.enter.1.criteria.2"
        assert problem["code"] == "rule_loop"
        assert "journey:standard → journey:other → journey:standard" in problem["message"]

    def test_a_journey_that_reads_itself_is_refused(self, admin_client, draft):
        document = document_of(draft)
        own = {"kind": "stage", "params": {"journey": "standard", "stage": "mqa"}, "negate": False}
        stage_of(document, "aware")["enter"][0]["criteria"].append(own)
        assert fields_of(saved(admin_client, draft, document)) == ["stages.aware.enter.0.criteria.1"]


@pytest.mark.django_db(transaction=True)
class TestCounts:
    @pytest.fixture
    def world(self, standard):
        for number in range(6):
            account = worlds.account(tier=1 if number % 2 else None)
            person = worlds.contact(account, seniority="vp")
            worlds.activity(account, "webinar", (timezone.now() - worlds.DAY0).days - number, person)
            if number > 3:
                worlds.deal(account, ("Discovery", 3))
        worlds.account()
        replay(journey=standard, full=True)
        return standard

    def test_they_are_those_of_the_selectors(self, admin_client, world):
        draft = create_draft(journey=world)
        answer = admin_client.get(page(draft, "preview")).json()
        expected = preview(version_document(draft), draft)
        assert answer["counts"] == expected
        assert answer["problems"] == []
        published = stage_counts(published_version(world), timezone.now())
        assert {row["key"]: row["published"] for row in answer["counts"]["stages"]} == {
            row["key"]: row["accounts"] for row in published
        }
        assert answer["counts"]["accounts"] == 7

    def test_a_changed_document_is_counted_without_being_saved(self, admin_client, world):
        draft = create_draft(journey=world)
        document = document_of(draft)
        stage_of(document, "aware")["enter"][0]["criteria"][0]["params"]["minutes"] = 10_000
        answer = post(admin_client, page(draft, "preview"), document).json()
        rows = {row["key"]: row for row in answer["counts"]["stages"]}
        assert rows["aware"]["accounts"] == 0
        assert rows["aware"]["lost"] == rows["aware"]["published"] == 4
        assert rows["none"]["gained"] == 4
        assert rows["aware"]["rules"] == [{"purpose": "enter", "matching": 0, "unknown": 0, "in_scope": 7}]
        assert answer["sentences"][1]["enter"][0]["criteria"] == ["more than 10000 engaged minutes within 90 days"]
        assert document_of(draft) == document_of(published_version(world))

    def test_unknown_is_counted_apart(self, admin_client, world):
        draft = create_draft(journey=world)
        document = document_of(draft)
        rule = stage_of(document, "mqa")["enter"][0]
        rule["scope"], rule["criteria"] = (
            [],
            [{"kind": "field", "params": {"field": "tier", "operator": "is", "value": 1}}],
        )
        answer = post(admin_client, page(draft, "preview"), document).json()
        [row] = [row for row in answer["counts"]["stages"] if row["key"] == "mqa"]
        assert row["rules"][0] == {"purpose": "enter", "matching": 3, "unknown": 4, "in_scope": 7}

    def test_a_criterion_that_is_wrong_has_no_words_and_the_others_keep_theirs(self, admin_client, draft):
        document = document_of(draft)
        REFUSED["text as a threshold"][0](document)
        answer = post(admin_client, page(draft, "preview"), document).json()
        assert answer["counts"] is None
        assert answer["sentences"][2]["enter"][0]["criteria"][0] == ""
        assert answer["sentences"][2]["enter"][0]["criteria"][1].startswith("at least 2 people")

    def test_without_history_there_is_nothing_to_compare_with(self, admin_client, draft):
        worlds.account()
        answer = admin_client.get(page(draft, "preview")).json()
        assert {row["published"] for row in answer["counts"]["stages"]} == {None}

    @pytest.mark.parametrize("unit", ["account", "contact", "opportunity"])
    @pytest.mark.parametrize("points", [SIMPLE, SMALLEST])
    def test_every_starting_point_can_be_counted_and_published(self, admin_client, standard, unit, points):
        account = worlds.account()
        worlds.contact(account)
        worlds.deal(account, ("Discovery", 3))
        version = create_journey(key="new", name="New", document=points[unit])
        answer = admin_client.get(page(version, "preview")).json()
        assert answer["problems"] == []
        assert answer["counts"]["accounts"] == 1
        publish_version(version=version)

    def test_values_of_a_field_are_offered_most_frequent_first(self, admin_client, draft):
        for region in ("North", "South", "South", ""):
            worlds.account(region=region, products=["CRM"] if region else [])
        url = page(draft, "values")
        assert admin_client.get(url, {"field": "region"}).json() == {"values": ["South", "North"]}
        assert admin_client.get(url, {"field": "products"}).json() == {"values": ["CRM"]}
        for field in ("tier", "name", "owner__password", "custom.x'", ""):
            assert admin_client.get(url, {"field": field}).json() == {"values": []}


class TestPage:
    def test_hostile_names_do_no_harm(self, admin_client, draft):
        document = document_of(draft)
        mqa = stage_of(document, "mqa")
        mqa["name"] = mqa["description"] = EVIL
        mqa["enter"][0]["name"] = EVIL
        mqa["enter"][0]["scope"][0]["params"] = {"field": "region", "operator": "is", "value": EVIL}
        assert saved(admin_client, draft, document, note=EVIL).status_code == 200
        Journey.objects.filter(pk=draft.journey_id).update(name=EVIL)
        worlds.account(region=EVIL)
        for name in ("rules", "publish", "discard", "compare"):
            response = admin_client.get(page(draft, name))
            assert response.status_code == 200
            assert EVIL not in response.content.decode(), name
        for url in (
            reverse("admin:journey_journey_change", args=[draft.journey_id]),
            reverse("admin:journey_journeyversion_change", args=[draft.pk]),
            reverse("admin:journey_journey_add"),
        ):
            assert EVIL not in admin_client.get(url).content.decode()

    def test_it_needs_nothing_inline(self, admin_client, draft):
        text = admin_client.get(page(draft)).content.decode()
        own = text[text.index('id="content-main"') : text.index('<script id="ajr-state" type="application/json">')]
        for inline in ("<script", "onclick", "x-on:", "javascript:"):
            assert inline not in own

    def test_every_kind_and_parameter_is_described(self, standard):
        schema = editor_schema(standard)
        assert set(schema["kinds"]) == set(kinds())
        for name, kind in kinds().items():
            described = {param["name"]: param for param in schema["kinds"][name]["params"]}
            assert list(described) == [param.name for param in kind.params]
            for param in described.values():
                assert param["label"]
                if "list" in param:
                    assert param["list"] in schema["lists"]
        assert json.loads(json.dumps(schema)) == schema

    def test_the_own_journey_is_not_offered_to_be_read(self, standard):
        assert set(editor_schema(standard)["stages"]) == set(Journey.objects.values_list("key", flat=True)) - {
            "standard"
        }

    @pytest.mark.parametrize("unit", ["account", "contact", "opportunity"])
    def test_every_word_the_scripts_ask_for_is_there(self, unit):
        assert words_asked_for("journey") <= set(editor_words(unit))

    def test_every_word_the_scripts_of_a_checklist_ask_for_is_there(self):
        assert words_asked_for("checklist") <= set(checklist_words())

    def test_every_word_the_scripts_of_a_segment_ask_for_is_there(self):
        assert words_asked_for("segment") <= set(segment_words())

    def test_a_module_imports_what_there_is(self):
        for path in MODULES.glob("*.js"):
            for names, other in re.findall(r'^import \{([^}]+)\} from "\./(\w+\.js)";', path.read_text(), re.MULTILINE):
                text = (MODULES / other).read_text()
                for name in names.split(","):
                    exported = rf"^export (async )?(function|const|let) ({name.strip()}\b|\{{[^}}]*\b{name.strip()}\b)"
                    assert re.search(exported, text, re.MULTILINE), f"{path.name}: {name.strip()} from {other}"

    def test_a_draft_without_stages_opens(self, admin_client):
        journey = Journey.objects.create(key="bare", name="Bare")
        draft = create_draft(journey=journey)
        for name in ("rules", "publish", "compare", "preview"):
            assert admin_client.get(page(draft, name)).status_code == 200, name

    def test_rules_whose_names_are_gone_open_and_say_what_is_wrong(self, admin_client, draft):
        criterion = Criterion.objects.filter(rule__stage__version=draft, kind="engaged_minutes").first()
        criterion.params = {**criterion.params, "types": ["gone"]}
        criterion.save()
        state = admin_client.get(page(draft)).context["state"]
        assert len(state["problems"]) == 1
        assert state["problems"][0]["field"].endswith("params.types")
        assert "cannot be published yet" in admin_client.get(page(draft, "publish")).content.decode()

    def test_it_is_made_with_few_queries(self, admin_client, draft, django_assert_max_num_queries):
        with django_assert_max_num_queries(90):
            admin_client.get(page(draft))


def test_rules_are_written_only_for_drafts(standard):
    from django.db import IntegrityError

    stage = Stage.objects.filter(version=published_version(standard)).first()
    with pytest.raises(IntegrityError):
        EntryRule.objects.create(stage=stage)
