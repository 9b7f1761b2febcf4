"""Which rules read which others: journeys, segments and profiles by name (`segment:key`).

Every app says what rules it has (`register_rules`). No rule may need itself, and what others read cannot be deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.engine.criteria import Criterion, kinds, make_criterion
from segmentation.engine.errors import RuleError
from segmentation.engine.memberships import segment_name
from segmentation.engine.rules import find_loop
from segmentation.models import IcpVersion, Play, SegmentVersion


@dataclass(frozen=True)
class RuleSet:
    """What some rules read. name: by which others read them; label: for people; in_force: False for drafts,
    and where nothing that is stored follows from them."""

    name: str
    label: str
    reads: tuple[str, ...]
    in_force: bool = True


_sources: list[Callable[[], Iterable[RuleSet]]] = []


def register_rules(source: Callable[[], Iterable[RuleSet]]) -> None:
    """Say where rules are found."""
    if source not in _sources:
        _sources.append(source)


def reads_of(terms: Iterable[Any]) -> Iterator[str]:
    """Names of the rules that terms (`{"kind", "params"}`) read. What cannot be used reads nothing."""
    for term in terms:
        kind = kinds().get(term.get("kind", "")) if isinstance(term, Mapping) else None
        if kind is not None and kind.depends_on is not Criterion.depends_on:
            try:
                yield from make_criterion(kind.kind, term.get("params")).depends_on()
            except RuleError:
                continue


def terms_of(rule: Any) -> Iterator[Any]:
    """Scope and criteria of a rule as it is stored."""
    for part in ("scope", "criteria"):
        yield from (rule or {}).get(part) or ()


def all_rules() -> list[RuleSet]:
    """Every set of rules: those in force and drafts."""
    return [found for source in _sources for found in source()]


def rules_that_read(name: str) -> list[RuleSet]:
    """The rules, drafts too, that read those of this name."""
    return [rules for rules in all_rules() if name in rules.reads]


def readers_of(name: str) -> list[str]:
    """Names of all rules in force that read those of this name, by way of others too."""
    rules = [found for found in all_rules() if found.in_force]
    found: dict[str, None] = {}
    names = [name]
    while names:
        one = names.pop()
        for other in rules:
            if one in other.reads and other.name not in found:
                found[other.name] = None
                names.append(other.name)
    return list(found)


def loop_of(name: str, reads: Sequence[str], rules: Iterable[RuleSet] | None = None) -> list[str] | None:
    """The path by which rules would need themselves if they read `reads`, or None. rules: all that are in force."""
    rules = all_rules() if rules is None else rules
    others = {other.name: other.reads for other in rules if other.in_force and other.name != name}
    return find_loop({name: reads, **others})


def _segments() -> Iterator[RuleSet]:
    for version in (
        SegmentVersion.objects.order_by("segment_id", "-number").distinct("segment_id").select_related("segment")
    ):
        terms = [term for rule in version.rules.values() for term in terms_of(rule)]
        above = [segment_name(version.parent)] if version.parent else []
        yield RuleSet(
            segment_name(version.segment.key), str(version.segment), tuple(sorted({*reads_of(terms), *above}))
        )


def _profiles() -> Iterator[RuleSet]:
    seen = set()
    versions = IcpVersion.objects.order_by("profile_id", "-number").select_related("profile").prefetch_related("items")
    for version in versions:
        # The newest of each state counts; versions that were replaced decide nothing.
        if (version.profile_id, version.state) in seen:
            continue
        seen.add((version.profile_id, version.state))
        terms = [term for item in version.items.all() for term in terms_of(item.rule)]
        yield RuleSet(
            f"profile:{version.profile.key}", str(version), tuple(sorted(set(reads_of(terms)))), not version.is_draft
        )


def _plays() -> Iterator[RuleSet]:
    # Nothing reads them and they are not replayed: they only keep their trigger from being deleted.
    for play in Play.objects.select_related("trigger"):
        yield RuleSet(f"play:{play.key}", str(play), (segment_name(play.trigger.key),), in_force=False)


register_rules(_segments)
register_rules(_plays)
register_rules(_profiles)
