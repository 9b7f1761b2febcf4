"""Segments for people: how many a rule would hold before it is saved, who, and why an account is a member."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from journey.facts.loading import Needs, load_facts, rule_facts
from journey.facts.threads import in_threads
from journey.models import Grade
from journey.selectors.explanations import instant_of, term_result
from segmentation.engine.facts import Facts
from segmentation.engine.memberships import (
    SEGMENTS,
    MembershipTable,
    SegmentRules,
    in_order,
    membership_steps,
    nobody,
    spans,
)
from segmentation.engine.resolve import all_of, rule_steps, values_at
from segmentation.engine.steps import UNKNOWN, YES, Int64s
from segmentation.models import Account, Segment, SegmentHistory, SegmentMembership, SegmentVersion
from segmentation.selectors.access import visible_accounts, visible_to
from segmentation.selectors.segments import (
    current_segment_history,
    memberships_at,
    rules_of,
    segment_rules,
    version_in_force,
    versions_in_force,
)
from segmentation.services.snapshots import one_snapshot

SAMPLE = 8


def _read_together(rules: SegmentRules) -> list[SegmentRules]:
    """The segments to evaluate for a rule: itself, and those it reads whose stored memberships are not up to date."""
    versions = versions_in_force()
    built = set(SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT).values_list("version_id", flat=True))
    found = {rules.key: rules}
    waiting = [rules]
    while waiting:
        for key in waiting.pop().segments_read():
            if key not in found and key in versions and versions[key].pk not in built:
                found[key] = segment_rules(versions[key])
                waiting.append(found[key])
    return in_order(found.values())


def segments_needs(segments: Sequence[SegmentRules]) -> Needs:
    """What segments read: facts, and stored memberships of segments that are not among them."""
    criteria = [criterion for segment in segments for criterion in segment.criteria()]
    needs = Needs.of_criteria(criteria)
    own = {segment.key for segment in segments}
    stored = {*needs.segments, *(segment.parent for segment in segments if segment.parent)} - own
    tables = needs.tables | {SEGMENTS} if stored else needs.tables - {SEGMENTS}
    return Needs(tables, needs.fields, needs.stages, tuple(sorted(stored)), needs.profiles)


def prepared(facts: Facts) -> Facts:
    """The facts with a table of memberships, empty where none are stored."""
    table = facts.tables.get(SEGMENTS) or nobody(len(facts))
    tables = {**facts.tables, SEGMENTS: MembershipTable(table.periods, table.keys, table.assumed)}
    return Facts(facts.ids, facts.accounts, facts.start, facts.start_assumed, tables)


@dataclass(frozen=True)
class _Counted:
    """One batch of a preview. parts: no, yes and unknown by part. above: members of the segment above."""

    accounts: int
    members: Int64s
    unknown: int
    above: int
    parts: dict[str, NDArray[np.int64]]


def _counted(rules: SegmentRules, segments: Sequence[SegmentRules], instant: int, facts: Facts) -> _Counted:
    for segment in segments:
        if segment is not rules:
            membership_steps([segment], facts)
    known: dict[Any, Any] = {}
    parts = {part: rule_steps(rule, facts, known) for part, rule in rules.parts.items()}
    above = [facts.table(SEGMENTS).steps(rules.parent)] if rules.parent else []
    values = values_at(all_of([*above, *parts.values()]), instant)
    return _Counted(
        accounts=len(facts),
        members=facts.ids[values == YES],
        unknown=int((values == UNKNOWN).sum()),
        above=sum(int((values_at(step, instant) == YES).sum()) for step in above),
        parts={part: np.bincount(values_at(step, instant), minlength=3) for part, step in parts.items()},
    )


@dataclass(frozen=True)
class _Now:
    """What rules hold right now. parts: no, yes and unknown by part; above: members of the segment above."""

    accounts: int
    members: Int64s
    unknown: int
    above: int
    parts: dict[str, NDArray[np.int64]]


def _members_now(rules: SegmentRules, now: dt.datetime, visible: Int64s | None) -> _Now:
    """The members by some rules at the present moment, of all accounts or of the visible ones."""
    segments = _read_together(rules)
    instant = instant_of(now)
    parts = {part: np.zeros(3, dtype=np.int64) for part in rules.parts}
    total, members, unknown, above = 0, [np.empty(0, dtype=np.int64)], 0, 0
    with one_snapshot() as connection:
        batches = rule_facts(connection, replace(segments_needs(segments), present_only=True), visible)
        for found in in_threads(lambda facts: _counted(rules, segments, instant, prepared(facts)), batches):
            for part, values in found.parts.items():
                parts[part] += values
            total += found.accounts
            members.append(found.members)
            unknown += found.unknown
            above += found.above
    return _Now(total, np.concatenate(members), unknown, above, parts)


def segment_preview(key: str, parent: str, document: Mapping[str, Any], user: Any = None) -> dict[str, Any]:
    """What the rules of a segment would hold right now, before anybody saves them.

    key: of the segment; empty for a new one. document: its parts, without problems (`segment_problems`). user: whose
    accounts are counted and shown.

    Returns `{"accounts", "members", "unknown", "before", "gained", "lost", "parts": {part: {"matching", "unknown"}},
    "parent": members of the segment above, "sample": [accounts], "coming", "leaving": [accounts], "seconds"}`.
    `before`, `gained` and `lost` compare with the memberships in force, None without any; `coming` and `leaving` name
    some of them. Raises RuleError.
    """
    begin = time.perf_counter()
    now = timezone.now()
    visible = _visible_ids(user)
    found = _members_now(rules_of(key or "-", parent, document), now, visible)
    segment = Segment.objects.filter(key=key).first() if key else None
    before = None
    if segment and current_segment_history(segment):
        before = np.array(list(memberships_at(segment, now).values_list("account_id", flat=True)), dtype=np.int64)
        if visible is not None:
            before = np.intersect1d(before, visible)
    nobody = np.empty(0, dtype=np.int64)
    gained = nobody if before is None else np.setdiff1d(found.members, before)
    lost = nobody if before is None else np.setdiff1d(before, found.members)
    some = {name: _sample(ids) for name, ids in (("sample", found.members), ("coming", gained), ("leaving", lost))}
    shown = _shown(np.concatenate(list(some.values())))
    return {
        "accounts": found.accounts,
        "members": len(found.members),
        "unknown": found.unknown,
        "parent": found.above if parent else None,
        "before": None if before is None else len(before),
        "gained": None if before is None else len(gained),
        "lost": None if before is None else len(lost),
        "parts": {
            part: {"matching": int(numbers[YES]), "unknown": int(numbers[UNKNOWN])}
            for part, numbers in found.parts.items()
        },
        **{name: [row for row in shown if row["id"] in set(ids.tolist())] for name, ids in some.items()},
        "seconds": round(time.perf_counter() - begin, 2),
    }


def _shown(ids: Int64s) -> list[dict[str, Any]]:
    """Accounts as a preview names them."""
    rows = Account.objects.filter(pk__in=np.unique(ids).tolist()).order_by("name", "pk")
    return [{"id": a.pk, "name": a.name, "industry": a.industry, "region": a.region, "domain": a.domain} for a in rows]


@dataclass(frozen=True)
class VersionsCompared:
    """Who would be in a segment now by two of its versions. ids: primary keys of the accounts by what happens to them
    from the first version to the second: `entering`, `leaving`, `staying`. unknown: accounts of which each cannot tell.
    """

    accounts: int
    ids: Mapping[str, Int64s]
    unknown: tuple[int, int]

    def count(self, which: str) -> int:
        """How many enter, leave or stay."""
        return len(self.ids[which])

    def rows(self, which: str) -> QuerySet[Account]:
        """The accounts, by name."""
        return Account.objects.filter(pk__in=self.ids[which].tolist()).order_by("name", "pk")


def compare_segment_versions(one: SegmentVersion, other: SegmentVersion, user: Any = None) -> VersionsCompared:
    """Two versions of a segment on the same accounts at the same moment. Stores nothing.

    Each is worked out anew; segments they read count as they are in force. Raises RuleError for rules that cannot be
    used any more.
    """
    now, visible = timezone.now(), _visible_ids(user)
    left, right = (_members_now(segment_rules(version), now, visible) for version in (one, other))
    return VersionsCompared(
        accounts=right.accounts,
        ids={
            "entering": np.setdiff1d(right.members, left.members),
            "leaving": np.setdiff1d(left.members, right.members),
            "staying": np.intersect1d(left.members, right.members),
        },
        unknown=(left.unknown, right.unknown),
    )


def _sample(ids: Int64s) -> Int64s:
    """A few of them, the same for the same rules: spread over all."""
    if len(ids) <= SAMPLE:
        return ids
    return np.sort(ids)[np.linspace(0, len(ids) - 1, SAMPLE).astype(np.int64)]


def _visible_ids(user: Any) -> NDArray[np.int64] | None:
    """Primary keys of the accounts a limited user may see; None where nothing limits."""
    narrowed = None if user is None else visible_accounts(user)
    return None if narrowed is None else np.array(sorted(narrowed.values_list("pk", flat=True)), dtype=np.int64)


# --- Sizes ---------------------------------------------------------------------------------------------------------


def sizes_at(at: dt.datetime, accounts: QuerySet[Account] | None = None) -> dict[str, dict[str, int]]:
    """Members of every segment at an instant, and accounts of which it is not known, by key.

    accounts: only of these. Segments without a history are missing.
    """
    histories = {
        history.pk: history
        for history in SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT).select_related("segment")
    }
    rows = SegmentMembership.objects.filter(
        Q(end_at__gt=at) | Q(end_at=None),
        build_id__in={history.build for history in histories.values()},
        history_id__in=histories,
        start_at__lte=at,
    )
    if accounts is not None:
        rows = rows.filter(account_id__in=accounts.values("pk"))
    found = {history.segment.key: {"members": 0, "unknown": 0} for history in histories.values()}
    for history_id, state, number in rows.values_list("history_id", "state").annotate(n=Count("*")).order_by():
        name = "members" if state == SegmentMembership.State.MEMBER else "unknown"
        found[histories[history_id].segment.key][name] = number
    return found


# --- Why -----------------------------------------------------------------------------------------------------------


def explain_membership(
    account: Account, segment: Segment, at: dt.datetime, version: SegmentVersion | None = None
) -> dict[str, Any]:
    """Whether an account is a member of a segment at a moment, since when, and every criterion with its figure.

    The segments above are explained too, from the top. Returns a dictionary for JSON whose `text` is the same in words.
    """
    version = version or version_in_force(segment)
    versions = versions_in_force()
    chain = [version]
    while chain[-1].parent in versions:
        chain.append(versions[chain[-1].parent])
    wanted = closure(versions | {segment.key: version}, [one.segment.key for one in chain])
    instant = instant_of(at)
    ids = np.array([account.pk], dtype=np.int64)
    with one_snapshot() as connection:
        facts = _account_facts(connection, wanted, ids)
    steps = membership_steps(wanted, facts)
    known = {criterion: criterion.steps(facts) for one in wanted for criterion in one.criteria()}
    own = spans(steps[segment.key], facts.start)
    here = np.flatnonzero((own.start <= instant) & (instant < own.end) & (own.state == YES))
    value = int(values_at(steps[segment.key], instant)[0]) if instant >= facts.start[0] else 0
    since = int(own.start[here[0]]) if len(here) else None
    ends = int(own.end[here[0]]) if len(here) else None
    by_key = {one.key: one for one in wanted}
    parts = []
    for one in reversed(chain):
        rules = by_key[one.segment.key]
        for part, rule in rules.parts.items():
            parts.append(
                {
                    "segment": one.segment.key,
                    "segment_name": str(one.segment),
                    "part": part,
                    "part_name": part_name(part),
                    "at_least": rule.at_least,
                    "held": _held(int(values_at(rule_steps(rule, facts, known), instant)[0])),
                    "criteria": [term_result(term, facts, known, instant).as_dict() for term in rule.terms],
                }
            )
    result = {
        "account": {"id": account.pk, "name": account.name, "external_id": account.external_id},
        "segment": segment.key,
        "version": version.number,
        "at": at.isoformat(),
        "member": _held(value),
        "since": _moment(since),
        "until": _moment(ends),
        "parts": parts,
    }
    result["text"] = "\n".join(_lines(account, segment, result))
    return result


def closure(versions: Mapping[str, SegmentVersion], keys: Sequence[str]) -> list[SegmentRules]:
    """The segments and all they read, in order."""
    found: dict[str, SegmentRules] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in versions and key not in found:
            found[key] = segment_rules(versions[key])
            waiting += found[key].segments_read()
    return in_order(found.values())


def _account_facts(connection: Any, segments: Sequence[SegmentRules], ids: Int64s) -> Facts:
    needs = segments_needs(segments)
    return prepared(load_facts(connection, "account", ids, needs.with_start(), with_ids=True))


def _held(value: int) -> bool | None:
    return None if value == UNKNOWN else value == YES


def _moment(instant: int | None) -> str | None:
    if instant is None or instant == np.iinfo(np.int64).max:
        return None
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=instant)).isoformat()


def part_name(part: str) -> str:
    """A part of a segment in words."""
    names = {
        "base": _("Base: who they are"),
        "fit": _("Fit: how well they suit"),
        "trigger": _("Trigger: what they do"),
    }
    return names[part]


def _lines(account: Account, segment: Segment, result: Mapping[str, Any]) -> list[str]:
    at, since, until = ((result[name] or "")[:16].replace("T", " ") for name in ("at", "since", "until"))
    sentence = {
        True: _("At %(at)s %(account)s is in the segment “%(segment)s” (version %(version)s)"),
        False: _("At %(at)s %(account)s is not in the segment “%(segment)s” (version %(version)s)"),
        None: _("It is not known whether at %(at)s %(account)s is in the segment “%(segment)s” (version %(version)s)"),
    }[result["member"]]
    lines = [sentence % {"at": at, "account": account.name, "segment": segment, "version": result["version"]}]
    lines += ["  " + _("since %(since)s") % {"since": since}] if since else []
    lines += ["  " + _("until %(until)s, if nothing else happens") % {"until": until}] if until else []
    for part in result["parts"]:
        lines.append(f"  {part['segment_name']} · {part['part_name']}")
        for found in part["criteria"]:
            mark = {True: "✓", False: "✗", None: "?"}[found["held"]]
            lines.append(f"    {mark} {found['criterion']}: {found['found']}")
    return lines


def periods_in_words(segment: Segment, account_id: int) -> list[dict[str, Any]]:
    """Every period of an account in a segment, newest first: from, until, state, trust."""
    history = current_segment_history(segment)
    if history is None:
        return []
    rows = SegmentMembership.objects.filter(build_id=history.build, history_id=history.pk, account_id=account_id)
    return [
        {
            "start_at": row.start_at,
            "end_at": row.end_at,
            "state": row.get_state_display(),
            "trust": Grade(row.grade).name.lower(),
        }
        for row in rows.order_by("-start_at")
    ]


def members(segment: Segment, at: dt.datetime, user: Any = None) -> QuerySet[SegmentMembership]:
    """The periods of members at a moment that a user may see, with their accounts, by name."""
    rows: QuerySet[SegmentMembership] = memberships_at(segment, at)
    rows = rows if user is None else visible_to(rows, user)
    return rows.select_related("account").order_by("account__name", "account_id")
