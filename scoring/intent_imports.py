"""Intent signals from files and the API."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from scoring.engine.keywords import MOST_CHARACTERS, Matcher
from scoring.models import MOST_SIGNALS, IntentSignal, IntentTopic
from segmentation.errors import closest
from segmentation.identity.domains import is_free_mail
from segmentation.imports.dates import Instant
from segmentation.imports.entities import AMBIGUOUS
from segmentation.imports.facts import FACTS, FactTarget
from segmentation.imports.faults import Fault, Lookup
from segmentation.imports.fields import Domain, Field, Key, Known, Reference, Text, Whole
from segmentation.imports.references import ACCOUNT_IDS, ACCOUNT_SYNONYMS, find_accounts
from segmentation.imports.staging import Run, quote
from segmentation.imports.targets import register

NO_COMPANY = Fault(
    "no_company", _("The row says of no company that it showed intent."), _("Fill in the account or the domain.")
)
FREE_MAIL = Fault(
    "free_mail",
    _("“%(value)s” gives mail addresses to everybody and tells no company."),
    _("Name the company, or leave the row out."),
)
NO_TOPIC = Fault(
    "no_topic",
    _("The row has no topic, and “%(value)s” holds no keyword of one."),
    _("Name a topic, or add the keyword to one."),
)
NO_SIGNAL = Fault("out_of_range", _("“%(value)s” signals are none."), _("Write 1 or more, or leave the row out."))
DOMAIN_IDS = "import_domain_ids"
WRITTEN = ("keyword", "occurred_at", "number", "strength", "source", "url")
DEFAULTS = {"number": "1", "strength": "NULL"}  # of columns a file does not have; all others are empty


class TopicLookup(Lookup):
    """Finds intent topics by key or name."""

    def __init__(self) -> None:
        self.topics = list(IntentTopic.objects.all())
        self.known = {
            name.casefold(): topic.pk for topic in self.topics for name in (topic.name, str(topic), topic.key)
        }

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        return [self.known.get(name.casefold()) or self._unknown(name) for name in names]

    def _unknown(self, name: str) -> Fault:
        guess = closest(name, [name for topic in self.topics for name in (topic.key, str(topic))])
        remedy = (
            _("Did you mean “%(guess)s”?") if guess else _("Make the topic first, or replace the value in the mapping.")
        )
        return Fault("unknown_topic", _("There is no intent topic “%(value)s”."), remedy, {"guess": guess})


@register
class IntentSignals(FactTarget):
    key = "intent-signals"
    model = IntentSignal
    needs_one_of = ("account", "domain")
    fields = (
        Field("external_id", _("external id"), Key(190), synonyms=("id", "signal id", "event id", "编号", "編號")),
        Field("account", _("account"), Reference(300), synonyms=ACCOUNT_SYNONYMS, column=""),
        Field(
            "domain",
            _("domain"),
            Domain(),
            synonyms=("website", "company domain", "域名", "网址", "網址"),
            column="",
            help_text=_("Of the company, where the account is empty or not known."),
        ),
        Field(
            "topic",
            _("topic"),
            Known(),
            synonyms=("intent topic", "category", "主题", "意图主题", "意向", "主題"),
            column="topic_id",
            help_text=_("Key or name. Empty: the topic that has the keyword."),
        ),
        Field(
            "keyword",
            _("keyword"),
            Text(MOST_CHARACTERS),
            synonyms=("search term", "search keyword", "query", "关键词", "关键字", "關鍵字"),
        ),
        Field(
            "occurred_at",
            _("occurred"),
            Instant(),
            required=True,
            synonyms=("date", "time", "timestamp", "week", "signal date", "时间", "日期", "時間"),
        ),
        Field("number", _("how many"), Whole(MOST_SIGNALS), synonyms=("count", "signals", "hits", "次数", "次數")),
        Field("strength", _("strength"), Whole(100), synonyms=("score", "intent score", "强度", "分数", "強度")),
        Field("source", _("seen at"), Text(120), synonyms=("publisher", "provider", "来源", "來源")),
        Field("url", _("address of the page"), Text(500), synonyms=("page", "page url", "link", "链接", "連結")),
    )

    def lookups(self, run: Run) -> dict[str, Lookup]:
        return {"topic": TopicLookup()}

    def merge(self, run: Run) -> None:
        self._refer(run)
        self._find_topics(run)
        run.reject("number", NO_SIGNAL, "s.number = 0", value="s.number::text")
        self._make_facts(run)
        self.drop_repeats(run)
        run.flag("unknown_account", f"{FACTS} s WHERE s.account_id IS NULL")
        if self.count(run):
            run.flag("future", f"{FACTS} s WHERE s.old_id IS NULL AND s.occurred_at > now()")
            self._write(run)

    def _refer(self, run: Run) -> None:
        """By id, name or domain in the column of the account; else by the domain, unless everybody has one there."""
        run.reject(
            "account" if "account" in run.given else "domain",
            NO_COMPANY,
            "coalesce(s.account, '') = '' AND coalesce(s.domain, '') = '' AND NOT EXISTS (SELECT 1"
            " FROM scoring_intentsignal t WHERE t.source_key = %(system)s || ':' || s.external_id)",
            {"system": run.source_system},
        )
        find_accounts(run, "coalesce(s.account, '')")
        domains = run.query("SELECT DISTINCT domain FROM {rows} WHERE domain <> ''")
        free = [domain for (domain,) in domains if is_free_mail(domain)]
        nameless = "s.domain = ANY (%(free)s) AND coalesce(s.account, '') = ''"
        run.reject("domain", FREE_MAIL, nameless, {"free": free}, value="s.domain")
        run.sql("UPDATE {rows} SET domain = '' WHERE domain = ANY (%(free)s)", {"free": free})
        find_accounts(run, "coalesce(s.domain, '')", table=DOMAIN_IDS)
        for name, table in (("account", ACCOUNT_IDS), ("domain", DOMAIN_IDS)):
            unsaid = (
                "" if name == "account" else f" AND NOT EXISTS (SELECT 1 FROM {ACCOUNT_IDS} a WHERE a.ref = s.account)"
            )
            run.reject(
                name,
                AMBIGUOUS,
                f"f.ref = s.{name} AND f.candidates > 1{unsaid}",
                using=f"{table} f",
                value=f"s.{name}",
            )

    def _find_topics(self, run: Run) -> None:
        """Rows without topic belong to the one that has their keyword."""
        words = [word for (word,) in run.query("SELECT DISTINCT keyword FROM {rows} WHERE topic IS NULL")]
        topics = {str(topic.pk): topic.keywords for topic in IntentTopic.objects.order_by("pk")}
        matcher = Matcher(topics)
        found = [(word, int(next(iter(matched)))) for word in words if word and (matched := matcher.found(word))]
        run.sql(
            "UPDATE {rows} s SET topic = m.topic"
            " FROM unnest(%(words)s::text[], %(topics)s::bigint[]) AS m (word, topic)"
            " WHERE s.topic IS NULL AND s.keyword = m.word",
            {"words": [word for word, _topic in found], "topics": [topic for _word, topic in found]},
        )
        run.reject(
            "topic" if "topic" in run.given else "keyword",
            NO_TOPIC,
            "s.topic IS NULL",
            value="coalesce(s.keyword, '')",
        )

    def _make_facts(self, run: Run) -> None:
        """Without external id a signal is recognised by what it says; how many and how strong a later file corrects."""
        parts = ["lower(s.account)", "s.domain", "s.topic", "lower(s.keyword)", "extract(epoch FROM s.occurred_at)"]
        parts += ["s.source", "s.url"]
        content = ", '|', ".join(f"coalesce(({part})::text, '')" for part in parts)
        written = [name for name in WRITTEN if name in run.given]
        staged = {name: f"s.{name}" for name in written}
        staged |= {name: f"coalesce(s.{name}, '')" for name in written if name in ("keyword", "source", "url")}
        staged |= {"number": "coalesce(s.number, 1)"} if "number" in written else {}
        values = {name: run.new_value(name, sql, f"t.{name}") for name, sql in staged.items()}
        account = "coalesce(a.id, d.id, t.account_id)"
        company = "left(coalesce(nullif(s.account, ''), nullif(s.domain, ''), t.company), 300)"
        changed = ["t.topic_id", "t.account_id", "t.company", *(f"t.{name}" for name in written)]
        new = ["s.topic", account, company, *values.values()]
        run.temp(
            FACTS,
            """
            SELECT s.n, s.row, s.line, s.source_key, t.id AS old_id, {account} AS account_id, {company} AS company,
                s.topic AS topic_id, {values}, ROW({changed}) IS DISTINCT FROM ROW({new}) AS is_changed
            FROM (
                SELECT s.*, CASE WHEN s.external_id IS NULL THEN %(system)s || '#' || md5(concat({content}))
                            ELSE %(system)s || ':' || s.external_id END AS source_key
                FROM {rows} s
            ) s
            LEFT JOIN {accounts} a ON a.ref = s.account
            LEFT JOIN {domains} d ON d.ref = s.domain
            LEFT JOIN scoring_intentsignal t ON t.source_key = s.source_key
            """,
            {"system": run.source_system},
            account=account,
            company=company,
            accounts=ACCOUNT_IDS,
            domains=DOMAIN_IDS,
            content=content,
            values=", ".join(f"{sql} AS {name}" for name, sql in values.items()),
            changed=", ".join(changed),
            new=", ".join(new),
        )

    def _write(self, run: Run) -> None:
        columns = ["account_id", "company", "topic_id", *(name for name in WRITTEN if name in run.given)]
        if run.report.updated:
            run.sql(
                "UPDATE scoring_intentsignal t SET {sets} FROM {facts} f WHERE t.id = f.old_id AND f.is_changed",
                facts=FACTS,
                sets=", ".join(f"{quote(name)} = {self._or_default(name)}" for name in columns),
            )
        if run.report.inserted:
            left_out = {name: DEFAULTS.get(name, "''") for name in WRITTEN if name not in run.given}
            run.sql(
                """
                INSERT INTO scoring_intentsignal (source_key, {columns})
                SELECT f.source_key, {values} FROM {facts} f WHERE f.old_id IS NULL ORDER BY f.account_id, f.n
                """,
                facts=FACTS,
                columns=", ".join([*columns, *left_out]),
                values=", ".join([*map(self._or_default, columns), *left_out.values()]),
            )

    @staticmethod
    def _or_default(name: str) -> str:
        """What is written: of records that leave a field out, its default."""
        text = name in ("company", "keyword", "source", "url")
        return f"coalesce(f.{name}, '')" if text else "coalesce(f.number, 1)" if name == "number" else f"f.{name}"
