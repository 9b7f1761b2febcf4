"""Whose accounts a user may see: all of them, or only those of the user's sales teams.

The one place that decides it. Every model says once how its rows belong to teams (`limit_by`), or that it holds nothing
of accounts (`open_to_all`); a model that says neither is closed to limited users. Lists, pages, end points and figures
ask `visible_to` and know no more.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import ForeignKey, Model, Q, QuerySet
from django.db.models.query import ModelIterable

from segmentation.models import (
    Account,
    AccountFlag,
    AccountMerge,
    Contact,
    CustomField,
    DisqualificationRequest,
    DuplicateCandidate,
    FlagType,
    IcpAnswer,
    IcpAssessment,
    ListMembership,
    MembershipReason,
    Play,
    PlaySuggestion,
    SalesQuota,
    SalesTeam,
    Segment,
    SegmentGoal,
    SegmentMembership,
    TargetList,
)

EVERY_TEAM = "segmentation.see_every_team"
OWN_TEAMS = "segmentation.own_teams_only"

Teams = frozenset[int]
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class _Limit:
    """How rows of a model belong to teams; `by` is the link the condition asks, whose other end is visible with it."""

    condition: Callable[[Teams], Q]
    by: str


_LIMITS: dict[type[Model], _Limit] = {}
_OPEN: set[type[Model]] = set()


def limit_by(model: type[Model], condition: Callable[[Teams], Q], *, by: str = "") -> None:
    """Say which rows of a model belong to sales teams.

    Args:
        model: its rows are facts about accounts.
        condition: given the primary keys of teams, which rows a user of these teams may see.
        by: the foreign key through which they belong to an account, if there is one.
    """
    _LIMITS[model] = _Limit(condition, by)


def limit_by_account(model: type[Model], by: str = "account") -> None:
    """Say that rows of a model belong to whose the account is that the link `by` leads to."""
    limit_by(model, lambda teams: Q(**{f"{by}__in": accounts_of(teams)}), by=by)


def open_to_all(*models: type[Model]) -> None:
    """Say that models hold settings everybody works with, and nothing of accounts."""
    _OPEN.update(models)


# --- Who is asking -------------------------------------------------------------------------------------------------


def own_teams(user: Any) -> Teams | None:
    """The sales teams a user is limited to; None for users who see every account, and where no user asks (None).

    Limited is who has the right `own_teams_only`, which sales reps have, and not `see_every_team`. Somebody who is not
    signed in sees nothing.
    """
    if user is None:
        return None
    if not user.is_authenticated:
        return frozenset()
    if user.is_superuser or not user.has_perm(OWN_TEAMS) or user.has_perm(EVERY_TEAM):
        return None
    return frozenset(team.pk for team in own_team_rows(user))


def own_team_rows(user: Any) -> list[SalesTeam]:
    """The sales teams a user is a member of, by key; read once for as long as Django keeps the user's rights."""
    if not hasattr(user, "_own_teams"):
        user._own_teams = list(user.sales_teams.order_by("key"))
    teams: list[SalesTeam] = user._own_teams
    return teams


def teams_of(user: Any) -> list[SalesTeam]:
    """The sales teams a user is a member of, by name."""
    return sorted(own_team_rows(user), key=lambda team: team.name)


def is_limited(user: Any) -> bool:
    """Whether a user sees only the accounts of own teams."""
    return own_teams(user) is not None


def is_closed(model: type[Model], user: Any) -> bool:
    """Whether nothing of a model is for this user, because it says nothing about teams."""
    return model not in _LIMITS and model not in _OPEN and is_limited(user)


# --- What they see -------------------------------------------------------------------------------------------------


def _of_teams(teams: Teams) -> Q:
    proposed = ListMembership.objects.filter(team__in=teams, end_at__isnull=True, account__team__isnull=True)
    return Q(team__in=teams) | Q(pk__in=proposed.order_by().values("account"))


def accounts_of(teams: Teams) -> QuerySet[Account]:
    """The accounts of sales teams: those that belong to one, and those without a team it was the last to propose."""
    return Account.objects.filter(_of_teams(teams)).order_by()


def visible_to(rows: QuerySet[M], user: Any) -> QuerySet[M]:
    """Narrow rows to those a user may see; links to rows the user may not see read as empty."""
    return without_hidden(_own(rows, user), user)


