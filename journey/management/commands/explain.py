"""Why an account is in its stage, and what is missing for the next one."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.instants import parse_instant
from journey.selectors.explanations import explain
from journey.selectors.journeys import find_entity, find_journey
from journey.selectors.versions import published_version, shown_version
from segmentation.management.base import ProductCommand


class Command(ProductCommand):
    help = "Why an account is in its stage: since when, by which figures, and what is missing for the next stage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "account",
            metavar="ACCOUNT",
            help="external id, domain, name or primary key; where several fit, id:EXTERNAL_ID or #PRIMARY_KEY",
        )
        parser.add_argument("--journey", metavar="KEY", help="the journey (default: the first one)")
        parser.add_argument("--at", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        journey = find_journey(options["journey"])
        version = shown_version(journey) or published_version(journey)
        if version is None:
            raise JourneyError(
                _("No version of the journey “%(value)s” is published."),
                code="not_published",
                field="journey",
                value=journey.key,
                remedy=_("Publish its draft in the admin."),
            )
        entity = find_entity(journey.unit, options["account"])
        result = explain(entity, version, parse_instant(options["at"], "--at"))
        if options["json"]:
            self.print_json(result)
        else:
            self.stdout.write(result["text"])
