"""The roles are what docs/roles.md says, on a fresh installation and after an upgrade, and stay so."""

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.urls import reverse

from segmentation.models import SalesTeam
from segmentation.selectors.access import is_limited
from segmentation.services.roles import (
    ANALYST,
    INTEGRATION,
    MANAGER,
    REP,
    ROLES,
    VERBS,
    rights_by_model,
    rights_of,
    sync_roles,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
# Of no use to anybody but the product itself.
INSIDE = {"FactTouch", "FeedState", "IcpRun", "IdempotencyKey", "MergedRows"}

pytestmark = pytest.mark.django_db


def rights(group: Group) -> set[str]:
    return {f"{app}.{code}" for app, code in group.permissions.values_list("content_type__app_label", "codename")}


def cell(model, found: frozenset[str]) -> str:
    """The rights of a role to a model in words, the common ones first."""
    app, name = model._meta.app_label, model._meta.model_name
    common = [verb for verb in VERBS.values() if f"{app}.{verb}_{name}" in found]
    own = [code for code, _text in model._meta.permissions if f"{app}.{code}" in found]
    return ", ".join([*common, *own]) or "–"


def table() -> str:
    rows = [f"| kind of record | {' | '.join(role.removeprefix('ABM ') for role in ROLES)} |", "|---" * 6 + "|"]
    for model, by_role in sorted(rights_by_model().items(), key=lambda item: item[0]._meta.label):
        found = [
            frozenset(right for right in by_role.get(role, frozenset()) | rights_of(role) if right in all_of(model))
            for role in ROLES
        ]
        rows.append(f"| {model._meta.verbose_name} | {' | '.join(cell(model, one) for one in found)} |")
    return "\n".join(rows)


def all_of(model) -> set[str]:
    options = model._meta
    codes = [
        *(f"{verb}_{options.model_name}" for verb in VERBS.values()),
        *(code for code, _text in options.permissions),
    ]
    return {f"{options.app_label}.{code}" for code in codes}


def test_the_page_shows_the_rights_the_code_gives():
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- rights -->")[1].split("<!-- /rights -->")[0].strip()
    assert shown == table(), f"Put this table into docs/roles.md:\n{table()}"


def test_migrate_gave_every_role_its_rights_and_all_of_them_exist():
    for role in ROLES:
        assert rights(Group.objects.get(name=role)) == rights_of(role)
        assert rights_of(role)


def test_every_model_says_what_the_roles_may_do_with_it():
    declared = set(rights_by_model())
    for app in ("segmentation", "scoring", "journey"):
        for model in apps.get_app_config(app).get_models():
            kept_by_triggers = "pgh_id" in {field.name for field in model._meta.fields}
            if model.__name__ not in INSIDE and not kept_by_triggers:
                assert model in declared, f"{model._meta.label}: call grant(…) in services/roles.py of {app}"


def test_analysts_only_view_and_managers_may_all_there_is():
    assert {right.split(".")[1].split("_")[0] for right in rights_of(ANALYST)} == {"view", "see"}
    rest = {right for model in rights_by_model() for right in all_of(model)} - rights_of(MANAGER)
    assert rest == {"segmentation.own_teams_only"}  # which is no right but a limit


def test_rights_that_come_later_are_given_and_what_was_edited_is_mended():
    rep, analyst = (Group.objects.get(name=role) for role in (REP, ANALYST))
    Permission.objects.filter(content_type__app_label="journey").delete()  # as before that app was migrated
    sync_roles()
    assert rights(analyst) == {right for right in rights_of(ANALYST) if not right.startswith("journey.")}
    rep.permissions.add(Permission.objects.get(content_type__app_label="segmentation", codename="delete_account"))
    Group.objects.get(name=INTEGRATION).delete()
    call_command("migrate", "journey", verbosity=0)
    for role in ROLES:
        assert rights(Group.objects.get(name=role)) == rights_of(role)


def test_a_wider_role_lifts_the_limit_of_a_rep():
    user = get_user_model().objects.create_user("ray", password="pass")
    user.groups.add(Group.objects.get(name=REP))
    assert is_limited(get_user_model().objects.get(pk=user.pk))
    for role in ROLES:
        user.groups.set(Group.objects.filter(name__in=[REP, role]))
        assert is_limited(get_user_model().objects.get(pk=user.pk)) == (role == REP)


def test_members_are_chosen_at_the_user_and_at_the_team(admin_client):
    team, other = (SalesTeam.objects.create(key=key, name=key) for key in "ab")
    user = get_user_model().objects.create_user("ray", password="pass")
    at_user = reverse("admin:auth_user_change", args=[user.pk])
    page = admin_client.get(at_user)
    assert "sales_teams" in page.context["adminform"].form.fields
    given = {"username": "ray", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    answer = admin_client.post(at_user, {**given, "sales_teams": [team.pk]})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert list(user.sales_teams.all()) == [team]
    at_team = reverse("admin:segmentation_salesteam_change", args=[other.pk])
    answer = admin_client.post(at_team, {"name": "b", "key": "b", "members": [user.pk]})
    assert answer.status_code == 302
    assert set(user.sales_teams.all()) == {team, other}


def test_who_only_integrates_cannot_be_staff_and_roles_cannot_be_edited(admin_client):
    user = get_user_model().objects.create_user("robot", password="pass")
    group = Group.objects.get(name=INTEGRATION)
    given = {"username": "robot", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    address = reverse("admin:auth_user_change", args=[user.pk])
    answer = admin_client.post(address, {**given, "is_staff": "on", "groups": [group.pk]})
    assert "works through the API" in str(answer.context["adminform"].form.errors)
    page = reverse("admin:auth_group_change", args=[group.pk])
    assert admin_client.get(page).context["has_change_permission"] is False
    body = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    admin_client.post(reverse("admin:auth_group_changelist"), body)
    assert Group.objects.filter(pk=group.pk).exists()
