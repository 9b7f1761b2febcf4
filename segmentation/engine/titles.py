"""Seniority and department read from job titles by ordered rules. The first that fits decides; none, no verdict."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from segmentation.engine.text import _
from segmentation.errors import InvalidValueError

Sets = Literal["seniority", "department"]
Match = Literal["word", "text", "regex"]

# Letters and digits of the Latin script. A Chinese character beside a word ends it: “销售VP” holds the word VP.
_LETTER = "a-z0-9\u00df-\u024f"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `word` stands alone in the title, `text` anywhere, `regex` is searched for; case never matters."""

    sets: Sets
    match: Match
    pattern: str
    value: str


class TitleClass(NamedTuple):
    """What a title says; empty is unknown."""

    seniority: str
    department: str


class TitleClassifier:
    """Rules made ready to read many titles. Each distinct title is read once."""

    def __init__(self, rules: Iterable[Rule]):
        """Compile the rules, in the order in which they are tried.

        Raises:
            InvalidValueError: a pattern is empty or no regular expression.
        """
        self._rules: dict[str, list[tuple[str, re.Pattern[str] | None, str]]] = {"seniority": [], "department": []}
        for rule in rules:
            self._rules[rule.sets].append(_compiled(rule))
        self._seen: dict[str, TitleClass] = {}

    def classify(self, title: str) -> TitleClass:
        """Return seniority and department of a title."""
        found = self._seen.get(title)
        if found is None:
            text = normalise(title)
            found = (
                TitleClass(self._first("seniority", text), self._first("department", text))
                if text
                else TitleClass("", "")
            )
            self._seen[title] = found
        return found

    def classify_all(self, titles: Sequence[str]) -> list[TitleClass]:
        """Return seniority and department of each title, in their order."""
        return [self.classify(title) for title in titles]

    def _first(self, sets: str, text: str) -> str:
        for part, pattern, value in self._rules[sets]:
            if part in text and (pattern is None or pattern.search(text)):
                return value
        return ""


def normalise(title: str) -> str:
    """Return a title as rules see it: one width, one case, single spaces, V.P. as vp."""
    text = unicodedata.normalize("NFKC", title).casefold()
    text = re.sub(r"(?<=\b\w)\.(?=\w\b|\W|$)", "", text)
    return " ".join(text.split())


def _compiled(rule: Rule) -> tuple[str, re.Pattern[str] | None, str]:
    """Return (text that must be there, pattern to look for if that is not enough, value)."""
    if not rule.pattern.strip():
        raise InvalidValueError(
            _("A rule for job titles has no pattern."),
            field="pattern",
            value=rule.pattern,
            remedy=_("Write the word or text to look for."),
        )
    if rule.match == "regex":
        try:
            return "", re.compile(rule.pattern, re.IGNORECASE), rule.value
        except re.error as error:
            raise InvalidValueError(
                _("“%(value)s” is no regular expression: %(reason)s."),
                code="bad_regex",
                field="pattern",
                value=rule.pattern,
                params={"reason": error},
                remedy=_("Correct it, or match a word or a text instead."),
            ) from error
    text = normalise(rule.pattern)
    if rule.match == "text":
        return text, None, rule.value
    return text, re.compile(f"(?<![{_LETTER}]){re.escape(text)}(?![{_LETTER}])"), rule.value


def _rules(sets: Sets, value: str, match: Match, *patterns: str) -> list[Rule]:
    return [Rule(sets, match, pattern, value) for pattern in patterns]


_CHIEFS = "ceo|cfo|cto|cio|coo|cmo|cro|cpo|cso|cco|cdo|clo|cao|cbo|cxo|chro|ciso|cino"

