"""Every form of source gives the same rows; each platform's published layout is read; labels find imported rows."""

import base64
import gzip
import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.ids import parse_prediction_id
from modelops_pipelines.operations.capture.elsewhere.formats import MAPPING as OF_LAYOUTS
from modelops_pipelines.operations.capture.elsewhere.sources import SourceOptions
from modelops_pipelines.operations.improve.labels.import_labels import import_file
from tests.fakes.foreign_logs import (
    MAPPING,
    START,
    YAML,
    imported,
    rows_of_days,
    stored,
    with_yaml,
    write_csv,
    write_lines,
    write_parquet,
)
from tests.support.project import CANCER_YAML, Project, copied_project, make_project

ROWS = rows_of_days(6)
TIME = "2026-03-01T12:00:00Z"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", YAML)


def of_csv(folder: Path) -> str:
    return str(write_csv(folder / "log.csv", ROWS))


def of_parquet(folder: Path) -> str:
    return str(write_parquet(folder / "log.parquet", ROWS))


def of_pattern(folder: Path) -> str:
    for part in range(3):
        write_csv(folder / f"part-{part}.csv", ROWS[part::3])
    return str(folder / "part-*.csv")


def of_lines(folder: Path) -> str:
    return str(write_lines(folder / "log.jsonl", ROWS))


def of_packed_lines(folder: Path) -> str:
    lines = write_lines(folder / "log.ndjson", ROWS)
    (folder / "log.NDJSON.gz").write_bytes(gzip.compress(lines.read_bytes()))
    return str(folder / "log.NDJSON.gz")


def of_packed_csv(folder: Path) -> str:
    lines = write_csv(folder / "whole.csv", ROWS)
    (folder / "log.csv.gz").write_bytes(gzip.compress(lines.read_bytes()))
    return str(folder / "log.csv.gz")


def of_delta(folder: Path) -> str:
    write_deltalake(str(folder / "table"), pa.Table.from_pylist(ROWS[:10]))
    write_deltalake(str(folder / "table"), pa.Table.from_pylist(ROWS[10:]), mode="append")
    return str(folder / "table")


def of_query(folder: Path) -> str:
    write_parquet(folder / "log.parquet", ROWS)
    (folder / "log.sql").write_text(f"SELECT * FROM read_parquet('{folder}/log.parquet')")
    return str(folder / "log.sql")


def rows_in(project: Project) -> tuple[list[Any], list[Any]]:
    return stored(project), stored(project, "labels")


FORMS = [of_parquet, of_pattern, of_lines, of_packed_lines, of_packed_csv, of_delta, of_query]


@pytest.mark.parametrize("form", FORMS, ids=lambda one: one.__name__)
def test_every_form_of_source_gives_the_rows_that_csv_gives(
    tmp_path: Path, project: Project, form: Callable[[Path], str]
) -> None:
    project.stores.database.secret()
    other = copied_project(project, tmp_path / "other")
    done, again = imported(project, of_csv(tmp_path)), imported(other, form(tmp_path))
    assert (24, 24, 12, 0, ()) == (done.read, done.predictions, done.labels, done.refused, done.faults)
    assert done.predictions == again.predictions
    assert rows_in(project) == rows_in(other)


def test_a_row_has_what_its_columns_say_and_an_id_of_ours(tmp_path: Path, project: Project) -> None:
    imported(project, of_csv(tmp_path))
    row = next(one for one in stored(project) if one["client_request_id"] == "call-1")
    wanted = {name: ROWS[1][name] for name in ("amount", "country")}
    assert wanted == {name: row[name] for name in wanted}
    assert ("blue/v1", "user-1", "elsewhere", "elsewhere", 200, 2.5) == tuple(
        row[name] for name in ("model_version", "user_id", "source", "variant", "status", "latency_ms")
    )
    assert (ROWS[1]["said"], ROWS[1]["chance"]) == (row["prediction"], row["score"])
    request, place = parse_prediction_id(row["prediction_id"], "fraud", project.stores.database.secret())
    assert (datetime.fromisoformat(ROWS[1]["asked_at"]), 1, 0) == (request.event_time, request.rows, place)
    labels = {one["prediction_id"]: one for one in stored(project, "labels")}
    assert ROWS[1]["truth"] == labels[row["prediction_id"]]["label"]
    assert START + timedelta(minutes=7, hours=3) == labels[row["prediction_id"]]["labelled_at"]


