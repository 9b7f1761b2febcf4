"""Requests that may be sent twice: the answer is stored with the work and given again."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from segmentation.api.errors import Problem
from segmentation.api.renderers import SafeJSONRenderer
from segmentation.models import IdempotencyKey

HEADER = "Idempotency-Key"
KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 100
_FORM = re.compile(r"[\x21-\x7e]{1,200}")
_HEADERS = ("Location", "ETag")


def once(request: Request, work: Callable[[], Response], *, is_one_service: bool = False) -> Response | HttpResponse:
    """Do the work of a request in one transaction, or answer as before when its key was used.

    Work that raises stores nothing, its key neither: it may be tried again.

    Args:
        request: may name its key in the header.
        work: what is done.
        is_one_service: whether it writes by one call of a service, which is a transaction of its own. Without a key it
            needs no other around it: a savepoint less, and its locks are given back before the answer is written.

    Raises:
        Problem: the key has a wrong form, or stands for another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        with nullcontext() if is_one_service else transaction.atomic():
            return work()
    if not _FORM.fullmatch(key):
        raise Problem(
            "invalid",
            _("An Idempotency-Key has 1 to 200 letters, digits and signs without spaces, such as a UUID."),
            code="invalid_key",
            field=HEADER,
            value=key,
        )
    checksum = _checksum(request)
    with transaction.atomic():
        _forget_old()
        row = _claim(request, key, checksum)
        if row is None:
            return _again(request, key, checksum)
        response = work()
        row.status = response.status_code
        row.body = SafeJSONRenderer().render(response.data).decode() if response.data is not None else ""
        row.headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        row.save(update_fields=["status", "body", "headers"])
    return response


def _claim(request: Request, key: str, checksum: str) -> IdempotencyKey | None:
    """Take the key; waits for a request with the same key that is under way. None when it was taken."""
    user: Any = request.user
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, request_hash=checksum)
    except IntegrityError:
        return None


def _again(request: Request, key: str, checksum: str) -> HttpResponse:
    user: Any = request.user
    row = IdempotencyKey.objects.get(user=user, key=key)
    if row.request_hash != checksum:
        raise Problem(
            "key_reused",
            _("This Idempotency-Key was used for another request. Make a new key for each request."),
            field=HEADER,
            value=key,
        )
    answer = HttpResponse(row.body, status=row.status, content_type="application/json", headers=row.headers)
    answer["Idempotency-Replayed"] = "true"
    return answer


def _forget_old() -> None:
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    # Those somebody else is forgetting at this moment are left to them.
    gone = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    if gone:
        IdempotencyKey.objects.filter(pk__in=gone).delete()


def _checksum(request: Request) -> str:
    """Return what tells one request from another: method, address and content, not how the JSON is spaced."""
    data: Any = [request.method, request.get_full_path(), request.data]
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