SENIORITY_RULES: tuple[Rule, ...] = (
    # Near the top, not at it.
    *_rules(
        "seniority",
        "other",
        "regex",
        r"\b(assistant|secretary|advis[eo]r|aide|coordinator|analyst|specialist|associate)\b.*\bto\b",
        r"\b(executive|personal|administrative|management) assistant\b",
        r"^(former|retired|past|ex)\b",
        r"\b(intern|trainee|student|apprentice|werkstudent)\b",
        r"\b(product|process|system|service|data|application|project|risk|account) owner\b",
        r"\boffice of the\b",
        r"(总裁|总经理|董事长|總裁|總經理|董事長|ceo|总监|總監)\s*(特别|特別)?\s*(助理|助手|秘书|秘書|司机|司機|特助)",
    ),
    *_rules(
        "seniority",
        "other",
        "text",
        "实习",
        "實習",
        "特助",
        "特别助理",
        "特別助理",
        "行政助理",
        "总助",
        "退休",
        "主任工程师",
        "主任工程師",
        "主任医师",
    ),
    *_rules("seniority", "manager", "regex", r"(总裁|总经理|董事长|總裁|總經理|董事長)办.*(主任|经理|總監|总监)"),
    *_rules("seniority", "other", "regex", r"(总裁|总经理|董事长)办|總經理室|總裁室"),
    # Vice presidents before presidents, deputies before those they stand in for.
    *_rules(
        "seniority",
        "vp",
        "regex",
        r"\bvice[- ]?president\b",
        r"\b[a-z]?vp\b",
        rf"\b(deputy|vice|assistant|associate)[ -]+({_CHIEFS}|chief)\b",
    ),
    *_rules(
        "seniority",
        "vp",
        "word",
        "vp",
        "svp",
        "evp",
        "avp",
        "deputy general manager",
        "vice general manager",
        "deputy managing director",
    ),
    *_rules(
        "seniority",
        "vp",
        "text",
        *(
            "副总裁",
            "副總裁",
            "副总经理",
            "副總經理",
            "副总",
            "副總",
            "副院长",
            "副院長",
            "副校长",
            "副校長",
            "副行长",
            "副局长",
            "副执行长",
            "副首席",
        ),
    ),
    # Heads of a part of the company.
    *_rules(
        "seniority",
        "director",
        "regex",
        r"(部|部门|中心|大区|区域|區域|分公司|子公司|分行|支行|事業部|事业部|营业部|項目|项目)(总经理|總經理|行长|行長|总裁|總裁)",
    ),
    *_rules("seniority", "director", "word", "chief of staff", "assistant general manager", "regional general manager"),
    # The top.
    *_rules(
        "seniority",
        "c_level",
        "regex",
        rf"(?<![{_LETTER}])({_CHIEFS})(?![{_LETTER}])",
        r"\bchief\b.{0,40}\bofficer\b",
        r"首席.{0,8}官",
    ),
    *_rules(
        "seniority",
        "c_level",
        "word",
        *(
            "chief executive",
            "president",
            "chairman",
            "chairwoman",
            "chairperson",
            "chair of the board",
            "board member",
            "founder",
            "co-founder",
        ),
        *(
            "cofounder",
            "managing director",
            "general manager",
            "business owner",
            "company owner",
            "proprietor",
            "managing partner",
        ),
        *("founding partner", "senior partner", "general partner"),
    ),
    *_rules("seniority", "c_level", "regex", r"^(co-?)?owner\b|[/&,-] ?(co-?)?owner$|^partner$"),
    *_rules(
        "seniority",
        "c_level",
        "text",
        *(
            "董事长",
            "董事長",
            "总裁",
            "總裁",
            "总经理",
            "總經理",
            "创始人",
            "創始人",
            "創辦人",
            "创办人",
            "合伙人",
            "合夥人",
            "执行长",
            "執行長",
        ),
        *(
            "財務長",
            "技術長",
            "營運長",
            "行銷長",
            "資訊長",
            "人資長",
            "产品长",
            "執行董事",
            "执行董事",
            "董事会秘书",
            "董秘",
            "董事",
            "总干事",
        ),
        *("老板", "老闆", "法定代表人", "法人代表", "院长", "院長", "校长", "校長", "行长", "行長", "局长", "局長"),
    ),
    # Directors.
    *_rules(
        "seniority",
        "director",
        "regex",
        r"\bhead( of\b|, )",
        r"\b(department|division|group|global|regional|country) head\b",
    ),
    *_rules(
        "seniority",
        "director",
        "word",
        "director",
        "chief",
        "principal consultant",
        "controller",
        "treasurer",
        "general counsel",
    ),
    *_rules(
        "seniority",
        "director",
        "text",
        *(
            "总监",
            "總監",
            "首席",
            "部长",
            "部長",
            "处长",
            "處長",
            "厂长",
            "廠長",
            "协理",
            "協理",
            "总工",
            "總工",
            "总会计师",
            "部门负责人",
            "部門負責人",
        ),
    ),
    # Managers.
    *_rules(
        "seniority",
        "manager",
        "word",
        "manager",
        "mgr",
        "supervisor",
        "team lead",
        "team leader",
        "team head",
        "foreman",
        "superintendent",
    ),
    *_rules(
        "seniority",
        "manager",
        "text",
        *(
            "经理",
            "經理",
            "主管",
            "主任",
            "科长",
            "科長",
            "课长",
            "課長",
            "组长",
            "組長",
            "店长",
            "店長",
            "副理",
            "襄理",
            "负责人",
            "負責人",
            "领班",
        ),
    ),
    # Known, and no manager.
    *_rules(
        "seniority",
        "other",
        "word",
        *(
            "engineer",
            "developer",
            "programmer",
            "analyst",
            "consultant",
            "specialist",
            "coordinator",
            "assistant",
            "associate",
            "representative",
        ),
        *(
            "executive",
            "administrator",
            "accountant",
            "architect",
            "scientist",
            "researcher",
            "designer",
            "technician",
            "buyer",
            "officer",
        ),
        *(
            "advisor",
            "adviser",
            "agent",
            "clerk",
            "editor",
            "writer",
            "recruiter",
            "nurse",
            "teacher",
            "professor",
            "operator",
            "planner",
            "lead",
        ),
        *(
            "strategist",
            "marketer",
            "expert",
            "secretary",
            "staff",
            "rep",
            "sdr",
            "bdr",
            "intern",
            "lawyer",
            "counsel",
            "auditor",
        ),
    ),
    *_rules(
        "seniority",
        "other",
        "text",
        *(
            "工程师",
            "工程師",
            "专员",
            "專員",
            "顾问",
            "顧問",
            "分析师",
            "分析師",
            "助理",
            "代表",
            "开发",
            "開發",
            "程序员",
            "设计师",
            "設計師",
        ),
        *(
            "架构师",
            "架構師",
            "会计",
            "會計",
            "出纳",
            "文员",
            "秘书",
            "秘書",
            "业务员",
            "業務員",
            "采购员",
            "研究员",
            "研究員",
            "教师",
            "教授",
            "编辑",
            "律师",
        ),
    ),
)

