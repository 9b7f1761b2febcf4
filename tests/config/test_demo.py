import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, get_commands
from django.core.management.base import OutputWrapper

from config import demo
from segmentation.models import Account, SalesTeam


@pytest.fixture
def _var(settings, tmp_path):
    settings.VAR_DIR = tmp_path


@pytest.mark.django_db
@pytest.mark.usefixtures("_var")
class TestLogin:
    def test_they_are_made_once_and_their_passwords_told_each_time(self, settings):
        SalesTeam.objects.create(key="few", name="Few")
        many = SalesTeam.objects.create(key="many", name="Many")
        Account.objects.create(name="A", team=many)
        said = demo.ensure_login()
        users = get_user_model().objects
        passwords = {
            name: (settings.VAR_DIR / f"demo_password{end}").read_text()
            for name, end in (("admin", ""), ("rep", "_rep"), ("marketer", "_marketer"), ("analyst", "_analyst"))
        }
        assert len(set(passwords.values())) == 4
        for name, password in passwords.items():
            user = users.get(username=name)
            assert (user.is_superuser, user.is_staff, user.check_password(password)) == (name == "admin", True, True)
        assert said.splitlines() == [
            f"Log in as admin with the password {passwords['admin']}",
            f"Log in as rep with the password {passwords['rep']} (ABM sales rep: Many)",
            f"Log in as marketer with the password {passwords['marketer']} (ABM marketer)",
            f"Log in as analyst with the password {passwords['analyst']} (ABM analyst)",
        ]
        assert stat.S_IMODE((settings.VAR_DIR / "demo_password_rep").stat().st_mode) == 0o600
        assert demo.ensure_login() == said
        assert [group.name for group in users.get(username="rep").groups.all()] == ["ABM sales rep"]

    def test_a_password_that_was_changed_is_kept_and_not_told(self):
        demo.ensure_login()
        user = get_user_model().objects.get(username="admin")
        user.set_password("mine")
        user.save()
        assert demo.ensure_login().splitlines()[0] == "Log in as admin with the password you gave it."
        user.refresh_from_db()
        assert user.check_password("mine")

    def test_an_admin_from_before_is_kept(self, settings):
        get_user_model().objects.create_superuser("admin", password="mine")
        assert demo.ensure_login().splitlines()[0] == "Log in as admin with the password you gave it."
        assert not (settings.VAR_DIR / "demo_password").exists()

    def test_after_a_reset_the_passwords_are_the_same(self):
        said = demo.ensure_login()
        get_user_model().objects.all().delete()
        assert demo.ensure_login() == said


def test_the_funnel_is_a_table_with_bars():
    text = demo.funnel_text(
        {
            "as_of": "2026-01-02T03:04:05Z",
            "stages": [
                {"key": "aware", "name": "Aware", "accounts": 1500, "share": 0.75},
                {"key": "mqa", "name": "有意向", "accounts": 500, "share": 0.25},
            ],
        }
    )
    assert "Accounts per stage, 2026-01-02" in text
    assert "1,500" in text
    assert "75.0 %" in text
    assert "有意向" in text
    assert text.count("█") == 40


def test_an_empty_funnel_is_an_empty_table():
    assert "█" not in demo.funnel_text({"as_of": "2026-01-02", "stages": []})


def test_each_step_is_announced_before_it_runs_and_timed_after():
    out = io.StringIO()
    steps = demo.Steps(OutputWrapper(out), total=2)
    with steps.step("One"):
        assert out.getvalue() == "1/2  One ...\n"
    assert "done in 0.0 s" in out.getvalue()


class TestReset:
    @pytest.fixture(autouse=True)
    def _dropped(self, monkeypatch):
        self.dropped = False

        def clear() -> None:
            self.dropped = True

        monkeypatch.setattr(demo, "clear", clear)
        monkeypatch.setattr(demo, "fill", lambda steps, **sizes: None)
        monkeypatch.setattr(demo, "ensure_login", lambda: "")

    def test_a_server_of_one_s_own_is_refused(self, settings):
        settings.DATABASE_URL = "postgresql://h/n"
        with pytest.raises(CommandError, match="add --force"):
            call_command("reset_demo", yes=True)
        assert not self.dropped
        call_command("reset_demo", yes=True, force=True)
        assert self.dropped

    @pytest.mark.parametrize("size", ["--accounts=0", "--accounts=-5", "--activities=1e3", "--accounts=100001"])
    def test_a_size_that_cannot_be_is_refused_before_anything_is_dropped(self, settings, size):
        settings.DATABASE_URL = ""
        with pytest.raises(CommandError, match="is no whole number from"):
            call_command("reset_demo", size, "--yes")
        assert not self.dropped

    @pytest.mark.parametrize("answer", ["", "no", "y", EOFError])
    def test_it_asks_and_takes_only_yes(self, settings, monkeypatch, answer):
        settings.DATABASE_URL = ""

        def typed(prompt: str) -> str:
            if answer is EOFError:
                raise EOFError
            return answer

        monkeypatch.setattr("builtins.input", typed)
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("reset_demo")
        assert not self.dropped
        monkeypatch.setattr("builtins.input", lambda prompt: "yes")
        call_command("reset_demo")
        assert self.dropped


ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {"load_demo", "replay", "stages"}


def manage(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run a command with a database of its own; what it says, or what it says on standard error when it is to fail."""
    environment = {**os.environ, "VAR_DIR": str(folder), "BOOTSTRAP": "off", "LOG_LEVEL": "ERROR"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


def test_a_cleared_database_can_be_migrated_again_and_its_cache_of_facts_has_gone(var_dir):
    manage(var_dir, "migrate", "-v0")
    (var_dir / "facts").mkdir()
    manage(var_dir, "shell", "-v0", "-c", "from config import demo; demo.clear()")
    assert not (var_dir / "facts").exists()
    assert "[X]" not in manage(var_dir, "showmigrations")
    manage(var_dir, "migrate", "-v0")
    assert "[ ]" not in manage(var_dir, "showmigrations")


@pytest.mark.parametrize(
    "command", [("stages", "--json"), ("replay",), ("jobs", "--once"), ("serve",)], ids=lambda c: c[0]
)
def test_a_database_without_tables_is_a_sentence(var_dir, command):
    said = manage(var_dir, *command, code=1)
    assert said.strip().removeprefix("CommandError: ") == (
        "The database is behind the code: run python3 manage.py migrate first."
    )


@pytest.mark.skipif(not set(get_commands()) >= COMMANDS, reason="a command of the demo is missing")
def test_the_demo_prints_its_funnel_and_a_second_run_changes_nothing(var_dir):
    count = (
        "from django.apps import apps;"
        "print(sorted((m._meta.label, m._default_manager.count()) for m in apps.get_models()))"
    )
    small = ("demo", "--no-serve", "--accounts", "40", "--activities", "600")
    first = manage(var_dir, *small)
    rows = manage(var_dir, "shell", "-v0", "-c", count)
    second = manage(var_dir, *small)
    assert "Accounts per stage" in first
    assert "Log in as admin with the password" in first
    table = first[first.index("Accounts per stage") :]
    assert second.endswith(table), "the same funnel, the same password"
    assert manage(var_dir, "shell", "-v0", "-c", count) == rows
