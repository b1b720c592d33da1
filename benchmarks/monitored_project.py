"""A project of many endpoints with captured rows that wait to be ingested, made without gateway or MLflow."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelops_pipelines.core.capture.spool_records import label_row, prediction_record, response_record
from modelops_pipelines.core.ids import ENTROPY_BYTES, new_request_id
from modelops_pipelines.core.release.desired_state import DesiredState, variants_of
from modelops_pipelines.core.release.event_log import DEPLOY, Event
from modelops_pipelines.operations.drift.references import make_reference
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

FEATURES = ("x0", "x1", "x2", "x3")
REQUESTS, ROWS = 40, 5
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: binary_classification
  label: late
  window: hour
  trainer: examples.flights.trainer:train
  owners: ["team:benchmark"]
  retraining: {{min_new_labels: 5000, cooldown: 7d}}
  promotion: {{strategy: canary, automatic: true}}
"""


def make_project(folder: Path, endpoints: int) -> Stores:
    """Make a project of so many endpoints in an empty folder, each with a champion that has served nothing yet."""
    (folder / "endpoints").mkdir(parents=True)
    stores = Stores(load_settings(folder, environment(folder)))
    for name in names(endpoints):
        (folder / "endpoints" / f"{name}.yaml").write_text(YAML.format(name=name))
        _deploy(stores, name)
    return stores


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with the project's settings."""
    places = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    return {**places, "MODELOPS_INGEST_LAG_SECONDS": "0"}


def names(endpoints: int) -> list[str]:
    """Return the endpoints' names."""
    return [f"endpoint{number:04d}" for number in range(endpoints)]


def _deploy(stores: Stores, name: str) -> None:
    now = stores.now()
    inputs = dict.fromkeys(FEATURES, "float")
    version = ModelVersion(name, "1", "/nowhere", inputs, ["0", "1"], None, None, now)
    stores.deployments.record_version(version)
    draw = np.random.default_rng(1)
    frame = pa.table({feature: draw.normal(size=500) for feature in FEATURES})
    stores.references.write(name, "1", make_reference("benchmark", frame, FEATURES))
    event = Event(0, name, now, "benchmark", DEPLOY, None, "1", 1, "")
    stores.deployments.change(DesiredState(name), variants_of("1"), event)


def capture(stores: Stores, endpoints: Iterable[str], number: int = 1) -> None:
    """Write a sealed segment of predictions and one of labels for each of the endpoints, two hours old."""
    at = stores.now() - timedelta(hours=2)
    secret = stores.database.secret()
    for name in endpoints:
        draw = np.random.default_rng(number)
        requests = [
            _request(name, secret, at + timedelta(seconds=one), number * 1000 + one, draw) for one in range(REQUESTS)
        ]
        _write(stores, name, "predictions", number, [record for record, _ in requests])
        _write(stores, name, "labels", number, [labels for _, labels in requests])


def _request(
    name: str, secret: bytes, at: datetime, number: int, draw: np.random.Generator
) -> tuple[dict[str, object], dict[str, object]]:
    request = new_request_id(name, at, ROWS, number.to_bytes(ENTROPY_BYTES, "big"), secret)
    scores = draw.uniform(size=ROWS)
    record = prediction_record(
        request_id=request.text,
        event_time=at,
        received_at=at,
        model_version="1",
        variant="champion",
        rows=ROWS,
        status=200,
        error_code=None,
        latency_ms=1.5,
        user_id=None,
        session_id=None,
        client_request_id=None,
        source="live",
        key_id=None,
        prediction=[str(int(score > 0.5)) for score in scores],
        score=scores.tolist(),
        features={feature: draw.normal(size=ROWS).tolist() for feature in FEATURES},
    )
    truth = [str(int(draw.uniform() < score)) for score in scores]
    labels = [label_row(request, row, label, at, at) for row, label in enumerate(truth)]
    return dict(record), response_record(labels)


def _write(stores: Stores, name: str, stream: str, number: int, records: Iterable[dict[str, object]]) -> None:
    writer = SegmentWriter(stores.settings.spool, name, stream, f"host-{number}-benchmark")
    writer.append(b"".join(encode(record) for record in records), 0.0)
    writer.seal()