def test_a_database_is_queried_by_the_url_of_a_variable(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "log.db") as connected:
        connected.execute("CREATE TABLE log (call TEXT, asked_at TEXT, said TEXT, amount REAL)")
        values = [(one["call"], one["asked_at"], one["said"], one["amount"]) for one in ROWS]
        connected.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", values)
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{tmp_path / 'log.db'}")
    (tmp_path / "q.sql").write_text("SELECT * FROM log WHERE amount > 0")
    mapping = LogMapping(id=("call",), time="asked_at", prediction="said")
    done = imported(project, tmp_path / "q.sql", mapping=mapping, options=SourceOptions(url_env="WAREHOUSE"))
    assert (24, ("unversioned",), ()) == (done.predictions, done.versions, done.faults)
    assert [one["amount"] for one in ROWS] == [
        one["amount"] for one in sorted(stored(project), key=lambda r: r["event_time"])
    ]


def test_a_query_flattens_what_lines_of_json_nest(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "log.jsonl", [{**row, "more": {"tier": ["gold"]}} for row in ROWS])
    (tmp_path / "q.sql").write_text("SELECT *, more.tier[1] AS tier FROM 'log.jsonl'")
    monkeypatch.chdir(tmp_path)
    done = imported(project, "q.sql")
    assert (24, ("more",)) == (done.predictions, done.left_out)
    assert {"gold"} == {row["tier"] for row in stored(project)}


def databricks_rows() -> list[dict[str, Any]]:
    """Return rows of an inference table of a serving endpoint, as its documentation describes the columns."""
    asked = {"dataframe_split": {"columns": ["amount", "country"], "data": [[12.5, "de"], [7, "fr"]]}}
    one = {
        "databricks_request_id": "req-1",
        "client_request_id": None,
        "date": "2026-03-01",
        "timestamp_ms": 1_772_366_400_000,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_time_ms": 12,
        "request": json.dumps(asked),
        "response": json.dumps({"predictions": ["fraud", "ok"]}),
        "request_metadata": [("model_name", "fraud"), ("model_version", "7"), ("endpoint_name", "f")],
    }
    failed = {**one, "databricks_request_id": "req-2", "status_code": 400, "response": '{"error_code": "BAD"}'}
    return [one, failed]


def test_a_databricks_inference_table_is_read_row_by_row_of_each_request(tmp_path: Path, project: Project) -> None:
    kinds = pa.schema(
        [
            ("databricks_request_id", pa.string()),
            ("client_request_id", pa.string()),
            ("date", pa.string()),
            ("timestamp_ms", pa.int64()),
            ("status_code", pa.int32()),
            ("sampling_fraction", pa.float64()),
            ("execution_time_ms", pa.int64()),
            ("request", pa.string()),
            ("response", pa.string()),
            ("request_metadata", pa.map_(pa.string(), pa.string())),
        ]
    )
    write_deltalake(str(tmp_path / "payload"), pa.Table.from_pylist(databricks_rows(), schema=kinds))
    done = imported(project, tmp_path / "payload", mapping=OF_LAYOUTS, options=SourceOptions("databricks"))
    assert (3, ("7",), 0) == (done.predictions, done.versions, done.refused), done
    first, second, failed = sorted(stored(project), key=lambda row: (row["status"], row["row_index"]))
    assert [("fraud", 12.5, "de"), ("ok", 7.0, "fr")] == [
        (row["prediction"], row["amount"], row["country"]) for row in (first, second)
    ]
    assert first["request_id"] == second["request_id"]
    assert (400, None, 12.0) == (failed["status"], failed["prediction"], failed["latency_ms"])


def test_an_inference_table_behind_the_ai_gateway_has_other_names(tmp_path: Path, project: Project) -> None:
    record = {
        "databricks_request_id": "g-1",
        "request_time": TIME,
        "status_code": 200,
        "execution_duration_ms": 3,
        "request": json.dumps({"dataframe_records": [{"amount": 1.0}]}),
        "response": json.dumps({"predictions": [[0.2, 0.8]]}),
        "served_entity_id": "abc",
        "requester": "ann@example.com",
    }
    source = write_lines(tmp_path / "payload.jsonl", [record])
    imported(project, source, mapping=OF_LAYOUTS, options=SourceOptions("databricks"))
    (row,) = stored(project)
    assert ("fraud", 0.8, "abc", "ann@example.com") == (
        row["prediction"],
        row["score"],
        row["model_version"],
        row["user_id"],
    )


