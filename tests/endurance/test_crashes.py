"""Every way of ending or blocking a process: withdrawn within 30 s at ten requests a second, and nobody else notices.

``--crashes 12`` runs all twelve combinations of standing, workers and share of bad rows; less runs the first of them.
A challenger has 99 % of the callers, among them those of the first three bad rows of each endpoint.
"""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import STOPPED
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.fakes.crashing_models import GOOD, WAYS, YAML, Caller, calling, model, register, times_seen
from tests.support.gateway import running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

PER_SECOND, WITHIN = 10, 30.0
WHO = {"actor": "test", "reason": "test"}
CHALLENGER, CHAMPION, ALONE = "challenger", "champion", "alone"
COMBINATIONS = [
    (standing, workers, every) for every in (5, 100) for workers in (2, 1) for standing in (CHALLENGER, CHAMPION, ALONE)
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run as many combinations as asked."""
    chosen = COMBINATIONS[: metafunc.config.getoption("--crashes")]
    metafunc.parametrize(("standing", "workers", "every"), chosen)


def test_a_version_that_ends_or_blocks_its_process_is_withdrawn(
    standing: str, workers: int, every: int, tmp_path: Path
) -> None:
    project = kinds.empty_project(tmp_path / "project", MODELOPS_WORKERS=str(workers))
    specs = {way: kinds.add_endpoint(project, _name(way), YAML, task="regression") for way in (GOOD, *WAYS)}
    bad = {way: _deploy(project, spec, way, standing) for way, spec in specs.items() if way != GOOD}
    deploy(project.stores, specs[GOOD], _registered(project, specs[GOOD], GOOD, GOOD), **WHO)
    callers = {way: Caller(spec.name) for way, spec in specs.items()}
    took: dict[str, float] = {}
    with running_gateway(project) as gateway, ExitStack() as stack:
        began = time.monotonic()
        for way, caller in callers.items():
            stack.enter_context(calling(str(gateway.client.base_url), caller, PER_SECOND, every if way != GOOD else 0))

        def are_withdrawn() -> bool:
            for way, version in bad.items():
                if way not in took and _is_withdrawn(project, specs[way].name, version, standing):
                    took[way] = time.monotonic() - began
            return len(took) == len(bad)

        wait_until(are_withdrawn, WITHIN + 5)
    print(standing, workers, every, {way: round(seconds, 1) for way, seconds in took.items()})
    assert {200} == set(callers[GOOD].statuses(good=True)), "another endpoint noticed"
    for way in bad:
        seen = times_seen(_seen(project, way, way))
        failed = {x for x, status, _ in callers[way].sent if x > 0 and status != 200}
        assert all(seen[x] <= 1 for x in failed), f"{way}: a good row that failed was tried again"
        assert max(seen.values()) <= 2, f"{way}: a row was tried a third time"
        assert any(alert.rule == "crashes" for alert in project.stores.alerts.find(specs[way].name)), way
    assert max(took.values()) <= WITHIN, took


def _deploy(project: Project, spec: EndpointSpec, way: str, standing: str) -> str:
    """Deploy the bad version as challenger, as champion with a version before it, or alone."""
    bad = _registered(project, spec, way, way)
    if standing != ALONE:
        deploy(project.stores, spec, _registered(project, spec, way, GOOD), **WHO)
    share = 99 if standing == CHALLENGER else 100
    deploy(project.stores, spec, bad, share=share, force=standing == CHAMPION, **WHO)
    return bad


def _registered(project: Project, spec: EndpointSpec, way: str, how: str) -> str:
    return register(project, spec, model(how, _seen(project, way, how))).version


def _seen(project: Project, way: str, how: str) -> Path:
    return project.folder / f"seen-{_name(way)}-{_name(how)}"


def _name(way: str) -> str:
    return way.replace(" ", "_").lower()


def _is_withdrawn(project: Project, endpoint: str, version: str, standing: str) -> bool:
    state = project.stores.deployments.desired(endpoint)
    if standing == ALONE:
        return state.status == STOPPED
    return version not in {variant.version for variant in state.variants}
