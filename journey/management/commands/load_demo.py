"""Loads the demo data."""

import time
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from journey.demo.load import DemoLoad, DemoRequest, load_demo
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    """Makes an invented company's CRM and writes it into the database."""

    help = "Load demo data: the CRM of an invented company. Run again, it changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """How much, which, and how to say it."""
        parser.add_argument("--accounts", type=int, help=_("number of accounts, from 1 to 100,000 (2,000)"))
        parser.add_argument("--activities", type=int, help=_("number of activities, from 0 to 10,000,000 (150,000)"))
        parser.add_argument("--seed", type=int, help=_("start of the random numbers (7): the same seed, the same data"))
        parser.add_argument("--years", type=int, help=_("length of the history in years (2)"))
        parser.add_argument("--end-date", help=_("day at whose beginning, 00:00 UTC, the history ends (today)"))
        parser.add_argument("--json", action="store_true", help=_("print the summary as JSON and nothing else"))

    def run(self, **options: Any) -> None:
        """Load.

        Raises:
            CommandError: a day cannot be used.
            ProblemError: another value cannot be used, or other demo data is there.
        """
        began = time.monotonic()

        def said(step: str) -> None:
            if not options["json"] and options["verbosity"]:
                self.stdout.write(f"{time.monotonic() - began:7.1f} s  {step}")
                self.stdout.flush()

        request = DemoRequest(
            accounts=options["accounts"],
            activities=options["activities"],
            seed=options["seed"],
            years=options["years"],
            end_date=_day(options["end_date"]),
        )
        loaded = load_demo(request, today=datetime.now(UTC).date(), said=said)
        if options["json"]:
            self.print_json(loaded.as_dict())
        elif options["verbosity"]:
            self.stdout.write(summary(loaded))


def _day(text: str | date | None) -> date | None:
    if text is None or isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(_("end-date %(value)s is no day: write it as 2026-12-31.") % {"value": text}) from None


def summary(loaded: DemoLoad) -> str:
    """Return what is in the database now, as a table for the terminal."""
    names = {
        "accounts": _("Accounts"),
        "contacts": _("Contacts"),
        "opportunities": _("Opportunities"),
        "opportunity_changes": _("Changes of opportunities"),
        "customer_periods": _("Periods as a customer"),
        "disqualifications": _("Disqualifications"),
        "activities": _("Activities"),
        "list_memberships": _("States of accounts on target lists"),
        "disqualification_requests": _("Requests to disqualify"),
        "profile_answers": _("Answers to the checklist"),
    }
    until = loaded.parameters["end_date"]
    sentence = (
        _("Demo data loaded in %(seconds).1f s; its history ends on %(until)s.")
        if loaded.is_new
        else _("The demo data is there already, with a history that ends on %(until)s. Nothing was changed.")
    ) % {"seconds": loaded.seconds, "until": until}
    table = Table()
    table.add_column(_("What"))
    table.add_column(_("Rows"), justify="right")
    for key, name in names.items():
        table.add_row(name, f"{loaded.rows[key]:,}")
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return f"{sentence}\n{capture.get()}"
