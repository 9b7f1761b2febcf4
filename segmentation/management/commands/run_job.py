"""Run one queued job in this process; the background worker starts it for each job."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from segmentation.services.jobs import run_job


class Command(BaseCommand):
    help = "Run one queued job in this process."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job_id", type=int, metavar="ID", help="primary key of the job")

    def handle(self, *_args: Any, **options: Any) -> None:
        job = run_job(options["job_id"])
        if job is None:
            self.stdout.write(_("Job %(id)s is taken, finished or out of attempts.") % {"id": options["job_id"]})
        else:
            self.stdout.write(f"{job.title}: {job.get_state_display()} {job.error}".rstrip())
