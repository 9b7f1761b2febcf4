"""Columns that somebody gives: what the model refuses is refused in words, with field and value."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError

Row = TypeVar("Row", bound=Model)


def refuse_bad_fields(row: Model, values: Mapping[str, Any], *, exclude: Iterable[str] = ()) -> None:
    """Raise InvalidValueError naming the first of the values that a field of the row cannot hold."""
    try:
        row.clean_fields(exclude=list(exclude))
    except ValidationError as error:
        name, texts = next(iter(error.message_dict.items()))
        raise InvalidValueError(
            _("“%(value)s” cannot be used here."),
            code="invalid",
            field=name,
            value=values.get(name),
            remedy=" ".join(texts),
        ) from None


def refuse_bad_row(row: Model, values: Mapping[str, Any]) -> None:
    """Raise InvalidValueError naming the first column that is wrong, by itself, with others or in the table."""
    try:
        row.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        field = "" if field == "__all__" else field
        raise InvalidValueError("%(text)s", field=field, value=values.get(field), params={"text": texts[0]}) from None


def store_row(row: Row, values: Mapping[str, Any]) -> Row:
    """Set columns and save, if the row is good. Raises InvalidValueError naming the first column that is wrong."""
    for name, value in values.items():
        setattr(row, name, value)
    refuse_bad_row(row, values)
    row.save()
    return row


def checked_note(model: type[Model], note: str) -> str:
    """The note in one line, as a row of the model keeps it. Raises InvalidValueError when it is too long."""
    note = " ".join(note.split())
    most: int = model._meta.get_field("note").max_length  # type: ignore[assignment,union-attr]
    if len(note) > most or "\x00" in note:
        raise InvalidValueError(
            _("The note “%(value)s” has %(length)d characters, or one that cannot be stored."),
            code="note_too_long",
            field="note",
            value=note,
            remedy=_("Shorten it to %(most)d."),
            params={"length": len(note), "most": most},
        )
    return note
