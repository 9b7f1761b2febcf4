"""The roles: user groups the product keeps, each with the rights its people need.

Every app says in its `services/roles.py` what the roles may do with its models. `migrate` brings the groups in line, on
a fresh installation, after an upgrade and when an app is added: each time rights have been created. docs/roles.md shows
what comes of it.
"""

from collections.abc import Mapping
from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models import Q

from segmentation.models import (
    Account,
    AccountFlag,
    AccountMerge,
    Contact,
    CustomField,
    DisqualificationRequest,
    DuplicateCandidate,
    FlagType,
    GoalReview,
    IcpAnswer,
    IcpAssessment,
    IcpItem,
    IcpProfile,
    IcpVersion,
    ImportMapping,
    ImportRun,
    Job,
    ListMembership,
    ListReview,
    MembershipReason,
    Play,
    PlaySuggestion,
    PriorityAnswer,
    PriorityWeight,
    SalesQuota,
    SalesTeam,
    Segment,
    SegmentGoal,
    SegmentHistory,
    SegmentMembership,
    SegmentReview,
    SegmentVersion,
    TargetList,
    TitleRule,
)

MANAGER, MARKETER, REP, ANALYST, INTEGRATION = ROLES = (
    "ABM manager",
    "ABM marketer",
    "ABM sales rep",
    "ABM analyst",
    "ABM integration",
)
OTHERS = {"marketer": MARKETER, "rep": REP, "integration": INTEGRATION}
VERBS = {"v": "view", "a": "add", "c": "change", "d": "delete"}

# Rights of each role by model: full names such as `segmentation.view_account`.
_RIGHTS: dict[type[models.Model], dict[str, frozenset[str]]] = {}


def grant(model: type[models.Model], **rights: str) -> None:
    """Say what the roles may do with a model. Managers have every right to it, analysts that to view it.

    Args:
        model: a model of the product.
        rights: by role (marketer, rep, integration) the letters of view, add, change and delete, and after a space
            names of rights of the model's own: `marketer="vac"`, `rep="v propose_listmembership"`.
    """
    options = model._meta

    def names(text: str) -> frozenset[str]:
        letters, *own = text.split(" ") if text else [""]
        codes = [f"{VERBS[letter]}_{options.model_name}" for letter in letters]
        return frozenset(f"{options.app_label}.{code}" for code in [*codes, *own])

    own = " ".join(code for code, _name in options.permissions)
    limits = f"{options.app_label}.own_teams_only"
    _RIGHTS[model] = {
        MANAGER: names(f"vacd {own}".strip()) - {limits},
        ANALYST: names("v"),
        **{OTHERS[role]: names(text) for role, text in rights.items()},
    }


def rights_by_model() -> Mapping[type[models.Model], Mapping[str, frozenset[str]]]:
    """What the roles may do with each model that was declared."""
    return _RIGHTS


def rights_of(role: str) -> set[str]:
    """All rights of a role."""
    rights = {right for by_role in _RIGHTS.values() for right in by_role.get(role, ())}
    return rights | EXTRA.get(role, set())


# Who sees every team says so: a rep who is given one of these roles too is limited no more.
EXTRA: dict[str, set[str]] = {
    MANAGER: {"auth.view_user"},  # to make users members of sales teams
    MARKETER: {"segmentation.see_every_team"},
    REP: {"segmentation.own_teams_only"},
    ANALYST: {"segmentation.see_every_team"},
    INTEGRATION: {"segmentation.see_every_team"},
}


@transaction.atomic
def sync_roles() -> None:
    """Make the groups of the roles and give each exactly its rights, as far as the rights exist by now."""
    existing = {
        f"{right.content_type.app_label}.{right.codename}": right.pk
        for right in Permission.objects.select_related("content_type").filter(
            Q(content_type__app_label__in={model._meta.app_label for model in _RIGHTS} | {"auth"})
        )
    }
    for role in ROLES:
        group, _made = Group.objects.get_or_create(name=role)
        wanted = {existing[right] for right in rights_of(role) if right in existing}
        has = set(group.permissions.values_list("pk", flat=True))
        if wanted != has:
            group.permissions.set(wanted)


def sync_after_migrate(using: str, apps: Any = global_apps, **_kwargs: Any) -> None:
    """Bring the roles in line once an app's rights were created, which `migrate` says of each app."""
    try:
        apps.get_model("auth", "Permission")
    except LookupError:  # migrated back so far that there are no groups
        return
    if using == DEFAULT_DB_ALIAS:
        sync_roles()


# --- The models of this app ----------------------------------------------------------------------------------------

grant(Account, marketer="vac", rep="v", integration="vac")
grant(AccountMerge, marketer="vac")
grant(DuplicateCandidate, marketer="vac")
grant(Contact, marketer="vac", rep="v", integration="vac")
grant(SalesTeam, marketer="v", rep="v", integration="v")
grant(AccountFlag, marketer="vac", rep="v", integration="v")
grant(FlagType, marketer="v", integration="v")
grant(TargetList, marketer="vac", rep="v", integration="v")
grant(ListMembership, marketer="vac", rep="v propose_listmembership", integration="v")
grant(ListReview, marketer="va", integration="v")
grant(DisqualificationRequest, marketer="vac", rep="va", integration="v")
grant(MembershipReason, marketer="vac", rep="v", integration="v")
grant(SalesQuota, marketer="v", rep="v", integration="v")
grant(IcpProfile, marketer="vac", integration="v")
grant(IcpVersion, marketer="vacd", integration="v")
grant(IcpItem, marketer="vacd", integration="v")
grant(IcpAnswer, marketer="va", rep="v", integration="va")
grant(IcpAssessment, marketer="v", rep="v", integration="v")
grant(Segment, marketer="vacd", rep="v", integration="v")
grant(SegmentVersion, marketer="va", integration="v")
grant(SegmentHistory, marketer="v", integration="v")
grant(SegmentMembership, marketer="v", rep="v", integration="v")
grant(SegmentReview, marketer="va", integration="v")
grant(SegmentGoal, marketer="vacd", rep="v", integration="v")
grant(GoalReview, marketer="va", integration="v")
grant(PriorityWeight, marketer="vac", integration="v")
grant(PriorityAnswer, marketer="vacd", integration="v")
grant(Play, marketer="vacd", rep="v", integration="v")
grant(PlaySuggestion, marketer="vc", rep="vc", integration="vc")
grant(CustomField, marketer="v", integration="v")
grant(TitleRule, marketer="vacd")
grant(ImportRun, marketer="vac")
grant(ImportMapping, marketer="vacd", integration="v")
grant(Job, marketer="v")
