import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import web

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_refused_when_it_was_asked_for(taken):
    with pytest.raises(web.WebError, match=f"Port {taken} is taken"):
        web.choose_port("127.0.0.1", taken)


def test_the_next_free_port_is_taken_when_none_was_asked_for(taken, monkeypatch):
    monkeypatch.setattr(web, "DEFAULT_PORT", taken)
    assert taken < web.choose_port("127.0.0.1", None) < taken + web.PORTS_TO_TRY


def test_no_free_port_is_a_sentence(taken, monkeypatch):
    monkeypatch.setattr(web, "DEFAULT_PORT", taken)
    monkeypatch.setattr(web, "PORTS_TO_TRY", 1)
    with pytest.raises(web.WebError, match="name a free one with --port"):
        web.choose_port("127.0.0.1", None)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_of_another_machine_is_a_sentence(host):
    with pytest.raises(web.WebError, match="is no address of this machine"):
        web.choose_port(host, 8000)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:8000/"), ("0.0.0.0", "http://127.0.0.1:8000/"), ("::1", "http://[::1]:8000/")],  # noqa: S104
)
def test_the_address_as_people_type_it(host, expected):
    assert web.address(host, 8000) == expected


def environment(folder: Path, **more: str) -> dict[str, str]:
    found = {**os.environ, "VAR_DIR": str(folder), "BOOTSTRAP": "off", "LOG_LEVEL": "ERROR"} | more
    found.pop("DATABASE_URL", None)
    return found


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def get(address: str) -> tuple[int, int]:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - http of this machine
        return answer.status, len(answer.read())


def check_serving(var_dir: Path, production: bool, sign: signal.Signals) -> None:
    """Serve, look at a page with its styles, end it by a signal, and find nothing of it left."""
    strict = {"DEBUG": "false", "SECRET_KEY": "x" * 60, "SECURE": "false", "ALLOWED_HOSTS": "127.0.0.1"}
    errors = (var_dir / "errors").open("w+")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment(var_dir, PYTHONUNBUFFERED="1", **(strict if production else {})),
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as scripts start what they put behind
    )
    try:
        address = process.stdout.readline().removeprefix("Open ").strip()
        assert address.startswith("http://127.0.0.1:80"), (var_dir / "errors").read_text()
        assert get(f"{address}healthz")[0] == 200
        with urllib.request.urlopen(f"{address}admin/login/", timeout=20) as answer:  # noqa: S310
            page = answer.read().decode()
        style = next(part for part in page.split('"') if part.startswith("/static/") and ".css" in part)
        assert get(address.rstrip("/") + style)[1] > 100, "styles without the internet"
        family = psutil.Process(process.pid).children(recursive=True)
        lines = [" ".join(one.cmdline()) for one in family]
        assert any("gunicorn" in line for line in lines)
        assert any("jobs --cluster" in line for line in lines)
        os.killpg(process.pid, sign)
        out, _errors = process.communicate(timeout=40)
    finally:
        process.kill()
        process.communicate()
        errors.close()
    if sign != signal.SIGKILL:
        assert process.returncode == 0
        assert "Stopping" in out
    _gone, left = psutil.wait_procs(family, timeout=0 if process.returncode == 0 else 20)
    assert not left


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_serve_runs_web_and_work_and_both_end_with_it(var_dir):
    assert "run python3 manage.py migrate first" in manage(var_dir, "serve").stderr
    assert manage(var_dir, "migrate", "-v0").returncode == 0
    check_serving(var_dir, production=False, sign=signal.SIGINT)
    check_serving(var_dir, production=True, sign=signal.SIGTERM)
    check_serving(var_dir, production=False, sign=signal.SIGKILL)


@pytest.mark.parametrize("port", [-1, 0, 65_536, 99_999])
def test_a_port_that_does_not_exist_is_a_sentence(port):
    with pytest.raises(web.WebError, match=f"There is no port {port}: choose one from 1 to 65535"):
        web.choose_port("127.0.0.1", port)
