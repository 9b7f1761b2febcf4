"""Writes what people decided in the demo world, and assesses the accounts as of past days."""

import datetime as dt
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils.text import slugify
from django.utils.timezone import now

from journey.demo.curation import KEY_ACCOUNTS, LISTS, MARKETERS, MID_MARKET_PLACES, PLACES, Curation
from journey.demo.parameters import DemoParameters
from journey.demo.words import TEAMS
from journey.services.assessments import assess
from segmentation.models import (
    DisqualificationRequest,
    IcpAnswer,
    IcpAssessment,
    IcpProfile,
    IcpVersion,
    ListMembership,
    MembershipReason,
    SalesQuota,
    SalesTeam,
    TargetList,
)
from segmentation.models.choices import QuotaKind
from segmentation.selectors.profiles import profile_document
from segmentation.services.profile_editing import save_profile_draft
from segmentation.services.profiles import create_profile_draft, publish_profile_version
from segmentation.services.roles import MARKETER, REP

FIRST_PUBLISHED = 0.06  # of the period
SECOND_PUBLISHED = 0.75
PAST = (0.08, 0.3, 0.5, 0.7, 0.76, 0.88)  # when accounts were assessed


def write_curation(parameters: DemoParameters, curation: Curation, first_account: int) -> dict[str, int]:
    """Store people, lists, quotas, requests, the checklists and their answers. Returns rows by table.

    first_account: the primary key of the first account of the world; the others follow it.
    """
    people = _people()
    teams = {team.key: team for team in SalesTeam.objects.filter(key__in=[team.key for team in TEAMS])}
    by_place = [teams[team.key] for team in TEAMS]
    _quotas(by_place)
    _memberships(parameters, curation, first_account, people, by_place)
    _checklists(parameters, people)
    profile = IcpProfile.objects.get(key=IcpProfile.DEFAULT)
    IcpAnswer.objects.bulk_create(
        IcpAnswer(
            profile=profile,
            account_id=first_account + row.account,
            item_key=row.item,
            kind=row.kind,
            value=row.value,
            note=row.note,
            answered_by=people[row.by],
            answered_at=_at(parameters, row.at),
        )
        for row in curation.answers
    )
    return {
        "list_memberships": len(curation.memberships),
        "disqualification_requests": len(curation.requests),
        "profile_answers": len(curation.answers),
    }


def _at(parameters: DemoParameters, seconds: int) -> dt.datetime:
    return parameters.start + dt.timedelta(seconds=seconds)


def _people() -> dict[str, User]:
    """Users for marketers and reps, who cannot log in, each in the role and the team they work in."""
    found: dict[str, User] = {}
    for role, names in ((MARKETER, MARKETERS), (REP, [name for team in TEAMS for name in team.reps])):
        group = Group.objects.filter(name=role).first()
        for name in names:
            first, _space, last = name.rpartition(" ")
            username = slugify(name, allow_unicode=True).replace("-", ".")
            user, made = User.objects.get_or_create(
                username=username, defaults={"first_name": first, "last_name": last, "is_staff": True}
            )
            if made:
                user.set_unusable_password()
                user.save(update_fields=["password"])
                if group:
                    user.groups.add(group)
            found[name] = user
    for team in TEAMS:
        SalesTeam.objects.get(key=team.key).members.add(*(found[name] for name in team.reps))
    return found


def _quotas(teams: list[SalesTeam]) -> None:
    for team in teams:
        kind = QuotaKind.KEY_ACCOUNTS if team.key == KEY_ACCOUNTS else QuotaKind.MID_MARKET
        places = PLACES.get(team.key, MID_MARKET_PLACES)
        SalesQuota.objects.get_or_create(team=team, rep=None, defaults={"kind": kind, "places": places})


