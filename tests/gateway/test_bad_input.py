"""What callers may get wrong, and what the gateway says to it. Nothing here reaches a person without a remedy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.ids import MAX_ROWS
from modelops_pipelines.operations import trainers
from modelops_pipelines.operations.ingest import ingest
from modelops_pipelines.operations.onboarding import read_endpoint
from modelops_pipelines.operations.releases import deploy
from tests.support import Project, RunningGateway, cancer_frame, make_project, rows_of, running_gateway, train_first, wait_until

ROW = {"mean_radius": 14.0, "mean_texture": 19.0, "mean_smoothness": 0.1, "mean_concavity": 0.1}
NAMES = ", ".join(ROW)
EXAMPLE = 'for example {"dataframe_records": [{"feature": 1.0}]}'
FIELDS = "See /docs for the fields of this route"
FORMS = "The body must have exactly one of dataframe_split, dataframe_records, inputs, instances"
SECRET = "a secret in /etc/shadow"
ISSUED = "Send '<request_id>-<row>' as the endpoint's answer gave it, rows counted from 0"
EVERY_FEATURE = "Send every feature of the model's signature (null where the value is not known)"
FUTURE = (datetime.now(UTC) + timedelta(days=1)).isoformat()

FRAGILE_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: fragile
  model_name: fragile
  task: binary_classification
  label: benign
  allow_pickle: true
"""
EMPTY_YAML = FRAGILE_YAML.replace("fragile", "empty")


@dataclass
class Running:
    """The gateway of this module, its project, and predictions that labels may name."""

    gateway: RunningGateway
    project: Project
    ids: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Send a body as it is (bytes), or as JSON; '{cancer}' and '{fragile}' in it become predictions' ids."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in self.ids.items():
            content = content.replace(b"{%s}" % name.encode(), value.encode())
        return self.gateway.client.post(path, content=content, headers={"content-type": "application/json", **(headers or {})})


def fragile(_frame: Any, _context: Any) -> Any:
    """Return a model that raises on a negative radius, and answers text otherwise."""
    import mlflow

    class Fragile(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # hints would be taken for a signature
            if (model_input["mean_radius"] < 0).any():
                raise ValueError("a secret in /etc/shadow")
            return model_input["mean_radius"].gt(15).map({True: "malignant", False: "benign"}).to_numpy()

    return Fragile()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = make_project(tmp_path_factory.mktemp("bad_input"))
    for name, text in (("fragile", FRAGILE_YAML), ("empty", EMPTY_YAML)):
        (project.folder / "endpoints" / f"{name}.yaml").write_text(text)
    version = train_first(project)
    deploy(project.stores, project.spec, version.version, actor="test", reason="test")
    spec = read_endpoint(project.folder / "endpoints" / "fragile.yaml")
    version = trainers.train_first(project.stores, spec, cancer_frame(), fragile)
    deploy(project.stores, spec, version.version, actor="test", reason="test")
    with running_gateway(project, ready=False) as gateway:
        running = Running(gateway, project)
        wait_until(lambda: gateway.predict([ROW], "fragile").status_code == 200, 30)
        for name in ("cancer", "fragile"):
            running.ids[name] = gateway.predict([ROW], name).json()["request_id"]
        yield running


def _records(*rows: Any) -> dict[str, Any]:
    return {"dataframe_records": list(rows)}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ROW.items() if key != name}


def _label(prediction: str, label: Any = 1, **more: Any) -> dict[str, Any]:
    return {"labels": [{"prediction_id": prediction, "label": label, **more}]}


def _forms(found: str) -> tuple[int, str, str, str]:
    return 422, "input", f"{FORMS} (it has: {found})", f"Send one of them, {EXAMPLE}"


