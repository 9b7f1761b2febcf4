"""Ideal customer profiles over the API: editing drafts, publishing, answering, the fit of accounts and its reasons."""

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpVersion, Job
from segmentation.services.profiles import create_profile
from tests.segmentation.api.support import Api, check_problem, make_user

pytestmark = pytest.mark.django_db

VERSIONS, ANSWERS = "profile-versions/", "profile-answers/"
ITEMS = [
    {"key": "pain", "text": "They have the pain", "kind": "yes_no", "weight": 3, "knock_out": True},
    {"key": "values", "text": "They share our values", "kind": "scale", "section": "loyalty"},
    {
        "key": "large",
        "text": "They are large",
        "kind": "rule",
        "rule": {
            "criteria": [{"kind": "field", "params": {"field": "employees", "operator": "at_least", "value": 200}}]
        },
    },
]


@pytest.fixture
def acme(db):
    return Account.objects.create(name="Acme", external_id="A-1", employees=500)


@pytest.fixture
def draft(db):
    return create_profile(key="best", name="Best customers")


def problem_of(answer, status, code):
    problem = check_problem(answer)
    assert (answer.status_code, problem["code"]) == (status, code), answer.content
    return problem


def edit(api, draft, items=ITEMS, **more):
    return api.patch(f"{VERSIONS}{draft.pk}/", {"items": items, **more})


@pytest.fixture
def published(api, draft):
    assert edit(api, draft).status_code == 200, edit(api, draft).content
    assert api.post(f"{VERSIONS}{draft.pk}/publish/").status_code == 200
    return draft


def answer(api, item, value, *accounts, **more):
    one = {"item": item, "value": value, "accounts": list(accounts), **more}
    return api.post(ANSWERS, {"profile": "best", "answers": [one]})


# --- Profiles and versions -----------------------------------------------------------------------------------------


def test_a_profile_is_made_edited_published_and_copied(api):
    made = api.post("profiles/", {"key": "best", "name": "Best"})
    assert (made.status_code, made.json()["draft"], made.json()["published"]) == (201, 1, None)
    assert api.patch("profiles/best/", {"name": "Best customers"}).json()["name"] == "Best customers"
    [version] = api.get(f"{VERSIONS}?profile=best&state=draft").json()["results"]
    edited = api.patch(f"{VERSIONS}{version['id']}/", {"items": ITEMS, "note": "first"}).json()
    assert [(item["key"], item["kind"], item["weight"]) for item in edited["items"]] == [
        ("pain", "yes_no", 3), ("values", "scale", 1), ("large", "rule", 1),
    ]  # fmt: skip
    assert "200" in edited["items"][2]["sentence"]
    done = api.post(f"{VERSIONS}{version['id']}/publish/").json()
    assert (done["state"], done["published_by"], done["note"]) == ("published", "boss", "first")
    assert Job.objects.get().kind == "assess"
    copy = api.post(VERSIONS, {"profile": "best"})
    assert (copy.status_code, copy.json()["number"], len(copy.json()["items"])) == (201, 2, 3)
    problem_of(api.post(VERSIONS, {"profile": "best"}), 409, "draft_exists")
    assert api.delete(f"{VERSIONS}{copy.json()['id']}/").status_code == 204
    problem_of(api.delete(f"{VERSIONS}{version['id']}/"), 409, "published")
    problem_of(api.patch(f"{VERSIONS}{version['id']}/", {"items": []}), 409, "published")
    assert IcpItem.objects.filter(version__profile__key="best").count() == 3


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"weight": "heavy"}, "items.0.weight", "invalid"),
        ({"weight": "3"}, "items.0.weight", "invalid"),
        ({"weight": -1}, "items.0.weight", "min_value"),
        ({"weight": 1001}, "items.0.weight", "max_value"),
        ({"kind": "maybe"}, "items.0.kind", "invalid_choice"),
        ({"key": "values"}, "items.1.key", "key_taken"),
        ({"key": "no key"}, "items.0.key", "bad_key"),
        ({"kind": "rule"}, "items.0.rule", "rule_missing"),
        ({"rule": {"criteria": [{"kind": "field"}]}}, "items.0.rule", "needless_rule"),
        ({"knockout": True}, "items.0.knockout", "unknown_field"),
        ({"knock_out": "yes"}, "items.0.knock_out", "invalid"),
        ({"text": ""}, "items.0.text", "blank"),
    ],
)
def test_an_item_that_cannot_be_is_named_and_nothing_changes(api, draft, change, field, code):
    edit(api, draft)
    found = problem_of(edit(api, draft, [{**ITEMS[0], **change}, ITEMS[1]], note="changed"), 400, code)
    assert found["errors"][0]["field"] == field
    assert list(IcpItem.objects.filter(version=draft).order_by("order").values_list("key", "weight")) == [
        ("pain", 3), ("values", 1), ("large", 1),
    ]  # fmt: skip
    assert IcpVersion.objects.get(pk=draft.pk).note == ""


