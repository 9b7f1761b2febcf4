"""The words companies, people and deals of the demo world are named from. All are invented or everyday words."""

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of characters and their pinyin."""
    return tuple(tuple(item.split("/")) for item in text.split())  # type: ignore[misc]


# Companies -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Industry:
    """An industry, its share of the market, how well the product suits it (mean 0, deviation 1 over the market), and
    the words in its companies' names (the Chinese ones with pinyin)."""

    name: str
    share: float
    suits: float
    english: tuple[str, ...]
    chinese: tuple[tuple[str, str], ...]


INDUSTRIES: tuple[Industry, ...] = (
    Industry(
        "Software and services",
        0.20,
        1.34,
        ("Software", "Systems", "Digital", "Cloud", "Data", "Platforms"),
        (("软件", "soft"), ("信息技术", "it"), ("网络科技", "net"), ("云计算", "cloud"), ("数据", "data")),
    ),
    Industry(
        "Manufacturing",
        0.18,
        -0.01,
        ("Industries", "Manufacturing", "Precision", "Components", "Machinery", "Tooling"),
        (("机械", "jx"), ("智能制造", "zn"), ("精密仪器", "jm"), ("装备", "zb"), ("新材料", "xcl")),
    ),
    Industry(
        "Financial services",
        0.09,
        0.82,
        ("Capital", "Financial", "Insurance", "Leasing", "Assurance"),
        (("金融信息服务", "fin"), ("融资租赁", "zl"), ("保险经纪", "bx"), ("资产管理", "am")),
    ),
    Industry(
        "Healthcare",
        0.10,
        0.1,
        ("Medical", "Health", "Biosciences", "Diagnostics", "Clinics"),
        (("医疗科技", "med"), ("生物技术", "bio"), ("医药", "yy"), ("健康管理", "jk")),
    ),
    Industry(
        "Retail",
        0.10,
        -1.56,
        ("Retail", "Stores", "Trading", "Brands", "Markets"),
        (("商贸", "sm"), ("电子商务", "ec"), ("百货", "bh"), ("品牌管理", "pp")),
    ),
    Industry(
        "Logistics",
        0.08,
        -0.73,
        ("Logistics", "Freight", "Shipping", "Supply Chain"),
        (("物流", "wl"), ("供应链管理", "scm"), ("国际货运", "hy")),
    ),
    Industry(
        "Energy",
        0.06,
        -0.84,
        ("Energy", "Power", "Renewables", "Solar"),
        (("新能源", "xny"), ("电力科技", "dl"), ("光伏", "pv")),
    ),
    Industry(
        "Education",
        0.05,
        -1.46,
        ("Learning", "Education", "Academies"),
        (("教育科技", "edu"), ("文化传播", "wh"), ("在线教育", "zx")),
    ),
    Industry(
        "Automotive",
        0.06,
        0.41,
        ("Motors", "Mobility", "Automotive", "Drivetrain"),
        (("汽车零部件", "qc"), ("汽车电子", "qd"), ("出行科技", "cx")),
    ),
    Industry(
        "Telecommunications",
        0.04,
        0.72,
        ("Networks", "Telecom", "Wireless"),
        (("通信技术", "tx"), ("网络设备", "wlsb")),
    ),
    Industry(
        "Construction",
        0.04,
        -1.67,
        ("Construction", "Engineering", "Building Materials"),
        (("建设工程", "js"), ("建筑设计", "jz")),
    ),
)

