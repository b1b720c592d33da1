"""A version that ends or blocks its process is withdrawn, its requests are logged, and nobody else notices."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import STOPPED
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.fakes.crashing_models import FATAL, GOOD, HANGS, YAML, Caller, calling, model, register, times_seen
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

PER_SECOND = 10
WITHIN = 30.0
WHO = {"actor": "test", "reason": "test"}
ABORT, HANG = FATAL[0], HANGS[1]


@dataclass
class Running:
    """A gateway of two workers that serves a good version on the endpoint ``steady``."""

    gateway: RunningGateway
    project: Project
    folder: Path

    def endpoint(self, name: str, *how: str) -> tuple[EndpointSpec, list[str]]:
        """Add an endpoint with versions that behave so; each writes what it sees to ``seen``."""
        spec = kinds.add_endpoint(self.project, name, YAML, task="regression")
        versions = [register(self.project, spec, model(one, self.seen(name, one))).version for one in how]
        return spec, versions

    def seen(self, name: str, how: str) -> Path:
        return self.folder / f"{name}-{how}".replace(" ", "_")

    def calling(self, name: str, every: int) -> Any:
        return calling(str(self.gateway.client.base_url), Caller(name), PER_SECOND, every)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("crashes")
    project = kinds.empty_project(folder / "project", MODELOPS_WORKERS="2")
    spec = kinds.add_endpoint(project, "steady", YAML, task="regression")
    deploy(project.stores, spec, register(project, spec, model(GOOD, folder / "steady")).version, **WHO)
    with running_gateway(project) as gateway:
        yield Running(gateway, project, folder)


@pytest.mark.parametrize(("how", "every"), [(ABORT, 5), (HANG, 5)])
def test_a_challenger_that_crashes_is_withdrawn_and_nobody_else_notices(running: Running, how: str, every: int) -> None:
    name = f"challenged_{every}_{how.split(maxsplit=1)[0]}"
    spec, (good, bad) = running.endpoint(name, GOOD, how)
    stores = running.project.stores
    deploy(stores, spec, good, **WHO)
    deploy(stores, spec, bad, share=50, **WHO)
    with running.calling("steady", 0) as steady, running.calling(name, every) as caller:
        wait_until(lambda: stores.deployments.desired(name).challenger is None, WITHIN)
        withdrawn = time.monotonic()
        wait_until(lambda: time.monotonic() - withdrawn > 1, 30)
    assert {200} == set(steady.statuses(good=True))
    event = stores.deployments.events(name)[-1]
    assert ("rollback", "watchdog", bad) == (event.action, event.actor, event.evidence["withdrawn"])
    assert event.evidence["guard"] == ("hangs" if how == HANG else "crashes")
    [alert] = stores.alerts.find(name)
    assert f"Version {bad} of '{name}' crashed or hung" in alert.message
    assert f"the endpoint returned to version {good}" in alert.message
    seen = times_seen(running.seen(name, how))
    failed = {x for x, status, _ in caller.sent if x > 0 and status != 200}
    assert all(seen[x] <= 1 for x in failed), "a good row that failed was tried again"
    assert max(seen.values()) <= 2
    _assert_logged(running.project, spec, caller)


def test_a_champion_without_a_version_before_is_stopped_and_an_alert_tells(running: Running) -> None:
    spec, (bad,) = running.endpoint("alone", ABORT)
    stores = running.project.stores
    deploy(stores, spec, bad, **WHO)
    with running.calling("alone", 5):
        wait_until(lambda: stores.deployments.desired("alone").status == STOPPED, WITHIN)
    event = stores.deployments.events("alone")[-1]
    assert ("stop", "watchdog") == (event.action, event.actor)
    wait_until(lambda: "the endpoint was stopped" in stores.alerts.find("alone")[0].message, 30)


def test_a_row_that_crashed_twice_is_not_tried_again_and_the_others_are_answered(running: Running) -> None:
    spec, (bad,) = running.endpoint("poisoned", ABORT)
    deploy(running.project.stores, spec, bad, **WHO)
    rows = [[{"x": -7.0}]] * 4 + [[{"x": 8.0}]]
    answers = [running.gateway.predict(row, "poisoned") for row in rows]
    assert [500, 500, 500, 500, 200] == [answer.status_code for answer in answers]
    codes = [answer.json()["error"]["code"] for answer in answers[:4]]
    assert ["crash", *["refused_row"] * 3] == codes
    wait_until(lambda: times_seen(running.seen("poisoned", ABORT))[-7.0] == 2, 10)  # once more apart from the endpoint
    assert "(SIGABRT) while it was answering" in answers[0].json()["error"]["message"]


def test_a_prediction_past_its_deadline_ends_and_the_version_answers_again(running: Running) -> None:
    more = YAML + "  limits: {deadline: 2s}\n"
    spec = kinds.add_endpoint(running.project, "late", more, task="regression")
    version = register(running.project, spec, model(HANGS[0], running.seen("late", HANGS[0])))
    deploy(running.project.stores, spec, version.version, **WHO)
    late = running.gateway.predict([{"x": -7.0}], "late")
    assert (503, "overload") == (late.status_code, late.json()["error"]["code"])
    wait_until(lambda: len(running.project.stores.crashes.all("late")) == 1, 30)
    [recorded] = running.project.stores.crashes.all("late")
    wait_until(lambda: running.gateway.predict([{"x": 9.0}], "late").status_code == 200, 30)
    assert ("hang", "no answer for 2 s") == (recorded.crash.kind, recorded.crash.cause)


def _assert_logged(project: Project, spec: EndpointSpec, caller: Caller) -> None:
    """Every request is a row of the log, the failed ones too."""

    def logged() -> list[int]:
        ingest(project.stores, spec, "predictions")
        with project.stores.lake.query(spec.name, [kinds.log_of(project, spec)]) as connected:
            return sorted(row[0] for row in connected.execute("SELECT status FROM inference_log").fetchall())

    wait_until(lambda: len(logged()) >= len(caller.sent), 15)
    assert sorted(status for _, status, _ in caller.sent) == logged()
