"""Costs from files."""

from django.utils.translation import gettext_lazy as _

from journey.models import Cost
from segmentation.imports.dates import Day
from segmentation.imports.entities import EntityTarget
from segmentation.imports.faults import Fault
from segmentation.imports.fields import Choice, Field, Key, Number, Text
from segmentation.imports.staging import Run
from segmentation.imports.targets import register

ENDS_BEFORE_START = Fault(
    "ends_before_start", _("The last day lies before the first."), _("Exchange or correct the two days.")
)
BAD_CURRENCY = Fault("bad_currency", _("“%(value)s” is no currency."), _("Write three capital letters, such as EUR."))
# What makes two costs without external id the same one: the amount is what a later file corrects.
_SAME = ("kind", "first_day", "last_day", "campaign", "channel", "currency")


@register
class Costs(EntityTarget):
    key = "costs"
    model = Cost
    ident = (
        "coalesce('x' || s.external_id, concat_ws('|', 'c', " + ", ".join(f"s.{name}::text" for name in _SAME) + "))"
    )
    fields = (
        Field("external_id", _("external id"), Key(200), synonyms=("id", "cost id", "编号", "編號")),
        Field("kind", _("kind"), Choice(Cost.Kind), required=True, synonyms=("type", "类型", "費用類型", "费用类型")),
        Field(
            "first_day",
            _("first day"),
            Day(),
            required=True,
            synonyms=("start", "from", "date", "day", "开始日期", "日期", "開始日期"),
        ),
        Field("last_day", _("last day"), Day(), synonyms=("end", "until", "to", "结束日期", "結束日期")),
        Field(
            "amount",
            _("amount"),
            Number(16),
            required=True,
            synonyms=("cost", "spend", "spent", "金额", "费用", "金額"),
        ),
        Field("currency", _("currency"), Text(3), synonyms=("币种", "货币", "幣種")),
        Field("campaign", _("campaign"), Text(120), synonyms=("campaign name", "活动", "市场活动", "活動")),
        Field("channel", _("channel"), Text(120), synonyms=("渠道", "通路")),
        Field("note", _("note"), Text(300), synonyms=("comment", "备注", "備註")),
    )

    def recognise(self, run: Run) -> None:
        self._complete(run)
        run.sql(
            "UPDATE {rows} s SET id = t.id FROM journey_cost t WHERE s.id IS NULL AND coalesce(s.external_id, '') = ''"
            " AND t.source_system = %(system)s AND t.external_id IS NULL AND "
            + " AND ".join(f"coalesce(s.{name}::text, '') = t.{name}::text" for name in _SAME),
            {"system": run.source_system},
        )

    def _complete(self, run: Run) -> None:
        """A cost without a last day is of one day; currencies are in capitals."""
        run.sql("UPDATE {rows} SET last_day = first_day WHERE last_day IS NULL")
        run.sql("UPDATE {rows} SET currency = upper(currency) WHERE currency <> upper(currency)")
        run.reject("last_day", ENDS_BEFORE_START, "s.last_day < s.first_day", value="s.last_day::text")
        run.reject("currency", BAD_CURRENCY, "s.currency <> '' AND s.currency !~ '^[A-Z]{3}$'", value="s.currency")

    def worked_out(self, run: Run) -> dict[str, tuple[str, str]]:
        return {} if "last_day" in run.given else {"last_day": ("s.last_day", "s.last_day")}