ENGLISH_FIRST = _words(
    """
    Alder Amber Ash Aspen Bay Beck Birch Black Blue Bram Bright Brook Cald Cedar Cinder Clay Clear
    Cobalt Copper Coral Crest Crow Dale Dawn Deep Dove Drift East Elder Elm Ember Fair Fal Fen Fern
    Flint Fox Frost Glen Gold Grand Gran Green Grey Harrow Haven Hazel Heath High Holm Iron Ivy Jade
    Juniper Kestrel Kings Lake Lark Laurel Linden Long Maple Marl Mead Merrow Mill Moor Moss North Oak
    Ochre Olive Pine Quill Raven Red Ridge Rowan Russet Sable Sage Sand Silver Slate South Spruce Stan
    Stone Storm Summer Swift Teal Thorn Timber Vale Wal West White Wild Willow Winter Wolf Yarrow Yew
    """
)
ENGLISH_SECOND = _words(
    """
    bank beam bourne bridge brook burn bury by cliff combe cove croft dale den don fall field ford gate
    grove ham harbor haven hill hollow hurst keep land leaf ley light line mark mere mill mont moor more
    path peak point pool port ridge root shaw shore side spring stead stone stream ton vale view wall
    ward water way well wick win wood worth yard
    """
)

# One character and its pinyin. Two of them make a brand.
CHINESE_SYLLABLES = _pairs(
    """
    云/yun 启/qi 恒/heng 盛/sheng 华/hua 瑞/rui 达/da 远/yuan 博/bo 思/si
    晨/chen 星/xing 海/hai 天/tian 鼎/ding 泰/tai 信/xin 诚/cheng 佳/jia 锐/rui
    捷/jie 联/lian 创/chuang 新/xin 智/zhi 慧/hui 优/you 凯/kai 越/yue 宏/hong
    鑫/xin 源/yuan 润/run 德/de 康/kang 安/an 立/li 方/fang 正/zheng 和/he
    蓝/lan 青/qing 禾/he 景/jing 光/guang 明/ming 卓/zhuo 飞/fei 腾/teng 龙/long
    森/sen 木/mu 泽/ze 汇/hui 通/tong 顺/shun 元/yuan 朗/lang 旭/xu 嘉/jia
    颐/yi 墨/mo 谷/gu 川/chuan
    """
)

# Pairs of a simplified and a traditional character: all that occur in names and titles and differ.
_PAIRS = _words(
    """
    云雲 启啟 华華 达達 远遠 锐銳 联聯 创創 凯凱 润潤 蓝藍 龙龍 泽澤 汇匯 顺順 颐頤 飞飛 腾騰 诚誠 优優
    软軟 术術 网網 络絡 计計 数數 据據 机機 制製 仪儀 装裝 备備 资資 产產 务務 赁賃 险險 经經 纪紀 医醫
    疗療 药藥 业業 电電 贸貿 国國 际際 货貨 运運 应應 链鏈 传傳 车車 设設 筑築 团團 张張 刘劉 陈陳 杨楊
    赵趙 黄黃 吴吳 孙孫 马馬 罗羅 郑鄭 谢謝 韩韓 许許 邓鄧 冯馮 吕呂 苏蘇 伟偉 丽麗 强強 军軍 静靜 艳艷
    涛濤 辉輝 杰傑 刚剛 晓曉 庆慶 轩軒 执執 营營 销銷 总總 监監 财財 发發 场場 员員 师師 专專 会會 顾顧
    问問 购購 户戶 宁寧 线線 采採 维維 时時 约約 价價 试試 预預 请請 费費
    """
)
_TO_TRADITIONAL = str.maketrans({pair[0]: pair[1] for pair in _PAIRS})


def traditional(text: str) -> str:
    """Return a name or title as it is written in Taiwan and Hong Kong."""
    return text.translate(_TO_TRADITIONAL).replace("運營", "營運")


@dataclass(frozen=True)
class City:
    """A city; Chinese companies carry its Chinese name in front of theirs."""

    name: str
    share: float
    chinese: str = ""


@dataclass(frozen=True)
class Country:
    """A country: share of the market, sales region, currency, legal forms of companies, cities."""

    name: str
    share: float
    region: str
    currency: str
    forms: tuple[str, ...]
    cities: tuple[City, ...]
    people: str = "western"


