"""What sales have and may ask for: their teams, places, accounts that may be proposed, what became of requests."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from segmentation.models import (
    Account,
    DisqualificationRequest,
    ListMembership,
    MembershipState,
    SalesTeam,
)
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.access import Teams, is_limited

MOST_LINES = 100  # names that are looked up at once
MOST_FOUND = 10  # accounts offered for one name


def lists_of(teams: Collection[SalesTeam]) -> dict[int, list[tuple[str, int]]]:
    """How many places of each team the accounts of each list hold, by list name. One on two lists counts on both."""
    rows = ListMembership.objects.filter(team__in=teams, end_at__isnull=True, state__in=HOLDING_STATES)
    found: dict[int, list[tuple[str, int]]] = {}
    counted = rows.order_by("target_list__name").values_list("team", "target_list__name").annotate(n=Count("account"))
    for team, name, number in counted:
        found.setdefault(team, []).append((name, number))
    return found


def withdrawable(rows: QuerySet[ListMembership], user: Any) -> QuerySet[ListMembership]:
    """Of memberships those whose proposal a user may take back: reps only what they asked for themselves."""
    return rows.filter(Q(rep=user.pk) | Q(set_by=user.pk)) if is_limited(user) else rows


def own_requests(rows: QuerySet[DisqualificationRequest], user: Any) -> QuerySet[DisqualificationRequest]:
    """Of requests to disqualify those a user may take back: reps only what they asked for themselves."""
    return rows.filter(asked_by=user.pk) if is_limited(user) else rows


def proposable(teams: Collection[SalesTeam] | Teams) -> QuerySet[Account]:
    """The accounts teams may propose: their own and those of no team. Nothing of another team is among them."""
    return Account.objects.filter(Q(team__in=teams) | Q(team__isnull=True))


@dataclass
class NameMatch:
    """What a line of a search stands for: accounts of exactly that name, domain or id, else those that contain it."""

    words: str
    exact: bool
    accounts: list[Account] = field(default_factory=list)
    more: bool = False


def matches(text: str, teams: Collection[SalesTeam]) -> list[NameMatch]:
    """Look up accounts that may be proposed, by names, domains or external ids, one on each line.

    Args:
        text: at most `MOST_LINES` lines are read; a line of fewer than two characters finds nothing but itself.
        teams: whose accounts, beside those of no team.

    Returns:
        For each line what it found, at most `MOST_FOUND` accounts.
    """
    lines = list(dict.fromkeys(line.strip() for line in text.replace("\x00", "").splitlines() if line.strip()))
    lines = lines[:MOST_LINES]
    mine, values = proposable(teams).order_by().values_list("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_MATCHES.format(mine=mine), [*values, lines, MOST_FOUND + 1, MOST_FOUND + 1])
        pairs = cursor.fetchall()
    exact = {number for number, _account, is_exact in pairs if is_exact}
    numbers: dict[int, list[int]] = {}
    for number, account, _is_exact in pairs:
        numbers.setdefault(account, []).append(number)
    found: dict[int, list[Account]] = {}
    for row in Account.objects.filter(pk__in=numbers).select_related("team").order_by("name", "id"):
        for number in numbers[row.pk]:
            found.setdefault(number, []).append(row)
    return [
        NameMatch(words, number in exact, accounts[:MOST_FOUND], len(accounts) > MOST_FOUND)
        for number, words in enumerate(lines, 1)
        for accounts in [found.get(number, [])]
    ]


# All lines in one go: the accounts are read once, not once for each line.
_MATCHES = """
WITH mine AS MATERIALIZED (
    SELECT id, name, upper(name) AS big_name, upper(domain) AS big_domain, external_id, other_names
    FROM segmentation_account WHERE id IN ({mine})
), words AS (
    SELECT number, word, upper(word) AS big FROM unnest(%s::text[]) WITH ORDINALITY AS w (word, number)
), same AS MATERIALIZED (
    SELECT w.number, f.id FROM words w CROSS JOIN LATERAL (
        SELECT id FROM mine WHERE big_name = w.big OR big_domain = w.big OR external_id = w.word
            OR w.word = ANY (other_names) ORDER BY name, id LIMIT %s
    ) f
)
SELECT number, id, true FROM same
UNION ALL
SELECT w.number, f.id, false FROM words w CROSS JOIN LATERAL (
    SELECT id FROM mine WHERE strpos(big_name, w.big) > 0 OR strpos(big_domain, w.big) > 0 ORDER BY name, id LIMIT %s
) f
WHERE length(w.word) > 1 AND w.number NOT IN (SELECT number FROM same)
"""


@dataclass(frozen=True)
class Asked:
    """A proposal or a request to disqualify of a team, and what became of it."""

    account: Account
    list_name: str
    disqualify: bool
    state: str
    label: Any
    asked_by: Any
    decided_by: Any
    at: dt.datetime
    why: str
    membership: ListMembership | None = None
    request: DisqualificationRequest | None = None


def asked_by_teams(teams: Collection[SalesTeam], since: dt.datetime, most: int = 50) -> list[Asked]:
    """What teams asked for: everything that waits, and what was decided since, the newest first."""
    links = ("account", "target_list", "reason", "set_by", "decided_by", "rep")
    rows = ListMembership.objects.filter(
        Q(account__team__in=teams) | Q(account__team__isnull=True), team__in=teams, end_at__isnull=True
    ).filter(
        Q(state=MembershipState.PROPOSED)
        | Q(state__in=[MembershipState.ACTIVE, MembershipState.REJECTED], start_at__gte=since)
    )
    requests = DisqualificationRequest.objects.filter(
        Q(account__team__in=teams) | Q(account__team__isnull=True), team__in=teams
    ).filter(Q(decision=DisqualificationRequest.Decision.OPEN) | Q(decided_at__gte=since))
    found = [
        Asked(
            row.account, row.target_list.name, False, row.state, row.get_state_display(), row.rep or row.set_by,
            row.decided_by, row.start_at, _why(row.reason, row.note), row,
        )
        for row in rows.select_related(*links).order_by("-start_at")[:most]
    ] + [
        Asked(
            row.account, row.target_list.name, True, row.decision, row.get_decision_display(), row.asked_by,
            row.decided_by, row.decided_at or row.asked_at, row.decision_note or _why(row.reason, row.note),
            request=row,
        )
        for row in requests.select_related("account", "target_list", "reason", "asked_by", "decided_by").order_by(
            "-asked_at"
        )[:most]
    ]  # fmt: skip
    found.sort(key=lambda asked: asked.at, reverse=True)
    return found[:most]


def _why(reason: Any, note: str) -> str:
    return " · ".join(str(part) for part in (reason, note) if part)
