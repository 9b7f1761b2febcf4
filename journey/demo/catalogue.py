"""What the demo company offers to read, watch and attend: content with its address, campaigns month by month."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from journey.demo.parameters import DAY, DemoParameters
from scoring.ready_made import ACTIVITY_TYPES

SITE = "https://www.orbit-software.example"
TYPES = tuple(ready.key for ready in ACTIVITY_TYPES)
CODE = {key: code for code, key in enumerate(TYPES)}

# Title in English, title in Chinese, path. An empty path: nothing of the website.
CONTENT: dict[str, tuple[tuple[str, str, str], ...]] = {
    "page_view": (
        ("Home", "首页", "/"),
        ("Blog: what buying committees really read", "博客：采购委员会真正在读什么", "/blog/buying-committees"),
        ("Blog: from lead counts to account journeys", "博客：从线索数量到客户旅程", "/blog/account-journeys"),
        ("Blog: cleaning a CRM in a week", "博客：一周整理好CRM", "/blog/clean-crm"),
        ("About us", "关于我们", "/about"),
        ("Resources", "资源中心", "/resources"),
        ("Blog: sales and marketing on one page", "博客：让市场与销售步调一致", "/blog/one-page"),
        ("Partners", "合作伙伴", "/partners"),
    ),
    "product_page_view": (
        ("Orbit CRM", "Orbit CRM 产品介绍", "/products/crm"),
        ("Orbit Analytics", "Orbit Analytics 产品介绍", "/products/analytics"),
        ("Orbit Marketing", "Orbit Marketing 产品介绍", "/products/marketing"),
        ("Orbit Service", "Orbit Service 产品介绍", "/products/service"),
        ("Integrations", "集成", "/products/integrations"),
        ("Security", "安全与合规", "/products/security"),
    ),
    "price_page_view": (
        ("Prices", "价格", "/pricing"),
        ("Prices for enterprises", "企业版价格", "/pricing/enterprise"),
    ),
    "case_study_view": (
        (
            "Case study: a machine builder sees its pipeline",
            "案例：机械制造商看清销售漏斗",
            "/customers/machine-builder",
        ),
        ("Case study: a bank connects branches and web", "案例：银行打通网点与线上", "/customers/bank"),
        ("Case study: a hospital group answers faster", "案例：医院集团的快速响应", "/customers/hospital"),
        ("Case study: a freight company halves its churn", "案例：货运公司流失率减半", "/customers/freight"),
    ),
    "career_page_view": (("Careers", "加入我们", "/careers"),),
    "content_download": (
        ("Guide: the account journey", "指南：客户旅程", "/resources/account-journey-guide"),
        ("Checklist: choosing a CRM", "清单：如何选择CRM", "/resources/crm-checklist"),
        ("Report: state of account-based marketing", "报告：ABM 现状", "/resources/abm-report"),
        ("White paper: data protection in CRM", "白皮书：CRM 中的数据保护", "/resources/data-protection"),
        ("Return on investment calculator", "投资回报计算器", "/resources/roi-calculator"),
    ),
    "form_fill": (
        ("Newsletter sign-up", "订阅通讯", "/newsletter"),
        ("Resource form", "资料下载表单", "/resources/form"),
    ),
    "demo_request": (("Demo request", "预约演示", "/demo"),),
    "trial_start": (("Free trial", "免费试用", "/trial"),),
    "price_request": (("Quote request", "获取报价", "/pricing/quote"),),
    "contact_sales": (("Contact sales", "联系销售", "/contact"),),
    "email_open": (("Newsletter", "月度通讯", ""), ("Invitation", "活动邀请", ""), ("Product news", "产品动态", "")),
    "webinar": (
        ("Webinar: reading buying signals", "线上研讨会：读懂购买信号", "/webinars/buying-signals"),
        ("Webinar: forecasts that hold", "线上研讨会：可靠的销售预测", "/webinars/forecasts"),
        ("Webinar: segments that stay useful", "线上研讨会：长期有效的客户分群", "/webinars/segments"),
        ("Webinar: a tour of Orbit Analytics", "线上研讨会：Orbit Analytics 导览", "/webinars/analytics-tour"),
    ),
    "event": (
        ("Orbit Summit", "Orbit 峰会", ""),
        ("Executive breakfast", "高管早餐会", ""),
        ("Industry fair", "行业展会", ""),
    ),
    "visit": (("Visit to the customer", "客户拜访", ""), ("Workshop", "研讨工作坊", "")),
    "ad_click": (
        ("Advertisement: Orbit CRM", "广告：Orbit CRM", "/lp/crm"),
        ("Advertisement: prices", "广告：价格", "/lp/prices"),
    ),
    "social_engagement": (("Post: customer story", "动态：客户故事", ""), ("Post: product news", "动态：产品更新", "")),
    "wechat_read": (
        ("WeChat: the buying committee", "微信：谁在决定采购", "/wechat/buying-committee"),
        ("WeChat: numbers for the board", "微信：管理层关心的数字", "/wechat/board"),
        ("WeChat: customer story", "微信：客户故事", "/wechat/story"),
    ),
    "sales_email": (("Introduction", "初次联系", ""), ("Follow-up", "跟进", ""), ("Proposal", "方案", "")),
    "sales_call": (("Call", "电话沟通", ""),),
    "meeting": (
        ("First meeting", "初次会议", ""),
        ("Requirements", "需求沟通", ""),
        ("Demonstration", "产品演示", ""),
        ("Proposal review", "方案评审", ""),
        ("Negotiation", "商务谈判", ""),
    ),
    "product_login": (("Web application", "网页端", ""), ("Mobile application", "移动端", "")),
    "product_use": (
        ("Dashboard", "仪表盘", ""),
        ("Reports", "报表", ""),
        ("Workflows", "工作流", ""),
        ("Import", "数据导入", ""),
    ),
    "support_ticket": (("Question", "使用咨询", ""), ("Fault", "故障报告", "")),
    "training": (("Training: first steps", "培训：入门", ""), ("Training: administrators", "培训：管理员", "")),
}
SAME_CONTENT = {
    "content_open": "content_download",
    "email_click": "email_open",
    "sales_email_reply": "sales_email",
    "wechat_save": "wechat_read",
}
CAMPAIGN_FAMILY = {
    "email_open": "mail", "email_click": "mail", "webinar": "webinar", "event": "event", "visit": "event",
    "ad_click": "ad", "content_download": "content", "content_open": "content", "wechat_read": "wechat",
    "wechat_save": "wechat", "social_engagement": "social", "form_fill": "content", "page_view": "web",
    "product_page_view": "web", "demo_request": "ad", "trial_start": "ad", "sales_email": "outreach",
    "sales_email_reply": "outreach",
}  # fmt: skip
# How many activities of a family belong to a campaign.
CAMPAIGN_SHARES = {
    "mail": 1.0, "webinar": 1.0, "event": 1.0, "ad": 0.9, "content": 0.5, "wechat": 0.8, "social": 0.6, "web": 0.15,
    "outreach": 0.5,
}  # fmt: skip
FAMILIES = tuple(CAMPAIGN_SHARES)


@dataclass(frozen=True)
class Catalogue:
    """Content and campaigns as lists, and tables that say which of them belong to a type, a language and a day.

    `content_first[t, l]` and `content_count[t]` bound the content of type t in language l (0 English, 1 Chinese).
    `campaign[f, m, o]` is one of the campaigns of family f in month m; campaign 0 is none.
    """

    titles: list[str]
    urls: list[str]
    content_first: np.ndarray
    content_count: np.ndarray
    campaigns: list[str]
    campaign: np.ndarray
    family: np.ndarray
    family_share: np.ndarray
    month_of_day: np.ndarray
    webinars: np.ndarray  # times, in order
    events: np.ndarray


def make_catalogue(parameters: DemoParameters) -> Catalogue:
    """Return content and campaigns of the period."""
    titles, urls = [""], [""]
    content_first = np.zeros((len(TYPES), 2), dtype=np.int64)
    content_count = np.ones(len(TYPES), dtype=np.int64)
    for code, key in enumerate(TYPES):
        items = CONTENT.get(SAME_CONTENT.get(key, key), ())
        content_count[code] = max(len(items), 1)
        for language in (0, 1) if items else ():
            content_first[code, language] = len(titles)
            titles += [item[language] for item in items]
            prefix = SITE + ("/zh" if language else "")
            urls += [prefix + item[2] if item[2] else "" for item in items]

    start = parameters.start.date()
    days = [start + timedelta(days=day) for day in range(parameters.days + 1)]
    months = sorted({(day.year, day.month) for day in days})
    place = {month: number for number, month in enumerate(months)}
    campaigns, known = [""], {"": 0}
    campaign = np.zeros((len(FAMILIES), len(months), 3), dtype=np.int64)
    for number, (year, month) in enumerate(months):
        for family_name, names in _campaigns(year, month).items():
            for option, name in enumerate(names):
                if name not in known:
                    known[name] = len(campaigns)
                    campaigns.append(name)
                campaign[FAMILIES.index(family_name), number, option] = known[name]
    family = np.array([FAMILIES.index(CAMPAIGN_FAMILY[key]) if key in CAMPAIGN_FAMILY else -1 for key in TYPES])
    return Catalogue(
        titles=titles,
        urls=urls,
        content_first=content_first,
        content_count=content_count,
        campaigns=campaigns,
        campaign=campaign,
        family=family,
        family_share=np.array([CAMPAIGN_SHARES[FAMILIES[code]] if code >= 0 else 0.0 for code in family]),
        month_of_day=np.array([place[(day.year, day.month)] for day in days]),
        webinars=_dates(
            days, lambda day: (day.weekday() == 3 and 8 <= day.day <= 14) or (day.weekday() == 2 and day.day > 21), 8
        ),
        events=_dates(
            days, lambda day: day.weekday() == 1 and 8 <= day.day <= 14 and day.month not in (1, 2, 8, 12), 7
        ),
    )


def _campaigns(year: int, month: int) -> dict[str, tuple[str, str, str]]:
    period, quarter = f"{year}-{month:02d}", f"{year} Q{(month + 2) // 3}"
    return {
        "mail": (f"Newsletter {period}", f"Newsletter {period}", f"Nurture {quarter}"),
        "webinar": (f"Webinar series {quarter}",) * 3,
        "event": (f"Orbit Summit {year}", f"Roadshow {quarter}", f"Roadshow {quarter}"),
        "ad": (f"Search ads {quarter}", f"Search ads {quarter}", f"Target account ads {quarter}"),
        "content": (f"Content offer {quarter}", f"Content offer {quarter}", f"Syndication {quarter}"),
        "wechat": (f"WeChat {period}",) * 3,
        "social": (f"Social {quarter}",) * 3,
        "web": (f"Search ads {quarter}", f"Newsletter {period}", f"Target account ads {quarter}"),
        "outreach": (f"Outreach {quarter}", f"Key accounts {year}", f"Outreach {quarter}"),
    }


def _dates(days: list[date], is_one: Callable[[date], bool], hour: int) -> np.ndarray:
    return np.array(
        [number * DAY + hour * 3_600 for number, day in enumerate(days[:-1]) if is_one(day)], dtype=np.int64
    )
