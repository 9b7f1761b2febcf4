"""How healthy a segmentation is: size, overlap, coverage, growth, customers inside and share of the pipeline.

Figures are of memberships as they are stored; customers are decided by the engine, by the rule of winning.
"""

import datetime as dt
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from journey.models import CrmStage, Opportunity, StageMeaning
from journey.selectors.customers import customers_at
from journey.selectors.explanations import instant_of
from journey.selectors.money import Rates, present_reporting_currency
from segmentation.engine.memberships import SegmentRules, in_order
from segmentation.engine.rules import Term
from segmentation.engine.steps import Int64s
from segmentation.errors import ProblemError
from segmentation.facts.copying import read_rows
from segmentation.models import (
    Account,
    ListMembership,
    Segment,
    SegmentHistory,
    SegmentMembership,
    SegmentReview,
    SegmentVersion,
)
from segmentation.models.choices import MEMBER_STATES, Relationship
from segmentation.selectors.access import visible_accounts, visible_to
from segmentation.selectors.segments import (
    campaign_segments,
    current_segment_history,
    segment_paths,
    segment_rules,
    segment_tree,
)
from segmentation.services.segments import QUESTIONS

MOST_ACTIVE = 5  # segments that can be addressed well at one time
LEAST_MEMBERS = 20  # fewer give no figures that mean anything
MUCH_OVERLAP = 0.5  # of the smaller of two segments
MONTHS = 12


@dataclass(frozen=True)
class Members:
    """Who is in which segment at an instant. accounts: int64[n], ordered. inside: bool[segments, n]."""

    keys: tuple[str, ...]
    accounts: Int64s
    inside: NDArray[np.bool_]

    def of(self, key: str) -> NDArray[np.bool_]:
        return self.inside[self.keys.index(key)]  # type: ignore[no-any-return]


def members_now(at: dt.datetime, user: Any = None) -> Members:
    """Memberships of all segments at an instant, of the accounts a user may see."""
    histories = list(
        SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT)
        .order_by("segment__order", "segment__name", "segment_id")
        .values_list("pk", "build", "segment__key")
    )
    visible = visible_accounts(user)
    if visible is None:
        accounts = np.sort(read_rows(connection, "SELECT id FROM segmentation_account", {"id": "i8"})["id"])
    else:
        accounts = np.array(sorted(visible.order_by().values_list("pk", flat=True)), dtype=np.int64)
    found = read_rows(
        connection,
        "SELECT account_id, history_id FROM segmentation_segmentmembership WHERE build_id = ANY (%s)"
        " AND history_id = ANY (%s) AND state = 1 AND start_at <= %s AND (end_at > %s OR end_at IS NULL)",
        {"account": "i8", "history": "i8"},
        [sorted({build for _pk, build, _key in histories}), [pk for pk, _build, _key in histories], at, at],
    )
    inside = np.zeros((len(histories), len(accounts)), dtype=np.bool_)
    number = {pk: i for i, (pk, _build, _key) in enumerate(histories)}
    column = np.searchsorted(accounts, found["account"])
    here = (column < len(accounts)) & (
        accounts[np.minimum(column, max(len(accounts) - 1, 0))] == found["account"] if len(accounts) else False
    )
    row = np.array([number[pk] for pk in found["history"].tolist()], dtype=np.int64)
    inside[row[here], column[here]] = True
    return Members(tuple(key for _pk, _build, key in histories), accounts, inside)


def overlap(members: Members, keys: list[str]) -> list[list[int]]:
    """Accounts that two segments share, for every pair of `keys`; on the diagonal the size of each."""
    wanted = members.inside[[members.keys.index(key) for key in keys]].astype(np.float32)
    return (wanted @ wanted.T).astype(np.int64).tolist() if keys else []


@dataclass(frozen=True)
class Pipeline:
    """Open amounts in one currency. amount: float64 of each account. missing: by currency without exchange rate, how
    many deals are left out, and their amount."""

    currency: str
    amount: NDArray[np.float64]
    missing: dict[str, dict[str, Any]]


