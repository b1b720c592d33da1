"""Projects that several files of these tests share."""

from pathlib import Path

import pytest

from modelops_pipelines.operations.alerting.raise_alerts import raise_alerts
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from tests.cli.support import ERROR, Loop, modelops
from tests.support import Project, cancer_frame, make_project, rows_of, running_gateway, train_first


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    project = make_project(tmp_path_factory.mktemp("cli") / "project")
    frame = cancer_frame()
    data = project.folder / "data.csv"
    frame.to_csv(data, index=False)
    train_first(project, frame)
    train_first(project, frame.head(400))
    assert modelops(project, "deploy", "cancer", "1", "--reason", "first").code == 0
    with running_gateway(project) as gateway:
        answer = gateway.predict(rows_of(frame)).json()
        named = [
            {"prediction_id": f"{answer['request_id']}-{row}", "label": int(label)}
            for row, label in enumerate(frame["benign"])
        ]
        assert gateway.client.post("/endpoints/cancer/labels", json={"labels": named}).status_code == 202
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    for derive in (measure_service, measure_quality, profile_windows, detect_drift):
        derive(project.stores, project.spec)
    raise_alerts(project.stores, "cancer", [ERROR], source="run 1")
    return Loop(project, data, answer["request_id"])


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")
