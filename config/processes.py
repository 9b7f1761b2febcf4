"""Starting and ending child processes so that none outlives the command that started it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


def end_with_parent(sign: signal.Signals, parent: int) -> Callable[[], None]:
    """Return what asks Linux to send ``sign`` to the calling process when its parent dies; no use elsewhere."""
    if sys.platform != "linux":
        return lambda: None
    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1

    def ask() -> None:
        prctl(pr_set_pdeathsig, int(sign))
        if os.getppid() != parent:  # it died before it was asked
            os.kill(os.getpid(), sign)

    return ask


def start(command: Sequence[str], environment: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    """Start a command in a process group of its own: Ctrl-C reaches only us, and we tell it.

    The thread that calls must live as long as the command: Linux takes the end of the thread for the parent's.
    """
    if os.name == "nt":
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=environment, creationflags=0x00000200)
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent(signal.SIGTERM, os.getpid()),
    )


def end(process: "subprocess.Popen[bytes]", *, seconds: float) -> None:
    """Ask a command from ``start`` to end; after ``seconds`` end it and everything it started by force."""
    with suppress(OSError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    kill_group(process)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End a command from ``start`` and everything it started, at once, also when the command itself has gone."""
    if os.name == "nt":
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
