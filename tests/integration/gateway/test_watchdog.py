"""A bad version is rolled back within a minute at ten requests a second, with nothing but the gateway running."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.operations.release.commands import deploy, promote, stop
from modelops_pipelines.operations.release.commands import start as start_again
from tests.fakes import model_kinds as kinds
from tests.fakes.misbehaving_models import FRAGILE, GOOD, MORE, RAISING, SLOW, calling, register
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

PER_SECOND = 10
MINUTE = 60.0
WHO = {"actor": "test", "reason": "test"}


@dataclass
class Running:
    """A gateway of two workers that serves a good version; versions by how they behave."""

    gateway: RunningGateway
    project: Project
    spec: EndpointSpec
    versions: dict[str, str]

    def taken_back(self, version: str) -> bool:
        """Return whether the version has been on trial and is gone."""
        state = self.project.stores.deployments.desired(self.spec.name)
        last = self.project.stores.deployments.events(self.spec.name)[-1]
        return version not in {v.version for v in state.variants} and last.actor == "watchdog"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("watchdog"), MODELOPS_WORKERS="2")
    spec = kinds.add_endpoint(project, "guarded", MORE)
    versions = {how: register(project, spec, how) for how in (GOOD, RAISING, SLOW, FRAGILE)}
    versions["as good"] = register(project, spec, GOOD)
    deploy(project.stores, spec, versions[GOOD], **WHO, force=True)
    with running_gateway(project) as gateway:
        yield Running(gateway, project, spec, versions)


@pytest.fixture(autouse=True)
def _good(running: Running) -> None:
    deploy(running.project.stores, running.spec, running.versions[GOOD], **WHO, force=True)


@pytest.mark.parametrize(("how", "guard"), [(RAISING, "errors"), (SLOW, "latency")])
def test_a_bad_canary_is_taken_back_within_a_minute_and_the_history_has_the_numbers(
    running: Running, how: str, guard: str
) -> None:
    version, stores = running.versions[how], running.project.stores
    with calling(running.gateway, "guarded", PER_SECOND) as callers:
        wait_until(lambda: len(callers.statuses) > PER_SECOND, 30)
        began = time.monotonic()
        assert promote(stores, running.spec, version, **WHO, force=True).share == 20
        wait_until(lambda: running.taken_back(version), MINUTE)
        took = time.monotonic() - began
    assert took < MINUTE
    event = stores.deployments.events("guarded")[-1]
    assert ("rollback", "watchdog", version, guard) == (
        event.action,
        event.actor,
        event.evidence["withdrawn"],
        event.evidence["guard"],
    )
    assert variants_of(running.versions[GOOD]) == stores.deployments.desired("guarded").variants
    [said] = stores.trials.of("guarded", event.generation - 1)
    assert (said.version, said.verdict, said.share) == (version, "fail", 20)


def test_a_bad_version_with_the_whole_traffic_is_taken_back_too(running: Running) -> None:
    version = running.versions[RAISING]
    with calling(running.gateway, "guarded", PER_SECOND):
        deploy(running.project.stores, running.spec, version, **WHO, force=True)
        wait_until(lambda: running.taken_back(version), MINUTE)
    assert variants_of(running.versions[GOOD]) == running.project.stores.deployments.desired("guarded").variants


def test_rows_that_the_previous_champion_fails_too_roll_nothing_back_and_rows_that_it_answers_do(
    running: Running,
) -> None:
    stores, version = running.project.stores, running.versions[RAISING]
    deploy(stores, running.spec, running.versions[FRAGILE], **WHO, force=True)
    deploy(stores, running.spec, version, **WHO, force=True)
    before = _errors(running)
    time.sleep(5)  # the second of the change is in no count, and a busy worker takes some to begin the watch
    for _ in range(60):
        assert 500 == running.gateway.predict([{"x": 2.0}], "guarded").status_code
    wait_until(lambda: _errors(running) >= before + 60, 30)
    assert version == stores.deployments.desired("guarded").champion
    with calling(running.gateway, "guarded", PER_SECOND):
        wait_until(lambda: running.taken_back(version), MINUTE)
    said = stores.deployments.events("guarded")[-1].evidence
    counted = said["numbers"]["requests"] - said["numbers"]["failed"]
    assert (said["guard"], counted >= 60) in {("errors", True), ("replays", False)}, said
    assert running.versions[FRAGILE] == stores.deployments.desired("guarded").champion


def _errors(running: Running) -> int:
    found = running.gateway.client.get("/endpoints/guarded/metrics", params={"window": "1h"}).json()
    return int(found["server_errors"])


def test_a_new_champion_that_is_slower_on_the_same_rows_is_taken_back(running: Running) -> None:
    version, stores = running.versions[SLOW], running.project.stores
    with calling(running.gateway, "guarded", PER_SECOND):
        deploy(stores, running.spec, version, **WHO, force=True)
        wait_until(lambda: running.taken_back(version), 2 * MINUTE)
    event = stores.deployments.events("guarded")[-1]
    assert (version, "latency") == (event.evidence["withdrawn"], event.evidence["guard"])
    assert running.versions[GOOD] == stores.deployments.desired("guarded").champion


def test_a_version_as_good_as_the_champion_is_left_alone(running: Running) -> None:
    deploy(running.project.stores, running.spec, running.versions["as good"], share=50, **WHO)
    with calling(running.gateway, "guarded", 40) as callers:
        wait_until(lambda: len(callers.statuses) > 400, 60)
    state = running.project.stores.deployments.desired("guarded")
    assert state.challenger == running.versions["as good"]
    assert {200} == {status for _, status in callers.statuses}
    asked = [version for version, _ in callers.statuses].count(running.versions["as good"])
    assert abs(asked / len(callers.statuses) - 0.5) < 0.15


def test_a_stopped_endpoint_refuses_within_a_second_and_starts_as_it_was(running: Running) -> None:
    row = [{"x": 0.0}]
    began = time.monotonic()
    change = stop(running.project.stores, running.spec, **WHO)
    answer = running.gateway.predict(row, "guarded")
    assert time.monotonic() - began < 1
    assert (503, "Endpoint 'guarded' is stopped") == (answer.status_code, answer.json()["error"]["message"])
    assert change.workers == 2
    start_again(running.project.stores, running.spec, **WHO)
    assert running.gateway.predict(row, "guarded").json()["model_version"] == running.versions[GOOD]
