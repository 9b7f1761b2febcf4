import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", " on "])
def test_yes(monkeypatch, value):
    monkeypatch.setenv("SOME", value)
    assert env.flag("SOME", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off"])
def test_no(monkeypatch, value):
    monkeypatch.setenv("SOME", value)
    assert env.flag("SOME", default=True) is False


def test_an_empty_variable_counts_as_not_set(monkeypatch, tmp_path):
    monkeypatch.setenv("SOME", " ")
    assert env.flag("SOME", default=True) is True
    assert env.integer("SOME", 7) == 7
    assert env.text("SOME", "x") == "x"
    assert env.names("SOME", ["a"]) == ["a"]
    assert env.path("SOME", tmp_path) == tmp_path


def test_lists_lose_blanks_and_empty_items(monkeypatch):
    monkeypatch.setenv("SOME", " a, b,,c ")
    assert env.names("SOME") == ["a", "b", "c"]


def test_whole_numbers_at_their_bounds(monkeypatch):
    for value in ("1", "12"):
        monkeypatch.setenv("SOME", value)
        assert env.integer("SOME", 3, low=1, high=12) == int(value)


def test_a_path_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME", "here")
    assert env.path("SOME", tmp_path) == tmp_path / "here"


@pytest.mark.parametrize(
    ("read", "value", "remedy"),
    [
        (lambda: env.flag("SOME", default=True), "maybe", "use true or false"),
        (lambda: env.integer("SOME", 1), "1.5", "use a whole number"),
        (lambda: env.integer("SOME", 1, low=1), "0", "use 1 or more"),
        (lambda: env.integer("SOME", 1, high=12), "13", "use 12 or less"),
        (lambda: env.text("SOME", "en", choices=["en", "zh-hans"]), "de", "use one of en, zh-hans"),
        (lambda: env.time_zone("SOME", "UTC"), "Mars/Olympus", "use a name such as UTC"),
        (lambda: env.time_zone("SOME", "UTC"), "../etc/passwd", "use a name such as UTC"),
        (lambda: env.path("SOME", None), __file__, "use the path of a directory"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable_and_the_remedy(monkeypatch, read, value, remedy):
    monkeypatch.setenv("SOME", value)
    with pytest.raises(ImproperlyConfigured) as caught:
        read()
    assert f"SOME is {value!r}: {remedy}" in str(caught.value)
