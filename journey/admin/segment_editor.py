"""The segment editor's data: what its page begins with, what changed rules come to, and saving them."""

import time
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from journey.admin.rules_editor import ProblemsError, check_note, rule_words
from journey.admin.rules_schema import editor_schema, shared_words
from journey.selectors.segments import segment_preview
from segmentation.engine.memberships import PARTS
from segmentation.errors import InvalidValueError, ProblemError
from segmentation.models import Segment
from segmentation.selectors.segments import find_segment, segment_tree, version_in_force
from segmentation.services.segments import (
    DETAILS,
    change_details,
    clean_document,
    create_segment,
    detail_problems,
    key_problems,
    save_rules,
    segment_problems,
)
from segmentation.services.users import Actor

SHOWN_DETAILS = ("name", "description", "purpose", "active", "review_days")
PART_COLOURS = {"base": "#6366f1", "fit": "#14b8a6", "trigger": "#f97316"}


def editor_state(segment: Segment | None, *, parent: str = "", purpose: str = "", editable: bool) -> dict[str, Any]:
    """Everything the page of a segment, or of a new one, needs to draw its rules."""
    version = version_in_force(segment) if segment else None
    rules = version.rules if version else {}
    made_for = purpose or Segment.Purpose.SEGMENT  # health counts segments only
    row = segment or Segment(purpose=made_for, active=made_for == Segment.Purpose.SEGMENT)
    details = {name: getattr(row, name) for name in SHOWN_DETAILS}
    return {
        "editable": editable,
        "document": {
            "details": {
                **details,
                "name": str(segment) if segment else "",
                "key": row.key,
                "parent": version.parent if version else parent,
            },
            "rules": rules,
        },
        "note": "",
        "basis": str(version.number) if version else "",
        "schema": {**editor_schema(), "parts": _parts(), "parents": _parents(segment), "is_new": segment is None},
        "words": editor_words(),
        "names": {},
        "sentences": _sentences(rules),
        "problems": [p.as_dict() for p in segment_problems(row.key, version.parent, rules)] if version else [],
    }


def _parts() -> list[dict[str, str]]:
    texts = {
        "base": (_("Base"), _("who they are: industry, size, region, relationship, products …")),
        "fit": (_("Fit"), _("how well they suit you: the profile, needs they have shown")),
        "trigger": (_("Trigger"), _("what they do now: visits, engaged buyers, stages")),
    }
    return [
        {"part": part, "label": texts[part][0], "help": texts[part][1], "chip": PART_COLOURS[part]} for part in PARTS
    ]


def _parents(segment: Segment | None) -> list[list[str]]:
    """Segments another may be part of: all but itself and what is below it."""
    found = [["", _("none: it stands by itself")]]
    skip: int | None = None
    for node in segment_tree():
        if skip is not None and node.depth > skip:
            continue
        skip = node.depth if segment and node.segment.pk == segment.pk else None
        if skip is None:
            found.append([node.segment.key, "\u2003" * node.depth + str(node.segment)])
    return found


def _sentences(rules: Any) -> dict[str, Any]:
    """The criteria of every part in words."""
    if not isinstance(rules, Mapping):
        return {}
    return {part: rule_words(rule) for part, rule in rules.items() if isinstance(rule, Mapping)}


def _read(document: Any) -> tuple[dict[str, Any], Any]:
    """The details and the rules of a document. Raises InvalidValueError for something else."""
    details = document.get("details") if isinstance(document, Mapping) else None
    if not isinstance(details, Mapping) or not isinstance(details.get("parent", ""), str):
        raise InvalidValueError(
            _("This is not a segment."), code="bad_request", remedy=_("Reload the page and try again.")
        )
    return dict(details), document.get("rules") or {}


def document_problems(segment: Segment | None, document: Any) -> list[ProblemError]:
    """Everything that keeps a document from being saved, each with its place."""
    details, rules = _read(document)
    problems = [] if segment else key_problems(details.get("key"))
    given = {name: details[name] for name in DETAILS if name in details}
    problems += detail_problems(given)
    return [*problems, *segment_problems(segment.key if segment else "", details.get("parent", ""), rules)]


def preview_of(segment: Segment | None, document: Any, user: Any) -> dict[str, Any]:
    """What a document comes to: its problems, its criteria in words, and the counts when its rules can be used."""
    begin = time.perf_counter()
    counts = None
    try:
        problems = document_problems(segment, document)
        details, rules = _read(document)
        in_rules = [problem for problem in problems if problem.field.split(".")[0] in (*PARTS, "rules", "parent")]
        if not in_rules:
            key = segment.key if segment else ""
            counts = segment_preview(key, details.get("parent", ""), clean_document(rules), user)
    except ProblemError as error:
        problems, rules = [error], {}
    return {
        "problems": [problem.as_dict() for problem in problems],
        "sentences": _sentences(rules),
        "counts": counts,
        "seconds": round(time.perf_counter() - begin, 2),
    }


@transaction.atomic
def save_document(*, segment: Segment | None, document: Any, note: Any, basis: Any, user: Actor) -> Segment:
    """Put a document in force, as a new segment or a new version of one.

    Raises ProblemsError with everything that is wrong, or a ConflictError when the version in force is no longer the
    one of `basis`; nothing is stored then.
    """
    check_note(note)
    problems = document_problems(segment, document)
    if problems:
        raise ProblemsError(problems)
    details, rules = _read(document)
    given = {name: details[name] for name in DETAILS if name in details}
    parent = details.get("parent", "")
    if segment is None:
        create_segment(key=details["key"], rules=rules, parent=parent, note=note, user=user, **given)
        return find_segment(details["key"])
    if given.get("name") == str(segment):
        del given["name"]  # a ready-made name is stored as it came, and shown translated
    expected = int(basis) if isinstance(basis, str) and basis.isdigit() and len(basis) < 9 else None
    save_rules(segment=segment, rules=rules, parent=parent, note=note, user=user, expected=expected)
    return change_details(segment=segment, **given)


def editor_words() -> dict[str, str]:
    """Every text the editor of a segment shows. Places are %(name)s."""
    return {
        **shared_words("account"),
        "account": _("account"),
        "name": _("Name"),
        "key_help": _("Rules, commands and the API use it; it never changes."),
        "parent": _("Part of"),
        "parent_help": _("Members must be members of that segment too."),
        "description": _("Description"),
        "active": _("active"),
        "active_help": _("It counts in the health checks. Membership is kept either way."),
        "campaigns": _("Campaigns address it now"),
        "review_days": _("Review every so many days"),
        "review_days_help": _("When it was not reviewed for so long, it is shown as due."),
        "part_empty": _("No criterion: this part asks for nothing."),
        "match_now": _("match now"),
        "of_parent": _("of %(n)s in the segment above"),
        "gained_lost": _("%(gained)s come in, %(lost)s leave"),
        "coming": _("Come in: %(n)s, among them"),
        "leaving": _("Leave: %(n)s, among them"),
        "published_is": _("in force %(n)s"),
        "not_built": _("Not saved yet, or still being worked out."),
        "some_of_them": _("Some of them"),
        "all_of_them": _("All of them"),
        "forbidden": _("You may not change this segment."),
        "gone_version": _("This segment does not exist any more."),
    }
