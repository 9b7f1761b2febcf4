"""The engine is a library of its own."""

import subprocess
import sys
from pathlib import Path

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "psycopg", "polars", "rest_framework"):
            raise ImportError(f"the engine must not import {name}")

sys.meta_path.insert(0, Blocked())

import importlib, pkgutil

found = []
for package in ("segmentation.engine", "scoring.engine", "journey.engine"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)
        found.append(module.name)

from segmentation.engine.criteria import kinds
assert "recycle" in kinds() and "engaged_minutes" in kinds() and "field" in kinds(), kinds()
assert not [name for name in sys.modules if name.partition(".")[0] == "django"]
sys.stdout.write(f"{len(found)} modules")
"""


def test_all_engine_modules_import_where_there_is_no_django() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= 20
