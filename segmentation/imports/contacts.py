"""Contacts from files and the API; seniority and department are read from their job titles."""

from django.utils.translation import gettext_lazy as _

from segmentation.imports.dates import Instant
from segmentation.imports.entities import AMBIGUOUS, EntityTarget
from segmentation.imports.fields import Choice, Field, Key, Reference, Text
from segmentation.imports.references import ACCOUNT_IDS, ACCOUNT_SYNONYMS, CONTACT_IDS, find_accounts, find_contacts
from segmentation.imports.staging import Run
from segmentation.imports.targets import register
from segmentation.models import BuyingRole, Consent, Contact, CustomField, Department, Seniority
from segmentation.services.titles import stage_titles

TITLE_CLASSES = "import_titles"


@register
class Contacts(EntityTarget):
    key = "contacts"
    model = Contact
    custom_of = CustomField.Of.CONTACT
    needs_one_of = ("external_id", "email")
    ident = "coalesce('x' || s.external_id, 'e' || lower(nullif(s.email, '')))"
    fields = (
        Field(
            "external_id",
            _("external id"),
            Key(200),
            synonyms=("id", "contact id", "lead id", "person id", "联系人编号", "联系人ID", "線索編號", "线索编号"),
        ),
        Field(
            "account",
            _("account"),
            Reference(300),
            synonyms=ACCOUNT_SYNONYMS,
            column="",
        ),
        Field(
            "name",
            _("name"),
            Text(200),
            synonyms=("full name", "contact name", "contact", "姓名", "联系人", "联系人姓名", "聯絡人"),
        ),
        Field(
            "email",
            _("email"),
            Text(254),
            synonyms=("e-mail", "email address", "mail", "邮箱", "电子邮箱", "电子邮件", "郵箱", "電子郵件"),
        ),
        Field(
            "phone",
            _("phone"),
            Text(60),
            synonyms=("telephone", "mobile", "mobile phone", "电话", "手机", "手机号", "電話", "手機"),
        ),
        Field(
            "job_title",
            _("job title"),
            Text(200),
            synonyms=("title", "position", "role title", "职位", "职务", "头衔", "職位", "職稱"),
        ),
        Field("seniority", _("seniority"), Choice(Seniority), synonyms=("职级", "職級"), column=""),
        Field("department", _("department"), Choice(Department), synonyms=("部门", "部門"), column=""),
        Field(
            "buying_role", _("buying role"), Choice(BuyingRole), synonyms=("role", "采购角色", "決策角色", "决策角色")
        ),
        Field("consent", _("consent to be contacted"), Choice(Consent), synonyms=("consent", "同意联系", "授权")),
        Field(
            "created_in_source_at",
            _("created in the source"),
            Instant(),
            synonyms=("created", "created at", "created date", "create date", "创建时间", "创建日期"),
        ),
    )

    def recognise(self, run: Run) -> None:
        """Rows without external id are recognised by their mail address."""
        if "email" not in run.given:
            return
        open_ = "s.id IS NULL AND s.external_id IS NULL"
        find_contacts(run, f"(CASE WHEN {open_} THEN s.email ELSE '' END)")
        run.reject(
            "email",
            AMBIGUOUS,
            f"{open_} AND f.ref = s.email AND f.candidates > 1",
            using=CONTACT_IDS + " f",
            value="s.email",
        )
        run.sql(f"UPDATE {{rows}} s SET id = f.id FROM {CONTACT_IDS} f WHERE {open_} AND f.ref = s.email")

    def refer(self, run: Run) -> None:
        run.sql("ALTER TABLE {rows} ADD account_id bigint")
        if "account" in run.given:
            find_accounts(run, "s.account")
            run.reject(
                "account",
                AMBIGUOUS,
                "f.ref = s.account AND f.candidates > 1",
                using=ACCOUNT_IDS + " f",
                value="s.account",
            )
            run.sql(f"UPDATE {{rows}} s SET account_id = f.id FROM {ACCOUNT_IDS} f WHERE f.ref = s.account")
        self._classify(run)

    def _classify(self, run: Run) -> None:
        """What the source says about rank and department counts as fixed; the job title fills in the rest."""
        run.sql("ALTER TABLE {rows} ADD by_hand boolean DEFAULT false")
        if {"seniority", "department"} & set(run.given):
            run.sql("UPDATE {rows} SET by_hand = true WHERE seniority <> '' OR department <> ''")
        if "job_title" in run.given:
            stage_titles(run.cursor, "SELECT DISTINCT job_title FROM import_rows WHERE job_title <> ''", TITLE_CLASSES)
            run.sql(
                "UPDATE {rows} s SET seniority = coalesce(nullif(s.seniority, ''), c.seniority), "
                "department = coalesce(nullif(s.department, ''), c.department) "
                f"FROM {TITLE_CLASSES} c WHERE c.title = s.job_title"
            )

    def before_write(self, run: Run) -> None:
        if "account" in run.given:
            run.flag("no_account", "import_rows s WHERE s.account <> '' AND s.account_id IS NULL")
            run.flag(
                "contact_moved",
                "import_rows s JOIN segmentation_contact t ON t.id = s.id "
                "WHERE NOT s.is_new AND t.account_id <> s.account_id",
            )
        if "email" in run.given:
            run.flag(
                "email_invalid",
                "import_rows s WHERE s.email <> '' AND s.email !~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$'",
            )

    def worked_out(self, run: Run) -> dict[str, tuple[str, str]]:
        values = {}
        if "account" in run.given:
            values["account_id"] = ("s.account_id", "coalesce(s.account_id, t.account_id)")
        given = {"seniority", "department", "job_title"} & set(run.given)
        if given:
            titled = run.new_value("job_title", "coalesce(s.{0}, '')", "t.{0}") if "job_title" in given else "t.{0}"
            for name in ("seniority", "department"):
                stored = (
                    f"CASE WHEN s.by_hand THEN coalesce(nullif(s.{name}, ''), t.{name}) "
                    f"WHEN t.classified_by_hand THEN t.{name} ELSE {titled.format(name)} END"
                )
                values[name] = (f"coalesce(s.{name}, '')", stored)
            values["classified_by_hand"] = ("s.by_hand", "t.classified_by_hand OR s.by_hand")
        return values
