"""Accounts from files and the API."""

from django.utils.translation import gettext_lazy as _

from segmentation.imports.dates import Instant
from segmentation.imports.entities import AMBIGUOUS, EntityTarget
from segmentation.imports.faults import Fault, Lookup
from segmentation.imports.fields import (
    Choice,
    Domain,
    Field,
    Key,
    Known,
    Many,
    Number,
    Reference,
    Text,
    Whole,
    bare_domain,
)
from segmentation.imports.references import ACCOUNT_IDS, find_accounts
from segmentation.imports.staging import Run
from segmentation.imports.targets import register
from segmentation.imports.teams import TeamLookup
from segmentation.models import Account, CustomField, Relationship, Tier

OWN_PARENT = Fault(
    "own_parent",
    _("“%(value)s” would be its own parent company."),
    _("Leave the parent empty for the company at the top."),
)
CIRCLE = Fault(
    "parent_circle",
    _("“%(value)s” has this company among its own parents."),
    _("Leave the parent of one of them empty."),
)
PARENT_IDS = "import_parent_ids"
# A row names a merged account by its external id or, without one, by a name or domain that was that account's alone.
_MERGED = """
    SELECT m.account_id, m.source_system, m.external_id, m.domain, lower(m.name) AS name, a.domain AS own_domain,
        lower(a.name) AS own_name
    FROM segmentation_accountmerge m JOIN segmentation_account a ON a.id = m.account_id WHERE m.undone_at IS NULL
"""
_NAMES_MERGED = """
    SELECT s.n FROM {rows} s JOIN import_merged m ON m.source_system = %(system)s AND m.external_id = s.external_id
    WHERE s.id IS NULL
"""
_CALLS_MERGED = """
    UNION SELECT s.n FROM {rows} s JOIN import_merged m ON m.account_id = s.id
    WHERE s.external_id IS NULL AND {own} AND ({theirs})
"""


