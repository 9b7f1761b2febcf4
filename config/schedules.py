"""The work that is done regularly: one table, and what makes the database agree with it.

The admin may change how often something runs and switch it off; what runs is decided here alone, because a schedule
row can name any function of any module.
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django_q.models import Schedule

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A function without arguments that runs regularly.

    Attributes:
        name: what the admin shows; also what ties a row to its entry here.
        function: its dotted name.
        cadence: a type of ``django_q.models.Schedule``; minutes unless said otherwise.
        minutes: for the cadence of minutes.
    """

    name: str
    function: str
    cadence: str = Schedule.MINUTES
    minutes: int | None = None

    def cadence_fields(self) -> dict[str, Any]:
        """Return the fields that say when, as they are at first: the first run is now."""
        return {"schedule_type": self.cadence, "minutes": self.minutes, "cron": None, "next_run": timezone.now()}


PLANNED = (
    Planned(gettext_noop("Replay what is due"), "journey.tasks.replay_due", minutes=5),
    Planned(gettext_noop("Assess accounts"), "journey.tasks.assess_due", minutes=1),
    Planned(gettext_noop("Suggest what plays say"), "journey.tasks.plays_due", minutes=5),
    Planned(
        gettext_noop("Look for the accounts of intent signals"), "scoring.tasks.assign_signals_due", Schedule.DAILY
    ),
    Planned(gettext_noop("Take baselines of goals that start"), "journey.tasks.baselines_due", Schedule.DAILY),
    Planned(gettext_noop("Look for duplicate accounts"), "segmentation.tasks.duplicates_due", Schedule.DAILY),
    Planned(gettext_noop("Look for suggestions"), "journey.tasks.suggestions_due", Schedule.DAILY),
)


@dataclass(frozen=True)
class Synced:
    """What ``sync`` did, by name of the schedule."""

    made: list[str]
    mended: list[str]
    removed: list[str]
    skipped: list[str]


def sync(planned: tuple[Planned, ...] = PLANNED) -> Synced:
    """Make the schedules in the database agree with the table; cadence and on/off stay as the admin set them.

    Rows that the table does not know are removed. A function that cannot be imported is skipped with a warning, and
    a cadence that cannot be computed, which would stop all schedules, goes back to the table's.
    """
    result = Synced([], [], [], [])
    with transaction.atomic():
        rows = {row.name: row for row in Schedule.objects.select_for_update().order_by("-pk")}  # the oldest wins
        wanted: dict[str, int] = {}
        for entry in planned:
            try:
                import_string(entry.function)
            except ImportError as error:
                logger.warning(_("The schedule %s is skipped: %s."), entry.name, error)
                result.skipped.append(entry.name)
                continue
            wanted[entry.name] = _sync_one(entry, rows.get(entry.name), result)
        for row in Schedule.objects.exclude(pk__in=wanted.values()).exclude(name__in=result.skipped):
            logger.warning(_("The schedule %s (%s) is not in the project's table and is removed."), row.name, row.func)
            result.removed.append(row.name or row.func)
            row.delete()
    return result


def _sync_one(entry: Planned, row: Schedule | None, result: Synced) -> int:
    fixed = {"func": entry.function, "args": None, "kwargs": None, "hook": None, "cluster": None}
    if row is None:
        result.made.append(entry.name)
        pk: int = Schedule.objects.create(name=entry.name, **fixed, **entry.cadence_fields()).pk
        return pk
    wrong = {name: value for name, value in fixed.items() if getattr(row, name) != value}
    if not _is_computable(row):
        wrong |= entry.cadence_fields()
    if wrong:
        Schedule.objects.filter(pk=row.pk).update(**wrong)
        result.mended.append(entry.name)
    kept: int = row.pk
    return kept


def _is_computable(row: Schedule) -> bool:
    if row.schedule_type == Schedule.ONCE or row.next_run is None:
        return False
    try:
        row.calculate_next_run()
    except Exception:  # whatever it is, the scheduler would meet it too, and drop every other row with it
        return False
    return True
