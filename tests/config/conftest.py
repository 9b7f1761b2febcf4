import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="aj-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def var_dir() -> Iterator[Path]:
    """A VAR_DIR for processes with a database of their own.

    Not ``tmp_path``: each session of pytest closes the directory above it to everybody else, and under root the server
    of a session that still runs is somebody else.
    """
    yield from _directory()


@pytest.fixture(scope="module")
def module_var_dir() -> Iterator[Path]:
    """The same, for all tests of a module."""
    yield from _directory()