def _pipeline(accounts: Int64s, at: dt.datetime) -> Pipeline:
    """The open amounts of each account now, at the exchange rates of that day."""
    meanings = (StageMeaning.IDENTIFIED, StageMeaning.ACTIVE, StageMeaning.INTENT)
    stages = CrmStage.objects.filter(meaning__in=meanings)
    rows = (
        Opportunity.objects.filter(account__isnull=False, amount__isnull=False, crm_stage__in=stages)
        .order_by()
        .values_list("account_id", "currency")
        .annotate(amount=Sum("amount"), deals=Count("pk"))
    )
    rates = Rates.stored(present_reporting_currency())
    found = Pipeline(rates.into, np.zeros(len(accounts)), {})
    instant = np.array([instant_of(at)], dtype=np.int64)
    worth: dict[str, float] = {}
    for account, currency, amount, deals in rows:
        k = int(np.searchsorted(accounts, account))
        if k == len(accounts) or accounts[k] != account:
            continue
        if currency not in worth:
            worth[currency] = float(rates.at(currency, instant)[0])
        if np.isnan(worth[currency]):
            lost = found.missing.setdefault(currency, {"deals": 0, "amount": 0.0})
            found.missing[currency] = {"deals": lost["deals"] + deals, "amount": lost["amount"] + float(amount)}
        else:
            found.amount[k] += float(amount) * worth[currency]
    return found


def month_starts(at: dt.datetime, months: int = MONTHS) -> list[dt.datetime]:
    """The first of each of the last months, in the site's time zone, and the instant itself."""
    local = timezone.localtime(at)
    year, month = local.year, local.month
    found = [at]
    for _month in range(months):
        found.append(timezone.make_aware(dt.datetime(year, month, 1)))  # noqa: DTZ001 - made aware at once
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return sorted(set(found))


def growth(instants: list[dt.datetime], accounts: Int64s | None = None) -> dict[str, list[int]]:
    """The size of every segment at each instant, by key. accounts: only these, None for all."""
    histories = {
        pk: (build, key)
        for pk, build, key in SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT).values_list(
            "pk", "build", "segment__key"
        )
    }
    rows = read_rows(
        connection,
        "SELECT account_id, history_id, start_at, coalesce(end_at, '9999-01-01+00')"
        " FROM segmentation_segmentmembership WHERE build_id = ANY (%s) AND history_id = ANY (%s) AND state = 1"
        " AND start_at <= %s AND (end_at > %s OR end_at IS NULL)",
        {"account": "i8", "history": "i8", "start": "time", "end": "time"},
        [sorted({build for build, _key in histories.values()}), list(histories), instants[-1], instants[0]],
    )
    if accounts is not None:
        rows = rows[np.isin(rows["account"], accounts)]
    points = np.array([instant_of(instant) for instant in instants], dtype=np.int64)
    found = {}
    for pk, (_build, key) in histories.items():
        mine = rows[rows["history"] == pk]
        began = np.searchsorted(np.sort(mine["start"]), points, side="right")
        ended = np.searchsorted(np.sort(mine["end"]), points, side="right")
        found[key] = (began - ended).tolist()
    return found


def movements(segment: Segment, since: dt.datetime, until: dt.datetime, user: Any = None) -> dict[str, int]:
    """Accounts that came into a segment and left it in a range; beginnings of histories are no entries."""
    history = current_segment_history(segment)
    if history is None:
        return {"entered": 0, "left": 0}
    rows = SegmentMembership.objects.filter(
        build_id=history.build, history_id=history.pk, state=SegmentMembership.State.MEMBER
    )
    rows = rows if user is None else visible_to(rows, user)
    came = rows.filter(start_at__gt=since, start_at__lte=until, is_first=False).order_by()
    went = rows.filter(end_at__gt=since, end_at__lte=until).order_by()
    return {
        "entered": came.values("account_id").distinct().count(),
        "left": went.values("account_id").distinct().count(),
    }


@dataclass(frozen=True)
class Due:
    """When a segment is to be reviewed, and the last review."""

    at: dt.datetime
    last: SegmentReview | None

    def is_due(self, now: dt.datetime) -> bool:
        return self.at <= now

    @property
    def unhealthy(self) -> list[str]:
        """Keys of the questions that were answered with no."""
        return [key for key in QUESTIONS if self.last and self.last.answers.get(key) is False]


def reviews_due(segments: list[Segment]) -> dict[str, Due]:
    """For each segment when its next review is due, by key: the last review, or its making, and its interval."""
    last = {
        review.segment_id: review
        for review in SegmentReview.objects.order_by("segment_id", "-reviewed_at", "-id").distinct("segment_id")
    }
    return {
        segment.key: Due(
            (last[segment.pk].reviewed_at if segment.pk in last else segment.created_at)
            + dt.timedelta(days=segment.review_days),
            last.get(segment.pk),
        )
        for segment in segments
    }


