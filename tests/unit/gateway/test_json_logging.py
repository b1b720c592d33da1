"""Whatever is logged is one line of JSON."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.gateway import json_logging
from modelops_pipelines.gateway.json_logging import JsonFormatter


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("two\nlines", {}),
        ("a lone surrogate \ud800", {}),
        ("numbers", {"huge": 2**70}),
        ("an object", {"thing": Path("x")}),
        ("not a number", {"share": float("nan")}),
    ],
)
def test_whatever_is_logged_is_one_line_of_json(message: str, more: dict[str, Any]) -> None:
    line = JsonFormatter("w1").format(_record(message, more))
    assert "\n" not in line
    told = json.loads(line)
    assert (message, "w1", None, "warning") == (told["message"], told["worker"], told["request_id"], told["level"])
    assert more.keys() <= told.keys()


def test_an_exception_whose_text_is_no_unicode_is_one_line_too() -> None:
    record = _record("failed", {"request_id": "r1"})
    record.exc_info = (ValueError, ValueError("\ud800\n"), None)
    line = JsonFormatter("w1").format(record)
    told = json.loads(line)
    assert ("r1", "ValueError") == (told["request_id"], told["exception"].splitlines()[-1])
    assert "\n" not in line


def test_what_others_log_is_quoted_and_bounded_and_what_they_add_is_left_out() -> None:
    record = _record("the model's words: ['Atlantis']" + "x" * 2**22, {"customer": "Atlantis"})
    record.pathname, record.name = "elsewhere.py", "logging.Atlantis"
    told = json.loads(JsonFormatter("w1").format(record))
    assert ("logging", "the model's words: …") == (told["logger"], told["message"])
    assert "customer" not in told


def test_what_we_log_is_bounded() -> None:
    line = JsonFormatter("w1").format(_record("long " * 2**20, {"cause": "long " * 2**20}))
    assert len(line) < 20_000


def _record(message: str, more: dict[str, Any]) -> logging.LogRecord:
    record = logging.makeLogRecord({"msg": message, "levelname": "WARNING", "pathname": json_logging.__file__, **more})
    record.name = "modelops.test"
    return record
