"""Secrets that are made once and kept in a file only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def secret_from_file(path: Path, *, size: int = 50) -> str:
    """Return the secret in ``path``, making both if there is none yet. Two processes at once get the same one.

    Args:
        path: the file, mode 0600 when made here.
        size: bytes of randomness.

    Raises:
        ImproperlyConfigured: the file can neither be read nor made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            fresh = path.with_name(f"{path.name}.{os.getpid()}")
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(size))
            with suppress(FileExistsError):  # somebody was quicker: theirs counts
                os.link(fresh, path)
            fresh.unlink()
        found = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"The secret in {path} cannot be kept: {error}. Set VAR_DIR elsewhere.") from error
    if not found:
        raise ImproperlyConfigured(f"The secret in {path} is empty: delete the file to have a new one made.")
    return found
