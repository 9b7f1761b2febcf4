"""Plotly's own script, taken from the installed wheel: no copy in the project, nothing from another server."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

NAME = "plotly/plotly.min.js"


class OneFileStorage(FileSystemStorage):
    """The directory the script lies in, as `plotly/`. It holds megabytes of other things, which stay where they are."""

    prefix = "plotly"


class PlotlyFinder(BaseFinder):
    """Finds `plotly/plotly.min.js` and nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Looked up without importing plotly, which takes a while.
        spec = find_spec("plotly")
        origin = spec.origin if spec else None
        self.directory = Path(origin or ".").parent / "package_data"
        self.storage = OneFileStorage(location=self.directory)
        super().__init__(*args, **kwargs)

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        file = self.directory / "plotly.min.js"
        if path != NAME or not file.is_file():
            return []
        return [str(file)] if find_all or kwargs.get("all") else str(file)

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        if (self.directory / "plotly.min.js").is_file():
            yield "plotly.min.js", self.storage
