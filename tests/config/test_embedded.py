"""The embedded PostgreSQL's life, with real processes: who starts it, who stops it, what every death leaves behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from config.embedded.server import PORT

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and sockets of POSIX")

# Connects, says so, reconnects and answers for each line it reads, ends when its input ends.
USER = """
import os, sys
from pathlib import Path
from django.conf import settings
settings.configure(USE_I18N=False, DATABASES={"default": {
    "ENGINE": "config.embedded", "NAME": "postgres", "USER": "postgres", "OPTIONS": {"pgdata": sys.argv[1]}}})
from django.db import connection, OperationalError
def ask(sql):
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else "done"
    except OperationalError as error:
        sys.exit(str(error))
print(ask("SELECT 'ready'"), flush=True)
for line in sys.stdin:
    print(ask(line), flush=True)
"""


class User:
    """One process that uses the server of a folder."""

    started: ClassVar[list["User"]] = []

    def __init__(self, folder: Path, *, python: str = sys.executable, code: str = USER, **options: object) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} | dict(options.pop("env", {}))  # type: ignore[call-overload]
        self.process = subprocess.Popen(
            [python, "-c", code, str(folder / "postgres")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
            **options,
        )
        self.started.append(self)

    def ready(self) -> "User":
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()
        return self

    def ask(self, sql: str) -> str:
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def leave(self) -> str:
        """End normally; return what it wrote to its standard error."""
        _out, errors = self.process.communicate(timeout=PATIENCE)
        return errors

    def die(self, sign: int = signal.SIGKILL) -> None:
        self.process.send_signal(sign)
        self.process.communicate(timeout=PATIENCE)


def servers(folder: Path) -> list[psutil.Process]:
    """Return the postmasters and keepers of a folder, nothing else."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = process.cmdline()
            if (len(line) > 2 and line[1:3] == ["-D", str(folder / "postgres")]) or (
                any(part.endswith("keeper.py") for part in line) and f'"{folder}/postgres"' in line[-1]
            ):
                found.append(process)
    return found


def postmaster(folder: Path) -> psutil.Process:
    (found,) = [process for process in servers(folder) if process.name().startswith("postgres")]
    return found


