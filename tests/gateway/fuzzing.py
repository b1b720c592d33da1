"""What is sent to a gateway to break it, and what must hold of every answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import httpx
import jsonschema_rs
from hypothesis import strategies as st

MISFIT = re.compile(r"\{[a-z_]+\}")
LEAKS = [
    re.compile(pattern)
    for pattern in (
        r"Traceback",
        r'File "',
        r"\.pyc?\b",
        r"\bline \d+, in ",
        r"/(?:home|root|tmp|work|usr|var|etc|opt|proc)/",
        r"site-packages",
        r"\b0x[0-9a-f]{6,}",
        r"<[\w.]+ object at",
        r"\bSELECT\b.*\bFROM\b",
        r"\b(?:INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b",
        r"(?i)sqlite|sqlalchemy|duckdb|deltalake|pydantic|starlette|uvicorn|sklearn|\bnumpy\b|\bpandas\b",
        r"\b[A-Z]\w*(?:Error|Exception)\b",
        r"sk_(?:live|test)_",
    )
]
UNAVAILABLE = {
    ("/health", "degraded"),
    ("/health/ready", "not ready"),
    ("/endpoints/{endpoint}/invocations", "not_ready"),
    ("/endpoints/{endpoint}/infer", "not_ready"),
    ("/v2/models/{endpoint}/infer", "not_ready"),
    ("/endpoints/{endpoint}/example", "not_ready"),
}
"""Where a 503 is right, and what it says: an endpoint serves nothing, or nobody has ingested for a while."""


@dataclass(frozen=True)
class Sent:
    """A request, as bytes where it matters; ``template`` is its route's, None for none of the gateway's."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    template: str | None = None

    @property
    def text(self) -> str:
        """All that the caller said himself."""
        parts = [
            self.path.encode(),
            unquote_to_bytes(self.path),
            self.body,
            *(part for pair in self.headers for part in pair),
        ]
        return " ".join(part.decode("latin-1") for part in parts) + self.body.decode(errors="replace")


class Judge:
    """Knows the OpenAPI document, and judges answers by it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._validators: dict[str, Any] = {}
        self.statuses: dict[int, int] = {}
        self.reached: dict[str, set[int]] = {}

    def require(self, sent: Sent, answer: httpx.Response) -> None:
        """Fail unless the answer is documented, well-formed, and tells nothing of what lies within."""
        status = answer.status_code
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._require_no_leak(sent, answer)
        operation = self._document["paths"].get(sent.template or "", {}).get(sent.method.lower())
        if operation is None:
            assert status in {200, 401, 403, 404, 405}, told(sent, answer)
            return
        self.reached.setdefault(f"{sent.method} {sent.template}", set()).add(status)
        if status >= 500:
            assert (sent.template, _said(answer)) in UNAVAILABLE, told(sent, answer)
        assert str(status) in operation["responses"], told(sent, answer)
        self._require_shape(operation["responses"][str(status)], sent, answer)

    def _require_shape(self, declared: Mapping[str, Any], sent: Sent, answer: httpx.Response) -> None:
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in declared["content"], told(sent, answer)
        if media_type == "application/json":
            schema = declared["content"][media_type]["schema"]
            errors = [str(error) for error in self._validator(schema).iter_errors(answer.json())]
            assert errors == [], told(sent, answer)

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        name = json.dumps(schema, sort_keys=True)
        if name not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[name] = jsonschema_rs.validator_for(whole)
        return self._validators[name]

    def _require_no_leak(self, sent: Sent, answer: httpx.Response) -> None:
        if answer.headers.get("content-type", "").startswith("application/json"):
            said = sent.text
            found = [match[0] for leak in LEAKS for match in leak.finditer(answer.text) if match[0] not in said]
            assert found == [], (found, told(sent, answer))


def told(sent: Sent, answer: httpx.Response) -> str:
    return f"{sent} -> {answer.status_code} {dict(answer.headers)} {answer.text[:2000]}"


def _said(answer: httpx.Response) -> str:
    body = answer.json()
    return str(body["error"]["code"] if "error" in body else body["status"])


# What is sent: headers

GARBAGE = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode), st.just(b"\xff" * 300))
JSON, CSV = b"application/json", b"text/csv"
TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat().encode()),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat().encode()),
    st.sampled_from(
        [b"2026-01-31T12:00:00Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"now", b"1e9"]
    ),
)
HEADERS: dict[bytes, st.SearchStrategy[bytes]] = {
    b"x-user-id": GARBAGE,
    b"x-session-id": GARBAGE,
    b"x-client-request-id": GARBAGE,
    b"x-event-time": TIMES | GARBAGE,
    b"x-test-call": st.sampled_from([b"1", b"TRUE", b"yes", b"no", b""]) | GARBAGE,
    b"accept": GARBAGE,
    b"accept-encoding": GARBAGE,
    b"expect": st.just(b"100-continue"),
    b"x-http-method-override": st.just(b"DELETE"),
    b"forwarded": GARBAGE,
}


@st.composite
def headers(draw: st.DrawFn, key: str, content_type: bytes = JSON) -> list[tuple[bytes, bytes]]:
    """Mostly the key and the right content type, with some others that a caller may set; bytes that HTTP allows."""
    keys = st.sampled_from([key.encode()] * 12 + [key.encode()[:-1], b"", key.upper().encode()]) | GARBAGE
    types = (
        st.sampled_from([content_type] * 8 + [JSON, CSV, content_type + b"; charset=latin-1", b"", b"a/b"]) | GARBAGE
    )
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=3))
    made = [(b"x-api-key", draw(keys) if draw(st.integers(0, 9)) == 0 else key.encode())]
    made += [(b"content-type", draw(types) if draw(st.integers(0, 3)) == 0 else content_type)]
    made += [(name, draw(HEADERS[name])) for name in names]
    return [(name, bytes(byte for byte in value if byte >= 32 and byte != 127).strip()) for name, value in made]


# What is sent: rows

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "text": st.none() | st.text(max_size=12),
    "timestamp": st.none() | st.datetimes().map(lambda moment: moment.isoformat()) | st.just("2026-01-31T12:00:00Z"),
}


@st.composite
def rows(draw: st.DrawFn, inputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row to three; in one case of four something is wrong with them."""
    made = draw(
        st.lists(st.fixed_dictionaries({n: VALUES[kind] for n, kind in inputs.items()}), min_size=1, max_size=3)
    )
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(sorted(inputs)))
        match draw(st.integers(0, 3)):
            case 0:
                made[0][name] = draw(ANY)
            case 1:
                made[0].pop(name)
            case 2:
                made[0][draw(st.text(max_size=5))] = draw(ANY)
            case _:
                made = draw(st.sampled_from([[], made * 40, [*made, None], [[1]]]))
    return made


