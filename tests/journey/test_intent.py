"""Intent through the database: signals from files and activities, surges, what reads topics, and who may see them."""

import datetime as dt
import itertools
import random

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from journey.selectors.intent import interests, surges
from journey.services.memberships import update_memberships
from scoring.models import Activity, IntentSignal, IntentTopic
from scoring.services.intent import assign_signals, delete_topic, save_topic
from segmentation.errors import ProblemError
from segmentation.models import Account, SalesTeam
from segmentation.services.imports import import_file
from segmentation.services.records import upsert_records
from segmentation.services.roles import REP
from tests.journey import worlds
from tests.journey.test_segments import periods, segment, term
from tests.journey.worlds import account, activity, day

numbers = itertools.count()
pytestmark = pytest.mark.django_db(transaction=True)


def topic(key="security", *keywords, **more):
    return save_topic(key=key, name=key.title(), keywords=list(keywords or [f"{key} software"]), **more)


def signal(of, at, about="security", **more):
    when = day(at) if isinstance(at, int | float) else at
    return IntentSignal.objects.create(
        account=of, topic=IntentTopic.objects.get(key=about), occurred_at=when, source_key=f"s{next(numbers)}", **more
    )


# --- Importing ---------------------------------------------------------------------------------------------------


def load(path, text):
    path.write_text(text, encoding="utf-8")
    return import_file("intent-signals", path, source_system="radar")


def stored():
    rows = IntentSignal.objects.order_by("occurred_at", "id").select_related("account", "topic")
    return [(row.account and row.account.name, row.company, row.topic.key, row.number, row.strength) for row in rows]


def test_a_file_is_assigned_by_id_name_or_domain_and_the_same_file_again_changes_nothing(tmp_path):
    topic("security", "zero trust"), topic("rival", "globex crm", kind="competitor")
    Account.objects.create(name="Acme", external_id="A1", source_system="radar", domain="acme.example")
    Account.objects.create(name="贝塔科技", external_id="B1", domain="beta.example")
    text = (
        "company,domain,topic,keyword,date,count,score\n"
        "A1,,security,,2026-03-02,4,80\n"
        ",https://www.beta.example/path,,Zero  Trust,2026-03-03,,\n"
        "贝塔科技,,Rival,,2026-03-04,2,\n"
        "Nobody Ltd,nobody.example,security,,2026-03-05,1,10\n"
        ",gmail.com,security,,2026-03-06,1,10\n"
    )
    report = load(tmp_path / "intent.csv", text)
    assert (report.inserted, report.bad) == (4, 1), report.errors
    assert (report.errors[0].line, report.errors[0].code) == (6, "free_mail")
    assert report.flagged == {"unknown_account": 1}
    assert stored() == [
        ("Acme", "A1", "security", 4, 80),
        ("贝塔科技", "beta.example", "security", 1, None),
        ("贝塔科技", "贝塔科技", "rival", 2, None),
        (None, "Nobody Ltd", "security", 1, 10),
    ]
    again = load(tmp_path / "intent.csv", text)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, 4)
    # How many and how strong is what a later file corrects; a company that became an account gets its signals.
    Account.objects.create(name="Nobody Ltd")
    corrected = load(tmp_path / "intent.csv", text.replace("4,80", "5,80"))
    assert (corrected.inserted, corrected.updated, corrected.flagged) == (0, 2, {})
    assert stored()[0][3] == 5
    assert stored()[3][0] == "Nobody Ltd"


def test_bad_rows_name_field_value_and_remedy_and_the_rest_is_stored(tmp_path):
    topic("security", "zero trust")
    for number in (1, 2):
        Account.objects.create(name="Twin", external_id=f"T{number}")
    account("Acme")
    report = load(
        tmp_path / "intent.csv",
        "account,topic,keyword,date,number,strength\n"
        "Acme,securty,,2026-03-01,1,1\n"
        "Acme,,gardening,2026-03-01,1,1\n"
        "Twin,security,,2026-03-01,1,1\n"
        "Acme,security,,,1,1\n"
        "Acme,security,,2026-03-01,0,1\n"
        "Acme,security,,2026-03-01,20000,1\n"
        "Acme,security,,2026-03-01,1,101\n"
        "Acme,security,,2026-03-01,1,100\n",
    )
    assert {error.line: (error.field, error.value, error.code) for error in report.errors} == {
        2: ("topic", "securty", "unknown_topic"),
        3: ("topic", "gardening", "no_topic"),
        4: ("account", "Twin", "ambiguous"),
        5: ("occurred_at", "", "required"),
        6: ("number", "0", "out_of_range"),
        7: ("number", "20000", "too_large"),
        8: ("strength", "101", "too_large"),
    }
    assert "Did you mean “Security”?" in report.errors[0].message
    assert IntentSignal.objects.count() == 1


