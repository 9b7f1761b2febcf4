"""What a new installation knows about activities. Rules and imports name the keys, so a key never changes."""

from dataclasses import dataclass

from django.utils.translation import gettext_noop

MARKETING, SALES, PRODUCT = "marketing", "sales", "product"


@dataclass(frozen=True)
class ReadyMadeType:
    """An activity type of a new installation; `minutes` count where an activity has no recorded time."""

    key: str
    name: str
    side: str
    category: str
    minutes: str
    is_hot: bool = False
    is_meeting: bool = False


# What somebody of the account did counts time; what was only sent to them counts none.
ACTIVITY_TYPES: tuple[ReadyMadeType, ...] = (
    ReadyMadeType("page_view", gettext_noop("Web page viewed"), MARKETING, "web", "1"),
    ReadyMadeType("product_page_view", gettext_noop("Product page viewed"), MARKETING, "web", "2"),
    ReadyMadeType("price_page_view", gettext_noop("Price page viewed"), MARKETING, "web", "3"),
    ReadyMadeType("case_study_view", gettext_noop("Case study viewed"), MARKETING, "web", "3"),
    ReadyMadeType("career_page_view", gettext_noop("Careers page viewed"), MARKETING, "web", "0.5"),
    ReadyMadeType("content_download", gettext_noop("Content downloaded"), MARKETING, "content", "10"),
    ReadyMadeType("content_open", gettext_noop("Content opened"), MARKETING, "content", "5"),
    ReadyMadeType("email_open", gettext_noop("Mail opened"), MARKETING, "mail", "0.5"),
    ReadyMadeType("email_click", gettext_noop("Mail link clicked"), MARKETING, "mail", "1"),
    ReadyMadeType("webinar", gettext_noop("Webinar or live stream attended"), MARKETING, "event", "45"),
    ReadyMadeType("event", gettext_noop("Event attended"), MARKETING, "event", "120"),
    ReadyMadeType("visit", gettext_noop("Offline visit with marketing"), MARKETING, "event", "60"),
    ReadyMadeType("form_fill", gettext_noop("Form filled in"), MARKETING, "web", "3"),
    ReadyMadeType("ad_click", gettext_noop("Advertisement clicked"), MARKETING, "advertising", "0.5"),
    ReadyMadeType("social_engagement", gettext_noop("Social media post liked or shared"), MARKETING, "social", "0.5"),
    ReadyMadeType("wechat_read", gettext_noop("WeChat article read"), MARKETING, "social", "3"),
    ReadyMadeType("wechat_save", gettext_noop("WeChat article saved"), MARKETING, "social", "3"),
    ReadyMadeType("demo_request", gettext_noop("Demo requested"), MARKETING, "request", "5", is_hot=True),
    ReadyMadeType("trial_start", gettext_noop("Trial started"), MARKETING, "request", "15", is_hot=True),
    ReadyMadeType("price_request", gettext_noop("Price requested"), MARKETING, "request", "5", is_hot=True),
    ReadyMadeType(
        "contact_sales", gettext_noop("Sales contacted by the customer"), MARKETING, "request", "5", is_hot=True
    ),
    ReadyMadeType("sales_email", gettext_noop("Sales mail sent"), SALES, "mail", "0"),
    ReadyMadeType("sales_email_reply", gettext_noop("Sales mail answered"), SALES, "mail", "5"),
    ReadyMadeType("sales_call", gettext_noop("Sales call"), SALES, "call", "10"),
    ReadyMadeType("meeting", gettext_noop("Sales meeting"), SALES, "meeting", "45", is_meeting=True),
    ReadyMadeType("product_login", gettext_noop("Product login"), PRODUCT, "usage", "5"),
    ReadyMadeType("product_use", gettext_noop("Product feature used"), PRODUCT, "usage", "10"),
    ReadyMadeType("support_ticket", gettext_noop("Support ticket opened"), PRODUCT, "support", "10"),
    ReadyMadeType("training", gettext_noop("Training attended"), PRODUCT, "support", "60"),
)
