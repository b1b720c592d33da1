"""A project as Dagster runs it: the real code location on a real temporary instance, and traffic for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.definitions import defs
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.spool.waiting import pending_segments
from tests.support.gateway import RunningGateway
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONITORING = EndpointSpec("cancer", "tumours", "binary_classification", "benign").monitored


@dataclass
class World:
    """A project with its code location and its Dagster instance."""

    project: Project
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def materialise(
        self,
        names: Sequence[str] | None = None,
        endpoint: str = "cancer",
        config: Mapping[str, Any] | None = None,
        *,
        by_hand: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """Run assets of the endpoint as the sensors (or a person) have them run; a failure is in the result."""
        chosen = endpoint_named(self.project.stores, endpoint).monitored if names is None else names
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey([endpoint, name]) for name in chosen],
            run_config={"ops": {f"{endpoint}__monitoring": {"config": dict(config)}}} if config else None,
            tags=None if by_hand else {"endpoint": endpoint},
            raise_on_error=False,
        )

    def run(self, job: str, endpoint: str = "cancer", **config: object) -> dg.ExecuteInProcessResult:
        """Run a job for the endpoint as the launchpad does; a failure is in the result."""
        found = self.definitions.resolve_job_def(job)
        op = found.nodes[0].name
        return found.execute_in_process(
            instance=self.instance,
            partition_key=endpoint,
            run_config={"ops": {op: {"config": config}}},
            raise_on_error=False,
        )

    def tick(self, sensor: str, cursor: str | None = None) -> SensorExecutionData:
        """Evaluate a sensor as the daemon does."""
        found = self.definitions.resolve_sensor_def(sensor)
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, definitions=self.definitions, resources=self.definitions.resources
        ) as context:
            return found.evaluate_tick(context)


@contextmanager
def world(folder: Path, *more: str, yaml: str = CANCER_YAML) -> Iterator[World]:
    """Make a project of the endpoints' YAML in an empty folder, and load its code location."""
    project = make_project(folder / "project", yaml)
    for number, text in enumerate(more):
        (folder / "project" / "endpoints" / f"more{number}.yaml").write_text(text)
    with world_of(project, folder / "dagster") as made:
        yield made


@contextmanager
def world_of(project: Project, dagster_home: Path) -> Iterator[World]:
    """Load the code location of a project that there is; Dagster's home is made."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in project.environment.items():
            patch.setenv(name, value)
        dagster_home.mkdir()
        instance = stack.enter_context(dg.DagsterInstance.local_temp(str(dagster_home)))
        yield World(project, defs(), instance)


def send(
    gateway: RunningGateway,
    rows: Sequence[Mapping[str, Any]],
    truth: Sequence[Any],
    at: datetime,
    endpoint: str = "cancer",
) -> None:
    """Ask for predictions at a time of the past, then say what was true."""
    answer = gateway.predict([dict(row) for row in rows], endpoint, **{"X-Event-Time": at.isoformat()})
    assert answer.status_code == 200, answer.text
    ids = [f"{answer.json()['request_id']}-{row}" for row in range(len(rows))]
    labels = [{"prediction_id": i, "label": y, "labelled_at": at.isoformat()} for i, y in zip(ids, truth, strict=True)]
    said = gateway.client.post(f"/endpoints/{endpoint}/labels", json={"labels": labels})
    assert said.status_code == 202, said.text


def wait_for_segments(project: Project, *endpoints: str) -> None:
    """Wait until all that was sent is sealed."""
    spool = project.stores.settings.spool
    for name in endpoints or ("cancer",):
        wait_until(lambda name=name: pending_segments(spool, name) and not list((spool / name).glob("*/*/*.open")), 20)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Return the run's check evaluations by the checks' names."""
    return {said.check_name: said for said in result.get_asset_check_evaluations()}


def shown_of(result: dg.ExecuteInProcessResult, asset: str) -> dg.AssetMaterialization:
    """Return what the run's only materialization of an asset shows."""
    [event] = [one for one in result.get_asset_materialization_events() if one.asset_key.path[-1] == asset]
    return event.materialization


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return what the run's failed step says to the user."""
    failed = result.filter_events(lambda event: event.is_step_failure)
    error = failed[0].step_failure_data.user_failure_data
    return str(error.description if error else failed[0].step_failure_data.error)
