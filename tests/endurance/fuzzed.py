"""Requests that are sent to a gateway to break it: nearly right ones, so that they get far."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.endurance.fuzzing import Sent
from tests.fakes import model_kinds as kinds

E = "/endpoints/{endpoint}"
ONE_REVIEW = f"{E}/review/{{item}}"
ONE_FEEDBACK = f"{E}/feedback/{{feedback_id}}"
REPORT = "drift-2026-01-31T12.html"
INPUTS: dict[str, dict[str, str]] = {
    "mixed": {**dict.fromkeys(kinds.NUMBERS, "float"), "city": "text"},
    "typed": {"number": "float", "whole": "int", "flag": "bool", "word": "text", "moment": "timestamp"},
}
MOMENT = "2026-01-31T12:00:00Z"
_PART = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True)
class Known:
    """What exists: the key that may do everything, keys' ids, requests' ids, and feedback's ids."""

    key: str
    key_ids: Sequence[str]
    request_ids: Sequence[str]
    feedback_ids: Sequence[str]


# Headers

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
    b"x-user-id": GARBAGE | st.just(b"ann"),
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


# Rows to predict

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
    "timestamp": st.none() | st.datetimes().map(lambda moment: moment.isoformat()) | st.just(MOMENT),
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
        case 4:
            content += b" " * 2**20
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
    """Return a route's path; its parts are quoted as a caller would have to. A part without a value is any name."""
    return _PART.sub(lambda match: quote(parts.get(match[0][1:-1], parts.get("name", "")), safe=""), template)


@st.composite
def prediction(draw: st.DrawFn, known: Known) -> Sent:
    """A request for predictions, in any form."""
    endpoint = draw(st.sampled_from(sorted(INPUTS)))
    route, kind, content = draw(body(INPUTS[endpoint]))
    name = draw(st.sampled_from([endpoint] * 18 + ["idle", "ghost"]))
    template = f"{E}/{route}"
    if route == "infer" and draw(st.booleans()):
        template = "/v2/models/{endpoint}/infer"
    return Sent("POST", path_of(template, endpoint=name), draw(headers(known.key, kind)), content, template)


# The other routes

NAMES = st.sampled_from(["mixed"] * 8 + ["typed"] * 4 + ["idle", "ghost", "x" * 120, "a/b", "%00", "é"])
LABELS = st.sampled_from(["0", "1", 1, 0, True, 1.0, "maybe"])
REPORTS = (
    st.sampled_from([REPORT, "swagger-ui.css", "1", "2"])
    | st.sampled_from(["../../state.db", "%2e%2e"])
    | st.text(max_size=30)
)
ITEMS = st.integers(-1, 9).map(str) | st.integers(2**52, 2**70).map(str) | st.text(min_size=1, max_size=9)
WORDS = ["5", "1000", "0", "24h", "30d", "31d", "ok", "error", "5m", "61m"]
QUERIES = [
    "reason",
    "not_judged_by",
    "assignee",
    "cursor",
    "rating_from",
    "text",
    "category",
    "flagged",
    "until",
    "version",
    "limit",
    "since",
    "status",
    "user",
    "request_id",
    "window",
    "x",
]
ROUTES = [E, f"{E}/logs", f"{E}/metrics", f"{E}/example", f"{E}/reports/{{name}}", "/endpoints", "/keys"]
ROUTES += [
    "/health",
    "/health/ready",
    "/health/live",
    "/docs",
    "/openapi.json",
    "/docs/static/{name}",
    "/{name}",
    "/keys/{key_id}",
    f"{E}/feedback",
    f"{E}/feedback/recent",
    f"{E}/feedback/stats",
    ONE_FEEDBACK,
    f"{ONE_FEEDBACK}/history",
    f"{E}/review",
    f"{E}/review/agreement",
    ONE_REVIEW,
    "/deployments",
    f"{E}/versions",
    f"{E}/training-sets",
    f"{E}/training-sets/{{content_hash}}",
    f"{E}/history",
]
ROUTES += [f"{E}/versions/{{version}}/why", f"{E}/feedback/{{feedback_id}}/where"]