def segment_health(at: dt.datetime | None = None, user: Any = None) -> dict[str, Any]:
    """The health of all segments now.

    Returns `{"at", "accounts", "targets", "segments": [row], "pairs", "keys", "overlap", "uncovered", "warnings",
    "growth", "months"}`. Rows are those of the tree. Overlap and coverage are of active segments; of all where none is.
    A pair is one without parent and child (those overlap on purpose) whose shared accounts are at least half of the
    smaller. Shares are from 0 to 1, None where they divide by nothing.
    """
    now = at or timezone.now()
    members = members_now(now, user)
    tree = campaign_segments()
    nodes = [node for node in tree if node.segment.key in members.keys]
    unbuilt = [node.segment for node in tree if node.segment.key not in members.keys]
    customer = customers_at(members.accounts, now)
    pipeline = _pipeline(members.accounts, now)
    open_amount = pipeline.amount
    prospects = made_of_prospects({node.segment.key: node.version for node in segment_tree()})
    instants = month_starts(now)
    limited = visible_accounts(user) is not None
    sizes = growth(instants, members.accounts if limited else None)
    due = reviews_due([node.segment for node in nodes])
    rows: list[dict[str, Any]] = []
    paths = segment_paths(tree)
    for node in nodes:
        inside = members.of(node.segment.key)
        size = int(inside.sum())
        history = sizes[node.segment.key]
        rows.append(
            {
                "key": node.segment.key,
                "name": str(node.segment),
                "path": paths[node.segment.key],
                "id": node.segment.pk,
                "color": node.segment.color,
                "depth": node.depth,
                "parent": node.version.parent or None,
                "active": node.segment.active,
                "size": size,
                "share": _share(size, len(members.accounts)),
                "customers": int((inside & customer).sum()),
                "holds_customers": node.segment.key not in prospects,
                "customer_share": _share(int((inside & customer).sum()), size),
                "pipeline": float(open_amount[inside].sum()),
                "pipeline_share": _share(float(open_amount[inside].sum()), float(open_amount.sum())),
                "year_ago": history[0],
                "growth": _share(size - history[0], history[0]),
                "review_due": due[node.segment.key].at,
                "is_due": due[node.segment.key].is_due(now),
                "reviewed": bool(due[node.segment.key].last),
                "unhealthy": due[node.segment.key].unhealthy,
            }
        )
    active = [row["key"] for row in rows if row["active"]]
    keys = active or [row["key"] for row in rows]
    shared = overlap(members, keys)
    covered = np.zeros(len(members.accounts), dtype=np.bool_)
    for key in keys:
        covered |= members.of(key)
    target = np.isin(members.accounts, _targets(now))
    pairs = _pairs(keys, shared, {row["key"]: row["parent"] for row in rows})
    found = {
        "at": now,
        "accounts": len(members.accounts),
        "targets": int(target.sum()),
        "currency": pipeline.currency,
        "pipeline": float(open_amount.sum()),
        "without_rate": pipeline.missing,
        "segments": rows,
        "unbuilt": [segment.key for segment in unbuilt],
        "active": len(active),
        "keys": keys,
        "overlap": shared,
        "pairs": pairs,
        "uncovered": {
            "accounts": int((~covered).sum()),
            "share": _share(int((~covered).sum()), len(covered)),
            "targets": int((target & ~covered).sum()),
            "target_share": _share(int((target & ~covered).sum()), int(target.sum())),
            "sample": members.accounts[(target if target.any() else ~target) & ~covered][:25].tolist(),
        },
        "months": instants,
        "growth": {row["key"]: sizes[row["key"]] for row in rows},
    }
    return {**found, "warnings": _warnings(found)}


def _targets(at: dt.datetime) -> Int64s:
    """Accounts on any target account list at an instant."""
    rows = ListMembership.objects.filter(Q(end_at__gt=at) | Q(end_at=None), start_at__lte=at, state__in=MEMBER_STATES)
    return np.array(sorted(set(rows.order_by().values_list("account_id", flat=True))), dtype=np.int64)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _pairs(keys: list[str], shared: list[list[int]], parents: dict[str, Any]) -> list[dict[str, Any]]:
    """Segments that hold much the same accounts, the most alike first."""

    def above(key: str) -> set[str]:
        found: set[str] = set()
        while parents.get(key) and parents[key] not in found:
            key = parents[key]
            found.add(key)
        return found

    pairs = []
    for i, one in enumerate(keys):
        for j in range(i + 1, len(keys)):
            other, least = keys[j], min(shared[i][i], shared[j][j])
            if least and shared[i][j] >= MUCH_OVERLAP * least and other not in above(one) and one not in above(other):
                pairs.append({"one": one, "other": other, "shared": shared[i][j], "share": shared[i][j] / least})
    return sorted(pairs, key=lambda pair: -pair["share"])


