"""Whatever a caller sends is answered or refused, never failed on; and what was answered is in the log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import model_kinds as kinds
from tests.integration.gateway.bodies import HEADER, NAMES, tensor
from tests.support.captured_log import log_of, take_in
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

PICKLE = "  allow_pickle: true\n"
ENDPOINTS = {"echo": NAMES, "tolerant": [*kinds.NUMBERS, "city"]}
STATUSES = {200, 400, 413, 422}
FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
EXAMPLES = settings(max_examples=150, deadline=None)

TEXT = st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
FITTING = (
    st.sampled_from([None, True, 0, 1, -1, 2**63, 0.5, 1e300, -1e-300, "", "a", "2026-01-31", "9999-12-31T23:59:59Z"])
    | SCALARS
)
OWN: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("number", *kinds.NUMBERS), st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    ),
    **dict.fromkeys(("word", "city"), st.none() | st.text()),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "moment": st.none() | st.datetimes(datetime(1678, 1, 1), datetime(2261, 12, 31)).map(datetime.isoformat),  # noqa: DTZ001 - the offset is drawn by FITTING, or left out
}


@dataclass
class Running:
    """A gateway with an endpoint for every type, and one that takes any number; the rows that each answered."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, Any]
    answered: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in ENDPOINTS})

    def send(self, endpoint: str, path: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
        """Send a body; remember what was answered, and refuse any answer that is neither that nor a refusal."""
        response = self.gateway.client.post(
            f"/endpoints/{endpoint}/{path}", content=body, headers={"content-type": content_type}
        )
        assert response.status_code in STATUSES, (body, response.text)
        found = response.json()
        if response.status_code == 200:
            shown = found["parameters"]["request_id"] if path == "infer" else found["request_id"]
            rows = found["outputs"][0]["shape"][0] if path == "infer" else len(found["predictions"])
            self.answered[endpoint][shown] = rows
        else:
            assert sorted(found["error"]) == ["code", "message", "remedy", "request_id"]
        return response


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("any_body"))
    specs = {
        "echo": kinds.add_endpoint(project, "echo", PICKLE, task="multiclass"),
        "tolerant": kinds.add_endpoint(project, "tolerant"),
    }
    kinds.put_live_as_it_is(project, specs["echo"], kinds.typed(), kinds.echo())
    kinds.put_live(project, specs["tolerant"], kinds.training(kinds.mixed(200, seed=1)), kinds.tolerant)
    with running_gateway(project) as gateway:
        running = Running(gateway, project, specs)
        yield running
        for name, spec in specs.items():
            assert running.answered[name] == _logged(running, spec)


@st.composite
def _rows(draw: Any, names: list[str]) -> list[list[Any]]:
    """Draw rows of which most features are of their type, and up to two are anything."""
    strange = draw(st.sets(st.sampled_from(names), max_size=2))
    row = st.tuples(*(FITTING if name in strange else OWN[name] for name in names)).map(list)
    return draw(st.lists(row, min_size=1, max_size=3))


def _as_form(form: str, names: list[str], rows: list[list[Any]]) -> Any:
    if form == "dataframe_split":
        return {form: {"columns": names, "data": rows}}
    if form == "inputs":
        return {form: {name: [row[place] for row in rows] for place, name in enumerate(names)}}
    return {form: [dict(zip(names, row, strict=True)) for row in rows]}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@EXAMPLES
@given(value=ANY, form=st.sampled_from([None, *FORMS]), endpoint=st.sampled_from(sorted(ENDPOINTS)))
def test_any_json_in_any_form_is_answered_or_refused(running: Running, value: Any, form: str, endpoint: str) -> None:
    running.send(endpoint, "invocations", _json(value if form is None else {form: value}))


@EXAMPLES
@given(data=st.data(), form=st.sampled_from(FORMS), endpoint=st.sampled_from(sorted(ENDPOINTS)))
def test_any_values_of_the_features_are_answered_or_refused(
    running: Running, data: Any, form: str, endpoint: str
) -> None:
    names = ENDPOINTS[endpoint]
    running.send(endpoint, "invocations", _json(_as_form(form, names, data.draw(_rows(names)))))


@EXAMPLES
@given(value=ANY, key=st.sampled_from(["inputs", "id", "parameters", "outputs", None]))
def test_any_json_as_an_inference_request_is_answered_or_refused(running: Running, value: Any, key: str) -> None:
    running.send("echo", "infer", _json(value if key is None else {"inputs": [], key: value}))


@EXAMPLES
@given(
    rows=_rows(NAMES),
    shape=st.none() | st.lists(st.integers(-2, 2**63), max_size=3) | ANY,
    name=st.sampled_from(NAMES),
    data=st.none() | ANY,
)
def test_any_tensor_is_answered_or_refused(running: Running, rows: Any, shape: Any, name: str, data: Any) -> None:
    columns = dict(zip(NAMES, (list(column) for column in zip(*rows, strict=True)), strict=True))
    tensors = {feature: tensor(feature, values) for feature, values in columns.items()}
    if shape is not None:
        tensors[name] = tensor(name, columns[name] if data is None else data, shape)
    running.send("echo", "infer", _json({"inputs": list(tensors.values())}))


@EXAMPLES
@given(body=st.binary(max_size=200), header=st.sampled_from([b"", HEADER.encode()]))
def test_any_bytes_as_csv_are_answered_or_refused(running: Running, body: bytes, header: bytes) -> None:
    running.send("echo", "invocations", header + body, "text/csv")


@EXAMPLES
@given(lines=st.lists(st.lists(FITTING.map(str), min_size=5, max_size=5).map(",".join), max_size=4))
def test_any_fields_as_csv_are_answered_or_refused(running: Running, lines: list[str]) -> None:
    body = (HEADER + "\n".join(lines)).encode(errors="surrogatepass")
    running.send("echo", "invocations", body, "text/csv")


@EXAMPLES
@given(body=st.binary(max_size=200), path=st.sampled_from(["invocations", "infer"]))
def test_any_bytes_as_json_are_refused(running: Running, body: bytes, path: str) -> None:
    assert running.send("tolerant", path, body).status_code in {400, 422}


def test_this_file_has_answers_to_tell_of(running: Running) -> None:
    assert {name for name, answered in running.answered.items() if len(answered) > 10} == set(ENDPOINTS)


def _logged(running: Running, spec: Any) -> dict[str, int]:
    """Return the number of the log's rows of each answered request, after a look that none was rejected."""
    assert take_in(running.project, spec).reasons == []
    found: dict[str, int] = {}
    for row in log_of(running.project, spec):
        if row["status"] == 200:
            found[row["request_id"]] = found.get(row["request_id"], 0) + 1
    return found
