"""Activities from files and the API."""

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from scoring import intent_imports  # noqa: F401 - registers itself
from scoring.models import Activity, ActivityType, Outcome, Side
from segmentation.errors import closest
from segmentation.imports.bulk import FIRST_ROWS, checked_references, filled_before_indexed
from segmentation.imports.dates import Instant
from segmentation.imports.entities import AMBIGUOUS
from segmentation.imports.errors import MappingFaultError
from segmentation.imports.facts import FACTS, FactTarget
from segmentation.imports.faults import Fault, Faults, Lookup, Options, map_unique
from segmentation.imports.fields import Field, Key, Known, Reference, Text, Whole
from segmentation.imports.references import ACCOUNT_IDS, ACCOUNT_SYNONYMS, CONTACT_IDS, find_accounts, find_contacts
from segmentation.imports.staging import Run, quote
from segmentation.imports.targets import register

A_YEAR = 31_536_000
UNKNOWN_ACCOUNT = Fault(
    "unknown_account", _("There is no account “%(value)s”."), _("Import the accounts first, or correct the name or id.")
)
UNKNOWN_CONTACT = Fault(
    "unknown_contact",
    _("There is no contact “%(value)s”."),
    _("Import the contacts first, or correct the id or mail address."),
)
UNITS = {"seconds": ("seconds", "minutes")}  # fields that give the same value
REFERENCES = {
    "account_id": "segmentation_account",
    "contact_id": "segmentation_contact",
    "type_id": "scoring_activitytype",
}
WRITTEN = ("occurred_at", "seconds", "outcome", "campaign", "content", "url")


class OutcomeText(Text):
    """An outcome: one of the known ones in any spelling, else as it is."""

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        known = {str(choice.label).casefold(): choice.value for choice in Outcome} | {
            choice.value: choice.value for choice in Outcome
        }
        known |= {
            "no show": Outcome.NO_SHOW.value,
            "no-show": Outcome.NO_SHOW.value,
            "canceled": Outcome.CANCELLED.value,
        }
        values = map_unique(values, lambda text: known.get(text.casefold(), text), pa.string(), faults)
        return super().convert(name, values, options, faults)


class TypeLookup(Lookup):
    """Finds activity types by key or name; makes unknown ones only where the mapping gives them a side."""

    def __init__(self, run: Run):
        self.run = run
        self.types = list(ActivityType.objects.all())
        self.known = {
            name.casefold(): found.pk for found in self.types for name in (found.name, str(_(found.name)), found.key)
        }
        side = run.mapping.new_types
        if side and side not in Side.values:
            raise MappingFaultError(
                _("“%(value)s” is no side of an activity type."),
                field="new_types",
                value=side,
                params={"known": ", ".join(Side.values)},
                remedy=_("Use one of %(known)s."),
            )

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        return [self.known.get(name.casefold()) or self._unknown(name) for name in names]

    def _unknown(self, name: str) -> int | Fault:
        if self.run.mapping.new_types and len(name) <= 120:
            return self._make(name)
        keys = [found.key for found in self.types]
        guess = closest(name, [*keys, *(found.name for found in self.types)])
        remedy = (
            _("Did you mean “%(guess)s”?")
            if guess
            else _("Make the type in the admin, replace the value, or set new_types in the mapping.")
        )
        return Fault("unknown_type", _("There is no activity type “%(value)s”."), remedy, {"guess": guess})

    def _make(self, name: str) -> int:
        self.run.end_copy()
        base = slugify(name).replace("-", "_")[:50] or "type"
        taken = set(ActivityType.objects.filter(key__startswith=base).values_list("key", flat=True))
        key = next(
            key for key in (base, *(f"{base}_{number}" for number in range(2, len(taken) + 3))) if key not in taken
        )
        made = ActivityType.objects.create(
            key=key, name=name, side=self.run.mapping.new_types, default_minutes=Decimal(0)
        )
        self.known[name.casefold()] = made.pk
        self.run.report.created.setdefault("activity_types", []).append(name)
        return made.pk


