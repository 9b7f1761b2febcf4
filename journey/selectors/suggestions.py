"""Suggestions for target account lists: who may be suggested, what waits for a decision, and why."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _t
from django.utils.translation import ngettext

from journey.models import Suggestion, SuggestionSource
from journey.selectors.lookalikes import attribute_names, effects_in_words
from journey.selectors.segment_evidence import criteria_measured
from segmentation.errors import ProblemError
from segmentation.models import Account, AccountFlag, ListMembership, MembershipState, Relationship
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.target_lists import find_by_key

RECENT_DAYS = 30  # of the engaged time that ranks accounts showing interest
NEVER_SUGGESTED = (Relationship.PARTNER, Relationship.COMPETITOR)
TAKEN_OFF = (MembershipState.REJECTED, MembershipState.DISQUALIFIED, MembershipState.REMOVED)

Kind = SuggestionSource.Kind
State = Suggestion.State


def find_source(key: str) -> SuggestionSource:
    """The source with this key. Raises NotFoundError with the nearest key."""
    found: SuggestionSource = find_by_key(SuggestionSource, key, "source")
    return found


# --- Who may be suggested ------------------------------------------------------------------------------------------


def _rows_on(source: SuggestionSource) -> QuerySet[ListMembership]:
    """The rows in force on the list of a source, or on every active list."""
    rows = ListMembership.objects.filter(end_at__isnull=True).order_by()
    if source.target_list_id:
        return rows.filter(target_list=source.target_list_id)
    return rows.filter(target_list__active=True)


def never_suggested(source: SuggestionSource) -> set[int]:
    """Accounts on the list already, disqualified as such, partners and competitors."""
    there = _rows_on(source).filter(state__in=HOLDING_STATES).values_list("account", flat=True)
    flagged = AccountFlag.objects.disqualifying()
    return {*there, *flagged.values_list("account", flat=True), *not_compared()}


def not_compared() -> set[int]:
    """Accounts that are neither customers nor could be: partners and competitors."""
    return set(Account.objects.filter(relationship__in=NEVER_SUGGESTED).values_list("pk", flat=True))


def taken_off(source: SuggestionSource) -> dict[int, dt.datetime]:
    """When accounts were refused for the list, disqualified on it or removed from it, last."""
    rows = _rows_on(source).filter(state__in=TAKEN_OFF).values_list("account")
    return dict(rows.annotate(at=Max("start_at")))


# --- What waits ----------------------------------------------------------------------------------------------------


def suggestions_in(state: str = State.OPEN) -> QuerySet[Suggestion]:
    """Suggestions in a state; open ones only of active sources and accounts that have not come onto the list since."""
    rows = Suggestion.objects.filter(state=state)
    if state != State.OPEN:
        return rows
    there = ListMembership.objects.filter(
        account=OuterRef("account"), end_at__isnull=True, state__in=HOLDING_STATES
    ).order_by()
    on_its_list = Exists(there.filter(target_list=OuterRef("source__target_list")))
    on_any = Q(Exists(there.filter(target_list__active=True)), source__target_list__isnull=True)
    return rows.filter(~on_its_list, source__active=True).exclude(on_any)


@dataclass
class Suggested:
    """An account with all its suggestions of one state, those of the best place first, and what each rests on."""

    account: Account
    suggestions: list[Suggestion] = field(default_factory=list)
    why: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def pk(self) -> int:
        """The account's: decisions are about accounts."""
        return self.account.pk

    def __str__(self) -> str:
        return str(self.account)


def suggested_accounts(rows: QuerySet[Suggestion]) -> QuerySet[Suggestion, Any]:
    """The accounts of suggestions as (account, best place), the best first."""
    grouped = rows.order_by().values("account").annotate(best=Min("place"), name=F("account__name"))
    return grouped.order_by("best", "name", "account").values_list("account", "best")


def with_reasons(
    account_ids: Collection[int], rows: QuerySet[Suggestion], at: dt.datetime, rules: bool = True
) -> list[Suggested]:
    """Accounts in the given order with their suggestions among these rows and why; a few queries for all of them.

    rules: with the criteria of segments, which may name accounts and are not for everybody.
    """
    links = ("account", "source__segment", "source__target_list", "target_list", "reason", "decided_by")
    found = rows.filter(account__in=list(account_ids)).select_related(*links).order_by("place", "source_id")
    by_account: dict[int, Suggested] = {}
    for row in found:
        by_account.setdefault(row.account_id, Suggested(row.account)).suggestions.append(row)
    everything = [row for one in by_account.values() for row in one.suggestions]
    why = reasons_of(everything, at, rules)
    for one in by_account.values():
        one.why = {row.pk: why[row.pk] for row in one.suggestions}
    return [by_account[pk] for pk in account_ids if pk in by_account]


def reasons_of(suggestions: Iterable[Suggestion], at: dt.datetime, rules: bool = True) -> dict[int, dict[str, Any]]:
    """Why each account is suggested, by primary key of the suggestion.

    Look like customers: `{"chance", "lift", "for", "against", "unknown", "text"}`. Show interest: `{"criteria", "held",
    "of", "minutes", "people", "text"}`, the criteria with the figures of this moment.
    """
    rows = list(suggestions)
    told = [row.evidence for row in rows]
    named = {key for one in told for key in one.get("attributes", ())}
    names = attribute_names(named | {effect[0] for one in told for effect in one.get("effects", ())})
    measured: dict[int, dict[int, list[dict[str, Any]]]] = {}
    interested = {row.source for row in rows if row.source.kind == Kind.BEHAVIOUR}
    for source in interested if rules else ():
        ids = [row.account_id for row in rows if row.source_id == source.pk]
        try:
            measured[source.pk] = criteria_measured(source.segment, ids, at) if source.segment else {}
        except ProblemError:  # the rule names what is gone: the figures it was suggested with remain
            continue
    return {
        row.pk: _alike(row, names)
        if row.source.kind == Kind.LOOKALIKE
        else _interest(row, measured.get(row.source_id, {}).get(row.account_id, []))
        for row in rows
    }


def _alike(row: Suggestion, names: dict[str, str]) -> dict[str, Any]:
    told = row.evidence
    effects = effects_in_words(told.get("effects", ()), names)
    unknown = [names[key] for key, value in told.get("attributes", {}).items() if value is None]
    times = _t("%(lift)s times as likely as the average account") % {"lift": f"{float(row.score):.1f}"}
    return {
        "chance": told.get("chance"),
        "lift": float(row.score),
        "for": effects["for"],
        "against": effects["against"],
        "unknown": unknown,
        "text": "; ".join([times, *effects["for"]]),
    }


def _interest(row: Suggestion, criteria: list[dict[str, Any]]) -> dict[str, Any]:
    told = row.evidence
    minutes, people = told.get("minutes", 0.0), told.get("people", 0)
    time = _t("%(minutes)s engaged minutes in %(days)s days") % {"minutes": f"{minutes:.0f}", "days": RECENT_DAYS}
    who = ngettext("%(n)s person", "%(n)s people", people) % {"n": people}
    held = [one["found"] for one in criteria if one["held"]]
    return {
        "criteria": criteria,
        "held": len(told.get("held", ())),
        "of": told.get("of", 0),
        "minutes": minutes,
        "people": people,
        "text": "; ".join(held or [f"{time}, {who}"]),
    }