def test_external_ids_are_written_over_field_by_field():
    topic()
    account("Acme")
    first = {"external_id": "S1", "account": "Acme", "topic": "security", "occurred_at": "2026-03-01", "number": 3}
    upsert_records("intent-signals", [first], strict=True)
    second = {"external_id": "S1", "account": "Acme", "topic": "security", "occurred_at": "2026-03-01", "strength": 9}
    report = upsert_records("intent-signals", [second], strict=True)
    assert (report.inserted, report.updated) == (0, 1)
    assert stored() == [("Acme", "Acme", "security", 3, 9)]


def test_signals_find_their_account_when_it_comes_and_never_one_of_two():
    topic()
    for company in ("Late Ltd", "twins.example", "someone@gmail.com"):
        signal(None, 1, company=company)
    assert assign_signals() == (0, 3)
    late = account("Late Ltd")
    account("One", domain="twins.example"), account("Two", other_domains=["twins.example"])
    assert assign_signals() == (1, 2)
    assert IntentSignal.objects.get(company="Late Ltd").account == late


# --- Topics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field", "code", "says"),
    [
        ({"keywords": ["x"]}, "keywords", "too_short", "“x” is a single letter"),
        ({"keywords": [7]}, "keywords", "wrong_type", "“7” is no keyword"),
        ({"keywords": "zero trust"}, "keywords", "wrong_type", "Give a list"),
        ({"keywords": ["k" * 81]}, "keywords", "too_long", "more than 80"),
        ({"keywords": ["Taken-Word"]}, "keywords", "keyword_taken", "“Other”"),
        ({"keywords": [f"word {n}" for n in range(201)]}, "keywords", "too_many", "at most 200"),
        ({"key": "Not a key"}, "key", "bad_key", "small letters"),
        ({"key": "other"}, "key", "key_taken", "Choose another"),
        ({"kind": "gossip"}, "kind", "invalid", "gossip"),
    ],
)
def test_a_topic_that_cannot_be_is_refused_and_nothing_changes(values, field, code, says):
    topic("other", "taken word")
    with pytest.raises(ProblemError) as caught:
        save_topic(**{"key": "new", "name": "New", "keywords": [], **values})
    assert (caught.value.field, caught.value.code) == (field, code)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert IntentTopic.objects.count() == 1


def test_a_topic_that_rules_or_signals_use_is_not_deleted_and_says_by_what():
    used, seen, free = topic("used"), topic("seen"), topic("free")
    segment("keen", term("intent", topics=["used"]))
    signal(account(), 1, "seen")
    with pytest.raises(ProblemError, match=r"segment:keen"):
        delete_topic(topic=used)
    with pytest.raises(ProblemError, match="has 1 intent signals"):
        delete_topic(topic=seen)
    delete_topic(topic=free)
    assert set(IntentTopic.objects.values_list("key", flat=True)) == {"used", "seen"}


# --- Histories ---------------------------------------------------------------------------------------------------


def test_membership_by_a_surge_begins_and_ends_exactly_and_begins_the_history():
    worlds.install()
    topic()
    acme = account(created=50)
    for at in (40, 41, 42.5):
        signal(acme, at)
    segment("surging", term("intent_surge", topics=["security"]))
    update_memberships()
    assert periods("surging") == [(acme.pk, 1, day(42.5), day(47), 1, False)]


def test_activities_with_a_keyword_are_signals_as_soon_as_the_topic_says_so():
    worlds.install()
    acme, other = account(), account()
    activity(acme, "page_view", 10, content="Zero trust in ten steps")
    activity(acme, "page_view", 11, content="Ｚｅｒｏ　Ｔｒｕｓｔ入门")  # as wide as Chinese characters
    activity(acme, "page_view", 12, url="https://us.example/zero-trust?x=1")
    activity(other, "page_view", 11, content="Trust zero")
    security = topic("security", "zero trust")
    segment("keen", term("intent", times=2, window_days=30, origin="own"))
    update_memberships()
    assert [(row[0], row[2], row[3]) for row in periods("keen")] == [(acme.pk, day(11), day(41))]
    save_topic(topic=security, match_activities=False)
    update_memberships()
    assert periods("keen") == []


