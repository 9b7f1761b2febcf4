"""Suggestions on their page: accepted, declined, put back; what sales see of them; and sources that cannot work."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from journey.models import Suggestion, SuggestionSource
from journey.services.suggestions import install_sources
from segmentation.models import Job, ListMembership, SalesTeam, Segment, TargetList
from segmentation.services.roles import ANALYST, MARKETER, REP, sync_roles
from tests.journey import worlds

pytestmark = pytest.mark.django_db

PAGE = "/admin/journey/suggestion/"
EFFECTS = [["industry", "Software", 2.1], ["size", "50 - < 250", 0.7], ["city", None, 1.01]]


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    sync_roles()


def user_client(client, role, team=None):
    user = get_user_model().objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if team:
        user.sales_teams.add(team)
    client.force_login(user)
    return client


def suggested(name, place=1, kind="lookalike", **fields):
    source = SuggestionSource.objects.get(kind=kind)
    evidence = {
        "attributes": {"industry": "Software", "revenue": None},
        "effects": EFFECTS,
        "chance": 0.21,
        "lift": 3.0,
    }
    if kind == "behaviour":
        evidence = {"held": ["x"], "of": 4, "minutes": 42.0, "people": 2, "since": 0}
    return Suggestion.objects.create(
        source=source, account=worlds.account(name, **fields), place=place, score=3, found_at=timezone.now(),
        evidence=evidence,
    )  # fmt: skip


def text_of(client, query=""):
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_two_clicks_from_the_side_bar_and_the_empty_page_sets_it_up(admin_client):
    assert PAGE in admin_client.get(reverse("admin:index")).content.decode()
    assert "Which accounts are missing on your lists?" in text_of(admin_client)
    assert admin_client.post(f"{PAGE}run/").status_code == 302
    assert set(SuggestionSource.objects.values_list("kind", flat=True)) == {"lookalike", "behaviour"}
    assert Segment.objects.filter(key="showing-interest").exists()
    assert Job.objects.filter(kind="suggest", state="queued").count() == 1
    assert "Nothing waits for a decision" in text_of(admin_client)


def test_accounts_are_shown_with_why_filtered_and_decided_one_or_many(client):
    install_sources(build=False)
    north = SalesTeam.objects.create(key="north", name="North")
    SalesTeam.objects.create(key="south", name="South")
    acme = suggested("Acme", industry="Software", team=north)
    suggested("Globex", 2)
    suggested("Initech", 1, kind="behaviour")
    tal = TargetList.objects.create(key="tal", name="Key accounts")
    boss = user_client(client, MARKETER)
    text = text_of(boss)
    assert "3.0 × the average" in text
    assert "21 of 100 such accounts are customers" in text
    assert "industry: Software (× 2.1)" in text
    assert "company size by employees: 50 - &lt; 250 (× 0.70)" in text
    assert "not known: company size by revenue" in text
    assert "42 min in 30 days" in text
    assert "✗ 0 min engaged within 30 days" in text  # the criteria with their figures of this moment
    for query, shown in {
        "?source=like-customers": {"Acme", "Globex"},
        "?source=showing-interest": {"Initech"},
        "?team=north": {"Acme"},
        "?q=glob": {"Globex"},
        "?state=declined": set(),
        "?state=x&p=zz": {"Acme", "Globex", "Initech"},
    }.items():
        assert {row["name"] for row in client.get(PAGE + query).context["rows"]} == shown, query
    asked = boss.post(PAGE, {"accept_one": acme.account_id})
    assert asked.context["form"].fields["target_list"].initial == tal.pk
    answers = {"_form_submitted": "1", "target_list": tal.pk, "note": ""}
    done = boss.post(PAGE, {"action": "accept", "_selected_action": [acme.account_id], **answers}, follow=True)
    assert "1 account is on the list." in done.content.decode()
    assert ListMembership.objects.get().note.startswith("Look like your customers: 3.0 times as likely")
    rest = list(Suggestion.objects.filter(state="open").values_list("account", flat=True))
    refused = boss.post(PAGE, {"action": "decline", "_selected_action": rest, "_form_submitted": "1"}, follow=True)
    assert "The reason is missing." in refused.content.decode()
    assert Suggestion.objects.filter(state="open").count() == 2
    told = {"action": "decline", "_selected_action": rest, "_form_submitted": "1", "note": "no budget"}
    assert "2 accounts are declined." in boss.post(PAGE, told, follow=True).content.decode()
    assert "no budget" in text_of(boss, "?state=declined")
    back = boss.post(PAGE, {"action": "reopen", "_selected_action": rest[:1], "_form_submitted": "1"}, follow=True)
    assert "1 account waits again." in back.content.decode()
    nothing = boss.post(PAGE, {"action": "accept", "_selected_action": ["x", str(10**30)]}, follow=True)
    assert "Choose at least one account first." in nothing.content.decode()


def test_sales_see_their_own_accounts_without_rules_and_decide_nothing(client):
    install_sources(build=False)
    north, south = (SalesTeam.objects.create(key=key, name=key.title()) for key in ("north", "south"))
    mine = suggested("Mine", kind="behaviour", team=north)
    suggested("Theirs", team=south)
    rep = user_client(client, REP, north)
    answer = rep.get(PAGE)
    assert [row["name"] for row in answer.context["rows"]] == ["Mine"]
    assert answer.context["rows"][0]["suggestions"][0]["why"]["criteria"] == []
    assert "accept_one" not in answer.content.decode()
    for sent in ({"accept_one": mine.account_id}, {"decline_one": mine.account_id}):
        assert rep.post(PAGE, sent).status_code == 403
    assert rep.post(f"{PAGE}run/").status_code == 403
    assert rep.get("/admin/journey/lookalikemodel/").status_code == 403
    assert user_client(client, ANALYST).post(PAGE, {"accept_one": mine.account_id}).status_code == 403


def test_a_source_that_found_nothing_says_so_on_the_page_and_one_that_cannot_work_is_not_saved(admin_client):
    install_sources(build=False)
    source = SuggestionSource.objects.get(kind="lookalike")
    SuggestionSource.objects.filter(pk=source.pk).update(
        problem={"code": "too_few_customers", "numbers": {"customers": 5, "needed": 30, "missing": 25}}
    )
    assert "Only 5 accounts have become customers; a model needs 30 to learn from. Import 25 more" in text_of(
        admin_client
    )
    url = reverse("admin:journey_suggestionsource_change", args=[source.pk])
    given = {"name": "X", "kind": "behaviour", "stage": "customer", "most": 10, "least_customers": 30, "least_lift": 2}
    answer = admin_client.post(url, given)
    assert "The source names no segment, so nobody could show interest." in answer.content.decode()
    answer = admin_client.post(url, {**given, "kind": "lookalike", "least_customers": 5, "attributes": ["industry"]})
    assert answer.context["errors"]
    assert admin_client.post(url, {**given, "kind": "lookalike", "attributes": ["industry"]}).status_code == 302
    source.refresh_from_db()
    assert (source.attributes, source.most) == (["industry"], 10)
