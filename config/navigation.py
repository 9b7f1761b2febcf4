"""The admin's side bar, which the highest app builds."""

from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return Unfold's groups of links; none while no app offers any."""
    try:
        build = import_string("journey.admin.sidebar")
    except ImportError:
        return []
    groups: list[dict[str, Any]] = build(request)
    return groups
