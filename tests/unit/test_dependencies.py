"""What the package imports, pyproject.toml declares: nothing is there only because something else brings it along."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.paths import ROOT

PACKAGE = ROOT / "modelops_pipelines"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMES = re.compile(r"[A-Za-z0-9._-]+")
OURS = ("modelops_pipelines", "examples")
BROUGHT = {
    "pytest": "it loads modelops_pipelines.testing, as its plugin",
    "cloudpickle": "it is imported in a trainer's environment only, where MLflow brings it along",
}
INSTEAD = {"xgboost-cpu": "xgboost"}
"""Distributions that have the modules of another one: with either of them the import works."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {plain(NAMES.match(one)[0]) for one in requirements}


def imports() -> Iterator[tuple[str, Path]]:
    """Yield the first name of each module from elsewhere that a file imports, wherever in it."""
    for path in PACKAGE.rglob("*.py"):
        if "templates" in path.relative_to(PACKAGE).parts:
            continue  # files of a new project, and not of ours
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for first in {name.partition(".")[0] for name in names} - {*OURS, *sys.stdlib_module_names}:
                yield first, path.relative_to(ROOT)


def imported() -> dict[str, set[Path]]:
    """Return the distributions whose modules are imported, and where; a module's own name where none is installed."""
    known, found = packages_distributions(), defaultdict(set)
    for module, path in imports():
        distributions = {plain(one) for one in known.get(module, [module])}
        named = {INSTEAD.get(one, one) for one in distributions}
        found[min(named, key=lambda one: (one != plain(module), one))].add(path)
    return found


def test_every_package_that_is_imported_is_declared_and_optional_ones_as_extras() -> None:
    extras = {name: wanted for name, wanted in PROJECT["optional-dependencies"].items() if name != "dev"}
    known = declared(PROJECT["dependencies"]).union(*map(declared, extras.values()), BROUGHT)
    assert {} == {name: sorted(map(str, paths))[:3] for name, paths in imported().items() if name not in known}


def test_a_module_is_found_by_its_distribution_so_the_list_is_worth_something() -> None:
    found = imported()
    assert {"pyyaml", "scikit-learn", "cryptography", "model-signing", "xgboost", "pydantic-core"} <= set(found)
    assert Path("modelops_pipelines/store/registry/formats/xgboost_format.py") in found["xgboost"]
    assert len(found) > 30


def test_an_optional_package_is_imported_inside_of_functions_only() -> None:
    optional = declared([one for wanted in PROJECT["optional-dependencies"].values() for one in wanted])
    wrong = {}
    for path in PACKAGE.rglob("*.py"):
        if {"templates", "testing"} & {*path.relative_to(PACKAGE).parts}:
            continue
        for node in ast.parse(path.read_text()).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            if found := {name for name in names if plain(name.partition(".")[0]) in optional}:
                wrong[path.relative_to(ROOT)] = found
    assert {} == wrong


def test_every_declared_package_is_in_the_lock() -> None:
    locked = {
        plain(line.partition("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    wanted = declared(
        [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"], *PROJECT["optional-dependencies"]["dev"]]
    )
    assert set() == wanted - locked
