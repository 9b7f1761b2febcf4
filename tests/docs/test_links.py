"""What README and the documentation point at exists: files, headings, commands, options."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PYTESTS_OWN = {"test", "trust"}  # hand their options to pytest
WRITTEN = {"benchmarks/results.json"}  # by a command, once it has run

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"manage\.py ([a-z_]+)((?: +[^\s`|#)]+)*)")
_PATH = re.compile(r"`((?:config|segmentation|scoring|journey|tests|docs|benchmarks|\.ci)/[\w./-]+)`")


def anchors(page: Path) -> set[str]:
    """The headings of a page as they are linked to."""
    titles = re.findall(r"^#+ +(.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which does not exist"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {link}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_named_exist(page: Path) -> None:
    named = set(_PATH.findall(page.read_text(encoding="utf-8"))) - WRITTEN
    assert {name for name in named if not (ROOT / name).exists()} == set()


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command a text shows, with its long options."""
    for name, rest in _CALL.findall(text):
        yield name, re.findall(r"--[a-z-]+", rest)


def rows_of_the_table() -> Iterator[tuple[str, list[str]]]:
    """Each command of README's table, with the options beside it."""
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        cells = line.split("|")
        if len(cells) == 5 and cells[1].startswith(" `"):
            for name in re.findall(r"`([a-z_]+)", cells[1]):
                yield name, re.findall(r"`(--[a-z-]+)", cells[3])


def check(name: str, options: list[str], where: str) -> None:
    commands = get_commands()
    assert name in commands, f"{where} names the command {name}, which does not exist"
    if name in PYTESTS_OWN:
        return
    known = load_command_class(commands[name], name).create_parser("manage.py", name)._option_string_actions
    unknown = [option for option in options if option not in known]
    assert unknown == [], f"{where} names options of {name} which do not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_shown_exist(page: Path) -> None:
    for name, options in calls(page.read_text(encoding="utf-8")):
        check(name, options, page.name)


def test_commands_of_the_table_exist_with_their_options() -> None:
    rows = list(rows_of_the_table())
    assert {name for name, _options in rows} >= {"demo", "serve", "import_csv", "replay", "stages", "explain", "test"}
    for name, options in rows:
        check(name, options, "README.md")
