"""Which accounts the rows of a file or a request mean."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _t

from segmentation.errors import shorten
from segmentation.identity import matching
from segmentation.identity.matching import Answer, Asked, Matcher
from segmentation.models import Account
from segmentation.selectors.duplicates import account_document
from segmentation.selectors.identities import all_identities

FIELDS = ("name", "domain", "email", "country")


def match_rows(rows: Sequence[Asked], accounts: QuerySet[Account] | None = None) -> list[dict[str, Any]]:
    """Say for each row which account it means: status, reason in words, the account or the candidates.

    Args:
        rows: who is looked for.
        accounts: those to look among; all when left out.
    """
    identities = all_identities()
    if accounts is not None:
        seen = set(accounts.values_list("pk", flat=True))
        identities = [one for one in identities if one.id in seen]
    answers = Matcher(identities).match(rows)
    wanted = {pk for answer in answers for pk in answer.accounts}
    found = Account.objects.only("pk", "external_id", "name", "domain").in_bulk(list(wanted))
    return [_document(answer, found) for answer in answers]


def _document(answer: Answer, found: dict[int, Account]) -> dict[str, Any]:
    accounts = [account_document(found[pk]) for pk in answer.accounts if pk in found]
    is_match = answer.status == matching.MATCH
    return {
        "status": answer.status,
        "code": answer.reason,
        "reason": answer_text(answer),
        "account": accounts[0] if is_match and accounts else None,
        "candidates": [] if is_match else accounts,
    }


def answer_text(answer: Answer) -> str:
    """Return why an answer is as it is, as a sentence."""
    words = {
        matching.BY_DOMAIN: _t("the domain %(values)s is that of one account"),
        matching.BY_NAME: _t("the name “%(values)s” is that of one account"),
        matching.BY_BOTH: _t("domain and name are those of one account: %(values)s"),
        matching.SEVERAL: _t("several accounts have %(values)s"),
        matching.CONTRADICTION: _t("domain and name are those of different accounts: %(values)s"),
        matching.OTHER_COUNTRY: _t("“%(values)s” is the name of accounts in other countries only"),
        matching.SIMILAR: _t("names of accounts are similar to “%(values)s”"),
        matching.NOTHING_FOUND: _t("no account has %(values)s"),
        matching.NOTHING_GIVEN: _t("neither a name nor a domain is given"),
        matching.FREE_MAIL: _t("anybody may have an address at %(values)s, so it tells no company"),
    }
    return words[answer.reason] % {"values": shorten(", ".join(answer.values))}


def status_counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many rows have which status."""
    counted = Counter(row["status"] for row in rows)
    return {status: counted[status] for status in (matching.MATCH, matching.AMBIGUOUS, matching.NONE)}


__all__ = ["FIELDS", "answer_text", "match_rows", "status_counts"]
