from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from config import schedules


class Command(BaseCommand):
    """Makes the schedules in the database agree with the project's table."""

    help = "Write the project's schedules into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each schedule that changed."""
        synced = schedules.sync()
        for label, names in (
            (_("made"), synced.made),
            (_("mended"), synced.mended),
            (_("removed"), synced.removed),
            (_("skipped"), synced.skipped),
        ):
            for name in names:
                self.stdout.write(f"{label}: {name}")