def _warnings(found: dict[str, Any]) -> list[dict[str, str]]:
    """What is not healthy, each with a code, the segment and a sentence."""
    names = {row["key"]: row["path"] for row in found["segments"]}
    warnings: list[dict[str, str]] = []

    def warn(code: str, segment: str, text: str) -> None:
        warnings.append({"code": code, "segment": segment, "text": text})

    if found["active"] > MOST_ACTIVE:
        text = _("%(n)s segments are active. Four or five at a time get the care they need: set the others not active.")
        warn("too_many", "", text % {"n": found["active"]})
    for row in found["segments"]:
        if row["active"] and row["size"] < LEAST_MEMBERS:
            text = _("“%(segment)s” holds %(n)s accounts. With fewer than %(least)s no figure of it means anything.")
            warn("too_small", row["key"], text % {"segment": row["path"], "n": row["size"], "least": LEAST_MEMBERS})
        if row["active"] and row["size"] and not row["customers"] and row["holds_customers"]:
            text = _("“%(segment)s” has no customers: there is no proof yet that the product suits it.")
            warn("no_customers", row["key"], text % {"segment": row["path"]})
        if row["unhealthy"]:
            text = _("“%(segment)s”: the last review answered %(n)s of the questions with no.")
            warn("unhealthy", row["key"], text % {"segment": row["path"], "n": len(row["unhealthy"])})
        if row["active"] and row["is_due"]:
            text = _("“%(segment)s” is due for a review.")
            warn("due", row["key"], text % {"segment": row["path"]})
    for pair in found["pairs"]:
        text = _("“%(one)s” and “%(other)s” share %(n)s accounts, %(share)s %% of the smaller one.")
        share = f"{100 * pair['share']:.0f}"
        values = {"one": names[pair["one"]], "other": names[pair["other"]], "n": pair["shared"], "share": share}
        warn("overlap", pair["one"], text % values)
    uncovered = found["uncovered"]
    for currency, lost in found["without_rate"].items():
        text = _(
            "%(n)s open deals (%(amount)s %(currency)s) are left out of the pipeline: no exchange rate into %(into)s."
        )
        values = {
            "n": lost["deals"],
            "amount": f"{lost['amount']:,.0f}",
            "currency": currency,
            "into": found["currency"],
        }
        warn("no_rate", "", text % values)
    if uncovered["targets"]:
        text = _("%(n)s target accounts are in none of the segments.")
        warn("uncovered", "", text % {"n": uncovered["targets"]})
    return warnings


def made_of_prospects(versions: Mapping[str, SegmentVersion]) -> set[str]:
    """Keys of the segments that hold no customer by their own rules: prospects, or those that have won nothing yet.

    Asking for customers inside says nothing of these. A rule counts where it must hold, also that of a segment above or
    of one the rules ask for.
    """
    rules: dict[str, SegmentRules] = {}
    for key, version in versions.items():
        with suppress(ProblemError):
            rules[key] = segment_rules(version)
    found: set[str] = set()
    for segment in in_order(rules.values()):
        must = [term for rule in segment.parts.values() if rule.needed == len(rule.terms) for term in rule.terms]
        if segment.parent in found or any(_rules_customers_out(term, found) for term in must):
            found.add(segment.key)
    return found


def _rules_customers_out(term: Term, prospects: Container[str]) -> bool:
    kind, values = term.criterion.kind, term.criterion.values
    if kind == "opportunity_won":
        return term.negate
    if kind == "segment":
        return not term.negate and values["segment"] in prospects
    if kind != "field" or values["field"] != "relationship" or values["operator"] not in ("is", "in"):
        return False
    wanted = values["value"] if isinstance(values["value"], tuple) else (values["value"],)
    return (Relationship.CUSTOMER in wanted) == term.negate


def accounts_without_segment(found: dict[str, Any]) -> list[Account]:
    """Some of the accounts in no segment, target accounts first."""
    return list(Account.objects.filter(pk__in=found["uncovered"]["sample"]).order_by("name", "pk"))
