"""Names of companies in one form: no legal form, case, accents, widths of letters or kind of Chinese characters."""

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

from cleanco.clean import prepare_default_terms
from opencc import OpenCC

# Terms of cleanco that are words of names, or countries, at least as often as legal forms.
_NO_LEGAL_FORMS = {
    *("at", "ba", "bl", "ca", "cic", "da", "dat", "ent", "ep", "et", "etat", "eu", "fa", "ij", "nl", "ok", "ong"),
    *("pp", "scoop", "sem", "sep", "teo", "ud", "uk"),
}
_MORE_LEGAL_FORMS = (
    "aktiengesellschaft",
    "aktiebolag",
    "co ltd",
    "gesellschaft mit beschrankter haftung",
    "gmbh",
    "gmbh and co",
    "kabushiki kaisha",
    "kk",
    "naamloze vennootschap",
    "besloten vennootschap",
    "osakeyhtio",
    "sociedad anonima",
    "societa per azioni",
    "societe anonyme",
)
_BEFORE_THE_NAME = {"the", "pt", "ooo", "oao", "zao", "pao", "ооо", "оао", "зао", "пао", "ао"}
# Words that tell the group from the company: without them names are alike, not the same.
_WEAK = {"group", "groupe", "gruppe", "grupo", "gruppo", "holding", "holdings", "international", "global", "worldwide"}
_CHINESE_LEGAL = re.compile(
    "(?:集团)?股份有限公司|(?:集团)?有限责任公司|(?:集团)?有限公司|股份公司|责任公司|有限合伙|普通合伙|个人独资企业"
    "|株式会社|有限会社|合同会社|주식회사"
)
_CHINESE_WEAK = re.compile("集团|控股|总公司")
_CHINESE = re.compile("[\u3400-\u9fff]")
_INITIALS = re.compile(r"(?:\w\.)+\w?\.?,?")
_NO_LETTER = re.compile(r"[\W_]+")
_BETWEEN_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) +| +(?=[\u3400-\u9fff])")
_NUMBERS = re.compile(r"\d+")
# What people write where they know no name. It says nothing about who it is.
_PLACEHOLDERS = {
    *("na", "n a", "none", "no name", "null", "nil", "unknown", "unnamed", "test", "tbd", "company", "customer"),
    *("account", "private", "personal", "individual", "self employed", "other", "others"),
    *("ag", "co", "corp", "gmbh", "inc", "llc", "ltd", "limited", "corporation"),
    *("无", "暂无", "未知", "不详", "个人", "测试", "其他", "公司", "客户"),
}


class Name(NamedTuple):
    """A name in one form. Empty when it says nothing: an empty key never matches.

    Attributes:
        full: without legal form; equal ones are the same name.
        core: also without words such as group or holding.
        numbers: the numbers in it; "Shop 12" is not "Shop 13", however alike they look.
    """

    full: str
    core: str
    numbers: tuple[str, ...]


NO_NAME = Name("", "", ())


@cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


@cache
def _legal_forms() -> dict[str, frozenset[tuple[str, ...]]]:
    """The legal forms as words, by their last word."""
    forms = {tuple(parts) for _number, parts in prepare_default_terms()}
    forms = {tuple(_words(" ".join(parts))) for parts in forms}
    forms |= {tuple(text.split()) for text in _MORE_LEGAL_FORMS}
    found: dict[str, set[tuple[str, ...]]] = {}
    for form in forms:
        if form and not (len(form) == 1 and form[0] in _NO_LEGAL_FORMS):
            found.setdefault(form[-1], set()).add(form)
    return {last: frozenset(some) for last, some in found.items()}


def _words(text: str) -> list[str]:
    """The words of a text in one form; initials are one word."""
    parts = (part.replace(".", "") if _INITIALS.fullmatch(part) else part for part in text.split())
    return _NO_LETTER.sub(" ", " ".join(parts).replace("&", " and ").replace("'", "").replace("’", "")).split()


def _without_accents(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def _without_legal_form(words: list[str]) -> list[str]:
    forms = _legal_forms()
    while len(words) > 1:
        ends = [form for form in forms.get(words[-1], ()) if tuple(words[-len(form) :]) == form]
        longest = max((len(form) for form in ends if len(form) < len(words)), default=0)
        if not longest:
            break
        words = words[:-longest]
    while len(words) > 1 and words[-1] == "and":  # of "& Co."
        words = words[:-1]
    return words


@lru_cache(maxsize=200_000)
def normalised(name: str) -> Name:
    """Bring the name of a company to one form.

    Args:
        name: as written, for example “Nordwind Systems GmbH & Co. KG” or “騰訊科技（深圳）有限公司”.

    Returns:
        The name without its legal form; empty for a text that names nobody (signs, “n/a”, “未知”).
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    if not text.isascii():
        if _CHINESE.search(text):
            text = _converter().convert(text)
            text = _CHINESE_LEGAL.sub(" ", text)
        text = _without_accents(text)
    words = _words(text)
    while len(words) > 1 and words[0] in _BEFORE_THE_NAME:
        words = words[1:]
    words = _without_legal_form(words)
    full = _BETWEEN_CHINESE.sub("", " ".join(words))
    if not full or full in _PLACEHOLDERS:
        return NO_NAME
    core = " ".join(word for word in words if word not in _WEAK) or full
    core = _BETWEEN_CHINESE.sub("", core)
    stripped = _CHINESE_WEAK.sub("", core)
    core = stripped if len(stripped) > 1 else core
    return Name(full, core, tuple(_NUMBERS.findall(full)))


__all__ = ["NO_NAME", "Name", "normalised"]
