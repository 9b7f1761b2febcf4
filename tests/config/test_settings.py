"""The settings as processes of their own read them, and what docs/deployment.md says about them."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.secret import secret_from_file

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs" / "deployment.md").read_text()
OURS = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", (ROOT / "config" / "settings.py").read_text()))


def clean(**wanted: str) -> dict[str, str]:
    """Return an environment without this project's variables, plus those wanted."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | {"BOOTSTRAP": "off"} | wanted


def manage(*arguments: str, **wanted: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean(**wanted),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read(*names: str, **wanted: str) -> dict[str, object]:
    """Return settings as a fresh process sees them."""
    code = f"import json; from config import settings as s; print(json.dumps({{n: getattr(s, n) for n in {names!r}}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean(**wanted), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def production() -> dict[str, str]:
    """Return the block of production settings in the documentation."""
    block = re.search(r"## Production settings.*?```ini\n(.*?)```", DOCS, re.DOTALL).group(1)
    return dict(line.split("=", 1) for line in block.strip().splitlines())


def test_the_documented_production_settings_pass_the_deployment_check(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "DEBUG", **production() | {"VAR_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_every_variable_is_documented_and_no_other():
    table = DOCS[DOCS.index("## Every variable") : DOCS.index("## The embedded")]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == OURS


def test_production_without_a_secret_key_is_refused_with_a_sentence(tmp_path):
    done = manage("check", **production() | {"SECRET_KEY": "", "VAR_DIR": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("The environment variable SECRET_KEY is not set")
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "perhaps"),
        ("DATABASE_URL", "mysql://u:secret@h/n"),
        ("DATABASE_URL", "nonsense secret"),
        ("FISCAL_YEAR_START_MONTH", "13"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("LANGUAGE_CODE", "xx"),
    ],
)
def test_a_wrong_variable_is_a_sentence_not_a_traceback(tmp_path, variable, value):
    done = manage("check", **{"VAR_DIR": str(tmp_path), variable: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"The environment variable {variable} ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_server_that_cannot_be_reached_is_a_sentence(tmp_path):
    done = manage("showmigrations", VAR_DIR=str(tmp_path), DATABASE_URL="postgresql://u:p@127.0.0.1:1/n")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    ("code", "words", "variables"),
    [
        ("no_database", "127.0.0.1", {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"}),
        ("bad_settings", "TIME_ZONE", {"TIME_ZONE": "Mars/Olympus"}),
    ],
)
def test_who_asks_for_json_gets_json_when_a_command_cannot_even_begin(tmp_path, code, words, variables):
    done = manage("priority", "--json", VAR_DIR=str(tmp_path), **variables)
    assert done.returncode == 1
    fault = json.loads(done.stdout)["fault"]
    assert (fault["code"], words in fault["message"]) == (code, True)
    assert words in done.stderr


def test_a_database_url_switches_to_that_server(tmp_path):
    found = read("DATABASES", VAR_DIR=str(tmp_path), DATABASE_URL="postgresql://u:p%40@h:6543/n?sslmode=require")
    database = found["DATABASES"]["default"]
    assert {name: database[name] for name in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "NAME")} == {
        "ENGINE": "django.db.backends.postgresql",
        "USER": "u",
        "PASSWORD": "p@",
        "HOST": "h",
        "PORT": 6543,
        "NAME": "n",
    }
    assert database["OPTIONS"] == {"sslmode": "require"}
    assert database["CONN_HEALTH_CHECKS"] is True


def test_var_dir_moves_everything_the_project_writes(tmp_path):
    names = ("DATABASES", "STATIC_ROOT", "MEDIA_ROOT", "FACTS_DIR", "VAR_DIR")
    code = f"from config import settings as s; print([str(getattr(s, n)) for n in {names!r}])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean(VAR_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(str(tmp_path)) == len(names)


def test_debug_needs_no_tls_and_production_does(tmp_path):
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
    assert set(read(*names, VAR_DIR=str(tmp_path)).values()) == {False}
    assert read(*names, **production() | {"VAR_DIR": str(tmp_path)}) == dict(
        zip(names, (True, True, 31_536_000), strict=True)
    )
    assert set(read(*names, **production() | {"VAR_DIR": str(tmp_path), "SECURE": "false"}).values()) == {False}


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "deep" / "secret"
    first = secret_from_file(path)
    assert len(first) > 50
    assert secret_from_file(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_an_empty_secret_is_refused(tmp_path):
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(ImproperlyConfigured, match="is empty: delete the file"):
        secret_from_file(tmp_path / "secret")