def test_a_rule_that_cannot_be_used_is_named(api, draft):
    wrong = {"key": "x", "text": "x", "kind": "rule", "rule": {"criteria": [{"kind": "fild"}]}}
    found = check_problem(edit(api, draft, [wrong]))
    assert found["status"] == 400
    assert found["errors"][0]["field"].startswith("items.0.rule")
    assert IcpItem.objects.filter(version=draft).count() == 0


def test_a_profile_without_items_says_nothing_and_never_fits(api, draft, acme):
    problem_of(api.post(f"{VERSIONS}{draft.pk}/publish/"), 400, "no_items")
    edit(api, draft, [{**ITEMS[0], "weight": 0, "knock_out": False}])
    problem_of(api.post(f"{VERSIONS}{draft.pk}/publish/"), 400, "no_items")
    edit(api, draft, [])
    problem_of(api.post("assessments/assess/", {"profile": "best", "accounts": ["A-1"]}), 400, "not_published")
    problem_of(answer(api, "pain", True, "A-1"), 400, "not_published")
    assert IcpAssessment.objects.filter(version__profile=draft.profile).count() == 0
    assert IcpVersion.objects.get(pk=draft.pk).is_draft


def test_two_versions_are_compared_on_the_same_accounts_before_publishing(api, published, acme):
    Account.objects.create(name="Small", employees=5)
    draft = api.post(VERSIONS, {"profile": "best"}).json()
    api.patch(f"{VERSIONS}{draft['id']}/", {"items": ITEMS[2:]})
    found = api.get(f"{VERSIONS}{draft['id']}/compare/").json()
    assert (found["one"], found["other"], found["accounts"], found["changed"]) == (1, 2, 2, 2)
    assert found["grades"]["none"] == {"none": 0, "A": 1, "B": 0, "C": 0, "D": 1}
    assert {row["account"]["name"]: row["other"]["grade"] for row in found["examples"]} == {"Acme": "A", "Small": "D"}
    api.patch(f"{VERSIONS}{draft['id']}/", {"items": []})
    empty = api.get(f"{VERSIONS}{draft['id']}/compare/?with=1").json()
    assert (empty["mean"][1], empty["grades"]["none"]["none"]) == (None, 2)
    problem_of(api.get(f"{VERSIONS}{draft['id']}/compare/?with=9"), 404, "unknown_version")
    problem_of(api.get(f"{VERSIONS}{published.pk}/compare/"), 404, "unknown_version")


# --- Answers and assessments ---------------------------------------------------------------------------------------


def test_many_accounts_are_answered_and_assessed_at_once(api, published, acme):
    other = Account.objects.create(name="Other", employees=5)
    body = {
        "profile": "best",
        "answers": [
            {"item": "pain", "value": True, "accounts": ["A-1", other.pk], "note": "told us"},
            {"item": "values", "value": 5, "accounts": [acme.pk]},
        ],
    }
    made = api.post(ANSWERS, body)
    assert (made.status_code, made.json()) == (201, {"stored": 3, "replaced": []})
    found = api.get("assessments/?profile=best&ended_at__isempty=true&grade=A").json()["results"]
    [fit] = found
    assert (fit["account"]["name"], fit["score"], fit["grade"], fit["coverage"]) == ("Acme", 100.0, "A", 100.0)
    assert fit["reasons"]["met"] == ["pain", "values", "large"]
    [fit] = api.get(f"assessments/?account={other.pk}").json()["results"]
    assert (fit["score"], fit["grade"], fit["coverage"]) == (75.0, "B", 80.0)
    assert (fit["reasons"]["met"], fit["reasons"]["unmet"], fit["reasons"]["unknown"]) == (
        ["pain"], ["large"], ["values"],
    )  # fmt: skip


