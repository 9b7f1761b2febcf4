import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from config import cluster, schedules, tables


class Command(BaseCommand):
    """Works in the background, until Ctrl-C or once."""

    help = "Do the work that waits in the background, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Two ways to run, and one that is only for the command itself."""
        parser.add_argument("--once", action="store_true", help=_("do what is due now and end (for cron)"))
        parser.add_argument("--grace", type=float, default=10.0, help=_("seconds that running work gets at the end"))
        parser.add_argument("--cluster", action="store_true", help=_("used by the command itself"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do so.

        Raises:
            CommandError: the database is behind the code; with ``--once``, when a task failed.
        """
        if options["cluster"]:
            cluster.run_cluster()
        elif problem := tables.behind():
            raise CommandError(problem)
        elif options["once"]:
            self.run_once()
        else:
            self.run_on(options["grace"])

    def run_once(self) -> None:
        """Run what is due in this process."""
        done = cluster.run_due()
        self.stdout.write(_("%(ran)d done, %(failed)d failed.") % {"ran": done.ran, "failed": len(done.failed)})
        if done.failed:
            raise CommandError("\n".join(done.failed))

    def run_on(self, grace: float) -> None:
        """Keep a cluster running."""
        schedules.sync()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        supervisor = cluster.Supervisor()
        self.stdout.write(_("Working in the background. Ctrl-C ends it."))
        try:
            while True:
                supervisor.watch()
                time.sleep(1)
        except KeyboardInterrupt:
            self.stdout.write(_("Stopping ..."))
        finally:
            supervisor.stop(seconds=grace)
