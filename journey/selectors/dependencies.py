"""Which rules journeys read, and in what order everything is brought up to date."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from journey.models import JourneyVersion, MarketLevel, SuggestionSource
from journey.selectors.versions import version_document
from segmentation.engine.memberships import segment_name
from segmentation.selectors.dependencies import RuleSet, reads_of, terms_of


def journey_rules() -> Iterator[RuleSet]:
    """What the published version of every journey reads, and its draft."""
    seen = set()
    for version in JourneyVersion.objects.order_by("journey_id", "-number").select_related("journey"):
        if (version.journey_id, version.state) in seen:
            continue
        seen.add((version.journey_id, version.state))
        terms = [
            term
            for stage in version_document(version)["stages"]
            for purpose in ("enter", "stay")
            for rule in stage[purpose]
            for term in terms_of(rule)
        ]
        name = f"journey:{version.journey.key}"
        yield RuleSet(name, str(version), tuple(sorted(set(reads_of(terms)))), not version.is_draft)


def market_rules() -> Iterator[RuleSet]:
    """What the nested markets read. Nothing is stored of them, so nothing has to follow them."""
    for level in MarketLevel.objects.select_related("profile", "segment", "journey"):
        reads = [
            f"{kind}:{row.key}"
            for kind, row in (("segment", level.segment), ("profile", level.profile), ("journey", level.journey))
            if row
        ]
        yield RuleSet(f"market:{level.key}", str(level), tuple(reads), in_force=False)


def suggestion_rules() -> Iterator[RuleSet]:
    """The segments that sources of suggestions read. Nothing reads a source, and it is never brought up to date with
    others: so it is not in force."""
    for source in SuggestionSource.objects.select_related("segment"):
        if source.segment:
            yield RuleSet(f"suggestions:{source.key}", str(source), (segment_name(source.segment.key),), in_force=False)


def in_steps(wanted: Iterable[str], reads: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The wanted journeys and segments and those they read, in steps each of which needs only those before it.

    wanted: names such as `journey:standard`. reads: what everything reads; must be without loops. A step is one
    journey, or as many segments as possible, since they are evaluated together.
    """
    pending: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in pending and name in reads and not name.startswith("profile:"):
            pending[name] = None
            for other in reads[name]:
                visit(other)

    for name in wanted:
        visit(name)

    def journeys_of(name: str) -> Iterator[str]:
        for other in reads.get(name, ()):
            if other.startswith("segment:"):
                yield from journeys_of(other)
            elif other in pending:
                yield other

    steps: list[list[str]] = []
    while pending:
        segments = [n for n in pending if n.startswith("segment:") and not any(journeys_of(n))]
        step = segments or [next(n for n in pending if not any(other in pending for other in reads[n]))]
        steps.append(step)
        for name in step:
            del pending[name]
    return steps
