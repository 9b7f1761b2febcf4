"""What waits for the review of marketing, with what speaks for and against each account."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import CharField, Count, F, Prefetch, QuerySet, Value, prefetch_related_objects

from journey.models import StageInterval
from journey.selectors.assessments import STATES
from journey.selectors.stages import main_stays_at
from scoring.selectors.engagement import Engagement, recent_engagement
from segmentation.engine.fit import MOST
from segmentation.models import (
    Account,
    DisqualificationRequest,
    IcpAssessment,
    IcpItem,
    IcpVersion,
    ListMembership,
    TargetList,
)

PROPOSAL, REQUEST = "proposal", "request"
TOP = 3  # reasons of each kind that are shown first


@dataclass(frozen=True)
class FitResult:
    """The present fit of an account by one published version, with the weightiest reasons of each state."""

    assessment: IcpAssessment
    reasons: dict[str, list[str]]
    more: dict[str, int]

    @property
    def version(self) -> IcpVersion:
        return self.assessment.version


@dataclass
class Waiting:
    """A proposal or a request to disqualify, and what is known of its account."""

    kind: str
    row: Any
    fits: list[FitResult] = field(default_factory=list)
    engagement: Engagement = field(default_factory=Engagement)
    stay: StageInterval | None = None

    @property
    def pk(self) -> str:
        """Its key among everything that waits, such as `proposal-7`."""
        return f"{self.kind}-{self.row.pk}"

    @property
    def account(self) -> Account:
        account: Account = self.row.account
        return account

    @property
    def since(self) -> dt.datetime:
        moment: dt.datetime = self.row.start_at if self.kind == PROPOSAL else self.row.asked_at
        return moment

    def __str__(self) -> str:
        return f"{self.account} · {self.row.target_list}"


@dataclass(frozen=True)
class ListQueue:
    """A target account list and how much waits on it."""

    target_list: TargetList
    proposals: int
    requests: int


def queues(proposals: QuerySet[ListMembership], requests: QuerySet[DisqualificationRequest]) -> list[ListQueue]:
    """Every list with the numbers of these proposals and requests on it, by name."""
    counted = _per_list(proposals, PROPOSAL).union(_per_list(requests, REQUEST), all=True)
    numbers = {(kind, pk): number for kind, pk, number in counted}
    return [
        ListQueue(row, numbers.get((PROPOSAL, row.pk), 0), numbers.get((REQUEST, row.pk), 0))
        for row in TargetList.objects.order_by("name")
    ]


def _per_list(rows: QuerySet[Any], kind: str) -> QuerySet[Any, Any]:
    named = rows.order_by().prefetch_related(None).values("target_list").annotate(kind=_text(kind), number=Count("pk"))
    return named.values_list("kind", "target_list", "number")


def _text(value: str) -> Value:
    return Value(value, output_field=CharField())


def waiting_page(
    proposals: QuerySet[ListMembership],
    requests: QuerySet[DisqualificationRequest],
    *,
    begin: int,
    end: int,
    at: dt.datetime,
    with_fit: bool = True,
    with_engagement: bool = True,
) -> list[Waiting]:
    """The waiting entries numbered `begin` to `end - 1`, those that wait longest first; a fixed number of queries.

    at: the moment engagement and stage are read at.
    """
    keys = (_keys(proposals, PROPOSAL, "start_at").union(_keys(requests, REQUEST, "asked_at"), all=True)).order_by(
        "since", "kind", "key"
    )[begin:end]
    found = waiting_entries([(kind, key) for kind, key, _since in keys], proposals, requests)
    ids = {entry.account.pk for entry in found}
    if not ids:
        return []
    fits = fits_of(ids) if with_fit else {}
    engagement = recent_engagement(ids, at) if with_engagement else {}
    stays = {stay.entity_id: stay for stay in main_stays_at(at, ids)}
    for entry in found:
        entry.fits = fits.get(entry.account.pk, [])
        entry.engagement = engagement.get(entry.account.pk, Engagement())
        entry.stay = stays.get(entry.account.pk)
    return found


def _keys(rows: QuerySet[Any], kind: str, since: str) -> QuerySet[Any, Any]:
    return (
        rows.order_by()
        .prefetch_related(None)
        .annotate(kind=_text(kind), key=F("pk"), since=F(since))
        .values_list("kind", "key", "since")
    )


def waiting_entries(
    keys: Collection[tuple[str, int]],
    proposals: QuerySet[ListMembership],
    requests: QuerySet[DisqualificationRequest],
) -> list[Waiting]:
    """Proposals and requests by kind and primary key, in this order; those that are not among the rows are left out."""
    links = ("account", "target_list", "reason", "team")
    found: dict[tuple[str, int], Any] = {}
    for kind, rows, who in ((PROPOSAL, proposals, "set_by"), (REQUEST, requests, "asked_by")):
        chosen = [key for of, key in keys if of == kind]
        if chosen:
            found |= {(kind, row.pk): row for row in rows.filter(pk__in=chosen).select_related(*links, who)}
    return [Waiting(kind, found[kind, key]) for kind, key in keys if (kind, key) in found]


def fits_of(account_ids: Iterable[int], *, reasons: bool = True) -> dict[int, list[FitResult]]:
    """The present fit of accounts by every published profile, in the order of the profiles' names, and its reasons."""
    rows = list(
        IcpAssessment.objects.filter(
            account__in=set(account_ids), ended_at__isnull=True, version__state=IcpVersion.State.PUBLISHED
        )
        .select_related("version__profile")
        .order_by("version__profile__name", "version__profile", "version__number")
    )
    versions = list({row.version_id: row.version for row in rows}.values())
    if reasons:
        prefetch_related_objects(versions, Prefetch("items", IcpItem.objects.order_by("order", "id")))
    items = {version.pk: list(version.items.all()) if reasons else [] for version in versions}
    newest = {(row.account_id, row.version.profile_id): row for row in rows}
    found: dict[int, list[FitResult]] = {}
    for (account, _profile), row in newest.items():
        found.setdefault(account, []).append(_fit_result(row, items[row.version_id]))
    return found


def _fit_result(assessment: IcpAssessment, items: list[IcpItem]) -> FitResult:
    given = assessment.reasons
    weighty = sorted(items, key=lambda item: -item.weight)  # stable: the checklist's order among equals
    reasons, more = {}, {}
    for state in STATES:
        keys = given.get(state, ())
        texts = [_reason_text(item, given) for item in weighty if item.key in keys]
        reasons[state], more[state] = texts[:TOP], max(len(texts) - TOP, 0)
    return FitResult(assessment, reasons, more)


def _reason_text(item: IcpItem, given: dict[str, Any]) -> str:
    points = given.get("partly", {}).get(item.key)
    return f"{item} ({round(100 * points / MOST)} %)" if points is not None else str(item)
