"""What every test gets: nothing of the machine's own data is touched, and passwords are cheap."""

from pathlib import Path

import hypothesis
import pytest

# The first case of a property may wait for code to be compiled.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    """Keep the columnar cache of facts, uploads and the like out of ``var/``."""
    settings.FACTS_DIR = tmp_path / "facts"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nothing_in_memory(monkeypatch) -> None:
    """Begin without facts in the memory of the process; what is touched is read again at once, however slow it is."""
    from journey.selectors import memory

    memory.forget()
    monkeypatch.setattr(memory, "MOST_OF_THE_TIME", 1e9)
