"""Who is in a segment, now or at any moment, and why."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from rich.table import Table

from journey.instants import past_instant
from journey.segment_examples import install_examples
from journey.selectors.journeys import find_entity
from journey.selectors.segments import explain_membership, members, sizes_at
from journey.services.replay import bring_up_to_date, refuse_broken_rules
from segmentation.engine.memberships import segment_name
from segmentation.errors import InvalidValueError
from segmentation.management.base import ProductCommand
from segmentation.models import Segment
from segmentation.selectors.segments import find_segment, segment_tree

SHOWN = 50


class Command(ProductCommand):
    help = (
        "The accounts of a segment, now or at any moment, and why an account is in it. Without a key: all segments."
        " Memberships are brought up to date first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", nargs="?", metavar="KEY", help="the segment (default: a list of all)")
        parser.add_argument("--as-of", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        parser.add_argument(
            "--account", metavar="ID", help="one account by external id, domain, name or primary key, with the reasons"
        )
        parser.add_argument("--examples", action="store_true", help="make the ready-made segments that are missing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, **options: Any) -> None:
        as_of = past_instant(options["as_of"], "--as-of")
        if options["examples"]:
            made, refused = install_examples(build=False)
            sentence = ngettext("%(n)s segment was made.", "%(n)s segments were made.", len(made))
            self.stderr.write(
                "\n".join([sentence % {"n": len(made)}, *(f"{key}: {why}" for key, why in refused.items())])
            )
        if options["account"] is not None and options["key"] is None:
            raise InvalidValueError(
                _("Of which segment?"),
                field="--account",
                value=options["account"],
                remedy=_("Name the segment before it."),
            )
        segment = find_segment(options["key"]) if options["key"] else None
        keys = [segment.key] if segment else list(Segment.objects.values_list("key", flat=True))
        broken = bring_up_to_date(map(segment_name, keys))
        if segment:
            refuse_broken_rules(segment, broken)
        found: Any
        text: Any
        if segment is None:
            found, text = _all(as_of)
        elif options["account"] is not None:
            found = explain_membership(find_entity("account", options["account"]), segment, as_of)
            text = found["text"]
        else:
            found, text = _one(segment, as_of)
        if not options["verbosity"]:
            return
        if options["json"]:
            self.print_json(found)
        elif isinstance(text, str):
            self.stdout.write(text)
        else:
            self.console(110).print(text)


def _one(segment: Segment, as_of: Any) -> tuple[dict[str, Any], Any]:
    size = sizes_at(as_of).get(segment.key, {"members": 0, "unknown": 0})
    rows = list(members(segment, as_of))
    found = {
        "segment": segment.key,
        "name": str(segment),
        "as_of": as_of.isoformat(),
        "size": size["members"],
        "unknown": size["unknown"],
        "accounts": [
            {
                "id": row.account_id,
                "external_id": row.account.external_id,
                "name": row.account.name,
                "since": row.start_at.isoformat(),
                "until": row.end_at and row.end_at.isoformat(),
            }
            for row in rows
        ],
    }
    title = _t("%(segment)s · %(at)s · %(size)s, %(unknown)s not known") % {
        "segment": segment,
        "at": f"{timezone.localtime(as_of):%Y-%m-%d %H:%M}",
        "size": ngettext("%(n)s account", "%(n)s accounts", size["members"]) % {"n": f"{size['members']:,}"},
        "unknown": f"{size['unknown']:,}",
    }
    table = Table(title=title, title_justify="left")
    for head in (_t("Account"), _t("External id"), _t("Since"), _t("Until")):
        table.add_column(head)
    for row in rows[:SHOWN]:
        until = f"{timezone.localtime(row.end_at):%Y-%m-%d}" if row.end_at else "–"
        since = f"{timezone.localtime(row.start_at):%Y-%m-%d}"
        table.add_row(row.account.name, row.account.external_id or "–", since, until)
    if len(rows) > SHOWN:
        table.caption = _t("The first %(shown)s; --json has all.") % {"shown": SHOWN}
    return found, table


def _all(as_of: Any) -> tuple[list[dict[str, Any]], Any]:
    sizes = sizes_at(as_of)
    nodes = segment_tree()
    found: list[dict[str, Any]] = [
        {
            "segment": node.segment.key,
            "name": str(node.segment),
            "parent": node.version.parent or None,
            "version": node.version.number,
            "active": node.segment.active,
            "size": sizes.get(node.segment.key, {}).get("members"),
            "unknown": sizes.get(node.segment.key, {}).get("unknown"),
        }
        for node in nodes
    ]
    if not nodes:
        return found, _t("There are no segments. Make one in the admin, or the ready-made ones with --examples.")
    table = Table()
    table.add_column(_t("Segment"))
    table.add_column(_t("Key"))
    table.add_column(_t("Accounts"), justify="right")
    table.add_column(_t("Not known"), justify="right")
    for node, row in zip(nodes, found, strict=True):
        counts = ["–" if row[name] is None else f"{row[name]:,}" for name in ("size", "unknown")]
        table.add_row("  " * node.depth + row["name"], row["segment"], *counts)
    return found, table
