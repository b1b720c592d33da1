"""A Dagster project of a user's, as ``dg`` lays it out: a package with a folder ``defs``, our endpoints beside theirs."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

PYPROJECT = """\
[project]
name = "{package}"
version = "1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{package}"
"""
DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
_NUMBERS = count()


@dataclass
class UserProject:
    """The project's folder and package, and the folder of its definitions."""

    folder: Path
    package: str
    defs: Path

    def load(self) -> dg.Definitions:
        """Return the project's definitions as a code server loads them: all that they say must be sound."""
        loaded = dg.load_from_defs_folder(path_within_project=self.folder)
        dg.Definitions.validate_loadable(loaded)
        return loaded

    def add(self, files: Mapping[str, str]) -> None:
        """Write files into the folder ``defs``."""
        for name, text in files.items():
            path = self.defs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@contextmanager
def user_project(folder: Path, files: Mapping[str, str], *, inside: str = "src") -> Iterator[UserProject]:
    """Make a project with these files in its ``defs``; no variable of ours is set, and the current folder is another.

    ``inside`` is the folder of the package: both layouts are usual.
    """
    package = f"clinic_{os.getpid()}_{next(_NUMBERS)}"  # a process imports a module once
    home = folder / inside / package
    made = UserProject(folder, package, home / "defs")
    made.defs.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(package=package))
    (home / "__init__.py").touch()
    (made.defs / "__init__.py").touch()
    (home / "definitions.py").write_text(DEFINITIONS)
    made.add(files)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MODELOPS_")]:
            patch.delenv(name)
        patch.syspath_prepend(str(home.parent))
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        patch.chdir(elsewhere)
        yield made
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def tick(loaded: dg.Definitions, instance: dg.DagsterInstance, sensor: str) -> SensorExecutionData:
    """Evaluate a sensor as the daemon does."""
    found = loaded.resolve_sensor_def(sensor)
    with dg.build_sensor_context(instance=instance, definitions=loaded, resources=loaded.resources) as context:
        return found.evaluate_tick(context)
