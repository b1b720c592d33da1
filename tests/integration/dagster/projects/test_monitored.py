"""A user's project is monitored by its component alone: traffic is worked off, and what is not loaded is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.operations.alerting.watches import code_location_watch
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.gateway import running_gateway
from tests.support.ports import free_port
from tests.support.project import CANCER_YAML, Project, cancer_frame, rows_of, train_first
from tests.worlds.dagster_project import wait_for_segments
from tests.worlds.user_project import UserProject, tick, user_project

HOURLY = CANCER_YAML.replace(
    "tests.fakes.trainers:logistic", "tests.fakes.trainers:logistic\n  owners: ['team:clinic']"
)


@dataclass
class Clinic:
    """The user's project, and the same folder as our commands and the gateway see it."""

    user: UserProject
    project: Project


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with user_project(tmp_path, {"one/defs.yaml": HOURLY}) as user:
        ports = {f"MODELOPS_{name}_PORT": str(free_port()) for name in ("GATEWAY", "DAGSTER", "MLFLOW")}
        at_once = {"MODELOPS_SEAL_AFTER_SECONDS": "0.2", "MODELOPS_INGEST_LAG_SECONDS": "0"}
        settings = load_settings(user.folder, {**ports, **at_once})
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (ports | at_once).items():
                patch.setenv(name, value)
            spec = read_endpoint(user.defs / "one" / "defs.yaml")
            yield Clinic(user, Project(user.folder, settings.environment(), Stores(settings), spec))


def test_traffic_is_worked_off_by_a_run_in_one_process(clinic: Clinic) -> None:
    project, frame = clinic.project, cancer_frame()
    train_first(project, frame)
    deploy(project.stores, project.spec, "1", actor="ann", reason="first", force=True)
    with running_gateway(project) as gateway:
        assert gateway.predict(rows_of(frame.head(40), "benign")).status_code == 200
        wait_for_segments(project)
    loaded = clinic.user.load()
    with dg.DagsterInstance.ephemeral() as instance:
        [request] = tick(loaded, instance, "new_data").run_requests
        assert {"execution": {"config": {"in_process": {}}}} == request.run_config
        job = loaded.resolve_implicit_global_asset_job_def()
        dg.validate_run_config(job, request.run_config)
        ran = job.execute_in_process(instance=instance, asset_selection=request.asset_selection, tags=request.tags)
        assert ran.success
        metrics = [one for one in ran.get_asset_materialization_events() if one.asset_key.path[-1] == "service_metrics"]
        assert [1] == [one.materialization.metadata["dagster/row_count"].value for one in metrics]


def test_an_endpoint_added_on_disk_is_told_with_what_to_press_until_dagster_has_loaded_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_location_watch, "PATIENCE", code_location_watch.PATIENCE * 0)
    alerts, loaded = clinic.project.stores.alerts, clinic.user.load()
    with dg.DagsterInstance.ephemeral() as instance:
        tick(loaded, instance, "alerts")
        assert [] == alerts.find(None, "open")
        clinic.user.add({"two/defs.yaml": CANCER_YAML.replace("name: cancer", "name: lungs")})
        for _ in range(2):
            tick(loaded, instance, "alerts")
            [alert] = alerts.find(None, "open")
            assert ("lungs", "code_location", 1) == (alert.endpoint, alert.kind, alert.count)
            assert "press Reload" in alert.message
        reloaded = clinic.user.load()
        for _ in range(2):
            tick(reloaded, instance, "alerts")
        assert [] == alerts.find(None, "open")
