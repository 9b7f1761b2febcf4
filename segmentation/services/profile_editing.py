"""Editing ideal customer profiles as whole documents: the texts of a profile, the items of a draft."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError
from segmentation.models import IcpItem, IcpProfile, IcpVersion
from segmentation.services.profiles import item_problems

MOST_ITEMS = 200


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
        ConflictError: the version is published.
        InvalidValueError: an item cannot be used; the field says which one, as `items.2.weight`. Nothing is stored.
        RuleError: an item's rule cannot be used; likewise.
    """
    version = _locked_draft(version)
    if items is not None:
        rows = _checked_items(version, items)
        version.items.all().delete()
        IcpItem.objects.bulk_create(rows)
    if note is not None:
        version.note = note
        version.save(update_fields=["note"])
    return version


@transaction.atomic
def discard_profile_draft(*, version: IcpVersion) -> None:
    """Remove a draft. Raises ConflictError for a published version, which is kept."""
    _locked_draft(version).delete()


def _locked_draft(version: IcpVersion) -> IcpVersion:
    found = IcpVersion.objects.select_for_update(of=("self",)).select_related("profile").get(pk=version.pk)
    if not found.is_draft:
        raise ConflictError(
            _("%(value)s is published and never changes."),
            code="published",
            field="version",
            value=str(found),
            remedy=_("Make a draft of it and change that."),
        )
    return found


def _checked_items(version: IcpVersion, items: Sequence[Mapping[str, Any]]) -> list[IcpItem]:
    if len(items) > MOST_ITEMS:
        raise InvalidValueError(
            _("A checklist with %(value)s items is too long."),
            code="too_many_items",
            field="items",
            value=len(items),
            remedy=_("Use at most %(most)d: what nobody answers says nothing."),
            params={"most": MOST_ITEMS},
        )
    rows: list[IcpItem] = []
    for place, values in enumerate(items):
        where = f"items.{place}"
        row = IcpItem(version=version, order=place, **values)
        if row.kind != IcpItem.Kind.RULE and row.rule in ({}, "", []):
            row.rule = None
        try:
            row.clean_fields(exclude={"version"})
        except ValidationError as error:
            raise _first(error, f"{where}.") from None
        for problem in item_problems(row.kind, row.rule):
            problem.field = f"{where}.{problem.field}"
            raise problem
        if any(row.key == other.key for other in rows):
            raise InvalidValueError(
                _("Two items have the key “%(value)s”."),
                code="key_taken",
                field=f"{where}.key",
                value=row.key,
                remedy=_("Give each item a key of its own: answers belong to it."),
            )
        rows.append(row)
    return rows


def _first(error: ValidationError, prefix: str) -> InvalidValueError:
    field, texts = next(iter(error.message_dict.items()))
    return InvalidValueError("%(text)s", field=f"{prefix}{field}", params={"text": texts[0]})
