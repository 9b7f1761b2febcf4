"""Audiences: the accounts of a segment, or the people in them, as advertising and mail tools take them."""

import csv
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError, closest
from segmentation.imports.bad_rows import inert
from segmentation.models import Account, Contact, Segment
from segmentation.models.choices import Consent
from segmentation.selectors.access import visible_to
from segmentation.selectors.segments import memberships_at

ACCOUNTS, CONTACTS = LEVELS = ("accounts", "contacts")
HASHED, PLAIN = EMAILS = ("hashed", "plain")
ACCOUNT_COLUMNS = ("company_name", "domain", "country", "city", "industry", "external_id")


def hashed_email(email: str) -> str:
    """SHA-256 of a mail address in the form ad platforms compare: no spaces around it, small letters, UTF-8."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def reachable(segment: Segment, at: dt.datetime, user: Any = None) -> QuerySet[Contact]:
    """The people of a segment's members that have a mail address and did not withdraw their consent."""
    rows = Contact.objects.filter(account__in=memberships_at(segment, at).values("account_id"))
    return visible_to(rows.exclude(email="").exclude(consent=Consent.WITHDRAWN), user)


@dataclass(frozen=True)
class AudienceExport:
    """What is taken along: a file of accounts or of contacts; with contacts mail addresses hashed or plain."""

    segment: Segment
    level: str
    emails: str

    @property
    def rights(self) -> list[str]:
        """What a user needs beside the right to look at segments."""
        contacts = ["segmentation.view_contact"] if self.level == CONTACTS else []
        return ["segmentation.view_segment", "segmentation.view_account", *contacts]

    @property
    def file_name(self) -> str:
        return f"audience-{self.segment.key}-{self.level}.csv"

    @property
    def columns(self) -> list[str]:
        mail = [] if self.level == ACCOUNTS else ["email_sha256" if self.emails == HASHED else "email"]
        return [*mail, *(["consent"] if mail else []), *ACCOUNT_COLUMNS]

    def rows(self, at: dt.datetime, user: Any = None) -> Iterator[list[str]]:
        """One row for each account or person that a user may see, at a moment, ordered by name."""
        if self.level == ACCOUNTS:
            members = Account.objects.filter(pk__in=memberships_at(self.segment, at).values("account_id"))
            for account in visible_to(members, user).order_by("name", "pk").iterator(chunk_size=2000):
                yield _cells(account)
            return
        people = reachable(self.segment, at, user).select_related("account").order_by("account__name", "pk")
        seen = set()
        for person in people.iterator(chunk_size=2000):
            address = person.email.strip().lower()
            if address not in seen and person.account is not None:  # once for each address
                seen.add(address)
                shown = hashed_email(address) if self.emails == HASHED else address
                yield [shown, person.consent, *_cells(person.account)]

    def write(self, out: Any, at: dt.datetime, user: Any = None) -> int:
        """Write the file; cells a spreadsheet would compute are made inert. Returns the number of rows."""
        writer = csv.writer(out)
        writer.writerow(self.columns)
        number = 0
        for row in self.rows(at, user):
            writer.writerow([inert(cell) for cell in row])
            number += 1
        return number


def _cells(account: Account) -> list[str]:
    return [
        account.name,
        account.domain,
        account.country,
        account.city,
        account.industry,
        account.external_id or "",
    ]


def audience_export(segment: Segment, *, level: str = ACCOUNTS, emails: str = HASHED) -> AudienceExport:
    """What to export. Raises InvalidValueError for a level or a form of mail addresses there is not."""
    for field, value, known in (("level", level, LEVELS), ("emails", emails, EMAILS)):
        if value not in known:
            guess = closest(str(value), known)
            raise InvalidValueError(
                _("“%(value)s” is not known."),
                code="unknown_choice",
                field=field,
                value=value,
                remedy=_("Did you mean “%(guess)s”?") if guess else _("Use one of %(known)s."),
                params={"guess": guess, "known": ", ".join(known)},
            )
    return AudienceExport(segment, level, emails)
