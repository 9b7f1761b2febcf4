"""Pages by position: the next page begins behind the last row, whatever was added or removed meanwhile."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, Q
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from segmentation.api.errors import Problem

PAGE_SIZE = 100
MAX_PAGE_SIZE = 500
CURSOR = "cursor"
SIZE = "page_size"
LARGEST = 2**63


@dataclass(frozen=True)
class Cursor:
    """A row of the list and the direction to go from it."""

    position: tuple[Any, ...]
    backward: bool
    list_key: str


class KeysetPagination(BasePagination):
    """Pages of a list ordered by the view's `ordering`, whose last field is unique and none of which is ever empty."""

    parameters = (CURSOR, SIZE)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.address = request.build_absolute_uri()
        self.ordering: Sequence[str] = view.ordering
        self.list_key = _list_key(request)
        size = _page_size(request)
        cursor = self._read(request.query_params.get(CURSOR), queryset.model)
        backward = cursor is not None and cursor.backward
        order = [_reversed(name) for name in self.ordering] if backward else self.ordering
        if cursor:
            queryset = queryset.filter(_beyond(order, cursor.position))
        rows: list[Any] = list(queryset.order_by(*order)[: size + 1])
        more = len(rows) > size
        rows = rows[:size]
        if backward:
            rows.reverse()
        self.has_next = backward or more
        self.has_previous = more if backward else cursor is not None
        nowhere = cursor.position if cursor else None
        self.edges = (self._position(rows[0]), self._position(rows[-1])) if rows else (nowhere, nowhere)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._link(backward=False), "previous": self._link(backward=True), "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": str(_("Address of the next page; null on the last one."))},
                "previous": {**link, "description": str(_("Address of the page before; null on the first one."))},
                "results": {**schema, "description": str(_("The records of the page."))},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": CURSOR,
                "in": "query",
                "required": False,
                "description": str(
                    _("Where the page begins: take it from “next” or “previous”, and leave the filters as they were.")
                ),
                "schema": {"type": "string"},
            },
            {
                "name": SIZE,
                "in": "query",
                "required": False,
                "description": str(_("Records on a page.")),
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE},
            },
        ]

    def _position(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name.lstrip("-")) for name in self.ordering)

    def _link(self, *, backward: bool) -> str | None:
        wanted = self.has_previous if backward else self.has_next
        edge = self.edges[0] if backward else self.edges[1]
        if not wanted or edge is None:
            return None
        parts = [
            self.list_key,
            int(backward),
            *(_plain(value) for value in edge),
        ]
        text = base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")
        return replace_query_param(self.address, CURSOR, text)

    def _read(self, text: str | None, model: type[Model]) -> Cursor | None:
        if text is None:
            return None
        try:
            parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            list_key, backward, *position = parts
            if len(position) != len(self.ordering) or backward not in (0, 1):
                raise ValueError
            values = tuple(
                _value(model, name.lstrip("-"), value) for name, value in zip(self.ordering, position, strict=True)
            )
        except (ValueError, TypeError, binascii.Error, DjangoValidationError, OverflowError, RecursionError):
            raise Problem(
                "invalid",
                _t("The cursor is not one of ours. Take it from “next” or “previous” of a page, or leave it out."),
                code="invalid_cursor",
                field=CURSOR,
                value=text,
            ) from None
        if list_key != self.list_key:
            raise Problem(
                "invalid",
                _t("The cursor belongs to another list. Keep the filters while paging, or leave the cursor out."),
                code="other_cursor",
                field=CURSOR,
                value=text,
            )
        return Cursor(values, bool(backward), list_key)


def _plain(value: Any) -> int | str:
    """A value of an edge as JSON keeps it."""
    if isinstance(value, int | str):
        return value
    return str(value) if isinstance(value, Decimal) else str(value.isoformat())


def _value(model: type[Model], name: str, value: Any) -> Any:
    field: Any = model._meta.get_field(name)
    found = field.to_python(value)
    if found is None or isinstance(value, bool) or (isinstance(found, int) and not -LARGEST <= found < LARGEST):
        raise ValueError
    if hasattr(found, "utcoffset") and (found.utcoffset() is None or not 1900 <= found.year <= 9000):
        raise ValueError
    return found


def _list_key(request: Request) -> str:
    """Return what tells one filtered list from another."""
    given = sorted((name, value) for name, value in request.query_params.items() if name not in (CURSOR, SIZE))
    return hashlib.sha256(json.dumps([request.path, given]).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _page_size(request: Request) -> int:
    text = request.query_params.get(SIZE)
    if text is None:
        return PAGE_SIZE
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_PAGE_SIZE):
        raise Problem(
            "invalid",
            _t("The page size must be a whole number from 1 to %(limit)d.") % {"limit": MAX_PAGE_SIZE},
            code="invalid_page_size",
            field=SIZE,
            value=text,
        )
    return int(text[:9])


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _beyond(order: Sequence[str], position: tuple[Any, ...]) -> Q:
    """Return the rows behind a position. The bound on the first field alone comes first: it is what an index uses."""
    found = Q()
    for name, value in reversed(list(zip(order, position, strict=True))):
        field, sign = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        further = Q(**{f"{field}__{sign}": value})
        found = Q(**{f"{field}__{sign}e": value}) & (further | found) if found else further
    return found
