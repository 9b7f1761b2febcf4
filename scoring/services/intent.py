"""Intent topics, and the accounts of signals: the only code that writes them, imports of signals apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from scoring.engine.intent import topic_name
from scoring.engine.keywords import MOST_CHARACTERS, is_too_short, plain
from scoring.models import IntentSignal, IntentTopic
from segmentation.errors import ConflictError, InvalidValueError, ProblemError
from segmentation.identity.domains import is_free_mail
from segmentation.imports.fields import bare_domain
from segmentation.models import Account
from segmentation.selectors.account_references import (
    accounts_by_domain,
    accounts_by_external_id,
    accounts_by_name,
)
from segmentation.selectors.dependencies import rules_that_read
from segmentation.services.columns import refuse_bad_fields
from segmentation.services.keys import refuse_new_key

_LOCK = 73_011
MOST_KEYWORDS = 200
AT_ONCE = 1000


def keyword_problems(keywords: Any, topic: IntentTopic | None = None) -> list[ProblemError]:
    """Everything that keeps a list of keywords from being those of a topic, or of a new one."""
    if isinstance(keywords, str) or not isinstance(keywords, Iterable):
        return [
            InvalidValueError(
                _("The keywords are not a list."),
                code="wrong_type",
                field="keywords",
                value=keywords,
                remedy=_("Give a list, even of one: [“…”]."),
            )
        ]
    words = list(keywords)
    problems: list[ProblemError] = []
    if len(words) > MOST_KEYWORDS:
        problems.append(
            InvalidValueError(
                _("A topic has at most %(most)s keywords, not %(value)s."),
                code="too_many",
                field="keywords",
                value=len(words),
                remedy=_("Make several topics of it: an interest you cannot name in so many words is more than one."),
                params={"most": MOST_KEYWORDS},
            )
        )
    others = {
        plain(word): str(other)
        for other in IntentTopic.objects.all()
        if topic is None or other.pk != topic.pk
        for word in other.keywords
    }
    for word in words[: MOST_KEYWORDS + 1]:
        problems += _word_problems(word, others)
    return problems


def _word_problems(word: Any, others: Mapping[str, str]) -> list[ProblemError]:
    if not isinstance(word, str) or "\x00" in word:
        return [
            InvalidValueError(
                _("“%(value)s” is no keyword."),
                code="wrong_type",
                field="keywords",
                value=word,
                remedy=_("Give each keyword as a text."),
            )
        ]
    if len(word.strip()) > MOST_CHARACTERS:
        return [
            InvalidValueError(
                _("The keyword “%(value)s” has more than %(most)s characters."),
                code="too_long",
                field="keywords",
                value=word,
                remedy=_("Shorten it to the words that matter."),
                params={"most": MOST_CHARACTERS},
            )
        ]
    if is_too_short(word):
        return [
            InvalidValueError(
                _("The keyword “%(value)s” is a single letter, which would be found nearly everywhere."),
                code="too_short",
                field="keywords",
                value=word,
                remedy=_("Use a word of at least two letters, or one Chinese character."),
            )
        ]
    if plain(word) in others:
        return [
            ConflictError(
                _("The keyword “%(value)s” belongs to the topic “%(topic)s” already."),
                code="keyword_taken",
                field="keywords",
                value=word,
                remedy=_("A signal that names it must mean one topic: take it out of the other one first."),
                params={"topic": others[plain(word)]},
            )
        ]
    return []


def clean_keywords(keywords: Sequence[str]) -> list[str]:
    """Keywords as they are stored: each once, in the order given."""
    found: dict[str, str] = {}
    for word in keywords:
        found.setdefault(plain(word), " ".join(word.split()))
    return list(found.values())


@transaction.atomic
def save_topic(*, topic: IntentTopic | None = None, **values: Any) -> IntentTopic:
    """Make a topic, or change one.

    Args:
        topic: the one to change; None makes a new one, which needs key and name.
        values: key (of a new one), name, kind, description, keywords, match_activities.

    Raises:
        ConflictError: the key is taken, or a keyword belongs to another topic.
        InvalidValueError: a value cannot be stored; nothing is changed then.
    """
    with connection.cursor() as cursor:  # one at a time: two topics must not take the same keyword
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])
    if "keywords" in values:
        problems = keyword_problems(values["keywords"], topic)
        if problems:
            raise problems[0]
        values["keywords"] = clean_keywords(values["keywords"])
    row = topic or IntentTopic()
    if topic is None:
        refuse_new_key(IntentTopic, values.get("key"))
    changed = {name: value for name, value in values.items() if topic is None or getattr(topic, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    refuse_bad_fields(row, values)
    if changed:
        row.save()
    return row


@transaction.atomic
def delete_topic(*, topic: IntentTopic) -> None:
    """Remove a topic that no rule names and that has no signals.

    Raises ConflictError otherwise, saying what is in the way.
    """
    refuse_if_used(topic)
    topic.delete()


def refuse_if_used(topic: IntentTopic) -> None:
    """Raise ConflictError when rules name a topic or signals belong to it."""
    readers = rules_that_read(topic_name(topic.key))
    if readers:
        raise ConflictError(
            _("The topic “%(value)s” is used by %(readers)s."),
            code="in_use",
            field="topic",
            value=topic.key,
            remedy=_("Take it out of their rules first."),
            params={"readers": ", ".join(f"{rules.label} ({rules.name})" for rules in readers)},
        )
    number = topic.signals.count()
    if number:
        raise ConflictError(
            _("The topic “%(value)s” has %(number)s intent signals."),
            code="in_use",
            field="topic",
            value=topic.key,
            remedy=_("Delete them first, or give them another topic by importing them anew."),
            params={"number": number},
        )


def assign_signals() -> tuple[int, int]:
    """Look again for the accounts of signals without one, by external id, domain, then name.

    A company that fits several accounts stays without. Returns how many signals were assigned, and how many are left.
    """
    free = IntentSignal.objects.filter(account__isnull=True).exclude(company="")
    companies = sorted(set(free.order_by().values_list("company", flat=True)))
    assigned = 0
    for low in range(0, len(companies), AT_ONCE):
        for company, account in _accounts_of(companies[low : low + AT_ONCE]).items():
            assigned += free.filter(company=company).update(account=account)
    return assigned, IntentSignal.objects.filter(account__isnull=True).count()


def _accounts_of(companies: Sequence[str]) -> dict[str, int]:
    """The one account each company stands for, where there is exactly one."""
    domains = {
        company: domain
        for company in companies
        if isinstance(domain := bare_domain(company), str) and domain and not is_free_mail(domain)
    }
    by_id = accounts_by_external_id(companies, Account.objects.all())
    by_domain = accounts_by_domain(domains.values(), Account.objects.all())
    by_name = accounts_by_name(companies, Account.objects.all(), other_names=True)
    found: dict[str, int] = {}
    for company in companies:
        for accounts in (
            by_id.get(company),
            by_domain.get(domains.get(company, "")),
            by_name.get(company.lower()),
        ):
            if accounts:
                if len(accounts) == 1:
                    found[company] = next(iter(accounts))
                break
    return found
