"""The group of a company on its page, and the number of subsidiaries in the list."""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils import formats, timezone

from journey.selectors.groups import Company, group_of
from scoring.selectors.engagement import RECENT_DAYS
from segmentation.admin.base import admin_url
from segmentation.models import Account


def group_context(request: HttpRequest, account: Account) -> dict[str, Any] | None:
    """Return the rows of the group an account belongs to; None for one that stands alone."""
    if account.parent_id is None and not Account.objects.filter(parent=account).exists():
        return None
    group = group_of(account, timezone.now(), request.user)
    if len(group.companies) < 2:
        return None
    may = request.user.has_perm  # type: ignore[union-attr]
    return {
        "rows": [_row(company, account) for company in group.companies],
        "see_deals": may("journey.view_opportunity"),
        "see_engagement": may("scoring.view_activity"),
        "see_contacts": may("segmentation.view_contact"),
        "days": RECENT_DAYS,
    }


def _row(company: Company, shown: Account) -> dict[str, Any]:
    return {
        "account": company.account,
        "url": admin_url("segmentation_account_change", company.account.pk),
        "indent": company.depth,
        "is_shown": company.account.pk == shown.pk,
        "has_below": company.total.companies > 1,
        "own": company.own,
        "total": company.total,
        "own_open": _amounts(company.own.open_amounts),
        "total_open": _amounts(company.total.open_amounts),
        "own_won": _amounts(company.own.won_amounts),
        "total_won": _amounts(company.total.won_amounts),
    }


def _amounts(amounts: dict[str, Decimal]) -> str:
    """Amounts by currency, each for itself."""
    return ", ".join(
        f"{formats.number_format(value, 0, use_l10n=True, force_grouping=True)} {currency}".strip()
        for currency, value in amounts.items()
    )


__all__ = ["group_context"]