def captured(number: int, given: str, answer: str, kind: str = "CSV") -> dict[str, Any]:
    """Return a line of a SageMaker data capture file."""
    content = {"CSV": "text/csv", "JSON": "application/json", "BASE64": "application/json"}[kind]
    return {
        "captureData": {
            "endpointInput": {"observedContentType": content, "mode": "INPUT", "data": given, "encoding": kind},
            "endpointOutput": {"observedContentType": content, "mode": "OUTPUT", "data": answer, "encoding": kind},
        },
        "eventMetadata": {"eventId": f"event-{number}", "inferenceTime": TIME},
        "eventVersion": "0",
    }


def test_a_sagemaker_capture_file_is_read_in_each_encoding(tmp_path: Path, project: Project) -> None:
    asked = {"instances": [{"features": [3, "it"]}]}
    encoded = [
        base64.b64encode(json.dumps(one).encode()).decode() for one in (asked, {"predictions": [{"score": 0.9}]})
    ]
    lines = [
        captured(1, "1.5,de\n2.5,fr", "0.7\n0.2"),
        captured(2, json.dumps(asked), json.dumps({"predictions": [{"score": 0.1, "predicted_label": "ok"}]}), "JSON"),
        captured(3, *encoded, "BASE64"),
        captured(4, "1.5,de\n2.5,fr", "0.7"),
    ]
    source = write_lines(tmp_path / "capture.jsonl", lines)
    options = SourceOptions("sagemaker", names=("amount", "country"), answers_are="score")
    done = imported(project, source, mapping=OF_LAYOUTS, options=options)
    assert ("capture.jsonl, row 4: the request has 2 rows, and the response 1 answers",) == done.refusals
    rows = sorted(stored(project), key=lambda row: (row["client_request_id"], row["row_index"]))
    found = [(row["client_request_id"], row["amount"], row["country"], row["prediction"], row["score"]) for row in rows]
    assert [
        ("event-1", 1.5, "de", "fraud", 0.7),
        ("event-1", 2.5, "fr", "ok", 0.2),
        ("event-2", 3.0, "it", "ok", 0.1),
        ("event-3", 3.0, "it", "fraud", 0.9),
    ] == found


def event(number: str, kind: str, data: Any, **more: Any) -> dict[str, Any]:
    """Return a CloudEvent of an inference logger."""
    return {
        "specversion": "1.0",
        "type": f"org.kubeflow.serving.inference.{kind}",
        "source": "http://localhost:9081/",
        "id": number,
        "time": "2026-03-01T12:00:00.0789529Z",
        "datacontenttype": "application/json",
        "inferenceservicename": "fraud-isvc",
        "data": data,
        **more,
    }


def test_cloud_events_of_kserve_and_mlserver_are_joined_by_their_id(tmp_path: Path, project: Project) -> None:
    tensor = {"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": [6.8, 2.8, 6.0, 3.4]}
    outputs = [
        {"name": "predict", "shape": [2, 1], "datatype": "BYTES", "data": ["fraud", "ok"]},
        {"name": "predict_proba", "shape": [2, 2], "datatype": "FP64", "data": [0.1, 0.9, 0.8, 0.2]},
    ]
    events = [
        event("v2", "request", {"inputs": [tensor]}),
        event("v1", "request", {"instances": [[6.8, 2.8]]}),
        event("v2", "response", {"model_name": "fraud", "model_version": "v9", "outputs": outputs}),
        event("v1", "response", {"predictions": ["ok"]}),
        event("alone", "request", {"instances": [[1, 2]]}),
    ]
    source = write_lines(tmp_path / "events.jsonl", events)
    options = SourceOptions("kserve", names=("length", "width"))
    done = imported(project, source, mapping=OF_LAYOUTS, options=options)
    assert (3, 1, 0) == (done.predictions, done.unfinished, done.refused), done
    rows = sorted(stored(project), key=lambda row: (row["client_request_id"], row["row_index"]))
    found = [(row["model_version"], row["length"], row["width"], row["prediction"], row["score"]) for row in rows]
    assert [
        ("fraud-isvc", 6.8, 2.8, "ok", None),
        ("v9", 6.8, 2.8, "fraud", 0.9),
        ("v9", 6.0, 3.4, "ok", 0.2),
    ] == found