def messages(known: Known) -> dict[str, st.SearchStrategy[Any]]:
    """Return nearly right bodies of the routes that take one, predictions aside."""
    made = [f"{one}-{row}" for one in known.request_ids for row in range(3)]
    ids = st.sampled_from(made) | st.sampled_from(made) | st.text(max_size=60)
    label = _object(
        {"prediction_id": ids, "label": _mostly(LABELS)}, labelled_at=st.just(MOMENT) | TIMES.map(bytes.decode)
    )
    valid = [{"prediction_id": made[0], "label": "0"}]  # else hardly one of a short run's label requests is accepted
    said = {
        "thumbs": st.sampled_from(["up", "down", "left"]),
        "comment": st.text(max_size=30),
        "user_id": st.text(max_size=9),
        "categories": st.lists(st.text(max_size=9), max_size=3),
        "given_at": st.just(MOMENT) | TIMES.map(bytes.decode),
    }
    note = {"note": st.text(max_size=9)}
    roles = st.lists(st.sampled_from(["read", "predict", "root"]))
    scope = {"endpoints": st.lists(NAMES, max_size=2), "mode": st.sampled_from(["live", "test", "x"])}
    versions = st.sampled_from(["1", "2", "3"]) | st.text(max_size=9)
    terms = st.sampled_from(["1h", "90d", "0d", "9999d", "soon"])
    return {
        f"{E}/labels": _object({"labels": st.just(valid) | st.just(valid) | st.lists(label, max_size=3)}),
        f"{E}/feedback": _object({"prediction_id": ids}, rating=st.integers(-1, 7), corrected_label=LABELS, **said),
        f"{ONE_FEEDBACK}/flag": _object({}, **note),
        f"{ONE_FEEDBACK}/unflag": _object({}, **note),
        f"{ONE_FEEDBACK}/assign": _object({"assignee": st.none() | st.text(max_size=9)}, **note),
        f"{ONE_FEEDBACK}/to-training": _object({}, label=LABELS, **note),
        ONE_REVIEW: _object({"verdict": st.sampled_from(["confirm", "correct", "reject", "x"])}, label=LABELS, **note),
        f"{ONE_REVIEW}/assign": _object({"assignee": st.none() | st.text(max_size=9)}, force=st.booleans()),
        f"{ONE_REVIEW}/reopen": _object(note),
        f"{E}/rollback": _object(
            {},
            reason=st.text(max_size=9) | ANY,
            to=st.sampled_from(["1", "2"]) | st.text(max_size=9),
            undo=st.booleans(),
            force=st.booleans(),
        ),
        f"{E}/deployments": _object(
            {"version": versions},
            share=st.integers(-1, 101),
            reason=st.text(max_size=9) | ANY,
            force=st.booleans(),
        ),
        f"{E}/promote": _object({"version": versions}, force=st.booleans(), reason=st.text(max_size=9) | ANY),
        f"{E}/stop": _object({}, reason=st.text(max_size=9) | ANY),
        f"{E}/start": _object({}, reason=st.text(max_size=9) | ANY),
        "/keys": _object({"name": st.just("ci") | st.text(max_size=12), "roles": roles}, expires_in=terms, **scope),
        "/keys/{key_id}/rotate": _object({}, overlap=terms),
    }


def _object(required: Mapping[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(dict(required), optional={name: _mostly(value) for name, value in optional.items()})


def _mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda chance: ANY if chance == 0 else right)


def others(known: Known) -> Iterator[st.SearchStrategy[Sent]]:
    """Yield requests of each route but predictions, and of none."""
    yield from (message(known, template, body) for template, body in messages(known).items())
    yield from (question(known, template) for template in ROUTES)


@st.composite
def message(draw: st.DrawFn, known: Known, template: str, body: st.SearchStrategy[Any]) -> Sent:
    """A request with a body."""
    content = json.dumps(draw(_mostly(body))).encode(errors="replace")
    return Sent("POST", _path(draw, known, template), draw(headers(known.key)), content, template)


@st.composite
def question(draw: st.DrawFn, known: Known, template: str) -> Sent:
    """A request without one, with something to look for."""
    method = "DELETE" if template == "/keys/{key_id}" or (template == ONE_FEEDBACK and draw(st.booleans())) else "GET"
    odd = draw(st.sampled_from([method] * 9 + ["PUT", "HEAD", "OPTIONS", "PATCH"]))
    values = st.sampled_from([*WORDS, *known.request_ids, MOMENT, "true"]) | st.text(max_size=45)
    query = urlencode(draw(st.dictionaries(st.sampled_from(QUERIES), values, max_size=2)), errors="replace")
    path = _path(draw, known, template)
    return Sent(odd, f"{path}?{query}" if query else path, draw(headers(known.key)), b"", template)


def _path(draw: st.DrawFn, known: Known, template: str) -> str:
    key_id = draw(st.sampled_from(known.key_ids) | st.text(alphabet="abc234567", min_size=1, max_size=11))
    feedback_id = draw(st.sampled_from(known.feedback_ids) | st.text(min_size=1, max_size=70))
    ids = {"key_id": key_id, "feedback_id": feedback_id, "item": draw(ITEMS)}
    return path_of(template, endpoint=draw(NAMES), name=draw(REPORTS), **ids)
