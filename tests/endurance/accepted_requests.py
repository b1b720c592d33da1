"""Requests drawn at random of which most are accepted: every form and header, with values at the edges of their types.

Drawn with Python's own generator: fifty thousand of them are drawn in seconds.
"""

import csv
import io
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.timestamps import EARLIEST
from tests.endurance.fuzzing import Sent
from tests.fakes import model_kinds as kinds

JSON, CSV = b"application/json", b"text/csv"
TYPED = {
    "number": "float",
    "narrow": "float32",
    "whole": "int",
    "small": "int32",
    "flag": "bool",
    "word": "text",
    "moment": "timestamp",
}
MIXED = {**dict.fromkeys(kinds.NUMBERS, "float"), "city": "text"}
INPUTS: Mapping[str, Mapping[str, str]] = {
    "scored": MIXED,
    "discreet": MIXED,
    "typed": TYPED,
    "amounts": {"number": "float", "word": "text"},
}
CLASSES = {"scored": ["0", "1", 0, 1, True, 1.0], "discreet": [0, 1], "typed": ["a", "b" * 200, "\0", "é", "\ud7ff"]}
DOUBLES = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    5e-324,
    2.2250738585072014e-308,
    1e39,
    -1e39,
    1.7976931348623157e308,
    -1e300,
    2**53 + 1,
]
WORDS = ["", "a", "NA", "null", "\0", "\x1f\x7f\x85", "\u2028", "\u202eabc", "\ufffe\uffff", "🗼" * 50, "x" * 20_000]
WORDS += [
    "'; DROP TABLE x --",
    "a\tb\nc\r\nd",
    "a|b `c` <i>",
    "=1+1",
    "{}",
    "1e5",
    "true",
    "\x1b[31m",
    *map(str, kinds.CITIES),
]
ODD_VALUES = [None, [], {}, "x", math.nan, 1e400, "\ud800", 2**70, -(2**63) - 1, True, "9999-12-31T23:59:59.999999Z"]
EDGES: dict[str, Sequence[Any]] = {
    "float": [*DOUBLES, None, 0, 1, 2**63, -(2**70)],
    "float32": [0.0, -0.0, 1.5, 1e-45, 3.4028234e38, -3.4028234e38, 1e-300, None, 7],
    "int": [0, 1, -1, 2**63 - 1, -(2**63), 2**53, 5.0],
    "int32": [0, 1, -1, 2**31 - 1, -(2**31)],
    "bool": [True, False],
    "text": [*WORDS, None],
    "timestamp": [
        "1678-01-01T00:00:00Z",
        "2261-12-31T23:59:59.999999Z",
        "1970-01-01",
        "1969-12-31T23:59:59+14:00",
        None,
    ],
}
CALLERS = [b"", b"ann", b"\xff\xfe", "é🗼".encode(), b"a" * 300, b"'\"|<b>`", b"NA", b"a\x1fb"]
FAR_TIMES = [
    b"0001-01-01",
    b"0001-01-01T00:00:00Z",
    b"0001-01-02T00:00:00+14:00",
    b"9999-12-31T23:59:59Z",
    b"1969-12-31T23:59:59.999999Z",
]
"""Times that no window can be of: refused, all of them."""


