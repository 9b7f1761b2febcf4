"""Every command says what it does."""

import io

import pytest
from django.core.management import get_commands, load_command_class

OURS = {name: app for name, app in get_commands().items() if app in {"config", "segmentation", "scoring", "journey"}}
PYTESTS_OWN = {"test", "trust"}  # hand --help to pytest


@pytest.mark.parametrize("name", sorted(OURS.keys() - PYTESTS_OWN))
def test_help_is_shown(name: str) -> None:
    parser = load_command_class(OURS[name], name).create_parser("manage.py", name)
    shown = io.StringIO()
    parser.print_help(shown)
    assert parser.description
    assert parser.description.split()[0] in shown.getvalue()
