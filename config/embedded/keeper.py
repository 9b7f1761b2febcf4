"""Runs one PostgreSQL for as long as somebody uses it.

Started as a script by ``server.py``, detached from everything its starter has: own session, no pipe, output in the
log. It is the server's parent. It waits for the exclusive lock on the file that every user of the server holds shared;
the operating system drops a user's lock however that user ends, so getting the lock means that nobody is left, kill -9
included. While it stops the server it holds the lock, so a newcomer waits until the server has gone and starts anew.
On Linux the server is told to stop when the keeper itself is killed.

Standard library only, and nothing of the project: it runs with ``python -I -S``, for speed and little memory.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS_TO_RETRY = 3.0  # the processes of a server that was killed need a moment to let go of its memory
SECONDS_TO_STOP = 60.0  # a fast shutdown writes everything that is dirty


def end_with_parent() -> Callable[[], None]:
    """Return what asks Linux to send a fast shutdown to the calling process when its parent dies."""
    if sys.platform != "linux":
        return lambda: None
    # Loaded here: the user the server runs as may not be allowed to read Python's own files.
    import ctypes

    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(pr_set_pdeathsig, int(signal.SIGINT)) and None


def is_ready(pgdata: str, pid: int) -> bool:
    """Return whether the server with this pid takes connections (the last line of its pid file says so)."""
    try:
        lines = Path(pgdata, "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def launch(task: dict[str, Any]) -> "subprocess.Popen[bytes] | None":
    """Start the server and wait until it takes connections; return None if it does not."""
    begun, in_child = time.monotonic(), end_with_parent()
    while True:
        server = subprocess.Popen(
            task["command"],
            env=task["environment"],
            stdin=subprocess.DEVNULL,
            preexec_fn=in_child,
            **task["identity"],
        )
        while server.poll() is None and time.monotonic() < begun + task["seconds"]:
            if is_ready(task["pgdata"], server.pid):
                return server
            time.sleep(0.02)
        if server.poll() is None:
            server.kill()
            server.wait()
            return None
        if time.monotonic() > begun + SECONDS_TO_RETRY:
            return None
        time.sleep(0.5)


def exit_with(server: "subprocess.Popen[bytes]") -> None:
    """End this process as soon as the server has ended, whoever ended it."""
    server.wait()
    os._exit(0)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """Stop the server: fast, then at once, then by force. Does not return: ``exit_with`` ends the process."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(sign)
        time.sleep(SECONDS_TO_STOP)
    os._exit(1)


def keep(task: dict[str, Any], report: int) -> None:
    """Run the server until nobody uses it; write one byte to ``report`` once it takes connections."""
    import fcntl

    server = launch(task)
    if server is None:
        os._exit(1)
    os.write(report, b"+")
    os.close(report)
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda *_: stop(server))
    threading.Thread(target=exit_with, args=(server,), daemon=True).start()
    fcntl.flock(os.open(task["lock"], os.O_RDWR), fcntl.LOCK_EX)
    stop(server)


def main() -> None:
    """Leave a detached keeper behind; exit 0 once its server takes connections, 1 if it does not."""
    task = json.loads(sys.argv[1])
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        sys.exit(0 if os.read(read, 1) == b"+" else 1)
    os.close(read)
    os.setsid()
    os.chdir("/")
    keep(task, write)


if __name__ == "__main__":
    main()
