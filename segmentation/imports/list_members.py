"""Target account lists from files: which account a row means, and what it says the account is to the list.

Nothing is guessed: a row whose account is not certain is reported with the candidates, one that names nobody with the
nearest names. What is decided goes through the same services as in the admin, so a file can do nothing they refuse.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.functional import cached_property
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError, ProblemError, closest, shorten
from segmentation.imports.dates import Instant
from segmentation.imports.faults import Fault, Lookup
from segmentation.imports.fields import Choice, Domain, Field, Key, Known, Text, Whole
from segmentation.imports.nearest import NearestNames
from segmentation.imports.report import Match, RowError
from segmentation.imports.staging import Run
from segmentation.imports.targets import Target, register
from segmentation.models import Account, ListMembership, MembershipReason, MembershipState, SalesTeam, TargetList, Tier
from segmentation.models.choices import HOLDING_STATES
from segmentation.selectors.access import visible_to
from segmentation.selectors.account_references import (
    accounts_by_domain,
    accounts_by_external_id,
    accounts_by_name,
    candidate_names,
)
from segmentation.services.target_lists import (
    add_accounts,
    change_tier,
    disqualify_members,
    propose_accounts,
    recycle_members,
    remove_members,
    resume_members,
    review_proposals,
)
from segmentation.services.target_lists.rows import latest_rows

State = MembershipState
WAYS = ("account_id", "external_id", "domain", "name")


class KeyedLookup(Lookup):
    """Finds rows of a short table by key or name, whatever the case; makes none."""

    def __init__(self, model: type[Any]):
        self.known = {
            word.casefold(): pk
            for pk, key, name in model.objects.values_list("id", "key", "name")
            for word in (name, key)
        }

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        return [self.known.get(name.casefold()) or self._unknown(name) for name in names]

    def _unknown(self, name: str) -> Fault:
        guess = closest(name, self.known)
        return Fault(
            "unknown",
            _("There is no “%(value)s”."),
            _("Did you mean “%(guess)s”?") if guess else _("Use the key or the name of one that is there."),
            {"guess": guess},
        )


@dataclass
class Row:
    """A row of the file: what it names, and what it wants."""

    row: int
    line: int | None
    names: dict[str, Any]
    list_id: int
    tier: int | None
    state: str
    reason_id: int | None
    note: str
    team_id: int | None
    at: Any
    account: int = 0
    matched_by: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What the row calls the account."""
        return shorten(" · ".join(str(value) for value in self.names.values()))