def keeper(folder: Path) -> psutil.Process:
    (found,) = [process for process in servers(folder) if not process.name().startswith("postgres")]
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "nothing happened for too long"
        time.sleep(0.05)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory for one server, with a short path; whatever a failing test left running there is ended."""
    path = Path(tempfile.mkdtemp(prefix="aj-"))
    yield path
    while User.started:
        left = User.started.pop().process
        left.kill()
        left.wait(5)
        for pipe in (left.stdin, left.stdout, left.stderr):
            with suppress(BrokenPipeError):
                pipe.close()
    for process in servers(path):
        with suppress(psutil.Error):
            process.kill()
            process.wait(5)
    shutil.rmtree(path, ignore_errors=True)


def test_settings_and_checks_start_nothing(folder):
    environment = {**os.environ, "VAR_DIR": str(folder / "var"), "BOOTSTRAP": "off"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0
    assert not (folder / "var" / "postgres").exists()


def test_four_processes_racing_share_one_server_and_the_last_one_stops_it(folder):
    users = [User(folder) for _ in range(4)]
    for user in users:
        user.ready()
    assert len({user.ask("SELECT pg_postmaster_start_time()") for user in users}) == 1
    for user in users[:3]:
        user.leave()
    assert users[3].ask("SELECT 42") == "42"
    users[3].leave()
    assert not [p for p in servers(folder) if p.name() == "postgres"], "it returns when the server has gone"


def test_text_is_utf8_sorted_by_code_point_and_time_is_utc(folder):
    user = User(folder).ready()
    assert user.ask("SELECT current_setting('server_encoding')") == "UTF8"
    assert user.ask("SELECT current_setting('timezone')") == "UTC"
    assert user.ask("SELECT lower('ÉÄ')") == "éä"
    assert user.ask("SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b','a','B','中']) x") == "Bab中"
    user.leave()


def test_ctrl_c_leaves_no_orphan(folder):
    user = User(folder, start_new_session=True).ready()
    os.killpg(user.process.pid, signal.SIGINT)
    user.process.communicate(timeout=PATIENCE)
    wait_until(lambda: not servers(folder))


def test_ctrl_c_in_one_terminal_leaves_the_server_to_the_others(folder):
    first = User(folder, start_new_session=True).ready()
    second = User(folder, start_new_session=True).ready()
    os.killpg(first.process.pid, signal.SIGINT)
    first.process.communicate(timeout=PATIENCE)
    assert second.ask("SELECT 1") == "1"
    second.leave()


def test_kill_9_of_the_last_user_leaves_no_orphan(folder):
    users = [User(folder).ready(), User(folder).ready()]
    for user in users:
        user.die()
    wait_until(lambda: not servers(folder))
    assert not (folder / "postgres" / "postmaster.pid").exists(), "it was stopped, not killed"


def test_a_newcomer_while_the_server_stops_gets_a_running_one(folder):
    for _ in range(3):
        User(folder).ready().die()
        newcomer = User(folder).ready()
        assert newcomer.ask("SELECT 1") == "1"
        newcomer.leave()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_kill_9_of_the_keeper_ends_the_server_and_the_next_connection_starts_another(folder):
    user = User(folder).ready()
    keeper(folder).kill()
    wait_until(lambda: not servers(folder))
    assert user.ask("SELECT 1") == "1"
    assert len(servers(folder)) == 2
    user.leave()


def test_kill_9_of_everything_heals_at_the_next_start_and_keeps_the_data(folder):
    user = User(folder).ready()
    user.ask("CREATE TABLE kept (n int)")
    user.ask("INSERT INTO kept VALUES (7)")
    user.ask("CHECKPOINT")
    for process in servers(folder):
        process.kill()
    user.die()
    assert (folder / "postgres" / "postmaster.pid").exists()
    heir = User(folder).ready()
    assert heir.ask("SELECT n FROM kept") == "7"
    heir.leave()
    wait_until(lambda: not servers(folder))


@pytest.mark.parametrize("is_dying", [False, True])
def test_a_server_that_crashed_is_started_again_by_the_next_connection(folder, is_dying):
    user = User(folder).ready()
    crashed = postmaster(folder)
    if is_dying:  # the pid file names a process that lives for a moment yet and takes no connection
        (folder / "postgres" / f".s.PGSQL.{PORT}").unlink()
        threading.Timer(0.2, crashed.kill).start()
    else:
        crashed.kill()
    assert user.ask("SELECT 1") == "1"
    user.leave()
    wait_until(lambda: not servers(folder))


@pytest.mark.parametrize("line", ["own pid", "no number", "", "999999999"])
def test_a_stale_pid_file_is_dropped(folder, line):
    User(folder).ready().leave()
    pid_file = folder / "postgres" / "postmaster.pid"
    text = {"own pid": f"{os.getpid()}\n{folder}/postgres\n1\n5432\n{folder}\n\n1 1\nready\n"}.get(line, line)
    pid_file.write_text(text)
    user = User(folder).ready()
    assert user.ask("SELECT 1") == "1"
    user.leave()


def test_a_data_directory_made_by_halves_is_made_anew(folder):
    half = folder / "postgres.new-1"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (folder / "postgres").mkdir()
    User(folder).ready().leave()
    assert not half.exists()


def test_a_path_too_long_for_a_socket_uses_a_private_directory(folder):
    deep = folder / ("d" * 60) / ("e" * 60)
    user = User(deep).ready()
    directory = Path(user.ask("SELECT current_setting('unix_socket_directories')").strip('"'))
    assert not directory.is_relative_to(folder)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    other = User(deep).ready()
    user.leave()
    other.leave()
    wait_until(lambda: not servers(deep))
    shutil.rmtree(directory)


def test_a_socket_directory_of_somebody_else_is_refused(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory for somebody else")
    deep = folder / ("d" * 60) / ("e" * 60)
    user = User(deep).ready()
    directory = Path(user.ask("SELECT current_setting('unix_socket_directories')").strip('"'))
    user.leave()
    shutil.rmtree(directory)
    directory.mkdir()  # root's, while the server runs as another user
    try:
        refused = User(deep).leave()
    finally:
        shutil.rmtree(directory)
    assert "belongs to another user" in refused


def test_paths_with_blanks_quotes_and_chinese_work(folder):
    odd = folder / 'a b, "c" 客户'
    user = User(odd).ready()
    assert user.ask("SELECT 1") == "1"
    user.leave()


def test_two_checkouts_do_not_disturb_each_other(folder):
    one, two = User(folder / "one").ready(), User(folder / "two").ready()
    one.die()
    wait_until(lambda: not servers(folder / "one"))
    assert two.ask("SELECT 1") == "1"
    two.leave()


def test_a_server_that_cannot_start_is_a_sentence_naming_the_log(folder):
    User(folder).ready().leave()
    with (folder / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    begun = time.monotonic()
    said = User(folder).leave()
    assert said.startswith("The embedded PostgreSQL cannot be used:")
    assert str(folder / "postgres.log") in said
    assert "no_such_setting" in said, "the end of the log is shown"
    assert time.monotonic() - begun < 20
    assert servers(folder) == []


def test_data_of_another_major_version_is_refused_untouched(folder):
    User(folder).ready().leave()
    (folder / "postgres" / "PG_VERSION").write_text("16\n")
    assert "was made by PostgreSQL 16" in User(folder).leave()
    assert (folder / "postgres" / "base").exists()


def test_a_forked_child_keeps_the_server_after_its_parent_was_killed(folder):
    forking = USER.replace(
        "print(ask(\"SELECT 'ready'\"), flush=True)\n",
        'ask("SELECT 1")\nif os.fork(): import time; time.sleep(60)\n'
        "print(ask(\"SELECT 'ready'\"), flush=True); print(os.getpid(), flush=True)\n",
    ).replace("if os.fork(): import time; time.sleep(60)", "if os.fork():\n    import time; time.sleep(60)")
    user = User(folder, code=forking).ready()
    child = psutil.Process(int(user.process.stdout.readline()))
    user.process.kill()
    user.process.wait()
    time.sleep(0.5)
    assert user.ask("SELECT 1") == "1"
    child.kill()
    user.process.communicate(timeout=PATIENCE)
    wait_until(lambda: not servers(folder))


def test_the_keeper_holds_no_pipe_and_no_terminal_of_its_starter(folder):
    user = User(folder, start_new_session=True).ready()
    found = keeper(folder)
    assert os.getsid(found.pid) == found.pid
    assert found.cwd() == "/"
    user.die()
    assert user.process.stdout.closed or user.process.stdout.read() == "", "its end is seen while the keeper still runs"
    wait_until(lambda: not servers(folder))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="about root")
def test_root_runs_it_as_somebody_else_even_below_a_private_directory(folder):
    private = folder / "home"
    private.mkdir(mode=0o700)
    user = User(private / "var").ready()
    assert postmaster(private / "var").uids().real != 0
    mode = stat.S_IMODE(private.stat().st_mode)
    assert mode == 0o701, "others may pass, not look"
    user.leave()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_and_root_share_the_user_s_server_and_not_the_other_way(folder):
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    if python is None or subprocess.run([python, "-c", ""], user="nobody", check=False).returncode:
        pytest.skip("no Python that an ordinary user may run")
    packages = str(Path(psutil.__file__).parents[1])
    own = folder / "own"
    own.mkdir()
    shutil.chown(folder, "nobody")
    shutil.chown(own, "nobody")
    ordinary = {"python": python, "user": "nobody", "env": {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", "HOME": "/"}}

    user = User(own, **ordinary).ready()
    root = User(own).ready()
    assert root.ask("SELECT pg_postmaster_start_time()") == user.ask("SELECT pg_postmaster_start_time()")
    assert postmaster(own).uids().real == own.stat().st_uid
    root.leave()
    user.leave()
    root = User(own).ready()
    assert postmaster(own).uids().real == own.stat().st_uid, "the owner of the data, though root starts it"
    user = User(own, **ordinary).ready()
    user.leave()
    root.leave()

    User(folder / "roots").ready().leave()
    assert "cannot be used" in User(folder / "roots", **ordinary).leave()


def test_test_databases_can_be_made_by_several_workers(folder):
    tests = folder / "test_made.py"
    tests.write_text(
        "import pytest\n"
        "from django.contrib.auth.models import Group\n"
        "@pytest.mark.django_db\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_write(n):\n"
        "    Group.objects.create(name='one')\n"
        "    assert Group.objects.filter(name='one').count() == 1\n"
    )
    environment = {**os.environ, "VAR_DIR": str(folder)}
    environment.pop("DATABASE_URL", None)
    environment.pop("PYTEST_ADDOPTS", None)
    # Without migrations: this is about the databases, and other tests migrate theirs.
    quietly = ["-n", "2", "-q", "--nomigrations", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quietly, str(tests)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    wait_until(lambda: not servers(folder))
