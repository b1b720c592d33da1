"""How things are printed: as JSON, as a cell, as a table."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from modelops_pipelines.cli.output import as_text, cell, table


def test_json_has_numbers_as_numbers_and_no_nan() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - DuckDB's TIMESTAMP has no offset; the lake is UTC
    value: dict[str, Any] = {"a": float("nan"), "b": [float("inf")], "c": Decimal("1.5"), "d": naive, "e": {"f": None}}
    expected = '{"a": null, "b": [null], "c": 1.5, "d": "2026-01-01T00:00:00Z", "e": {"f": null}}'
    assert (
        " ".join(as_text(value).split()).replace("{ ", "{").replace(" }", "}").replace("[ ", "[").replace(" ]", "]")
        == expected
    )


def test_a_cell_is_one_line_and_moves_no_cursor() -> None:
    assert cell("two\nlines \x1b[31mred") == "two lines  [31mred"
    assert (cell(True), cell(None), cell(0.123456), cell(datetime(2026, 1, 1, tzinfo=UTC))) == (
        "yes",
        "-",
        "0.1235",
        "2026-01-01 00:00",
    )


def test_a_table_aligns_numbers_to_the_right() -> None:
    assert table([{"name": "a", "n": 1}, {"name": "bb", "n": 20}]) == "name   n\na      1\nbb    20"
