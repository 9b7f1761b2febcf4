"""Who did something: links from rows to users."""

from django.conf import settings
from django.db import models


def person(verbose_name, help_text="", *, editable=False):
    """A link to the user who did something; the row outlives them."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=editable,
        verbose_name=verbose_name,
        help_text=help_text,
        related_name="+",
    )