COUNTRIES: tuple[Country, ...] = (
    Country(
        "China",
        0.38,
        "Greater China",
        "CNY",
        ("有限公司", "有限公司", "有限公司", "股份有限公司", "集团有限公司"),
        (
            City("Shanghai", 0.20, "上海"),
            City("Beijing", 0.19, "北京"),
            City("Shenzhen", 0.16, "深圳"),
            City("Guangzhou", 0.10, "广州"),
            City("Hangzhou", 0.10, "杭州"),
            City("Suzhou", 0.07, "苏州"),
            City("Chengdu", 0.07, "成都"),
            City("Nanjing", 0.05, "南京"),
            City("Wuhan", 0.04, "武汉"),
            City("Xi'an", 0.02, "西安"),
        ),
        "chinese",
    ),
    Country("Hong Kong", 0.02, "Greater China", "HKD", ("有限公司",), (City("Hong Kong", 1, "香港"),), "chinese"),
    Country("Taiwan", 0.02, "Greater China", "TWD", ("股份有限公司",), (City("Taipei", 1, "台北"),), "chinese"),
    Country("Singapore", 0.04, "APAC", "SGD", ("Pte Ltd",), (City("Singapore", 1),), "mixed"),
    Country("Japan", 0.04, "APAC", "JPY", ("K.K.", "Co., Ltd."), (City("Tokyo", 0.7), City("Osaka", 0.3)), "japanese"),
    Country(
        "India",
        0.04,
        "APAC",
        "INR",
        ("Pvt Ltd",),
        (City("Bengaluru", 0.5), City("Mumbai", 0.3), City("Pune", 0.2)),
        "indian",
    ),
    Country("Australia", 0.03, "APAC", "AUD", ("Pty Ltd",), (City("Sydney", 0.6), City("Melbourne", 0.4))),
    Country(
        "United States",
        0.20,
        "North America",
        "USD",
        ("Inc", "Inc", "LLC", "Corp"),
        (
            City("New York", 0.22),
            City("San Francisco", 0.20),
            City("Chicago", 0.15),
            City("Boston", 0.13),
            City("Austin", 0.12),
            City("Seattle", 0.10),
            City("Atlanta", 0.08),
        ),
    ),
    Country("Canada", 0.03, "North America", "CAD", ("Inc", "Ltd"), (City("Toronto", 0.7), City("Vancouver", 0.3))),
    Country(
        "Germany",
        0.08,
        "EMEA",
        "EUR",
        ("GmbH", "GmbH", "AG", "GmbH & Co. KG"),
        (City("Munich", 0.3), City("Berlin", 0.3), City("Hamburg", 0.2), City("Stuttgart", 0.2)),
    ),
    Country(
        "United Kingdom", 0.05, "EMEA", "GBP", ("Ltd", "Ltd", "PLC"), (City("London", 0.7), City("Manchester", 0.3))
    ),
    Country("France", 0.04, "EMEA", "EUR", ("SAS", "SA"), (City("Paris", 0.8), City("Lyon", 0.2))),
    Country("Netherlands", 0.03, "EMEA", "EUR", ("B.V.",), (City("Amsterdam", 0.6), City("Rotterdam", 0.4))),
)

# What one US dollar was worth, roughly: amounts and revenues are in the currency of the country.
UNITS_PER_DOLLAR = {
    "CNY": 7.0, "HKD": 7.8, "TWD": 31.0, "SGD": 1.35, "JPY": 145.0, "INR": 83.0, "AUD": 1.5, "USD": 1.0, "CAD": 1.35,
    "EUR": 0.92, "GBP": 0.79,
}  # fmt: skip

BUSINESS_UNITS = ("Enterprise", "Commercial", "Public sector")
SOURCES = ("inbound", "outbound", "event", "partner", "")
SOURCE_SHARES = (0.42, 0.36, 0.10, 0.07, 0.05)


@dataclass(frozen=True)
class Team:
    """A sales team of the demo company and its reps; the first is the manager."""

    key: str
    name: str
    region: str
    reps: tuple[str, ...]


