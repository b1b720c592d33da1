"""Hostile categories, names, comments and errors through the writers of five destinations."""

import csv
import io
import json
import logging
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from modelops_pipelines.assets.metadata import markdown_table
from modelops_pipelines.cli.output import echo, show_rows, show_value
from modelops_pipelines.core.evaluation.suites import Case
from modelops_pipelines.gateway import json_logging
from modelops_pipelines.gateway.json_logging import JsonFormatter
from modelops_pipelines.operations.reports.charts import as_markdown
from modelops_pipelines.operations.reports.drift_report import _with_note
from modelops_pipelines.operations.reports.svg import picture
from modelops_pipelines.operations.testing.suite_files import read_suite_file, write_suite_file
from tests.support.hostile_texts import HOSTILE

_INERT = {"p", "table", "thead", "tbody", "tr", "th", "td", "img"}


@pytest.mark.parametrize("text", HOSTILE)
def test_dagsters_metadata_loads_nothing(text: str) -> None:
    table = markdown_table([{"segment": "c", "segment_value": text, text: 1.0, "reason": text}])
    chart = as_markdown(picture(text, text, ""))
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    reader.validateLink = lambda _: True  # type: ignore[method-assign] # it would leave out what is dangerous
    shown = reader.render(f"{table.md_str}\n\n{chart}\n")
    assert _INERT >= set(re.findall(r"<(\w+)", shown))
    assert all(source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'src="([^"]*)"', shown))
    assert 1 == shown.count("<img")
    assert "href" not in re.sub(r'(alt|src)="[^"]*"', "", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_holds_no_markup_of_others(text: str) -> None:
    page = _with_note("<body></body>", {text: f"because of {text}"})
    assert {"body", "div", "b", "br"} >= set(re.findall(r"<(\w+)", page)), page
    assert "<script" not in picture(text, text, "")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_suite_of_logged_rows_opens_in_a_spreadsheet_without_a_formula(text: str, tmp_path: Path) -> None:
    sent = text.encode(errors="replace").decode()
    path = tmp_path / "suite.csv"
    write_suite_file(path, ["c", "x"], [Case("a case", {"c": sent, "x": -1.5}, "yes", None, None, None)])
    (_, (_, cell, number, _)) = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert "-1.5" == number
    read = read_suite_file(path, {"c": "text", "x": "float"}, "binary_classification")
    assert sent.strip() == str(read.cases[0].features["c"]).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_command_prints_nothing_that_a_terminal_obeys(text: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        for as_json in (False, True):
            show_rows([{"user": text, text: [text], "reason": {text: text}}], as_json=as_json, empty=text)
            show_rows([], as_json=as_json, empty=text)
            show_value({"comment": text, "tags": {text: text}}, as_json=as_json)
        echo(f"modelops: {text}", err=True)
    for said in (out.getvalue(), err.getvalue()):
        assert said
        assert said.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_of_the_gateways_log_is_one_printable_line(text: str) -> None:
    record = logging.makeLogRecord(
        {"msg": text, "levelname": "ERROR", "pathname": json_logging.__file__, "cause": text}
    )
    line = JsonFormatter("w").format(record)
    assert line.isprintable()
    assert text == json.loads(line)["message"] == json.loads(line)["cause"]
