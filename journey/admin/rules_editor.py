"""The rule editor's data: what its page begins with, what a changed document comes to, and saving it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _

from journey.admin.rules_schema import editor_schema, editor_words, translated
from journey.errors import JourneyError
from journey.models import JourneyVersion
from journey.selectors.previews import preview
from journey.selectors.versions import version_document
from journey.services.versions import document_problems, save_draft
from segmentation.engine.errors import RuleError
from segmentation.engine.rules import parse_term
from segmentation.errors import ConflictError, InvalidValueError, ProblemError
from segmentation.facts.accounts import account_fields
from segmentation.models import Account


class ProblemsError(Exception):
    """Several problems of one document."""

    def __init__(self, problems: list[ProblemError]):
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def without_refs(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without primary keys: saving makes new rows."""

    def bare(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name != "ref"}

    stages = [
        {**bare(stage), **{purpose: [bare(rule) for rule in stage[purpose]] for purpose in ("enter", "stay")}}
        for stage in document["stages"]
    ]
    return {**document, "stages": stages}


def basis_of(document: Mapping[str, Any]) -> str:
    """The fingerprint of a journey's document, whatever the keys of its rows."""
    return fingerprint(without_refs(document))


def fingerprint(document: Mapping[str, Any]) -> str:
    """A short mark of a document, by which a page notices that somebody else has saved another one."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def editor_state(version: JourneyVersion, *, editable: bool) -> dict[str, Any]:
    """Everything the page of a version needs to draw its rules."""
    document = version_document(version)
    return {
        "editable": editable,
        "document": without_refs(document),
        "note": version.note,
        "basis": basis_of(document),
        "schema": editor_schema(version.journey),
        "words": editor_words(version.journey.unit),
        "names": dict(_names(document)),
        "sentences": sentences_of(document),
        "problems": [p.as_dict() for p in document_problems(version, document)] if document["stages"] else [],
    }


def _names(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names that are shown translated but stored as they are, until somebody changes them."""
    for stage in document["stages"]:
        rules = [*stage["enter"], *stage["stay"]]
        for text in (stage["name"], stage["description"], *(rule["name"] for rule in rules)):
            if text and translated(text) != text:
                yield text, translated(text)


