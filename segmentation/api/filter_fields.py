"""Values of filters: form fields that refuse what they do not understand."""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from segmentation.errors import closest, shorten
from segmentation.selectors.access import visible_to

EARLIEST, LATEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
MOST_VALUES = 500  # of one filter with several values


class StrictField(forms.Field):
    """A field whose `to_python` sees what was given, and never nothing."""

    def clean(self, value: Any) -> Any:
        return None if value in (None, "") else super().clean(value)


class InstantField(StrictField):
    """A moment: ISO 8601; a day is its beginning, and without offset it is of the site's time zone."""

    def to_python(self, value: Any) -> Any:
        # A plus sign in an address that was not encoded arrives as a space.
        text = (
            re.sub(r" (\d\d:?\d\d)$", r"+\1", str(value))
            if re.search(r"[T ]\d\d:\d\d.* \d\d:?\d\d$", str(value))
            else value
        )
        try:
            moment = parse_datetime(text)
            if moment is not None and timezone.is_naive(moment):
                moment = timezone.make_aware(moment)
            usable = moment is not None and EARLIEST <= moment < LATEST
        except (ValueError, OverflowError):
            usable = False
        if not usable:
            raise ValidationError(
                _("This is no moment from 1990 to 2199. Write 2024-01-31 or 2024-01-31T09:30:00Z."), code="not_a_date"
            )
        return moment


class DayField(forms.DateField):
    """A date: ISO 8601."""

    def __init__(self, **kwargs: Any):
        super().__init__(input_formats=["%Y-%m-%d"], **kwargs)
        self.error_messages["invalid"] = _("This is no date. Write 2024-01-31.")


class YesNoField(StrictField):
    """true or false, and nothing else."""

    def to_python(self, value: Any) -> Any:
        known = {"true": True, "1": True, "false": False, "0": False}
        if str(value).lower() not in known:
            raise ValidationError(_("Write true or false."), code="not_yes_no")
        return known[str(value).lower()]


class WholeField(forms.IntegerField):
    """A whole number that a column of the database can hold."""

    def __init__(self, **kwargs: Any):
        super().__init__(min_value=-(2**63), max_value=2**63 - 1, **kwargs)


class NumberField(forms.DecimalField):
    """A decimal number."""

    def __init__(self, **kwargs: Any):
        super().__init__(min_value=Decimal("-1e20"), max_value=Decimal("1e20"), **kwargs)


class TextField(forms.CharField):
    """Text as it is: spaces count."""

    def __init__(self, **kwargs: Any):
        super().__init__(strip=False, max_length=1000, **kwargs)

    def to_python(self, value: Any) -> Any:
        text: str = super().to_python(value) or ""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError(_("The text holds half of a character."), code="invalid_text") from None
        return text


class OneOfField(StrictField):
    """One of a closed list."""

    def __init__(self, *, values: Iterable[Any], **kwargs: Any):
        self.values = {str(value): value for value in values}
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        if value not in self.values:
            raise _unknown(str(value), self.values)
        return self.values[value]


class KnownField(StrictField):
    """The name of a row of a short table, turned into its primary key, if `user` may see it."""

    user: Any = None

    def __init__(self, *, model: type[models.Model], key: str, **kwargs: Any):
        self.model, self.key = model, key
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        known = self.known(self.user)
        if value not in known:
            raise _unknown(str(value), known)
        return known[value]

    def known(self, user: Any) -> dict[Any, Any]:
        """Return the primary key of each name the user may see."""
        return dict(visible_to(self.model._default_manager.all(), user).values_list(self.key, "pk"))


class SeveralField(StrictField):
    """Several values with commas between them."""

    user: Any = None

    def __init__(self, *, one: forms.Field, **kwargs: Any):
        self.one = one
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        parts = str(value).split(",")
        if len(parts) > MOST_VALUES:
            raise ValidationError(_("At most %(limit)d values."), code="too_many", params={"limit": MOST_VALUES})
        if any(part == "" for part in parts):
            raise ValidationError(_("There is an empty value between the commas."), code="empty")
        known = _looked_up(self.one, parts, self.user)
        return known if known is not None else [self.one.clean(part) for part in parts]


def _looked_up(one: forms.Field, parts: list[str], user: Any) -> list[Any] | None:
    """Look the names of a short table up once for all of them."""
    if not isinstance(one, KnownField):
        return None
    known = one.known(user)
    for part in parts:
        if part not in known:
            raise _unknown(part, known)
    return [known[part] for part in parts]


def _unknown(value: str, known: Iterable[str]) -> ValidationError:
    names = [str(name) for name in known]
    guess = closest(value, names)
    text = (
        _("“%(value)s” is not known. Did you mean “%(guess)s”?")
        if guess
        else _("“%(value)s” is not known. Use one of: %(known)s.")
    )
    listed = ", ".join(names[:30]) + (" …" if len(names) > 30 else "")
    return ValidationError(
        text, code="unknown", params={"value": shorten(value), "guess": guess, "known": listed or "–"}
    )
