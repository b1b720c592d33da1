"""What the README promises is shown by tests that there are."""

import ast
import re

from tests.support.paths import ROOT

ROW = re.compile(r"^\| (.+?) \| .+ \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
HEADS = {"what fails", "what is promised", "what goes wrong elsewhere", "---"}


def first_cells(text: str) -> list[str]:
    return [cell for cell in ROW.findall(text) if cell not in HEADS]


def test_each_row_of_what_fails_is_shown() -> None:
    readme = (ROOT / "README.md").read_text().partition("## When things fail")[2].partition("\n## ")[0]
    page = (ROOT / "docs" / "promises.md").read_text().partition("The README promises besides")[0]
    assert first_cells(readme) == first_cells(page)


def test_every_test_that_is_named_there_is() -> None:
    page = (ROOT / "docs" / "promises.md").read_text()
    rows = {row: NAMED.findall(row) for row in page.splitlines() if first_cells(row)}
    assert [row for row, named in rows.items() if not named] == []
    missing = [f"{file}::{name}" for named in rows.values() for file, name in named if name not in functions(file)]
    assert missing == []


def functions(file: str) -> set[str]:
    path = ROOT / "tests" / file
    if not path.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