def _memberships(
    parameters: DemoParameters,
    curation: Curation,
    first_account: int,
    people: dict[str, User],
    teams: list[SalesTeam],
) -> None:
    reasons = {reason.key: reason for reason in MembershipReason.objects.all()}
    lists = {}
    for row in LISTS:
        lists[row.key], _made = TargetList.objects.get_or_create(
            key=row.key,
            defaults={
                "name": row.name,
                "description": row.description,
                "tier": row.tier,
                "review_every_days": row.review_every_days,
            },
        )
        TargetList.objects.filter(key=row.key).update(created_at=parameters.start)

    def person(name: str) -> User | None:
        return people[name] if name else None

    ended = {(row.list_key, row.account, row.since): row.set_by for row in curation.memberships}
    ListMembership.objects.bulk_create(
        ListMembership(
            target_list=lists[row.list_key],
            account_id=first_account + row.account,
            state=row.state,
            start_at=_at(parameters, row.since),
            end_at=None if row.until is None else _at(parameters, row.until),
            reason=reasons.get(row.reason),
            note=row.note,
            team=None if row.team is None else teams[row.team],
            rep=person(row.rep),
            set_by=person(row.set_by),
            decided_by=person(row.decided_by),
            ended_by=None if row.until is None else person(ended.get((row.list_key, row.account, row.until), "")),
            recorded_at=_at(parameters, row.since),
        )
        for row in curation.memberships
    )
    DisqualificationRequest.objects.bulk_create(
        DisqualificationRequest(
            target_list=lists[row.list_key],
            account_id=first_account + row.account,
            team=teams[row.team],
            reason=reasons.get(row.reason),
            asked_by=person(row.rep),
            asked_at=_at(parameters, row.asked),
        )
        for row in curation.requests
    )


def _field(name: str, operator: str, value: Any) -> dict[str, Any]:
    return {"kind": "field", "params": {"field": name, "operator": operator, "value": value}, "negate": False}


# What the second version knows better than the first, by key of the item.
BETTER: dict[str, dict[str, Any]] = {
    "not-yet-customer": {"weight": 2},
    "ideal-industry": {
        "kind": "rule",
        "rule": {
            "criteria": [_field("industry", "in", ["Software and services", "Manufacturing", "Financial services"])]
        },
        "weight": 4,
    },
    "ideal-revenue": {"kind": "rule", "rule": {"criteria": [_field("revenue", "at_least", 20_000_000)]}, "weight": 4},
    "ideal-employees": {
        "kind": "rule",
        "rule": {"criteria": [_field("employees", "at_least", 150), _field("employees", "at_most", 20_000)]},
        "weight": 4,
    },
    "similar-values": {"kind": "scale"},
}
NEW = {
    "key": "engaged-lately",
    "section": "custom",
    "text": "People of the company spend time with us",
    "help": "More than 20 engaged minutes within 90 days.",
    "kind": "rule",
    "rule": {
        "criteria": [
            {
                "kind": "engaged_minutes",
                "params": {"minutes": 20, "comparator": ">", "window_days": 90},
                "negate": False,
            }
        ]
    },
    "weight": 3,
}


def _checklists(parameters: DemoParameters, people: dict[str, User]) -> None:
    """Date the ready-made version back, and publish a second one that answers more by rules."""
    profile = IcpProfile.objects.get(key=IcpProfile.DEFAULT)
    first = profile.versions.get(number=1)
    marketer = people[MARKETERS[0]]
    second = create_profile_draft(profile=profile, user=marketer, based_on=first)
    items = [{**item, **BETTER.get(item["key"], {})} for item in profile_document(first)["items"]]
    note = "Industry, revenue and employees by rule; who spends time with us counts."
    second = save_profile_draft(version=second, items=[*items, NEW], note=note)
    publish_profile_version(version=second, user=marketer)
    for version, share in ((first, FIRST_PUBLISHED), (second, SECOND_PUBLISHED)):
        at = _at(parameters, round(share * parameters.seconds))
        IcpVersion.objects.filter(pk=version.pk).update(published_at=at, created_at=at)


def assess_past() -> int:
    """Assess all accounts as of past days by the version that was published then. Returns how many days.

    Does nothing where there are assessments already, or no demo data.
    """
    rows = IcpVersion.objects.filter(profile__key=IcpProfile.DEFAULT, published_at__lt=now()).order_by("number")
    published = [(row.published_at, row) for row in rows if row.published_at is not None]
    if len(published) < 2 or IcpAssessment.objects.exists():
        return 0
    start = published[0][0]
    span = (now() - start) / (1 - FIRST_PUBLISHED)
    for share in PAST:
        at = start + span * (share - FIRST_PUBLISHED)
        assess(version=[version for since, version in published if since <= at][-1], at=at)
    return len(PAST)
