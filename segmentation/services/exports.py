"""Files that name accounts or people: who took which along, and when."""

import getpass
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import models
from django.utils.translation import gettext as _t

# In whose name it is noted what somebody did at a command line. Nobody can sign in by it.
COMMAND_LINE = "manage.py"


def record_export(*, user: Any, of: models.Model, file: str, rows: int) -> None:
    """Note in the history of `of` that somebody took a file along, whatever else that person may do.

    Args:
        user: who is logged in. None: a command was run; then the note says under which name of the operating system,
            and stands in the name of a user that is inactive and made for that.
        of: what the file is of: a segment, a journey, a version of a profile.
        file: its name.
        rows: how many accounts or people it names.
    """
    text = _t("Exported: %(file)s, %(number)s rows.") % {"file": file, "number": rows}
    if user is None:
        user = _command_line()
        text += " " + _t("By a command that %(name)s ran on the server.") % {"name": _system_name()}
    LogEntry.objects.log_actions(user.pk, [of], CHANGE, change_message=text, single_object=True)


def _command_line() -> Any:
    users = get_user_model()
    given = {"is_active": False, "password": make_password(None)}
    return users._default_manager.get_or_create(**{users.USERNAME_FIELD: COMMAND_LINE}, defaults=given)[0]


def _system_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return "?"
