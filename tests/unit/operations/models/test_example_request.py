"""A row that a version takes: of its own example where that is usable, else made up from its signature."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.models.example_request import example_body, example_row
from modelops_pipelines.store.state.release.model_versions import ModelVersion

INPUTS = {"size": "float", "count": "int", "colour": "text", "flag": "bool", "seen": "timestamp"}
GOOD = [1.5, 2, "red", False, "2026-01-01T00:00:00"]
MADE_UP = {"size": 1.0, "count": 1, "colour": "text", "flag": True, "seen": "2026-01-31T12:00:00Z"}


def version(folder: Path, content: str | None) -> ModelVersion:
    if content is not None:
        (folder / "input_example.json").write_text(content)
    return ModelVersion("m", "1", f"file://{folder}", INPUTS, None, None, None, datetime.now(UTC))


def example(*rows: Any) -> str:
    return json.dumps({"columns": list(INPUTS), "data": rows})


def test_the_first_whole_row_of_the_example_is_taken(tmp_path: Path) -> None:
    made = version(tmp_path, example([None, *GOOD[1:]], GOOD, [9.0, *GOOD[1:]]))
    assert example_row(made) == dict(zip(INPUTS, GOOD, strict=True))
    assert example_body(made) == {"dataframe_records": [example_row(made)]}


def test_columns_that_the_model_does_not_take_are_left_out(tmp_path: Path) -> None:
    made = replace(version(tmp_path, example(GOOD)), inputs={"colour": "text"})
    assert example_row(made) == {"colour": "red"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[",
        "[]",
        "null",
        '{"inputs": [1]}',
        '{"columns": ["size"], "data": [[1.0]]}',
        '{"columns": ["size"], "data": 7}',
        example(),
        example([1.0]),
        example(["1", *GOOD[1:]]),
        example([True, *GOOD[1:]]),
        example([1.0, 1.5, *GOOD[2:]]),
        example([*GOOD[:4], "noon"]),
        example(GOOD).replace("1.5", "NaN"),
        example(*[GOOD] * 30_000),
    ],
)
def test_without_a_usable_example_the_row_is_made_up_of_the_right_types(tmp_path: Path, content: str | None) -> None:
    assert example_row(version(tmp_path, content)) == MADE_UP
