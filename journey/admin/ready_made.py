"""The buttons that make the ready-made rows that are missing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect

from segmentation.admin.base import admin_url


def make_ready_made(
    request: HttpRequest,
    install: Callable[..., tuple[Sequence[Any], Mapping[str, Any]]],
    *,
    is_allowed: bool,
    said: Callable[[int], str],
    nothing_said: str,
    back: str,
) -> HttpResponse:
    """Answer the POST of such a button, and tell what was made.

    Args:
        install: makes them; returns what is new, and by key why others could not be made.
        said: the message for so many new ones.
        nothing_said: the message where all are there.
        back: name of the page it returns to.
    """
    if not is_allowed:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    made, refused = install(user=request.user)
    if made:
        messages.success(request, said(len(made)))
    elif not refused:
        messages.info(request, nothing_said)
    for key, reason in refused.items():
        messages.warning(request, f"{key}: {reason}")
    return HttpResponseRedirect(admin_url(back) or "")
