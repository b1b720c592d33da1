"""The gateway's log: one JSON object a line on stderr, with the request's id where there is a request."""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_KNOWN_WARNINGS = ("X does not have valid feature names",)  # the array path, proven equal at load (ways.py)


class JsonFormatter(logging.Formatter):
    """A record as JSON: time, level, logger, worker, message, whatever it was given as ``extra``, and an exception."""

    def __init__(self, worker: str) -> None:
        """Name the worker in every line."""
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what JSON cannot hold is told as text."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "worker": self._worker,
            "request_id": None,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            told["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(told, default=str).decode()
        except TypeError:  # a lone surrogate, or an integer that orjson cannot hold
            return json.dumps(told, default=str)


def log_as_json(worker: str) -> None:
    """Send everything that this process logs or warns of to stderr, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("modelops").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
