"""A project that has served: version 1 live, one request with its labels in every table, one open alert."""

from pathlib import Path

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.release.commands import deploy
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, copied_project, rows_of
from tests.support.waiting import wait_until

ERROR = Verdict(
    "error_rate", "error_rate", "error", False, 0.5, 0.1, 40, "2026-01-01T00:00:00Z", "error_rate 0.5 is above 0.1"
)


def make_served(trained: Project, folder: Path) -> tuple[Project, str]:
    """Make the project from one with versions; return it with the request's id."""
    project = copied_project(trained, folder)
    frame = cancer_frame()
    deploy(project.stores, project.spec, "1", actor="test", reason="first")
    with running_gateway(project) as gateway:
        answer = gateway.predict(rows_of(frame)).json()
        named = [
            {"prediction_id": f"{answer['request_id']}-{row}", "label": int(label)}
            for row, label in enumerate(frame["benign"])
        ]
        assert gateway.client.post("/endpoints/cancer/labels", json={"labels": named}).status_code == 202
        wait_until(lambda: not project.stores.deployments.unsettled("cancer"), 20)
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    for derive in (measure_service, measure_quality, profile_windows, detect_drift):
        derive(project.stores, project.spec)
    raise_alerts(project.stores, "cancer", [ERROR], source="run 1")
    return project, answer["request_id"]
