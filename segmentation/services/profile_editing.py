"""Editing ideal customer profiles as whole documents: the texts of a profile, the items of a draft."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from segmentation.engine.params import is_storable
from segmentation.errors import InvalidValueError, ProblemError
from segmentation.models import IcpItem, IcpProfile, IcpVersion
from segmentation.models.icp import MOST_WEIGHT
from segmentation.selectors.profiles import ITEM_DEFAULTS, items_of
from segmentation.services.profiles import item_problems, refuse_published
from segmentation.services.versions import locked_version

MOST_ITEMS = 200
_KEY = re.compile(r"[-a-zA-Z0-9_]{1,60}")


@transaction.atomic
def update_profile(*, profile: IcpProfile, values: Mapping[str, Any]) -> IcpProfile:
    """Change the name or description of a profile. Raises InvalidValueError naming the field."""
    for name, value in values.items():
        setattr(profile, name, value)
    try:
        profile.full_clean()
    except ValidationError as error:
        raise _first(error, "") from None
    profile.save()
    return profile


@transaction.atomic
def save_profile_draft(
    *, version: IcpVersion, items: Sequence[Mapping[str, Any]] | None = None, note: str | None = None
) -> IcpVersion:
    """Replace the items of a draft, its note, or both. An item that keeps its key keeps its answers.

    Args:
        version: a draft.
        items: each with its columns (section, key, text, kind, rule, weight, knock_out, unknown, help), in their order.
        note: what changed and why.

    Raises:
        ConflictError: the version is published, or was discarded meanwhile.
        ProblemError: the first of `checklist_problems`; nothing is stored.
    """
    version = locked_version(version, "profile")
    refuse_published(version)
    if items is not None:
        problems = checklist_problems({"items": items})
        if problems:
            raise problems[0]
        version.items.all().delete()
        IcpItem.objects.bulk_create(items_of(version, {"items": items}))
    if note is not None:
        version.note = note
        version.save(update_fields=["note"])
    return version


@transaction.atomic
def discard_profile_draft(*, version: IcpVersion) -> None:
    """Remove a draft; answers stay. Raises ConflictError for a published version, which is kept, and for one gone."""
    found = locked_version(version, "profile")
    refuse_published(found)
    found.delete()


def checklist_problems(document: Any) -> list[ProblemError]:
    """Everything that keeps a document from being a checklist, each with its path, such as `items.3.weight`.

    A checklist without items can be saved; publishing it is refused.
    """
    rows = document.get("items") if isinstance(document, Mapping) else None
    if not isinstance(rows, list | tuple):
        return [
            InvalidValueError(
                _("The checklist is not a list of items."),
                code="wrong_type",
                field="items",
                remedy=_('Write {"items": […]}.'),
            )
        ]
    problems: list[ProblemError] = []
    if len(rows) > MOST_ITEMS:
        problems.append(
            InvalidValueError(
                _("%(value)s items are too many."),
                code="too_many_items",
                field="items",
                value=len(rows),
                remedy=_("Keep to %(most)s."),
                params={"most": MOST_ITEMS},
            )
        )
    seen: set[str] = set()
    for i, row in enumerate(rows[:MOST_ITEMS]):
        for problem in _row_problems(row, seen):
            problem.field = f"items.{i}.{problem.field}" if problem.field else f"items.{i}"
            problems.append(problem)
    return problems


def _row_problems(row: Any, seen: set[str]) -> Iterator[ProblemError]:
    """What is wrong with one item of a document; its key is added to those seen."""
    if not isinstance(row, Mapping):
        yield InvalidValueError(
            _("An item is not an object."), code="wrong_type", remedy=_('Write {"key": …, "text": …}.')
        )
        return
    for name in set(row) - set(ITEM_DEFAULTS):
        yield InvalidValueError(
            _("There is no “%(field)s” here."),
            code="unknown_key",
            field=str(name),
            remedy=_("An item has: %(known)s."),
            params={"known": ", ".join(ITEM_DEFAULTS)},
        )
    item = {**ITEM_DEFAULTS, **row}
    yield from _key_problems(item["key"], seen)
    yield from _text_problems(item, "text")
    yield from _text_problems(item, "help")
    if isinstance(item["text"], str) and not item["text"].strip():
        yield InvalidValueError(
            _("The item says nothing."),
            code="empty",
            field="text",
            remedy=_("Write what is true of an account that fits."),
        )
    for name, choices in (("section", IcpItem.Section), ("kind", IcpItem.Kind), ("unknown", IcpItem.Unknown)):
        if item[name] not in choices.values:
            yield InvalidValueError(
                _("“%(value)s” cannot be chosen here."),
                code="unknown_choice",
                field=name,
                value=item[name],
                remedy=_("Choose one of: %(known)s."),
                params={"known": ", ".join(choices.values)},
            )
    weight = item["weight"]
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= MOST_WEIGHT:
        yield InvalidValueError(
            _("“%(value)s” is no weight."),
            code="bad_weight",
            field="weight",
            value=weight,
            remedy=_("Enter a whole number from 0 to %(most)s."),
            params={"most": MOST_WEIGHT},
        )
    if not isinstance(item["knock_out"], bool):
        yield InvalidValueError(
            _("“%(value)s” is neither yes nor no."),
            code="wrong_type",
            field="knock_out",
            value=item["knock_out"],
            remedy=_("Write true or false."),
        )
    if item["kind"] in IcpItem.Kind.values:
        yield from item_problems(item["kind"], item["rule"])


def _key_problems(key: Any, seen: set[str]) -> Iterator[ProblemError]:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        yield InvalidValueError(
            _("“%(value)s” cannot be the key of an item."),
            code="bad_key",
            field="key",
            value=key,
            remedy=_("Use up to 60 Latin letters, digits and hyphens."),
        )
        return
    if key in seen:
        yield InvalidValueError(
            _("Two items have the key “%(value)s”."),
            code="key_taken",
            field="key",
            value=key,
            remedy=_("Give each item a key of its own: answers belong to it."),
        )
    seen.add(key)


def _text_problems(item: Mapping[str, Any], name: str) -> Iterator[ProblemError]:
    value = item[name]
    most: int = IcpItem._meta.get_field(name).max_length  # type: ignore[assignment,union-attr]
    if not isinstance(value, str) or not is_storable(value):
        yield InvalidValueError(
            _("“%(value)s” is no text that can be stored."),
            code="wrong_type",
            field=name,
            value=value,
            remedy=_("Enter a text."),
        )
    elif len(value) > most:
        yield InvalidValueError(
            _("The text has %(length)d characters."),
            code="too_long",
            field=name,
            value=value,
            remedy=_("Shorten it to %(most)d."),
            params={"length": len(value), "most": most},
        )


def _first(error: ValidationError, prefix: str) -> InvalidValueError:
    field, texts = next(iter(error.message_dict.items()))
    return InvalidValueError("%(text)s", field=f"{prefix}{field}", params={"text": texts[0]})
