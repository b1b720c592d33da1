"""Each version runs its own code, though the modules of champion and challenger have the same names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.improve.evaluation import evaluate
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.fakes import models_with_code as own
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

WHO = {"actor": "test", "reason": "test"}
FACTORS = {"1": 2.0, "2": 3.0}
PICKLE = "  allow_pickle: true\n"


@dataclass
class Made:
    """A project with an endpoint for each way of bringing code along: two versions, with different factors."""

    project: Project
    specs: dict[str, EndpointSpec]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("own_code")
    project = kinds.empty_project(folder / "project")
    specs = {}
    for way in own.WAYS:
        name = way.replace(" ", "_")
        spec = specs[way] = kinds.add_endpoint(project, name, PICKLE, task="regression")
        for number, factor in FACTORS.items():
            own.record(project, spec, number, own.save(folder / f"{name}-{number}", way, factor))
        deploy(project.stores, spec, "1", **WHO)
    yield Made(project, specs)
    project.stores.database.close()


def test_champion_and_challenger_run_their_own_code_after_promotion_and_restart_too(made: Made) -> None:
    stores = made.project.stores
    with running_gateway(made.project) as gateway:
        for spec in made.specs.values():
            deploy(stores, spec, "2", share=50, **WHO)
        assert dict.fromkeys(made.specs, FACTORS) == {way: _answers(gateway, spec) for way, spec in made.specs.items()}
        for spec in made.specs.values():
            deploy(stores, spec, "2", force=True, **WHO)
        assert {("2", 3.0)} == {one for spec in made.specs.values() for one in _answers(gateway, spec).items()}
    for spec in made.specs.values():
        deploy(stores, spec, "1", share=50, **WHO)
    with running_gateway(made.project) as gateway:
        assert dict.fromkeys(made.specs, FACTORS) == {way: _answers(gateway, spec) for way, spec in made.specs.items()}


@pytest.mark.parametrize("way", own.WAYS)
def test_the_gate_judges_each_version_with_its_own_code(made: Made, way: str) -> None:
    spec, found = made.specs[way], {}
    for number in FACTORS:
        known = made.project.stores.deployments.version(spec.model_name, number)
        assert known is not None
        found[number] = evaluate._load_and_predict(spec, known, own.FRAME)
    assert {number: [factor, 2 * factor, 3 * factor] for number, factor in FACTORS.items()} == {
        number: one.answers for number, one in found.items()
    }


def _answers(gateway: RunningGateway, spec: EndpointSpec) -> dict[str, Any]:
    """Return each answering version's answer to x = 1, from enough callers that each version answers."""
    found: dict[str, Any] = {}
    for number in range(40):
        body = gateway.predict([{"x": 1.0}], spec.name, **{"X-User-Id": f"user-{number}"}).json()
        [found[body["model_version"]]] = body["predictions"]
    return dict(sorted(found.items()))
