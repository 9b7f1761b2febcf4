"""The places of sales teams and reps, and the lock that keeps them."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError
from segmentation.models import Account, SalesQuota, SalesTeam
from segmentation.models.choices import USUAL_PLACES, QuotaKind
from segmentation.selectors.target_lists import places_held_with
from segmentation.services.target_lists.errors import QuotaExceededError


def locked_quotas(team: SalesTeam, rep: User | None) -> list[SalesQuota]:
    """Return the quotas a request for places must keep, locked until it is committed or rolled back.

    Whoever comes next waits here and then counts what was taken meanwhile: this lock is what keeps the quota.
    Raises ConflictError when the team has none.
    """
    quotas = SalesQuota.objects.select_for_update().filter(team=team).order_by("pk")
    kept = [quota for quota in quotas if quota.rep_id is None or (rep is not None and quota.rep_id == rep.pk)]
    if all(quota.rep_id is not None for quota in kept):
        raise ConflictError(
            _("The sales team “%(value)s” has no quota."),
            code="quota_missing",
            field="team",
            value=team.key,
            remedy=_("Give it one: 15 places are usual for key accounts, 30 for mid market."),
        )
    return kept


def refuse_beyond(quotas: Iterable[SalesQuota], team: SalesTeam, accounts: dict[int, Account]) -> None:
    """Raise QuotaExceededError when the accounts do not fit into the places left. One on two lists takes one place."""
    for quota in quotas:
        held, before = places_held_with(team, quota.rep_id, accounts)
        wanted, left = len(accounts) - before, quota.places - held
        if wanted > left:
            raise QuotaExceededError(
                _("%(wanted)d places are asked for and %(left)d of %(value)s are left to %(who)s."),
                field="rep" if quota.rep_id else "team",
                value=quota.places,
                remedy=_("Wait for a review, remove an account, or ask for a larger quota."),
                params={"wanted": wanted, "left": max(left, 0), "who": quota.rep if quota.rep_id else team},
            )


@transaction.atomic
def set_quota(
    *, team: SalesTeam, rep: User | None = None, kind: str = QuotaKind.MID_MARKET, places: int | None = None
) -> SalesQuota:
    """Give a team, or one of its reps, so many places. None takes what is usual: 15 key accounts, 30 mid market.

    Fewer places than are held take nobody off a list: nothing can be added until enough are free.

    Raises:
        InvalidValueError: the number is no whole number of at least one.
    """
    if places is None:
        places = USUAL_PLACES[QuotaKind(kind)]
    if isinstance(places, bool) or not isinstance(places, int) or not 1 <= places <= 2_147_483_647:
        raise InvalidValueError(
            _("%(value)s is no number of places."),
            code="quota_not_positive",
            field="places",
            value=places,
            remedy=_("Give a whole number from 1 on."),
        )
    quota, _made = SalesQuota.objects.update_or_create(team=team, rep=rep, defaults={"kind": kind, "places": places})
    return quota
