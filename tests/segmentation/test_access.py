"""Who is limited to own sales teams, and what that leaves of every model."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.urls import reverse

from scoring.models import Activity, ActivityType
from segmentation.models import Account, Contact, Job, ListMembership, SalesTeam, TargetList
from segmentation.selectors.access import (
    EVERY_TEAM,
    OWN_TEAMS,
    hidden_links,
    is_closed,
    is_limited,
    own_teams,
    sees,
    visible_to,
)
from tests.journey.worlds import DAY0
from tests.segmentation.api.support import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams():
    return [SalesTeam.objects.create(key=key, name=f"Team {key}") for key in ("a", "b")]


def fresh(user):
    return get_user_model().objects.get(pk=user.pk)


def rep_of(*teams):
    user = make_user("rep", OWN_TEAMS)
    for team in teams:
        team.members.add(user)
    return fresh(user)


def seen(model, user):
    return set(visible_to(model.objects.all(), user))


def test_only_the_right_to_own_teams_limits_and_the_right_to_every_team_lifts_it(teams):
    rep = rep_of(teams[0])
    boss = get_user_model().objects.create_superuser("boss", password="pass")
    assert own_teams(rep) == {teams[0].pk}
    assert own_teams(None) is None
    assert own_teams(boss) is None
    assert own_teams(make_user("other", "segmentation.view_account")) is None
    assert own_teams(AnonymousUser()) == frozenset()
    app, codename = EVERY_TEAM.split(".")
    rep.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    assert not is_limited(fresh(rep))


def test_a_rep_of_several_teams_sees_all_of_theirs_and_one_of_none_nothing(teams):
    one, two, three = (
        Account.objects.create(name=name, team=team) for name, team in zip("abc", [*teams, None], strict=True)
    )
    rep = rep_of(*teams)
    assert seen(Account, rep) == {one, two}
    rep.sales_teams.clear()
    assert seen(Account, fresh(rep)) == set()
    assert seen(Account, None) == {one, two, three}


def test_an_account_without_team_is_seen_by_the_team_that_was_the_last_to_propose_it(teams):
    free = Account.objects.create(name="Free")
    rep, lists = rep_of(teams[0]), [TargetList.objects.create(key=key, name=key) for key in "xy"]
    rows = [
        ListMembership.objects.create(target_list=one, account=free, state="proposed", start_at=DAY0, team=team)
        for one, team in zip(lists, teams, strict=True)
    ]
    assert sees(rep, free)
    assert seen(ListMembership, rep) == {rows[0]}  # not what the other team asked for
    rows[0].end_at = DAY0.replace(year=2026)
    rows[0].save()
    assert not sees(rep, free)


def test_links_to_what_is_hidden_read_as_empty_joined_or_not(teams):
    mine, theirs = (Account.objects.create(name=team.name, team=team) for team in teams)
    child = Account.objects.create(name="Child", team=teams[0], parent=theirs)
    other_child = Account.objects.create(name="Other child", team=teams[0], parent=mine)
    person = Contact.objects.create(name="Moved", account=theirs)
    kind = ActivityType.objects.create(key="k", name="k", side="marketing")
    Activity.objects.create(account=mine, contact=person, type=kind, occurred_at=DAY0, source_key="1")
    rep = rep_of(teams[0])
    parents = {row.name: row.parent for row in visible_to(Account.objects.select_related("parent", "team"), rep)}
    assert parents == {"Team a": None, "Child": None, "Other child": mine}
    (activity,) = visible_to(Activity.objects.select_related("contact", "type"), rep)
    assert activity.contact is None
    assert set(hidden_links(Activity, rep)) == {"contact"}
    assert child.parent == theirs
    assert other_child.parent == mine


def test_a_model_that_says_nothing_is_closed_to_limited_users(teams):
    Job.objects.create(kind="x", title="secret")
    rep = rep_of(teams[0])
    assert is_closed(Job, rep)
    assert seen(Job, rep) == set()
    assert not is_closed(TargetList, rep)


def test_every_model_that_leads_to_an_account_says_how():
    rep = type("Rep", (), {"is_authenticated": True, "is_superuser": False, "_own_teams": frozenset()})()
    rep.has_perm = lambda right: right == OWN_TEAMS
    inside = {"segmentation.FactTouch"}
    for app in ("segmentation", "scoring", "journey"):
        for model in apps.get_app_config(app).get_models():
            leads = any(field.related_model in (Account, SalesTeam) for field in model._meta.concrete_fields)
            if (
                leads
                and "pgh_id" not in {field.name for field in model._meta.fields}
                and model._meta.label not in inside
            ):
                assert not is_closed(model, rep), (
                    f"{model._meta.label}: call limit_by_account(…) in selectors/access.py"
                )


def test_a_hidden_link_left_empty_stays_and_one_chosen_replaces_it(teams, client):
    mine, theirs = (Account.objects.create(name=team.name, team=team) for team in teams)
    child = Account.objects.create(name="Child", team=teams[0], parent=theirs)
    rep = rep_of(teams[0])
    rights = ("view_account", "change_account")
    rep.user_permissions.add(*Permission.objects.filter(content_type__app_label="segmentation", codename__in=rights))
    get_user_model().objects.filter(pk=rep.pk).update(is_staff=True)
    client.force_login(fresh(rep))
    url = reverse("admin:segmentation_account_change", args=[child.pk])

    def save(**changed):
        form = client.get(url).context["adminform"].form
        assert form["parent"].value() != theirs.pk
        given = {name: form[name].value() for name in form.fields}
        lines = {name: "\n".join(given[name]) for name in ("other_names", "other_domains", "products")}
        given = {name: "" if value is None else value for name, value in given.items()} | lines | changed
        tables = {
            f"{table.formset.prefix}-{name}_FORMS": 0
            for table in client.get(url).context["inline_admin_formsets"]
            for name in ("TOTAL", "INITIAL")
        }
        answer = client.post(url, given | tables)
        assert answer.status_code == 302, answer.context["errors"]
        child.refresh_from_db()

    save(city="Ulm")
    assert (child.city, child.parent) == ("Ulm", theirs)
    assert "parent" not in LogEntry.objects.get().change_message.lower()
    save(parent=mine.pk)
    assert child.parent == mine
    save(parent="")
    assert child.parent is None  # what is seen may be emptied
