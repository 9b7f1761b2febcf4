"""manage.py on a machine without the project's packages, with a tiny project that installs from a file."""

import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import bootstrap

ROOT = Path(__file__).resolve().parents[2]

# Stands in for Django: says where it runs and with which arguments.
DJANGO = {
    "django/__init__.py": "",
    "django/core/__init__.py": "",
    "django/core/exceptions.py": "class ImproperlyConfigured(Exception): ...",
    "django/db.py": "class OperationalError(Exception): ...\nclass ProgrammingError(Exception): ...",
    "django/core/management.py": (
        "import sys\n"
        "from django.core.exceptions import ImproperlyConfigured\n"
        "def execute_from_command_line(argv):\n"
        "    if 'wrong' in argv: raise ImproperlyConfigured('The environment variable X is wrong.')\n"
        "    print(sys.prefix, *argv[1:])\n"
        "    sys.exit(7 if 'seven' in argv else 0)\n"
    ),
}


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    """Write a wheel, so that pip needs no network."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with nothing but what bootstraps it."""
    folder = tmp_path / "a checkout"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "__init__.py").touch()
    for name in ("manage.py", "config/bootstrap.py"):
        (folder / name).write_text((ROOT / name).read_text())
    runtime, tools = wheel(folder, "runtime", DJANGO), wheel(folder, "tools", {"tools.py": ""})
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "1"\ndependencies = ["runtime @ {runtime.as_uri()}"]\n'
        f'[project.optional-dependencies]\ndev = ["tools @ {tools.as_uri()}"]\n'
    )
    (folder / "requirements.lock").write_text("runtime==1.0\n")
    return folder


def manage(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with the Python behind this virtual environment, as a person would."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "BOOTSTRAP")}
    environment |= {"PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(
        [sys._base_executable, "manage.py", *arguments],  # type: ignore[attr-defined]
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def installed(project: Path) -> set[str]:
    return {path.stem for path in project.glob(".venv/lib/python*/site-packages/*.py")} & {"tools"}


def test_first_run_second_run_and_what_changes_them(project):
    done = manage(project, "check", "--x", "a b")
    assert (done.returncode, done.stdout) == (0, f"{project}/.venv check --x a b\n")
    assert "Preparing" in done.stderr
    assert installed(project) == set(), "the tools of the tests are not for everybody"

    begun = time.monotonic()
    done = manage(project, "seven")
    assert (done.returncode, done.stderr) == (7, ""), "the exit code is the command's"
    assert time.monotonic() - begun < 2

    assert "Preparing" in manage(project, "test").stderr
    assert installed(project) == {"tools"}
    assert manage(project, "check").stderr == "", "the tools' environment holds the rest too"

    with (project / "requirements.lock").open("a") as file:
        file.write("# changed\n")
    assert "Preparing" in manage(project, "check").stderr
    assert manage(project, "check").stderr == ""

    done = manage(project, "wrong")
    assert (done.returncode, done.stderr) == (1, "The environment variable X is wrong.\n")


def test_an_installation_broken_off_is_repaired(project):
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    assert manage(project, "check").returncode == 0
    (project / ".venv" / ".installed-runtime").unlink()  # as when pip was ended before it was done
    assert "Preparing" in manage(project, "check").stderr
    assert manage(project, "check").stderr == ""


def test_two_first_runs_at_once_both_work_and_install_once(project):
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _n: manage(project, "check"), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert sum("Preparing" in one.stderr for one in done) == 1


def test_pip_that_fails_is_a_sentence_and_tried_again_next_time(project):
    good = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(good.replace("runtime @ ", "no-such-package-x # "))
    for _ in range(2):
        done = manage(project, "check")
        assert done.returncode == 1
        assert "pip could not install the packages" in done.stderr.splitlines()[-1]
    (project / "pyproject.toml").write_text(good)
    assert manage(project, "check").returncode == 0


def test_without_ensurepip_the_pip_outside_installs(tmp_path, monkeypatch):
    ran = []

    def works(command: list[str]) -> bool:
        ran.append(command)
        return "--without-pip" in command or "--python" in command

    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "works", works)
    pip = bootstrap.make_environment()
    assert pip == [sys.executable, "-m", "pip", "--python", str(bootstrap.PYTHON)]
    assert [sys.executable, "-m", "venv", "--clear", "--without-pip", str(tmp_path / ".venv")] in ran


@pytest.mark.parametrize(("possible", "said"), [("--without-pip", "has no pip"), ("nothing", "cannot make virtual")])
def test_a_python_without_pip_or_venv_is_a_sentence(tmp_path, monkeypatch, possible, said):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "works", lambda command: possible in command)
    with pytest.raises(SystemExit, match=said):
        bootstrap.make_environment()


def test_an_old_python_is_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed"):
        bootstrap.main(["manage.py", "check"])


def test_the_lock_pins_every_requirement():
    names = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    wanted = {
        requirement.replace("[", " ").replace(">", " ").replace("~", " ").split()[0].lower()
        for requirement in bootstrap.requirements("dev")
    }
    assert wanted <= names
