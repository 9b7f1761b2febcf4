"""The choice of a target account list on pages with figures."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from journey.instants import past_instant
from journey.selectors.lists import ListScope, list_scope
from segmentation.errors import ProblemError
from segmentation.models import TargetList


def mode_texts() -> dict[str, str]:
    """The ways to read a list, in words."""
    return {
        "was": gettext("as the list was"),
        "is": gettext("as the list is now"),
        "cohort": gettext("as it was on one day (cohort)"),
    }


@dataclass(frozen=True)
class AskedScope:
    """What the address asks for: the scope (None: all accounts), what is wrong with it, and what the form shows."""

    scope: ListScope | None
    problem: str
    form: dict[str, Any]


def asked_scope(request: HttpRequest) -> AskedScope:
    """Read `list`, `list_mode` and `cohort_at`. What cannot be used is told, and all accounts are counted."""
    key = request.GET.get("list", "")
    mode = (request.GET.get("list_mode") or "was") if key else "was"
    day = request.GET.get("cohort_at", "")
    form = {
        "lists": list(TargetList.objects.order_by("name")),
        "list": key,
        "modes": list(mode_texts().items()),
        "mode": mode,
        "cohort_at": day,
    }
    try:
        cohort_at = past_instant(day, "cohort_at") if day and mode == "cohort" else None
        return AskedScope(list_scope(key, mode, cohort_at), "", form)
    except ProblemError as error:
        return AskedScope(None, str(error), form)
