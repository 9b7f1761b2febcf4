"""Plays and audiences: who gets a suggestion when, what becomes of it, and what may be taken along."""

import csv
import hashlib
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from journey.ready_made_audiences import audiences, install_audiences, install_plays, plays
from journey.selectors.audiences import hashed_email
from journey.selectors.plays import play_figures
from journey.selectors.segment_health import segment_health
from journey.services.memberships import update_memberships
from segmentation.errors import ProblemError
from segmentation.models import Play, PlaySuggestion, SalesTeam, Segment, SegmentVersion
from segmentation.services.flags import disqualify_accounts, reinstate_accounts
from segmentation.services.merging import merge_accounts, undo_merge
from segmentation.services.plays import (
    accept_suggestions,
    delete_play,
    dismiss_suggestions,
    finish_suggestions,
    save_play,
    suggest_actions,
)
from segmentation.services.roles import ANALYST, REP
from segmentation.services.segments import delete_segment, save_rules
from tests.journey import worlds
from tests.journey.test_segments import field, periods, rule, segment, term
from tests.journey.worlds import account, activity, contact, day
from tests.segmentation.api.support import Api

pytestmark = pytest.mark.django_db(transaction=True)

VISITED = term("activity_count", window_days=10)


def play(key="call", trigger="visited", started=0, **more):
    more = {"name": key.title(), "action": "Call them", "cool_down_days": 30, **more}
    return save_play(key=key, trigger=Segment.objects.get(key=trigger), now=day(started), **more)


def states(of=None):
    rows = PlaySuggestion.objects.order_by("made_at", "account_id")
    rows = rows.filter(account=of) if of else rows
    return [(row.state, row.made_at) for row in rows]


@pytest.fixture
def boss():
    return get_user_model().objects.create_superuser("boss")


@pytest.fixture
def visited():
    worlds.install()
    return segment("visited", VISITED)


# --- Who gets a suggestion when -----------------------------------------------------------------------------------


def test_an_account_whose_trigger_begins_gets_one_suggestion_and_it_lapses_with_the_trigger(visited):
    acme, other = account(), account()
    activity(acme, "page_view", 5)
    update_memberships()
    play()
    assert suggest_actions(now=day(4)).made == {}
    assert suggest_actions(now=day(5)).made == {"call": 1}
    assert suggest_actions(now=day(6)).made == {}
    assert states() == [("open", day(5))]
    assert PlaySuggestion.objects.get().trigger_at == day(5)
    assert suggest_actions(now=day(15)).lapsed == {"call": 1}
    assert states() == [("lapsed", day(5))]
    assert states(other) == []


def test_it_does_not_repeat_before_the_cool_down_has_passed_and_comes_then_if_the_trigger_still_holds(visited):
    acme = account()
    for at in (5, 20, 32, 41, 50):
        activity(acme, "page_view", at)
    update_memberships()
    assert [(row[2], row[3]) for row in periods("visited")] == [
        (day(5), day(15)),
        (day(20), day(30)),
        (day(32), day(60)),
    ]
    play(cool_down_days=30)
    for at in (5, 15, 20, 30, 32, 34):
        suggest_actions(now=day(at))
    assert states() == [("lapsed", day(5))]
    assert suggest_actions(now=day(35)).made == {"call": 1}
    dismiss_suggestions(suggestions=PlaySuggestion.objects.filter(state="open"), note="They asked for quiet")
    suggest_actions(now=day(59))  # the period it was suggested for goes on: not again, cool-down or not
    assert [state for state, _at in states()] == ["lapsed", "dismissed"]


def test_accounts_that_were_there_before_the_start_count_only_where_asked(visited):
    activity(account(), "page_view", 5)
    update_memberships()
    late = play("late", started=8)
    play("all", started=8, include_present=True)
    assert suggest_actions(now=day(9)).made == {"all": 1}
    save_play(play=late, active=False)
    activity(account(), "page_view", 10)
    update_memberships()
    assert suggest_actions(now=day(10)).made == {"all": 1}
    restarted = save_play(play=late, active=True, now=day(11))
    assert restarted.started_at == day(11)
    assert suggest_actions(now=day(11)).made == {}