TEAMS: tuple[Team, ...] = (
    Team("key-accounts", "Key accounts", "", ("Sophie Laurent", "王建国", "Daniel Weber", "Emily Carter")),
    Team("greater-china", "Greater China", "Greater China", ("李晓梅", "陈志强", "赵敏", "周浩", "吴婷", "孙磊")),
    Team("apac", "APAC", "APAC", ("Kenji Mori", "Priya Nair", "Oliver Grant")),
    Team("emea", "EMEA", "EMEA", ("Anna Fischer", "James Whitaker", "Luc Moreau", "Femke Visser")),
    Team("north-america", "North America", "North America", ("Maria Lopez", "Tom Bradley", "Rachel Kim", "Kevin Shaw")),
    Team("mid-market", "Mid market", "", ("Nina Petrova", "黄丽", "Carlos Ruiz", "林小雨", "Ben Adler")),
)

# People --------------------------------------------------------------------------------------------------------------

CHINESE_SURNAMES = _pairs(
    """
    王/wang 李/li 张/zhang 刘/liu 陈/chen 杨/yang 赵/zhao 黄/huang 周/zhou 吴/wu
    徐/xu 孙/sun 胡/hu 朱/zhu 高/gao 林/lin 何/he 郭/guo 马/ma 罗/luo
    梁/liang 宋/song 郑/zheng 谢/xie 韩/han 唐/tang 冯/feng 于/yu 董/dong 程/cheng
    曹/cao 袁/yuan 邓/deng 许/xu 傅/fu 沈/shen 曾/zeng 彭/peng 吕/lv 苏/su
    """
)
CHINESE_GIVEN = _pairs(
    """
    伟/wei 芳/fang 娜/na 敏/min 静/jing 丽/li 强/qiang 磊/lei 军/jun 洋/yang
    勇/yong 艳/yan 杰/jie 涛/tao 明/ming 超/chao 秀英/xiuying 霞/xia 平/ping 刚/gang
    桂英/guiying 文/wen 辉/hui 建华/jianhua 志强/zhiqiang 晓明/xiaoming 雪梅/xuemei 海燕/haiyan 国庆/guoqing
    子涵/zihan 雨桐/yutong 浩然/haoran 思远/siyuan 嘉怡/jiayi 俊杰/junjie 佳宁/jianing 梓轩/zixuan 欣怡/xinyi
    立新/lixin 春华/chunhua
    """
)
FIRST_NAMES = _words(
    """
    Adam Alice Amelia Andreas Anna Antoine Ben Camille Carl Charlotte Chris Clara Claire Daniel David
    Elena Emma Eric Eva Felix Fiona George Grace Hannah Helen Henry Ian Isabel Jack Jan Jessica Johan
    Julia Karin Kate Laura Leo Linda Lucas Lucy Marc Marie Martin Matthew Megan Michael Monica Nathan
    Nicole Nora Oliver Oscar Patrick Paula Peter Rebecca Robert Ruth Samuel Sarah Simon Stefan Thomas
    Vera Victor William
    """
)
LAST_NAMES = _words(
    """
    Adams Bailey Baker Bauer Becker Bennett Bernard Braun Brooks Clark Collins Cooper Davies Dubois
    Edwards Evans Foster Fournier Garcia Girard Graham Hall Harris Hartmann Hughes Jackson Jansen
    Jenkins Keller Kelly Koch Lambert Lange Lewis Marshall Martinez Mason Meyer Mitchell Morgan Morris
    Murphy Neumann Nguyen Parker Perry Phillips Price Reed Richter Rivera Roberts Robinson Rogers Rossi
    Russell Sanders Schmitt Schulz Scott Simmons Stewart Taylor Torres Turner Vogel Wagner Walker Ward
    Watson Wood Wright Young Zimmermann
    """
)
JAPANESE_FIRST = (
    "Aiko",
    "Daichi",
    "Haruto",
    "Hina",
    "Kaito",
    "Keiko",
    "Ren",
    "Sakura",
    "Takashi",
    "Yuki",
    "Yuna",
    "Sota",
)
JAPANESE_LAST = (
    "Abe",
    "Fujita",
    "Hayashi",
    "Ito",
    "Kato",
    "Kimura",
    "Matsuda",
    "Nakamura",
    "Ogawa",
    "Saito",
    "Tanaka",
    "Ueda",
)
INDIAN_FIRST = (
    "Aarav",
    "Aditi",
    "Ananya",
    "Arjun",
    "Deepa",
    "Ishaan",
    "Kavya",
    "Meera",
    "Neha",
    "Rahul",
    "Rohan",
    "Vikram",
)
INDIAN_LAST = ("Bhat", "Desai", "Gupta", "Iyer", "Joshi", "Kapoor", "Menon", "Patel", "Rao", "Reddy", "Sharma", "Verma")


