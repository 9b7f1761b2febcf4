"""What every test gets: nothing of the machine's own data is touched, and passwords are cheap."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    """Keep the columnar cache of facts, uploads and the like out of ``var/``."""
    settings.FACTS_DIR = tmp_path / "facts"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
