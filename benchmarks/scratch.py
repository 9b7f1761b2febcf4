"""A database of demo facts for each size, beside the configured one, and the way of a process into it."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from psycopg import sql

from config.embedded.server import program

YEARS = 3
END = date(2026, 1, 1)  # fixed, so that a database kept from another day can be used again
SEED = 7


@dataclass(frozen=True)
class Scratch:
    """The scratch database of one size (millions of activities; a hundredth as many accounts).

    is_blank: the same accounts and people, without any activity yet.
    """

    size: float
    is_blank: bool = False

    @property
    def name(self) -> str:
        """The name of the database."""
        return "bench_" + f"{self.size:g}".replace(".", "_") + ("_blank" if self.is_blank else "")

    @property
    def activities(self) -> int:
        """How many activities there are."""
        return 0 if self.is_blank else round(self.size * 1_000_000)

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return max(round(self.size * 10_000), 1)

    @property
    def folder(self) -> Path:
        """Where the cache of facts and the results to compare lie."""
        return Path(settings.VAR_DIR) / "bench" / self.name

    @property
    def reference(self) -> Path:
        """The stays everything is compared with."""
        return self.folder / "reference.npy"

    def create(self) -> bool:
        """Create the database unless it is there. Returns whether it is new."""
        with _server() as server:
            found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.name]).fetchone()
            if not found:
                server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.folder.mkdir(parents=True, exist_ok=True)
        return not found

    def drop(self) -> None:
        """Remove database and files."""
        with _server() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if self.folder.exists():
            self.folder.rmdir()

    def use(self) -> None:
        """Turn this process to the scratch database. For processes of their own only."""
        connection.close()
        connection.settings_dict["NAME"] = self.name
        settings.FACTS_DIR = self.folder / "facts"

    def fill(self, said: Callable[[str], None]) -> bool:
        """Bring tables and facts up to date, within a process that uses this database.

        Returns False for a database kept from another version of the project, which has to be made anew.
        """
        said(f"{self.name}: tables")
        try:
            call_command("migrate", verbosity=0)
        except InconsistentMigrationHistory:
            return False
        said(f"{self.name}: {self.activities:,} activities of {self.accounts:,} accounts")
        call_command(
            "load_demo",
            accounts=self.accounts,
            activities=self.activities,
            years=YEARS,
            seed=SEED,
            end_date=END.isoformat(),
            verbosity=0,
        )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        return True

    def copy_seconds(self) -> float:
        """How long psql takes to copy all activities to nowhere: the yardstick."""
        client: Any = connection.client
        arguments, environment = client.settings_to_cmd_args_env(connection.settings_dict | {"NAME": self.name}, [])
        command = [str(program("psql")), *arguments[1:], "-qXc", "COPY scoring_activity TO STDOUT (FORMAT binary)"]
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=os.environ | (environment or {}))
        return time.perf_counter() - begin


def _server() -> psycopg.Connection[Any]:
    """A connection of its own to the configured database: databases are made outside of transactions."""
    params = connection.get_connection_params()
    known = ("dbname", "user", "password", "host", "port", "sslmode")
    return psycopg.connect(autocommit=True, **{key: params[key] for key in known if key in params})
