"""Which accounts a report is limited to by a target account list: as it was, as it is, or a fixed cohort."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from segmentation.models import Account, TargetList
from segmentation.selectors.target_lists import find_list, members_at

LIST_MODES = ("was", "is", "cohort")


def checked_mode(mode: str, cohort_at: dt.datetime | None) -> None:
    """Raise JourneyError for a mode that is none, a cohort without a day, and a day the mode does not use."""
    if mode not in LIST_MODES:
        raise JourneyError(
            _("“%(value)s” is no way to read a list."),
            code="unknown_list_mode",
            field="list_mode",
            value=mode,
            remedy=_("Use was, is or cohort."),
        )
    if (mode == "cohort") != (cohort_at is not None):
        raise JourneyError(
            _("A cohort and its day go together."),
            code="cohort_day",
            field="cohort_at",
            value=cohort_at and cohort_at.isoformat(),
            remedy=_("Give list_mode cohort and cohort_at (--list-mode and --cohort-at) together, or neither."),
        )


@dataclass(frozen=True)
class ListScope:
    """A list that limits a report, and how it is read.

    mode: `was`, the accounts on the list at each instant counted; `is`, those on it now; `cohort`, those on it at
    `cohort_at`, whatever became of them.
    """

    target_list: TargetList
    mode: str = "was"
    cohort_at: dt.datetime | None = None

    def accounts(self, at: dt.datetime) -> QuerySet[Account]:
        """The accounts for what is counted at an instant."""
        now = timezone.now() if self.mode == "is" else at
        return members_at(self.target_list, self.cohort_at or now)


def list_scope(key: str | None, mode: str = "was", cohort_at: dt.datetime | None = None) -> ListScope | None:
    """The list a report is limited to, by its key; None without one.

    Raises:
        NotFoundError: there is no such list; names the nearest.
        JourneyError: see `checked_mode`; or a way to read a list is given without a list.
    """
    checked_mode(mode, cohort_at)
    if key:
        return ListScope(find_list(key), mode, cohort_at)
    if mode != "was":
        raise JourneyError(
            _("A way to read a list is given, but no list."),
            code="list_missing",
            field="list",
            value=mode,
            remedy=_("Name the list, or leave the way to read it out."),
        )
    return None
