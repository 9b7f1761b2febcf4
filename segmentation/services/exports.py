"""Files that name accounts or people: who took which along, and when."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import models
from django.utils.translation import gettext as _t


def record_export(*, user: Any, of: models.Model, file: str, rows: int) -> None:
    """Note in the history of `of` that a user took a file along, whatever else that user may do.

    Args:
        user: who is logged in; commands have nobody and note nothing.
        of: what the file is of: a segment, a journey, a version of a profile.
        file: its name.
        rows: how many accounts or people it names.
    """
    text = _t("Exported: %(file)s, %(number)s rows.") % {"file": file, "number": rows}
    LogEntry.objects.log_actions(user.pk, [of], CHANGE, change_message=text, single_object=True)