BAD_ROWS: dict[str, tuple[Any, tuple[int, str, str, str]]] = {
    "a malformed body": (
        b"[1",
        (400, "malformed", "The body is not valid JSON (unexpected end of data: line 1 column 3 (char 2))", f"Send JSON, {EXAMPLE}"),
    ),
    "no object": ([ROW], (400, "malformed", "The body is not a JSON object", f"Send an object, {EXAMPLE}")),
    "no form": ({}, _forms("none")),
    "two forms": ({"inputs": [ROW], "instances": [ROW]}, _forms("inputs, instances")),
    "a form and a stranger": ({"inputs": [ROW], "rows": []}, _forms("inputs, rows")),
    "rows that are no list": (
        {"instances": 7},
        (422, "input", "instances is no list of rows", f"Send a list of objects, {EXAMPLE}"),
    ),
    "a row without names": (
        {"inputs": [[1, 2, 3, 4]]},
        (422, "input", "Row 0 of inputs is no object", f"Name the features, {EXAMPLE}"),
    ),
    "a null row": (
        _records(ROW, None),
        (422, "input", "Row 1 of dataframe_records is no object", f"Name the features, {EXAMPLE}"),
    ),
    "a split without data": (
        {"dataframe_split": {"columns": list(ROW)}},
        (422, "input", "dataframe_split needs 'columns' and 'data', both lists", "Send pandas' to_dict('split')"),
    ),
    "a ragged split": (
        {"dataframe_split": {"columns": list(ROW), "data": [[1, 2, 3, 4], [1, 2, 3]]}},
        (422, "input", "Row 1 of dataframe_split does not have 4 values", "Give each column one"),
    ),
    "columns of different lengths": (
        {"inputs": {**{name: [1.0] for name in ROW}, "mean_texture": [1.0, 2.0]}},
        (
            422,
            "input",
            "The columns are of different lengths (mean_radius 1, mean_texture 2, mean_smoothness 1, mean_concavity 1)",
            "Give each column one value a row",
        ),
    ),
    "a missing feature": (
        _records(ROW, _without("mean_texture")),
        (422, "input", "Feature(s) mean_texture missing in row 1", EVERY_FEATURE),
    ),
    "no feature at all": (
        {"dataframe_split": {"columns": ["radius"], "data": [[1]]}},
        (422, "input", f"Feature(s) {NAMES} missing", EVERY_FEATURE),
    ),
    "text for a number": (
        _records(ROW, ROW | {"mean_radius": "14"}),
        (422, "input", "Feature 'mean_radius' in row 1 is '14', no number", "Send the right type"),
    ),
    "a truth value for a number": (
        _records(ROW | {"mean_radius": True}),
        (422, "input", "Feature 'mean_radius' in row 0 is True, no number", "Send the right type"),
    ),
    "a list for a number": (
        _records(ROW | {"mean_radius": [1]}),
        (422, "input", "Feature 'mean_radius' in row 0 is [1], no number", "Send the right type"),
    ),
    "no row": (_records(), (422, "input", "The body has 0 rows", f"Send 1 to {MAX_ROWS} rows a request")),
    "65,536 rows": (
        {"inputs": {name: [1.0] * (MAX_ROWS + 1) for name in ROW}},
        (422, "input", f"The body has {MAX_ROWS + 1} rows", f"Send 1 to {MAX_ROWS} rows a request"),
    ),
}

BAD_TIMES: dict[str, tuple[str, str, str, str]] = {
    "where replay is not allowed": (
        "fragile",
        "2026-01-31T12:00:00Z",
        "Endpoint 'fragile' takes no event time from callers",
        "Leave the header X-Event-Time out, or set 'allow_replay: true' in the endpoint's YAML",
    ),
    "in the future": ("cancer", FUTURE, f"X-Event-Time {FUTURE} lies in the future", "Send the time at which it happened"),
    **{
        what: ("cancer", given, f"X-Event-Time is '{given}', no time with an offset", "Send ISO 8601, as 2026-01-31T12:00:00Z")
        for what, given in {
            "that is none": "yesterday",
            "without an offset": "2026-01-31T12:00:00",
            "that its offset leads out of the calendar": "0001-01-01T00:00:00+14:00",
        }.items()
    },
}

UNKNOWN_ENDPOINT = (
    404,
    "unknown",
    "There is no endpoint 'nobody' (known: cancer, empty, fragile)",
    "Check the address, or add its YAML",
)


def _not_made(prediction: str, endpoint: str = "cancer") -> tuple[int, str, str, str]:
    return 404, "unknown", f"Prediction '{prediction}' was not made by endpoint '{endpoint}'", ISSUED


