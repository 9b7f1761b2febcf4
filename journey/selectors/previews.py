"""What a set of rules would make of the accounts right now, before anybody saves it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.utils import timezone

from journey.facts.loading import Needs, all_facts, weighted
from journey.models import JourneyVersion
from journey.selectors.explanations import instant_of
from journey.selectors.stages import stays_at
from journey.selectors.versions import shown_version
from segmentation.engine.resolve import OUT_OF_SCOPE, compile_journey, evaluate, snapshot
from segmentation.engine.rules import parse_journey
from segmentation.engine.steps import UNKNOWN, YES
from segmentation.services.snapshots import one_snapshot


def preview(document: Mapping[str, Any], version: JourneyVersion) -> dict[str, Any]:
    """How many accounts match now, for each rule and stage of a document, and what would change.

    document: as `version_document` gives it. version: whose journey it belongs to; what is published there is what the
    changes are counted against.

    Returns `{"accounts", "stages": [{"key", "name", "accounts", "published", "gained", "lost", "rules": [{"purpose",
    "matching", "unknown", "in_scope"}]}]}`. `published`, `gained` and `lost` are None without a published history.
    Raises RuleError for rules that cannot be used.
    """
    rules = parse_journey({**document, "unit": version.journey.unit})
    program = compile_journey(rules)
    now = timezone.now()
    instant = instant_of(now)
    before = _published(version, now)
    matching = np.zeros((len(rules.rules()), 4), dtype=np.int64)
    in_stage: Counter[str] = Counter()
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    with one_snapshot() as connection:
        for batch in all_facts(connection, rules.unit, Needs.of(rules)):
            facts = weighted(batch, rules)
            steps = {criterion: criterion.steps(facts) for criterion in program.criteria}
            verdicts = snapshot(program, facts, instant, steps).rules
            for number, row in enumerate(verdicts):
                matching[number] += np.bincount(row, minlength=4)
            stays = evaluate(program, facts, steps)
            here = np.flatnonzero((stays.start <= instant) & (instant < stays.end))
            for entity, stage in zip(facts.ids[stays.entity[here]], stays.stage[here], strict=True):
                key = rules.stages[stage].key
                in_stage[key] += 1
                was = before.get(int(entity)) if before is not None else None
                if before is not None and was != key:
                    gained[key] += 1
                    if was:
                        lost[was] += 1
    rows = iter(matching)
    stages = []
    for stage in rules.stages:
        counts = []
        for purpose, group in (("enter", stage.enter), ("stay", stage.stay)):
            for _rule in group:
                row = next(rows)
                counts.append(
                    {
                        "purpose": purpose,
                        "matching": int(row[YES]),
                        "unknown": int(row[UNKNOWN]),
                        "in_scope": int(row.sum() - row[OUT_OF_SCOPE]),
                    }
                )
        known = before is not None
        stages.append(
            {
                "key": stage.key,
                "name": stage.name,
                "accounts": in_stage[stage.key],
                "published": sum(key == stage.key for key in before.values()) if before is not None else None,
                "gained": gained[stage.key] if known else None,
                "lost": lost[stage.key] if known else None,
                "rules": counts,
            }
        )
    return {"accounts": sum(in_stage.values()), "stages": stages}


def _published(version: JourneyVersion, now: Any) -> dict[int, str] | None:
    """Stage of every entity by the published version, None while it has no history."""
    published = shown_version(version.journey)
    if published is None:
        return None
    return dict(stays_at(published, now).values_list("entity_id", "stage__key")) or None