@register
class ListMembers(Target):
    """Who is on a target account list, from when, as what."""

    key = "list-members"
    model = ListMembership
    needs_one_of = WAYS
    fields = (
        Field("account_id", _("account id"), Whole(minimum=1), synonyms=("primary key", "pk"), column=""),
        Field("external_id", _("external id"), Key(200), synonyms=("customer id", "客户编号", "公司编号"), column=""),
        Field(
            "name",
            _("name"),
            Text(300),
            synonyms=("account", "account name", "company", "客户名称", "公司名称"),
            column="",
        ),
        Field("domain", _("domain"), Domain(), synonyms=("website", "域名", "网站", "官网"), column=""),
        Field(
            "list",
            _("target account list"),
            Known(),
            required=True,
            synonyms=("list", "target list", "tal", "目标客户名单"),
            help_text=_("Its key or name."),
        ),
        Field("tier", _("tier on the list"), Choice(Tier), synonyms=("tier", "级别", "层级")),
        Field(
            "state",
            _("state"),
            Choice(MembershipState),
            synonyms=("status", "状态"),
            help_text=_("Empty: active."),
        ),
        Field("reason", _("reason"), Known(), synonyms=("why", "原因"), help_text=_("Its key or name.")),
        Field("note", _("note"), Text(300), synonyms=("comment", "remark", "备注")),
        Field(
            "team",
            _("sales team"),
            Known(),
            synonyms=("team", "销售团队"),
            help_text=_("Whose places proposals take: its key or name."),
        ),
        Field(
            "start_at",
            _("effective from"),
            Instant(),
            synonyms=("from", "since", "effective date", "start date", "生效日期"),
            help_text=_("Empty: now."),
        ),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {
            "list": KeyedLookup(TargetList),
            "reason": KeyedLookup(MembershipReason),
            "team": KeyedLookup(SalesTeam),
        }

    def merge(self, run: Run) -> None:
        _Merge(run).do()


class _Merge:
    """What becomes of the staged rows of one file."""

    def __init__(self, run: Run):
        self.run, self.report = run, run.report
        user = run.context.get("user")
        self.user = get_user_model().objects.get(pk=user) if user else None
        self.accounts = visible_to(Account.objects.all(), self.user)
        self.lists = TargetList.objects.in_bulk()
        self.reasons = MembershipReason.objects.in_bulk()
        self.teams = SalesTeam.objects.in_bulk()
        self.names: dict[int, str] = {}

    @cached_property
    def nearest(self) -> NearestNames:
        """Made only when a row names nobody: it reads every name."""
        return NearestNames(self.accounts.values_list("pk", "name"))

    def do(self) -> None:
        rows = [
            Row(row, line, {way: value for way, value in zip(WAYS, named, strict=True) if value}, *rest)
            for row, line, *named, lst, tier, state, reason, note, team, at in self.run.query(
                "SELECT row, line, account_id, external_id, domain, name, list, tier, state, reason, note, team,"
                " start_at FROM {rows} ORDER BY n"
            )
            for rest in [(lst, tier, state or State.ACTIVE.value, reason, note or self._from_file(), team, at)]
        ]
        certain = self._match(rows)
        self.names = dict(Account.objects.filter(pk__in={row.account for row in certain}).values_list("pk", "name"))
        matched = self._once(certain)
        latest = {
            key: latest_rows(self.lists[key], [row.account for row in matched if row.list_id == key])
            for key in {row.list_id for row in matched}
        }
        groups: dict[Any, list[tuple[Row, ListMembership | None]]] = defaultdict(list)
        for row in matched:
            last = latest[row.list_id].get(row.account)
            try:
                steps = _steps(row, last)
            except ProblemError as problem:
                self._refuse(row, problem.code, str(problem))
                continue
            if not steps:
                self.report.unchanged += 1
                self._tell(row, "already")
                continue
            groups[(steps, row.list_id, row.tier, row.reason_id, row.note, row.team_id, row.at)].append((row, last))
        for (steps, *_rest), members in groups.items():
            self._apply(steps, members)
        self.report.matches.sort(key=lambda match: (match.line or 0, match.row))

    def _from_file(self) -> str:
        return _t("From the file %(file)s") % {"file": self.run.context.get("file", "-")}

    # Which account ---------------------------------------------------------------------------------------------------

    def _match(self, rows: list[Row]) -> list[Row]:
        def words(way: str) -> list[Any]:
            return [row.names[way] for row in rows if way in row.names]

        keys = set(self.accounts.filter(pk__in=words("account_id")).values_list("pk", flat=True))
        found = {
            "external_id": accounts_by_external_id(words("external_id"), self.accounts, self.run.source_system),
            "domain": accounts_by_domain(words("domain"), self.accounts),
            "name": accounts_by_name(words("name"), self.accounts, other_names=True),
        }
        certain = []
        for row in rows:
            hits = {}
            for way, value in row.names.items():
                hits[way] = (
                    {value} & keys
                    if way == "account_id"
                    else found[way].get(value if way == "external_id" else value.strip().lower(), set())
                )
            if self._is_certain(row, {way: fits for way, fits in hits.items() if fits}):
                certain.append(row)
        return certain

    def _is_certain(self, row: Row, hits: dict[str, set[int]]) -> bool:
        """Whether a row means one account; if not, it is reported."""
        if not row.names:
            self._refuse(row, "nobody_named", _t("The row names no account. Give its id, domain or name."))
        elif not hits or ("account_id" in row.names and "account_id" not in hits):
            near = self.nearest.of(str(row.names.get("name") or row.names.get("domain") or ""))
            self._report(row, "not_found", _t("No account is found for “%(value)s”."), near, _t("Nearest: %(names)s."))
        else:
            common = set.intersection(*hits.values())
            if len(common) == 1:
                row.account, row.matched_by = next(iter(common)), list(hits)
                return True
            text = (
                _t("“%(value)s” fits several accounts.")
                if common
                else _t("The columns of “%(value)s” name different accounts.")
            )
            self._report(
                row,
                "ambiguous",
                text,
                candidate_names(common or set.union(*hits.values())),
                _t("It may be: %(names)s."),
            )
        return False

    def _once(self, rows: Iterable[Row]) -> list[Row]:
        """Keep the first row of each account on each list; the others are refused."""
        first: dict[tuple[int, int], Row] = {}
        for row in rows:
            other = first.setdefault((row.list_id, row.account), row)
            if other is not row:
                text = _t("Line %(line)s is about the same account. Leave one of them.") % {"line": other.line}
                self._refuse(row, "twice_in_file", text)
        return list(first.values())

    # What is told ----------------------------------------------------------------------------------------------------

    def _tell(self, row: Row, outcome: str, text: str = "", candidates: Sequence[str] = ()) -> None:
        name = f"{self.names.get(row.account, '')} (#{row.account})" if row.account else ""
        self.report.matches.append(
            Match(
                row=row.row,
                line=row.line,
                words=row.words,
                outcome=outcome,
                account=name,
                matched_by=", ".join(row.matched_by),
                state=row.state,
                candidates="; ".join(candidates),
                text=text,
            )
        )

    def _report(self, row: Row, outcome: str, text: str, candidates: Sequence[str], more: str) -> None:
        said = text % {"value": row.words}
        if candidates:
            said += " " + more % {"names": ", ".join(candidates)}
        self._bad(row, outcome, said)
        self._tell(row, outcome, said, candidates)

    def _refuse(self, row: Row, code: str, text: str) -> None:
        self._bad(row, code, text)
        self._tell(row, "refused", text)

    def _bad(self, row: Row, code: str, text: str) -> None:
        self.report.bad += 1
        self.run.error(RowError(row.row, "", row.words, code, text, row.line))

    # What is done ----------------------------------------------------------------------------------------------------

    def _apply(self, steps: tuple[str, ...], members: list[tuple[Row, ListMembership | None]]) -> None:
        """Do the same with many accounts at once; where one is refused, with fewer, until it stands alone."""
        try:
            with transaction.atomic():
                last = [membership for _row, membership in members]
                for step in steps:
                    last = list(STEPS[step](self, members[0][0], [row.account for row, _last in members], last))
        except ProblemError as problem:
            if len(members) == 1:
                self._refuse(members[0][0], problem.code, str(problem))
            else:
                half = len(members) // 2
                self._apply(steps, members[:half])
                self._apply(steps, members[half:])
            return
        for row, before in members:
            is_new = before is None or before.end_at is not None or before.state not in HOLDING_STATES
            self.report.inserted += is_new
            self.report.updated += not is_new
            self._tell(row, "added" if is_new else "changed")

    def why(self, row: Row) -> dict[str, Any]:
        """Who decides, and why, as services take it."""
        return {"reason": self.reasons.get(row.reason_id or 0), "note": row.note, "user": self.user}

    def join(self, row: Row, accounts: list[int], _last: Any) -> list[ListMembership]:
        """Put accounts on the list by a decision of marketing."""
        return add_accounts(
            target_list=self.lists[row.list_id],
            accounts=Account.objects.filter(pk__in=accounts),
            tier=row.tier,
            at=row.at,
            **self.why(row),
        )

    def propose(self, row: Row, accounts: list[int], _last: Any) -> list[ListMembership]:
        """Propose accounts for a sales team."""
        return propose_accounts(
            target_list=self.lists[row.list_id],
            accounts=Account.objects.filter(pk__in=accounts),
            team=self.teams[row.team_id or 0],
            tier=row.tier,
            **self.why(row),
        )


Step = Callable[[_Merge, Row, list[int], Any], Iterable[ListMembership]]


def _moving(verb: Callable[..., list[ListMembership]], **more: Any) -> Step:
    """A step that takes rows in force, with what the file says of reason and time as far as the verb takes it."""

    def step(merge: _Merge, row: Row, _accounts: list[int], last: Any) -> list[ListMembership]:
        why = merge.why(row)
        if verb is not review_proposals:
            more["at"] = row.at
        if verb is resume_members:
            why.pop("reason")
        return verb(memberships=last, **why, **more)

    return step


def _change_tier(merge: _Merge, row: Row, _accounts: list[int], last: Any) -> list[ListMembership]:
    why = merge.why(row)
    if any(membership.state != row.state for membership in last):
        why["reason"] = None  # it is that of the change of state, which follows
    return change_tier(memberships=last, tier=row.tier, at=row.at, **why)


STEPS: dict[str, Step] = {
    "join": _Merge.join,
    "propose": _Merge.propose,
    "accept": _moving(review_proposals, accept=True),
    "refuse": _moving(review_proposals, accept=False),
    "pause": _moving(recycle_members),
    "resume": _moving(resume_members),
    "remove": _moving(remove_members),
    "disqualify": _moving(disqualify_members),
    "change_tier": _change_tier,
}
# By the state that is wanted: from which states which step leads there. None: not on the list.
OFF = (None, State.REJECTED, State.DISQUALIFIED, State.REMOVED)
PATHS: dict[str, dict[str | None, str]] = {
    State.ACTIVE: {**dict.fromkeys(OFF, "join"), State.PROPOSED: "accept", State.RECYCLING: "resume"},
    State.PROPOSED: dict.fromkeys(OFF, "propose"),
    State.RECYCLING: {State.ACTIVE: "pause"},
    State.REJECTED: {State.PROPOSED: "refuse"},
    State.REMOVED: dict.fromkeys(HOLDING_STATES, "remove"),
    State.DISQUALIFIED: dict.fromkeys(HOLDING_STATES, "disqualify"),
}
DATELESS = ("propose", "accept", "refuse")  # decided now, whatever a file says


def _steps(row: Row, last: ListMembership | None) -> tuple[str, ...]:
    """What leads from the present state of an account to the one a row wants; nothing where it is so already.

    Raises:
        InvalidValueError: no way leads there, or the row lacks what the way needs.
    """
    state = last.state if last is not None and last.end_at is None else None
    is_on = state in HOLDING_STATES
    tier = ("change_tier",) if is_on and last is not None and row.tier not in (None, last.tier) else ()
    if state == row.state:
        return tier
    step = PATHS[row.state].get(state)
    if step is None:
        raise InvalidValueError(
            _("The account is %(state)s and cannot become %(wanted)s."),
            code="no_way",
            field="state",
            value=row.state,
            remedy=_("Leave the row out, or give another state."),
            params={
                "state": State(state).label if state else _t("not on the list"),
                "wanted": State(row.state).label,
            },
        )
    if step == "propose" and row.team_id is None:
        raise InvalidValueError(
            _("A proposal takes a place of a sales team, and the row names none."),
            code="team_missing",
            field="team",
            remedy=_("Give the team, or the state active: then marketing adds it."),
        )
    if row.at is not None and (step in DATELESS or tier):
        raise InvalidValueError(
            _("What the row asks for is decided now and cannot have a date."),
            code="date_not_possible",
            field="start_at",
            value=f"{row.at:%Y-%m-%d}",
            remedy=_("Leave the date empty."),
        )
    return (*tier, step)
