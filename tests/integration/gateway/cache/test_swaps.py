"""Every swap leaves no kept answer, on every worker; versions of a trial have their own, and hits judge no version."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import mlflow
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.alias_sync import reconcile
from modelops_pipelines.operations.release.commands import deploy, roll_back, start, stop
from modelops_pipelines.operations.release.trials.canary import evidence
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.kept_answers import ROWS, WHO, Caching, make_caching
from tests.support.project import CANCER_YAML, Project
from tests.support.waiting import wait_until

CALLERS = 8
ENDPOINTS = {"plain": "", "kept": "  cache: {ttl: 1h}\n"}
KEPT = {"kept": ENDPOINTS["kept"]}


@pytest.fixture(scope="module")
def world(trained_world: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caching]:
    project, specs = make_caching(trained_world, tmp_path_factory.mktemp("cache") / "project", ENDPOINTS)
    with running_gateway(project) as gateway:
        yield Caching(project, gateway, specs)


def _deploy_second(world: Caching, spec: EndpointSpec) -> None:
    deploy(world.project.stores, spec, "2", **WHO, force=True)


def _deploy_and_roll_back(world: Caching, spec: EndpointSpec) -> None:
    _deploy_second(world, spec)
    roll_back(world.project.stores, spec, **WHO)


def _stop_and_start(world: Caching, spec: EndpointSpec) -> None:
    stop(world.project.stores, spec, **WHO)
    start(world.project.stores, spec, **WHO)


def _begin_a_canary(world: Caching, spec: EndpointSpec) -> None:
    deploy(world.project.stores, spec, "2", **WHO, force=True, share=1)


def _change_the_share(world: Caching, spec: EndpointSpec) -> None:
    _begin_a_canary(world, spec)
    world.ask(spec.name, 110, **{"X-User-Id": "ann"})
    deploy(world.project.stores, spec, "2", **WHO, force=True, share=2)


def _move_the_alias(world: Caching, spec: EndpointSpec) -> None:
    """Move MLflow's alias by hand, and look at it as Dagster does: version 2 is promoted through the gate."""

    def judged(stores: Stores, of: EndpointSpec, version: str) -> Gate:
        champion = stores.deployments.desired(of.name).champion
        gate = Gate(of.name, version, champion, "rows", of.gate.hash, PASS, {"reason": "its numbers"}, stores.now())
        stores.gates.record(gate)
        return gate

    uri, stores = world.project.stores.settings.registry_uri, world.project.stores
    reconcile(stores, spec, "first look", judged)
    mlflow.MlflowClient(uri, uri).set_registered_model_alias("tumours", f"champion-{spec.name}", "2")
    assert "adopted" == reconcile(stores, spec, "second look", judged).action


def _change_the_configuration(world: Caching, spec: EndpointSpec) -> None:
    path = world.project.folder / "endpoints" / f"{spec.name}.yaml"
    path.write_text(path.read_text() + "  description: another text\n")
    wait_until(lambda: "another text" == world.gateway.client.get(f"/endpoints/{spec.name}").json()["description"], 20)