@register
class Activities(FactTarget):
    key = "activities"
    model = Activity
    fields = (
        Field(
            "external_id",
            _("external id"),
            Key(190),
            synonyms=("id", "activity id", "event id", "message id", "活动编号", "编号"),
            column="",
        ),
        Field(
            "account",
            _("account"),
            Reference(300),
            synonyms=ACCOUNT_SYNONYMS,
            column="",
        ),
        Field(
            "contact",
            _("contact"),
            Reference(300),
            synonyms=("contact id", "person", "email", "user", "联系人", "邮箱", "聯絡人"),
            column="",
        ),
        Field(
            "type",
            _("type"),
            Known(),
            required=True,
            synonyms=(
                "activity type",
                "activity",
                "event",
                "action",
                "类型",
                "活动类型",
                "活动名称",
                "活動名稱",
                "行为",
                "類型",
            ),
            column="type_id",
        ),
        Field(
            "occurred_at",
            _("occurred"),
            Instant(),
            required=True,
            synonyms=(
                "date",
                "time",
                "timestamp",
                "datetime",
                "activity date",
                "event time",
                "happened at",
                "时间",
                "日期",
                "发生时间",
                "發生時間",
            ),
        ),
        Field(
            "seconds",
            _("engaged seconds"),
            Whole(A_YEAR),
            synonyms=("duration seconds", "duration", "秒", "秒数", "秒數", "停留秒数", "时长"),
        ),
        Field(
            "minutes",
            _("engaged minutes"),
            Whole(A_YEAR, factor=60),
            synonyms=("duration minutes", "分钟", "停留分钟", "分鐘"),
            column="",
        ),
        Field("outcome", _("outcome"), OutcomeText(20), synonyms=("result", "status", "结果", "結果")),
        Field(
            "campaign",
            _("campaign"),
            Text(120),
            synonyms=("campaign name", "utm campaign", "市场活动", "营销活动", "行銷活動"),
        ),
        Field("content", _("content"), Text(300), synonyms=("page title", "asset", "subject", "内容", "标题", "內容")),
        Field(
            "url", _("address of the page"), Text(500), synonyms=("page", "page url", "link", "网址", "链接", "網址")
        ),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {"type": TypeLookup(run)}

    def merge(self, run: Run) -> None:
        self._refer(run)
        self._make_facts(run)
        self.drop_repeats(run)
        ((nameless,),) = run.query(
            "SELECT count(*) FROM {facts} f WHERE f.account_id IS NULL AND f.old_account IS NULL", facts=FACTS
        )
        if nameless:
            run.flag("no_account", f"{FACTS} s WHERE s.account_id IS NULL AND s.old_account IS NULL")
        if self.count(run):
            self._flag_order(run)
            self._write(run)

    def _refer(self, run: Run) -> None:
        for name, find, table, unknown in (
            ("account", find_accounts, ACCOUNT_IDS, UNKNOWN_ACCOUNT),
            ("contact", find_contacts, CONTACT_IDS, UNKNOWN_CONTACT),
        ):
            find(run, f"s.{name}")
            run.reject(name, AMBIGUOUS, f"f.ref = s.{name} AND f.candidates > 1", using=f"{table} f", value=f"s.{name}")
            if name in run.given:
                missing = f"s.{name} <> '' AND NOT EXISTS (SELECT 1 FROM {table} f WHERE f.ref = s.{name})"
                run.reject(name, unknown, missing, value=f"s.{name}")

    def _make_facts(self, run: Run) -> None:
        """Put the rows with what they refer to and the stored fact of the same key into one table.

        Without external id the content is the key. It is taken as the file has it, not as it was resolved, so that the
        same file later finds its facts again although a person changed company meanwhile.
        """
        parts = [
            "lower(s.account)",
            "lower(s.contact)",
            "s.type",
            "extract(epoch FROM s.occurred_at)",
            "coalesce(s.seconds, s.minutes)",
        ]
        parts += ["s.outcome", "s.campaign", "s.content", "s.url"]
        content = ", '|', ".join(f"coalesce(({part})::text, '')" for part in parts)
        written = [name for name in WRITTEN if name in run.given or (name == "seconds" and "minutes" in run.given)]
        staged = {name: f"s.{name}" for name in written}
        if "seconds" in written:
            staged["seconds"] = "coalesce(s.seconds, s.minutes)"
        values = {name: run.new_value(UNITS.get(name, name), sql, f"t.{name}") for name, sql in staged.items()}
        # An account that was named corrects the stored one; one that only follows from the person does not.
        account = "coalesce(a.id, t.account_id, c.account_id)"
        contact = "coalesce(c.id, t.contact_id)"
        changed = ["t.type_id", "t.account_id", "t.contact_id", *(f"t.{name}" for name in written)]
        new = ["s.type", account, contact, *values.values()]
        stored = run.query("SELECT 1 FROM scoring_activity LIMIT 1")
        run.temp(
            FACTS,
            """
            SELECT s.n, s.row, s.line, s.source_key, t.id AS old_id, t.account_id AS old_account,
                {account} AS account_id, {contact} AS contact_id, s.type AS type_id, {values},
                ROW({changed}) IS DISTINCT FROM ROW({new}) AS is_changed
            FROM (
                SELECT s.*, CASE WHEN s.external_id IS NULL THEN %(system)s || '#' || md5(concat({content}))
                            ELSE %(system)s || ':' || s.external_id END AS source_key
                FROM {rows} s {order}
            ) s
            LEFT JOIN {accounts} a ON a.ref = s.account
            LEFT JOIN {contacts} c ON c.ref = s.contact
            -- OFFSET: by the index and in its order, which is a fifth of the time of reading all there is.
            LEFT JOIN LATERAL (SELECT * FROM scoring_activity t WHERE {same} OFFSET 0) t ON true
            """,
            {"system": run.source_system},
            accounts=ACCOUNT_IDS,
            contacts=CONTACT_IDS,
            account=account,
            contact=contact,
            content=content,
            order="ORDER BY source_key" if stored else "",
            same="t.source_key = s.source_key" if stored else "false",
            values=", ".join(f"{sql} AS {name}" for name, sql in values.items()),
            changed=", ".join(changed),
            new=", ".join(new),
        )

    def _flag_order(self, run: Run) -> None:
        """Late: older than what was stored of the account before. Out of order: older than a row further up."""
        run.flag("future", f"{FACTS} s WHERE s.old_id IS NULL AND s.occurred_at > now()")
        run.temp(
            "import_latest",
            """
            SELECT d.account_id, l.occurred_at FROM (SELECT DISTINCT account_id FROM {facts} WHERE old_id IS NULL) d
            CROSS JOIN LATERAL (SELECT a.occurred_at FROM scoring_activity a
                                WHERE a.account_id = d.account_id ORDER BY a.occurred_at DESC LIMIT 1) l
            """,
            facts=FACTS,
        )
        run.flag(
            "late",
            f"{FACTS} s JOIN import_latest l ON l.account_id = s.account_id "
            "WHERE s.old_id IS NULL AND s.occurred_at < l.occurred_at",
        )
        run.flag(
            "out_of_order",
            f"""(SELECT n, row, line, occurred_at, max(occurred_at) OVER (
                    PARTITION BY account_id ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                FROM {FACTS} WHERE old_id IS NULL AND account_id IS NOT NULL) s WHERE s.occurred_at < s.before""",
        )

    def _write(self, run: Run) -> None:
        columns = [name for name in WRITTEN if name in run.given or (name == "seconds" and "minutes" in run.given)]
        if run.report.updated:
            run.sql(
                "UPDATE scoring_activity t SET account_id = f.account_id, contact_id = f.contact_id, "
                "type_id = f.type_id, {sets} FROM {facts} f WHERE t.id = f.old_id AND f.is_changed",
                facts=FACTS,
                sets=", ".join(f"{quote(name)} = {self._or_empty(name)}" for name in columns),
            )
        if run.report.inserted:
            values = {
                name: self._or_empty(name) if name in columns else "NULL" if name == "seconds" else "''"
                for name in WRITTEN
            }
            count = run.report.inserted
            with (
                filled_before_indexed(run, "scoring_activity", count) as alone,
                checked_references(run, "scoring_activity", FACTS, REFERENCES, count, alone=alone),
            ):
                run.sql(
                    """
                    INSERT INTO scoring_activity (account_id, contact_id, type_id, source_key, {columns})
                    SELECT f.account_id, f.contact_id, f.type_id, f.source_key, {values}
                    FROM {facts} f WHERE f.old_id IS NULL
                    ORDER BY {order}
                    """,
                    facts=FACTS,
                    # Side by side in the largest indexes, unless those are made afterwards.
                    order="f.account_id, f.n" if run.query("SELECT 1 FROM scoring_activity LIMIT 1") else "f.n",
                    columns=", ".join(values),
                    values=", ".join(values.values()),
                )
            if count >= FIRST_ROWS:
                run.sql("ANALYZE scoring_activity")  # what is read next should not be planned for an empty table

    @staticmethod
    def _or_empty(name: str) -> str:
        return f"f.{name}" if name in ("seconds", "occurred_at") else f"coalesce(f.{name}, '')"
