"""The gateway's log: one JSON object per line on stderr, with the request id where there is a request."""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_KNOWN_WARNINGS = ("X does not have valid feature names",)  # the array path; its answers are compared at load


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
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(fields, default=str).decode()
        except TypeError:  # a lone surrogate, or an integer over orjson's 64 bits
            return json.dumps(fields, default=str)


def log_as_json(worker: str) -> None:
    """Send this process's log records and warnings to stderr, one JSON object per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("modelops").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