@st.composite
def body(draw: st.DrawFn, inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    """A body's route, content type and bytes, in every form; sometimes cut, doubled or of other bytes."""
    given = draw(rows(inputs))
    route, kind, content = draw(st.sampled_from(FORMS))(given, inputs)
    match draw(st.integers(0, 19)):
        case 0:
            content = content[: draw(st.integers(0, len(content)))]
        case 1:
            content = draw(st.binary(max_size=60))
        case 2:
            content = json.dumps(draw(ANY)).encode(errors="replace")
        case 3:
            content = content.replace(b":", draw(st.sampled_from([b"", b"::", b":\x00", b":NaN,", b":1e999,"])), 1)
    return route, kind, content


def _records(name: str) -> Any:
    return lambda given, _: ("invocations", JSON, _json({name: given}))


def _columns(given: list[Any], inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    whole = [row for row in given if isinstance(row, dict)]
    return "invocations", JSON, _json({"inputs": {name: [row.get(name) for row in whole] for name in inputs}})


def _split(given: list[Any], inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    data = [list(row.values()) if isinstance(row, dict) else row for row in given]
    return "invocations", JSON, _json({"dataframe_split": {"columns": list(inputs), "data": data}})


def _csv(given: list[Any], inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    lines = [",".join(inputs)]
    lines += [",".join(_field(row.get(name)) for name in inputs) for row in given if isinstance(row, dict)]
    return "invocations", CSV, "\n".join(lines).encode(errors="replace")


def _field(value: Any) -> str:
    if value is None or isinstance(value, float):
        return "" if value is None else repr(value)
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if isinstance(value, str) else text


def _tensors(given: list[Any], inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    whole = [row for row in given if isinstance(row, dict)]
    made = [
        {"name": name, "shape": [len(whole)], "datatype": "FP64", "data": [row.get(name) for row in whole]}
        for name in inputs
    ]
    return "infer", JSON, _json({"id": "a", "inputs": made})


def _matrix(given: list[Any], inputs: Mapping[str, str]) -> tuple[str, bytes, bytes]:
    data = [row.get(name) for row in given if isinstance(row, dict) for name in inputs]
    tensor = {"name": "x", "shape": [len(data) // len(inputs), len(inputs)], "datatype": "FP64", "data": data}
    return "infer", JSON, _json({"inputs": [tensor]})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode(errors="replace")


FORMS = [
    _records("dataframe_records"),
    _records("inputs"),
    _records("instances"),
    _columns,
    _split,
    _csv,
    _tensors,
    _matrix,
]


def path_of(template: str, **parts: str) -> str:
    """Return a route's path; its parts are quoted as a caller would have to."""
    return MISFIT.sub(lambda match: quote(parts[match[0][1:-1]], safe=""), template)
