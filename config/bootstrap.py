"""What ``manage.py`` does before Django: make ``.venv``, install the locked packages, run again inside.

Standard library only, and a syntax that old versions of Python read, so that they can say that they are too old.
Inside a virtual environment (or with ``BOOTSTRAP=off``) nothing of this happens.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, NoReturn  # noqa: UP035 - old versions of Python read this file

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NEED_TOOLS = {"test", "bench", "trust"}  # commands that need the extra ``dev`` of pyproject.toml


def main(argv: list[str]) -> None:
    """Run a command of Django in the right environment.

    Ends the process with a sentence and exit code 1 when the environment cannot be made, the settings are wrong or the
    database cannot be reached; ``--traceback`` shows where.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one shall read a sentence
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: try python3.11 manage.py ...")
    if sys.prefix == sys.base_prefix and os.environ.get("BOOTSTRAP") != "off":
        try:
            prepare("dev" if argv[1:2] and argv[1] in NEED_TOOLS else "runtime")
        except OSError as error:
            sys.exit(f"The virtual environment {VENV} cannot be made: {error}.")
        run_again(argv)
    run_django(argv)


def run_again(argv: list[str]) -> None:
    """Replace this process by the same command in ``.venv``."""
    command = [str(PYTHON), *argv]
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606 - no shell wanted
    with contextlib.suppress(KeyboardInterrupt):  # the child has got it too, and says how it ended
        sys.exit(subprocess.call(command))


def run_django(argv: list[str]) -> None:
    """Hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError, ProgrammingError
    except ImportError:
        sys.exit(
            f"Django is not installed in {sys.prefix}: leave this virtual environment (deactivate), "
            "and manage.py makes its own."
        )
    try:
        execute_from_command_line(argv)
    except ImproperlyConfigured as error:
        if "--traceback" in argv:
            raise
        give_up(argv, "bad_settings", str(error))
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in argv:
            raise
        from config import tables

        problem = tables.reason(error) or tables.unreachable(error)
        if not problem and isinstance(error, ProgrammingError):
            raise
        give_up(argv, "no_database", problem or str(error).strip())
    except KeyboardInterrupt:
        sys.exit(130)


def give_up(argv: list[str], code: str, sentence: str) -> NoReturn:
    """End with a sentence and exit code 1; for whoever asked for --json with the parts of a problem before it."""
    if "--json" in argv[2:]:
        fault = {"code": code, "field": "", "value": "", "message": sentence, "remedy": ""}
        print(json.dumps({"fault": fault}, indent=2, ensure_ascii=False))
    sys.exit(sentence)


def prepare(group: str) -> None:
    """Make ``.venv`` hold the locked packages of a group, ``runtime`` or ``dev``; quick when it does already."""
    if is_prepared(group):
        return
    with alone():
        if is_prepared(group):  # somebody else has done it meanwhile
            return
        for stamp in VENV.glob(".installed-*"):
            stamp.unlink()
        print(f"Preparing {VENV} (once, about a minute) ...", file=sys.stderr, flush=True)
        pip = make_environment()
        done = subprocess.call(
            [
                *(*pip, "install", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--constraint", str(ROOT / "requirements.lock")),
                *requirements(group),
            ],
            env={**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        )
        if done:
            sys.exit("pip could not install the packages (see above). Check the network, then run the command again.")
        (VENV / f".installed-{group}").write_text(fingerprint())


def is_prepared(group: str) -> bool:
    """Return whether ``.venv`` holds what the lock file says for this group; ``dev`` includes ``runtime``."""
    stamps = [VENV / f".installed-{name}" for name in {group, "dev"}]
    want = fingerprint()
    return PYTHON.exists() and any(stamp.exists() and stamp.read_text() == want for stamp in stamps)


def fingerprint() -> str:
    """Return a text that changes with the packages wanted and with the Python behind ``.venv``."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.lock")]
    return hashlib.sha256(b"\0".join([*parts, os.path.realpath(PYTHON).encode()])).hexdigest()


def requirements(group: str) -> list[str]:
    """Return the requirements of a group from pyproject.toml."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    wanted: list[str] = [*project["dependencies"], *extras.get("predict", [])]
    return wanted + (extras["dev"] if group == "dev" else [])


def make_environment() -> list[str]:
    """Make ``.venv`` unless a working one is there; return the command line of a pip that installs into it."""
    own, other = [str(PYTHON), "-m", "pip"], [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if not works([str(PYTHON), "-c", "import encodings"]):
        shutil.rmtree(VENV, ignore_errors=True)
        make = [sys.executable, "-m", "venv"]
        # Debian ships venv without ensurepip: then a pip outside installs into it.
        if not works([*make, str(VENV)]) and not works([*make, "--clear", "--without-pip", str(VENV)]):
            sys.exit(f"{sys.executable} cannot make virtual environments: install its venv module (python3-venv).")
    for pip in (own, other):
        if works([*pip, "--version"]):
            return pip
    sys.exit(f"{sys.executable} has no pip: install python3-pip or python3-venv.")


def works(command: list[str]) -> bool:
    """Return whether a command runs and succeeds; what it prints is dropped."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold a lock, so that two first commands at once do not both install."""
    (ROOT / "var").mkdir(exist_ok=True)
    with open(ROOT / "var" / "bootstrap.lock", "a") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.5)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