SWAPS: dict[str, tuple[Callable[[Caching, EndpointSpec], None], str]] = {
    "a deploy": (_deploy_second, "2"),
    "a deploy and its rollback": (_deploy_and_roll_back, "1"),
    "a stop and a start": (_stop_and_start, "1"),
    "the begin of a canary": (_begin_a_canary, "1"),
    "a change of the share": (_change_the_share, "1"),
    "a moved alias": (_move_the_alias, "2"),
    "another configuration": (_change_the_configuration, "1"),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_leaves_no_kept_answer(world: Caching, swap: str) -> None:
    change, version = SWAPS[swap]
    name = f"swap_{list(SWAPS).index(swap)}"
    path = world.project.folder / "endpoints" / f"{name}.yaml"
    more = "  cache: {ttl: 1h}\n  promotion: {aliases: adopt}\n"
    path.write_text(CANCER_YAML.replace("name: cancer", f"name: {name}") + more)
    spec = read_endpoint(path)
    wait_until(lambda: world.gateway.client.get(f"/endpoints/{name}").status_code == 200, 20)
    deploy(world.project.stores, spec, "1", **WHO, force=True)
    asked = {"X-User-Id": "ann"}
    before = [world.ask(name, 110, **asked)["request_id"] for _ in range(2)]
    change(world, spec)
    after = [world.ask(name, 110, **asked) for _ in range(2)]
    assert [False, True] == [world.is_hit(name, one) for one in before]
    assert [version] * 2 == [one["model_version"] for one in after]
    assert [False, True] == [world.is_hit(name, one["request_id"]) for one in after]
    path.unlink()


def test_what_changes_in_another_file_leaves_the_kept_answers(world: Caching) -> None:
    assert [False, True] == world.hits("kept", 120, 120)
    path = world.project.folder / "endpoints" / "plain.yaml"
    path.write_text(path.read_text() + "  description: another text\n")
    wait_until(lambda: "another text" == world.gateway.client.get("/endpoints/plain").json()["description"], 20)
    assert [True] == world.hits("kept", 120)


def test_each_version_of_a_trial_has_its_own_answers_and_hits_are_no_evidence(
    trained_world: Project, tmp_path: Path
) -> None:
    project, specs = make_caching(trained_world, tmp_path / "project", KEPT)
    spec, users = specs["kept"], [f"u{number}" for number in range(30)]
    deploy(project.stores, spec, "2", **WHO, force=True, share=50)
    with running_gateway(project) as gateway:
        world = Caching(project, gateway, specs)
        answers = [world.ask("kept", 0, **{"X-User-Id": user}) for user in users for _ in range(2)]
        found = {version: [one for one in answers if one["model_version"] == version] for version in "12"}
        hits = {version: [world.is_hit("kept", one["request_id"]) for one in found[version]] for version in "12"}
        other = found["1"][0]["predictions"] != found["2"][0]["predictions"]
        wait_until(lambda: sum(_judged_live(project).values()) >= 2, 20)
        judged = _judged_live(project)
    assert {version: [False] + [True] * (len(of) - 1) for version, of in found.items()} == hits
    assert all(len(of) > 5 for of in found.values())
    assert other
    assert all(1 == len({json.dumps(one["predictions"]) for one in of}) for of in found.values())
    ingest(project.stores, spec, "predictions")
    [leg] = evidence(project.stores, spec, project.stores.deployments.desired("kept")).legs
    assert (1, 1) == (leg.challenger.requests, leg.champion.requests)
    assert {"1": 1, "2": 1} == judged


def _judged_live(project: Project) -> dict[str, int]:
    """Return the requests that the guards count, by version, as workers have published them."""
    lines = [line for path in (project.folder / "home" / "live").glob("*") for line in path.read_text().splitlines()]
    versions = [(name, one["requests"]) for line in lines for name, one in json.loads(line)["versions"].items()]
    return {name: sum(count for other, count in versions if other == name) for name, _ in versions}


def test_once_a_rollback_has_returned_no_worker_answers_from_before_it(trained_world: Project, tmp_path: Path) -> None:
    workers = 2
    project, specs = make_caching(trained_world, tmp_path / "project", KEPT, MODELOPS_WORKERS=str(workers))
    spec = specs["kept"]
    with running_gateway(project) as gateway:
        wait_until(lambda: len(_workers(project)) == workers, 60)
        begun = _ask_all_workers(gateway)
        deploy(project.stores, spec, "2", **WHO, force=True)
        roll_back(project.stores, spec, **WHO)
        after = _ask_all_workers(gateway)
        log = {row["request_id"]: row for row in log_of(project, spec)}
    for numbers in (begun, after):
        rows = sorted((log[number] for number in numbers), key=lambda row: row["received_at"])
        hits: dict[tuple[str, float], list[bool]] = {}
        for row in rows:
            hits.setdefault((row["worker"], row["mean_radius"]), []).append(row["cache_hit"])
        assert workers == len({worker for worker, _ in hits})
        assert all([False] + [True] * (len(of) - 1) == of for of in hits.values()), hits


def _ask_all_workers(gateway: RunningGateway) -> list[str]:
    """Ask on connections of their own, for some rows at once and each of them again and again; return the ids."""

    def ask(row: int) -> list[str]:
        numbers = []
        for _ in range(10):
            with httpx.Client(base_url=gateway.client.base_url, timeout=60) as client:
                answer = client.post("/endpoints/kept/invocations", json={"dataframe_records": ROWS[row : row + 1]})
                numbers.append(str(answer.json()["request_id"]))
        return numbers

    with ThreadPoolExecutor(CALLERS) as callers:
        return [number for numbers in callers.map(ask, range(CALLERS)) for number in numbers]


def _workers(project: Project) -> list[str]:
    return [one.worker for one in project.stores.deployments.acknowledgements("kept", project.stores.now())]