def test_probabilities_are_named_in_the_order_that_the_mapping_states(tmp_path: Path, project: Project) -> None:
    (tmp_path / "log.csv").write_text(f"call,at,p1,p0\na,{TIME},0.9,0.1\nb,{TIME},0.5,0.5\n")
    mapping = LogMapping(id=("call",), time="at", probabilities=("p1", "p0"), classes=("fraud", "ok"))
    imported(project, tmp_path / "log.csv", mapping=mapping)
    found = {row["client_request_id"]: (row["prediction"], row["score"]) for row in stored(project)}
    assert {"a": ("fraud", 0.9), "b": ("fraud", 0.5)} == found


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (
            LabelSource("import", "files", path="out/*.csv", request_id="call", labelled_at="known"),
            ["call,label,known", f"call-0,fraud,{TIME}", f"call-3,ok,{TIME}"],
        ),
        (
            LabelSource("import", "files", path="out/*.csv", entity=("user_id",), time="at", within=timedelta(days=2)),
            ["user_id,label,at", f"user-0,fraud,{(START + timedelta(minutes=1)).isoformat()}"],
        ),
    ],
    ids=["callers_id", "entity"],
)
def test_labels_by_the_callers_own_key_find_imported_predictions(
    tmp_path: Path, project: Project, source: LabelSource, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(project, write_csv(tmp_path / "log.csv", [{**one, "truth": None} for one in ROWS]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    done, matching = import_file(project.stores, project.spec, source)
    assert (len(lines) - 1, len(lines) - 1, 0) == (done.keyed, matching.matched, done.refused)
    asked = {row["prediction_id"]: row["client_request_id"] for row in stored(project)}
    assert "fraud" == {asked[row["prediction_id"]]: row["label"] for row in stored(project, "labels")}["call-0"]


def test_what_the_capture_policy_redacts_is_not_imported(tmp_path: Path, project: Project) -> None:
    policy = project.spec.capture.__class__(redact=("amount", "user_id", "client_request_id"))
    imported(with_yaml(project, capture=policy), of_csv(tmp_path))
    rows = stored(project)
    assert {(None, None)} == {(row["user_id"], row["client_request_id"]) for row in rows}
    assert "amount" not in rows[0]


def test_an_endpoint_that_is_served_here_takes_no_log(tmp_path: Path) -> None:
    ours = make_project(tmp_path / "ours", CANCER_YAML)
    with pytest.raises(ConflictError, match="is served here"):
        imported(ours, of_csv(tmp_path))


def test_a_mapping_that_cannot_be_meant_is_refused_before_anything_is_read(tmp_path: Path, project: Project) -> None:
    source = of_csv(tmp_path)
    for changed, said in (
        ({"id": ()}, "no 'id'"),
        ({"time": None}, "no 'time'"),
        ({"prediction": None, "score": None}, "no answer"),
        ({"classes": ("ok", "maybe")}, "not those of the endpoint's YAML"),
        ({"user": "nobody"}, "no column 'nobody'"),
        ({"types": {"amount": "complex"}}, "type 'complex'"),
        ({"label": None}, "'labelled_at' belongs to 'label'"),
        ({"version": None, "rename": {"model": "is_fraud"}}, "is that of the label"),
        ({"version": None, "rename": {"model": "Is_Fraud"}}, "is that of the label, 'is_fraud', but for capitals"),
    ):
        with pytest.raises(InputError, match=said):
            imported(project, source, mapping=MAPPING.__class__(**{**vars(MAPPING), **changed}))
    assert not project.stores.lake.files("fraud", "inference_log")


def test_columns_of_lists_are_left_out_and_told(tmp_path: Path, project: Project) -> None:
    rows = [{**one, "vector": [1.0, 2.0], "object": {"a": 1}} for one in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    done = imported(project, tmp_path / "log.parquet")
    assert (24, ("object", "vector")) == (done.predictions, done.left_out)
    done = imported(project, write_lines(tmp_path / "log.jsonl", rows))
    assert (24, ("object", "vector")) == (done.repeated, done.left_out)
