"""``manage.py dbshell`` with the psql that comes with the embedded server."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import client

from config.embedded.server import embedded_server, program


class DatabaseClient(client.DatabaseClient):
    """psql needs no installation: the wheel ships it."""

    executable_name = str(program("psql"))

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Return psql's arguments and environment, the server started."""
        options = dict(settings_dict["OPTIONS"])
        address = embedded_server(Path(options.pop("pgdata"))).address()
        known = settings_dict | {"OPTIONS": options, "HOST": address.host, "PORT": str(address.port)}
        arguments: tuple[list[str], dict[str, str] | None] = super().settings_to_cmd_args_env(known, parameters)
        return arguments
