"""Which accounts a report is limited to by a target account list."""

import datetime as dt

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from segmentation.models import Account, TargetList
from segmentation.selectors.target_lists import members_at

LIST_MODES = ("was", "is", "cohort")


def checked_cohort(mode: str, cohort_at: dt.datetime | None) -> None:
    """Raise JourneyError when a cohort has no day, or a day is given that the mode does not use."""
    if (mode == "cohort") != (cohort_at is not None):
        raise JourneyError(
            _("A cohort and its day go together."),
            code="cohort_day",
            field="cohort-at",
            value=cohort_at and cohort_at.isoformat(),
            remedy=_("Give --list-mode cohort with --cohort-at, or neither."),
        )


def listed_accounts(
    target_list: TargetList, mode: str, at: dt.datetime, cohort_at: dt.datetime | None = None
) -> QuerySet[Account]:
    """The accounts of a list for what is counted at `at`.

    mode: `was`, on the list at that instant; `is`, on it now; `cohort`, on it at `cohort_at`, whatever became of them.
    Raises JourneyError when the cohort has no day, or a day is given that the mode does not use.
    """
    checked_cohort(mode, cohort_at)
    return members_at(target_list, cohort_at or (timezone.now() if mode == "is" else at))