BAD_RESPONSES: dict[str, tuple[str, Any, tuple[int, str, str, str]]] = {
    "a label for an unknown prediction": ("cancer/labels", _label("nobody-0"), _not_made("nobody-0")),
    "a label for an id that we could have made": ("cancer/labels", _label("a" * 40 + "-0"), _not_made("a" * 40 + "-0")),
    "a label for a row beyond the request": ("cancer/labels", _label("{cancer}-1"), _not_made("{cancer}-1")),
    "a label for a row that is no number": ("cancer/labels", _label("{cancer}-00"), _not_made("{cancer}-00")),
    "a label without a row": ("cancer/labels", _label("{cancer}"), _not_made("{cancer}")),
    "a label of another endpoint's prediction": ("cancer/labels", _label("{fragile}-0"), _not_made("{fragile}-0")),
    "an id of endless digits": (
        "cancer/labels",
        _label("{cancer}-" + "9" * 5000),
        (422, "input", "labels.0.prediction_id: String should have at most 200 characters", FIELDS),
    ),
    "a label of an unknown class": (
        "cancer/labels",
        _label("{cancer}-0", "maybe"),
        (422, "input", "The label 'maybe' is no class of the model", "Send one of: 0, 1"),
    ),
    "a label of NaN": (
        "cancer/labels",
        b'{"labels": [{"prediction_id": "{cancer}-0", "label": NaN}]}',
        (422, "input", "The label 'nan' is no class of the model", "Send one of: 0, 1"),
    ),
    "a label from the future": (
        "cancer/labels",
        _label("{cancer}-0", labelled_at=FUTURE),
        (422, "input", f"labelled_at {FUTURE} lies in the future", "Send the time at which it happened"),
    ),
    "no label": (
        "cancer/labels",
        {"labels": []},
        (422, "input", "labels: List should have at least 1 item after validation, not 0", FIELDS),
    ),
    "an unknown field of a label": (
        "cancer/labels",
        _label("{cancer}-0", colour="red"),
        (422, "input", "labels.0.colour: Extra inputs are not permitted", FIELDS),
    ),
    "labels that are not JSON": (
        "cancer/labels",
        b"{labels",
        (400, "malformed", "The body is not valid JSON", "Send a JSON object, see /docs"),
    ),
    "labels of an unknown endpoint": ("nobody/labels", _label("x-0"), UNKNOWN_ENDPOINT),
    "feedback that says nothing": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "user_id": "ann"},
        (422, "input", "The feedback says nothing", "Give a rating, thumbs, a comment or a corrected_label"),
    ),
    "a rating too high": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 6},
        (422, "input", "rating: Input should be less than or equal to 5", FIELDS),
    ),
    "a rating too low": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 0},
        (422, "input", "rating: Input should be greater than or equal to 1", FIELDS),
    ),
    "a rating that is text": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": "5"},
        (422, "input", "rating: Input should be a valid integer", FIELDS),
    ),
    "thumbs to the side": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "thumbs": "left"},
        (422, "input", "thumbs: Input should be 'up' or 'down'", FIELDS),
    ),
    "an unknown field of feedback": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 5, "stars": 5},
        (422, "input", "stars: Extra inputs are not permitted", FIELDS),
    ),
    "a comment too long": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "comment": "x" * 4097},
        (422, "input", "comment: String should have at most 4096 characters", FIELDS),
    ),
    "a corrected label of an unknown class": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "corrected_label": "maybe"},
        (422, "input", "The label 'maybe' is no class of the model", "Send one of: 0, 1"),
    ),
    "feedback for an unknown prediction": (
        "cancer/feedback",
        {"prediction_id": "nobody-0", "rating": 5},
        _not_made("nobody-0"),
    ),
    "predictions of an unknown endpoint": ("nobody/invocations", _records(ROW), UNKNOWN_ENDPOINT),
}

BAD_ADDRESSES: dict[str, tuple[str, str, tuple[int, str, str, str]]] = {
    "an unknown route": ("GET", "/predict", (404, "unknown", "There is no route GET /predict", "See /docs")),
    "a method that a route does not have": (
        "DELETE",
        "/endpoints/cancer",
        (405, "unknown", "There is no route DELETE /endpoints/cancer", "See /docs"),
    ),
    "predictions asked for by GET": (
        "GET",
        "/endpoints/cancer/invocations",
        (404, "unknown", "There is no route GET /endpoints/cancer/invocations", "See /docs"),
    ),
    "an unknown endpoint": ("GET", "/endpoints/nobody", UNKNOWN_ENDPOINT),
    **{
        f"a window of {window!r}": (
            "GET",
            f"/endpoints/cancer/metrics?window={window}",
            (422, "input", f"The window '{window}' is no time up to 60m", "Give for example 30s, 5m or 1h"),
        )
        for window in ("soon", "0s", "61m", "-5m", "")
    },
}


def _check(response: Any, expected: tuple[int, str, str, str], ids: dict[str, str]) -> None:
    """Assert the one shape of errors, with exactly these values."""
    status, code, message, remedy = expected
    for name, value in ids.items():
        message = message.replace("{%s}" % name, value)
    error = response.json()["error"]
    number = error.pop("request_id")
    assert (response.status_code, error) == (status, {"code": code, "message": message, "remedy": remedy})
    assert list(response.json()) == ["error"]
    assert number is None or len(number) == 40
    assert response.headers["content-type"] == "application/json"
    assert not [word for word in ("Traceback", "site-packages", "modelops_pipelines", "/home", "/tmp") if word in response.text]


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    body, expected = BAD_ROWS[case]
    _check(running.post("/endpoints/cancer/invocations", body), expected, running.ids)