@dataclass
class Draw:
    """Draws requests; ``times`` are the event times of this batch, beside now."""

    random: random.Random
    times: Sequence[datetime]

    @classmethod
    def of_batch(cls, seed: int, now: datetime) -> "Draw":
        """Return the drawing of one batch: few distinct times, as each window is computed by itself."""
        drawn = random.Random(seed)
        edges = [EARLIEST, EARLIEST + timedelta(hours=23, minutes=59), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)]
        edges += [now + timedelta(minutes=4), now - timedelta(days=27, hours=23), datetime(2024, 2, 29, tzinfo=UTC)]
        recent = [now - timedelta(hours=drawn.randrange(1, 24 * 40)) for _ in range(3)]
        return cls(drawn, [*drawn.sample(edges, 3), *recent])

    def prediction(self, endpoint: str, kind: str) -> Sent:
        """Return a request for predictions; ``kind`` is any, test, plain (no header but ours) or faulty."""
        rows = self._rows(INPUTS[endpoint], faulty=kind == "faulty")
        path, content_type, body = self.random.choice(FORMS)(rows, list(INPUTS[endpoint]))
        headers = [(b"content-type", content_type), *self._headers(kind)]
        return Sent("POST", f"/endpoints/{endpoint}/{path}", headers, body)

    def label(self, endpoint: str, prediction_id: str) -> Sent:
        """Return a label for a prediction, sometimes two of them."""
        value = self.random.choice(CLASSES[endpoint]) if endpoint in CLASSES else self._edge("float") or 0.0
        made = [{"prediction_id": prediction_id, "label": value}]
        if self.random.random() < 0.3:
            made[0]["labelled_at"] = self.random.choice(self.times).isoformat()
        return self._message(endpoint, "labels", {"labels": made * self.random.choice([1, 1, 1, 2])})

    def feedback(self, endpoint: str, prediction_id: str) -> Sent:
        """Return feedback on a prediction."""
        said = {
            "comment": self._edge("text") or "-",
            "rating": self.random.randint(1, 5),
            "thumbs": self.random.choice(["up", "down"]),
        }
        said |= {"user_id": str(self._edge("text"))[:200], "session_id": "s"}
        chosen = {name: said[name] for name in self.random.sample(sorted(said), self.random.randint(1, 5))}
        chosen["comment"] = str(chosen.get("comment", "-"))[:4096]
        return self._message(endpoint, "feedback", {"prediction_id": prediction_id, **chosen})

    def _message(self, endpoint: str, path: str, message: Mapping[str, Any]) -> Sent:
        return Sent("POST", f"/endpoints/{endpoint}/{path}", [(b"content-type", JSON)], json.dumps(message).encode())

    def _rows(self, inputs: Mapping[str, str], *, faulty: bool) -> list[dict[str, Any]]:
        count = self.random.choice([1, 1, 1, 2, 3, 40])
        made = [{name: self._edge(kind) for name, kind in inputs.items()} for _ in range(count)]
        if faulty:
            made[-1][self.random.choice(list(inputs))] = self.random.choice(ODD_VALUES)
        return made

    def _edge(self, kind: str) -> Any:
        """Return a value of the type: an edge, or in half of the cases an ordinary one."""
        if self.random.random() < 0.5 or kind not in _ORDINARY:
            return self.random.choice(EDGES[kind])
        return _ORDINARY[kind](self.random)

    def _headers(self, kind: str) -> list[tuple[bytes, bytes]]:
        if kind == "plain":
            return []
        made = [(name, self.random.choice(CALLERS)) for name in _CALLER if self.random.random() < 0.3]
        if kind == "test" or self.random.random() < 0.1:
            made.append((b"x-test-call", self.random.choice([b"1", b"TRUE", b"yes"])))
        if kind == "faulty" and self.random.random() < 0.3:
            return [*made, (b"x-event-time", self.random.choice(FAR_TIMES))]
        if self.random.random() < 0.7:
            made.append((b"x-event-time", self.random.choice(self.times).isoformat().encode()))
        return made


_CALLER = (b"x-user-id", b"x-session-id", b"x-client-request-id")
_ORDINARY: Mapping[str, Callable[[random.Random], Any]] = {
    "float": lambda drawn: drawn.gauss(0, 1e3),
    "float32": lambda drawn: drawn.random(),
    "int": lambda drawn: drawn.randrange(1000),
    "text": lambda drawn: drawn.choice(kinds.CITIES),
}


def _json(path: str, body: Any) -> tuple[str, bytes, bytes]:
    return path, JSON, json.dumps(body).encode()


def _split(rows: list[dict[str, Any]], names: list[str]) -> tuple[str, bytes, bytes]:
    return _json("invocations", {"dataframe_split": {"columns": names, "data": [list(row.values()) for row in rows]}})


def _columns(rows: list[dict[str, Any]], names: list[str]) -> tuple[str, bytes, bytes]:
    return _json("invocations", {"inputs": {name: [row[name] for row in rows] for name in names}})


def _csv(rows: list[dict[str, Any]], names: list[str]) -> tuple[str, bytes, bytes]:
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return "invocations", CSV, text.getvalue().encode(errors="surrogatepass")


def _tensors(rows: list[dict[str, Any]], names: list[str]) -> tuple[str, bytes, bytes]:
    made = [
        {"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]} for name in names
    ]
    return _json("infer", {"id": "own", "inputs": made})


def _matrix(rows: list[dict[str, Any]], names: list[str]) -> tuple[str, bytes, bytes]:
    data = [row[name] for row in rows for name in names]
    return _json(
        "infer", {"inputs": [{"name": "x", "shape": [len(rows), len(names)], "datatype": "BYTES", "data": data}]}
    )


FORMS: list[Callable[[list[dict[str, Any]], list[str]], tuple[str, bytes, bytes]]] = [
    lambda rows, _: _json("invocations", {"dataframe_records": rows}),
    lambda rows, _: _json("invocations", {"instances": rows}),
    *(_split, _columns, _csv, _tensors, _matrix),
]
