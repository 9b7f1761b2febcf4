"""Target account lists from the command line."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from rich.table import Table

from journey.errors import JourneyError
from journey.instants import past_instant
from journey.management.list_options import add_list_mode, cohort_day
from journey.selectors.journeys import find_entity
from journey.selectors.upkeep import Present, upkeep_document, upkeep_of
from segmentation.management.base import ProductCommand
from segmentation.models import Account, DisqualificationRequest, ListMembership, MembershipState, TargetList
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.target_lists import find_list, find_reason, find_team, memberships_at
from segmentation.services.target_lists import (
    disqualify_members,
    propose_accounts,
    propose_disqualification,
    review_waiting,
)


class Command(ProductCommand):
    help = "Target account lists: look at them, propose accounts, review proposals, disqualify, upkeep."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="{list,propose,review,disqualify,upkeep}")

        def verb(name: str, text: str) -> Any:
            made = verbs.add_parser(name, help=text)
            made.add_argument("--json", action="store_true", help="print JSON")
            return made

        def decision(name: str, text: str) -> Any:
            made = verb(name, text)
            made.add_argument("list", metavar="LIST", help="key of the list")
            made.add_argument("accounts", metavar="ACCOUNT", nargs="+", help="external id, domain, name or primary key")
            made.add_argument("--reason", metavar="KEY", help="one of the reasons of the installation")
            made.add_argument("--note", metavar="TEXT", default="", help="why, in your own words")
            made.add_argument("--user", metavar="NAME", help="who does it")
            return made

        shown = verb("list", "the lists, or the accounts of one")
        shown.add_argument("list", metavar="LIST", nargs="?", help="key of a list (default: all lists)")
        shown.add_argument("--as-of", metavar="ISO", help="the moment, such as 2026-03-31 (default: now)")
        shown.add_argument(
            "--state",
            choices=MembershipState.values,
            action="append",
            help="only this state; may be repeated (default: proposed, active and recycling)",
        )
        propose = decision("propose", "propose accounts on behalf of a sales team")
        propose.add_argument("--team", metavar="KEY", required=True, help="the team whose places are taken")
        propose.add_argument("--rep", metavar="NAME", help="the rep whose places are taken too")
        propose.add_argument("--tier", type=int, help="1, 2 or 3 on this list (default: the list's)")
        review = decision("review", "accept or refuse proposals and requests to disqualify")
        answer = review.add_mutually_exclusive_group(required=True)
        answer.add_argument("--accept", action="store_true")
        answer.add_argument("--refuse", action="store_true")
        disqualify = decision("disqualify", "disqualify accounts on a list, or ask for it with --team")
        upkeep = verb("upkeep", "how a list is kept: review, stale accounts, size, growth and focus")
        upkeep.add_argument("list", metavar="LIST", help="key of the list")
        add_list_mode(upkeep)
        disqualify.add_argument("--team", metavar="KEY", help="the sales team that asks; marketing reviews it")

    def run(self, **options: Any) -> None:
        if options["verb"] == "list":
            self._show(options)
            return
        target_list = find_list(options["list"])
        if options["verb"] == "upkeep":
            self._show_upkeep(target_list, options)
            return
        accounts = list({found.pk: found for words in options["accounts"] for found in [_account(words)]}.values())
        why = {
            "reason": find_reason(options["reason"]) if options["reason"] else None,
            "note": options["note"],
            "user": _user(options["user"]),
        }
        match options["verb"]:
            case "propose":
                rows: list[Any] = propose_accounts(
                    target_list=target_list,
                    accounts=accounts,
                    team=find_team(options["team"]),
                    rep=_user(options["rep"]),
                    tier=options["tier"],
                    **why,
                )
            case "disqualify" if options["team"]:
                rows = propose_disqualification(
                    target_list=target_list, accounts=accounts, team=find_team(options["team"]), **why
                )
            case "disqualify":
                rows = disqualify_members(memberships=_members(target_list, accounts), **why)
            case _:
                rows = _reviewed(target_list, accounts, options["accept"], why)
        self._done(target_list, rows, options["json"])

    def _done(self, target_list: TargetList, rows: list[Any], as_json: bool) -> None:
        changed = [
            {
                "account": row.account.name,
                "account_id": row.account_id,
                "state": row.state if isinstance(row, ListMembership) else f"request_{row.decision}",
            }
            for row in rows
        ]
        if as_json:
            self.print_json({"list": target_list.key, "changed": changed})
            return
        for row, told in zip(rows, changed, strict=True):
            state = (
                row.get_state_display()
                if isinstance(row, ListMembership)
                else _t("request to disqualify: %(decision)s") % {"decision": row.get_decision_display()}
            )
            self.stdout.write(f"{told['account']}: {state}")

    def _show(self, options: dict[str, Any]) -> None:
        as_of = past_instant(options["as_of"], "--as-of")
        if options["list"] is None:
            self._show_lists(options["json"])
            return
        target_list = find_list(options["list"])
        rows = (
            memberships_at(target_list, as_of, options["state"] or HOLDING_STATES)
            .select_related("account", "team", "rep", "reason")
            .order_by("account__name", "account_id")
        )
        if options["json"]:
            members = [
                {
                    "account": row.account.name,
                    "account_id": row.account_id,
                    "state": row.state,
                    "tier": row.tier or target_list.tier,
                    "since": row.start_at.isoformat(),
                    "team": row.team.key if row.team else None,
                    "rep": row.rep.get_username() if row.rep else None,
                    "reason": row.reason.key if row.reason else None,
                    "note": row.note,
                }
                for row in rows
            ]
            self.print_json({"list": target_list.key, "as_of": as_of.isoformat(), "members": members})
            return
        table = Table(title=f"{target_list} · {timezone.localtime(as_of):%Y-%m-%d %H:%M}", title_justify="left")
        for name in (_t("Account"), _t("State"), _t("Tier"), _t("Since"), _t("Added by the team"), _t("Why")):
            table.add_column(name)
        for row in rows:
            table.add_row(
                row.account.name,
                row.get_state_display(),
                str(row.tier or target_list.tier or "–"),
                f"{timezone.localtime(row.start_at):%Y-%m-%d}",
                str(row.team or "–"),
                " · ".join(str(part) for part in (row.reason, row.note) if part),
            )
        self._print(table)

    def _show_upkeep(self, target_list: TargetList, options: dict[str, Any]) -> None:
        found = upkeep_of(target_list, mode=options["list_mode"], cohort_at=cohort_day(options))
        if options["json"]:
            self.print_json(upkeep_document(found))
            return
        for line in upkeep_lines(found.present):
            self.stdout.write(line)
        table = Table()
        table.add_column(_t("Month"))
        for name in (_t("Accounts"), _t("came"), _t("left"), _t("refused"), _t("engaged"), _t("focus")):
            table.add_column(name, justify="right")
        for month in found.development.months:
            shares = ("–" if share is None else f"{100 * share:.1f} %" for share in (month.engaged_share, month.focus))
            numbers = (month.members, month.added, month.left, month.refused)
            table.add_row(f"{timezone.localtime(month.start):%Y-%m}", *(f"{n:,}" for n in numbers), *shares)
        self._print(table)

    def _show_lists(self, as_json: bool) -> None:
        counts: dict[str, Any] = {
            state.value: Count("memberships", filter=Q(memberships__end_at=None, memberships__state=state))
            for state in HOLDING_STATES
        }
        lists = TargetList.objects.annotate(**{f"n_{state}": count for state, count in counts.items()}).order_by("name")
        found = [
            {
                "key": row.key,
                "name": row.name,
                "tier": row.tier,
                "is_active": row.active,
                **{state: getattr(row, f"n_{state}") for state in counts},
            }
            for row in lists
        ]
        if as_json:
            self.print_json({"lists": found})
            return
        table = Table()
        table.add_column(_t("List"))
        table.add_column(_t("Key"))
        for state in HOLDING_STATES:
            table.add_column(str(state.label), justify="right")
        for told in found:
            table.add_row(told["name"], told["key"], *(f"{told[state.value]:,}" for state in HOLDING_STATES))
        self._print(table)

    def _print(self, table: Table) -> None:
        self.console(120).print(table)


def _account(words: str) -> Account:
    found: Account = find_entity("account", words)
    return found


def _user(name: str | None) -> User | None:
    if name is None:
        return None
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise JourneyError(
            _("There is no user “%(value)s”."),
            code="unknown_user",
            field="user",
            value=name,
            remedy=_("Use the name the person signs in with."),
        )
    return found


def _members(target_list: TargetList, accounts: list[Account]) -> list[ListMembership]:
    """The rows in force of accounts on a list. Raises JourneyError when one is not on it."""
    rows = {row.account_id: row for row in memberships_at(target_list, timezone.now(), HOLDING_STATES)}
    for account in accounts:
        if account.pk not in rows:
            raise JourneyError(
                _("%(value)s is not on the list “%(list)s”."),
                code="not_member",
                field="account",
                value=account.name,
                remedy=_("manage.py tal list shows who is."),
                params={"list": target_list.key},
            )
    return [rows[account.pk] for account in accounts]


def _reviewed(target_list: TargetList, accounts: list[Account], accept: bool, why: dict[str, Any]) -> list[Any]:
    """Decide what waits for these accounts: proposals and requests to disqualify, all or nothing."""
    proposals = list(
        memberships_at(target_list, timezone.now(), [MembershipState.PROPOSED]).filter(account__in=accounts)
    )
    requests = list(
        DisqualificationRequest.objects.filter(
            target_list=target_list, account__in=accounts, decision=DisqualificationRequest.Decision.OPEN
        )
    )
    waiting = {row.account_id for row in proposals} | {row.account_id for row in requests}
    for account in accounts:
        if account.pk not in waiting:
            raise JourneyError(
                _("For %(value)s nothing waits for review on the list “%(list)s”."),
                code="nothing_to_review",
                field="account",
                value=account.name,
                remedy=_("manage.py tal list LIST --state proposed shows the proposals."),
                params={"list": target_list.key},
            )
    return review_waiting(proposals=proposals, requests=requests, accept=accept, **why)


def upkeep_lines(found: Present) -> list[str]:
    """Review, stale accounts and capacity of a list, a line each."""
    due, capacity = found.cadence.due_at, found.capacity
    day = f"{timezone.localtime(due):%Y-%m-%d}" if due else "–"
    review = _t("Review: due since %(day)s") if found.is_due else _t("Review: next on %(day)s")
    figures = {
        "accounts": f"{capacity.accounts:,}",
        "reps": f"{capacity.reps:,}",
        "each": "–" if capacity.accounts_per_rep is None else f"{capacity.accounts_per_rep:.1f}",
        "limit": capacity.per_rep_limit,
        "cycle": "–" if capacity.cycle.median_days is None else f"{capacity.cycle.median_days:.0f}",
        "deals": f"{capacity.cycle.deals:,}",
        "at_once": "–" if capacity.at_a_time is None else f"{capacity.at_a_time:,}",
        "year": "–" if capacity.per_year is None else f"{capacity.per_year:,.0f}",
    }
    return [
        str(found.target_list),
        review % {"day": day},
        _t("Stale: %(number)s accounts without activity and movement for %(days)s days")
        % {"number": f"{found.stale.number:,}", "days": found.stale.after_days},
        _t("Size: %(accounts)s accounts, %(reps)s reps, %(each)s each (a rep can work %(limit)s at a time)") % figures,
        _t("Won cycle: %(cycle)s days (median of %(deals)s deals); workable: %(at_once)s at a time, %(year)s a year")
        % figures,
    ]