def sentences_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every criterion in words, in the shape of the document; empty for one that cannot be used."""

    return [
        {purpose: [rule_words(rule) for rule in rows_of(stage, purpose)] for purpose in ("enter", "stay")}
        for stage in rows_of(document, "stages")
    ]


def rule_words(rule: Any) -> dict[str, list[str]]:
    """The criteria of a rule in words, in the shape of the rule."""

    def words(term: Any) -> str:
        try:
            return parse_term(term).sentence()
        except RuleError:
            return ""

    return {part: [words(term) for term in rows_of(rule, part)] for part in ("scope", "criteria")}


def rows_of(row: Any, name: str) -> list[Any]:
    """A list in a document, empty where something else stands."""
    value = row.get(name) if isinstance(row, Mapping) else None
    return list(value) if isinstance(value, list | tuple) else []


def preview_of(version: JourneyVersion, document: Any) -> dict[str, Any]:
    """What a document comes to: its problems, its criteria in words, and the counts when nothing is wrong."""
    problems = document_problems(version, document)
    counts = None
    begin = time.perf_counter()
    if not problems:
        try:
            counts = preview(document, version)
        except ProblemError as error:
            problems = [error]
    return {
        "problems": [problem.as_dict() for problem in problems],
        "sentences": sentences_of(document) if isinstance(document, Mapping) else [],
        "counts": counts,
        "seconds": round(time.perf_counter() - begin, 2),
    }


@transaction.atomic
def save_document(
    *, version: JourneyVersion, document: Any, note: Any, basis: Any, user: AbstractBaseUser | None = None
) -> str:
    """Save a draft and return its new basis.

    Raises ProblemsError with everything that is wrong, or a ConflictError when the draft is no longer the one of
    `basis`; nothing is stored then.
    """
    locked = JourneyVersion.objects.select_for_update(of=["self"]).select_related("journey").get(pk=version.pk)
    if locked.is_draft:
        stored = basis_of(version_document(locked))
        check_basis(basis, stored)
    check_note(note)
    problems = document_problems(locked, document) if locked.is_draft else []
    if problems:
        raise ProblemsError(problems)
    save_draft(version=locked, document=document, note=note)
    return basis_of(version_document(locked))


def check_basis(basis: Any, stored: str) -> None:
    """Refuse to save over what somebody else has saved meanwhile. Raises ConflictError with what is stored now."""
    if basis is not None and basis != stored:
        raise ConflictError(
            _("Somebody else has saved this draft since you opened it."),
            code="changed_meanwhile",
            field="version",
            value=stored,
            remedy=_("Save again to put yours in the place of theirs, or reload the page to see theirs."),
        )


def check_note(note: Any) -> None:
    """Refuse a note that no version can hold. Raises ProblemsError."""
    limit = JourneyVersion._meta.get_field("note").max_length or 300
    if not isinstance(note, str) or len(note) > limit or "\x00" in note:
        problem = InvalidValueError(
            _("The note is too long or has characters that cannot be stored."),
            field="note",
            value=note,
            remedy=_("Shorten it to %(most)s characters."),
            params={"most": limit},
        )
        raise ProblemsError([problem])


def _whole(digits: str) -> int | float:
    """A whole number of a JSON text; one no column could hold becomes a float, which every check refuses in words."""
    return int(digits) if len(digits) <= 18 else float(digits)


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object somebody has posted. Raises JourneyError when it is none."""
    try:
        body = json.loads(request.body, parse_int=_whole)
        json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RequestDataTooBig:
        raise JourneyError(_("The rules are too large."), code="too_large", remedy=_("Remove some of them.")) from None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "document" not in body:
        raise JourneyError(
            _("This is not a document of rules."), code="bad_request", remedy=_("Reload the page and try again.")
        )
    return body


def answer_to_save(request: HttpRequest, version: Any, save: Callable[..., Any]) -> tuple[JsonResponse, bool]:
    """Store the posted document of a draft by `save`; the answer for the editor, and whether it was stored."""
    try:
        body = read_body(request)
        basis = save(
            version=version,
            document=body["document"],
            note=body.get("note", version.note),
            basis=body.get("basis"),
        )
    except ProblemsError as error:
        return JsonResponse({"problems": [problem.as_dict() for problem in error.problems]}, status=400), False
    except ConflictError as error:
        return JsonResponse({"problems": [error.as_dict()], "basis": error.value}, status=409), False
    except ProblemError as error:
        status = 409 if error.code == "published" else 400
        return JsonResponse({"problems": [error.as_dict()]}, status=status), False
    return JsonResponse({"saved": True, "basis": basis}), True


MOST_VALUES = 50


def field_values(key: str) -> list[str]:
    """The values a text or list field of the accounts has now, the most frequent first, to choose from."""
    field = account_fields().get(key)
    if field is None or field.type not in ("text", "list"):
        return []
    return cache.get_or_set(f"rule-values:{key}", lambda: _field_values(key), 60) or []


def _field_values(key: str) -> list[str]:
    if key == "products":
        found: set[str] = set()
        for products in Account.objects.exclude(products=[]).values_list("products", flat=True).distinct()[:2000]:
            found.update(products)
        return sorted(found)[:MOST_VALUES]
    lookup = {"team": "team__key"}.get(key, key)
    if key.startswith("custom."):
        lookup = f"custom__{key.removeprefix('custom.')}"
    rows = Account.objects.order_by().values_list(lookup).annotate(rows=Count("pk")).order_by("-rows", lookup)
    return [str(value) for value, _rows in rows[: MOST_VALUES + 1] if value not in (None, "")][:MOST_VALUES]
