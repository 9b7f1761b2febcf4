"""Keywords: which are refused, and where they are found."""

import pytest

from scoring.engine.keywords import Matcher, is_too_short, plain, rough_patterns


@pytest.mark.parametrize("keyword", ["", " ", "c", "R", "7", "!", "--", "Ｃ", "か"])
def test_one_letter_is_too_short(keyword) -> None:
    assert is_too_short(keyword)


@pytest.mark.parametrize("keyword", ["5G", "C++", "C#", "BI", "税", "网络安全"])
def test_two_letters_or_one_chinese_character_can_be_used(keyword) -> None:
    assert not is_too_short(keyword)


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("BI", "Modern BI for banks", True),
        ("BI", "Combine and publish", False),  # whole words only
        ("network security", "https://x.example/network-security?utm=1", True),
        ("network security", "Network  SECURITY", True),
        ("network security", "network and security", False),
        ("C++", "Hiring C++ people", True),
        ("网络安全", "企业网络安全平台", True),  # no spaces between words
        ("网络安全", "https://x.example/%E7%BD%91%E7%BB%9C%E5%AE%89%E5%85%A8", True),
        ("税", "出口退税指南", False),  # a single character stands alone, or is another word
        ("税", "税 · 2026", True),
        ("ERP系统", "云ERP系统", True),  # begins where letters begin
        ("ERP系统", "xERP系统", False),
        ("ＥＲＰ", "erp", True),
    ],
)
def test_where_a_keyword_is_found(keyword, text, found) -> None:
    assert bool(Matcher({"t": [keyword]}).found("", text)) is found
    if found:  # the first sieve lets everything through that is found
        assert any(
            p in text.lower() or p in plain(text) or p.lower() in text.lower() for p in rough_patterns([keyword])
        )


def test_the_longest_keyword_names_the_signal_and_each_topic_gives_one() -> None:
    matcher = Matcher({"a": ["cloud", "cloud security"], "b": ["security"], "c": ["paper"]})
    assert matcher.found("Cloud security in ten steps") == {"a": "cloud security", "b": "security"}
