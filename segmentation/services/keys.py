"""Keys by which rules, commands and the API name settings; they are given once and do not change."""

from typing import Any

from django.db.models import Model
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ConflictError, InvalidValueError, ProblemError

LONGEST = 60


def new_key_problem(model: type[Model], key: Any) -> ProblemError | None:
    """Return what keeps a key from being that of a new row: its form, or another row that has it."""
    what = model._meta.verbose_name
    if not isinstance(key, str) or not key or slugify(key) != key or len(key) > LONGEST:
        return InvalidValueError(
            _("“%(value)s” cannot be the key of a new %(what)s."),
            code="bad_key",
            field="key",
            value=key,
            remedy=_("Use up to 60 small letters, digits and hyphens."),
            params={"what": what},
        )
    if model._default_manager.filter(key=key).exists():
        return ConflictError(
            _("There is another %(what)s with the key “%(value)s”."),
            code="key_taken",
            field="key",
            value=key,
            remedy=_("Choose another key."),
            params={"what": what},
        )
    return None


def refuse_new_key(model: type[Model], key: Any) -> None:
    """Raise InvalidValueError or ConflictError for a key that a new row cannot have."""
    problem = new_key_problem(model, key)
    if problem:
        raise problem
