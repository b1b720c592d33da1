"""The gateway's log: one JSON object per line on stderr, with the request id where there is a request.

What other code than ours logs, warns of or raises is quoted as ``core.foreign_text`` does: without values of rows.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import orjson
import uvicorn

from modelops_pipelines.core.escaping import visible_json
from modelops_pipelines.core.foreign_text import (
    CUT,
    LONGEST_TRACE,
    error_trace,
    is_own_code,
    module_name,
    shown,
    words_of_stack,
)
from modelops_pipelines.operations.model_runtime.quoted_output import ignore_known_warnings
from modelops_pipelines.operations.model_runtime.rows_under_way import rows_under_way

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_SERVER = str(Path(uvicorn.__file__).parent)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, worker, message, every field of ``extra``, and the exception."""

    def __init__(self, worker: str) -> None:
        """Put the worker's name into every line."""
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a value that JSON cannot represent is written as text."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "worker": self._worker,
            "request_id": None,
        }
        fields |= _own(record) if _is_own(record) else _foreign(record)
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = error_trace(record.exc_info[1], rows_under_way())
        try:
            return visible_json(orjson.dumps(fields, default=str).decode())
        except TypeError:  # a lone surrogate, or an integer over orjson's 64 bits
            return json.dumps(fields, default=str)


def _is_own(record: logging.LogRecord) -> bool:
    """Return whether our code or the HTTP server's logs this; a logger's name may be anybody's."""
    return is_own_code(record.pathname) or record.pathname.startswith(_SERVER)


def _own(record: logging.LogRecord) -> dict[str, Any]:
    """Return the message and the further fields of a record of ours, bounded."""
    more = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {
        "message": _bounded(record.getMessage()),
        **{name: _bounded(value) if isinstance(value, str) else value for name, value in more.items()},
    }


def _foreign(record: logging.LogRecord) -> dict[str, Any]:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments may not fit the message, or fail when they are shown
        text = ""
    quoted = shown(text, words_of_stack(), rows_under_way())
    return {"logger": module_name(record.name), "message": quoted or CUT}


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_TRACE else text[:LONGEST_TRACE] + CUT


def log_as_json(worker: str, stream: TextIO | None = None) -> None:
    """Send this process's log records and warnings to ``stream`` (stderr), one JSON object per line."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("modelops").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    ignore_known_warnings()