@pytest.mark.parametrize("case", BAD_TIMES)
def test_an_event_time_is_refused(running: Running, case: str) -> None:
    endpoint, given, message, remedy = BAD_TIMES[case]
    response = running.post(f"/endpoints/{endpoint}/invocations", _records(ROW), {"X-Event-Time": given})
    _check(response, (422, "input", message, remedy), running.ids)


@pytest.mark.parametrize("case", BAD_RESPONSES)
def test_bad_labels_and_feedback_are_refused_with_the_reason_and_the_remedy(running: Running, case: str) -> None:
    path, body, expected = BAD_RESPONSES[case]
    _check(running.post(f"/endpoints/{path}", body), expected, running.ids)


@pytest.mark.parametrize("case", BAD_ADDRESSES)
def test_a_wrong_address_is_answered_in_the_same_shape(running: Running, case: str) -> None:
    method, path, expected = BAD_ADDRESSES[case]
    _check(running.gateway.client.request(method, path), expected, running.ids)


def test_a_model_that_raises_answers_500_without_its_text_and_logs_it_under_the_request_id(running: Running) -> None:
    response = running.post("/endpoints/fragile/invocations", _records(ROW | {"mean_radius": -1.0}))
    expected = (500, "prediction", "Version 1 failed on this input", "See the gateway's log under this request id")
    _check(response, expected, running.ids)
    assert SECRET not in response.text
    log = running.gateway.log.read_text()
    assert response.json()["error"]["request_id"] in log
    assert f"ValueError: {SECRET}" in log


def test_a_model_refuses_nulls_that_it_cannot_take_as_a_failure_of_its_own(running: Running) -> None:
    response = running.post("/endpoints/cancer/invocations", _records(dict.fromkeys(ROW)))
    expected = (500, "prediction", "Version 1 failed on this input", "See the gateway's log under this request id")
    _check(response, expected, running.ids)


def test_answers_that_are_text_come_as_text(running: Running) -> None:
    response = running.gateway.predict([ROW, ROW | {"mean_radius": 20.0}], "fragile")
    assert (response.status_code, response.json()["predictions"]) == (200, ["benign", "malignant"])


def test_an_endpoint_without_a_deployment_answers_503_and_says_when_to_try_again(running: Running) -> None:
    response = running.gateway.predict([ROW], "empty")
    message, remedy = "Endpoint 'empty' serves no version yet", "Deploy one: modelops deploy empty VERSION"
    _check(response, (503, "not_ready", message, remedy), running.ids)
    assert response.headers["retry-after"] == "1"


def test_one_bad_label_among_good_ones_refuses_them_all(running: Running) -> None:
    prediction = running.gateway.predict([ROW]).json()["request_id"]
    labels = [{"prediction_id": f"{prediction}-0", "label": 1}, {"prediction_id": f"{prediction}-1", "label": 1}]
    response = running.post("/endpoints/cancer/labels", {"labels": labels})
    _check(response, _not_made(f"{prediction}-1"), running.ids)
    assert f"{prediction}-0" not in _stored(running, "labels")


def test_the_same_feedback_twice_is_told_so_and_kept_once(running: Running) -> None:
    prediction = running.gateway.predict([ROW]).json()["request_id"]
    message = {"prediction_id": f"{prediction}-0", "thumbs": "down", "comment": "no", "corrected_label": 0}
    first = running.post("/endpoints/cancer/feedback", message)
    second = running.post("/endpoints/cancer/feedback", message)
    assert (first.status_code, second.status_code) == (202, 202)
    number = first.json()["feedback_id"]
    assert first.json() == {"feedback_id": number, "status": "recorded"}
    assert second.json() == {"feedback_id": number, "status": "already recorded"}
    assert _stored(running, "feedback").count(f"{prediction}-0") == 1


def _stored(running: Running, stream: str) -> list[str]:
    """Ingest what the gateway has taken; return the prediction ids that the lake holds."""
    from modelops_pipelines.core.tables import STREAMS

    stores, spec = running.project.stores, running.project.spec
    spool = Path(stores.settings.spool) / spec.name / stream
    wait_until(lambda: not list(spool.glob("*/*.open")), 20)
    ingest(stores, spec, stream)
    with stores.lake.query(spec.name, [STREAMS[stream]]) as connected:
        return [row[0] for row in connected.execute(f"SELECT prediction_id FROM {STREAMS[stream].name}").fetchall()]
