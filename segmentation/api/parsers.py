"""Reading JSON bodies: strictly, and no more than fits."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from segmentation.api.errors import Problem

MAX_BODY_BYTES = 5 * 1024 * 1024  # a thousand records with room to spare
MOST_DISCARDED = 64 * 1024 * 1024


class StrictJSONParser(BaseParser):
    """JSON in UTF-8 of at most `MAX_BODY_BYTES`, without NaN, infinite numbers or names given twice."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            _discard(stream)
            raise Problem(
                "too_large",
                _("The body is larger than %(limit)d MB. Send the records in several requests.")
                % {"limit": MAX_BODY_BYTES // 1024 // 1024},
                code="body_too_large",
            )
        try:
            return json.loads(
                body.decode("utf-8-sig"),
                parse_constant=_refuse_number,
                parse_float=_finite,
                object_pairs_hook=_once,
            )
        except RecursionError:
            raise ParseError(_("The JSON is nested too deeply.")) from None
        except UnicodeDecodeError as error:
            raise ParseError(
                _("The body is not UTF-8: the byte at %(place)d is wrong.") % {"place": error.start}
            ) from None
        except ValueError as error:
            raise ParseError(_("The body is no JSON: %(reason)s.") % {"reason": error}) from None


def _discard(stream: IO[bytes]) -> None:
    """Read on: a connection closed while the client still sends would lose the answer."""
    left = MOST_DISCARDED
    while left > 0 and (block := stream.read(min(left, 1024 * 1024))):
        left -= len(block)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(_("%(text)s is no number in JSON; send null if it is not known") % {"text": text})


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_number(text[:40])
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(_("the name “%(name)s” is given twice in one object") % {"name": twice[:80]})
    return found
