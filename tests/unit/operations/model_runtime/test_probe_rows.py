"""The rows that a version is tried on: its example in every form that MLflow stores, varied in every type."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.models.input_forms import plain_form
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.input_examples import InputExample, read_example
from modelops_pipelines.operations.model_runtime.probe_rows import (
    LIMITS,
    PROBE_ROWS,
    answered_rows,
    example_rows,
    make_probe_rows,
    part,
)

INPUTS = {"size": "float", "count": "int", "colour": "text", "flag": "bool", "seen": "timestamp"}
FORM = plain_form(INPUTS)
ROW = {"size": 1.5, "count": 2, "colour": "red", "flag": True, "seen": "2026-01-01T00:00:00"}
SPLIT = {"columns": list(ROW), "data": [list(ROW.values())]}


def write(folder: Path, stored: Any) -> Path:
    (folder / "input_example.json").write_text(stored if isinstance(stored, str) else json.dumps(stored))
    return folder


@pytest.mark.parametrize(
    ("stored", "params"),
    [
        (SPLIT, None),
        ({"data": [list(ROW.values())]}, None),
        ({name: [value] for name, value in ROW.items()}, None),
        (ROW, None),
        ([ROW], None),
        ({"inputs": SPLIT, "params": {"factor": 2.0}}, {"factor": 2.0}),
        ({"inputs": [ROW], "params": {}}, None),
    ],
)
def test_the_example_is_read_in_every_form_that_mlflow_stores(tmp_path: Path, stored: Any, params: Any) -> None:
    assert InputExample([ROW], params) == read_example(write(tmp_path, stored), FORM)


@pytest.mark.parametrize("stored", ["", "[", "null", "[1, 2]", '{"x": 1}', '{"columns": ["a"], "data": 7}', "[[1]]"])
def test_what_is_no_example_has_no_rows(tmp_path: Path, stored: str) -> None:
    assert InputExample() == read_example(write(tmp_path, stored), FORM)
    rows = example_rows(tmp_path, FORM)
    assert (1, False) == (rows.count, rows.is_own)


def test_rows_that_no_request_could_have_are_left_out(tmp_path: Path) -> None:
    rows = example_rows(write(tmp_path, [ROW, {**ROW, "count": None}, {**ROW, "count": 3}]), FORM)
    assert ([2, 3], True) == (rows.columns["count"], rows.is_own)


def test_every_type_varies_beyond_an_example_of_one_row(tmp_path: Path) -> None:
    [rows, with_nulls], varied = make_probe_rows(_answers, write(tmp_path, [ROW]), FORM)
    first = part(rows, 0, PROBE_ROWS)
    assert varied
    assert all(len(values) == LIMITS[0] for values in rows.values())
    assert {True, False} == set(first["flag"])
    assert min(first["count"]) < ROW["count"] < max(first["count"])
    assert {"red", "", "RED"} <= set(rows["colour"])
    assert any(text.startswith("unknown ") for text in first["colour"])
    assert min(first["seen"]).year < 2026 <= max(first["seen"]).year
    nulls = {name for name, values in with_nulls.items() if None in values}
    assert {"size", "colour", "seen"} == nulls


def test_rows_that_the_model_raises_on_are_left_out(tmp_path: Path) -> None:
    def knows_two(columns: Columns) -> Any:
        if set(columns["colour"]) - {"red", "blue"}:
            raise ValueError
        return np.zeros(len(columns["colour"]))

    folder = write(tmp_path, [ROW, {**ROW, "colour": "blue"}])
    [rows, *_], varied = make_probe_rows(knows_two, folder, FORM)
    assert ({"red", "blue"}, True) == (set(rows["colour"]), varied)
    [rows, *_], varied = make_probe_rows(knows_two, write(tmp_path, [ROW]), FORM)
    assert ({"red"}, False) == (set(rows["colour"]), varied)


def test_a_model_that_answers_nothing_has_no_rows(tmp_path: Path) -> None:
    def fails(_: Columns) -> Any:
        raise SystemExit(1)

    assert ([], False) == make_probe_rows(fails, write(tmp_path, [ROW]), FORM)
    assert answered_rows(fails, {"size": [1.0] * LIMITS[0]}) is None


def test_without_an_example_only_floats_are_made_up(tmp_path: Path) -> None:
    assert ([], False) == make_probe_rows(_answers, tmp_path, FORM)
    [rows, _], varied = make_probe_rows(_answers, tmp_path, plain_form({"size": "float"}))
    assert (LIMITS[0], True) == (len(set(rows["size"])), varied)


def _answers(columns: Columns) -> Any:
    return np.zeros(len(next(iter(columns.values()))))
