"""Every text marked for translation is in the catalogues. Reads sources as they are, without GNU gettext."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[2]
SOURCES = ("config", "journey", "scoring", "segmentation", "templates")
LANGUAGES = ("zh_Hans", "zh_Hant")
MARKS = {"_", "_t", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
_STRING = r"u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
_CALL = re.compile(rf"\b(?:n?gettext|_)\(\s*({_STRING})(?:\s*,\s*({_STRING}))?")


def texts_of_python(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in MARKS:
                for given in node.args[: 2 if name.startswith("n") else 1]:
                    if isinstance(given, ast.Constant) and isinstance(given.value, str):
                        yield given.value


def texts_of_template(path: Path) -> Iterator[str]:
    for found in _CALL.finditer(templatize(path.read_text(encoding="utf-8"), origin=str(path))):
        yield from (ast.literal_eval(text) for text in found.groups() if text)


@cache
def marked_texts() -> dict[str, str]:
    """Each text with the file it is in."""
    found: dict[str, str] = {}
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*")):
            reader = {".py": texts_of_python, ".html": texts_of_template}.get(path.suffix)
            for text in reader(path) if reader else ():
                if text:
                    found.setdefault(text, path.relative_to(ROOT).as_posix())
    return found


def entries(path: Path) -> list[tuple[list[str], str]]:
    """The entries of a catalogue: the text, with its plural where there is one, and the (first) translation."""
    found: list[tuple[list[str], str]] = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        parts: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            start = re.match(r'([a-z_]+(?:\[\d\])?) (".*")$', line)
            if start:
                name = start[1]
                parts[name] = ast.literal_eval(start[2])
            elif line.startswith('"'):
                parts[name] += ast.literal_eval(line)
        translation = parts.get("msgstr[0]", parts.get("msgstr", ""))
        found.append(([parts[name] for name in ("msgid", "msgid_plural") if name in parts], translation))
    return found


def test_texts_of_both_kinds_of_files_are_found():
    texts = marked_texts()
    assert texts["sales team"].endswith(".py")
    assert texts["What becomes of each row"].endswith(".html")
    assert texts["Each row becomes up to %(number)s records; the mapping says from which columns."].endswith(".html")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marked_text_is_in_the_catalogue(language):
    path = ROOT / "locale" / language / "LC_MESSAGES" / "django.po"
    known = {text for texts, _translation in entries(path) for text in texts}
    missing = [f"{text!r} of {where}" for text, where in marked_texts().items() if text not in known]
    assert missing == [], f"Run manage.py makemessages and commit {path.relative_to(ROOT)}."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_translation_is_compiled(language):
    path = ROOT / "locale" / language / "LC_MESSAGES" / "django.po"
    with path.with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)
    written = {tuple(texts): translation for texts, translation in entries(path)[1:] if translation}
    assert len(written) > 100
    shown = {texts: compiled.ngettext(*texts, 1) if len(texts) > 1 else compiled.gettext(*texts) for texts in written}
    assert shown == written, (
        f"Run manage.py compilemessages --ignore .venv and commit {path.with_suffix('.mo').relative_to(ROOT)}."
    )
