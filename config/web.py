"""The web server that ``serve`` and ``demo`` start."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.utils.translation import gettext as _

from config import processes
from config.cluster import Supervisor

DEFAULT_PORT = 8000
PORTS_TO_TRY = 20


class WebError(Exception):
    """The web server cannot run. The message is a sentence for people."""


def choose_port(host: str, wanted: int | None) -> int:
    """Return the port to listen on: the one wanted, else the first free one from 8000.

    Raises:
        WebError: the port wanted is taken, or none is free, or the host is not one of this machine.
    """
    if wanted is not None:
        if not 0 < wanted < 65536:
            raise WebError(_("There is no port %(port)d: choose one from 1 to 65535.") % {"port": wanted})
        if not _is_free(host, wanted):
            raise WebError(_("Port %(port)d is taken: end what uses it, or choose another.") % {"port": wanted})
        return wanted
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY):
        if _is_free(host, port):
            return port
    raise WebError(
        _("The ports %(first)d to %(last)d are all taken: name a free one with --port.")
        % {"first": DEFAULT_PORT, "last": DEFAULT_PORT + PORTS_TO_TRY - 1}
    )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # elsewhere it means to share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise WebError(_("This user may not use port %(port)d: choose one above 1023.") % {"port": port}) from None
        except socket.gaierror:
            raise WebError(_("%(host)s is no address of this machine.") % {"host": host}) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise WebError(_("%(host)s is no address of this machine.") % {"host": host}) from None
            return False
    return True


def address(host: str, port: int) -> str:
    """Return the address as people type it."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}/"


def collect_static() -> None:
    """Gather the static files where production needs them; nothing to do in debug, or when it has been done."""
    if not settings.DEBUG and not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        call_command("collectstatic", interactive=False, verbosity=0)


def start(
    host: str,
    port: int,
    *,
    workers: int,
    threads: int,
    application: str = "config.wsgi:application",
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start the web server and wait until it takes connections.

    Args:
        host, port: where it listens.
        workers, threads: processes, and threads in each of them; on Windows both count for nothing.
        application: what it serves; on Windows always the project.
        environment: of its process; that of this one when left out.

    Raises:
        WebError: it ended, or did not answer within a minute.
    """
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if os.name == "nt":
        command = [sys.executable, str(processes.ROOT / "manage.py"), "runserver", "--noreload", bind]
    else:
        command = [
            *(sys.executable, "-m", "gunicorn", application, "--bind", bind),
            *("--workers", str(workers), "--threads", str(threads), "--worker-class", "gthread"),
            *(
                "--graceful-timeout",
                "5",
                "--timeout",
                "120",
                "--max-requests",
                "20000",
                "--max-requests-jitter",
                "2000",
            ),
            *("--log-level", "warning", "--no-control-socket"),
        ]
    process = processes.start(command, environment)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection((host, port), timeout=1):
                return process
        except OSError:
            time.sleep(0.1)
    processes.end(process, seconds=5)
    raise WebError(_("The web server did not start: its last lines are above."))


def serve(
    out: OutputWrapper,
    *,
    host: str,
    port: int | None,
    workers: int,
    threads: int,
    grace: float = 10.0,
    notice: str = "",
) -> None:
    """Run the web server and the work in the background until Ctrl-C or SIGTERM, then end both.

    Args:
        out: where the address is written.
        host: the address to listen on.
        port: the port wanted; None takes the first free one from 8000.
        workers: processes of the web server.
        threads: threads in each of them.
        grace: seconds that running work gets at the end.
        notice: written below the address.

    Raises:
        WebError: the web server cannot start, or ended by itself.
    """
    port = choose_port(host, port)
    collect_static()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # scripts start what they put behind with it ignored
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    web, supervisor = start(host, port, workers=workers, threads=threads), None
    try:
        supervisor = Supervisor()
        out.write(_("Open %(address)s") % {"address": address(host, port)})
        out.write(notice + _("Ctrl-C ends it."))
        out.flush()
        while web.poll() is None:
            supervisor.watch()
            time.sleep(0.5)
    except KeyboardInterrupt:
        out.write(_("Stopping ..."))
    else:
        raise WebError(_("The web server has ended by itself (code %(code)s).") % {"code": web.returncode})
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # asked twice, we are at it
        processes.end(web, seconds=7)
        if supervisor is not None:
            supervisor.stop(seconds=grace)
        signal.signal(signal.SIGTERM, previous)