@dataclass(frozen=True)
class Title:
    """A job title in English and Chinese, with the rank and department it stands for."""

    english: str
    chinese: str
    seniority: str
    department: str


TITLES: tuple[Title, ...] = (
    Title("Chief Executive Officer", "首席执行官", "c_level", "executive"),
    Title("Chief Information Officer (CIO)", "首席信息官", "c_level", "it"),
    Title("Chief Technology Officer", "首席技术官", "c_level", "engineering"),
    Title("Chief Marketing Officer", "首席营销官", "c_level", "marketing"),
    Title("Chief Financial Officer", "首席财务官", "c_level", "finance"),
    Title("Chief Operations Officer", "首席运营官", "c_level", "operations"),
    Title("VP Sales", "销售副总裁", "vp", "sales"),
    Title("VP Marketing", "市场副总裁", "vp", "marketing"),
    Title("VP Engineering", "研发副总裁", "vp", "engineering"),
    Title("VP Operations", "运营副总裁", "vp", "operations"),
    Title("VP Information Technology", "信息技术副总裁", "vp", "it"),
    Title("VP Customer Service", "客户服务副总裁", "vp", "service"),
    Title("Director of Marketing", "市场总监", "director", "marketing"),
    Title("Director of IT", "信息技术总监", "director", "it"),
    Title("Sales Director", "销售总监", "director", "sales"),
    Title("Product Director", "产品总监", "director", "product"),
    Title("Finance Director", "财务总监", "director", "finance"),
    Title("Director of Procurement", "采购总监", "director", "procurement"),
    Title("HR Director", "人力资源总监", "director", "hr"),
    Title("Marketing Manager", "市场经理", "manager", "marketing"),
    Title("IT Manager", "信息技术经理", "manager", "it"),
    Title("Sales Manager", "销售经理", "manager", "sales"),
    Title("Product Manager", "产品经理", "manager", "product"),
    Title("Procurement Manager", "采购经理", "manager", "procurement"),
    Title("Operations Manager", "运营经理", "manager", "operations"),
    Title("Customer Service Manager", "客户服务经理", "manager", "service"),
    Title("Software Engineer", "软件工程师", "other", "engineering"),
    Title("Marketing Specialist", "市场专员", "other", "marketing"),
    Title("Sales Representative", "销售代表", "other", "sales"),
    Title("IT Administrator", "信息技术专员", "other", "it"),
    Title("Procurement Specialist", "采购专员", "other", "procurement"),
    Title("Accountant", "会计", "other", "finance"),
    Title("Operations Assistant", "运营助理", "other", "operations"),
    Title("Legal Counsel", "法务顾问", "other", "legal"),
)

# Deals ---------------------------------------------------------------------------------------------------------------

PRODUCTS = ("Orbit CRM", "Orbit Analytics", "Orbit Marketing", "Orbit Service")
PRODUCT_SHARES = (0.42, 0.24, 0.22, 0.12)
PRODUCT_DOLLARS = (42_000, 28_000, 24_000, 18_000)  # median first-year value

LOSS_REASONS = ("Price", "Lost to a competitor", "No budget", "Missing feature", "Bad timing", "No decision")
LOSS_SHARES = (0.26, 0.28, 0.16, 0.14, 0.16)  # no decision is the end of a stalled deal

DISQUALIFIED_REASONS = (
    "Competitor",
    "Too small for our products",
    "Out of business",
    "Acquired by another account",
    "Bound to a competitor for years",
    "No use case",
    "已倒闭",
    "规模太小，不符合目标客户",
)
