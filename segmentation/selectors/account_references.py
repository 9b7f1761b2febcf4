"""Finding accounts by the words people and programs use for them, many at once and never by guessing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from segmentation.engine.params import is_storable
from segmentation.errors import AmbiguousError, InvalidValueError, NotFoundError
from segmentation.models import Account
from segmentation.selectors.merges import merges_in_force

SHOWN_CANDIDATES = 5
_LARGEST = 2**63 - 1

# By word, in small letters: the primary keys of the accounts it names.
Found = Mapping[str, set[int]]


def accounts_by_domain(words: Iterable[str], accounts: QuerySet[Account]) -> Found:
    """Return which accounts have these domains, as their domain or another one of theirs."""
    wanted = _lowered(words)
    found: dict[str, set[int]] = defaultdict(set)
    rows = accounts.filter(Q(domain__in=wanted) | Q(other_domains__overlap=wanted))
    for pk, domain, others in rows.values_list("pk", "domain", "other_domains") if wanted else ():
        for word in {domain, *(other.lower() for other in others)} & set(wanted):
            found[word].add(pk)
    return found


def accounts_by_name(words: Iterable[str], accounts: QuerySet[Account], *, other_names: bool = False) -> Found:
    """Return which accounts have these names, whatever the case; also among their other names, if asked for."""
    wanted = _lowered(words)
    found: dict[str, set[int]] = defaultdict(set)
    rows = accounts.annotate(low=Lower("name")).filter(low__in=wanted).values_list("pk", "low")
    for pk, name in rows if wanted else ():
        found[name].add(pk)
    if other_names and wanted:
        for pk, names in accounts.exclude(other_names=[]).values_list("pk", "other_names"):
            for name in {other.lower() for other in names} & set(wanted):
                found[name].add(pk)
    return found


def accounts_by_external_id(
    words: Iterable[str], accounts: QuerySet[Account], source_system: str | None = None
) -> Found:
    """Return which accounts have these external ids, in one source system or in any; merged ones are the survivor."""
    wanted = [word for word in set(words) if word]
    found: dict[str, set[int]] = defaultdict(set)
    rows = accounts.filter(external_id__in=wanted)
    if source_system is not None:
        rows = rows.filter(source_system=source_system)
    for pk, external_id in rows.values_list("pk", "external_id") if wanted else ():
        found[external_id or ""].add(pk)
    merged = merges_in_force().filter(external_id__in=[word for word in wanted if word not in found])
    if source_system is not None:
        merged = merged.filter(source_system=source_system)
    for pk, external_id in merged.filter(account__in=accounts.order_by()).values_list("account", "external_id"):
        found[external_id or ""].add(pk)
    return found


def find_accounts(references: Sequence[Any], accounts: QuerySet[Account], field: str = "accounts") -> list[Account]:
    """Return the accounts that are named, in that order and each once.

    Args:
        references: primary keys as whole numbers, or texts: an external id, a domain, the exact name, a primary key;
            `id:7` is the external id 7 and `#7` the primary key 7.
        accounts: where to look: those the one who asks may see.
        field: what errors call the list.

    Raises:
        InvalidValueError: a reference is neither a number nor a text.
        NotFoundError: one names nothing.
        AmbiguousError: one fits several accounts, whichever way.
    """
    return _found(references, accounts, [f"{field}.{place}" for place in range(len(references))])


def find_account(words: str, accounts: QuerySet[Account], field: str = "account") -> Account:
    """Return the account that is named as for `find_accounts`; errors call the word `field`.

    Raises:
        NotFoundError, AmbiguousError: it names nothing, or fits several accounts.
    """
    if not words.strip() or not is_storable(words):
        raise _nothing(words, field)
    [account] = _found([words], accounts, [field])
    return account


def _found(references: Sequence[Any], accounts: QuerySet[Account], fields: Sequence[str]) -> list[Account]:
    numbers: set[int] = set()
    words: set[str] = set()
    for given, field in zip(references, fields, strict=True):
        if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= _LARGEST:
            numbers.add(given)
        elif isinstance(given, str) and given.strip() and is_storable(given):
            words.add(given)
        else:
            raise InvalidValueError(
                _("“%(value)s” names no account."),
                code="bad_reference",
                field=field,
                value=given,
                remedy=_("Give its primary key as a number, or its external id, domain or exact name as a text."),
            )
    by_key = accounts.in_bulk(numbers | {key for word in words if (key := _key_in(word))})
    if not words and numbers <= by_key.keys():
        return [by_key[number] for number in dict.fromkeys(references)]
    plain = [word for word in words if not _prefixed(word)]
    external = accounts_by_external_id({*words, *(word.removeprefix("id:") for word in words)}, accounts)
    domains, names = accounts_by_domain(plain, accounts), accounts_by_name(plain, accounts)
    chosen: dict[int, None] = {}
    for given, field in zip(references, fields, strict=True):
        if isinstance(given, int):
            fits = {given} & by_key.keys()
        else:
            fits = set(external.get(given, ())) | ({_key_in(given) or 0} & by_key.keys())
            if given.startswith("id:"):
                fits |= external.get(given.removeprefix("id:"), set())
            if not _prefixed(given):
                low = given.strip().lower()
                fits |= domains.get(low, set()) | names.get(low, set())
        chosen[_only(given, fits, field)] = None
    rows = by_key if chosen.keys() <= by_key.keys() else accounts.in_bulk(list(chosen))
    return [rows[key] for key in chosen]


def _only(given: Any, fits: set[int], field: str) -> int:
    if len(fits) == 1:
        return next(iter(fits))
    if fits:
        raise AmbiguousError(
            _("“%(value)s” fits more than one account: %(found)s."),
            field=field,
            value=given,
            remedy=_("Give the primary key: 7 as a number, #7 as a text."),
            params={"found": ", ".join(candidate_names(fits))},
        )
    raise _nothing(given, field)


def _nothing(given: Any, field: str) -> NotFoundError:
    return NotFoundError(
        _("There is no account “%(value)s”."),
        code="unknown_account",
        field=field,
        value=given,
        remedy=_("Give its primary key as a number, or its external id, domain or exact name as a text."),
    )


def candidate_names(keys: Collection[int]) -> list[str]:
    """Return accounts in words, a few of them: name and primary key."""
    rows = Account.objects.filter(pk__in=keys).order_by("pk")[: SHOWN_CANDIDATES + 1]
    told = [f"{row} (#{row.pk})" for row in rows[:SHOWN_CANDIDATES]]
    return [*told, "…"] if len(keys) > SHOWN_CANDIDATES else told


def _prefixed(word: str) -> bool:
    """Whether a word says which way it is meant."""
    return (word.startswith("id:") and word != "id:") or (word.startswith("#") and _key_in(word) is not None)


def _key_in(word: str) -> int | None:
    number = word.removeprefix("#")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def _lowered(words: Iterable[str]) -> list[str]:
    return sorted({word.strip().lower() for word in words} - {""})