@register
class Accounts(EntityTarget):
    key = "accounts"
    model = Account
    custom_of = CustomField.Of.ACCOUNT
    needs_one_of = ("external_id", "name", "domain")
    name_needed = "name"
    ident = "coalesce('x' || s.external_id, 'd' || nullif(s.domain, ''), 'n' || lower(nullif(s.name, '')))"
    fields = (
        Field(
            "external_id",
            _("external id"),
            Key(200),
            synonyms=("id", "account id", "accountid", "customer id", "客户编号", "客户ID", "公司编号", "客戶編號"),
        ),
        Field(
            "name",
            _("name"),
            Text(300),
            synonyms=(
                "account",
                "account name",
                "company",
                "company name",
                "customer",
                "客户",
                "客户名称",
                "公司",
                "公司名称",
                "企业名称",
                "名称",
                "客戶名稱",
                "公司名稱",
            ),
        ),
        Field("other_names", _("other names"), Many(), synonyms=("aliases", "alias", "别名", "曾用名", "別名")),
        Field(
            "domain",
            _("domain"),
            Domain(),
            synonyms=("website", "web site", "url", "homepage", "域名", "网站", "网址", "官网", "網站", "網址"),
        ),
        Field("other_domains", _("other domains"), Many(253, bare_domain), synonyms=("其他域名",)),
        Field("industry", _("industry"), Text(120), synonyms=("sector", "行业", "行業")),
        Field("region", _("region"), Text(80), synonyms=("area", "territory", "地区", "区域", "大区", "地區")),
        Field("country", _("country"), Text(80), synonyms=("country/region", "office location", "国家", "國家")),
        Field("city", _("city"), Text(120), synonyms=("城市",)),
        Field(
            "employees",
            _("employees"),
            Whole(),
            synonyms=("number of employees", "employee count", "headcount", "员工数", "员工人数", "人数", "員工人數"),
        ),
        Field(
            "revenue",
            _("annual revenue"),
            Number(18),
            synonyms=("revenue", "sales", "年收入", "营业额", "营收", "营业收入", "營業額"),
        ),
        Field("revenue_currency", _("currency of the revenue"), Text(3), synonyms=("currency", "币种", "货币", "幣種")),
        Field("tier", _("tier"), Choice(Tier), synonyms=("level", "层级", "级别", "客户级别", "層級")),
        Field(
            "relationship",
            _("relationship"),
            Choice(Relationship),
            synonyms=("account type", "type", "关系", "客户类型", "關係"),
        ),
        Field("business_unit", _("business unit"), Text(120), synonyms=("bu", "事业部", "业务单元", "事業部")),
        Field("source", _("source"), Text(120), synonyms=("lead source", "account source", "来源", "客户来源", "來源")),
        Field(
            "owner",
            _("owner"),
            Text(200),
            synonyms=("account owner", "sales rep", "负责人", "销售", "客户经理", "負責人"),
        ),
        Field("team", _("sales team"), Known(), synonyms=("team", "销售团队", "团队", "銷售團隊"), column="team_id"),
        Field(
            "parent",
            _("parent company"),
            Reference(300),
            synonyms=("parent account", "subsidiary of", "母公司", "上级公司", "总公司"),
            column="",
        ),
        Field("products", _("products in use"), Many(120), synonyms=("products", "产品", "已购产品", "產品")),
        Field(
            "created_in_source_at",
            _("created in the source"),
            Instant(),
            synonyms=("created", "created at", "created date", "create date", "创建时间", "创建日期", "建立時間"),
        ),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {"team": TeamLookup(run)}

    def recognise(self, run: Run) -> None:
        """Rows without external id are recognised by their domain, else by their name."""
        for name in ("domain", "name"):
            if name not in run.given:
                continue
            find_accounts(run, f"(CASE WHEN s.id IS NULL AND s.external_id IS NULL THEN s.{name} ELSE '' END)")
            open_ = "s.id IS NULL AND s.external_id IS NULL"
            ambiguous = f"{open_} AND f.ref = s.{name} AND f.candidates > 1"
            run.reject(name, AMBIGUOUS, ambiguous, using=ACCOUNT_IDS + " f", value=f"s.{name}")
            run.sql(f"UPDATE {{rows}} s SET id = f.id FROM {ACCOUNT_IDS} f WHERE {open_} AND f.ref = s.{name}")

    def leave_out(self, run: Run) -> None:
        """Rows of accounts that were merged into others: they are known, and the fields are the survivor's."""
        if not run.query("SELECT 1 FROM segmentation_accountmerge WHERE undone_at IS NULL LIMIT 1"):
            return
        run.temp("import_merged", _MERGED)
        called = {
            "domain": ("s.domain = m.own_domain", "s.domain <> '' AND s.domain = m.domain"),
            "name": ("lower(s.name) = m.own_name", "s.name <> '' AND lower(s.name) = m.name"),
        }
        given = [called[name] for name in called if name in run.given]
        calls = _CALLS_MERGED.replace("{own}", " AND ".join(f"NOT coalesce({own}, false)" for own, _t in given))
        calls = calls.replace("{theirs}", " OR ".join(f"coalesce({theirs}, false)" for _own, theirs in given))
        run.temp("import_left_out", _NAMES_MERGED + (calls if given else ""), {"system": run.source_system})
        gone = run.query(
            "DELETE FROM {rows} s USING import_left_out m WHERE m.n = s.n RETURNING coalesce(s.line, s.row)"
        )
        run.report.unchanged += len(gone)
        run.report.flag("merged_account", len(gone), sorted(line for (line,) in gone)[:20])

    def refer(self, run: Run) -> None:
        run.sql("ALTER TABLE {rows} ADD parent_id bigint")
        if "parent" not in run.given:
            return
        find_accounts(run, "s.parent", staged=True, table=PARENT_IDS)
        joined = f"{PARENT_IDS} f"
        run.reject("parent", AMBIGUOUS, "f.ref = s.parent AND f.candidates > 1", using=joined, value="s.parent")
        run.reject("parent", OWN_PARENT, "f.ref = s.parent AND f.id = s.id", using=joined, value="s.parent")
        run.sql(f"UPDATE {{rows}} s SET parent_id = f.id FROM {joined} WHERE f.ref = s.parent")
        # A parent among the rows that were just refused is no parent.
        run.sql(
            "UPDATE {rows} s SET parent_id = NULL WHERE parent_id IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM {rows} p WHERE p.id = s.parent_id) "
            "AND NOT EXISTS (SELECT 1 FROM segmentation_account a WHERE a.id = s.parent_id)"
        )
        self._refuse_circles(run)
        run.flag("unknown_parent", "import_rows s WHERE s.parent <> '' AND s.parent_id IS NULL")

    def _refuse_circles(self, run: Run) -> None:
        """Refuse rows that would make a company one of its own parents, with the parents of the file and the stored."""
        run.temp(
            "import_circles",
            "WITH RECURSIVE up (row_id, parent, step) AS ("
            "  SELECT s.id, s.parent_id, 1 FROM {rows} s WHERE s.parent_id IS NOT NULL"
            "  UNION SELECT u.row_id, coalesce(p.parent_id, a.parent_id), u.step + 1"
            "  FROM up u LEFT JOIN {rows} p ON p.id = u.parent"
            "    LEFT JOIN segmentation_account a ON a.id = u.parent"
            "  WHERE u.parent IS NOT NULL AND u.parent <> u.row_id AND u.step < 1000"
            ") SELECT DISTINCT row_id AS id FROM up WHERE parent = row_id",
        )
        run.reject("parent", CIRCLE, "c.id = s.id", using="import_circles c", value="s.parent")

    def worked_out(self, run: Run) -> dict[str, tuple[str, str]]:
        return {"parent_id": ("s.parent_id", "coalesce(s.parent_id, t.parent_id)")} if "parent" in run.given else {}
