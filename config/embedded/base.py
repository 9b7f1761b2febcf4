"""Django's PostgreSQL engine, connected to the embedded server."""

from pathlib import Path
from typing import Any

import psycopg
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

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, also when the server was dying while its address was read.

        A process that was killed keeps its pid for a moment: the server looks alive and takes no connection.
        """
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError:
            if not embedded_server(Path(self.settings_dict["OPTIONS"]["pgdata"])).has_gone():
                raise
            return super().get_new_connection(self.get_connection_params())
