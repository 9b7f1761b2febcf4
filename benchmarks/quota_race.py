"""Many writers at once, over HTTP, on the places of sales quotas: a world, a web server, the race, and who won."""

import http.client
import json
import os
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import connection
from knox.models import AuthToken

from config import processes, web
from segmentation.models import Account, ListMembership, SalesTeam, TargetList
from segmentation.selectors.target_lists import places_held
from segmentation.services.target_lists import set_quota

HOST = "127.0.0.1"
KEY = "quota-race"  # of everything this makes
RIGHTS = ("propose_listmembership", "own_teams_only")
MOST_SECONDS = 60  # one answer may take; a race that hangs ends


@dataclass(frozen=True)
class World:
    """Teams with a quota each, their reps with a token each, and more accounts than there are places."""

    places: int
    teams: list[SalesTeam]
    tokens: dict[int, str]  # by team
    accounts: dict[int, list[int]]  # by team

    @property
    def tries(self) -> int:
        """How many proposals are sent."""
        return sum(map(len, self.accounts.values()))

    def held(self) -> list[int]:
        """How many places of each quota are held."""
        return [places_held(team) for team in self.teams]


def make_world(*, quotas: int, places: int, accounts: int) -> World:
    """Make so many teams with so many places, and so many accounts of each."""
    TargetList.objects.create(key=KEY, name="Quota race")
    teams = SalesTeam.objects.bulk_create(SalesTeam(key=f"{KEY}-{n}", name=f"Race {n}") for n in range(quotas))
    rights = Permission.objects.filter(content_type__app_label="segmentation", codename__in=RIGHTS)
    tokens, rows = {}, {}
    for team in teams:
        set_quota(team=team, places=places)
        rep = User.objects.create(username=team.key)
        rep.user_permissions.set(rights)
        team.members.add(rep)
        tokens[team.pk] = AuthToken.objects.create(user=rep)[1]
        made = Account.objects.bulk_create(
            Account(name=f"{team.name} {n}", team=team, source_system=KEY) for n in range(accounts)
        )
        rows[team.pk] = [account.pk for account in made]
    return World(places, teams, tokens, rows)


def remove_world() -> None:
    """Remove everything `make_world` made and the race did."""
    ListMembership.objects.filter(target_list__key=KEY).delete()
    Account.objects.filter(source_system=KEY).delete()
    SalesTeam.objects.filter(key__startswith=f"{KEY}-").delete()
    User.objects.filter(username__startswith=f"{KEY}-").delete()
    TargetList.objects.filter(key=KEY).delete()


def database_url() -> str:
    """Return the address of the database of this process, for a web server that is to use the same one."""
    found = connection.get_connection_params()
    user, password = quote(str(found.get("user") or ""), safe=""), quote(str(found.get("password") or ""), safe="")
    host = quote(str(found.get("host") or ""), safe="")
    port = f":{found['port']}" if found.get("port") else ""
    return f"postgresql://{user}{':' + password if password else ''}@{host}{port}/{found['dbname']}"


@contextmanager
def server(
    application: str = "config.wsgi:application", *, workers: int = 2, threads: int = 8
) -> Iterator["tuple[int, subprocess.Popen[bytes]]"]:
    """Run the project's web server in production settings on this process's database, on a port of its own."""
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": database_url(),
        "DEBUG": "false",
        "SECRET_KEY": "x" * 60,
        "SECURE": "false",
        "ALLOWED_HOSTS": HOST,
        "LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",  # of the folder of static files, which nobody asks for here
        "VAR_DIR": str(settings.VAR_DIR),
    }
    process = web.start(
        HOST, port, workers=workers, threads=threads, application=application, environment=os.environ | environment
    )
    try:
        yield port, process
    finally:
        processes.end(process, seconds=7)


@dataclass
class Outcome:
    """What a race came to. answers: by status and code; strange: answers that should not be."""

    seconds: float = 0.0
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)


def race(world: World, port: int, *, writers: int, seed: int = 1) -> Outcome:
    """Propose every account once, from so many threads, each with a connection of its own, all at once.

    What is to be sent lies ready before the clock starts, teams and accounts in random order; who has an answer sends
    the next, so that no process of the server stands idle while another still has most of the writers.
    """
    tries = [(team, account) for team, accounts in world.accounts.items() for account in accounts]
    random.Random(seed).shuffle(tries)
    requests: SimpleQueue[tuple[dict[str, str], bytes]] = SimpleQueue()
    for team, account in tries:
        requests.put(_request(world, team, account))
    ready, outcome, lock = threading.Barrier(writers + 1), Outcome(), threading.Lock()

    def write() -> None:
        line = http.client.HTTPConnection(HOST, port, timeout=MOST_SECONDS)
        found: Counter[tuple[int, str]] = Counter()
        strange: list[str] = []
        ready.wait(MOST_SECONDS)
        while True:
            try:
                headers, body = requests.get_nowait()
            except Empty:
                break
            try:
                status, content = _send(line, headers, body)
            except OSError as error:
                strange.append(repr(error))
                line.close()
                continue
            code = "" if status == 200 else str(json.loads(content).get("code"))
            found[status, code] += 1
            if (status, code) not in {(200, ""), (409, "quota_exceeded")}:
                strange.append(f"{status} {content[:200]!r}")
        line.close()
        with lock:
            outcome.answers += found
            outcome.strange += strange

    threads = [threading.Thread(target=write, daemon=True) for _ in range(writers)]
    for thread in threads:
        thread.start()
    ready.wait(MOST_SECONDS)
    begin = time.perf_counter()
    for thread in threads:
        thread.join(MOST_SECONDS * 5)
    outcome.seconds = time.perf_counter() - begin
    return outcome


def _request(world: World, team: int, account: int) -> tuple[dict[str, str], bytes]:
    headers = {"Authorization": f"Token {world.tokens[team]}", "Content-Type": "application/json"}
    return headers, json.dumps({"target_list": KEY, "accounts": [account], "note": "race"}).encode()


def _send(line: http.client.HTTPConnection, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    line.request("POST", "/api/v1/list-memberships/propose/", body, headers)
    answer = line.getresponse()
    return answer.status, answer.read()


def wake(world: World, port: int, times: int) -> None:
    """Let the server load what it loads once: requests that change nothing."""
    headers = {"Authorization": f"Token {next(iter(world.tokens.values()))}", "Content-Type": "application/json"}
    body: Any = json.dumps({"target_list": KEY, "accounts": [0], "note": "race"}).encode()
    threads = []
    for _ in range(times):
        line = http.client.HTTPConnection(HOST, port, timeout=MOST_SECONDS)
        threads.append(threading.Thread(target=_send, args=[line, headers, body]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
