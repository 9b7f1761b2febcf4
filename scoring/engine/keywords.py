"""Keywords of intent topics: which ones can be used, and which of them a text holds.

Texts and keywords are brought to one form first: compatibility forms of characters (NFKC), no upper and lower case,
percent-encoding undone, and everything but letters, digits, `+` and `#` read as a space. So `network-security` in an
address is “network security”.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

MOST_CHARACTERS = 80

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Scripts that write words without spaces, or with endings attached.
_UNSPACED = _HAN + "\u3040-\u30ff\uac00-\ud7af"
_IS_HAN = re.compile(f"[{_HAN}]")
_STARTS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_OTHER = re.compile(r"[^\w+#]+|_+")


def plain(text: str) -> str:
    """A text in the one form in which keywords are looked for."""
    decoded = unquote(text) if "%" in text else text
    return " ".join(_OTHER.sub(" ", unicodedata.normalize("NFKC", decoded).casefold()).split())


def is_too_short(keyword: str) -> bool:
    """Whether a keyword is nothing or a single letter, which would be found nearly everywhere.

    A single Chinese character is a word and may stand; it is found only where it stands alone (`_pattern`).
    """
    form = plain(keyword)
    return len(form) < 2 and not _IS_HAN.fullmatch(form)


def _pattern(form: str) -> str:
    """Whole words, but anywhere in scripts without spaces; a single character only where it stands alone."""
    if len(form) == 1:
        return rf"(?<!\w){re.escape(form)}(?!\w)"
    before = "" if _STARTS_UNSPACED.match(form[0]) else rf"(?<![^\W{_UNSPACED}])"
    after = "" if _STARTS_UNSPACED.match(form[-1]) else rf"(?![^\W{_UNSPACED}])"
    return before + re.escape(form) + after


class Matcher:
    """Looks for the keywords of several topics at once. keywords: by topic."""

    def __init__(self, keywords: Mapping[str, Sequence[str]]) -> None:
        # The longest first: the most particular keyword that matches is the one that is named.
        self._patterns = {
            topic: [(word, re.compile(_pattern(plain(word)))) for word in sorted(words, key=lambda w: -len(plain(w)))]
            for topic, words in keywords.items()
        }

    def found(self, *texts: str) -> dict[str, str]:
        """Return the topics that texts are about, each with the longest of its keywords that is there."""
        forms = [form for text in texts if text and (form := plain(text))]
        found = {}
        for topic, patterns in self._patterns.items():
            for word, pattern in patterns:
                if any(pattern.search(form) for form in forms):
                    found[topic] = word
                    break
        return found


def rough_patterns(keywords: Sequence[str]) -> list[str]:
    """Texts of which at least one occurs in everything a `Matcher` finds, once compatibility forms of characters are
    undone (NFKC) and whatever the case; for a first sieve.

    Each is the longest word of a keyword, as it is written and as it is encoded in an address.
    """
    found: dict[str, None] = {}
    for keyword in keywords:
        longest = max(plain(keyword).split(), key=len, default="")
        if longest:
            found[longest] = None
            found[quote(longest)] = None
    return list(found)