def test_of_conflicting_answers_both_are_kept_and_the_last_counts(api, published, acme):
    ann = get_user_model().objects.create_superuser("ann", password="pass")
    answer(api, "pain", True, "A-1", note="they said so")
    between = timezone.now()
    found = answer(Api(ann), "pain", False, "A-1").json()
    assert [(old["value"], old["answered_by"], old["account"]["name"]) for old in found["replaced"]] == [
        (1, "boss", "Acme")
    ]
    shown = api.get(f"{ANSWERS}?account={acme.pk}&item_key=pain").json()["results"]
    assert [(row["value"], row["answered_by"], row["is_current"]) for row in shown] == [
        (0, "ann", True),
        (1, "boss", False),
    ]
    assert shown[0]["answered_at"] > shown[1]["answered_at"]
    [now] = api.get("assessments/?ended_at__isempty=true").json()["results"]
    assert (now["score"], now["reasons"]["knocked_out"]) == (0.0, ["pain"])
    items = api.get(f"assessments/{now['id']}/").json()["items"]
    assert [(one["value"], one["by"]) for one in items[0]["answers"]] == [(0, "ann"), (1, "boss")]
    [before] = api.get(f"assessments/?as_of={between:%Y-%m-%dT%H:%M:%S.%fZ}").json()["results"]
    assert before["score"] == 100.0


@pytest.mark.parametrize(
    ("item", "value", "code", "field"),
    [
        ("values", "five", "bad_answer", "answers.0.value"),
        ("values", "5", "bad_answer", "answers.0.value"),
        ("values", 6, "bad_answer", "answers.0.value"),
        ("values", 2.5, "bad_answer", "answers.0.value"),
        ("pain", "yes", "bad_answer", "answers.0.value"),
        ("pain", 2, "bad_answer", "answers.0.value"),
        ("pain", [True], "bad_answer", "answers.0.value"),
        ("large", True, "answered_by_rule", "answers.0.item"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_nothing_is_stored(api, published, acme, item, value, code, field):
    found = problem_of(answer(api, item, value, "A-1"), 400, code)
    assert found["errors"][0]["field"] == field
    assert IcpAnswer.objects.count() == 0


def test_of_a_batch_with_one_bad_answer_nothing_is_stored(api, published, acme):
    good = {"item": "pain", "value": True, "accounts": ["A-1"]}
    bad = {"item": "values", "value": "much", "accounts": ["A-1"]}
    found = problem_of(api.post(ANSWERS, {"profile": "best", "answers": [good, bad]}), 400, "bad_answer")
    assert (found["errors"][0]["field"], found["errors"][0]["value"]) == ("answers.1.value", "much")
    unknown = {**good, "item": "pian"}
    problem_of(api.post(ANSWERS, {"profile": "best", "answers": [good, unknown]}), 400, "unknown_item")
    lost = {**good, "accounts": ["A-2"]}
    found = problem_of(api.post(ANSWERS, {"profile": "best", "answers": [good, lost]}), 404, "unknown_account")
    assert found["errors"][0]["field"] == "answers.1.accounts.0"
    assert IcpAnswer.objects.count() == 0


def test_accounts_are_assessed_now_or_all_in_the_background(api, published, acme):
    found = api.post("assessments/assess/", {"profile": "best", "accounts": ["id:A-1"]}).json()
    assert found == [{"profile": "best", "version": 1, "mode": "some", "accounts": 1, "looked_at": 1, "changed": 1,
                      "grades": {"none": 1, "A": 0, "B": 0, "C": 0, "D": 0}}]  # fmt: skip
    queued = api.post("assessments/assess/", {"profile": "best"})
    assert (queued.status_code, queued.json()["job"]) == (202, Job.objects.get().pk)


def test_each_deed_needs_its_right(published, acme):
    reader = Api(make_user("reader", "segmentation.view_icpversion", "segmentation.view_icpprofile"))
    assert reader.get(VERSIONS).status_code == 200
    assert reader.get(f"{VERSIONS}{published.pk}/compare/").status_code == 403  # it shows the fit of accounts
    assert edit(reader, published).status_code == 403
    for path in (f"{VERSIONS}{published.pk}/publish/", VERSIONS, "profiles/", ANSWERS, "assessments/assess/"):
        assert reader.post(path, {}).status_code == 403, path
    assert reader.get("assessments/").status_code == 403
    assert IcpProfile.objects.filter(key="best").count() == 1
