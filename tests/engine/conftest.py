"""Engine tests know a small installation of their own and need no database."""

from collections.abc import Iterator

import pytest

from tests.reference.installation import installed


@pytest.fixture(autouse=True, scope="session")
def _installation() -> Iterator[None]:
    """The types, fields, flags and CRM stages of the test histories."""
    with installed():
        yield