def _own(rows: QuerySet[M], user: Any) -> QuerySet[M]:
    teams = own_teams(user)
    if teams is None:
        return rows
    limit = _LIMITS.get(rows.model)
    if limit is None:
        return rows if rows.model in _OPEN else rows.none()
    return rows.filter(limit.condition(teams))


def visible_accounts(user: Any) -> QuerySet[Account] | None:
    """The accounts a limited user may see, to narrow figures by; None for everybody else: nothing to narrow."""
    teams = own_teams(user)
    return None if teams is None else accounts_of(teams)


def sees(user: Any, row: Model) -> bool:
    """Whether a user may see a stored row."""
    if not is_limited(user):
        return True
    return _own(type(row)._default_manager.filter(pk=row.pk), user).exists()


def hidden_links(model: type[Model], user: Any) -> dict[str, type[Model]]:
    """The foreign keys of visible rows whose other end may be hidden from a user, with the model there."""
    if not is_limited(user):
        return {}
    by = _LIMITS[model].by if model in _LIMITS else ""
    return {
        field.name: field.remote_field.model
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.remote_field.model in _LIMITS and field.name != by
    }


def without_hidden(rows: QuerySet[M], user: Any) -> QuerySet[M]:
    """Let links to rows that a user may not see read as empty, whether they are joined or not."""
    hidden = hidden_links(rows.model, user)
    if not hidden:
        return rows

    class Masked(ModelIterable):  # type: ignore[type-arg]
        """Rows as they come, and then one query for each link: which of those it leads to may be seen."""

        def __iter__(self) -> Iterator[M]:
            found = list(super().__iter__())
            for name, model in hidden.items():
                column = rows.model._meta.get_field(name).attname  # type: ignore[union-attr]
                ids = {getattr(row, column) for row in found} - {None}
                seen = _seen(model, ids, user)
                for row in found:
                    if getattr(row, column) not in seen:
                        row._state.fields_cache[name] = None  # the column stays: saving the row keeps the link
            return iter(found)

    rows = rows.all()
    rows._iterable_class = Masked  # type: ignore[attr-defined]
    return rows


def _seen(model: type[Model], ids: set[int], user: Any) -> AbstractSet[int]:
    """Which of these rows a limited user may see."""
    if model is SalesTeam:
        return ids & (own_teams(user) or frozenset())  # known without asking
    return set(_own(model._default_manager.filter(pk__in=ids), user).values_list("pk", flat=True)) if ids else ids


def reaches_hidden(model: type[Model], path: str, user: Any) -> str:
    """The link a path of look-ups begins with, if its other end may be hidden from the user; else nothing."""
    first = path.split("__", 1)[0].removeprefix("-")
    links = hidden_links(model, user)
    return next((name for name in links if first in (name, f"{name}_id")), "")


def only_visible_link(rows: QuerySet[M], link: str, user: Any) -> QuerySet[M]:
    """Narrow rows that were asked for by what is behind a link to those whose link the user may follow."""
    model: Any = rows.model._meta.get_field(link).related_model
    return rows.filter(**{f"{link}__in": _own(model._default_manager.order_by(), user)})


# --- The models of this app ----------------------------------------------------------------------------------------


def _on_list(teams: Teams) -> Q:
    """Of an account without a team only what the team itself asked for: other teams may have asked too."""
    return Q(account__team__in=teams) | Q(account__team__isnull=True, team__in=teams)


limit_by(Account, _of_teams)
limit_by(SalesTeam, lambda teams: Q(pk__in=teams))
limit_by(SalesQuota, lambda teams: Q(team__in=teams), by="team")
limit_by(ListMembership, _on_list, by="account")
limit_by(DisqualificationRequest, _on_list, by="account")
# A pair tells of both accounts, so both must be one's own.
limit_by(DuplicateCandidate, lambda teams: Q(first__in=accounts_of(teams), second__in=accounts_of(teams)), by="first")
for _model in (Contact, AccountFlag, AccountMerge, IcpAnswer, IcpAssessment, PlaySuggestion, SegmentMembership):
    limit_by_account(_model)
# The rules of a segment may name accounts; its name and description are for everybody. What a goal aims at is, too;
# figures of it are of own accounts only.
open_to_all(Play, Segment, SegmentGoal, TargetList, MembershipReason, CustomField, FlagType)
