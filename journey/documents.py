"""Writing the stages of a version from a document.

Used by services and by the migration that brings the ready-made journeys.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from journey.ready_made import JOURNEYS


def write_stages(
    version: Any, document: Mapping[str, Any], stage_model: Any, rule_model: Any, criterion_model: Any
) -> None:
    """Create stages, rules and criteria of a draft without any.

    The document has the form of `journey.selectors.versions.version_document` and must have been checked by
    `parse_journey`. The models are passed in, as a migration has its own.
    """
    stages = stage_model.objects.bulk_create(
        stage_model(
            version=version,
            key=stage["key"],
            name=stage.get("name") or stage["key"],
            precedence=stage["precedence"],
            position=stage.get("position"),
            description=stage.get("description", ""),
            color=stage.get("color") or "#94a3b8",
            min_stay_days=stage.get("min_stay_days", 0),
        )
        for stage in document["stages"]
    )
    pairs = [
        (
            rule_model(
                stage=row, purpose=purpose, order=order, name=rule.get("name", ""), at_least=rule.get("at_least")
            ),
            rule,
        )
        for row, stage in zip(stages, document["stages"], strict=True)
        for purpose in ("enter", "stay")
        for order, rule in enumerate(stage.get(purpose) or ())
    ]
    rule_model.objects.bulk_create(row for row, _rule in pairs)
    criterion_model.objects.bulk_create(
        criterion_model(
            rule=row,
            part=part,
            order=order,
            kind=term["kind"],
            params=term.get("params") or {},
            negate=term.get("negate", False),
        )
        for row, rule in pairs
        for part, terms in (("scope", rule.get("scope")), ("test", rule.get("criteria")))
        for order, term in enumerate(terms or ())
    )


def install_journeys(
    journey_model: Any, version_model: Any, stage_model: Any, rule_model: Any, criterion_model: Any
) -> None:
    """Create the ready-made journeys, each with a published first version, where they are not there yet."""
    for key, (name, description, order, document) in JOURNEYS.items():
        if journey_model.objects.filter(key=key).exists():
            continue
        journey = journey_model.objects.create(
            key=key, name=name, description=description, unit=document["unit"], order=order
        )
        version = version_model.objects.create(journey=journey, number=1, state="draft")
        write_stages(version, document, stage_model, rule_model, criterion_model)
        version_model.objects.filter(pk=version.pk).update(state="published", published_at=timezone.now())
