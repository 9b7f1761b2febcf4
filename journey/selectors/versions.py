"""Versions of journeys as documents and as rules the engine evaluates."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Prefetch
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.models import Criterion, EntryRule, History, Journey, JourneyVersion, Stage
from segmentation.engine.rules import JourneyRules, parse_journey


def version_document(version: JourneyVersion) -> dict[str, Any]:
    """A version as one JSON document: what the rule editor and the API exchange and `parse_journey` reads."""
    rules = EntryRule.objects.order_by("purpose", "order", "id").prefetch_related(
        Prefetch("criteria", Criterion.objects.order_by("part", "order", "id"))
    )
    stages = Stage.objects.filter(version=version).order_by("precedence").prefetch_related(Prefetch("rules", rules))
    return {
        "unit": version.journey.unit,
        "seniority_weights": version.seniority_weights,
        "stages": [
            {
                "ref": stage.pk,
                "key": stage.key,
                "name": stage.name,
                "description": stage.description,
                "precedence": stage.precedence,
                "position": stage.position,
                "color": stage.color,
                "min_stay_days": stage.min_stay_days,
                "enter": [_rule(rule) for rule in stage.rules.all() if rule.purpose == EntryRule.Purpose.ENTER],
                "stay": [_rule(rule) for rule in stage.rules.all() if rule.purpose == EntryRule.Purpose.STAY],
            }
            for stage in stages
        ],
    }


def _rule(rule: EntryRule) -> dict[str, Any]:
    def terms(part: str) -> list[dict[str, Any]]:
        return [{"kind": c.kind, "params": c.params, "negate": c.negate} for c in rule.criteria.all() if c.part == part]

    return {
        "ref": rule.pk,
        "name": rule.name,
        "at_least": rule.at_least,
        "scope": terms("scope"),
        "criteria": terms("test"),
    }


def version_rules(version: JourneyVersion) -> JourneyRules:
    """The rules of a version. Raises RuleError when they cannot be used (a draft, or a name that is gone)."""
    return parse_journey(version_document(version))


def published_versions() -> list[JourneyVersion]:
    """The newest published version of each journey, in the order of journeys."""
    newest = (
        JourneyVersion.objects.filter(state=JourneyVersion.State.PUBLISHED)
        .order_by("journey_id", "-number")
        .distinct("journey_id")
        .values("pk")
    )
    return list(
        JourneyVersion.objects.filter(pk__in=newest)
        .select_related("journey")
        .order_by("journey__order", "journey__name")
    )


def published_version(journey: Journey | str) -> JourneyVersion | None:
    """The newest published version of one journey, by key or instance."""
    lookup = {"journey__key": journey} if isinstance(journey, str) else {"journey": journey}
    return (
        JourneyVersion.objects.filter(state=JourneyVersion.State.PUBLISHED, **lookup)
        .select_related("journey")
        .order_by("-number")
        .first()
    )


def shown_version(journey: Journey | str) -> JourneyVersion | None:
    """The version readers see: the newest published one that has a history, so that publishing hides nothing.

    None while no version of the journey has a history.
    """
    lookup = {"journey__key": journey} if isinstance(journey, str) else {"journey": journey}
    return (
        JourneyVersion.objects.filter(
            state=JourneyVersion.State.PUBLISHED, histories__state=History.State.CURRENT, **lookup
        )
        .select_related("journey")
        .order_by("-number")
        .first()
    )


def find_version(journey: Journey, number: str, field: str = "version") -> JourneyVersion:
    """The published version with this number. Raises JourneyError, which names the field and the versions there are."""
    rows = journey.versions.exclude(state=JourneyVersion.State.DRAFT).select_related("journey").order_by("number")
    for row in rows:
        if str(row.number) == number.strip():
            return row
    raise JourneyError(
        _("The journey has no published version “%(value)s”."),
        code="unknown_version",
        field=field,
        value=number,
        remedy=_("There are: %(known)s."),
        params={"known": ", ".join(str(row.number) for row in rows) or "–"},
    )


def dependencies(versions: Iterable[JourneyVersion]) -> dict[str, list[str]]:
    """Which journeys (by `journey:key`) the rules of each version read."""
    return {
        f"journey:{version.journey.key}": sorted(
            {name for criterion in version_rules(version).criteria() for name in criterion.depends_on()}
        )
        for version in versions
    }