def test_nothing_is_suggested_about_an_account_while_it_is_disqualified(visited):
    acme, other = account(), account()
    for one in (acme, other):
        activity(one, "page_view", 5)
    update_memberships()
    play(cool_down_days=0)
    suggest_actions(now=day(5))
    disqualify_accounts(accounts=[acme], reason="bankrupt", at=day(6))
    assert suggest_actions(now=day(7)).lapsed == {"call": 1}
    assert [state for state, _made in states(acme)] == ["lapsed"]
    assert [state for state, _made in states(other)] == ["open"]
    activity(acme, "page_view", 30)
    update_memberships()
    assert suggest_actions(now=day(30)).made == {}
    reinstate_accounts(accounts=[acme])
    assert suggest_actions(now=day(31)).made == {"call": 1}


def test_while_new_rules_are_not_worked_out_nothing_is_suggested_and_nothing_lapses(visited):
    activity(account(region="north"), "page_view", 5)
    update_memberships()
    play()
    suggest_actions(now=day(5))
    save_rules(segment=visited, rules={"base": rule(field("region", "south"))}, build=False)
    assert suggest_actions(now=day(6)).waiting == ["call"]
    assert states() == [("open", day(5))]
    update_memberships()
    assert suggest_actions(now=day(6)).lapsed == {"call": 1}


# --- What becomes of it --------------------------------------------------------------------------------------------


def test_outcomes_are_kept_and_counted(visited):
    for _n in range(6):
        activity(account(), "page_view", 5)
    update_memberships()
    made = play()
    suggest_actions(now=day(5))
    one, two, three, four, *_open = PlaySuggestion.objects.order_by("pk")
    user = get_user_model().objects.create_user("ann")
    accept_suggestions(suggestions=[one], user=user)
    finish_suggestions(suggestions=[two], result="reached", user=user, note="Meeting on Monday")
    finish_suggestions(suggestions=[three], result="not_reached", user=user)
    dismiss_suggestions(suggestions=[four], note="Wrong people", user=user)
    figures = play_figures([made])[made.pk]
    assert (figures.suggested, figures.open, figures.taken, figures.dismissed) == (6, 2, 3, 1)
    assert (figures.acceptance.rate, figures.outcome.rate) == (3 / 4, 1 / 2)
    kept = PlaySuggestion.objects.get(pk=two.pk)
    assert (kept.state, kept.result, kept.note, kept.decided_by) == ("done", "reached", "Meeting on Monday", user)
    assert kept.accepted_at == kept.closed_at


