"""Whatever a command with --json meets, standard output is one JSON document and the exit code is not 0."""

import io
import json

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from segmentation.management.base import ProductCommand
from tests.journey import worlds

OURS = ("segmentation", "scoring", "journey", "config")


def _with_json():
    """Every command of the product with the option --json, and what must stand before it."""
    for name, app in sorted(get_commands().items()):
        if app in OURS:
            command = load_command_class(app, name)
            parser = command.create_parser("manage.py", name)
            if any("--json" in action.option_strings for action in parser._actions):
                yield name, command, []
            elif name == "tal":  # the option belongs to the verbs
                yield name, command, ["list"]


COMMANDS = list(_with_json())


def test_every_command_with_json_is_one_of_ours():
    assert len(COMMANDS) >= 18
    assert [name for name, command, _before in COMMANDS if not isinstance(command, ProductCommand)] == []


@pytest.mark.parametrize(("name", "before"), [(name, before) for name, _command, before in COMMANDS])
def test_wrong_arguments_are_told_as_json(name, before, capsys):
    command = load_command_class(get_commands()[name], name)
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", name, *before, "--json", "--no-such-option"])
    said = capsys.readouterr()
    fault = json.loads(said.out)["fault"]
    assert (ended.value.code, fault["code"]) == (2, "bad_arguments")
    assert fault["message"]
    assert fault["message"] in said.err
    assert "usage: manage.py" in said.err


def _fault(*words):
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*words, "--json", stdout=out, stderr=io.StringIO())
    return caught.value.returncode, json.loads(out.getvalue())["fault"], str(caught.value)


@pytest.mark.django_db
def test_a_problem_is_told_with_its_parts_and_the_same_sentence():
    worlds.install()
    code, fault, sentence = _fault("funnel", "--journey", "standrd", "--start", "2025-01-01", "--end", "2025-02-01")
    assert (code, fault["code"], fault["value"]) == (1, "unknown_journey", "standrd")
    assert "Did you mean “standard”" in fault["remedy"]
    assert sentence == f"{fault['message']} {fault['remedy']}"
    assert _fault("match", "no-such.csv")[1]["code"] == "unreadable"
    assert _fault("load_demo", "--end-date", "tomorrow")[1]["message"].startswith("end-date tomorrow is no day")
    assert _fault("suggest", "--journey", "nope")[1]["code"] == "unknown_journey"
