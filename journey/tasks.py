"""Functions the background worker and the schedules call."""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from journey.models import SuggestionSource
from journey.selectors.assessments import is_assessment_due
from journey.selectors.histories import current_history
from journey.selectors.journeys import find_journey
from journey.selectors.suggestions import find_source
from journey.selectors.versions import published_versions
from journey.services.assessments import assess, request_assessment
from journey.services.goals import settle_baselines
from journey.services.replay import Progress, bring_up_to_date, replay, request_replay
from journey.services.suggestions import request_suggestions, suggest
from segmentation.engine.memberships import segment_name
from segmentation.models import Segment
from segmentation.selectors.dependencies import readers_of
from segmentation.selectors.profiles import find_profile, published_profile_versions
from segmentation.selectors.segments import snapshots_in_force
from segmentation.selectors.touches import changed_since
from segmentation.services.plays import suggest_actions


def replay_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Replay one journey, or all of them when params name none."""
    journey = find_journey(params["journey"]) if params.get("journey") else None
    done = [result.as_dict() for result in replay(journey=journey, full=bool(params.get("full")), progress=progress)]
    return {"journeys": done, "plays": suggest_actions(now=timezone.now()).as_dict()}


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


def segments_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Bring memberships up to date, of one segment and everything that reads it, or of all segments."""
    key = params.get("segment")
    keys = [key] if key else Segment.objects.values_list("key", flat=True)
    names = [segment_name(key) for key in keys]
    readers = readers_of(names[0]) if key else []
    broken = bring_up_to_date([*names, *readers], progress=progress)
    return {"broken": broken, "plays": suggest_actions(now=timezone.now()).as_dict()}


def plays_due() -> str:
    """Make the suggestions that only the passing of time has made due."""
    done = suggest_actions(now=timezone.now())
    return f"{sum(done.made.values())} suggested, {sum(done.lapsed.values())} lapsed"


def baselines_due() -> str:
    """Take the baselines of goals that have started since theirs was taken once more."""
    return f"{len(settle_baselines(timezone.now()))} baselines"


def suggest_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Look for suggestions by one source, or by all active ones when params name none."""
    sources = [find_source(params["source"])] if params.get("source") else None
    return {"sources": [result.as_dict() for result in suggest(sources=sources, progress=progress)]}


def suggestions_due() -> str:
    """Queue a look for suggestions, when there is a source of any."""
    if SuggestionSource.objects.filter(active=True).exists():
        return f"job {request_suggestions().pk}"
    return "no source"


def replay_due() -> str:
    """Queue a replay when facts changed since the histories were made, or a published version has none yet."""
    histories = [current_history(version) for version in published_versions()]
    made = [*(history.snapshot if history else None for history in histories), *snapshots_in_force()]
    for snapshot in made:
        touched = changed_since(connection, snapshot, assessments=True) if snapshot else None
        if touched is None or touched.everything or len(touched):
            return f"job {request_replay().pk}"
    return "nothing changed"
