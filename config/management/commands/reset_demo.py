from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils.translation import gettext as _

from config import demo
from config.management.commands.demo import add_size_arguments


class Command(BaseCommand):
    """Throws the database's contents away and fills it with demo data again."""

    help = "Drop everything in the database and load the demo data anew."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """How much data, and whether to ask."""
        add_size_arguments(parser)
        parser.add_argument("--yes", action="store_true", help=_("do not ask"))
        parser.add_argument("--force", action="store_true", help=_("also when DATABASE_URL is set"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do so.

        Raises:
            CommandError: refused, or somebody still uses the database.
        """
        if settings.DATABASE_URL and not options["force"]:
            raise CommandError(
                _("DATABASE_URL is set, so this may be no demo: add --force to drop everything in that database.")
            )
        if not options["yes"] and not self.is_confirmed():
            raise CommandError(_("Nothing was changed. Add --yes to go on without being asked."))
        try:
            demo.clear()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != "55P03":  # lock_not_available
                raise
            raise CommandError(
                _("The database is in use: end demo, serve and jobs first. Nothing was changed.")
            ) from error
        demo.fill(demo.Steps(self.stdout, total=8), accounts=options["accounts"], activities=options["activities"])
        demo.ensure_login()

    def is_confirmed(self) -> bool:
        """Return whether the person at the terminal wants it."""
        try:
            answer = input(_("Everything in the database is deleted. Type yes to go on: "))
        except EOFError:
            return False
        return answer.strip().lower() == "yes"
