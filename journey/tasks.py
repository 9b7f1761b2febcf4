"""Functions the background worker and the schedules call."""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from journey.selectors.assessments import is_assessment_due
from journey.selectors.histories import current_history
from journey.selectors.journeys import find_journey
from journey.selectors.versions import published_versions
from journey.services.assessments import assess, request_assessment
from journey.services.replay import Progress, replay, request_replay
from segmentation.selectors.profiles import find_profile, published_profile_versions
from segmentation.selectors.touches import touched_since


def replay_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay one journey, or all of them when params name none."""
    journey = find_journey(params["journey"]) if params.get("journey") else None
    return {
        "journeys": [
            result.as_dict() for result in replay(journey=journey, full=bool(params.get("full")), progress=progress)
        ]
    }


def assess_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Assess all accounts by one profile, or by all of them when params name none."""
    profile = find_profile(params["profile"]) if params.get("profile") else None
    return {"profiles": [result.as_dict() for result in assess(profile=profile)]}


def assess_due() -> str:
    """Queue an assessment when facts or answers changed since the last one, or time alone may have changed a rule."""
    now = timezone.now()
    if any(is_assessment_due(version, now) for version in published_profile_versions()):
        return f"job {request_assessment().pk}"
    return "nothing changed"


def replay_due() -> str:
    """Queue a replay when facts changed since the histories were made, or a published version has none yet."""
    for version in published_versions():
        history = current_history(version)
        touched = touched_since(connection, history.snapshot) if history else None
        if touched is None or touched.everything or len(touched):
            return f"job {request_replay().pk}"
    return "nothing changed"
