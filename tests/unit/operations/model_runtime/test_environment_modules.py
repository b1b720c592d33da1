"""What runs in a version's environment needs no package that is not there, and no newer Python."""

import ast
from pathlib import Path

from modelops_pipelines.operations.model_runtime.environment import launcher, training
from modelops_pipelines.store.registry.environments.environment_process import environment_variables
from modelops_pipelines.store.registry.environments.requirements import OLDEST_PYTHON
from tests.support.paths import ROOT

THERE = {"mlflow", "numpy", "pandas", "cloudpickle"}
"""Packages that an environment has, or that only its own models ask for."""


def test_the_modules_of_an_environment_import_only_what_is_there() -> None:
    import sys

    found = modules_from(Path(launcher.__file__)) | modules_from(Path(training.__file__))
    assert {"launcher", "answering", "confinement", "frames", "neutral_values", "foreign_text", "value_files"} <= {
        path.stem for path in found
    }
    packages = {name.partition(".")[0] for path in found for name in imports_of(path)}
    assert set() == packages - THERE - set(sys.stdlib_module_names) - {"modelops_pipelines"}


def test_they_are_written_for_the_oldest_python_that_is_allowed() -> None:
    for path in modules_from(Path(launcher.__file__)) | modules_from(Path(training.__file__)):
        source = path.read_text()
        ast.parse(source, feature_version=OLDEST_PYTHON)
        assert not [name for name in ("datetime.UTC", "import UTC", "StrEnum", "tomllib", "Self") if name in source], (
            path
        )


def test_an_environment_gets_the_variables_that_are_known_to_hold_no_secret(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin", "LC_ALL": "C", "OMP_NUM_THREADS": "2", "MODELOPS_STATE_URL": "s", "AWS_SESSION": "s",
        "PIP_INDEX_URL": "s", "MLFLOW_TRACKING_TOKEN": "s", "PYTHONPATH": "/code", "ANYTHING": "s",
    }  # fmt: skip
    found = environment_variables(given, tmp_path)
    assert {"PATH", "LC_ALL", "OMP_NUM_THREADS"} == set(found) & set(given)
    assert "s" not in found.values()


def modules_from(first: Path) -> set[Path]:
    """Return this module of ours, and all of ours that it imports."""
    found: set[Path] = set()
    waiting = [first]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        names = [name for name in imports_of(path) if name.startswith("modelops_pipelines")]
        for name in names:
            target = ROOT / name.replace(".", "/")
            waiting.extend(one for one in (target.with_suffix(".py"), target / "__init__.py") if one.is_file())
    return found


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return found
