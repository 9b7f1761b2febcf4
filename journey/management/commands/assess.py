"""How well accounts fit the ideal customer profile, and why."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journey.selectors.assessments import STATES, fit_now, state_name
from journey.selectors.journeys import find_entity
from journey.services.assessments import Assessed, assess
from segmentation.management.base import ProductCommand
from segmentation.selectors.profiles import find_profile


class Command(ProductCommand):
    help = "Assess accounts by the ideal customer profile: fit, grade, how much is known, and the reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--profile", metavar="KEY", help="the profile (default: every one that is published)")
        parser.add_argument(
            "--account", metavar="ID", help="one account by external id, domain, name or primary key, with its reasons"
        )
        parser.add_argument(
            "--full", action="store_true", help="look at every account, not only where something may have changed"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        profile = find_profile(options["profile"]) if options["profile"] else None
        if options["account"] is None:
            results = assess(profile=profile, full=options["full"])
            found: list[Any] = [result.as_dict() for result in results]
            text = "\n".join(_summary(result) for result in results) or _("No profile is published.")
        else:
            account = find_entity("account", options["account"])
            at = timezone.now()
            assess(profile=profile, account_ids=[account.pk])
            found = [details for version, details in fit_now(account, at) if profile in (None, version.profile)]
            text = "\n\n".join(_reasons(details) for details in found) or _("No profile is published.")
        if options["json"]:
            self.print_json(found)
        else:
            self.stdout.write(text)


def _summary(result: Assessed) -> str:
    number = ngettext("%(number)s account", "%(number)s accounts", result.accounts) % {"number": result.accounts}
    grades = ", ".join(
        f"{_('no grade') if grade == 'none' else grade} {count}" for grade, count in result.grades.items()
    )
    return _("%(version)s: %(number)s (%(grades)s), %(looked_at)s looked at, %(changed)s changed") % {
        "version": result.version,
        "number": number,
        "grades": grades,
        "looked_at": result.looked_at,
        "changed": result.changed,
    }


def _reasons(details: dict[str, Any]) -> str:
    score = details["score"]
    lines = [
        _("%(account)s, profile %(profile)s version %(version)s")
        % {"account": details["account"]["name"], "profile": details["profile"], "version": details["version"]},
        "  "
        + ", ".join(
            [
                _("no verdict") if score is None else _("fit %(score)s") % {"score": f"{score:g}"},
                _("grade %(grade)s") % {"grade": details["grade"]} if details["grade"] else _("no grade"),
                _("%(coverage)s %% known") % {"coverage": f"{details['coverage']:g}"},
            ]
        ),
    ]
    for state in STATES:
        items = [item for item in details["items"] if item["state"] == state]
        if items:
            lines.append(f"  {state_name(state)}:")
            lines.extend(f"    {_item(item)}" for item in items)
    return "\n".join(lines)


def _item(item: dict[str, Any]) -> str:
    words = [item["text"]]
    if item["state"] == "partly":
        words.append(f"{item['points']} %")
    if item["knocked_out"]:
        words.append(_("knock-out"))
    if item["answers"]:
        last = item["answers"][0]
        words.append(f"{last['by'] or '–'} {last['at'][:10]}")
    if item["conflict"]:
        words.append(_("people differ"))
    return ", ".join([*words, *(f"{figure['criterion']}: {figure['found']}" for figure in item["figures"])])