DEPARTMENT_RULES: tuple[Rule, ...] = (
    *_rules("department", "legal", "word", "legal", "counsel", "lawyer", "attorney", "compliance", "clo"),
    *_rules("department", "legal", "text", "法务", "法務", "律师", "律師", "合规", "合規", "法律"),
    *_rules(
        "department",
        "hr",
        "word",
        "hr",
        "hrbp",
        "human resources",
        "human resource",
        "people",
        "talent",
        "recruiter",
        "recruiting",
        "chro",
    ),
    *_rules("department", "hr", "text", "人力", "人事", "招聘", "人資", "薪酬"),
    *_rules("department", "procurement", "word", "procurement", "purchasing", "buyer", "sourcing", "category manager"),
    *_rules("department", "procurement", "text", "采购", "採購"),
    *_rules(
        "department",
        "finance",
        "word",
        *(
            "finance",
            "financial",
            "accounting",
            "accountant",
            "controller",
            "treasurer",
            "treasury",
            "audit",
            "auditor",
            "tax",
            "cfo",
        ),
    ),
    *_rules(
        "department",
        "finance",
        "text",
        "财务",
        "財務",
        "会计",
        "會計",
        "审计",
        "審計",
        "稽核",
        "税务",
        "稅務",
        "出纳",
        "資金",
    ),
    *_rules(
        "department",
        "service",
        "word",
        "customer success",
        "customer service",
        "customer support",
        "customer experience",
        "technical support",
    ),
    *_rules("department", "service", "word", "support", "service desk", "after-sales", "aftersales"),
    *_rules(
        "department",
        "service",
        "text",
        "客服",
        "售后",
        "售後",
        "客户成功",
        "客戶成功",
        "客户服务",
        "客戶服務",
        "技术支持",
        "技術支援",
    ),
    *_rules(
        "department",
        "marketing",
        "word",
        *(
            "marketing",
            "brand",
            "demand generation",
            "demand gen",
            "growth",
            "content",
            "seo",
            "communications",
            "public relations",
            "pr",
        ),
        *("advertising", "campaign", "campaigns", "events", "cmo", "marketer"),
    ),
    *_rules(
        "department",
        "marketing",
        "text",
        "市场",
        "市場",
        "品牌",
        "营销",
        "營銷",
        "行銷",
        "推广",
        "推廣",
        "公关",
        "公關",
        "企划",
        "企劃",
    ),
    *_rules(
        "department",
        "sales",
        "word",
        *(
            "sales",
            "account executive",
            "account manager",
            "account director",
            "key account",
            "business development",
            "bd",
            "commercial",
        ),
        *("presales", "pre-sales", "revenue", "cro", "sdr", "bdr", "channel", "partnerships", "chief customer officer"),
    ),
    *_rules(
        "department",
        "sales",
        "text",
        "销售",
        "銷售",
        "商务",
        "商務",
        "大客户",
        "大客戶",
        "客户经理",
        "客戶經理",
        "业务",
        "業務",
        "渠道",
        "通路",
    ),
    *_rules("department", "product", "word", "product", "products", "cpo"),
    *_rules("department", "product", "text", "产品", "產品"),
    *_rules(
        "department",
        "it",
        "word",
        *(
            "it",
            "ict",
            "information technology",
            "information systems",
            "information security",
            "cybersecurity",
            "security",
            "infrastructure",
        ),
        *(
            "network",
            "networks",
            "systems administrator",
            "system administrator",
            "devops",
            "helpdesk",
            "salesforce",
            "data",
            "digital",
            "cloud",
        ),
        *("cio", "ciso", "cdo", "erp", "crm", "database"),
    ),
    *_rules(
        "department",
        "it",
        "text",
        "信息",
        "资讯",
        "資訊",
        "网络",
        "網路",
        "系统",
        "系統",
        "数字化",
        "數位",
        "数据",
        "數據",
        "运维",
        "運維",
    ),
    *_rules(
        "department",
        "engineering",
        "word",
        *(
            "engineering",
            "engineer",
            "developer",
            "software",
            "r&d",
            "research",
            "architect",
            "scientist",
            "technology",
            "technical",
            "cto",
        ),
        *("hardware", "programmer", "development", "innovation", "laboratory"),
    ),
    *_rules(
        "department",
        "engineering",
        "text",
        "研发",
        "研發",
        "工程",
        "技术",
        "技術",
        "开发",
        "開發",
        "架构",
        "架構",
        "科研",
        "研究",
        "首席科学家",
    ),
    *_rules(
        "department",
        "operations",
        "word",
        *(
            "operations",
            "operation",
            "coo",
            "logistics",
            "supply chain",
            "manufacturing",
            "production",
            "plant",
            "warehouse",
            "facilities",
            "quality",
        ),
    ),
    *_rules(
        "department",
        "operations",
        "text",
        "运营",
        "營運",
        "运作",
        "生产",
        "生產",
        "物流",
        "供应链",
        "供應鏈",
        "制造",
        "製造",
        "质量",
        "品質",
        "仓储",
        "厂长",
        "廠長",
    ),
    *_rules("department", "executive", "regex", r"(?<!vice )(?<!vice-)\bpresident\b"),
    *_rules(
        "department",
        "executive",
        "word",
        *(
            "ceo",
            "chief executive",
            "chairman",
            "chairwoman",
            "chairperson",
            "founder",
            "co-founder",
            "cofounder",
            "owner",
            "managing director",
        ),
        *("general manager", "managing partner", "chief of staff"),
    ),
    *_rules(
        "department",
        "executive",
        "text",
        *(
            "首席执行官",
            "首席執行官",
            "执行长",
            "執行長",
            "董事",
            "总裁",
            "總裁",
            "总经理",
            "總經理",
            "创始人",
            "創始人",
            "創辦人",
            "合伙人",
            "合夥人",
            "老板",
            "副总",
        ),
    ),
)

DEFAULT_RULES: tuple[Rule, ...] = SENIORITY_RULES + DEPARTMENT_RULES
