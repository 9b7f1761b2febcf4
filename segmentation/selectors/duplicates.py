"""Accounts that may be one company, in words."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _t
from django.utils.translation import ngettext

from segmentation.identity.pairs import MAIL_DOMAIN, SAME_DOMAIN, SAME_NAME, SHARED_PEOPLE, SIMILAR_NAME
from segmentation.models import Account, DuplicateCandidate


def open_candidates() -> QuerySet[DuplicateCandidate]:
    """The queue, the most likely first."""
    rows = DuplicateCandidate.objects.filter(state=DuplicateCandidate.State.OPEN)
    return rows.select_related("first", "second").order_by("-score", "id")


def reason_text(code: str, value: str) -> str:
    """Return a reason as a sentence."""
    if code == SHARED_PEOPLE:
        return ngettext("%(value)s person in both", "%(value)s people in both", int(value)) % {"value": value}
    words = {
        SAME_DOMAIN: _t("Same domain: %(value)s"),
        SAME_NAME: _t("Same name: %(value)s"),
        SIMILAR_NAME: _t("Similar names: %(value)s"),
        MAIL_DOMAIN: _t("People write from the same domain: %(value)s"),
    }
    return words.get(code, "%(value)s") % {"value": value}


def reason_texts(candidate: Any) -> list[str]:
    """Return the reasons of a candidate or a merge as sentences."""
    return [reason_text(code, value) for code, value in candidate.reasons]


def account_document(account: Account) -> dict[str, Any]:
    """What tells an account from another, for JSON."""
    return {"id": account.pk, "external_id": account.external_id, "name": account.name, "domain": account.domain}


def candidate_document(candidate: DuplicateCandidate) -> dict[str, Any]:
    """A candidate for JSON, as of `manage.py duplicates --json`."""
    return {
        "id": candidate.pk,
        "score": float(candidate.score),
        "accounts": [account_document(candidate.first), account_document(candidate.second)],
        "reasons": [
            {"code": code, "value": value, "text": reason_text(code, value)} for code, value in candidate.reasons
        ],
    }


__all__ = ["account_document", "candidate_document", "open_candidates", "reason_text", "reason_texts"]
