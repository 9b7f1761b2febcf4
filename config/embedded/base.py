"""Django's PostgreSQL engine, connected to the embedded server."""

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base

from config.embedded.client import DatabaseClient
from config.embedded.server import embedded_server


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that starts the server of ``OPTIONS["pgdata"]`` if it does not run yet."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters.

        Raises:
            EmbeddedServerError: the server cannot be started; the message names the log file.
        """
        params: dict[str, Any] = super().get_connection_params()
        address = embedded_server(Path(params.pop("pgdata"))).address()
        return params | {"host": address.host, "port": address.port}
