"""Segments: the tree, what is in force, and who is a member now or was at any moment."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from segmentation.engine.memberships import PARTS, SegmentRules
from segmentation.engine.params import one_look
from segmentation.engine.rules import parse_rule
from segmentation.errors import ProblemError
from segmentation.models import Account, Segment, SegmentHistory, SegmentMembership, SegmentVersion
from segmentation.selectors.target_lists import find_by_key


def find_segment(key: str) -> Segment:
    """The segment with this key. Raises NotFoundError with the nearest key."""
    found: Segment = find_by_key(Segment, key, "segment")
    return found


def versions_in_force(keys: Iterable[str] | None = None) -> dict[str, SegmentVersion]:
    """The newest version of every segment, or of some, by key, in the order of the segments."""
    rows = SegmentVersion.objects.all()
    if keys is not None:
        rows = rows.filter(segment__key__in=list(keys))
    newest = rows.order_by("segment_id", "-number").distinct("segment_id").values("pk")
    versions = SegmentVersion.objects.filter(pk__in=newest).select_related("segment")
    return {v.segment.key: v for v in versions.order_by("segment__order", "segment__name", "segment_id")}


def version_in_force(segment: Segment) -> SegmentVersion:
    """The newest version of a segment; every segment has one."""
    return segment.versions.select_related("segment").order_by("-number")[:1].get()


def segment_rules(version: SegmentVersion) -> SegmentRules:
    """The rules of a version, ready to be evaluated. Raises RuleError, the field naming the segment and the place."""
    return rules_of(version.segment.key, version.parent, version.rules)


def rules_of(key: str, parent: str, document: Any) -> SegmentRules:
    """A document of parts as rules. Raises RuleError."""
    parts = {}
    for part in PARTS:
        if document.get(part):
            try:
                parts[part] = parse_rule(document[part])
            except ProblemError as error:
                error.field = f"{key}.{part}.{error.field}"
                raise
    return SegmentRules(key=key, parts=parts, parent=parent or None)


def usable_rules(versions: Mapping[str, SegmentVersion]) -> tuple[dict[str, SegmentRules], dict[str, str]]:
    """The rules of those versions that can be evaluated, by key, and why the others cannot.

    What reads a segment whose rules cannot be used cannot be evaluated either.
    """
    rules: dict[str, SegmentRules] = {}
    broken: dict[str, str] = {}
    with one_look():
        for key, version in versions.items():
            try:
                rules[key] = segment_rules(version)
            except ProblemError as error:
                broken[key] = str(error)
    while True:
        lost = {
            key: name
            for key, segment in rules.items()
            for name in segment.depends_on()
            if name.startswith("segment:") and name.removeprefix("segment:") not in rules
        }
        if not lost:
            return rules, broken
        for key, name in lost.items():
            broken[key] = gettext("It reads %(name)s, whose rules cannot be used.") % {"name": name}
            del rules[key]


@dataclass(frozen=True)
class Node:
    """A segment in the tree. depth: 0 for those that stand by themselves."""

    segment: Segment
    version: SegmentVersion
    depth: int
    children: int


def segment_tree(versions: dict[str, SegmentVersion] | None = None) -> list[Node]:
    """All segments, each followed by those below it."""
    versions = versions_in_force() if versions is None else versions
    below: dict[str, list[str]] = {}
    for key, version in versions.items():
        below.setdefault(version.parent if version.parent in versions else "", []).append(key)
    nodes: list[Node] = []

    def walk(parent: str, depth: int) -> None:
        for key in below.get(parent, ()):
            nodes.append(Node(versions[key].segment, versions[key], depth, len(below.get(key, ()))))
            walk(key, depth + 1)

    walk("", 0)
    return nodes


def campaign_segments(versions: dict[str, SegmentVersion] | None = None) -> list[Node]:
    """The tree without triggers of plays and audiences: what is judged, ranked, compared and broken down by.

    Those hold accounts of many segments on purpose; among the segments they would overlap with all and cover everybody.
    """
    return [node for node in segment_tree(versions) if node.segment.purpose == Segment.Purpose.SEGMENT]


def segment_paths(nodes: Iterable[Node] | None = None) -> dict[str, str]:
    """The names of segments with those above them, by key: “all others” of one tell apart from those of another."""
    found: dict[str, str] = {}
    above: list[str] = []
    for node in segment_tree() if nodes is None else nodes:
        above[node.depth :] = [str(node.segment)]
        found[node.segment.key] = " · ".join(above)
    return found


def of_purpose(purpose: str) -> QuerySet[Segment]:
    """The segments made for a purpose (a value of `Segment.Purpose`), in their order."""
    return Segment.objects.filter(purpose=purpose).order_by("order", "name", "id")


def current_segment_history(segment: Segment) -> SegmentHistory | None:
    """The history readers use, perhaps of the version before; None until the first is built."""
    return (
        SegmentHistory.objects.filter(segment=segment, state=SegmentHistory.State.CURRENT)
        .select_related("version")
        .first()
    )


def current_segment_histories() -> dict[int, SegmentHistory]:
    """The history readers use of every segment that has one, by the segment's primary key."""
    return {row.segment_id: row for row in SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT)}


def segment_snapshots() -> list[str]:
    """The database snapshots that present memberships were made from."""
    current = SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT)
    return list(current.values_list("snapshot", flat=True))


def snapshots_in_force() -> list[str | None]:
    """For every segment the snapshot its memberships were made from; None where its version has none yet."""
    made = {
        history.version_id: history.snapshot
        for history in SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT)
    }
    return [made.get(version.pk) for version in versions_in_force().values()]


def memberships_at(segment: Segment, at: dt.datetime, state: int = SegmentMembership.State.MEMBER) -> Any:
    """The periods of a segment in force at an instant; none before its first history is built."""
    history = current_segment_history(segment)
    if history is None:
        return SegmentMembership.objects.none()
    return SegmentMembership.objects.filter(
        Q(end_at__gt=at) | Q(end_at=None),
        build_id=history.build,
        history_id=history.pk,
        state=state,
        start_at__lte=at,
    )


def segment_members_at(segment: Segment, at: dt.datetime) -> QuerySet[Account]:
    """The accounts that are members at an instant."""
    return Account.objects.filter(pk__in=memberships_at(segment, at).values("account_id"))
