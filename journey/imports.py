"""Opportunities and their changes from files and the API."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from journey import cost_imports  # noqa: F401 - registers itself
from journey.models import CrmStage, Opportunity, OpportunityChange, StageMeaning
from journey.services.deal_states import derive_deals
from segmentation.errors import closest
from segmentation.imports.dates import Day, Instant
from segmentation.imports.entities import AMBIGUOUS, EntityTarget
from segmentation.imports.errors import MappingFaultError
from segmentation.imports.facts import FACTS, FactTarget
from segmentation.imports.faults import Fault, Lookup
from segmentation.imports.fields import Choice, Field, Key, Known, Number, Reference, Text, Whole
from segmentation.imports.references import ACCOUNT_IDS, ACCOUNT_SYNONYMS, CONTACT_IDS, find_accounts, find_contacts
from segmentation.imports.staging import Run, quote
from segmentation.imports.targets import register
from segmentation.imports.teams import TeamLookup
from segmentation.models import CustomField

STATED = ("crm_stage", "amount", "expected_close")
CLOSED = "('won', 'lost')"

UNKNOWN_DEAL = Fault(
    "unknown_opportunity",
    _("There is no opportunity “%(value)s”."),
    _("Import the opportunities first, or correct the id."),
)
SAYS_NOTHING = Fault("no_change", _("The row changes nothing."), _("Give it a stage, an amount or an expected close."))
LONG_STAGE = Fault(
    "too_long", _("The name of the stage has more than 120 characters: “%(value)s”."), _("Shorten it in the mapping.")
)

STAGE_SYNONYMS = (
    "stage",
    "deal stage",
    "stage name",
    "status",
    "opportunity stage",
    "阶段",
    "商机阶段",
    "销售阶段",
    "階段",
    "商機階段",
)
AMOUNT_SYNONYMS = ("value", "deal value", "close value", "deal amount", "金额", "商机金额", "金額")
EXPECTED_SYNONYMS = ("expected close date", "estimated close date", "预计成交日期", "预计结单日期", "預計成交日期")


class StageLookup(Lookup):
    """Finds stages of the CRM by name, whatever the case; makes unknown ones without meaning, for a person to map."""

    def __init__(self, run: Run):
        self.run = run
        self.known = {name.casefold(): pk for pk, name in CrmStage.objects.values_list("id", "name")}

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        return [
            LONG_STAGE if len(name) > 120 else self.known.get(name.casefold()) or self._make(name) for name in names
        ]

    def _make(self, name: str) -> int:
        self.run.end_copy()
        made = CrmStage.objects.create(name=name, position=len(self.known) + 1)
        self.known[name.casefold()] = made.pk
        self.run.report.created.setdefault("crm_stages", []).append(name)
        return made.pk


def map_stages(run: Run) -> None:
    """Give stages that are new or have no meaning those of the mapping. A meaning set by a person stays."""
    wanted = run.mapping.crm_stages
    for name, meaning in wanted.items():
        if meaning not in StageMeaning.values:
            raise MappingFaultError(
                _("“%(value)s” is no meaning of a CRM stage."),
                field=f"crm_stages.{name}",
                value=meaning,
                params={"known": ", ".join(StageMeaning.values), "guess": closest(meaning, StageMeaning.values)},
                remedy=_("Did you mean “%(guess)s”?")
                if closest(meaning, StageMeaning.values)
                else _("Use one of %(known)s."),
            )
    stored = {stage.name.casefold(): stage for stage in CrmStage.objects.all()}
    given = []
    for place, (name, meaning) in enumerate(wanted.items(), start=1):
        stage = stored.get(name.casefold())
        if stage is None:
            CrmStage.objects.create(name=name, meaning=meaning, position=place)
            run.report.created.setdefault("crm_stages", []).append(name)
        elif not stage.meaning:
            stage.meaning = meaning
            stage.save(update_fields=["meaning"])
            given.append(stage.pk)
    if given:
        derive_deals(
            "SELECT opportunity_id FROM journey_opportunitychange WHERE crm_stage_id = ANY (%(stages)s)",
            {"stages": given},
        )


def flag_states(run: Run, which: str) -> None:
    """Flag deals that closed before they were opened. ``which`` is SQL with n, row, line, opportunity_id."""
    run.flag(
        "close_before_opening",
        f"(SELECT DISTINCT ON (opportunity_id) * FROM ({which}) w ORDER BY opportunity_id, n DESC) s "
        "JOIN journey_opportunity o ON o.id = s.opportunity_id WHERE o.closed_at < o.opened_at",
    )


def flag_expectations(run: Run, which: str) -> None:
    """Flag expected closes before the change itself or before today on an open deal, and those still to come."""
    run.flag(
        "expected_close_past",
        f"({which}) s LEFT JOIN journey_crmstage m ON m.id = s.crm_stage "
        f"WHERE s.expected_close < coalesce(s.at::date, CASE WHEN m.meaning NOT IN {CLOSED} THEN current_date END)",
    )
    run.flag("expected_close_future", f"({which}) s WHERE s.expected_close > current_date")


@register
class Opportunities(EntityTarget):
    key = "opportunities"
    model = Opportunity
    custom_of = CustomField.Of.OPPORTUNITY
    ident = "'x' || s.external_id"
    fields = (
        Field(
            "external_id",
            _("external id"),
            Key(200),
            required=True,
            synonyms=("id", "opportunity id", "opportunityid", "deal id", "商机编号", "商机ID", "编号", "商機編號"),
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
            _("main contact"),
            Reference(300),
            synonyms=("contact", "contact id", "primary contact", "联系人", "聯絡人"),
            column="",
        ),
        Field(
            "name",
            _("name"),
            Text(300),
            synonyms=("opportunity", "opportunity name", "deal", "deal name", "商机", "商机名称", "商機名稱"),
        ),
        Field(
            "kind",
            _("kind"),
            Choice(Opportunity.Kind, empty=Opportunity.Kind.NEW.value),
            synonyms=("opportunity type", "deal type", "类型", "商机类型"),
        ),
        Field("product", _("product"), Text(120), synonyms=("product name", "产品", "產品")),
        Field("crm_stage", _("stage in the CRM"), Known(), synonyms=STAGE_SYNONYMS, column=""),
        Field(
            "stage_at",
            _("in this stage since"),
            Instant(),
            synonyms=("stage date", "last stage change date", "阶段日期", "阶段变更时间"),
            column="",
        ),
        Field(
            "close_date",
            _("close date: of an open deal the expected one"),
            Instant(),
            synonyms=("close date", "成交日期", "结单日期", "結單日期"),
            column="",
        ),
        Field("amount", _("amount"), Number(16), synonyms=AMOUNT_SYNONYMS, column=""),
        Field("currency", _("currency"), Text(3), synonyms=("币种", "货币", "幣種")),
        Field("first_year_value", _("first-year value"), Number(16), synonyms=("acv", "first year", "首年金额")),
        Field("expected_close", _("expected close"), Day(), synonyms=EXPECTED_SYNONYMS, column=""),
        Field(
            "loss_reason",
            _("reason of loss"),
            Text(200),
            synonyms=("lost reason", "reason lost", "输单原因", "丢单原因", "輸單原因"),
        ),
        Field(
            "owner",
            _("owner"),
            Text(200),
            synonyms=("opportunity owner", "deal owner", "sales agent", "sales rep", "负责人", "销售", "負責人"),
        ),
        Field("team", _("sales team"), Known(), synonyms=("team", "销售团队", "团队", "銷售團隊"), column="team_id"),
        Field(
            "created_in_source_at",
            _("created in the source"),
            Instant(),
            synonyms=("created", "created at", "created date", "create date", "创建时间", "创建日期"),
        ),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {"team": TeamLookup(run), "crm_stage": StageLookup(run)}

    def prepare(self, run: Run) -> None:
        super().prepare(run)
        map_stages(run)

    def refer(self, run: Run) -> None:
        run.sql("ALTER TABLE {rows} ADD account_id bigint, ADD contact_id bigint")
        for name, find, table in (("account", find_accounts, ACCOUNT_IDS), ("contact", find_contacts, CONTACT_IDS)):
            if name not in run.given:
                continue
            find(run, f"s.{name}")
            run.reject(name, AMBIGUOUS, f"f.ref = s.{name} AND f.candidates > 1", using=f"{table} f", value=f"s.{name}")
            run.sql(f"UPDATE {{rows}} s SET {name}_id = f.id FROM {table} f WHERE f.ref = s.{name}")

    def worked_out(self, run: Run) -> dict[str, tuple[str, str]]:
        values = {}
        if "account" in run.given:
            values["account_id"] = ("s.account_id", "coalesce(s.account_id, t.account_id)")
            unmatched = "CASE WHEN {found} IS NULL THEN coalesce(s.account, '') ELSE '' END"
            still = unmatched.format(found="coalesce(s.account_id, t.account_id)")
            stored = f"CASE WHEN s.account = '' THEN t.account_reference ELSE {still} END"
            values["account_reference"] = (
                unmatched.format(found="s.account_id"),
                run.new_value("account", stored, "t.account_reference"),
            )
        if "contact" in run.given:
            values["contact_id"] = ("s.contact_id", "coalesce(s.contact_id, t.contact_id)")
        return values

    def after_write(self, run: Run) -> None:
        run.flag("no_account", "import_rows s JOIN journey_opportunity t ON t.id = s.id WHERE t.account_id IS NULL")
        if "contact" in run.given:
            run.flag("no_contact", "import_rows s WHERE s.contact <> '' AND s.contact_id IS NULL")
        if not {*STATED, "close_date"} & set(run.given):
            return
        self._append_changes(run)
        run.flag("unmapped_stage", "import_rows s JOIN journey_crmstage m ON m.id = s.crm_stage WHERE m.meaning = ''")
        flag_expectations(run, "SELECT *, stage_at AS at FROM import_rows")
        flag_states(run, "SELECT *, id AS opportunity_id FROM import_rows")

    def _append_changes(self, run: Run) -> None:
        """Add a change where stage, amount or expected close differ from those of the latest one."""
        run.sql(
            """
            UPDATE {rows} s SET
                stage_at = coalesce(s.stage_at, CASE WHEN m.meaning IN {closed} THEN s.close_date END),
                expected_close = coalesce(s.expected_close, CASE WHEN m.meaning NOT IN {closed}
                                          THEN (s.close_date AT TIME ZONE %(zone)s)::date END)
            FROM journey_crmstage m WHERE m.id = s.crm_stage AND s.close_date IS NOT NULL
            """,
            {"zone": run.mapping.time_zone.key},
            closed=CLOSED,
        )
        # The date of a stage that was stored without one is worth a change too; it comes after the one without.
        run.temp(
            FACTS,
            """
            SELECT d.*, d.id AS opportunity_id, CASE WHEN d.crm_stage IS NOT NULL THEN d.stage_at END AS at,
                %(system)s || '#' || md5(concat(
                    'state|', d.external_id, '|', coalesce(d.crm_stage, 0),
                    '|', coalesce(extract(epoch FROM d.stage_at), 0),
                    '|', coalesce(d.amount, -1), '|', coalesce(d.expected_close - date '1970-01-01', -1),
                    CASE WHEN d.crm_stage IS NULL OR d.stage_at IS NULL THEN '|' || d.number ELSE '' END)) AS source_key
            FROM (
                SELECT s.n, s.row, s.line, s.id, s.external_id, s.stage_at, c.number,
                    CASE WHEN s.crm_stage IS DISTINCT FROM t.crm_stage_id OR (s.stage_at IS NOT NULL AND NOT c.is_dated)
                         THEN s.crm_stage END AS crm_stage,
                    CASE WHEN s.amount IS DISTINCT FROM t.amount THEN s.amount END AS amount,
                    CASE WHEN s.expected_close IS DISTINCT FROM t.expected_close
                         THEN s.expected_close END AS expected_close,
                    coalesce(c.sequence, -1) + CASE WHEN s.crm_stage = t.crm_stage_id AND NOT c.is_dated OR c.number = 0
                                                    THEN 1 ELSE 0 END AS sequence
                FROM {rows} s JOIN journey_opportunity t ON t.id = s.id
                CROSS JOIN LATERAL (
                    SELECT max(sequence) AS sequence, count(*) AS number,
                        coalesce(bool_or(occurred_at IS NOT NULL)
                                 FILTER (WHERE crm_stage_id = s.crm_stage), true) AS is_dated
                    FROM journey_opportunitychange c WHERE c.opportunity_id = s.id) c
            ) d WHERE d.crm_stage IS NOT NULL OR d.amount IS NOT NULL OR d.expected_close IS NOT NULL
            """,
            {"system": run.source_system},
        )
        run.sql(
            # An older file once more.
            "DELETE FROM {facts} f USING journey_opportunitychange c WHERE c.source_key = f.source_key",
            facts=FACTS,
        )
        added = run.sql(
            """
            INSERT INTO journey_opportunitychange
                (opportunity_id, occurred_at, sequence, crm_stage_id, amount, expected_close, source_key)
            SELECT opportunity_id, at, sequence, crm_stage, amount, expected_close, source_key FROM {facts} ORDER BY n
            """,
            facts=FACTS,
        )
        if not added:
            return
        run.flag("no_date", f"{FACTS} s WHERE s.crm_stage IS NOT NULL AND s.at IS NULL")
        run.flag("future", f"{FACTS} s WHERE s.at > now()")
        derive_deals(f"SELECT opportunity_id FROM {FACTS}")
        run.sql("UPDATE {rows} s SET is_written = true FROM {facts} f WHERE f.opportunity_id = s.id", facts=FACTS)


@register
class OpportunityChanges(FactTarget):
    key = "opportunity-changes"
    model = OpportunityChange
    needs_one_of = STATED
    fields = (
        Field("external_id", _("external id"), Key(190), synonyms=("id", "change id", "history id", "编号"), column=""),
        Field(
            "opportunity",
            _("opportunity"),
            Reference(200),
            required=True,
            synonyms=("opportunity id", "opportunityid", "deal id", "deal", "商机", "商机编号", "商机ID", "商機編號"),
            column="",
        ),
        Field(
            "occurred_at",
            _("occurred"),
            Instant(),
            synonyms=(
                "date",
                "time",
                "timestamp",
                "changed at",
                "change date",
                "created date",
                "时间",
                "日期",
                "变更时间",
                "變更時間",
            ),
        ),
        Field("sequence", _("sequence"), Whole(1_000_000_000), synonyms=("order", "number", "序号", "順序")),
        Field("crm_stage", _("stage in the CRM"), Known(), synonyms=STAGE_SYNONYMS, column="crm_stage_id"),
        Field("amount", _("amount"), Number(16), synonyms=AMOUNT_SYNONYMS),
        Field("expected_close", _("expected close"), Day(), synonyms=(*EXPECTED_SYNONYMS, "close date")),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {"crm_stage": StageLookup(run)}

    def prepare(self, run: Run) -> None:
        super().prepare(run)
        map_stages(run)

    def merge(self, run: Run) -> None:
        run.sql(
            "UPDATE {rows} s SET id = t.id FROM journey_opportunity t "
            "WHERE t.source_system = %(system)s AND t.external_id = s.opportunity",
            {"system": run.source_system},
        )
        run.reject("opportunity", UNKNOWN_DEAL, "s.id IS NULL", value="s.opportunity")
        run.reject("crm_stage", SAYS_NOTHING, "s.crm_stage IS NULL AND s.amount IS NULL AND s.expected_close IS NULL")
        self._make_facts(run)
        self.drop_repeats(run)
        if self.count(run):
            self._flag_order(run)
            self._write(run)
            derive_deals(f"SELECT opportunity_id FROM {FACTS}")
        self._flag(run)

    def _make_facts(self, run: Run) -> None:
        # Rows that give nothing are gone by now; something must be named all the same.
        written = [name for name in ("occurred_at", "sequence", *STATED) if name in run.given] or ["occurred_at"]
        columns = {name: run.fields[name].table_column for name in written}
        values = {name: run.new_value(name, f"s.{name}", f"t.{columns[name]}") for name in written}
        if "sequence" in values:
            values["sequence"] = f"coalesce({values['sequence']}, 0)"
        parts = [
            "s.opportunity",
            "extract(epoch FROM s.occurred_at)",
            "s.sequence",
            "s.crm_stage",
            "trim_scale(s.amount)",
            "s.expected_close - date '1970-01-01'",
        ]
        run.temp(
            FACTS,
            "SELECT s.n, s.row, s.line, s.id AS opportunity_id, k.source_key, t.id AS old_id, {values}, "
            "ROW(t.opportunity_id, {old}) IS DISTINCT FROM ROW(s.id, {new}) AS is_changed FROM {rows} s "
            "CROSS JOIN LATERAL (SELECT CASE WHEN s.external_id IS NULL "
            "THEN %(system)s || '#' || md5(concat({content})) "
            "ELSE %(system)s || ':' || s.external_id END AS source_key) k "
            "LEFT JOIN journey_opportunitychange t ON t.source_key = k.source_key",
            {"system": run.source_system},
            values=", ".join(f"{sql} AS {name}" for name, sql in values.items()),
            old=", ".join(f"t.{column}" for column in columns.values()),
            new=", ".join(values.values()),
            content=", '|', ".join(f"coalesce(({part})::text, '')" for part in parts),
        )

    def _flag_order(self, run: Run) -> None:
        """Late: older than what was stored of the deal before. Out of order: older than its row further up."""
        if "occurred_at" not in run.given:
            return
        run.flag(
            "late",
            f"{FACTS} s WHERE s.old_id IS NULL AND s.occurred_at < "
            "(SELECT max(c.occurred_at) FROM journey_opportunitychange c WHERE c.opportunity_id = s.opportunity_id)",
        )
        run.flag(
            "out_of_order",
            "(SELECT n, row, line, occurred_at, max(occurred_at) OVER (PARTITION BY opportunity_id ORDER BY n "
            f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM {FACTS} WHERE old_id IS NULL) s "
            "WHERE s.occurred_at < s.before",
        )

    def _write(self, run: Run) -> None:
        columns = {
            name: run.fields[name].table_column for name in ("occurred_at", "sequence", *STATED) if name in run.given
        }
        if run.report.updated:
            # The deal a change was moved away from changes as well.
            moved = run.query(
                "SELECT DISTINCT c.opportunity_id FROM journey_opportunitychange c JOIN {facts} f ON f.old_id = c.id "
                "WHERE c.opportunity_id <> f.opportunity_id",
                facts=FACTS,
            )
            run.sql(
                "UPDATE journey_opportunitychange t SET opportunity_id = f.opportunity_id, {sets} "
                "FROM {facts} f WHERE t.id = f.old_id AND f.is_changed",
                facts=FACTS,
                sets=", ".join(f"{quote(column)} = f.{name}" for name, column in columns.items()),
            )
            if moved:
                derive_deals("SELECT unnest(%(ids)s::bigint[])", {"ids": [pk for (pk,) in moved]})
        if run.report.inserted:
            run.sql(
                "INSERT INTO journey_opportunitychange (opportunity_id, source_key, {columns}) "
                "SELECT f.opportunity_id, f.source_key, {values} FROM {facts} f WHERE f.old_id IS NULL ORDER BY f.n",
                facts=FACTS,
                columns=", ".join(quote(column) for column in columns.values()),
                values=", ".join(f"f.{name}" for name in columns),
            )

    def _flag(self, run: Run) -> None:
        given = set(run.given)
        run.flag(
            "no_account", f"{FACTS} s JOIN journey_opportunity o ON o.id = s.opportunity_id WHERE o.account_id IS NULL"
        )
        if "occurred_at" in given:
            run.flag("no_date", f"{FACTS} s WHERE s.occurred_at IS NULL")
            run.flag("future", f"{FACTS} s WHERE s.occurred_at > now()")
        else:
            run.flag("no_date", f"{FACTS} s")
        if "crm_stage" in given:
            run.flag("unmapped_stage", f"{FACTS} s JOIN journey_crmstage m ON m.id = s.crm_stage WHERE m.meaning = ''")
        if "expected_close" in given:
            stage = "crm_stage" if "crm_stage" in given else "NULL::bigint AS crm_stage"
            at = "occurred_at" if "occurred_at" in given else "NULL::timestamptz"
            flag_expectations(run, f"SELECT n, row, line, expected_close, {stage}, {at} AS at FROM {FACTS}")
        flag_states(run, f"SELECT * FROM {FACTS}")
