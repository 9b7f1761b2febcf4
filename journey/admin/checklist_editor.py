"""The checklist editor's data: what its page begins with, what a changed checklist comes to, and saving it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from journey.admin.rules_editor import (
    ProblemsError,
    check_basis,
    check_note,
    fingerprint,
    rows_of,
    rule_words,
)
from journey.admin.rules_schema import editor_schema, shared_words, translated
from journey.selectors.profile_comparisons import preview_checklist
from segmentation.engine.params import one_look
from segmentation.errors import ProblemError
from segmentation.models import IcpItem, IcpVersion
from segmentation.selectors.profiles import profile_document
from segmentation.services.profile_editing import checklist_problems, save_profile_draft


def checklist_state(version: IcpVersion, *, editable: bool) -> dict[str, Any]:
    """Everything the page of a checklist needs to draw its items."""
    with one_look():
        return _checklist_state(version, editable)


def _checklist_state(version: IcpVersion, editable: bool) -> dict[str, Any]:
    document = profile_document(version)
    return {
        "editable": editable,
        "document": document,
        "note": version.note,
        "basis": fingerprint(document),
        "schema": {**editor_schema(), **_choices()},
        "words": checklist_words(),
        "names": dict(_names(document)),
        "sentences": checklist_sentences(document),
        "problems": [problem.as_dict() for problem in checklist_problems(document)],
    }


def _choices() -> dict[str, Any]:
    return {
        "sections": [[value, str(label)] for value, label in IcpItem.Section.choices],
        "answered_by": [[value, str(label)] for value, label in IcpItem.Kind.choices],
        "unknown": [[value, str(label)] for value, label in IcpItem.Unknown.choices],
        "kind_names": {
            IcpItem.Kind.RULE.value: _("rule"),
            IcpItem.Kind.YES_NO.value: _("yes or no"),
            IcpItem.Kind.SCALE.value: _("scale"),
        },
        "asked": {
            IcpItem.Kind.YES_NO.value: _(
                "People answer yes or no, on the page of an account's fit or for many accounts in their list."
            ),
            IcpItem.Kind.SCALE.value: _("People answer from 1, not at all, to 5, fully. 4 counts three quarters."),
        },
    }


def _names(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts that are shown translated but stored as they are, until somebody changes them."""
    for item in document["items"]:
        for text in (item["text"], item["help"], (item["rule"] or {}).get("name", "")):
            if text and translated(text) != text:
                yield text, translated(text)


def checklist_sentences(document: Any) -> list[Any]:
    """The criteria of every item's rule in words, None for items that people answer."""
    return [
        rule_words(item["rule"]) if isinstance(item, Mapping) and isinstance(item.get("rule"), Mapping) else None
        for item in rows_of(document, "items")
    ]


def checklist_preview(version: IcpVersion, document: Any) -> dict[str, Any]:
    """What a checklist comes to: its problems, its rules in words, and the counts when nothing is wrong."""
    counts, problems = None, checklist_problems(document)
    begin = time.perf_counter()
    if not problems:
        try:
            counts = preview_checklist(document, version)
        except ProblemError as error:
            problems = [error]
    return {
        "problems": [problem.as_dict() for problem in problems],
        "sentences": checklist_sentences(document),
        "counts": counts,
        "seconds": round(time.perf_counter() - begin, 2),
    }


@transaction.atomic
def save_checklist(*, version: IcpVersion, document: Any, note: Any, basis: Any) -> str:
    """Save a draft and return its new basis.

    Raises ProblemsError with everything that is wrong, or a ConflictError when the draft is no longer the one of
    `basis`, or published; nothing is stored then.
    """
    locked = IcpVersion.objects.select_for_update(of=["self"]).select_related("profile").get(pk=version.pk)
    if locked.is_draft:
        check_basis(basis, fingerprint(profile_document(locked)))
        check_note(note)
        problems = checklist_problems(document)
        if problems:
            raise ProblemsError(problems)
    save_profile_draft(version=locked, items=document["items"] if locked.is_draft else [], note=note)
    return fingerprint(profile_document(locked))


def checklist_words() -> dict[str, str]:
    """Every text the editor of a checklist shows. Places are %(name)s."""
    return {
        **shared_words("account"),
        "open": _("Open"),
        "close": _("Close"),
        "statement": _("Statement"),
        "statement_help": _("True of an account that fits: “It works in one of our industries”."),
        "answered_by": _("Answered by"),
        "section": _("Section"),
        "weight": _("Weight"),
        "weight_help": _("How much it counts beside the others. 0: shown, not counted."),
        "weight_is": _("weight %(weight)s"),
        "not_counted": _("not counted"),
        "unknown_counts": _("Without an answer it"),
        "unknown_counts_help": _("The coverage counts it as not known in any case."),
        "knock_out": _("knock-out"),
        "knock_out_ask": _("Who fails it"),
        "knock_out_help": _("An account that fails a knock-out has a fit of 0, whatever else holds."),
        "help": _("Help"),
        "help_help": _("Shown to whoever answers."),
        "item_key_help": _("Answers belong to it: an item that keeps its key in the next version keeps its answers."),
        "duplicate_item": _("Copy this item"),
        "remove_item": _("Remove this item"),
        "remove_item_ask": _("Remove the item “%(name)s”? What people answered is kept."),
        "no_items": _(
            "This draft has no items yet: add one below. Rules are answered by the system, the rest by people."
        ),
        "nothing_set": _("This version has no items."),
        "match_now": _("match now"),
        "answered_so": _("yes"),
        "unanswered": _("%(n)s not answered"),
        "unanswered_help": _("Nobody has answered it for these accounts."),
        "no_grade": _("no grade"),
        "mean_fit": _("mean fit %(fit)s"),
        "no_verdict": _("no verdict: nothing is known of any account"),
        "mean_coverage": _("known on average: %(coverage)s per cent of the weight"),
        "no_published_grades": _("Nothing was assessed yet, so there is nothing to compare with."),
        "forbidden": _("You may not change this checklist."),
        "gone_version": _("This draft does not exist any more: somebody has discarded it."),
    }
