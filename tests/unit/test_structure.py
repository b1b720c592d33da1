"""The tests' own order: tiers that mirror the package, no test module in another's hands, nothing too large."""

import ast
from collections import Counter
from pathlib import Path

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
MODULES = sorted(TESTS.rglob("*.py"))
TEST_MODULES = [path for path in MODULES if path.name.startswith("test_")]
MOST_LINES, MOST_FILES = 400, 25
LAYERS = ("channels", "cli", "client", "core", "gateway", "operations", "platforms", "store")


def imported(path: Path) -> set[str]:
    """Return the names of the modules that a file may import, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def test_no_file_imports_a_test_module() -> None:
    tests = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in TEST_MODULES}
    assert {path: both for path in MODULES if (both := imported(path) & tests)} == {}


def test_no_file_is_too_long() -> None:
    assert {path: n for path in MODULES if (n := len(path.read_text().splitlines())) > MOST_LINES} == {}


def test_every_test_file_belongs_to_a_tier_and_no_folder_is_full() -> None:
    assert {path.relative_to(TESTS).parts[0] for path in TEST_MODULES} == {"unit", "integration", "endurance"}
    assert {folder: n for folder, n in Counter(path.parent for path in TEST_MODULES).items() if n > MOST_FILES} == {}


def test_unit_tests_mirror_the_package() -> None:
    folders = {path.parent.relative_to(TESTS / "unit") for path in TEST_MODULES if "unit" in path.parts}
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] in LAYERS}
    assert [folder for folder in sorted(mirrored) if not (ROOT / "modelops_pipelines" / folder).is_dir()] == []
    assert {folder.parts[0] for folder in folders - mirrored if folder.parts} <= {"docs"}