@pytest.mark.parametrize("seed", range(3))
def test_bringing_up_to_date_gives_what_building_anew_gives(seed):
    worlds.install()
    rng = random.Random(seed)
    topics = [topic("security", "zero trust"), topic("rival", "globex", kind="competitor")]
    accounts = [account() for _n in range(8)]
    segment("any", term("intent", times=2, window_days=20))
    segment("rival", term("intent", topic_kinds=["competitor"], window_days=None))
    segment("surging", term("intent_surge", recent_days=5, baseline_days=20, least=2, chance_percent=10))
    update_memberships()
    for _step in range(25):
        match rng.choice(["signal"] * 4 + ["activity", "text", "move", "remove", "keywords"]):
            case "signal":
                signal(
                    rng.choice([*accounts, None]),
                    rng.randrange(100),
                    rng.choice(["security", "rival"]),
                    number=rng.choice([1, 3]),
                )
            case "activity":
                activity(rng.choice(accounts), "page_view", rng.randrange(100), content=rng.choice(["Zero trust", ""]))
            case "text":
                Activity.objects.filter(account=rng.choice(accounts)).update(campaign=rng.choice(["Globex", ""]))
            case "move":
                IntentSignal.objects.filter(account=rng.choice(accounts)).update(account=rng.choice(accounts))
            case "remove":
                IntentSignal.objects.filter(account=rng.choice(accounts)).delete()
            case "keywords":
                save_topic(topic=topics[0], keywords=rng.choice([["zero trust"], ["trust"], []]))
        if rng.random() < 0.3:
            update_memberships()
    update_memberships()
    refreshed = [periods(key) for key in ("any", "rival", "surging")]
    update_memberships(full=True)
    assert [periods(key) for key in ("any", "rival", "surging")] == refreshed
    assert any(refreshed)


# --- Who surges now ----------------------------------------------------------------------------------------------


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def surging(now):
    """Two accounts that surge, one of them of a rep's team, and one with a steady interest."""
    topic()
    team = SalesTeam.objects.create(key="north", name="North")
    mine, other, steady = account("Mine", team=team), account("Other"), account("Steady")
    for hours in (1, 30, 50):
        for of in (mine, other):
            signal(of, now - dt.timedelta(hours=hours), keyword="zero trust")
    for days in range(60):
        signal(steady, now - dt.timedelta(days=days, hours=1))
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.set(Group.objects.filter(name=REP))
    team.members.add(rep)
    return rep


def test_surges_are_found_with_their_figures_and_reps_see_their_own(surging, now):
    [(found, rows)] = surges(now).items()
    assert found.key == "security"
    assert [(row.recent, row.earlier, row.keywords) for row in rows] == [(3, 0, ("zero trust",))] * 2
    assert rows[0].words == ("3 intent signals within 7 days, none in the 56 days before; by chance in 0.14 % of cases")
    assert rows[0].since == now - dt.timedelta(hours=1)
    assert [len(rows) for rows in surges(now, surging).values()] == [1]
    [usual] = interests(Account.objects.get(name="Steady"), now)
    assert (usual.is_surge, usual.recent, usual.expected) == (False, 7, pytest.approx(53 / 8))


def test_the_pages_show_surges_to_those_who_may_see_them(surging, client):
    page = reverse("admin:scoring_intenttopic_surges")
    client.force_login(surging)
    text = client.get(page).content.decode()
    assert "Mine" in text
    assert "Other" not in text
    client.force_login(get_user_model().objects.create_superuser("boss"))
    assert {"Mine", "Other"} <= set(client.get(page).content.decode().replace("<", ">").split(">"))
    mine = Account.objects.get(name="Mine")
    shown = client.get(reverse("admin:segmentation_account_change", args=[mine.pk])).content.decode()
    assert "none in the 56 days before" in shown
    stranger = get_user_model().objects.create_user("stranger", is_staff=True)
    client.force_login(stranger)
    assert client.get(page).status_code == 403


def test_the_page_says_what_to_do_first_and_a_short_keyword_is_refused_in_the_form(client):
    client.force_login(get_user_model().objects.create_superuser("boss"))
    assert "No topics yet" in client.get(reverse("admin:scoring_intenttopic_surges")).content.decode()
    form = {"name": "Crm", "key": "crm", "kind": "category", "keywords": "crm\nx", "match_activities": "on"}
    add = reverse("admin:scoring_intenttopic_add")
    assert "is a single letter" in client.post(add, form).content.decode()
    assert client.post(add, {**form, "keywords": "crm"}).status_code == 302
    topic_page = reverse("admin:scoring_intenttopic_delete", args=[IntentTopic.objects.get().pk])
    segment("keen", term("intent", topics=["crm"]))
    assert "segment:keen" in client.get(topic_page).content.decode()
    client.post(topic_page, {"post": "yes"})
    assert IntentTopic.objects.exists()