@pytest.mark.parametrize(
    ("verb", "more", "field", "code"),
    [
        (dismiss_suggestions, {"note": "  "}, "note", "required"),
        (dismiss_suggestions, {"note": "x" * 501}, "note", "note_too_long"),
        (finish_suggestions, {"result": "reachd"}, "result", "unknown_choice"),
        (accept_suggestions, {}, "suggestion", "decided"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_the_batch_changes(visited, verb, more, field, code):
    for _n in range(2):
        activity(account(), "page_view", 5)
    update_memberships()
    play()
    suggest_actions(now=day(5))
    first = PlaySuggestion.objects.order_by("pk").first()
    dismiss_suggestions(suggestions=[first], note="no")
    with pytest.raises(ProblemError) as caught:
        verb(suggestions=PlaySuggestion.objects.all(), **more)
    assert (caught.value.field, caught.value.code, bool(caught.value.remedy)) == (field, code, True)
    assert sorted(state for state, _at in states()) == ["dismissed", "open"]


def test_a_play_with_suggestions_stays_and_a_bad_one_is_refused(visited):
    activity(account(), "page_view", 5)
    update_memberships()
    made = play()
    suggest_actions(now=day(5))
    with pytest.raises(ProblemError, match="Switch it off"):
        delete_play(play=made)
    with pytest.raises(ProblemError, match="play:call"):
        delete_segment(key="visited")
    for values, code in (({"key": "Not ok"}, "bad_key"), ({"key": "call"}, "key_taken"), ({"action": ""}, "invalid")):
        with pytest.raises(ProblemError) as caught:
            save_play(**{"key": "new", "name": "New", "action": "x", "trigger": visited, **values})
        assert caught.value.code == code
    assert Play.objects.count() == 1


def test_a_merge_keeps_all_suggestions_and_one_live(visited):
    one, other = account(), account()
    for of in (one, other):
        activity(of, "page_view", 5)
    update_memberships()
    play()
    suggest_actions(now=day(5))
    merge_accounts(survivor=one, absorbed=other)
    assert sorted(state for state, _at in states(one)) == ["lapsed", "open"]


def merged_with_suggestions():
    """Two accounts that are one now, each with an open suggestion before."""
    one, other = account(), account()
    for of in (one, other):
        activity(of, "page_view", 5)
    activity(one, "page_view", 20)
    update_memberships()
    play(cool_down_days=0)
    suggest_actions(now=day(5))
    before = list(PlaySuggestion.objects.order_by("pk").values())
    return one, other, before, merge_accounts(survivor=one, absorbed=other)


def test_an_undo_gives_suggestions_back_though_time_went_on(visited):
    one, other, before, merge = merged_with_suggestions()
    update_memberships()
    suggest_actions(now=day(15))  # the trigger ceased: what was open lapses
    assert suggest_actions(now=day(20)).made == {"call": 1}
    undo_merge(merge=merge)
    assert states(one) == [("lapsed", day(5)), ("open", day(20))]
    assert states(other) == [("open", day(5))]  # as before the merge; the next run lets it lapse
    assert PlaySuggestion.objects.filter(account=other).values().get() == before[1]


def test_an_undo_right_after_a_merge_leaves_every_suggestion_as_it_was(visited):
    _one, _other, before, merge = merged_with_suggestions()
    undo_merge(merge=merge)
    assert list(PlaySuggestion.objects.order_by("pk").values()) == before


def test_a_decision_after_a_merge_forbids_its_undo_unless_what_is_newer_stays(visited):
    one, other, _before, merge = merged_with_suggestions()
    dismiss_suggestions(suggestions=PlaySuggestion.objects.filter(state="open"), note="moved away")
    with pytest.raises(ProblemError, match="1 decided suggestions of plays") as refused:
        undo_merge(merge=merge)
    assert refused.value.code == "newer_changes"
    undo_merge(merge=merge, keep_newer=True)
    assert (states(one), states(other)) == ([("dismissed", day(5))], [("open", day(5))])


# --- Pages and the API ---------------------------------------------------------------------------------------------


@pytest.fixture
def queue(visited):
    """Two open suggestions, one for an account of a rep's team."""
    team = SalesTeam.objects.create(key="north", name="North")
    mine, other = account("Mine", team=team), account("Other")
    for of in (mine, other):
        activity(of, "page_view", (timezone.now() - worlds.DAY0).days - 1)
    update_memberships()
    play(include_present=True)
    suggest_actions(now=timezone.now())
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.set(Group.objects.filter(name=REP))
    team.members.add(rep)
    return rep


def test_reps_answer_the_suggestions_of_their_own_accounts(queue, client):
    client.force_login(queue)
    page = reverse("admin:segmentation_playsuggestion_changelist")
    text = client.get(page).content.decode()
    assert ("Mine" in text, "Other" in text) == (True, False)
    foreign = PlaySuggestion.objects.get(account__name="Other")
    own = PlaySuggestion.objects.get(account__name="Mine")
    given = {"action": "done_selected", "_form_submitted": "1", "result": "reached", "note": "met"}
    client.post(page, {**given, "_selected_action": [own.pk, foreign.pk]})
    assert [row.state for row in PlaySuggestion.objects.order_by("account__name")] == ["done", "open"]
    detail = client.get(reverse("admin:segmentation_playsuggestion_change", args=[own.pk])).content.decode()
    assert "Call them" in detail
    assert "Show every figure" not in detail  # rules may name accounts
    client.logout()
    analyst = get_user_model().objects.create_user("eve", is_staff=True)
    analyst.groups.set(Group.objects.filter(name=ANALYST))
    client.force_login(analyst)
    client.post(page, {**given, "_selected_action": [foreign.pk]})
    foreign.refresh_from_db()
    assert foreign.state == "open"


def test_the_page_of_plays_makes_the_ready_made_ones_and_shows_figures(queue, client):
    client.force_login(get_user_model().objects.create_superuser("boss"))
    client.post(reverse("admin:segmentation_play_examples"))
    assert set(Play.objects.values_list("key", flat=True)) >= {"surge-to-sales"}
    text = client.get(reverse("admin:segmentation_play_changelist")).content.decode()
    assert "Surge: sales talk to them" in text
    form = {"name": "New", "key": "new", "trigger": Segment.objects.get(key="visited").pk, "action": "Call"}
    added = client.post(reverse("admin:segmentation_play_add"), {**form, "cool_down_days": 7, "active": "on"})
    assert added.status_code == 302
    assert Play.objects.get(key="new").started_at is not None


def test_plays_over_the_api(queue, boss):
    api = Api(boss)
    body = {"key": "mail", "name": "Mail", "trigger": "visited", "action": "Write", "cool_down_days": 3}
    assert api.post("plays/", body).status_code == 201
    assert api.post("plays/", {**body, "key": "x", "trigger": "visted"}).json()["errors"][0]["field"] == "trigger"
    assert api.patch("plays/mail/", {"goal": "A meeting"}).json()["goal"] == "A meeting"
    assert api.delete("plays/call/").status_code == 409
    keys = [row["id"] for row in api.get("play-suggestions/?state=open").json()["results"]]
    assert len(keys) == 2
    assert api.post("play-suggestions/dismiss/", {"suggestions": keys, "note": ""}).status_code == 400
    changed = api.post("play-suggestions/finish/", {"suggestions": keys[:1], "result": "reached"}).json()["changed"]
    assert (changed[0]["state"], changed[0]["result"]) == ("done", "reached")
    assert api.get("plays/call/figures/").json()["outcome_rate"]["rate"] == 1.0
    assert api.post("play-suggestions/accept/", {"suggestions": keys}).status_code == 409


# --- Audiences -----------------------------------------------------------------------------------------------------


def test_the_ready_made_audiences_and_plays_can_be_made_once_and_count_in_no_health_check():
    worlds.install()
    from scoring.models import ActivityType

    for key in ("product_page_view", "price_page_view", "case_study_view"):
        ActivityType.objects.get_or_create(key=key, defaults={"name": key, "side": "marketing"})
    ActivityType.objects.update(category="web")
    made, refused = install_audiences(build=False)
    assert (len(made), refused) == (len(audiences()), {})
    assert install_audiences(build=False)[0] == []
    made, refused = install_plays(build=False)
    assert (len(made), refused) == (len(plays()), {})
    update_memberships()
    assert segment_health()["segments"] == []


def test_dormant_accounts_are_those_that_visited_and_stopped():
    worlds.install()
    from scoring.models import ActivityType

    ActivityType.objects.update(category="web")
    install_audiences(build=False)
    acme, never = account(), account()
    activity(acme, "page_view", 10)
    update_memberships()
    assert [(row[0], row[2]) for row in periods("audience-dormant")] == [(acme.pk, day(100))]
    assert never.pk not in {row[0] for row in periods("audience-dormant")}
    disqualify_accounts(accounts=[acme], reason="bankrupt", at=day(110))
    update_memberships()
    assert [(row[0], *row[2:4]) for row in periods("audience-dormant")] == [(acme.pk, day(100), day(110))]


@pytest.fixture
def audience():
    worlds.install()
    team = SalesTeam.objects.create(key="north", name="North")
    mine = account("=Mine Ltd", team=team, domain="mine.example", country="DE", region="x")
    other = account("Other Ltd", domain="other.example", region="x")
    contact(mine, email=" Ann@Mine.example".strip(), consent="given")
    contact(mine, email="ann@mine.example")  # the same address
    contact(mine, email="gone@mine.example", consent="withdrawn")
    contact(mine, email="")
    contact(other, email="bob@other.example")
    segment("all", field("region", "x"))
    update_memberships()
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.set(Group.objects.filter(name=REP))
    team.members.add(rep)
    return rep


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_files_hold_what_ad_platforms_take_and_nothing_a_spreadsheet_computes(audience, client):
    client.force_login(get_user_model().objects.create_superuser("boss"))
    address = reverse("admin:segmentation_segment_audience_csv", args=[Segment.objects.get().pk])
    accounts = table(client.get(address).content.decode())
    assert [(row["company_name"], row["domain"], row["country"]) for row in accounts] == [
        ("'=Mine Ltd", "mine.example", "DE"),
        ("Other Ltd", "other.example", ""),
    ]
    people = table(client.get(address + "?level=contacts").content.decode())
    ann = hashlib.sha256(b"ann@mine.example").hexdigest()
    assert [row["email_sha256"] for row in people] == [ann, hashed_email("BOB@other.example ")]
    assert {row["consent"] for row in people} == {"given", ""}
    plain = table(client.get(address + "?level=contacts&emails=plain").content.decode())
    assert [row["email"] for row in plain] == ["ann@mine.example", "bob@other.example"]
    assert client.get(address + "?level=people").status_code == 302  # refused, with the reason on the page
    client.force_login(audience)
    assert [row["domain"] for row in table(client.get(address + "?level=contacts").content.decode())] == [
        "mine.example"
    ]


def test_every_file_that_names_accounts_is_noted_with_who_took_how_many_rows(audience, boss):
    """Also by those who may only look, and over the API; a refused one is not."""
    segment = Segment.objects.get()
    address = reverse("admin:segmentation_segment_audience_csv", args=[segment.pk])
    for person in (audience, boss):
        client = Client()
        client.force_login(person)
        assert client.get(address + "?level=contacts").status_code == 200
        assert client.get(reverse("admin:segmentation_segment_csv", args=[segment.pk])).status_code == 200
    assert Api(boss).get("segments/all/audience/").status_code == 200
    assert Api(boss).get("segments/all/audience/?level=people").status_code == 400
    found = LogEntry.objects.order_by("pk").values_list("user__username", "object_id", "change_message")
    pk, people, members = str(segment.pk), "audience-all-contacts.csv", "segment-all.csv"
    assert list(found) == [
        ("rep", pk, f"Exported: {people}, 1 rows."),
        ("rep", pk, f"Exported: {members}, 1 rows."),
        (boss.username, pk, f"Exported: {people}, 2 rows."),
        (boss.username, pk, f"Exported: {members}, 2 rows."),
        (boss.username, pk, "Exported: audience-all-accounts.csv, 2 rows."),
    ]
    history = Client()
    history.force_login(boss)
    page = history.get(reverse("admin:segmentation_segment_history", args=[segment.pk])).content.decode()
    assert f"Exported: {people}, 1 rows." in page


def test_audiences_over_the_api_and_as_a_command(audience, boss, tmp_path, capsys):
    api = Api(boss)
    answer = api.get("segments/all/audience/?level=contacts")
    assert (answer["Content-Type"], len(table(answer.content.decode()))) == ("text/csv; charset=utf-8", 2)
    refused = api.get("segments/all/audience/?level=people")
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_choice")
    assert api.get("segments/?purpose=audience").json()["results"] == []
    file = tmp_path / "out.csv"
    call_command("audience", "all", level="contacts", emails="plain", output=str(file))
    assert [row["email"] for row in table(file.read_text())] == ["ann@mine.example", "bob@other.example"]
    capsys.readouterr()
    call_command("audience", "all")
    assert len(table(capsys.readouterr().out)) == 2
    with pytest.raises(CommandError, match="“people” is not known"):
        call_command("audience", "all", level="people")


def test_a_command_that_writes_an_audience_is_noted_with_who_ran_it(audience, tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    call_command("audience", "all", level="contacts", output=str(tmp_path / "out.csv"))
    call_command("audience", "all")
    with pytest.raises(CommandError, match="cannot be opened: No such file or directory"):
        call_command("audience", "all", output=str(tmp_path / "nowhere" / "out.csv"))

    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    call_command("audience", "all")
    noted = LogEntry.objects.order_by("pk")
    accounts = "Exported: audience-all-accounts.csv, 2 rows. By a command that {} ran on the server."
    assert [entry.change_message for entry in noted] == [
        "Exported: audience-all-contacts.csv, 2 rows. By a command that ada ran on the server.",
        accounts.format("ada"),
        accounts.format("ada"),
        accounts.format("?"),
    ]
    assert {entry.object_id for entry in noted} == {str(Segment.objects.get().pk)}
    [by] = {entry.user for entry in noted}
    assert (by.get_username(), by.is_active, by.has_usable_password()) == ("manage.py", False, False)


def test_an_audience_whose_rules_are_broken_is_not_written(audience, tmp_path):
    """Its members would be those of some day before."""
    version = SegmentVersion.objects.get()
    rules = {"base": {"criteria": [{"kind": "field", "params": {"field": "custom.gone", "operator": "is_filled"}}]}}
    SegmentVersion.objects.create(segment=version.segment, number=version.number + 1, rules=rules)
    file = tmp_path / "out.csv"
    with pytest.raises(CommandError, match="rules of the segment “all” cannot be used"):
        call_command("audience", "all", output=str(file))
    assert not file.exists()
    assert not LogEntry.objects.exists()


def test_the_page_says_what_to_do_first_and_then_lists_them(client):
    worlds.install()
    client.force_login(get_user_model().objects.create_superuser("boss"))
    page = reverse("admin:segmentation_segment_audiences")
    assert "No audiences yet" in client.get(page).content.decode()
    client.post(reverse("admin:segmentation_segment_audience_examples"))
    assert "Stalled opportunities" in client.get(page).content.decode()
